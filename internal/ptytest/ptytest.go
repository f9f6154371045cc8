//go:build unix

// Package ptytest runs a program on a terminal of its own, for tests that read
// like a person's session: press keys, look at the screen, resize it.
//
//	test ── keys ──► pty ◄──► program
//	  ▲               │ ▲
//	  └── Screen ◄── emulator, which answers the program's questions
package ptytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/term"
)

// patience is how long anything may take before a test gives up. Programs do
// what they are asked in milliseconds; a loaded machine may need longer.
const patience = time.Minute

// glance is how often a screen that is waited for is looked at.
const glance = 10 * time.Millisecond

// Terminal is a program on a terminal.
type Terminal struct {
	t           testing.TB
	cmd         *exec.Cmd
	master, tty *os.File
	before      *term.State // of the terminal before the program ran
	ended       chan struct{}
	state       *os.ProcessState

	mu    sync.Mutex // guards what follows
	emu   *vt.Emulator
	modes map[int]bool // DEC private modes that were set or reset
	raw   bytes.Buffer
	// resized is that the size was changed at least once.
	resized bool
	wrote   time.Time // when the program wrote last
}

// Screen is what a person sees at one moment.
type Screen struct {
	Lines []string // without blanks at their ends
	W, H  int
}

// Start runs cmd on a terminal of w by h. The program is killed at the end of
// the test if it still runs.
func Start(t testing.TB, cmd *exec.Cmd, w, h int) *Terminal {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	p := &Terminal{
		t: t, cmd: cmd, master: master, tty: tty, ended: make(chan struct{}), emu: vt.NewEmulator(w, h), modes: map[int]bool{},
	}
	set := func(on bool) func(ansi.Mode) {
		return func(m ansi.Mode) {
			if d, ok := m.(ansi.DECMode); ok {
				p.modes[int(d)] = on
			}
		}
	}
	p.emu.SetCallbacks(vt.Callbacks{EnableMode: set(true), DisableMode: set(false)})
	if err := pty.Setsize(master, &pty.Winsize{Cols: uint16(w), Rows: uint16(h)}); err != nil {
		t.Fatal(err)
	}
	if p.before, err = term.GetState(int(tty.Fd())); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var copied sync.WaitGroup
	copied.Add(2)
	go func() { // what the program writes
		defer copied.Done()
		_, _ = io.Copy(writer(p.write), master)
	}()
	go func() { // what the emulator answers
		defer copied.Done()
		_, _ = io.Copy(master, p.emu)
	}()
	go func() {
		_ = cmd.Wait()
		p.state = cmd.ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		_ = tty.Close()
		_ = master.Close()
		// Emulator.Close would write what the copying goroutine reads.
		if pipe, ok := p.emu.InputPipe().(io.Closer); ok {
			_ = pipe.Close()
		}
		copied.Wait()
	})
	return p
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// write shows what the program wrote. What it wrote for a size that the terminal
// has no more may scroll lines that are not there, which the emulator does not
// take: the rest of that is dropped, and drawn anew once the program knows the
// size.
func (p *Terminal) write(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raw.Write(b)
	p.wrote = time.Now()
	defer func() {
		if v := recover(); v != nil {
			if !p.resized {
				panic(v)
			}
			const wholeScreenScrolls = "\x1b[r"
			_, _ = p.emu.WriteString(wholeScreenScrolls)
			n, err = len(b), nil
		}
	}()
	return p.emu.Write(b)
}

// keys are the names that Press knows beside single characters.
var keys = map[string]string{
	"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
	"home": "\x1b[H", "end": "\x1b[F", "ctrl+c": "\x03", "ctrl+z": "\x1a",
}

// Press types keys, one after the other.
func (p *Terminal) Press(names ...string) {
	p.t.Helper()
	for _, n := range names {
		s, ok := keys[n]
		if !ok {
			s = n
		}
		if _, err := io.WriteString(p.master, s); err != nil {
			p.t.Fatalf("pressing %s: %v", n, err)
		}
	}
}

// Resize makes the terminal w by h.
func (p *Terminal) Resize(w, h int) {
	p.t.Helper()
	p.mu.Lock()
	p.emu.Resize(w, h)
	p.resized = true
	p.mu.Unlock()
	if err := pty.Setsize(p.master, &pty.Winsize{Cols: uint16(w), Rows: uint16(h)}); err != nil {
		p.t.Fatal(err)
	}
}

// Signal sends the program a signal.
func (p *Terminal) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Screen is what the terminal shows now.
func (p *Terminal) Screen() Screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Screen{W: p.emu.Width(), H: p.emu.Height()}
	for y := range s.H {
		var sb strings.Builder
		for x := 0; x < s.W; x++ {
			c := p.emu.CellAt(x, y)
			switch {
			case c == nil || c.Content == "":
				sb.WriteByte(' ')
			default:
				sb.WriteString(c.Content)
				x += max(c.Width, 1) - 1
			}
		}
		s.Lines = append(s.Lines, strings.TrimRight(sb.String(), " "))
	}
	return s
}

// Raw is everything that the program wrote, as it wrote it.
func (p *Terminal) Raw() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

func (s Screen) String() string { return strings.Join(s.Lines, "\n") }

// Has reports whether all of the texts are somewhere on the screen.
func (s Screen) Has(texts ...string) bool {
	all := s.String()
	for _, t := range texts {
		if !strings.Contains(all, t) {
			return false
		}
	}
	return true
}

// Until looks at the screen until it is as wanted, and answers how it looked
// then. What says what is wanted, for a test that waits in vain.
func (p *Terminal) Until(what string, wanted func(Screen) bool) Screen {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(glance) {
		p.settle()
		s := p.Screen()
		if wanted(s) {
			return s
		}
		select {
		case <-p.ended:
			p.t.Fatalf("the program ended (%v) before %s; the screen shows\n%s", p.state, what, p.Screen())
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("waited %v for %s; the screen shows\n%s", patience, what, s)
		}
	}
}

// settle waits for the end of a picture that is being written, which arrives in
// pieces; not for ever, where the program writes without a pause.
func (p *Terminal) settle() {
	for range 20 {
		p.mu.Lock()
		quiet := time.Since(p.wrote)
		p.mu.Unlock()
		if quiet >= glance/2 {
			return
		}
		time.Sleep(glance / 4)
	}
}

// See waits until all of the texts are on the screen.
func (p *Terminal) See(texts ...string) Screen {
	p.t.Helper()
	return p.Until(fmt.Sprintf("%q", texts), func(s Screen) bool { return s.Has(texts...) })
}

// UntilRestored waits until the terminal is as a shell needs it.
func (p *Terminal) UntilRestored() {
	p.t.Helper()
	var err error
	p.Until("the terminal to be restored", func(Screen) bool {
		err = p.Restored()
		return err == nil
	})
}

// Exit waits for the program's end and answers its exit code, or 128 and the
// number of the signal that killed it.
func (p *Terminal) Exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the program still runs after %v; the screen shows\n%s", patience, p.Screen())
	}
	p.drain()
	if ws, ok := p.state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.state.ExitCode()
}

// endMark is a sequence that means nothing to any terminal.
const endMark = "\x1b]7777;ptytest\x07"

// drain waits until the last words of the program, which has ended, are on the
// screen: what is written to the terminal after them comes after them.
func (p *Terminal) drain() {
	p.t.Helper()
	if _, err := io.WriteString(p.tty, endMark); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.HasSuffix(p.Raw(), endMark); time.Sleep(glance) {
		if time.Now().After(deadline) {
			p.t.Fatalf("the program's last words do not come; the screen shows\n%s", p.Screen())
		}
	}
}

// Restored tells in what the terminal differs from before the program ran.
func (p *Terminal) Restored() error {
	now, err := term.GetState(int(p.tty.Fd()))
	if err != nil {
		return err
	}
	var errs []error
	if !reflect.DeepEqual(now, p.before) {
		errs = append(errs, errors.New("the terminal is in another mode (raw?) than before"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for mode, name := range map[int]string{
		1000: "mouse reports", 1002: "mouse reports", 1003: "mouse reports", 1004: "focus reports", 1006: "mouse reports",
		1047: "alternate screen", 1049: "alternate screen", 2004: "bracketed paste", 2026: "synchronised output", 2027: "grapheme clusters",
	} {
		if p.modes[mode] {
			errs = append(errs, fmt.Errorf("mode %d (%s) is left on", mode, name))
		}
	}
	if visible, told := p.modes[25]; told && !visible {
		errs = append(errs, errors.New("the cursor is hidden"))
	}
	return errors.Join(errs...)
}
