package cli

import (
	"path/filepath"

	"github.com/adrg/xdg"
)

// configPath is the config file's.
func configPath() string { return filepath.Join(xdg.ConfigHome, folder, "config") }

// The program's files, under the XDG folders.
const folder = "bucketscope"

// logPath is the log file's: what drivers print, and what the program notes.
func logPath() string { return filepath.Join(xdg.StateHome, folder, "log") }
