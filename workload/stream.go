package workload

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Stream reads a trace event by event, with the checks of Read and in memory
// that does not grow with the number of events: one line, the decoder's window
// and what is out at the time, and for good the runs and sessions (some 100
// bytes each and their text). Bufs that are numbered in the order of their
// requests cost nothing once released; others up to 0.7 bytes each, and some 50
// where their numbers are scattered. It is used by one goroutine.
type Stream struct {
	src  *source
	done func()
	br   *bufio.Reader
	hash hash.Hash
	b    *builder
	t    *Trace
	ln   line
	at   int // the line read last; the header's is 1
	name string
	err  error // of the first Next that failed, io.EOF included
}

// NewStream reads the header of the trace that r has; see Read for formats and
// errors. The caller closes it.
func NewStream(r io.Reader, name string) (*Stream, error) {
	return stream(r, name, defaultLimits)
}

func stream(r io.Reader, name string, l limits) (*Stream, error) {
	s := &Stream{src: &source{r: r}, done: func() {}, hash: sha256.New(), at: 1, name: name}
	text, done, err := decompress(s.src)
	if err != nil {
		return nil, s.wrong(err)
	}
	s.done = done
	s.br = bufio.NewReaderSize(io.TeeReader(text, s.hash), maxLine+len("\n"))
	header, err := s.header()
	if err != nil {
		done()
		return nil, s.wrong(err)
	}
	s.b = newBuilder(header, l)
	s.t = s.b.t
	s.t.Name = name
	return s, nil
}

func (s *Stream) header() (Header, error) {
	text, err := readLine(s.br)
	if errors.Is(err, io.EOF) {
		return Header{}, errors.New("an empty file")
	}
	if err != nil {
		return Header{}, err
	}
	return readHeader(text)
}

// wrong is err with its place, or the failure of the reader below that caused
// it.
func (s *Stream) wrong(err error) error {
	if s.src.err != nil {
		return fmt.Errorf("reading %s: %w", s.name, s.src.err)
	}
	return &FormatError{File: s.name, Line: s.at, Reason: err.Error(), Err: errors.Unwrap(err)}
}

// Next is the next event; io.EOF after the last, once the end was checked too.
// After an error it gives the same again.
func (s *Stream) Next() (Event, error) {
	if s.err != nil {
		return Event{}, s.err
	}
	e, err := s.next()
	if err != nil {
		s.err = err
	}
	return e, err
}

func (s *Stream) next() (Event, error) {
	text, err := readLine(s.br)
	if errors.Is(err, io.EOF) {
		if err := s.b.end(); err != nil {
			return Event{}, s.wrong(err)
		}
		s.t.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
		return Event{}, io.EOF
	}
	s.at++
	if err == nil {
		err = s.ln.decode(text)
	}
	if err != nil {
		return Event{}, s.wrong(err)
	}
	e, err := s.b.next(&s.ln)
	if err != nil {
		return Event{}, s.wrong(err)
	}
	return e, nil
}

// Trace is what the events so far refer to: it has Sessions and Runs, and once
// Next gave io.EOF SHA256, Slots and Leaks; it has no Events and no Loop. It
// grows with every Next.
func (s *Stream) Trace() *Trace { return s.t }

// Close frees the decoder. The reader stays the caller's.
func (s *Stream) Close() { s.done() }
