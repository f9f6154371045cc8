package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/probe"
	"bucketscope/snapshots"
)

// compareRig is a rig of w by h that can record.
func compareRig(w, h int, others ...Recording) *rig {
	r := newRig(compareFixture(), Options{Theme: "mono", Record: record, Others: others})
	r.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return r
}

// TestCompareStretches: what was before the last change stands beside what came
// after it, the same runs of the workload side by side, with the figures that the
// ledger has.
func TestCompareStretches(t *testing.T) {
	r := compareRig(120, 32)
	r.keys("6")
	r.made()
	r.sees(t, "A ┄ runs 0–13  bucket", "B ─ now, runs 14–27  dynamicBucket", "Figures, 14 runs in common", "Runs, 14 runs")
	st := r.engine.st
	var peaks [2][]int64
	var creates [2]int64
	st.History.Runs(func(run *probe.Run) {
		side := 0
		if run.Seq >= 14 {
			side = 1
		}
		peaks[side] = append(peaks[side], run.PeakHeld)
		creates[side] += run.Total.Creates
	})
	c := r.compare.found
	for i, row := range c.Runs {
		if row.PeakHeldBytes[0] != peaks[0][i] || row.PeakHeldBytes[1] != peaks[1][i] || row.Run.Run != int64(i) {
			t.Errorf("run %d: %d and %d, want %d and %d", row.Run.Run, row.PeakHeldBytes[0], row.PeakHeldBytes[1], peaks[0][i], peaks[1][i])
		}
	}
	for _, f := range c.Figures {
		if f.Name == "creates" && (*f.Values[0] != float64(creates[0]) || *f.Values[1] != float64(creates[1])) {
			t.Errorf("creates %v and %v, want %d", *f.Values[0], *f.Values[1], creates)
		}
	}
	if len(c.keys) < 5 || c.keys[0].inUse == [2]int64{} {
		t.Errorf("keys %+v", c.keys)
	}
	r.keys("v")
	r.made()
	r.sees(t, "by time since the beginning", "Figures, first ")
}

// TestCompareYardsticks: what any mode can be held against stands beside both
// sides where it is known: of the workload that is played, and of no other.
func TestCompareYardsticks(t *testing.T) {
	r := compareRig(120, 32)
	r.keys("6")
	r.made()
	const text = "yardsticks: best 26 keys reserve 883MiB of storage, an offline plan holds 2.95GiB"
	r.lacks(t, "yardsticks")
	w := whatIfFixture()
	w.Plan = 3019 * mib
	r.simulates(w)
	r.sees(t, text)
	st := *r.engine.st
	st.Workload.SHA256 = "another"
	r.engine.st = &st
	r.ticks(0)
	r.lacks(t, "yardsticks")
}

// TestCompareChoice: either side can be any stretch, all of it, a moment, the
// baseline or a file.
func TestCompareChoice(t *testing.T) {
	old := compareFixture()
	snap := record(old)
	doc := snap.Document()
	doc.Workload.SHA256 = "another"
	r := compareRig(120, 32, Recording{Name: "old.json", Doc: doc})
	r.keys("6")
	r.made()
	r.sees(t, "A ┄ all of it", "B ─ old.json", "! unlike: A plays")
	r.keys("v")
	r.made()
	r.sees(t, "old.json does not say when its runs began", "choose A and B, v by run")
	r.keys("v", "left")
	r.sees(t, "Compare: A", "runs 0–13", "all of it", "old.json")
	r.keys("g", "up", "up", "up", "up", "enter")
	r.made()
	r.sees(t, "A ┄ runs 0–13  bucket", "B ─ old.json")
	r.keys("right", "up", "up", "enter")
	r.made()
	r.sees(t, "A ┄ runs 0–13", "B ─ now, runs 14–27")
	r.keys("{", "{", "{", "right", "tab", "up", "enter")
	if r.past == nil {
		t.Error("choosing left the past moment")
	}
}

// TestBaseline: b keeps what was up to now, d shows what came after it, also
// where nothing was changed.
func TestBaseline(t *testing.T) {
	p, r := grown(9)
	r.o.Record = record
	r.keys("d")
	r.sees(t, "there is no baseline: b keeps")
	r.run(r.keys("b"))
	r.sees(t, "the baseline is bucket, runs 0–8: d shows")
	r.keys("d")
	r.made()
	r.sees(t, "no run began and ended in now yet")
	for id := range int64(4) {
		p.at += 900_000
		p.run(probe.RunInfo{Session: 3, ID: id, Label: "again", Tokens: 1}, 10_000, 6*mib, 4*mib)
	}
	r.engine.st = p.state()
	r.made()
	r.sees(t, "A ┄ baseline, runs 0–8", "B ─ now, runs 9–12", "4 runs in common")
	r.run(r.keys("b"))
	r.sees(t, "the baseline is bucket, runs 9–12")

	// Another workload: the baseline stays, and does not begin what goes on.
	q := newPlayer()
	q.run(probe.RunInfo{Session: 3, ID: 2, Label: "elsewhere", Tokens: 1}, 10_000, 6*mib)
	st := *q.state()
	st.Play, st.Workload.SHA256 = 7, "another"
	r.engine.st = &st
	r.made()
	r.sees(t, "A ┄ baseline, runs 9–12", "B ─ now, run 0", "! unlike: A plays")
}

// TestCompareEmpty says how to come by something to compare.
func TestCompareEmpty(t *testing.T) {
	_, r := grown(3)
	r.o.Record = record
	r.keys("6")
	r.made()
	r.sees(t, "nothing to compare yet", "b keeps it as the", "bucketscope open A B")
	r = at80(emptyFixture())
	r.keys("6")
	r.sees(t, "nothing to compare yet, because nothing has happened")
}

// TestCompareTables: each table is moved in, sorted and copied.
func TestCompareTables(t *testing.T) {
	r := compareRig(80, 24)
	r.keys("6")
	r.made()
	for range numComparePanes {
		r.keys("y")
		r.sees(t, "no row is marked")
		if got := copied(r.keys("j", "j", "y")); strings.Count(got, "\t") < 3 {
			t.Errorf("%q is copied", got)
		}
		r.keys("tab")
	}
	r.keys("tab", "o")
	r.sees(t, "by key ▼")
	r.keys("O")
	r.sees(t, "by key ▲")
	keys := r.compare.sortedKeys()
	for i := range keys[1:] {
		if keys[i].size > keys[i+1].size {
			t.Errorf("key %d before %d", keys[i].size, keys[i+1].size)
		}
	}
	r.keys("esc", "tab", "esc", "tab", "esc", "esc")
	r.sees(t, "▸1 Live")
}

// TestCompareFigures: the document of a past side is that of its stretch alone.
func TestCompareFigures(t *testing.T) {
	r := compareRig(120, 32)
	r.keys("6")
	r.made()
	snap := record(r.engine.st)
	seq := r.engine.st.Marks[0].Seq
	s := snapshots.NewStretch(&snap.History, seq)
	s.Advance(&snap.History, r.engine.st.Seq)
	want := s.Document(&snap.About).Results[0]
	got := r.compare.found.sides[1].doc.Results[0]
	if got.Totals.Creates != want.Totals.Creates || got.Mode != cachemodes.DynamicBucket.String() {
		t.Errorf("%d created under %s, want %d", got.Totals.Creates, got.Mode, want.Totals.Creates)
	}
}

// TestCompareFilters: every table is filtered on its own, and says so.
func TestCompareFilters(t *testing.T) {
	r := compareRig(120, 32)
	r.keys("6")
	r.made()
	r.keys("/", "misses", "enter")
	r.sees(t, "Figures, 14 runs in common: misses", "misses.cold")
	r.lacks(t, "peak held  ")
	r.keys("tab", "/", "key>5MiB", " ", "change>0", "enter")
	for _, k := range r.compare.sortedKeys() {
		if k.size <= 5*mib || k.change() <= 0 {
			t.Errorf("key %d is listed", k.size)
		}
	}
	r.keys("tab", "/", "new>13", "enter")
	if n, all := len(r.compare.runs()), len(r.compare.found.Runs); n == 0 || n == all {
		t.Errorf("%d of %d runs are listed", n, all)
	}
	r.keys("j", "j", "y")
	r.keys("/", "ctrl+u", "run=99", "enter")
	r.sees(t, "nothing, because no run is as the", "filter wants it; esc drops it")
	r.keys("y", "G", "esc")
	r.lacks(t, "run=99", "misses, ")
	r.sees(t, "▸6 Compare")
}

// TestCompareEnd: of runs that are the same in both, what is held at the end is
// what was held after the one that was played last, wherever in the workload the
// stretch began; and rows stay pairs.
func TestCompareEnd(t *testing.T) {
	side := func(name string, runs ...snapshots.RunEntry) *made {
		return &made{name: name, doc: &snapshots.RunDocument{Results: []snapshots.ModeResult{{Mode: "bucket", Runs: runs}}}}
	}
	run := func(id, held int64) snapshots.RunEntry {
		return snapshots.RunEntry{Run: id, EndHeldBytes: held, PeakHeldBytes: 100 * id}
	}
	c, err := compared([2]*made{side("A", run(0, 1), run(1, 2), run(2, 3)), side("B", run(2, 40), run(0, 50), run(1, 60))}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.Figures {
		if row.Name == "end_held_bytes" && (*row.Values[0] != 3 || *row.Values[1] != 60) {
			t.Errorf("at the end A held %v, B %v", *row.Values[0], *row.Values[1])
		}
	}
	if len(c.Runs) != 3 {
		t.Fatalf("%d runs", len(c.Runs))
	}
	for i, r := range c.Runs {
		if p := r.PeakHeldBytes; p[0] != 100*r.Run.Run || p[1] != p[0] {
			t.Errorf("row %d is run %d, with peaks of %v", i, r.Run.Run, p)
		}
	}
}
