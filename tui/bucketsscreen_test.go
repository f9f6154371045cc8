package tui

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
)

// mapped is the whole map of a usage.
func mapped(st *engine.State, u cachemodes.Usage) *keyMap {
	m := &keyMap{}
	m.of(st, u, int(max(st.RunCount, 1)), 1, 0)
	m.fill(st, m.rows)
	return m
}

// TestAdjustingShows: dynamicBucket renews its keys at every second run end. A
// size that every run asks anew is born in its run, and dropped by the renewal
// after the one that saw it last.
func TestAdjustingShows(t *testing.T) {
	p := newPlayer()
	p.set(cachemodes.DynamicBucket)
	for i := range int64(12) {
		p.at += 1_000
		p.run(probe.RunInfo{ID: i, Label: "step"}, 500, 64*kib*(1+i), 32*kib)
	}
	st := p.state()
	m := mapped(st, cachemodes.Storage)
	m.sort(mapOrders[1], true)
	m.fill(st, m.rows)
	var lines []string
	for i := range m.rows {
		wanted, made := "", ""
		for _, c := range m.row(i) {
			r, _ := c.demand(&asciiGlyphs)
			wanted += string(r)
			r, _ = c.madeSign(&asciiGlyphs, m.created)
			made += string(r)
		}
		lines = append(lines, wanted, made)
	}
	renewed := ""
	for _, k := range m.marks {
		r, _ := k.sign(&asciiGlyphs)
		renewed += string(r)
	}
	if renewed != " ~ ~ ~ ~ ~ ~" || lines[0] != "+###########" {
		t.Errorf("renewed %q, a key that every run asks for %q", renewed, lines[0])
	}
	for i := range int64(12) {
		born := strings.Repeat(" ", int(i)) + "+"
		wanted, made := lines[2+2*i], lines[3+2*i]
		// The renewal that ends its period leaves it, the next one drops it.
		want := born
		if dropped := (i | 1) + 2; dropped < 12 {
			want += strings.Repeat(".", int(dropped-i-1)) + "x" + strings.Repeat(" ", int(11-dropped))
		}
		if !strings.HasPrefix(wanted, want) || len(strings.TrimRight(made, " ")) != len(born) {
			t.Errorf("a key that run %d asked for reads %q, made %q\n%s", i, wanted, made, strings.Join(lines, "\n"))
		}
	}
}

// TestMapAddsUp: what the cells of a run say was made is what the run made.
func TestMapAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlayer()
		for i := range rapid.Int64Range(1, 30).Draw(t, "runs") {
			if rapid.IntRange(0, 5).Draw(t, "switch") == 0 {
				p.set(cachemodes.ModeID(rapid.IntRange(0, len(cachemodes.Modes())-1).Draw(t, "mode")))
			}
			p.at += 1_000
			p.run(probe.RunInfo{ID: i, Label: "r"}, 500, rapid.SliceOfN(rapid.Int64Range(1, 1<<22), 0, 12).Draw(t, "sizes")...)
		}
		st := p.state()
		st.Runs = nil
		st.History.Runs(func(r *probe.Run) { st.Runs = append(st.Runs, *r) })
		per := rapid.SampledFrom(mapZooms).Draw(t, "per")
		for u := range cachemodes.Uniform + 1 {
			m := &keyMap{}
			m.of(st, u, int((st.RunCount+per-1)/per), per, 0)
			m.fill(st, m.rows)
			made, asked := make([]int64, m.n), make([]int64, m.n)
			for i := range m.rows {
				for x, c := range m.row(i) {
					made[x] += c.news * m.rows[i].Size
					asked[x] += c.requests
				}
			}
			for _, r := range st.Runs {
				made[m.column(r.Seq)] -= r.Usage[u].CreateBytes
				asked[m.column(r.Seq)] -= r.Usage[u].Requests
			}
			for x := range made {
				if made[x] != 0 || asked[x] != 0 {
					t.Fatalf("%s, column %d: the cells have %+d bytes made and %+d requests beside the runs", u, x, made[x], asked[x])
				}
			}
			var sizes int64
			for _, n := range st.Sizes[u] {
				sizes += n
			}
			if total := st.Usage[u].Requests; sizes != total {
				t.Fatalf("%s: %d sizes of %d requests", u, sizes, total)
			}
		}
	})
}

// TestBucketsSession is a person's way through the screen.
func TestBucketsSession(t *testing.T) {
	r := newRig(fixture(), Options{Theme: "mono"})
	r.picture(120, 32)
	see := func(keys []string, want ...string) {
		t.Helper()
		r.keys(keys...)
		got := bare(r.picture(120, 32))
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("after %v there is no %q:\n%s", keys, w, got)
			}
		}
	}
	see([]string{"2"}, "Keys of storage: bucket", "runs 133 to 187", "44 new!", "Sizes asked for, storage")
	see([]string{"down"}, "4MiB (4194304) storage, 64 wanted of cap 20, 19 free, 45 in use, 3 pending, last run asked 66, made 44")
	see([]string{"left"}, "4MiB (4194304) storage, run 187, 64 wanted, cap 20, 66 asked, 44 made: 176MiB (184549376)")
	see([]string{"left", "left"}, "run 185, 62 wanted, cap 20, 64 asked, 42 made: 168MiB (176160768)")
	see([]string{"y"}, "the marked key is copied")
	see([]string{"-"}, "2 a column", "runs 184 to 185")
	see([]string{"=", "esc", "esc"}, "runs 133 to 187")
	see([]string{"v"}, "Keys of uniform: lazyRelease", "160B")
	see([]string{"v"}, "no run asked for a buffer of query resolve")
	see([]string{"v", "v", "/", "size>8MiB", "enter"}, "Keys of storage: bucket: size>8MiB", "201MiB")
	if got := bare(r.picture(120, 32)); strings.Contains(got, "44 new") {
		t.Errorf("the filter lets 4MiB through:\n%s", got)
	}
	see([]string{"esc", "o"}, "by size")
	see([]string{"esc", "f"}, "Findings, 1", "cap too low: 177MiB made a run")
	see([]string{"enter"}, "4MiB (4194304) storage, 64 wanted of cap 20")
	see([]string{"1", "down", "enter"}, "Keys of storage", "4MiB (4194304) storage, 64 wanted of cap 20")
}

// TestBucketsGoBack: with a past moment, however it was chosen, the map is that
// of the runs that had ended by then.
func TestBucketsGoBack(t *testing.T) {
	st := historyFixture()
	r := newRig(st, Options{Theme: "mono"})
	r.picture(120, 32)
	r.keys("3", "/", "type:end", "enter", "k", "k", "k", "2")
	past := r.shown()
	if past == st || past.RunCount != 29 {
		t.Fatalf("the third end from the last is shown after %d runs", past.RunCount)
	}
	if got := bare(r.picture(120, 32)); !strings.Contains(got, "runs 0 to 28 ") {
		t.Errorf("the map is of other runs:\n%s", got)
	}
	for _, k := range past.KeyRuns {
		if k.Run >= 29 {
			t.Fatalf("run %d has not ended yet", k.Run)
		}
	}
	// From a run of the map to its end.
	r.keys("end", "2", "down", "left", "left", "left", "left", "enter")
	if got := r.shown(); got.RunCount != 28 || got.InRun {
		t.Errorf("enter at run 27 shows %d runs ended, in a run: %t", got.RunCount, got.InRun)
	}
}

// TestSizes: a histogram has every request, whatever its width, and keys stand
// at the end of what they serve.
func TestSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sizes []int64
		var all int64
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			class := probe.SizeClass(rapid.Int64Range(1, 1<<40).Draw(t, "size"))
			for len(sizes) <= class {
				sizes = append(sizes, 0)
			}
			n := rapid.Int64Range(1, 1000).Draw(t, "count")
			sizes[class] += n
			all += n
		}
		w := rapid.IntRange(1, 200).Draw(t, "w")
		b := binsOf(sizes, w)
		if b.all != all {
			t.Fatalf("%d requests of %d", b.all, all)
		}
		if classes := b.last - b.first + 1; classes >= w {
			var sum int64
			for _, n := range b.counts {
				sum += n
			}
			if sum < all {
				t.Fatalf("%d of %d requests are in columns", sum, all)
			}
		}
		a, c := rapid.Int64Range(1, 1<<40).Draw(t, "a"), rapid.Int64Range(1, 1<<40).Draw(t, "c")
		if a, c = min(a, c), max(a, c); b.column(a) > b.column(c) {
			t.Fatalf("%d stands right of %d", a, c)
		}
	})
	for _, c := range []struct{ class, from int64 }{{0, 1}, {8, 2}, {12, 3}, {16, 4}, {20 * 8, 1 << 20}, {20*8 + 7, 1<<20 + 7<<17}} {
		if got := probe.SizeFrom(int(c.class)); got != c.from || probe.SizeClass(got) != int(c.class) {
			t.Errorf("class %d begins at %d (class %d), want %d", c.class, got, probe.SizeClass(got), c.from)
		}
	}
}

// TestPeakIsSeen: the peak that the header names is in the graph, over time and
// by run, at every zoom, width and tier: at its column, or at the edge where it
// came before the window.
func TestPeakIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlayer()
		runs := rapid.Int64Range(1, 40).Draw(t, "runs")
		for i := range runs {
			p.at += rapid.Int64Range(1_000, 4*sec).Draw(t, "pause")
			sizes := rapid.SliceOfN(rapid.Int64Range(1, 1<<22), 1, 4).Draw(t, "sizes")
			if rapid.IntRange(0, 9).Draw(t, "high") == 0 {
				sizes = append(sizes, rapid.Int64Range(1<<25, 1<<28).Draw(t, "size"))
			}
			p.run(probe.RunInfo{ID: i, Label: "r"}, 500, sizes...)
		}
		if rapid.Bool().Draw(t, "now") { // the peak is now, in a run that goes on
			info := probe.RunInfo{ID: runs, Label: "r"}
			p.jrn.StartRun(p.at, info)
			p.led.StartRun(info, p.at)
			p.request(0, cachemodes.Storage, 1<<29)
		}
		st := p.state()
		r := newRig(st, Options{Theme: "mono", ASCII: rapid.Bool().Draw(t, "ascii")})
		r.Update(keyPress("="))
		for range rapid.IntRange(0, 3).Draw(t, "tier") {
			r.keys("v")
		}
		if rapid.Bool().Draw(t, "by run") {
			r.keys("a")
		}
		for range rapid.IntRange(0, len(zooms)).Draw(t, "zoom") {
			r.keys(rapid.SampledFrom([]string{"+", "-"}).Draw(t, "in or out"))
		}
		w, h := rapid.IntRange(compactW, 220).Draw(t, "w"), rapid.IntRange(compactH, 70).Draw(t, "h")
		got := bare(r.picture(w, h))
		if text := fmt.Sprintf("%s@%d", r.frame().bytes(st.Total.PeakHeld), st.PeakRun); strings.Count(got, text) < 2 && !strings.Contains(got, r.glyphs.peak) {
			t.Fatalf("%q is not in the graph:\n%s", text, got)
		}
	})
}
