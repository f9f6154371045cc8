package tui

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

var testWorkloads = []WorkloadItem{
	{"phi3-mini-4k/grow", "five conversations; the KV cache grows by new buffers every step", 94, 109862, 1},
	{"phi3-mini-4k/static", "the same conversations; the KV cache is the application's, of fixed size", 95, 79704, 1},
	{"llama-3.2-1b/two", "Llama, growing KV cache, and BERT take turns on one device", 36, 31337, 2},
	{"bert/varied", "20 inputs of different batch and length", 20, 26051, 1},
}

// rig is a model on a fake engine at a clock of its own.
type rig struct {
	*model
	engine *fake
	clock  time.Time
}

func newRig(st *engine.State, o Options) *rig {
	r := &rig{engine: &fake{st: st}, clock: time.Unix(1_700_000_000, 0)}
	o.Engine, o.Workloads = r.engine, testWorkloads
	if o.LoadWorkload == nil {
		o.LoadWorkload = func(_ context.Context, name string) (*workload.Trace, error) { return &workload.Trace{Name: name}, nil }
	}
	r.model = newModel(context.Background(), &o)
	r.now = func() time.Time { return r.clock }
	return r
}

// keys presses keys as Bubble Tea names them; single runes are typed.
func (r *rig) keys(names ...string) tea.Cmd {
	var cmd tea.Cmd
	for _, n := range names {
		_, cmd = r.Update(keyPress(n))
	}
	return cmd
}

var specialKeys = map[string]tea.KeyPressMsg{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab},
	"shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
	"left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
	"home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "backspace": {Code: tea.KeyBackspace}, "space": {Code: ' ', Text: " "},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+z": {Code: 'z', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
	"ctrl+n": {Code: 'n', Mod: tea.ModCtrl}, "ctrl+p": {Code: 'p', Mod: tea.ModCtrl},
}

func keyPress(name string) tea.KeyPressMsg {
	if k, ok := specialKeys[name]; ok {
		return k
	}
	r := []rune(name)
	return tea.KeyPressMsg{Code: r[0], Text: name}
}

// picture is the screen at a size.
func (r *rig) picture(w, h int) string {
	r.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return r.View().Content
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// bare is a picture without its escape sequences.
func bare(s string) string { return escapes.ReplaceAllString(s, "") }

// goldenCase is a picture: of a state, after some keys.
type goldenCase struct {
	name string
	st   *engine.State
	o    Options
	w, h int
	keys []string
	act  func(*rig)
}

func TestGoldens(t *testing.T) {
	failing := Options{LoadWorkload: func(context.Context, string) (*workload.Trace, error) {
		return nil, os.ErrPermission
	}}
	cases := []goldenCase{
		{name: "live-48x12", w: 48, h: 12},
		{name: "live-80x24", w: 80, h: 24},
		{name: "live-120x32", w: 120, h: 32},
		{name: "live-200x60", w: 200, h: 60},
		{name: "live-60x30", w: 60, h: 30},
		{name: "live-ascii-80x24", o: Options{ASCII: true}, w: 80, h: 24},
		{name: "live-si-80x24", o: Options{SI: true}, w: 80, h: 24},
		{name: "live-40x8", w: 40, h: 8},
		{name: "live-30x1", w: 30, h: 1},
		{name: "live-host-80x24", st: hostFixture(), w: 80, h: 24},
		{name: "live-all-120x32", w: 120, h: 32, keys: []string{"-", "-", "-", "-"}},
		{name: "live-15s-120x32", w: 120, h: 32, keys: []string{"+", "+"}},
		{name: "runs-48x12", w: 48, h: 12, keys: []string{"tab"}},
		{name: "runs-up-80x24", w: 80, h: 24, keys: []string{"l", "k", "pgup"}},
		{name: "buckets-down-80x24", w: 80, h: 24, keys: []string{"j", "j", "j"}},
		{name: "paused-80x24", st: pausedFixture(), w: 80, h: 24},
		{name: "failed-80x24", st: failedFixture(), w: 80, h: 24},
		{name: "failed-48x12", st: failedFixture(), w: 48, h: 12},
		{name: "failed-40x6", st: failedFixture(), w: 40, h: 6},
		{name: "lost-80x24", st: lostFixture(), w: 80, h: 24},
		{name: "lost-48x12", st: lostFixture(), w: 48, h: 12},
		{name: "empty-80x24", st: emptyFixture(), w: 80, h: 24},
		{name: "empty-48x12", st: emptyFixture(), w: 48, h: 12},
		{name: "mode-80x24", w: 80, h: 24, keys: []string{"m", "d", "y"}},
		{name: "mode-uniform-120x32", w: 120, h: 32, keys: []string{"m", "tab"}},
		{name: "mode-48x12", w: 48, h: 12, keys: []string{"m"}},
		{name: "live-36x30", w: 36, h: 30},
		{name: "live-110x5", w: 110, h: 5},
		{name: "mode-20x1", w: 20, h: 1, keys: []string{"m", "d"}},
		{name: "mode-60x1", w: 60, h: 1, keys: []string{"m", "d"}},
		{name: "palette-60x1", w: 60, h: 1, keys: []string{":", "note"}},
		{name: "workload-40x1", w: 40, h: 1, keys: []string{"w", "down"}},
		{name: "mode-20x4", w: 20, h: 4, keys: []string{"m"}},
		{name: "workload-80x24", w: 80, h: 24, keys: []string{"w"}},
		{name: "workload-filter-120x32", w: 120, h: 32, keys: []string{"w", "k", "v"}},
		{name: "workload-none-80x24", w: 80, h: 24, keys: []string{"w", "x", "y", "z"}},
		{name: "help-80x24", w: 80, h: 24, keys: []string{"?"}},
		{name: "help-end-80x24", w: 80, h: 24, keys: []string{"?", "G"}},
		{name: "help-48x12", w: 48, h: 12, keys: []string{"?", "pgdown"}},
		{name: "help-200x60", w: 200, h: 60, keys: []string{"?"}},
		{name: "frozen-80x24", w: 80, h: 24, keys: []string{"space"}, act: moveOn},
		{name: "frozen-48x12", w: 48, h: 12, keys: []string{"space"}, act: moveOn},
		{name: "live-braille-120x32", w: 120, h: 32, keys: []string{"v"}},
		{name: "live-blocks-120x32", w: 120, h: 32, keys: []string{"v", "v"}},
		{name: "live-byrun-80x24", w: 80, h: 24, keys: []string{"a"}},
		{name: "live-point-120x32", w: 120, h: 32, keys: []string{"tab", "tab", "left", "left", "pgup"}},
		{name: "live-point-48x12", w: 48, h: 12, keys: []string{"tab", "tab", "left"}},
		{name: "findings-80x24", w: 80, h: 24, keys: []string{"f", "down"}},
		{name: "findings-48x12", w: 48, h: 12, keys: []string{"f"}},
		{name: "findings-none-80x24", st: emptyFixture(), w: 80, h: 24, keys: []string{"f"}},
		{name: "keys-empty-80x24", st: emptyFixture(), w: 80, h: 24, keys: []string{"2"}},
		{name: "keys-none-80x24", w: 80, h: 24, keys: []string{"2", "v", "v"}},
		{name: "keys-ascii-80x24", o: Options{ASCII: true}, w: 80, h: 24, keys: []string{"2", "down", "left"}},
		{name: "keys-dense-80x24", w: 80, h: 24, keys: []string{"2", "e", "o"}},
		{name: "keys-sizes-80x24", w: 80, h: 24, keys: []string{"2", "tab"}},
		{name: "keys-uniform-48x12", w: 48, h: 12, keys: []string{"2", "v", "tab"}},
		{name: "keys-zoom-120x32", w: 120, h: 32, keys: []string{"2", "-", "-", "left", "left"}},
		{name: "palette-80x24", w: 80, h: 24, keys: []string{":"}},
		{name: "palette-run-48x12", w: 48, h: 12, keys: []string{"ctrl+p", "r", "u", "n"}},
		{name: "events-empty-80x24", st: emptyFixture(), w: 80, h: 24, keys: []string{"3"}},
		{name: "events-refused-80x24", st: refusedFixture(), w: 80, h: 24, keys: []string{"3", "k"}},
		{name: "events-ends-48x12", st: historyFixture(), w: 48, h: 12, keys: []string{"3", "/", "type:end", "enter"}},
		{name: "events-ends-80x24", st: historyFixture(), w: 80, h: 24, keys: []string{"3", "/", "type:end", "enter"}},
		{name: "events-typing-80x24", st: historyFixture(), w: 80, h: 24, keys: []string{"3", "/", "type:mess"}},
		{name: "events-none-80x24", st: historyFixture(), w: 80, h: 24, keys: []string{"3", "/", "type:oom", "enter"}},
		{name: "buffers-leaks-120x32", st: historyFixture(), w: 120, h: 32, keys: []string{"4", "v"}},
		{name: "buffers-stale-80x24", st: historyFixture(), w: 80, h: 24, keys: []string{"4", "v", "v", "v"}},
		{name: "sessions-empty-80x24", st: emptyFixture(), w: 80, h: 24, keys: []string{"5"}},
		{name: "sessions-ascii-80x24", st: sessionsFixture(), w: 80, h: 24, keys: []string{"5"}, o: Options{ASCII: true}},
		{name: "sessions-mono-80x24", st: sessionsFixture(), w: 80, h: 24, keys: []string{"5"}, o: Options{Theme: "mono"}},
		{name: "sessions-released-120x32", st: sessionsFixture(), w: 120, h: 32, keys: []string{"5", "j", "j", "j"}},
		{name: "sessions-none-80x24", st: allReleased(), w: 80, h: 24, keys: []string{"5"}},
		{name: "sessions-start-80x24", st: sessionsFixture(), w: 80, h: 24, keys: []string{"5", "W"}},
		{name: "sessions-hazard-120x32", st: sessionsFixture(), w: 120, h: 32, keys: []string{"3", "/", "type:hazard", "enter"}},
		{name: "loading-80x24", w: 80, h: 24, keys: []string{"w", "down", "enter"}},
		{name: "load-failed-80x24", o: failing, w: 80, h: 24, act: func(r *rig) {
			r.Update(r.keys("w", "b", "e", "r", "t", "enter")())
		}},
	}
	for _, size := range [][2]int{{48, 12}, {80, 24}, {120, 32}, {200, 60}} {
		for _, c := range []struct {
			name string
			keys []string
		}{{"sessions", []string{"5", "j"}}, {"sessions-past", []string{"{", "{", "{", "5"}}} {
			cases = append(cases, goldenCase{
				name: fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), st: sessionsFixture(), w: size[0], h: size[1], keys: c.keys,
			})
		}
		for _, c := range []struct {
			name string
			keys []string
		}{
			{"keys", []string{"2"}},
			{"keys-marked", []string{"2", "down", "down", "left", "left", "left"}},
			{"keys-past", []string{"{", "{", "{", "{", "2", "down"}},
			{"events", []string{"3"}},
			{"events-filter", []string{"3", "/", "type:miss", " ", "size>=4MiB", "enter"}},
			{"events-past", []string{"3", "/", "type:miss", " ", "size>=4MiB", "enter", "k", "pgup", "k"}},
			{"live-past", []string{"{", "{", "{", "]", "]"}},
			{"buffers", []string{"4", "j", "j"}},
			{"buffers-past", []string{"{", "{", "4", "/", "usage:storage", " ", "size<8MiB", "enter", "o"}},
		} {
			cases = append(cases, goldenCase{
				name: fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), st: stateFor(c.name), w: size[0], h: size[1], keys: c.keys,
			})
		}
	}
	cases = append(cases, dailyCases()...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.st == nil {
				c.st = fixture()
			}
			o := c.o
			for _, theme := range []struct{ name, ext string }{{"mono", ".txt"}, {"dark", ".ansi"}} {
				o.Theme = theme.name
				r := newRig(c.st, o)
				r.Update(tea.WindowSizeMsg{Width: c.w, Height: c.h})
				r.keys(c.keys...)
				if c.act != nil {
					c.act(r)
				}
				got := r.picture(c.w, c.h)
				checkFits(t, got, c.w, c.h)
				if theme.name == "mono" {
					got = bare(got)
				}
				golden(t, c.name+theme.ext, got)
			}
		})
	}
}

// dailyCases are of what a person does beside watching: compare, tune, keep.
func dailyCases() []goldenCase {
	made := func(r *rig) { r.made() }
	_, oneStretch := grown(3)
	recorded := *compareFixture()
	recorded.Status, recorded.Marks = engine.Recorded, append(recorded.Marks, engine.Mark{AtUS: 14 * sec, Run: 19, Seq: recorded.Seq - 300, Text: "note: here it grows"})
	doc := record(compareFixture()).Document()
	doc.Device.Name, doc.Workload.SHA256 = "llvmpipe", "77ab"
	withFile := Options{Record: record, Others: []Recording{{Name: "old.json", Doc: doc}}, Recorded: "phi3.snapshot", Formats: testFormats}
	tune := tuneOptions()
	edit := func(r *rig) {
		r.tune.mark(4 * mib)
		r.keys("l", "l", "l", "A", "6MiB:11", "enter", "G", "l")
		r.tune.mark(2 * mib)
		r.keys("delete")
		r.made()
	}
	dynamic := fixture()
	dynamic.Config[cachemodes.Storage].Mode = cachemodes.DynamicBucket
	cases := []goldenCase{
		{name: "compare-empty-80x24", st: emptyFixture(), w: 80, h: 24, keys: []string{"6"}},
		{name: "compare-one-80x24", st: oneStretch.engine.st, o: Options{Record: record}, w: 80, h: 24, keys: []string{"6"}, act: made},
		{name: "compare-files-120x32", st: &recorded, o: withFile, w: 120, h: 32, keys: []string{"6"}, act: made},
		{name: "compare-choose-80x24", st: &recorded, o: withFile, w: 80, h: 24, keys: []string{"6", "right"}, act: made},
		{name: "compare-keys-48x12", st: compareFixture(), o: Options{Record: record}, w: 48, h: 12, keys: []string{"6", "tab"}, act: made},
		{name: "compare-runs-80x24", st: compareFixture(), o: Options{Record: record}, w: 80, h: 24, keys: []string{"6", "tab", "tab"}, act: made},
		{name: "compare-time-120x32", st: compareFixture(), o: Options{Record: record}, w: 120, h: 32, keys: []string{"6", "v"}, act: made},
		{name: "compare-ascii-80x24", st: compareFixture(), o: Options{Record: record, ASCII: true}, w: 80, h: 24, keys: []string{"6"}, act: made},
		{name: "snapshot-120x32", st: &recorded, o: withFile, w: 120, h: 32},
		{name: "snapshot-past-80x24", st: &recorded, o: withFile, w: 80, h: 24, keys: []string{"{", "{"}},
		{name: "export-80x24", st: &recorded, o: withFile, w: 80, h: 24, keys: []string{"x"}},
		{name: "note-80x24", w: 80, h: 24, keys: []string{"N", "here it grows"}},
		{name: "tune-dynamic-80x24", st: dynamic, o: tune, w: 80, h: 24, keys: []string{"7"}, act: made},
		{name: "tune-type-80x24", o: tune, w: 80, h: 24, keys: []string{"7", "c", "100:5"}},
		{name: "tune-table-80x24", o: tune, w: 80, h: 24, keys: []string{"7", "i"}},
		{name: "tune-search-80x24", o: tune, w: 80, h: 24, keys: []string{"7", "S"}},
		{name: "tune-invalid-80x24", o: tune, w: 80, h: 24, keys: []string{"7", "G", "h"}, act: made},
	}
	for _, size := range [][2]int{{48, 12}, {80, 24}, {120, 32}, {200, 60}} {
		w, h := size[0], size[1]
		cases = append(cases,
			goldenCase{name: fmt.Sprintf("compare-%dx%d", w, h), st: compareFixture(), o: Options{Record: record}, w: w, h: h, keys: []string{"6"}, act: made},
			goldenCase{name: fmt.Sprintf("tune-%dx%d", w, h), o: tune, w: w, h: h, keys: []string{"7"}, act: made},
			goldenCase{name: fmt.Sprintf("tune-edited-%dx%d", w, h), o: tune, w: w, h: h, keys: []string{"7"}, act: edit},
		)
	}
	return cases
}

// stateFor is the fixture that a screen is shown with.
func stateFor(name string) *engine.State {
	if name == "keys" || name == "keys-marked" {
		return fixture()
	}
	return historyFixture()
}

// moveOn lets the engine play 12 runs.
func moveOn(r *rig) {
	st := *r.engine.st
	st.RunCount += 12
	st.NowUS += 3 * sec
	st.Total.InUse += 99 * mib
	r.engine.st = &st
	r.Update(tickMsg(r.tick))
}

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got += "\n"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./tui -update writes it", err)
	}
	if string(want) != got {
		t.Errorf("%s differs; go test ./tui -update rewrites it\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// TestFiguresDiffer keeps the fixture as it is meant to be: a figure that
// reads like another one could stand in its place unseen.
func TestFiguresDiffer(t *testing.T) {
	seen := map[string]string{}
	st := fixture()
	f := &frame{st: st, now: st, latest: st, g: &unicodeGlyphs}
	f.recent = recentOf(f.st.Runs)
	for _, d := range []field{
		heldField(f), inUseField(f), cachedField(f), pendingField(f), paddingField(f), peakField(f), averageField(f), floorField(f),
		driverField(f), hitField(f), createsField(f), createsMeanField(f), latencyField(f), latencyMeanField(f), paceField(f),
		overheadField(f),
	} {
		v := strings.TrimSpace(d.value)
		if d.value == "" {
			t.Errorf("%q has no value", d.label)
		}
		if other, ok := seen[v]; ok {
			t.Errorf("%q and %q both read %q", other, d.label, v)
		}
		seen[v] = d.label
	}
}
