// Package importer makes traces of what other tools log: which memory was asked
// for and given back, and when. It tells what a source could not say and what
// was assumed in its place.
//
//	RMM, MiniMalloc, PyTorch, ONNX Runtime PR #25120, JSON Lines
//	      └──► tape: requests, releases, runs ──► workload.Read, which checks
//
// Nothing here knows a policy, a file or a screen.
package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bucketscope/workload"
)

// Result is an imported trace, with what a person should know of it.
type Result struct {
	Trace *workload.Trace
	// Format is what the source was.
	Format string
	// Unsaid is what the source does not say and what was assumed; Dropped
	// what of it could not be used, and why.
	Unsaid, Dropped []string
}

// FormatError says why a source cannot be read. Line is 0 where there are none.
type FormatError struct {
	File   string
	Line   int
	Reason string
}

func (e *FormatError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
	}
	return e.File + ": " + e.Reason
}

// maxInput bounds what is read of a source, in bytes.
const maxInput = 512 << 20

// source is a format that can be imported.
type source struct {
	name string
	// is tells by a file's beginning whether it is one.
	is func(beginning []byte) bool
	// play reads it onto a tape.
	play func(r *bufio.Reader, t *tape) error
}

var sources = []source{
	{"rmm", isRMM, playRMM},
	{"minimalloc", isMiniMalloc, playMiniMalloc},
	{"pytorch", isPickle, playPyTorch},
	{"ort-csv", isORT, playORT},
	{"jsonl", isJSONLines, playJSONLines},
}

// Formats are the names of what can be imported.
func Formats() []string {
	var out []string
	for _, s := range sources {
		out = append(out, s.name)
	}
	return out
}

// Auto as a format is told by the file's beginning.
const Auto = "auto"

// Read reads a source of a format of Formats, or Auto; name stands for the file
// in errors and becomes the trace's. What is wrong with the source is a
// *FormatError; a failure of r is returned wrapped. Of r at most 512 MiB are
// read.
func Read(r io.Reader, name, format string) (*Result, error) {
	limited := &limitedReader{r: r, left: maxInput}
	br := bufio.NewReaderSize(limited, 64<<10)
	beginning, err := br.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	s, err := choose(format, beginning)
	if err != nil {
		return nil, &FormatError{File: name, Reason: err.Error()}
	}
	res := &Result{Format: s.name}
	pr, pw := io.Pipe()
	t := newTape(pw, name, s.name)
	played := make(chan error, 1)
	go func() {
		err := s.play(br, t)
		if err == nil {
			err = t.end()
		}
		_ = pw.CloseWithError(err) // a pipe's never fails
		played <- err
	}()
	trace, rerr := workload.Read(pr, name)
	_ = pr.Close() // lets a writer that nobody reads end
	perr := <-played
	switch {
	case limited.err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, limited.err)
	case perr != nil && !errors.Is(perr, io.ErrClosedPipe):
		var bad *FormatError
		if !errors.As(perr, &bad) {
			bad = &FormatError{Reason: perr.Error()}
		}
		bad.File = name
		return nil, bad
	case rerr != nil:
		return nil, &FormatError{File: name, Reason: "what it says makes no trace: " + rerr.Error()}
	}
	res.Trace, res.Unsaid, res.Dropped = trace, t.unsaid, t.drops()
	return res, nil
}

// limitedReader refuses to go on beyond a limit, and keeps the reader's own
// failure apart.
type limitedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("more than %d bytes", int64(maxInput))
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}

func choose(format string, beginning []byte) (*source, error) {
	if bytes.Contains(beginning, []byte(`"`+workload.FormatName+`"`)) {
		return nil, errors.New("it is a trace already: play it with --trace")
	}
	for i := range sources {
		s := &sources[i]
		if s.name == format {
			return s, nil
		}
		if format == Auto && s.is(beginning) {
			return s, nil
		}
	}
	list := strings.Join(Formats(), ", ")
	if format != Auto {
		return nil, fmt.Errorf("%q cannot be imported: want auto, %s", format, list)
	}
	return nil, fmt.Errorf("it begins like none of %s: name one with --format", list)
}

// columns finds the columns of a CSV's first line, whatever their order; false
// if one is missing.
func columns(line string, names ...string) ([]int, bool) {
	line, _, _ = strings.Cut(line, "\n")
	have := strings.Split(strings.TrimPrefix(strings.TrimSpace(line), "\ufeff"), ",")
	for i := range have {
		have[i] = strings.TrimSpace(have[i])
	}
	at := make([]int, len(names))
	for i, n := range names {
		if at[i] = slices.Index(have, n); at[i] < 0 {
			return nil, false
		}
	}
	return at, true
}
