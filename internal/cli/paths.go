package cli

import (
	"fmt"
	"path/filepath"

	"github.com/adrg/xdg"

	"bucketscope/internal/cost"
)

// configPath is the config file's.
func configPath() string { return filepath.Join(xdg.ConfigHome, folder, "config") }

// The program's files, under the XDG folders.
const folder = "bucketscope"

// logPath is the log file's: what drivers print, and what the program notes.
func logPath() string { return filepath.Join(xdg.StateHome, folder, "log") }

// calibrationFolder has a file per adapter.
func calibrationFolder() string { return filepath.Join(xdg.DataHome, folder, "calibrations") }

func calibrationPath(a cost.Adapter) string {
	return filepath.Join(calibrationFolder(), fmt.Sprintf("%s-%04x-%04x.json", slug(a.String()), a.VendorID, a.DeviceID))
}
