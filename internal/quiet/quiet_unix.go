//go:build unix

package quiet

import (
	"os"

	"golang.org/x/sys/unix"
)

// redirect points descriptors 1 and 2 at log, and answers with duplicates of
// what they were.
func redirect(log *os.File) (out, errs *os.File, restore func() error, err error) {
	var saved [3]int
	for _, fd := range []int{1, 2} {
		if saved[fd], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err != nil {
			return nil, nil, nil, err
		}
	}
	for _, fd := range []int{1, 2} {
		if err := dup(int(log.Fd()), fd); err != nil {
			return nil, nil, nil, err
		}
	}
	out, errs = os.NewFile(uintptr(saved[1]), "/dev/stdout"), os.NewFile(uintptr(saved[2]), "/dev/stderr")
	return out, errs, func() error {
		err := dup(int(out.Fd()), 1)
		if e := dup(int(errs.Fd()), 2); err == nil {
			err = e
		}
		_ = out.Close()
		_ = errs.Close()
		return err
	}, nil
}
