//go:build unix

package quiet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCapture runs itself as a child whose output is captured, since a capture
// changes the whole process.
func TestCapture(t *testing.T) {
	if path := os.Getenv("QUIET_LOG"); path != "" {
		child(path)
		return
	}
	log := filepath.Join(t.TempDir(), "state", "log")
	cmd := exec.Command(os.Args[0], "-test.run=TestCapture$")
	cmd.Env = append(os.Environ(), "QUIET_LOG="+log)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := string(out); !strings.Contains(got, "ours\n") || strings.Contains(got, "driver") || !strings.Contains(got, "after\n") {
		t.Errorf("the terminal got %q", got)
	}
	logged, err := os.ReadFile(log)
	if err != nil || string(logged) != "driver 1\ndriver 2\n" {
		t.Errorf("the log got %q (%v)", logged, err)
	}
}

func child(path string) {
	s, err := Capture(path)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("driver 1\n")
	_, _ = os.Stderr.WriteString("driver 2\n")
	_, _ = s.Out.WriteString("ours\n")
	if err := s.Close(); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("after\n")
}

func TestCaptureRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, make([]byte, maxLog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Capture(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 0 {
		t.Errorf("the log was not begun anew: %v, %v", st, err)
	}
}

func TestCaptureRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Capture(filepath.Join(file, "log")); err == nil || !strings.HasPrefix(err.Error(), "log file: ") {
		t.Errorf("a log inside a file: %v", err)
	}
}
