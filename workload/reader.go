package workload

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// The trace format that this program reads and writes.
const (
	FormatName    = "bucketscope-trace"
	FormatVersion = 1
)

const (
	// maxLine bounds a line; engines write some hundred bytes.
	maxLine = 1 << 20
	// maxWindow bounds the memory of a zstd decoder. It is what the zstd
	// program itself accepts without being asked to.
	maxWindow = 128 << 20
)

// FormatError says where a trace is wrong. It prints as FILE:LINE: reason.
type FormatError struct {
	File   string
	Line   int // from 1; the header's is 1
	Reason string
	Err    error // the cause, where another package found it; else nil
}

func (e *FormatError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

func (e *FormatError) Unwrap() error { return e.Err }

// Open reads the trace file at path, "-" for standard input. See Read.
func Open(path string) (*Trace, error) {
	if path == "-" {
		return Read(os.Stdin, "stdin")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return Read(f, path)
}

// Read reads a whole trace: JSON Lines as they are, or compressed with gzip or
// zstd, which it tells by the first bytes. The name stands for the file in
// errors and becomes Trace.Name.
//
// Every line is checked, and the first that is wrong gives a *FormatError and
// no Trace. What the format leaves open is accepted: unknown fields, times
// that are absent or run backwards, runs numbered per session or throughout,
// runs of several sessions at once. A failure of r itself is returned wrapped,
// and is no FormatError.
//
// Read holds the Trace, one line and the decoder's window, and reads the input
// once; no size that the input claims is allocated unseen beyond that window.
func Read(r io.Reader, name string) (*Trace, error) {
	return read(r, name, defaultLimits)
}

func read(r io.Reader, name string, l limits) (*Trace, error) {
	s, err := stream(r, name, l)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	t := s.t
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(t.Events) >= l.events {
			err = s.wrong(fmt.Errorf("more than %d events", l.events))
		}
		if err != nil {
			return nil, err
		}
		t.Events = append(t.Events, e)
	}
	t.split()
	return t, nil
}

// source keeps the error of the underlying reader apart from those of the
// decoders above it.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// decompress returns the text of what r has, and what to call when done with
// it.
func decompress(r io.Reader) (text io.Reader, done func(), err error) {
	const peek = 4
	br := bufio.NewReader(r)
	magic, _ := br.Peek(peek) // shorter at the end: then it is none of them
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, nil, damaged("gzip", err)
		}
		return &decoder{zr, "gzip"}, func() {}, nil
	case isZstd(magic):
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, damaged("zstd", err)
		}
		return &decoder{zr, "zstd"}, zr.Close, nil
	}
	return br, func() {}, nil
}

// isZstd tells a zstd frame, or the skippable frame that may come before one.
func isZstd(magic []byte) bool {
	if len(magic) < 4 {
		return false
	}
	return bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
}

// decoder says whose data is wrong when it is.
type decoder struct {
	r    io.Reader
	kind string
}

func (d *decoder) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	//nolint:errorlint // only a bare EOF is the end; one that is wrapped is a cut file
	if err != nil && err != io.EOF {
		err = damaged(d.kind, err)
	}
	return n, err
}

func damaged(kind string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the %s data is cut: %w", kind, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("damaged %s data: %w", kind, err)
}

// readLine returns the next line without its newline, valid until the next
// call, and io.EOF after the last.
func readLine(br *bufio.Reader) ([]byte, error) {
	text, err := br.ReadSlice('\n')
	switch {
	case err == nil:
		return text[:len(text)-1], nil
	case errors.Is(err, io.EOF) && len(text) > 0:
		return text, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
	}
	return nil, err
}

// readHeader reads the first line. What only describes the recording may be
// absent. The version comes before all else: another one may well mean
// another type of some field.
func readHeader(text []byte) (Header, error) {
	h := Header{Format: FormatName, Version: FormatVersion}
	values := make(map[string]json.RawMessage)
	err := parseObject(text, func(key string, value json.RawMessage) error {
		if values[key] != nil {
			return fmt.Errorf("field %q given twice", key)
		}
		if string(value) != "null" {
			values[key] = value
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	if values["format"] == nil {
		if values["op"] != nil {
			return h, errors.New("an event before the header")
		}
		return h, fmt.Errorf(`not a trace: the header has no "format":%q`, FormatName)
	}
	format, err := parseString("format", values["format"])
	if err != nil {
		return h, err
	}
	if format != FormatName {
		return h, fmt.Errorf("not a trace: format is %q, not %q", format, FormatName)
	}
	if values["version"] == nil {
		return h, errors.New(`the header has no "version"`)
	}
	version, err := parseInteger("version", values["version"])
	if err != nil {
		return h, err
	}
	if version > FormatVersion {
		return h, fmt.Errorf("version %d is newer than this program reads (%d)", version, FormatVersion)
	}
	if version < FormatVersion {
		return h, fmt.Errorf("version %d is not supported: this program reads %d", version, FormatVersion)
	}
	for _, f := range []struct {
		key string
		to  *string
	}{{"engine", &h.Engine}, {"model", &h.Model}, {"pattern", &h.Pattern}, {"note", &h.Note}} {
		if values[f.key] != nil {
			if *f.to, err = parseString(f.key, values[f.key]); err != nil {
				return h, err
			}
		}
	}
	return h, nil
}
