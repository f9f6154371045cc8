//go:build unix

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"bucketscope/internal/device/badgpu"
	"bucketscope/internal/ptytest"
)

// onLlvmpipe are the arguments that play a short workload on real buffers.
var onLlvmpipe = []string{"--device", "webgpu:llvmpipe", "--workload", "bert/varied"}

// requireLlvmpipe skips or fails where there is no software adapter.
func requireLlvmpipe(t *testing.T, bin string) {
	t.Helper()
	told, err := command(t, bin, nil, "doctor").CombinedOutput()
	if err == nil && strings.Contains(string(told), "llvmpipe") {
		return
	}
	if os.Getenv("BUCKETSCOPE_REQUIRE_WEBGPU") != "" {
		t.Fatalf("no llvmpipe (%v): install Debian's mesa-vulkan-drivers\n%s", err, told)
	}
	t.Skip("no llvmpipe here (BUCKETSCOPE_REQUIRE_WEBGPU=1 makes this a failure)")
}

// files are what lies in a folder, hidden or not, but for the program's log and
// the driver's cache.
func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "bucketscope" && e.Name() != "mesa_shader_cache" {
			names = append(names, e.Name())
		}
	}
	return names
}

// gpuLost: a GPU that is lost in the middle of a workload ends a run with the
// reason and no file, and stops the screen, which can still keep what was played
// and be left.
func gpuLost(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	for _, c := range []struct{ faults, says string }{
		{"lost=40", " is lost: while "}, {"hang=40", " is lost: while "}, {"nosubmit=40", " gave up while taking a submission: it has no memory"},
		{"crash=40", "its driver crashed (segmentation fault)"},
	} {
		cmd := command(t, bin, badgpu.Env(t, c.faults), append([]string{"run", "--snapshot", "a.snapshot", "--json", "a.json"}, onLlvmpipe...)...)
		out, err := cmd.CombinedOutput()
		for _, want := range []string{"bert/varied under bucket: run ", " held: llvmpipe ", c.says, "--device host", "bucketscope/log"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: it does not say %q:\n%s", c.faults, want, out)
			}
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 || bytes.Count(out, []byte("\n")) != 2 {
			t.Errorf("%s: exit code %d, %v\n%s", c.faults, code, err, out)
		}
		if left := files(t, cmd.Dir); len(left) > 0 {
			t.Errorf("%s: it leaves %q", c.faults, left)
		}
		if log, err := os.ReadFile(filepath.Join(cmd.Dir, "bucketscope", "log")); err != nil || strings.Contains(c.says, "is lost") && !bytes.Contains(log, []byte("Parent device is lost")) {
			t.Errorf("%s: the log has not the library's words: %v\n%s", c.faults, err, log)
		}
	}
	cmd := command(t, bin, badgpu.Env(t, "lost=100"), "calibrate", "--device", "webgpu:llvmpipe")
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || bytes.Count(out, []byte(" is lost: while ")) != 1 {
		t.Errorf("calibrate: exit code %d, %v\n%s", code, err, out)
	}
	cmd = command(t, bin, badgpu.Env(t, "lost=60"), append(onLlvmpipe, "--pace", "20")...)
	p := ptytest.Start(t, cmd, 80, 24)
	s := p.Until("the workload to stop", func(s ptytest.Screen) bool { return s.Has("■ STOPPED", "is lost: while", "s writes what was played") })
	checkFrames(t, p, s)
	p.Press("p", "s")
	p.See("■ STOPPED", "is lost: while", ".snapshot")
	p.Press("q")
	if code := p.Exit(); code != 1 {
		t.Errorf("exit code %d after the GPU was lost", code)
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
	if s := p.Screen(); !s.Has("bucketscope: llvmpipe", "is lost: while") {
		t.Errorf("the terminal does not tell:\n%s", s)
	}
	kept, err := filepath.Glob(filepath.Join(cmd.Dir, "*.snapshot"))
	if err != nil || len(kept) != 1 || len(files(t, cmd.Dir)) != 1 {
		t.Fatalf("kept: %q of %q, %v", kept, files(t, cmd.Dir), err)
	}
	if out, err := command(t, bin, nil, "export", kept[0], "--format", "benchstat").CombinedOutput(); err != nil {
		t.Errorf("what was kept: %v\n%s", err, out)
	}
}

// driverDies: a driver that ends the process in a thread of its own, where nothing
// can catch it, does so with a word, and leaves a terminal that can be used.
func driverDies(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	const word = "bucketscope: the GPU's driver"
	for faults, sig := range map[string]syscall.Signal{"thread-crash=60": syscall.SIGSEGV, "thread-abort=60": syscall.SIGABRT} {
		p := ptytest.Start(t, command(t, bin, badgpu.Env(t, faults), append(onLlvmpipe, "--pace", "20", "--mouse")...), 80, 24)
		if code := p.Exit(); code != 128+int(sig) || !strings.Contains(p.Raw(), "LIVE") || !p.Screen().Has(word) {
			t.Errorf("%s: exit code %d\n%s", faults, code, p.Screen())
		}
		if err := p.Restored(); err != nil {
			t.Errorf("%s: %v", faults, err)
		}
		cmd := command(t, bin, badgpu.Env(t, faults), append([]string{"run", "--snapshot", "a.snapshot"}, onLlvmpipe...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), word) || strings.Contains(string(out), "\x1b") {
			t.Errorf("%s: run: %v\n%s", faults, err, out)
		}
		if left := files(t, cmd.Dir); len(left) > 0 {
			t.Errorf("%s: run leaves %q", faults, left)
		}
	}
}

// gpuRefused: an adapter whose driver makes no device is told by every command
// that asks for one, with the code of no device.
func gpuRefused(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	bad := badgpu.Env(t, "refuse=1000")
	const why = "its driver refused making a device"
	for _, args := range [][]string{
		append([]string{"run", "--snapshot", "a.snapshot"}, onLlvmpipe...), {"calibrate", "--device", "webgpu:llvmpipe"},
	} {
		cmd := command(t, bin, bad, args...)
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), why) || !strings.Contains(string(out), "llvmpipe") || !strings.Contains(string(out), "--device host") {
			t.Errorf("%q: exit code %d, %v\n%s", args, code, err, out)
		}
		if left := files(t, cmd.Dir); len(left) > 0 {
			t.Errorf("%q leaves %q", args, left)
		}
	}
	p := ptytest.Start(t, command(t, bin, bad, onLlvmpipe...), 80, 24)
	if code := p.Exit(); code != 3 || !strings.Contains(p.Raw(), why) {
		t.Errorf("the screen: exit code %d\n%s", code, p.Screen())
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
	// The doctor tells it and has no fault of its own.
	out, err := command(t, bin, bad, "doctor").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "no: "+why) {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if out, err := command(t, bin, nil, "doctor").CombinedOutput(); err != nil || strings.Contains(string(out), why) || !strings.Contains(string(out), "usable") {
		t.Errorf("doctor, of a good one: %v\n%s", err, out)
	}
}

// atOnce is how long what happens at once may take, on a machine with much to do;
// short of what a program waits for a driver.
const atOnce = 8 * time.Second

// stuck is a GPU whose submissions take longer than any test waits.
const stuck = "submit=3600000"

// leaveStuckGPU: while a driver is in a call that does not end, q and ctrl+c take
// the screen down at once and say what is waited for; ctrl+c then leaves at once.
func leaveStuckGPU(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	const waits = "waiting for what is under way"
	for _, key := range []string{"q", "ctrl+c"} {
		env := badgpu.Env(t, stuck)
		p := ptytest.Start(t, command(t, bin, env, onLlvmpipe...), 80, 24)
		p.See("● LIVE", "q quit")
		badgpu.UntilSlow(t, env)
		pressed := time.Now()
		p.Press(key)
		p.Until("a word of what is waited for", func(s ptytest.Screen) bool { return s.Has(waits) })
		if took := time.Since(pressed); took > atOnce {
			t.Errorf("%s: it said nothing for %v", key, took)
		}
		p.UntilRestored()
		pressed = time.Now()
		p.Press("ctrl+c")
		if code := p.Exit(); code != 128+int(syscall.SIGINT) {
			t.Errorf("%s, then ctrl+c: exit code %d\n%s", key, code, p.Screen())
		}
		if took := time.Since(pressed); took > atOnce {
			t.Errorf("%s, then ctrl+c: it takes %v", key, took)
		}
		if err := p.Restored(); err != nil {
			t.Errorf("%s, then ctrl+c: %v", key, err)
		}
	}
	// A run is interrupted in the same way; the second time by the signal itself.
	env := badgpu.Env(t, stuck)
	p := ptytest.Start(t, command(t, bin, env, append([]string{"run"}, onLlvmpipe...)...), 80, 24)
	badgpu.UntilSlow(t, env)
	p.Press("ctrl+c")
	p.See(waits)
	p.Press("ctrl+c")
	if code := p.Exit(); code != 128+int(syscall.SIGINT) {
		t.Errorf("run, ctrl+c twice: exit code %d\n%s", code, p.Screen())
	}
}

// leaveSlowGPU: a driver that does come back is waited for, and all is well.
func leaveSlowGPU(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	cmd := command(t, bin, badgpu.Env(t, "create=1500"), append(onLlvmpipe, "--snapshot", "a.snapshot")...)
	p := ptytest.Start(t, cmd, 80, 24)
	p.See("● LIVE", "q quit")
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q: exit code %d\n%s", code, p.Screen())
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
	if left := files(t, cmd.Dir); len(left) != 1 {
		t.Errorf("it leaves %q", left)
	}
}

// stuckTerminalGone: without its terminal the program ends although the driver
// does not come back, and what it writes is whole.
func stuckTerminalGone(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	env := badgpu.Env(t, stuck)
	cmd := command(t, bin, env, append(onLlvmpipe, "--snapshot", "a.snapshot")...)
	master := untilLive(t, cmd)
	badgpu.UntilSlow(t, env)
	if err := master.Close(); err != nil {
		t.Error(err)
	}
	endsByHangup(t, cmd)
	if left := files(t, cmd.Dir); len(left) != 1 || left[0] != "a.snapshot" {
		t.Errorf("it leaves %q", left)
	}
	if out, err := command(t, bin, nil, "export", filepath.Join(cmd.Dir, "a.snapshot"), "--format", "csv").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// untilLive starts a program on a terminal and waits for its screen.
func untilLive(t *testing.T, cmd *exec.Cmd) (master *os.File) {
	t.Helper()
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{})
	go func() {
		var all bytes.Buffer
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if all.Write(buf[:n]); strings.Contains(all.String(), "LIVE") {
				close(seen)
				return
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-seen:
	case <-time.After(time.Minute):
		t.Error("there is no screen")
	}
	return master
}

// endsByHangup waits for the end of a program whose terminal is gone.
func endsByHangup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
		if code := cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGHUP) {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Error("it goes on without a terminal")
	}
}
