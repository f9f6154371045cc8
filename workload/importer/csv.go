package importer

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// What every log without usages, runs or submits lacks.
const (
	noUsage  = "usage is not said: every request is taken for a storage buffer"
	noRuns   = "runs are not said: everything is one run"
	noSubmit = "submits are not said: there are none, so that what is released in a mode that waits for one stays pending"
)

// table reads the rows of a CSV with a head that has these columns.
func table(r io.Reader, names []string, row func(line int, fields []string) error) error {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	in.FieldsPerRecord = -1
	head, err := in.Read()
	if err != nil {
		return bad(in, err)
	}
	at, ok := columns(strings.Join(head, ","), names...)
	if !ok {
		return &FormatError{Line: 1, Reason: "the first line must name the columns " + strings.Join(names, ",")}
	}
	fields := make([]string, len(names))
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bad(in, err)
		}
		line, _ := in.FieldPos(0)
		for i, c := range at {
			if c >= len(rec) {
				return &FormatError{Line: line, Reason: fmt.Sprintf("no column %s in a row of %d", names[i], len(rec))}
			}
			fields[i] = strings.TrimSpace(rec[c])
		}
		if err := row(line, fields); err != nil {
			return &FormatError{Line: line, Reason: err.Error()}
		}
	}
}

func bad(in *csv.Reader, err error) error {
	var p *csv.ParseError
	switch {
	case errors.As(err, &p):
		return &FormatError{Line: p.Line, Reason: p.Err.Error()}
	case errors.Is(err, io.EOF):
		return errors.New("an empty file")
	}
	line, _ := in.FieldPos(0)
	return &FormatError{Line: line, Reason: err.Error()}
}

func whole(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s %q is no whole number of 0 or more", name, text)
	}
	return n, nil
}

// RMM: RAPIDS Memory Manager's logging_resource_adaptor.
var rmmColumns = []string{"Time", "Action", "Pointer", "Size"}

func isRMM(b []byte) bool {
	_, ok := columns(string(b), rmmColumns...)
	return ok
}

func playRMM(r *bufio.Reader, t *tape) error {
	t.assume(noUsage)
	t.assume(noRuns)
	t.assume(noSubmit)
	t.assume("threads and streams are left out: all are one session, in the order of the log")
	t.begin()
	t.runStart("RMM log")
	clock := clock{}
	return table(r, rmmColumns, func(_ int, f []string) error {
		at, err := clock.us(f[0])
		if err != nil {
			return err
		}
		t.at = at
		size, err := whole("Size", f[3])
		if err != nil {
			return err
		}
		switch f[1] {
		case "allocate":
			return t.request(f[2], size, "storage")
		case "free":
			t.release(f[2])
		case "allocate failure":
			t.leave("allocations that failed")
		default:
			return fmt.Errorf("action %q is none of allocate, free, allocate failure", f[1])
		}
		return nil
	})
}

// clock reads times of day, HH:MM:SS and microseconds after ':' or '.', as
// microseconds since the first; past midnight they go on.
type clock struct {
	begun       bool
	first, last int64
}

const dayUS = 24 * 3600 * 1_000_000

func (c *clock) us(text string) (int64, error) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '.' })
	if len(parts) != 3 && len(parts) != 4 {
		return 0, fmt.Errorf("time %q is not HH:MM:SS:microseconds", text)
	}
	var at int64
	for i, scale := range []int64{3600e6, 60e6, 1e6, 1} {
		if i == len(parts) {
			break
		}
		n, err := strconv.ParseInt(parts[i], 10, 32)
		if err != nil || n < 0 || i < 3 && n > 60 {
			return 0, fmt.Errorf("time %q is not HH:MM:SS:microseconds", text)
		}
		at += n * scale
	}
	if !c.begun {
		c.begun, c.first, c.last = true, at, at
	}
	for at < c.last-dayUS/2 {
		at += dayUS
	}
	c.last = max(c.last, at)
	return c.last - c.first, nil
}

// MiniMalloc: intervals of Google's static memory allocator; a buffer lives
// from lower up to, but without, upper.
var miniColumns = []string{"id", "lower", "upper", "size"}

func isMiniMalloc(b []byte) bool {
	_, ok := columns(string(b), miniColumns...)
	return ok
}

func playMiniMalloc(r *bufio.Reader, t *tape) error {
	t.assume(noUsage)
	t.assume(noRuns)
	t.assume(noSubmit)
	t.assume("times are steps: each is taken for a microsecond; of one step, releases come before requests")
	type end struct {
		at, size int64
		id       string
		request  bool
	}
	var ends []end
	err := table(r, miniColumns, func(_ int, f []string) error {
		lower, err := whole("lower", f[1])
		if err != nil {
			return err
		}
		upper, err := whole("upper", f[2])
		if err != nil {
			return err
		}
		size, err := whole("size", f[3])
		if err != nil {
			return err
		}
		if upper <= lower {
			return fmt.Errorf("buffer %s ends at %d, before it begins at %d", f[0], upper, lower)
		}
		id := strings.Clone(f[0])
		ends = append(ends, end{lower, size, id, true}, end{upper, size, id, false})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(ends, func(a, b end) int {
		if c := cmp.Compare(a.at, b.at); c != 0 || a.request == b.request {
			return c
		}
		if b.request {
			return -1
		}
		return 1
	})
	t.runStart("MiniMalloc intervals")
	for _, e := range ends {
		t.at = e.at
		if !e.request {
			if e.size > 0 {
				t.release(e.id)
			}
			continue
		}
		if err := t.request(e.id, e.size, "storage"); err != nil {
			return err
		}
	}
	return nil
}

// ORT: the second of the two files of ONNX Runtime PR #25120, and the first,
// which has no requests to import.
var (
	ortSizes  = []string{"Session", "BufferSize", "Requests", "TotalRequestedSize"}
	ortMemory = []string{"Session", "TotalMemory(MB)"}
)

// The requests that a file may tell of are so many, and so many more for each of its
// rows: a few numbers in a file must not become millions of events. A run asks for
// some hundred buffers of a size.
const (
	maxORTRequests  = 1 << 15
	moreORTRequests = 1 << 10
)

func isORT(b []byte) bool {
	_, sizes := columns(string(b), ortSizes...)
	_, memory := columns(string(b), ortMemory...)
	return sizes || memory
}

func playORT(r *bufio.Reader, t *tape) error {
	beginning, _ := r.Peek(512) // shorter is as good
	if _, ok := columns(string(beginning), ortMemory...); ok {
		return errors.New("this is the file with the memory of each run, which has no requests: import the other one, with the column BufferSize")
	}
	t.assume(noUsage)
	t.assume(noSubmit)
	t.assume("lifetimes and order are not said: a run asks for all its buffers at its start, smallest first, and gives them back at its end, so that what is held at once is an upper bound")
	t.assume("of the requests that a key served, each is taken for their mean")
	t.assume("weights are not said: there are none")
	open := ""
	var names []string
	left := int64(maxORTRequests)
	end := func() {
		for _, n := range names {
			t.release(n)
		}
		if open != "" {
			t.submit()
			t.runEnd()
		}
		names = names[:0]
	}
	err := table(r, ortSizes, func(_ int, f []string) error {
		var n [3]int64
		for i := range n {
			var err error
			if n[i], err = whole(ortSizes[i+1], f[i+1]); err != nil {
				return err
			}
		}
		size, requests, asked := n[0], n[1], n[2]
		if left += moreORTRequests; requests > left {
			return fmt.Errorf("%d requests of a size in a run are too many: %d, and %d more for each row, may be all of a file", requests, maxORTRequests, moreORTRequests)
		}
		left -= requests
		if f[0] != open {
			end()
			open = strings.Clone(f[0])
			t.at++
			t.runStart("session " + open)
		}
		if requests == 0 {
			return nil
		}
		for range requests {
			name := fmt.Sprintf("%d/%d", size, len(names))
			if err := t.request(name, max(asked/requests, 1), "storage"); err != nil {
				return err
			}
			names = append(names, name)
		}
		return nil
	})
	if err == nil {
		end()
	}
	return err
}
