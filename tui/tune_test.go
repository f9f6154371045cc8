package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
)

// simulated is a fake simulation whose figures follow from the numbers.
func simulated(_ context.Context, _ engine.Workload, cfg cachemodes.Config) (Simulated, error) {
	s := Simulated{Peak: 3_100 * mib, Average: 2_300 * mib, Floor: 2_271 * mib, Creates: 2_811, CreateBytes: 7_312 * mib}
	for _, b := range cfg[cachemodes.Storage].Params.Table {
		if b.Key == 4*mib {
			s.Peak += int64(b.Cap) * mib
			s.Average += int64(b.Cap) * mib / 4
			s.Creates -= 7 * int64(b.Cap)
			s.CreateBytes -= 28 * int64(b.Cap) * mib
		}
	}
	return s, nil
}

func tuneOptions() Options {
	return Options{
		Theme: "mono", Simulate: simulated,
		WriteTable: func(w io.Writer, t cachemodes.Table) error {
			for _, b := range t {
				fmt.Fprintf(w, "{%d, %d},\n", b.Key, b.Cap)
			}
			return nil
		},
		Suggest: func(_ context.Context, _ engine.Workload, g SearchGoal, progress func(done, total int)) (cachemodes.Table, error) {
			progress(1, 2)
			if !g.Creates {
				return g.Now, nil
			}
			return cachemodes.Table{{Key: 4 * mib, Cap: 66}, {Key: 8 * mib, Cap: 13}}, nil
		},
	}
}

// tuneRig is a rig of w by h on the Tune screen, the bucket of 4 MiB marked.
func tuneRig(w, h int) *rig {
	r := newRig(fixture(), tuneOptions())
	r.Update(tea.WindowSizeMsg{Width: w, Height: h})
	r.keys("7")
	r.tune.mark(4 * mib)
	r.stale = true
	return r
}

// inForce lets the engine have what it was given last.
func (r *rig) inForce() {
	st := *r.engine.st
	st.Config[r.tune.usage].Params = r.engine.params[len(r.engine.params)-1]
	st.NowUS++
	r.engine.st = &st
	r.made()
}

// TestTune: an edit is a draft until it is applied; what it would cost is
// simulated; it is undone step by step.
func TestTune(t *testing.T) {
	r := tuneRig(80, 24)
	r.made()
	r.sees(t, "Tune, storage: bucket", "4MiB", "3.05GiB", "2671")
	r.keys("l", "l", "l")
	r.sees(t, "* 4MiB", "20→23")
	r.made()
	r.sees(t, "edited", "change", "-0.8% ▼")
	if r.engine.calls != nil {
		t.Fatalf("an edit reached the engine: %q", r.engine.calls)
	}
	r.keys("c", "6", "4", "enter")
	r.sees(t, "20→64")
	r.keys("enter")
	r.sees(t, "4MiB cap 20→64: at the end of run 188; z undoes it")
	r.inForce()
	r.lacks(t, "20→64")
	r.keys("A", "6MiB:11", "enter")
	r.sees(t, "* 6MiB", "–→11")
	r.keys("enter")
	r.inForce()
	r.keys("delete", "enter")
	r.inForce()
	r.keys("z")
	r.inForce()
	r.keys("z")
	r.inForce()
	r.keys("z")
	r.inForce()
	r.keys("z")
	r.sees(t, "nothing to undo")
	want := []string{
		"params storage 4MiB cap 20→64", "params storage +6MiB:11", "params storage -6MiB",
		"params storage undo -6MiB", "params storage undo +6MiB:11", "params storage undo 4MiB cap 20→64",
	}
	if !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q, want %q", r.engine.calls, want)
	}
	if last := r.engine.params[len(r.engine.params)-1]; !last.Equal(cachemodes.DefaultParams()) {
		t.Errorf("undone, the numbers are %+v", last)
	}
	for i, p := range r.engine.params {
		if err := p.Validate(); err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
}

// TestTuneRefuses what cannot be meant, with what, why and how instead.
func TestTuneRefuses(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"c", "x"}, `the cap "x" is no whole number: want how many free buffers are kept, or inf`},
		{[]string{"c", "100:5"}, "bucket key 100: want a positive multiple of 16"},
		{[]string{"c", "-5"}, "bucket key 4194304: cap -5 is not between 0 and"},
		{[]string{"A", "5"}, `"5" is no bucket: want its key and its cap, as in 4MiB:64`},
		{[]string{"A", "4MiB:5"}, "key 4MiB is in the table: change its cap there"},
		{[]string{"A", "lots:5"}, `the key "lots" is no size: want bytes, or as in 4MiB`},
		{[]string{"enter"}, "nothing to apply: ← → make the marked row less and more, c types its value"},
		{[]string{"G", "c", "0"}, "refresh window 0: want a whole number from 1"},
		{[]string{"G", "c", "2MiB"}, `refresh every: "2MiB" is no whole number`},
		{[]string{"G", "delete"}, "no bucket is marked"},
	} {
		r := tuneRig(200, 60)
		r.keys(c.keys...)
		r.sees(t, c.want)
		if c.keys[0] == "c" || c.keys[0] == "A" {
			r.keys("enter")
			r.sees(t, c.want) // it stays until it is put right or left
		}
		if r.engine.calls != nil || r.tune.draft != nil {
			t.Errorf("%q: the engine was told %q, the draft is %v", c.keys, r.engine.calls, r.tune.draft)
		}
	}
	// What less and more make invalid is told in place of a simulation, and is
	// not applied.
	r := tuneRig(80, 24)
	r.keys("G", "left", "enter")
	r.sees(t, "! cannot apply the numbers: refresh window 0: want a whole number from 1")
	r.keys("esc")
	r.sees(t, "what was edited is dropped")
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
	// The last bucket stays.
	r.keys("g")
	for range 25 {
		r.keys("delete", "down", "g")
		for row, any := r.tune.at(); any && row.gone; row, any = r.tune.at() {
			r.keys("down")
		}
	}
	r.keys("delete")
	r.sees(t, "the last bucket stays")
	if n := len(r.tune.params().Table); n != 1 {
		t.Errorf("%d buckets are left", n)
	}
}

// TestTuneSuggest: a search is a draft with its preview; one that finds nothing
// says so.
func TestTuneSuggest(t *testing.T) {
	r := tuneRig(120, 32)
	r.keys("S")
	r.sees(t, "Search a table", "fewest creates", "lowest peak")
	r.run(r.keys("enter"))
	r.sees(t, "a table of 2 buckets was found, by simulation: enter applies it, esc drops it", "4MiB", "20→66", "250→–")
	r.keys("enter")
	r.sees(t, "4MiB cap 20→66 and 25 more: at the end of run 188")
	if got := r.engine.params[0].Table.String(); got != "4194304:66 8388608:13" {
		t.Errorf("the engine was given %s", got)
	}
	r.inForce()
	r.run(r.keys("S", "down", "enter"))
	r.sees(t, "no better table was found than the one in force")
	r.keys("i")
	r.sees(t, "as ONNX Runtime's source takes it", "{4194304, 66},", "{8388608, 13},")
	r.keys("esc")
	if got := copied(r.keys("y")); got != "{4194304, 66},\n{8388608, 13},\n" {
		t.Errorf("%q is copied", got)
	}
	r.o.Suggest = func(context.Context, engine.Workload, SearchGoal, func(int, int)) (cachemodes.Table, error) {
		return nil, errors.New("mine.jsonl is not at hand")
	}
	r.run(r.keys("S", "enter"))
	r.sees(t, "! no table was found: mine.jsonl is not at hand")
}

// TestTuneModes: the rows are what the mode reads.
func TestTuneModes(t *testing.T) {
	st := fixture()
	st.Config[cachemodes.Storage].Mode = cachemodes.DynamicBucket
	r := newRig(st, tuneOptions())
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 32})
	r.keys("7")
	r.sees(t, "Tune, storage: dynamicBucket", "adjust every", "history", "not read by dynamicBucket: the table")
	r.lacks(t, "4MiB  ")
	r.keys("A")
	r.sees(t, "dynamicBucket reads no table: m chooses a mode that does")
	r.keys("down", "l", "enter", "down", "l", "enter")
	r.keys("v")
	r.sees(t, "Tune, uniform: lazyRelease")
	r.keys("down", "l", "enter", "v", "v")
	r.sees(t, "Tune, default: disabled")
	want := []string{"params storage adjust every 2→3", "params storage history 1→2", "params uniform uniform refresh every 1→2"}
	if !slices.Equal(r.engine.calls, want) {
		t.Errorf("the engine was told %q, want %q", r.engine.calls, want)
	}
	if got := r.engine.params[1]; got.AdjustEvery != 3 || got.History != 2 {
		t.Errorf("a change made before the one before it was in force lost that: %+v", got)
	}
	st = fixture()
	st.Config[cachemodes.Storage].Mode = cachemodes.TVMPooled
	r = newRig(st, tuneOptions())
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.keys("7")
	r.sees(t, "tvmPooled reads no numbers: nothing to tune")
	r.keys("j", "l", "c", "enter", "delete", "g", "G")
}

// TestTuneMark names what changed.
func TestTuneMark(t *testing.T) {
	a := cachemodes.DefaultParams()
	for _, c := range []struct {
		edit func(*cachemodes.Params)
		want string
	}{
		{func(p *cachemodes.Params) { p.Table[15].Cap = 64 }, "4MiB cap 20→64"},
		{func(p *cachemodes.Params) { p.Table[15].Cap = cachemodes.Uncapped }, "4MiB cap 20→inf"},
		{func(p *cachemodes.Params) { p.Table[15].Cap, p.RefreshEvery = 64, 3 }, "4MiB cap 20→64, refresh every 1→3"},
		{func(p *cachemodes.Params) { p.Table = p.Table[1:] }, "-64B"},
		{func(p *cachemodes.Params) { p.Table, p.History = p.Table[:23], 9 }, "-64MiB and 3 more"},
	} {
		b := a
		b.Table = slices.Clone(a.Table)
		c.edit(&b)
		if got := tuneMark(&a, &b, false); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestTuneRecorded: on a recording the numbers can be tried and not applied.
func TestTuneRecorded(t *testing.T) {
	o := tuneOptions()
	o.Recorded = "old.snapshot"
	r := newRig(fixture(), o)
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.keys("7")
	r.tune.mark(4 * mib)
	r.keys("l")
	r.made()
	r.sees(t, "20→21", "edited")
	r.keys("enter")
	r.sees(t, "old.snapshot is a recording: numbers can be tried here, and applied nowhere")
	if r.engine.calls != nil || !strings.Contains(r.text(), "20→21") {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}

// TestTuneFilter: the rows are filtered as every list is; what is edited stays.
func TestTuneFilter(t *testing.T) {
	r := tuneRig(80, 24)
	r.keys("/", "key>=4MiB", " ", "cap<=10", "enter")
	r.sees(t, "Tune, storage: bucket: key>=4MiB cap<=10", "8MiB")
	r.lacks(t, "  2MiB  ", "refresh every")
	r.keys("g", "l", "/", "ctrl+u", "row:edited", "enter")
	r.sees(t, "* 8MiB", "10→11")
	if n := len(r.tune.rows()); n != 1 {
		t.Errorf("%d rows are edited", n)
	}
	r.keys("enter")
	if got := r.engine.calls; len(got) != 1 || got[0] != "params storage 8MiB cap 10→11" {
		t.Errorf("the engine was told %q", got)
	}
	r.inForce()
	r.sees(t, "nothing, because no row is as the filter wants it; esc drops it")
	r.keys("l", "c", "delete", "esc")
	r.sees(t, "64B")
}
