package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says which of our packages each may import; what is not listed is
// forbidden. The order is the way of a request: everything imports only what
// stands above it.
var layers = []struct {
	pkg string
	may []string
}{
	{"cachemodes", nil},
	{"internal/units", nil},
	{"internal/quiet", nil},
	{"internal/tooltest", nil},
	{"workload", []string{"cachemodes"}},
	{"workload/recordings", nil}, // for tests
	{"workload/importer", []string{"workload"}},
	{"internal/device", []string{"cachemodes"}},
	{"internal/device/devicetest", []string{"cachemodes", "internal/device"}},
	{"internal/device/badgpu", []string{"internal/tooltest"}},
	{"probe", []string{"cachemodes"}},
	{"probe/driver", []string{"internal/device"}},
	{"internal/cost", []string{"cachemodes", "internal/device"}},
	{"internal/engine", []string{"cachemodes", "workload", "internal/device", "probe", "internal/units"}},
	{"internal/lab", []string{"cachemodes", "workload", "internal/device", "internal/cost", "probe", "internal/engine", "internal/units"}},
	{"snapshots", []string{"cachemodes", "probe"}},
	{"snapshots/compare", []string{"cachemodes", "internal/units", "snapshots"}},
	{"snapshots/export", []string{"cachemodes", "workload", "internal/units", "probe", "snapshots"}},
	{"probe/metrics", []string{"cachemodes", "probe"}},
	{"tui", []string{"cachemodes", "workload", "probe", "internal/device", "internal/engine", "internal/units", "snapshots", "snapshots/compare"}},
	{"internal/cli", []string{"cachemodes", "workload", "probe", "probe/driver", "internal/device", "internal/cost", "internal/engine", "internal/lab", "snapshots", "snapshots/compare", "snapshots/export", "probe/metrics", "workload/importer", "tui", "internal/units", "internal/quiet"}},
	{"internal/ptytest", nil},
	{".", []string{"internal/cli"}},
}

// forbidden are imports that a layer must not have, from anywhere, and why.
var forbidden = []struct {
	pkg, imported, reason string
}{
	{"cachemodes", "os", "a policy knows no file or process: the same answers on every machine"},
	{"cachemodes", "io", "a policy reads and writes nothing"},
	{"cachemodes", "time", "a policy knows no clock: what it decides depends on the requests alone, so that a replay repeats"},
	{"cachemodes", "sync", "the caller has the lock, and device calls happen outside it"},
	{"cachemodes", "net", "a policy knows no network"},
	{"cachemodes", "math/rand", "a policy is deterministic"},
	{"cachemodes", "math/rand/v2", "a policy is deterministic"},
	{"cachemodes", "log", "a policy tells what happened by events"},
	{"cachemodes", "log/slog", "a policy tells what happened by events"},
	{"cachemodes", "charm.land", "a policy knows no screen"},
	{"cachemodes", "github.com/cogentcore/webgpu", "a policy knows no device"},
	{"workload", "time", "a trace carries its own times; reading one takes no clock"},
	{"workload", "charm.land", "a workload knows no screen"},
	{"workload", "github.com/cogentcore/webgpu", "a workload knows no device"},
	{"probe", "time", "times are given to the ledger, so that tests and replays control them"},
	{"probe", "os", "the ledger books events; reading the machine is probe/driver's"},
	{"probe", "charm.land", "the ledger knows no screen"},
	{"internal/engine", "charm.land", "the workload never waits for a screen, so it cannot know one"},
	{"internal/engine", "os", "what is played, and where figures go, is the caller's to say"},
	{"internal/lab", "charm.land", "a search knows no screen; it tells how far it is by a function"},
	{"internal/device", "charm.land", "a device knows no screen"},
	{"internal/cost", "charm.land", "a measurement tells how far it is by a function"},
	{"internal/cost", "os", "what is measured is written to a stream; files are the caller's"},
	{"snapshots", "charm.land", "figures are written without a screen"},
	{"snapshots", "os", "a format is written to and read from a stream; files are the caller's"},
	{"snapshots/compare", "os", "a comparison is of documents; files are the caller's"},
	{"snapshots/export", "os", "a format is written to a stream; files are the caller's"},
	{"workload/importer", "os", "a source is read from a stream; files are the caller's"},
	{"tui", "os", "the screen reads the keyboard and draws; files, environment and processes are the command line's"},
	{"tui", "github.com/cogentcore/webgpu", "the screen commands the engine, never a device"},
}

// TestImports holds every package to its place in the flow.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for pkg, imports := range importsOf(t) {
		seen[pkg] = true
		i := slices.IndexFunc(layers, func(l struct {
			pkg string
			may []string
		}) bool {
			return l.pkg == pkg
		})
		if i < 0 {
			t.Errorf("package %s has no place in the flow: add it to layers, and to ARCHITECTURE.md", pkg)
			continue
		}
		for _, imp := range imports {
			if own, ok := strings.CutPrefix(imp, "bucketscope/"); ok && !slices.Contains(layers[i].may, own) {
				t.Errorf("%s imports %s: it may import only %q of ours", pkg, own, layers[i].may)
			}
			for _, f := range forbidden {
				if f.pkg == pkg && (imp == f.imported || strings.HasPrefix(imp, f.imported+"/")) {
					t.Errorf("%s imports %s: %s", pkg, imp, f.reason)
				}
			}
		}
	}
	for _, l := range layers {
		if !seen[l.pkg] {
			t.Errorf("layers names %s, which is not there", l.pkg)
		}
	}
	if main := importsOf(t)["."]; len(main) > 2 {
		t.Errorf("main.go imports %q: it stays tiny", main)
	}
}

// importsOf lists the imports of every package, tests left out, whatever the
// build tags.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && name != "." && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(file))
		if _, ok := out[pkg]; !ok {
			out[pkg] = nil
		}
		for _, s := range f.Imports {
			p, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(out[pkg], p) {
				out[pkg] = append(out[pkg], p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
