package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// compatible are the licences that a program under MIT may be made of, by SPDX
// name, with what each asks for.
var compatible = map[string]string{
	"MIT":          "its text is kept",
	"BSD-2-Clause": "its text is kept",
	"BSD-3-Clause": "its text is kept, no name is used to advertise",
	"Apache-2.0":   "its text and notices are kept",
	"OFL-1.1":      "of fonts alone: its text is kept, no font is sold by itself",
	"CC-BY-4.0":    "its author is named: docs/licences.md does",
	"FTL":          "the FreeType project is named: docs/licences.md does",
}

// inTests are those that tests may be made of as well: nobody is given them.
var inTests = map[string]string{
	"MPL-2.0": "changes of its own files are published",
}

// chosen are modules that offer a choice of licences, by path, with what is
// chosen.
var chosen = map[string]string{
	// Its LICENSE: the FreeType License, or GPL version 2, as one likes.
	"github.com/golang/freetype": "FTL",
}

// platforms are those that the program is built for; with cgo it is more.
var platforms = []string{"linux", "darwin", "windows"}

// licenceFile is a file that says under what something may be used. PATENTS of Go's
// own modules grants more and asks nothing.
var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)

// moduleUse is a module that something of ours imports.
type moduleUse struct {
	Path, Version, Dir string
	test               bool // in tests alone
}

// modulesUsed are the modules that the program is built from on any platform,
// and those that its tests are, by path.
func modulesUsed(t *testing.T) []moduleUse {
	t.Helper()
	found := map[string]moduleUse{}
	for _, goos := range platforms {
		for _, cgo := range []string{"0", "1"} {
			for _, test := range []bool{false, true} {
				args := []string{"list", "-deps", "-json=Module"}
				pkg := "."
				if test {
					args, pkg = append(args, "-test"), "./..."
				}
				cmd := exec.Command("go", append(args, pkg)...)
				cmd.Dir = root
				cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED="+cgo)
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("go list on %s: %v", goos, err)
				}
				for d := json.NewDecoder(strings.NewReader(string(out))); ; {
					var p struct{ Module *moduleUse }
					err := d.Decode(&p)
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					m := p.Module
					if m == nil || m.Version == "" { // the standard library, and ourselves
						continue
					}
					m.test = test
					if have, ok := found[m.Path]; !ok || have.test && !test {
						found[m.Path] = *m
					}
				}
			}
		}
	}
	var all []moduleUse
	for _, m := range found {
		all = append(all, m)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

// licencesOf are the SPDX names of what a module's licence files are, and those
// files that nothing is known of.
func licencesOf(t *testing.T, m moduleUse) (names, unknown []string) {
	t.Helper()
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) == ".go" || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		cover := licensecheck.Scan(text)
		if len(cover.Match) == 0 {
			unknown = append(unknown, e.Name())
		}
		for _, match := range cover.Match {
			if !match.IsURL && !slices.Contains(names, match.ID) {
				names = append(names, match.ID)
			}
		}
	}
	slices.Sort(names)
	return names, unknown
}

// licencesTable lists every module with its licence, and fails for one that
// does not fit.
func licencesTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| module | version | licence | used in |\n| --- | --- | --- | --- |\n")
	for _, m := range modulesUsed(t) {
		names, unknown := licencesOf(t, m)
		if c, ok := chosen[m.Path]; ok {
			names, unknown = []string{c}, nil
		}
		for _, n := range names {
			if compatible[n] == "" && (!m.test || inTests[n] == "") {
				t.Errorf("%s %s is under %s, which is not in the list of compatible licences", m.Path, m.Version, n)
			}
		}
		if len(names) == 0 || len(unknown) > 0 {
			t.Errorf("%s %s: under what may it be used? Known: %q; nothing is known of %q", m.Path, m.Version, names, unknown)
		}
		in := "program"
		if m.test {
			in = "tests"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.Path, m.Version, strings.Join(names, ", "), in)
	}
	return b.String()
}
