//go:build unix

package cli

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// writeNew names the environment variable that makes TestWriteFileUmask a program
// that writes that file.
const writeNew = "BUCKETSCOPE_TEST_WRITE_NEW"

// TestWriteFileUmask: a new file has the permissions that the umask leaves; one
// that is replaced has those that it had.
func TestWriteFileUmask(t *testing.T) {
	text := func(w io.Writer) error { _, err := io.WriteString(w, "text"); return err }
	if path := os.Getenv(writeNew); path != "" {
		d, err := beginNamed(path+"-named", newMode)
		if err != nil {
			t.Fatal(err)
		}
		defer d.drop()
		if err := d.become(path + "-named"); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(path, text); err != nil {
			t.Fatal(err)
		}
		return
	}
	for umask, want := range map[string]fs.FileMode{"022": 0o644, "077": 0o600, "002": 0o664, "027": 0o640} {
		path := filepath.Join(t.TempDir(), "file")
		write := func() {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", `umask "$1"; exec "$0" -test.run='^TestWriteFileUmask$'`, os.Args[0], umask)
			cmd.Env = append(os.Environ(), writeNew+"="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		has := func(path string, want fs.FileMode) {
			t.Helper()
			if i, err := os.Stat(path); err != nil || i.Mode().Perm() != want {
				t.Errorf("umask %s: %v, %v, want %v", umask, i.Mode().Perm(), err, want)
			}
		}
		write()
		has(path, want)
		has(path+"-named", want)
		if err := os.Chmod(path, 0o604); err != nil {
			t.Fatal(err)
		}
		write()
		has(path, 0o604)
	}
}
