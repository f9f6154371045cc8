package cli

import (
	"strings"
	"testing"

	"bucketscope/tui"
)

// FuzzParseConfig: no file makes the reader panic, what is wrong is told with its
// file, and what is taken names settings that there are.
func FuzzParseConfig(f *testing.F) {
	f.Add("theme = dark\n[keys]\nfreeze = u ctrl+f\nzoom-reset = = 0\n")
	f.Add("# remark\r\nfps=20\r\n\ufefftheme=\"mono\"")
	f.Add("[keys]\n==\n= =\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig(strings.NewReader(text), "file")
		if err != nil {
			if !strings.Contains(err.Error(), "file") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		for name, e := range c.values {
			if !isSetting(name) || !strings.HasPrefix(e.where, "file:") {
				t.Errorf("%q at %q", name, e.where)
			}
		}
		_, _ = tui.Rebind(c.keys) // must not panic
	})
}
