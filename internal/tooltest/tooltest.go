// Package tooltest finds the programs of others that tests ask: what is written
// for a tool is read by that tool.
package tooltest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// require names the environment variable that makes a missing program a failure.
// CI sets it.
const require = "BUCKETSCOPE_REQUIRE_TOOLS"

// Browsers are the programs that can draw a page without a screen.
var Browsers = []string{"chromium", "google-chrome", "google-chrome-stable", "chromium-browser"}

// Find is the path of the first of the programs that there is. Where there is
// none the test is skipped, or fails if BUCKETSCOPE_REQUIRE_TOOLS=1.
func Find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv(require) == "1" {
		t.Fatalf("none of these programs is installed: %s", strings.Join(names, ", "))
	}
	t.Skipf("none of these programs is installed: %s (%s=1 makes this a failure)", strings.Join(names, ", "), require)
	return ""
}
