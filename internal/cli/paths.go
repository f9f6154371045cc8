package cli

import (
	"path/filepath"

	"github.com/adrg/xdg"
)

// The program's files, under the XDG folders.
const folder = "bucketscope"

// logPath is the log file's: what drivers print, and what the program notes.
func logPath() string { return filepath.Join(xdg.StateHome, folder, "log") }
