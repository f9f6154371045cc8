package tui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

// at80 is a rig of 80x24 without colour.
func at80(st *engine.State) *rig {
	r := newRig(st, Options{Theme: "mono"})
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	return r
}

// text is what is on the screen.
func (r *rig) text() string { return bare(r.View().Content) }

// ticks lets time pass and the awaited tick come.
func (r *rig) ticks(d time.Duration) tea.Cmd {
	r.clock = r.clock.Add(d)
	_, cmd := r.Update(tickMsg(r.tick))
	return cmd
}

func (r *rig) sees(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(r.text(), w) {
			t.Errorf("no %q on the screen:\n%s", w, r.text())
		}
	}
}

func (r *rig) lacks(t *testing.T, unwanted ...string) {
	t.Helper()
	for _, w := range unwanted {
		if strings.Contains(r.text(), w) {
			t.Errorf("%q is on the screen:\n%s", w, r.text())
		}
	}
}

// TestCommands: keys reach the engine as commands, and nothing else does.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		st   func() *engine.State
		keys []string
		want []string
	}{
		{fixture, []string{"p"}, []string{"pause true"}},
		{pausedFixture, []string{"p"}, []string{"pause false"}},
		{failedFixture, []string{"p"}, []string{"pause false"}},
		{fixture, []string{"n"}, []string{"step"}},
		{fixture, []string{">"}, []string{"pace 8"}},
		{fixture, []string{"<"}, []string{"pace 2"}},
		{fixture, []string{">", ">", "<", ">", ">"}, []string{"pace 8", "pace 15", "pace 8", "pace 15", "pace 30"}},
		{fixture, []string{"p", "p", "p"}, []string{"pause true", "pause false", "pause true"}},
		{hostFixture, []string{"<"}, []string{"pace 1000"}}, // from flat out
		{hostFixture, []string{">"}, []string{"pace 0"}},
		{fixture, []string{"m", "d", "y", "enter"}, []string{"mode storage dynamicBucket"}},
		{fixture, []string{"m", "D", "Y", "enter"}, []string{"mode storage dynamicBucket"}},
		{fixture, []string{"m", "b", "enter"}, []string{"mode storage bucket"}},
		{fixture, []string{"m", "b", "u", "c", "k", "e", "t", "l", "enter"}, []string{"mode storage bucketLegacy"}},
		{fixture, []string{"m", "3", "enter"}, []string{"mode storage simple"}},
		{fixture, []string{"m", "down", "down", "enter"}, []string{"mode storage dynamicBucket"}},
		{fixture, []string{"m", "down", "up", "up", "enter"}, []string{"mode storage simple"}},
		{fixture, []string{"m", "d", "backspace", "l", "enter"}, []string{"mode storage lazyRelease"}},
		{fixture, []string{"m", "d", "s", "enter"}, []string{"mode storage simple"}}, // "ds" begins nothing
		{fixture, []string{"m", "tab", "enter"}, []string{"mode uniform lazyRelease"}},
		{fixture, []string{"m", "right", "right", "s", "enter"}, []string{"mode query_resolve simple"}},
		{fixture, []string{"m", "left", "1", "enter"}, []string{"mode default disabled"}},
		{fixture, []string{"m", "shift+tab", "shift+tab", "g", "enter"}, []string{"mode query_resolve graph"}},
		{fixture, []string{"m", "d", "esc"}, nil},
		{fixture, []string{"m", "q", "p", "n", "space", "?", "esc"}, nil},
		{fixture, []string{"w", "t", "w", "o", "enter"}, []string{"load llama-3.2-1b/two"}},
		{fixture, []string{"w", "z", "z", "enter", "esc", "esc"}, nil},
		{fixture, []string{"w", "z", "backspace", "b", "e", "r", "t", "-", "ctrl+u", "v", "a", "r", "enter"}, []string{"load bert/varied"}},
		{fixture, []string{"w", "down", "down", "up", "enter"}, []string{"load phi3-mini-4k/static"}},
		{fixture, []string{"w", "esc"}, nil},
		{sessionsFixture, []string{"5", "W", "b", "e", "r", "t", "enter"}, []string{"start bert/varied"}},
		{sessionsFixture, []string{"5", "P"}, nil}, // none is marked
		{sessionsFixture, []string{"5", "j", "P"}, []string{"stop 0 true"}},
		{sessionsFixture, []string{"5", "j", "j", "P"}, []string{"stop 1 false"}},
		{sessionsFixture, []string{"5", "j", "j", "R"}, []string{"release 1"}},
		{sessionsFixture, []string{"5", "j", "j", "j", "R"}, nil}, // released already
		{sessionsFixture, []string{"{", "5", "G", "R"}, []string{"release 3"}},
		{sessionsFixture, []string{"5", "R"}, nil}, // which one is not said
		{onlyBert, []string{"5", "R"}, []string{"release 1"}},
		{fixture, []string{"space", "space", "+", "-", "=", "tab", "j", "k", "h", "l", "g", "G", "?", "j", "G", "q", "esc"}, nil},
		{fixture, []string{"1", "t", "s", "b", "x", "y", "[", "]", ":", "M", "z"}, nil},
	} {
		r := at80(c.st())
		if cmd := r.keys(c.keys...); cmd != nil && c.want != nil && (strings.HasPrefix(c.want[0], "load") || strings.HasPrefix(c.want[0], "start")) {
			r.Update(cmd())
		}
		if !slices.Equal(r.engine.calls, c.want) {
			t.Errorf("%v: the engine was told %q, want %q", c.keys, r.engine.calls, c.want)
		}
	}
}

func TestPaces(t *testing.T) {
	for pace, up := paces[0], 0; pace != 0; up++ {
		next := nextPace(pace, true)
		if back := nextPace(next, false); back != pace {
			t.Errorf("from %v up is %v, and down again %v", pace, next, back)
		}
		if pace = next; up > len(paces) {
			t.Fatal("the pace does not reach flat out")
		}
	}
	for pace, want := range map[float64][2]float64{0: {1000, 0}, 0.1: {0.1, 0.5}, 0.5: {0.5, 1}, 20: {15, 30}, 5000: {1000, 0}} {
		if down, up := nextPace(pace, false), nextPace(pace, true); down != want[0] || up != want[1] {
			t.Errorf("from %v down is %v and up is %v, want %v", pace, down, up, want)
		}
	}
}

// TestIntentIsDropped: once the state shows what was commanded, the next
// command builds on the state.
func TestIntentIsDropped(t *testing.T) {
	r := at80(fixture())
	r.keys(">", "p")
	st := *pausedFixture()
	st.Pace = 8
	r.engine.st = &st
	r.ticks(time.Second)
	other := st
	other.Pace, other.Status = 250, engine.Running
	r.engine.st = &other
	r.ticks(time.Second)
	r.keys(">", "p")
	if want := []string{"pace 8", "pause true", "pace 500", "pause true"}; !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q, want %q", r.engine.calls, want)
	}
}

// TestQuit: q and ctrl+c quit, esc never does.
func TestQuit(t *testing.T) {
	quits := func(r *rig, keys ...string) bool {
		cmd := r.keys(keys...)
		if cmd == nil {
			return false
		}
		_, is := cmd().(tea.QuitMsg)
		return is
	}
	for _, c := range []struct {
		keys []string
		want bool
	}{
		{[]string{"q"}, true}, {[]string{"ctrl+c"}, true}, {[]string{"m", "ctrl+c"}, true}, {[]string{"w", "ctrl+c"}, true},
		{[]string{"?", "ctrl+c"}, true}, {[]string{"esc"}, false}, {[]string{"esc", "esc"}, false}, {[]string{"?", "q"}, false},
		{[]string{"w", "q"}, false}, {[]string{"m", "q"}, false}, {[]string{"?", "q", "q"}, true},
	} {
		if got := quits(at80(fixture()), c.keys...); got != c.want {
			t.Errorf("%v quits: %t", c.keys, got)
		}
	}
}

// TestFreeze: a frozen display stands still but for the count of runs that it
// is behind; the engine knows nothing of it.
func TestFreeze(t *testing.T) {
	st := *fixture()
	st.Config = cachemodes.DefaultConfig()
	r := at80(&st)
	r.sees(t, "● LIVE", "held 2.74GiB")
	r.keys("space")
	r.sees(t, "❄ FROZEN (0 runs behind)", "held 2.74GiB")
	moveOn(r)
	r.sees(t, "❄ FROZEN (12 runs behind)", "held 2.74GiB", "run 188")
	paused := *r.engine.st
	paused.Status, paused.RunCount = engine.Paused, paused.RunCount-11
	r.engine.st = &paused
	r.ticks(time.Second)
	r.sees(t, "❄ FROZEN (1 run behind), workload paused")
	r.keys("p")
	r.sees(t, "done, but the display is frozen: space shows it")
	r.keys("space")
	r.sees(t, "❚❚ PAUSED", "held 2.83GiB")
	if want := []string{"pause false"}; !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}

// TestFrozenAcrossBeginning: a display that is frozen while the workload begins
// anew does not count runs that are not comparable.
func TestFrozenAcrossBeginning(t *testing.T) {
	r := at80(failedFixture())
	r.keys("space", "p")
	r.engine.st = &engine.State{Workload: r.engine.st.Workload, Device: r.engine.st.Device, NowUS: sec, RunCount: 3, Play: 1}
	r.ticks(time.Second)
	r.sees(t, "FROZEN (begun anew since)")
	r.picture(48, 12)
	r.sees(t, "FROZEN (begun anew since)")
}

// TestLatestState: a tick shows the latest state, and one that shows nothing
// new costs no picture.
func TestLatestState(t *testing.T) {
	r := at80(fixture())
	before := r.View().Content
	same := *r.engine.st
	r.engine.st = &same
	r.ticks(time.Second)
	if r.stale {
		t.Error("an equal state is drawn again")
	}
	if got := r.View().Content; got != before {
		t.Error("an equal state has another picture")
	}
	moveOn(r)
	if !r.stale {
		t.Error("a new state is not drawn")
	}
	r.sees(t, "run 200")
	r.Update(tickMsg(r.tick - 1))
	if r.Update(struct{}{}); r.stale {
		t.Error("a late tick, or a message of no concern, draws")
	}
}

// TestIdle: the screen asks for states less often where there is nothing to
// see.
func TestIdle(t *testing.T) {
	r := at80(fixture())
	if r.interval != time.Second/DefaultFPS {
		t.Errorf("a state every %v", r.interval)
	}
	for fps, want := range map[int]time.Duration{0: time.Second / 12, 5: 200 * time.Millisecond, 1000: time.Second / 60} {
		if got := newRig(fixture(), Options{FPS: fps}).interval; got != want {
			t.Errorf("%d per second: a state every %v", fps, got)
		}
	}
}

// TestLoad: a workload is read beside the screen; what came of it is said.
func TestLoad(t *testing.T) {
	r := at80(fixture())
	cmd := r.keys("space", "w", "b", "e", "r", "t", "enter")
	r.sees(t, "loading bert/varied… esc gives it up", "FROZEN")
	r.Update(cmd())
	r.sees(t, "playing bert/varied", "LIVE")
	if want := []string{"load bert/varied"}; !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
	r.ticks(noticeFor)
	r.lacks(t, "playing bert/varied")

	broken := Options{Theme: "mono", LoadWorkload: func(context.Context, string) (*workload.Trace, error) {
		return nil, errors.New("line 7: a release of buffer 12, which is not out; " + strings.Repeat("the file is damaged ", 20))
	}}
	r = newRig(fixture(), broken)
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.Update(r.keys("w", "enter")())
	r.sees(t, "! cannot play phi3-mini-4k/grow: line 7: a release of buffer 12, which is not", "damaged")
	r.ticks(time.Hour)
	r.sees(t, "! cannot play")
	r.keys("esc")
	r.lacks(t, "! cannot play")
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}

// TestLoadGivenUp: esc ends the reading, a second choice replaces the first,
// and what was read too late is dropped.
func TestLoadGivenUp(t *testing.T) {
	var ctxs []context.Context
	r := newRig(fixture(), Options{LoadWorkload: func(ctx context.Context, name string) (*workload.Trace, error) {
		ctxs = append(ctxs, ctx)
		return &workload.Trace{Name: name}, nil
	}})
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	late := r.keys("w", "enter")()
	r.keys("esc")
	r.sees(t, "loading phi3-mini-4k/grow was given up")
	if ctxs[0].Err() == nil {
		t.Error("the reader was not told")
	}
	r.Update(late)
	second := r.keys("w", "enter")()
	third := r.keys("w", "t", "w", "o", "enter")()
	if ctxs[1].Err() == nil {
		t.Error("the reader of what nobody waits for was not told")
	}
	r.Update(second)
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
	r.Update(third)
	if want := []string{"load llama-3.2-1b/two"}; !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}

// TestSuspend: ctrl+z lets the workload come to the end of its run, stops the
// program, and lets the workload go on when it comes back.
func TestSuspend(t *testing.T) {
	suspends := func(cmd tea.Cmd) bool {
		batch, ok := cmd().(tea.BatchMsg)
		if !ok {
			return false
		}
		_, ok = batch[0]().(tea.SuspendMsg)
		return ok
	}
	r := at80(fixture())
	r.keys("ctrl+z", "ctrl+z")
	if suspends(r.ticks(soon)) {
		t.Error("suspended in the middle of a run")
	}
	r.engine.st = pausedFixture()
	if !suspends(r.ticks(soon)) {
		t.Error("not suspended between two runs")
	}
	r.Update(tea.ResumeMsg{})
	if want := []string{"pause true", "pause false"}; !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q, want %q", r.engine.calls, want)
	}

	r = at80(fixture())
	r.keys("ctrl+z")
	if !suspends(r.ticks(suspendWithin)) {
		t.Error("a run that does not end keeps the program from being suspended")
	}

	r = at80(pausedFixture())
	r.keys("m", "ctrl+z")
	if !suspends(r.ticks(soon)) {
		t.Error("not suspended while paused")
	}
	r.Update(tea.ResumeMsg{})
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q: what was paused stays so", r.engine.calls)
	}
}

// TestSelection: the marked bucket stays marked while rows change places, and
// the log of runs stays where one looks while runs come.
func TestSelection(t *testing.T) {
	r := at80(fixture())
	l := r.screens[screenLive].(*live)
	r.keys("j", "j", "j")
	if got := l.buckets.rows[l.buckets.cursor].Size; got != 8*mib {
		t.Fatalf("the third row is %d", got)
	}
	st := *fixture()
	st.NowUS += sec
	st.Keys[1].LastNew = 1000
	r.engine.st = &st
	r.ticks(time.Second)
	if got := l.buckets.rows[0].Size; got != 8*mib || l.buckets.cursor != 0 {
		t.Errorf("row 0 is %d, row %d is marked", got, l.buckets.cursor)
	}
	r.keys("G")
	if row := l.buckets.rows[l.buckets.cursor]; row.KeyRow == nil || row.Size != 160 {
		t.Error("the last row is not the uniform one")
	}
	r.keys("k")
	if row := l.buckets.rows[l.buckets.cursor]; row.KeyRow == nil {
		t.Error("a heading is marked")
	}
	r.keys("esc")
	if l.buckets.cursor != -1 {
		t.Error("esc left a row marked")
	}

	r.keys("tab", "k", "k")
	at := l.runs.rows[l.runs.cursor].run.Seq
	more := st
	more.NowUS += sec
	more.Runs = append(slices.Clone(st.Runs), fixtureRuns()...)
	for i := range more.Runs {
		more.Runs[i].Seq = 164 + int64(i)
	}
	more.RunCount += 24
	r.engine.st = &more
	r.ticks(time.Second)
	if got := l.runs.rows[l.runs.cursor].run.Seq; got != at {
		t.Errorf("the marked run is %d, was %d", got, at)
	}
	r.sees(t, "G follows")
	r.keys("G")
	if l.runs.any {
		t.Error("the log does not follow at its end")
	}
	r.lacks(t, "G follows")

	// Another workload begins with nothing marked.
	r.keys("g")
	other := *fixture()
	other.Workload.Name = "bert/varied"
	r.engine.st = &other
	r.ticks(time.Second)
	if l.runs.any || l.buckets.any {
		t.Error("a row of another workload is marked")
	}
}

// TestRowsStandStill: rows change places when what they cost changes a lot,
// not when it goes up and down.
func TestRowsStandStill(t *testing.T) {
	r := at80(fixture())
	l := r.screens[screenLive].(*live)
	order := func() (sizes []int64) {
		for _, row := range l.buckets.rows {
			if row.KeyRow != nil {
				sizes = append(sizes, row.Size)
			}
		}
		return sizes
	}
	first := order()
	for i := range int64(40) { // ten seconds: prompts between decodes
		st := *fixture()
		st.NowUS += i * sec / 4
		if i%9 != 0 {
			st.Keys[0].LastNew, st.Keys[1].LastNew, st.Keys[0].Padding = i%3, 0, i*mib
		}
		r.engine.st = &st
		r.ticks(time.Second / 4)
		if got := order(); !slices.Equal(got, first) {
			t.Fatalf("after %d states the order is %v, was %v", i, got, first)
		}
	}
	st := *fixture()
	st.NowUS += 90 * sec
	st.Keys[0].LastNew, st.Keys[1].LastNew = 0, 0
	r.engine.st = &st
	r.ticks(time.Second)
	if got := order(); got[0] != 201*mib {
		t.Errorf("long after, the order is %v: what costs nothing any more is still first", got)
	}
}

// TestHelpScrolls: from its end help goes up again at once, at any size.
func TestHelpScrolls(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {48, 12}, {20, 3}, {200, 60}} {
		r := newRig(fixture(), Options{Theme: "mono"})
		r.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		r.keys("?")
		first := r.text()
		r.keys("G")
		end := r.text()
		r.keys("k")
		if up := r.text(); up == end || end == first {
			t.Errorf("%v: help does not scroll", size)
		}
		r.keys("j")
		if r.text() != end {
			t.Errorf("%v: down is not the way back", size)
		}
		for range 400 {
			r.keys("pgup")
		}
		if r.text() != first {
			t.Errorf("%v: help does not come back to its beginning", size)
		}
	}
}

// TestKeymap: in no scope does a key mean two things, every action can be
// given, and help and the README's table name every binding.
func TestKeymap(t *testing.T) {
	for _, where := range []scope{onScreens, inHelp, inMenus, inMenus | inTabs, inLine} {
		seen := map[string]action{}
		for _, b := range keymap {
			if b.scope&where == 0 {
				continue
			}
			for _, k := range b.keys {
				if a, ok := seen[k]; ok {
					t.Errorf("in scope %d the key %s means %d and %d", where, k, a, b.action)
				}
				seen[k] = b.action
				if got := keymap.actionOf(where, k); got != b.action {
					t.Errorf("in scope %d the key %s does %d, want %d", where, k, got, b.action)
				}
			}
		}
	}
	given := map[action]bool{}
	r := newRig(fixture(), Options{Theme: "mono"})
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 260})
	r.keys("?")
	table := KeyTable()
	for _, b := range keymap {
		given[b.action] = true
		if b.long == "" || b.shown == "" || b.group == "" {
			t.Errorf("%v is not explained", b.keys)
		}
		r.sees(t, b.shown)
		if !strings.Contains(table, "| "+b.long+" |") {
			t.Errorf("the key table lacks %q", b.long)
		}
	}
	for a := quit; int(a) < numActions; a++ {
		if !given[a] {
			t.Errorf("action %d has no key", a)
		}
	}
	var listed int
	for _, g := range keymap.groups() {
		listed += len(g.bindings)
	}
	if listed != len(keymap) {
		t.Errorf("help lists %d bindings of %d", listed, len(keymap))
	}
}

// TestModeFigures: the menu's figures are of runs that one mode had to itself.
func TestModeFigures(t *testing.T) {
	st := fixture()
	rows := modeRows(cachemodes.Modes(), cachemodes.Storage, st)
	if r := rows[cachemodes.DynamicBucket]; r.runs != 4 || r.peak != (2_900+7*4)*mib || r.creates != (44+46+48+52)/4.0 {
		t.Errorf("dynamicBucket: %d runs, peak %d, %v created", r.runs, r.peak, r.creates)
	}
	if r := rows[cachemodes.BucketMode]; r.runs != 18 || !r.inForce {
		t.Errorf("bucket: %d runs, in force %t", r.runs, r.inForce)
	}
	if r := rows[cachemodes.Disabled]; r.runs != 0 || r.inForce {
		t.Errorf("disabled: %d runs, in force %t", r.runs, r.inForce)
	}
	for _, r := range modeRows(cachemodes.Modes(), cachemodes.Uniform, st) {
		if r.runs != 0 || r.inForce != (r.ID == cachemodes.LazyRelease) {
			t.Errorf("uniform %s: %d runs, in force %t", r.Name, r.runs, r.inForce)
		}
	}
}

func TestRecent(t *testing.T) {
	if r := recentOf(nil); r.runs != 0 || r.last != nil {
		t.Errorf("of nothing: %+v", r)
	}
	runs := fixtureRuns()
	r := recentOf(runs)
	var hits, requests, creates int64
	for _, run := range runs[16:] {
		hits, requests, creates = hits+run.Total.Hits, requests+run.Total.Requests, creates+run.Total.Creates
	}
	if r.runs != recentRuns || r.last.Seq != 187 || r.trend != -1 || r.hitRate != float64(hits)/float64(requests) || r.creates != float64(creates)/8 {
		t.Errorf("%+v", r)
	}
	if want := 7 / (7*1.7 + 7*0.000130); r.perSec < want-1e-9 || r.perSec > want+1e-9 {
		t.Errorf("%v runs per second, want %v", r.perSec, want)
	}
	if r := recentOf(runs[:3]); r.runs != 3 || r.trend != 0 {
		t.Errorf("of three runs: %+v", r)
	}
	replays := make([]probe.Run, 2*recentRuns)
	copy(replays, runs[:recentRuns])
	if r := recentOf(replays); r.asked || r.trend != 0 { // nobody's rate, and so no fall either
		t.Errorf("of runs that asked for nothing: %+v", r)
	}
	if h := hitField(&frame{g: &unicodeGlyphs, recent: recentOf(replays)}); h.value != unicodeGlyphs.none {
		t.Errorf("their hit rate is %q", h.value)
	}
}

// TestTextsNameBindings: every key that a text of the screens mentions is that of
// a binding.
func TestTextsNameBindings(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range regexp.MustCompile(`"[^"\n]*"`).FindAllString(string(text), -1) {
			for _, m := range regexp.MustCompile(`\{([a-z]+(?:-[a-z]+)*)\}`).FindAllStringSubmatch(quoted, -1) {
				if _, ok := bindingNames()[m[1]]; !ok {
					t.Errorf("%s: a text names {%s}, which is no binding", file, m[1])
				}
				found++
			}
		}
	}
	if found < 30 {
		t.Errorf("%d mentions of keys: where are the others?", found)
	}
}
