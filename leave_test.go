//go:build unix

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bucketscope/internal/ptytest"
	"bucketscope/internal/tooltest"
)

// leaves: inside tmux, in a window that grew meanwhile, nothing of the picture
// stays on the shell's screen, whichever way it is left.
func leaves(t *testing.T, bin string) {
	tmux := tooltest.Find(t, "tmux")
	for _, way := range []struct {
		name  string
		leave func(p *ptytest.Terminal, program *os.Process) error
	}{
		{"quit", func(p *ptytest.Terminal, _ *os.Process) error { p.Press("q"); return nil }},
		{"suspend", func(p *ptytest.Terminal, _ *os.Process) error { p.Press("ctrl+z"); return nil }},
		{"terminate", func(_ *ptytest.Terminal, program *os.Process) error { return program.Signal(syscall.SIGTERM) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			inner := command(t, bin, nil, watched...)
			// A socket's path is short.
			dir, err := os.MkdirTemp("", "tmux")
			if err != nil {
				t.Fatal(err)
			}
			socket, pid := filepath.Join(dir, "socket"), filepath.Join(dir, "pid")
			t.Cleanup(func() {
				if out, err := exec.Command(tmux, "-S", socket, "kill-server").CombinedOutput(); err != nil {
					t.Errorf("ending tmux: %v\n%s", err, out)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			})
			shell := fmt.Sprintf("set -m; echo the line before; sh -c 'echo $$ > %s; exec %s %s'; echo the line after; sleep 1000",
				pid, bin, strings.Join(watched, " "))
			cmd := exec.Command(tmux, "-S", socket, "-f", os.DevNull, "new-session", "bash", "--norc", "-c", shell)
			cmd.Env, cmd.Dir = inner.Env, inner.Dir
			p := ptytest.Start(t, cmd, 80, 24)
			p.Until("some runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 3 })
			p.Resize(160, 48)
			p.Until("more runs, wider", func(s ptytest.Screen) bool { return len(s.Lines) > 24 && number(s, runNumber) >= 6 })
			text, err := os.ReadFile(pid)
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			program, err := os.FindProcess(n)
			if err != nil {
				t.Fatal(err)
			}
			if err := way.leave(p, program); err != nil {
				t.Fatal(err)
			}
			s := p.See("the line after")
			if text := s.String(); !strings.HasPrefix(text, "the line before\n") || strings.ContainsAny(text, "─│╭╰▸") {
				t.Errorf("on the shell's screen stands\n%s", text)
			}
		})
	}
}
