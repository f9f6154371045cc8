//go:build unix

package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bucketscope/internal/ptytest"
)

// killed: a program that is killed while it writes leaves what was there before,
// whole; the next one writes.
func killed(t *testing.T, bin string) {
	cmd := command(t, bin, nil, "run", "--device", "host", "--mode", "bucket", "--repeat", "30", "--snapshot", "a.snapshot")
	path := filepath.Join(cmd.Dir, "a.snapshot")
	before := command(t, bin, nil, "run", "--device", "host", "--workload", "bert/varied", "--snapshot", path)
	if out, err := before.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !writesInto(t, cmd.Process.Pid, cmd.Dir); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not begin to write")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, want) {
		t.Errorf("the file is not what it was: %d bytes, had %d, %v", len(have), len(want), err)
	}
	if left := files(t, cmd.Dir); len(left) != 1 && runtime.GOOS == "linux" {
		t.Errorf("it leaves %q", left)
	}
	if out, err := command(t, bin, nil, "export", path, "--format", "benchstat").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// writesInto tells whether a process has begun a file in a folder: on Linux one
// without a name.
func writesInto(t *testing.T, pid int, dir string) bool {
	t.Helper()
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && filepath.Dir(to) == dir && strings.HasSuffix(to, " (deleted)") {
			return true
		}
	}
	begun, err := filepath.Glob(filepath.Join(dir, ".a.snapshot.*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(begun) > 0
}

// diskFull: what does not fit on the disk is told, and nothing is left of it.
func diskFull(t *testing.T, bin string) {
	for _, args := range [][]string{
		{"run", "--device", "host", "--snapshot", "out"},
		{"run", "--device", "host", "--mode", "all", "--json", "out"},
		{"record", "-o", "out"},
	} {
		cmd := limited(command(t, bin, nil, args...))
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), "cannot write out: ") || !strings.Contains(string(out), "file too large") {
			t.Errorf("%q: exit code %d, %v\n%s", args, code, err, out)
		}
		if left, err := filepath.Glob(filepath.Join(cmd.Dir, "*out*")); err != nil || len(left) > 0 {
			t.Errorf("%q leaves %q", args, left)
		}
		if left, err := filepath.Glob(filepath.Join(cmd.Dir, ".*out*")); err != nil || len(left) > 0 {
			t.Errorf("%q leaves %q", args, left)
		}
	}
	// On the screen the profile goes on.
	cmd := limited(command(t, bin, nil, append(watched, "--pace", "0")...))
	p := ptytest.Start(t, cmd, 80, 24)
	p.Until("many runs", func(s ptytest.Screen) bool { return number(s, runNumber) > 200 })
	p.Press("s")
	at := number(p.See("file too large"), runNumber)
	p.Until("the workload to go on", func(s ptytest.Screen) bool { return number(s, runNumber) > at })
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d", code)
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(cmd.Dir, ".*snapshot*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
	// Standard output, too.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	cmd = command(t, bin, nil, "run", "--device", "host")
	var told strings.Builder
	cmd.Stdout, cmd.Stderr = full, &told
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(told.String(), "no space left") {
		t.Errorf("a full standard output: %v\n%s", err, &told)
	}
}

// limited lets a command write files of 32 KiB at most (64 blocks of 512 bytes).
func limited(cmd *exec.Cmd) *exec.Cmd {
	cmd.Args = append([]string{"sh", "-c", `ulimit -f 64; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return cmd
}

// terminalGone: closing the terminal's other end ends the program.
func terminalGone(t *testing.T, bin string) {
	cmd := command(t, bin, nil, watched...)
	if err := untilLive(t, cmd).Close(); err != nil {
		t.Error(err)
	}
	endsByHangup(t, cmd)
}

// outOfMemory: a software adapter under a limit of memory refuses a buffer, and
// the program says which, with what it held; without any adapter it says so.
func outOfMemory(t *testing.T, bin string) {
	requireLlvmpipe(t, bin)
	// The driver ends the process where what is refused is memory of its own: then
	// the limit met another allocation than it should.
	for try := 0; ; try++ {
		cmd := command(t, bin, nil, "run", "--device", "webgpu:llvmpipe", "--mode", "simple")
		cmd.Args = append([]string{"sh", "-c", `ulimit -v 3500000; exec "$@"`, "sh", bin}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "SIGABRT") && try < 5 {
			continue
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), "the device has no memory for a ") || !strings.Contains(string(out), " held: ") {
			t.Errorf("exit code %d, %v\n%s", code, err, out)
		}
		break
	}
	cmd := command(t, bin, []string{"VK_DRIVER_FILES=/nonexistent", "VK_ICD_FILENAMES=/nonexistent"}, "run", "--device", "webgpu")
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "no WebGPU adapter") {
		t.Errorf("without a driver: exit code %d, %v\n%s", code, err, out)
	}
}
