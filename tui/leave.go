package tui

import (
	"bytes"
	"io"

	"github.com/charmbracelet/x/ansi"
)

// clearing is a terminal's writer that clears the alternate screen before it is
// left, on whichever way: by quitting, suspending, or a fault. tmux, where the
// window grew meanwhile, puts rows of what stands there above the shell's own.
func clearing(out io.Writer) io.Writer {
	if f, ok := out.(file); ok {
		return clearingFile{f}
	}
	return clearingWriter{out}
}

// file is what bubbletea asks of an output to take it for a terminal.
type file interface {
	io.ReadWriteCloser
	Fd() uintptr
}

type clearingFile struct{ file }

func (c clearingFile) Write(p []byte) (int, error) { return clearingWriter{c.file}.Write(p) }

type clearingWriter struct{ out io.Writer }

// Write writes p, with the clearing where p leaves the alternate screen.
func (c clearingWriter) Write(p []byte) (int, error) {
	at := bytes.Index(p, []byte(ansi.ResetModeAltScreenSaveCursor))
	if at < 0 {
		return c.out.Write(p)
	}
	const clear = ansi.ResetStyle + ansi.EraseEntireScreen
	n, err := c.out.Write(append(append(bytes.Clone(p[:at]), clear...), p[at:]...))
	if n > at {
		n = max(at, n-len(clear))
	}
	return n, err
}
