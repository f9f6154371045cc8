//go:build !linux

package cli

import (
	"errors"
	"io/fs"
	"os"
)

// unnamed is not to be had here.
func unnamed(string, fs.FileMode) (*os.File, error) { return nil, errors.ErrUnsupported }

func link(*os.File, string) error { return errors.ErrUnsupported }
