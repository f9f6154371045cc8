package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// newMode is the mode of a new file, of which the umask takes what it will.
const newMode = fs.FileMode(0o666)

// writeFile writes a file whole or not at all: into a draft beside it, which then
// takes its place, and has the permissions of what it replaces. A link stays
// one. What is no file, such as a device or a pipe, is written to as it is.
func writeFile(path string, write func(io.Writer) error) (err error) {
	mode, replaces := newMode, false
	if there, err := os.Stat(path); err == nil {
		if !there.Mode().IsRegular() && !there.IsDir() {
			return writeThrough(path, write)
		}
		mode, replaces = there.Mode().Perm(), true
	}
	target := path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		target = real
	}
	defer func() {
		if err != nil {
			var of *os.PathError // the draft's name tells nobody anything
			var link *os.LinkError
			if errors.As(err, &of) {
				err = of.Err
			} else if errors.As(err, &link) {
				err = link.Err
			}
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	sweep(filepath.Dir(target), time.Now())
	perm := mode
	if replaces { // until it is chmodded nobody else may read what nobody else could
		perm &= 0o600
	}
	d, err := begin(target, perm)
	if err != nil {
		return err
	}
	defer d.drop()
	if err := write(d); err != nil {
		return err
	}
	if replaces {
		if err := d.Chmod(mode); err != nil {
			return err
		}
	}
	if err := d.Sync(); err != nil {
		return err
	}
	return d.become(target)
}

// draft is a file that is being written. It has no name where the system can do
// that, so that nothing of it stays whatever ends the program. Elsewhere what
// stays of one is removed by a later writer, which tells by its lock that it is
// nobody's.
type draft struct {
	*os.File
	name string // empty while it has none
}

// begin begins a draft of target.
func begin(target string, perm fs.FileMode) (*draft, error) {
	if f, err := unnamed(filepath.Dir(target), perm); err == nil {
		lock(f)
		return &draft{File: f}, nil
	}
	return beginNamed(target, perm)
}

// beginNamed begins one that has a name from the beginning.
func beginNamed(target string, perm fs.FileMode) (*draft, error) {
	for {
		name := draftName(target)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lock(f)
		return &draft{f, name}, nil
	}
}

// draftSuffix ends the names of drafts, and of nothing else.
const draftSuffix = ".bucketscope-draft"

// longestBase is how many bytes of a name a draft's begins with: file systems take
// 255 in all.
const longestBase = 200

func draftName(target string) string {
	base := filepath.Base(target)
	if len(base) > longestBase {
		base = strings.ToValidUTF8(base[:longestBase], "")
	}
	return filepath.Join(filepath.Dir(target), fmt.Sprintf(".%s.%08x%s", base, rand.Uint32(), draftSuffix))
}

// become puts a draft in the place of target. One without a name gets that of
// target, or where something is there already one that it is renamed from.
func (d *draft) become(target string) error {
	if d.name == "" {
		err := link(d.File, target)
		if err == nil {
			return d.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		name := draftName(target)
		if err := link(d.File, name); err != nil {
			return err
		}
		d.name = name
	}
	if err := d.Close(); err != nil {
		return err
	}
	if err := os.Rename(d.name, target); err != nil {
		return err
	}
	d.name = ""
	return nil
}

// drop gives up a draft that has not become its target.
func (d *draft) drop() {
	_ = d.Close() // closed already where all went well
	if d.name != "" {
		_ = os.Remove(d.name)
	}
}

// staleAfter is how old a draft is at least that nobody has locked and that is
// taken for left behind: it is locked just after it is made.
const staleAfter = time.Minute

// sweep removes what programs that were killed left of drafts in a folder.
func sweep(dir string, now time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // whoever writes there will tell
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), draftSuffix) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || now.Sub(info.ModTime()) < staleAfter {
			continue
		}
		name := filepath.Join(dir, e.Name())
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if lock(f) {
			_ = os.Remove(name)
		}
		_ = f.Close()
	}
}

// writeThrough writes to what is no file.
func writeThrough(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// withWord is a file's name with a word in it, before the extension, so that
// several modes, or parts, go to a file each.
func withWord(path, word string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-" + word + ext
}
