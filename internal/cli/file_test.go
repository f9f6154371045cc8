package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWriteFile: a file is written whole, or what was there stays.
func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	if err := writeFile(path, text("old")); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	err := writeFile(path, func(w io.Writer) error {
		if err := text("half of the n")(w); err != nil {
			return err
		}
		return full
	})
	if !errors.Is(err, full) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want what went wrong and with which file", err)
	}
	holds(t, path, "old")
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v (%v): something was left behind", entries, err)
	}
	if err := writeFile(path, text("new")); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
	if err := writeFile(filepath.Join(path, "x"), text("new")); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
	}
}

// writeSlowly names the environment variable that makes TestWriteFileKilled a
// program that never finishes to write a file.
const writeSlowly = "BUCKETSCOPE_TEST_WRITE_SLOWLY"

// TestWriteFileKilled: a program that is killed while it writes leaves the old
// file.
func TestWriteFileKilled(t *testing.T) {
	if path := os.Getenv(writeSlowly); path != "" {
		err := writeFile(path, func(w io.Writer) error {
			if _, err := w.Write(bytes.Repeat([]byte("new"), 1<<20)); err != nil {
				return err
			}
			_, _ = os.Stdout.WriteString("half\n")
			select {}
		})
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteFileKilled$")
	cmd.Env = append(os.Environ(), writeSlowly+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("half\n"))); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed
	holds(t, path, "old")
}

// TestWriteFileThrough: a link goes on to lead where it led, permissions stay,
// and a device is written to, not replaced.
func TestWriteFileThrough(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "secret"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("secret", link); err != nil {
		t.Fatal(err)
	}
	text := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	if err := writeFile(link, text); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
	if i, err := os.Lstat(link); err != nil || i.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v (%v)", i, err)
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v (%v)", i.Mode(), err)
	}
	// A link of our own, so that a fault here harms the link alone.
	full := filepath.Join(dir, "full")
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	if i, err := os.Stat(full); err != nil || i.Mode()&os.ModeDevice == 0 {
		t.Skip("there is no /dev/full here")
	}
	if err := writeFile(full, text); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to a full device: %v", err)
	}
}
