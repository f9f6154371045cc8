package tui

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/probe"
)

// grown is a player with some runs behind it, and the fake engine's state of
// it.
func grown(runs int64) (*player, *rig) {
	p := newPlayer()
	for id := range runs {
		p.at += 900_000
		p.run(probe.RunInfo{Session: 3, ID: id, Label: fmt.Sprintf("step%d", id), Tokens: 1}, 10_000, 4*mib, 4*mib, 5*mib+id*mib)
	}
	return p, at80(p.state())
}

// TestTravel: every way back shows the moment that it names, every pane along,
// and recording goes on meanwhile.
func TestTravel(t *testing.T) {
	p, r := grown(12)
	end := p.jrn.End()
	want := func(keys string, event int64) {
		t.Helper()
		r.keys(strings.Fields(keys)...)
		h := p.jrn.History()
		m := h.At(event + 1)
		total := m.Ledger.Total()
		if st := r.shown(); st.Seq != event+1 || st.Total != total {
			t.Fatalf("%s: the moment after event %d is shown, want %d", keys, st.Seq-1, event)
		}
		r.sees(t, fmt.Sprintf("◀ @event %d ", event), "held "+r.frame().bytes(total.Held()))
	}
	want("[", end-2)
	want("[ [ ]", end-3)
	h := p.jrn.History()
	last, _ := h.RunBefore(end)
	before, _ := h.RunBefore(last)
	want("{", last)
	want("{", before)
	want("}", last)
	want("3", last)
	want("4", last)
	want("1 tab k", last)

	// The workload goes on; what is shown stays.
	p.run(probe.RunInfo{Session: 3, ID: 12, Label: "step12", Tokens: 1}, 2_500_000, 7*mib)
	r.engine.st = p.state()
	r.ticks(time.Second)
	want("", last)
	r.sees(t, "2.5 s ago")
	r.keys("p")
	r.sees(t, "a past moment is shown: end shows it")

	r.keys("end")
	r.sees(t, "● LIVE")
	if r.shown() != r.engine.st {
		t.Error("end does not show the latest state")
	}
	r.keys("{", "esc")
	r.sees(t, "● LIVE")
	r.keys("home")
	r.sees(t, "◀ @event 0 run 0, ")
	r.keys("[")
	r.sees(t, "nothing earlier is kept: the history reaches back to event 0")
	r.keys("end", "[", "]", "]", "]")
	r.sees(t, "nothing later has happened")

	// A frozen display goes back from where it stands; end ends both.
	r.keys("end", "space", "[")
	r.sees(t, "◀ @event")
	r.keys("esc")
	r.sees(t, "● LIVE")
}

// TestTravelNowhere: without a history there is nowhere to go, and a moment of
// a play that is over says so.
func TestTravelNowhere(t *testing.T) {
	r := at80(emptyFixture())
	for _, k := range []string{"[", "]", "{", "}", "home", "end", "3", "k", "j", "g", "G", "y", "4", "j", "y"} {
		r.keys(k)
		if r.past != nil {
			t.Fatalf("%s went somewhere", k)
		}
	}
	p, r := grown(3)
	r.keys("{", "3")
	st := *p.state()
	st.Play, st.History, st.Seq, st.NowUS = 1, newPlayer().jrn.History(), 0, 0
	r.engine.st = &st
	r.ticks(time.Second)
	r.sees(t, "begun anew since", "nothing yet, because nothing has happened")
	r.keys("4")
	r.sees(t, "Buffers, all")
	r.keys("[")
	r.sees(t, "● LIVE")
}

// TestEventsSelection: the mark of the list is the moment that is shown, and
// the filter is what [ and ] step over.
func TestEventsSelection(t *testing.T) {
	_, r := grown(12)
	r.keys("3", "/", "type:end", "enter")
	f := r.frame()
	parsed, err := eventLanguage.parse("type:end")
	if err != nil {
		t.Fatal(err)
	}
	found := matches(&f.now.History, &parsed)
	n := len(found)
	if n != 12 {
		t.Fatalf("%d ends", n)
	}
	r.sees(t, "Events, 12 of ")
	for _, c := range []struct {
		keys string
		want int64
	}{
		{"k", found[n-1]}, {"k", found[n-2]}, {"[ [", found[n-4]}, {"]", found[n-3]}, {"j", found[n-2]}, {"g", found[0]}, {"j", found[1]}, {"[ [ [", found[0]},
	} {
		r.keys(strings.Fields(c.keys)...)
		if got := r.frame().at(); got != c.want {
			t.Errorf("%s: event %d, want %d", c.keys, got, c.want)
		}
	}
	// Between two matches nothing is marked, and both ways lead to a match.
	r.keys("}", "}")
	at := r.frame().at()
	i, _ := slices.BinarySearch(found, at)
	r.sees(t, "the filter does not let this event through")
	r.keys("k")
	if got := r.frame().at(); got != found[i-1] {
		t.Errorf("up from event %d leads to %d, want %d", at, got, found[i-1])
	}
	r.keys("G")
	r.sees(t, "● LIVE")
	r.keys("esc")
	r.lacks(t, "type:end")
	r.keys("esc")
	r.sees(t, "Buckets, storage")
}

// TestFilterTyping: the list follows every key, a fault is named in place and
// leaves the last filter in force, esc takes all back.
func TestFilterTyping(t *testing.T) {
	_, r := grown(12)
	r.keys("3", "/", "type:end")
	r.sees(t, "filter events type:end_", "Events, 12 of ")
	r.keys("!")
	r.sees(t, `! type:end!: there is no type "end!"`, "Events, 12 of ")
	r.keys("enter")
	r.sees(t, "filter events")
	r.keys("backspace", "enter")
	r.lacks(t, "filter events")
	r.sees(t, "Events, 12 of ", ": type:end")
	r.keys("/", "ctrl+u", "run=3")
	r.sees(t, ": run=3")
	r.keys("esc")
	r.sees(t, ": type:end")
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}

// TestBuffers: every buffer of the shown moment is there, sorted and filtered,
// and the mark stays with its buffer.
func TestBuffers(t *testing.T) {
	r := at80(historyFixture())
	r.keys("4")
	s := r.screens[screenBuffers].(*buffersScreen)
	check := func() {
		t.Helper()
		st := r.shown()
		m := st.History.At(st.Seq)
		if int64(s.exist) != m.Ledger.Live() {
			t.Fatalf("%d buffers, the ledger has %d", s.exist, m.Ledger.Live())
		}
		of := orders[s.order].of
		if !slices.IsSortedFunc(s.rows, func(a, b bufferRow) int {
			if c := of(&b) - of(&a); s.turned {
				return int(-c)
			} else {
				return int(c)
			}
		}) {
			t.Errorf("not sorted by %s", orders[s.order].name)
		}
	}
	check()
	for range orders {
		r.keys("o")
		check()
		r.keys("O")
		check()
	}
	r.keys("j", "j")
	at := s.at
	r.keys("o")
	if s.rows[s.cursor].Serial != at {
		t.Error("the mark did not stay with its buffer")
	}
	r.keys("home")
	check()
	if s.exist != 0 {
		t.Errorf("%d buffers after the first event", s.exist)
	}
	r.keys("end", "esc", "/", "usage:weights", "enter")
	check()
	if len(s.rows) != 5 {
		t.Errorf("%d rows of weights", len(s.rows))
	}
	r.keys("esc", "v")
	r.sees(t, "leaks: in use, but handed out")
	r.keys("esc", "esc")
	r.sees(t, "Buckets, storage")
}

// copied is what a command puts on the clipboard.
func copied(cmd tea.Cmd) string {
	if cmd == nil {
		return ""
	}
	return fmt.Sprint(reflect.ValueOf(cmd()))
}

// TestCopy: y copies the marked row of every list, bytes exact.
func TestCopy(t *testing.T) {
	r := at80(historyFixture())
	if got := copied(r.keys("4", "y")); got != "" {
		t.Errorf("%q is copied where nothing is marked", got)
	}
	r.sees(t, "no buffer is marked")
	if got := copied(r.keys("j", "y")); !strings.HasPrefix(got, "buffer 5\t282067136 bytes\t282067136 asked\tin use\tweights") {
		t.Errorf("%q is copied", got)
	}
	if got := copied(r.keys("3", "k", "y")); !strings.HasPrefix(got, "event 1562\t") || !strings.Contains(got, "miss\t13631488 bytes") {
		t.Errorf("%q is copied", got)
	}
	r.sees(t, "event 1562 is copied")
	r.keys("end", "1", "y")
	r.sees(t, "no row is marked")
	if got := copied(r.keys("j", "y")); !strings.HasPrefix(got, "key 8323072\tstorage\t11 wanted\tcap ∞") {
		t.Errorf("%q is copied", got)
	}
	if got := copied(r.keys("l", "k", "k", "y")); !strings.HasPrefix(got, "run 28\tconv1 step28 n=1 total=156\tdynamicBucket") {
		t.Errorf("%q is copied", got)
	}
}

// TestLiveFilters: the lists of Live are filtered as the others are.
func TestLiveFilters(t *testing.T) {
	r := at80(historyFixture())
	r.keys("/", "key>=4MiB", " ", "us", "enter")
	r.keys("/")
	r.sees(t, "filter buckets key>=4MiB us")
	r.keys("ctrl+u", "key>=4MiB", " ", "usage:storage", "enter")
	live := r.screens[screenLive].(*live)
	if len(live.buckets.rows) == 0 {
		t.Error("no bucket is listed")
	}
	for _, b := range live.buckets.rows {
		if b.KeyRow == nil || b.Size < 4*mib {
			t.Errorf("%+v is listed", b)
		}
	}
	r.sees(t, "Buckets: key>=4MiB usage:storage")
	r.keys("tab", "/", "kind:prompt", " ", "new>0", "enter")
	r.sees(t, "Runs: kind:prompt new>0")
	if n := len(live.runs.rows); n != 5 { // four prompts, and the mark
		t.Errorf("%d rows, want four prompts and a mark", n)
	}
	r.keys("/", "x", "x", "enter")
	r.sees(t, "new>0 xx")
	r.keys("/", "ctrl+u", "kind:nosuch")
	r.sees(t, `there is no kind "nosuch"; there are prompt decode other`)
	r.keys("esc", "esc")
	r.lacks(t, "kind:prompt", "key>=4MiB")
	if len(live.runs.rows) != 32 {
		t.Errorf("%d rows without a filter", len(live.runs.rows))
	}
}

// TestPalette: every action can be found by its words and done.
func TestPalette(t *testing.T) {
	r := at80(fixture())
	r.keys(":", "s", "t", "e", "p")
	r.keys("esc")
	r.keys("p", "a", "u", "s", "e", " ", "workload", "enter")
	if want := []string{"pause true"}; !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
	r.keys("ctrl+p", "e", "v", "e", "r", "y", " ", "buffer", " ", "exists", "enter")
	r.sees(t, "▸4 Buffers")
	r.keys(":", "cache mode", "enter")
	r.sees(t, "Cache mode")
	r.keys("esc", ":", "zzz")
	r.sees(t, "no action has these words")
	if cmd := r.keys("esc", "q", "u", "i", "t", "enter"); cmd == nil {
		t.Error("quit does nothing")
	}
	if all, off := (&paletteMenu{}).shown(r.frame()); len(all) < numActions-8 || len(off) > 0 {
		t.Error("the palette lacks actions")
	}
}

// TestScreensByNumber: each number key shows its screen, esc leads back to
// Live, and nothing tells the engine.
func TestScreensByNumber(t *testing.T) {
	r := at80(historyFixture())
	for _, tab := range tabs {
		r.keys(tab.key)
		r.sees(t, "▸"+tab.key+" "+tab.name)
	}
	r.keys("esc")
	r.sees(t, "▸1 Live")
	for w := compactW; w < 100; w++ {
		if text := bare(r.picture(w, compactH)); !strings.Contains(text, "▸1 Live") || !strings.Contains(text, "3") || !strings.Contains(text, "? help") {
			t.Errorf("at %d columns the tabs or the hints are cut:\n%s", w, text)
		}
	}
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}
