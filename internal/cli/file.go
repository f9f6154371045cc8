package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeFile writes a file whole or not at all: into a temporary one beside it,
// which then takes its place, and has the permissions of what it replaces. A link
// stays one. What is no file, such as a device or a pipe, is written to as it is.
func writeFile(path string, write func(io.Writer) error) (err error) {
	mode := fs.FileMode(0o644)
	if there, err := os.Stat(path); err == nil {
		if !there.Mode().IsRegular() && !there.IsDir() {
			return writeThrough(path, write)
		}
		mode = there.Mode().Perm()
	}
	target := path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		target = real
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			var of *os.PathError // the temporary file's name tells nobody anything
			if errors.As(err, &of) {
				err = of.Err
			}
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
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
