package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
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
// program that never finishes to write a file; writeNamed has it write a draft
// with a name, as where there are no others.
const (
	writeSlowly = "BUCKETSCOPE_TEST_WRITE_SLOWLY"
	writeNamed  = "BUCKETSCOPE_TEST_WRITE_NAMED"
)

// slowly begins to write a file in a process of its own, and returns when half of
// it is there.
func slowly(t *testing.T, how, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteFileKilled$")
	cmd.Env = append(os.Environ(), how+"="+path)
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
	return cmd
}

// beSlow is what such a process does.
func beSlow(t *testing.T) {
	half := func(w io.Writer) error {
		if _, err := w.Write(bytes.Repeat([]byte("new"), 1<<20)); err != nil {
			return err
		}
		_, _ = os.Stdout.WriteString("half\n")
		select {}
	}
	if path := os.Getenv(writeSlowly); path != "" {
		t.Fatal(writeFile(path, half))
	}
	if path := os.Getenv(writeNamed); path != "" {
		d, err := beginNamed(path, newMode)
		if err != nil {
			t.Fatal(err)
		}
		defer d.drop() // else a collection may close it, which gives its lock up
		t.Fatal(half(d))
	}
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed
}

// TestWriteFileKilled: a program that is killed while it writes leaves the old
// file, and where drafts need no name nothing else.
func TestWriteFileKilled(t *testing.T) {
	beSlow(t)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, slowly(t, writeSlowly, path))
	holds(t, path, "old")
	if f, err := unnamed(filepath.Dir(path), newMode); err == nil {
		_ = f.Close()
		if left := names(t, filepath.Dir(path)); len(left) != 1 {
			t.Errorf("it leaves %q", left)
		}
	}
}

// TestWriteFileSweeps: what a killed program left is removed at the next write
// into the folder, unless it is another's work, or too young to tell.
func TestWriteFileSweeps(t *testing.T) {
	dir := t.TempDir()
	dead, alive := slowly(t, writeNamed, filepath.Join(dir, "dead")), slowly(t, writeNamed, filepath.Join(dir, "alive"))
	defer kill(t, alive)
	kill(t, dead)
	others := []string{".dead.00000000.draft", "dead.00000000" + draftSuffix, ".file"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := func(want ...string) {
		t.Helper()
		if err := writeFile(filepath.Join(dir, "file"), func(io.Writer) error { return nil }); err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, name := range names(t, dir) {
			if strings.HasPrefix(name, ".dead.") && strings.HasSuffix(name, draftSuffix) {
				name = "dead"
			} else if strings.HasPrefix(name, ".alive.") && strings.HasSuffix(name, draftSuffix) {
				name = "alive"
			}
			have = append(have, name)
		}
		want = append(append(want, "file"), others...)
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			t.Errorf("there are %q, want %q", have, want)
		}
	}
	write("dead", "alive")
	for _, name := range names(t, dir) {
		old := time.Now().Add(-2 * staleAfter)
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("nobody can tell whose a draft is here")
	}
	write("alive")
}

// names are those of all files in a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestDraftNamed: where every draft has a name all is as with others.
func TestDraftNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 250))
	for _, text := range []string{"first", "second"} {
		d, err := beginNamed(path, newMode)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(d, text); err != nil {
			t.Fatal(err)
		}
		if err := d.become(path); err != nil {
			t.Fatal(err)
		}
		d.drop()
		holds(t, path, text)
	}
	d, err := beginNamed(path, newMode)
	if err != nil {
		t.Fatal(err)
	}
	d.drop()
	holds(t, path, "second")
	if left := names(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("it leaves %q", left)
	}
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
