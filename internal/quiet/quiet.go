// Package quiet keeps the lines of graphics drivers off the terminal.
//
// They print to file descriptors 1 and 2 from C. Capture points those two at a
// log file and hands back duplicates of what they were, for the program's own
// output.
//
//	before   1 ──► terminal            2 ──► terminal
//	after    1 ──► log    Out ──► terminal   2 ──► log    Err ──► terminal
package quiet

import (
	"fmt"
	"os"
	"path/filepath"
)

// Streams are the program's own output while a capture lasts.
type Streams struct {
	Out, Err *os.File
	// Path is the log file's; empty if nothing is captured.
	Path    string
	log     *os.File
	restore func() error
}

// maxLog is the size in bytes at which a log is set aside as PATH.old.
const maxLog = 1 << 20

// None captures nothing.
func None() *Streams { return &Streams{Out: os.Stdout, Err: os.Stderr} }

// Capture begins a capture into the file at path, which is made with its
// folder and appended to. It changes the whole process: begin before other
// goroutines write.
func Capture(path string) (*Streams, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, fmt.Errorf("log file: %w", err)
		}
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	out, errs, restore, err := redirect(log)
	if err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("pointing standard output at the log file: %w", err)
	}
	return &Streams{Out: out, Err: errs, Path: path, log: log, restore: restore}, nil
}

// Log is where the program may write its own log lines: the captured file, or
// nowhere.
func (s *Streams) Log() *os.File { return s.log }

// Close ends the capture: descriptors 1 and 2 are what they were.
func (s *Streams) Close() error {
	if s.restore == nil {
		return nil
	}
	err := s.restore()
	s.restore = nil
	if cerr := s.log.Close(); err == nil {
		err = cerr
	}
	return err
}
