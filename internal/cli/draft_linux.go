package cli

import (
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// unnamed is a new file in a folder, without a name there; an error where its
// file system has no such thing.
func unnamed(dir string, perm fs.FileMode) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, uint32(perm))
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	// Without /proc it could not be given a name in the end.
	if _, err := os.Stat(ofDescriptor(f)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// link names an unnamed file.
func link(f *os.File, name string) error {
	return unix.Linkat(unix.AT_FDCWD, ofDescriptor(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
}

func ofDescriptor(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
