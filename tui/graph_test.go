package tui

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bucketscope/internal/engine"
	"bucketscope/probe"
)

// history is a state with points of some held bytes, a fifth of a second apart
// or less.
func history(held []int64, everyUS int64) *engine.State {
	st := &engine.State{NowUS: int64(len(held)) * everyUS}
	var points []probe.Point
	floor := int64(math.MaxInt64)
	for i, h := range held {
		floor = min(floor, h)
		points = append(points, probe.Point{
			AtUS: int64(i) * everyUS, Run: int64(i), MinHeld: min(h, held[max(i-1, 0)]), MaxHeld: h, MaxInUse: h / 2, Held: h, InUse: h / 2, Avg: h / 3, Floor: floor / 4,
		})
		if h > st.Total.PeakHeld {
			st.Total.PeakHeld, st.PeakRun, st.PeakAtUS = h, int64(i), int64(i)*everyUS
		}
	}
	if n := len(points); n > 0 {
		setPoints(st, points)
		st.Total.InUse = held[n-1]
	}
	return st
}

// TestSpikeIsSeen: a peak of one sample is drawn, at its height and its time,
// at any width, height and window, and it is the one that the header names.
func TestSpikeIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 3000).Draw(t, "points")
		every := rapid.Int64Range(20_000, 400_000).Draw(t, "every")
		base := rapid.Int64Range(1, 8*gib).Draw(t, "base")
		spike := base + rapid.Int64Range(base/4+1, 4*base+1).Draw(t, "spike")
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		held := make([]int64, n)
		for i := range held {
			held[i] = base
		}
		held[at] = spike
		st := history(held, every)

		window := rapid.SampledFrom(zooms).Draw(t, "window")
		w, h := rapid.IntRange(16, 220).Draw(t, "w"), rapid.IntRange(2, 60).Draw(t, "h")
		columns := w - 8
		win := reduce(st, window, columns)
		x := win.column(int64(at) * every)
		if x < 0 {
			return // before the window
		}
		if x >= columns {
			t.Fatalf("the spike is in column %d of %d", x, columns)
		}
		if got := win.columns[x].held; got != float64(spike) {
			t.Fatalf("column %d holds %v, want %d", x, got, spike)
		}
		var c canvas
		c.reset(w, h, false)
		f := &frame{st: st, latest: st, g: &unicodeGlyphs}
		look := graphLook{window: window, tier: graphTier(rapid.IntRange(0, numTiers-1).Draw(t, "tier"))}
		look.draw(c.all(), f)
		low, high := win.extent(h > tightRows)
		sc := newScale(low, high, h, false)
		plot := c.all().sub(8, 0, columns, h)
		y := sc.row(float64(spike))
		if got := plot.at(x, y); got.s != lineHeld {
			t.Fatalf("no line at the spike's column %d, row %d:\n%s", x, y, bare(c.text(monoTheme)))
		}
		for above := range y {
			for x := range columns {
				if plot.at(x, above).s == lineHeld {
					t.Fatalf("a line above the spike, in row %d:\n%s", above, bare(c.text(monoTheme)))
				}
			}
		}
		// The label needs room: a mark at least is always there.
		if text := bare(c.text(monoTheme)); h > 2 && !strings.Contains(text, unicodeGlyphs.peak) {
			t.Fatalf("no mark at the spike:\n%s", text)
		}
	})
}

// TestReduceLosesNothing: the highest of the columns is the highest of the
// points in the window, and a column is never lower than a point in it.
func TestReduceLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 400).Draw(t, "held")
		every := rapid.Int64Range(1, 2_000_000).Draw(t, "every")
		st := history(held, every)
		st.NowUS += rapid.Int64Range(0, 100*sec).Draw(t, "since")
		n := rapid.IntRange(1, 250).Draw(t, "columns")
		win := reduce(st, rapid.SampledFrom(zooms).Draw(t, "window"), n)
		if len(win.columns) != n {
			t.Fatalf("%d columns, want %d", len(win.columns), n)
		}
		if now := win.column(st.NowUS); now >= n {
			t.Fatalf("now is in column %d of %d", now, n)
		}
		for i, h := range held {
			x := win.column(int64(i) * every)
			if x >= 0 && win.columns[x].held < float64(h) {
				t.Fatalf("point %d of %d is lost in column %d of %v", i, h, x, win.columns[x].held)
			}
		}
		for x, c := range win.columns {
			known := x >= max(win.column(0), 0) && x <= win.column(st.NowUS)
			if c.known != known {
				t.Fatalf("column %d known: %t, want %t", x, c.known, known)
			}
		}
	})
}

// TestStandsStill: while the window moves on, what is in a column stays
// together in one.
func TestStandsStill(t *testing.T) {
	held := make([]int64, 2000)
	for i := range held {
		held[i] = int64(i*7919%1000) * mib
	}
	for _, window := range zooms[:len(zooms)-1] {
		a := history(held, 50_000)
		b := history(append(held, 5), 50_000)
		wa, wb := reduce(a, window, 100), reduce(b, window, 100)
		shift := int((wb.from - wa.from) / wa.width)
		if (wb.from-wa.from)%wa.width != 0 || shift < 0 {
			t.Fatalf("window %v moved by %d µs, columns are %d", window, wb.from-wa.from, wa.width)
		}
		for x := shift; x < 98; x++ {
			if wa.columns[x].held != wb.columns[x-shift].held {
				t.Errorf("window %v: column %d changed", window, x)
			}
		}
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		rows      int
		decimal   bool
		want      scale
	}{
		{2.1 * gib, 3.41 * gib, 9, false, scale{2 * gib, 4 * gib, gib / 2, 9}},
		{0, 3.41 * gib, 9, false, scale{0, 4 * gib, gib, 9}},
		{0.2 * gib, 3.41 * gib, 9, false, scale{0, 4 * gib, gib, 9}},
		{2.1e9, 3.41e9, 9, true, scale{2e9, 4e9, 5e8, 9}},
		{100, 200, 3, false, scale{100, 200, 100, 3}},
		{0, 0, 9, false, scale{0, 8.0 / 8, 1, 9}},
	} {
		got := newScale(c.low, c.high, c.rows, c.decimal)
		if got != c.want {
			t.Errorf("newScale(%v, %v, %d) = %+v, want %+v", c.low, c.high, c.rows, got, c.want)
		}
	}
}

// TestScaleHoldsItAll: every value has a row, labels are rows apart, and no
// room is wasted: at least a quarter of the rows is used where values differ.
func TestScaleHoldsItAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(0, 1<<50).Draw(t, "low")
		high := low + rapid.Float64Range(0, 1<<50).Draw(t, "range")
		rows := rapid.IntRange(2, 70).Draw(t, "rows")
		sc := newScale(low, high, rows, rapid.Bool().Draw(t, "decimal"))
		if sc.low > low || sc.high < high {
			t.Fatalf("%+v does not hold %v to %v", sc, low, high)
		}
		if top, bottom := sc.row(high), sc.row(low); top < 0 || bottom >= rows || top > bottom {
			t.Fatalf("rows %d to %d of %d", top, bottom, rows)
		}
		if high-low >= low/16 && high >= 64 && sc.high-sc.low > 4*(high-low)+sc.step/2 && sc.low > 0 {
			t.Fatalf("%+v wastes room on %v to %v", sc, low, high)
		}
		last := rows
		for at := sc.low; at <= sc.high; at += sc.step {
			y := sc.row(at)
			if y >= last {
				t.Fatalf("two labels in row %d of %+v", y, sc)
			}
			last = y
		}
	})
}

func TestWindowText(t *testing.T) {
	for _, c := range []struct {
		window time.Duration
		w      int
		want   string
	}{
		{15 * time.Second, 80, "held bytes, last 15 s, max per column"},
		{2 * time.Minute, 80, "held bytes, last 2 min, max per column"},
		{0, 80, "held bytes, all of the history, max per column"},
		{time.Minute, 48, "held, last 60 s, max"},
	} {
		look := graphLook{window: c.window}
		if got := look.title(c.w); got != c.want {
			t.Errorf("title of %v at %d = %q, want %q", c.window, c.w, got, c.want)
		}
	}
}

// TestGap: between two points a graph shows what was held then, not the peaks
// on both sides; and after the last one, what is held now.
func TestGap(t *testing.T) {
	st := &engine.State{NowUS: 9*sec + sec/2, PeakRun: 1}
	setPoints(st, []probe.Point{
		{AtUS: 0, MinHeld: 0, MaxHeld: 9 * mib, MaxInUse: 8 * mib, Held: 4 * mib, InUse: 1 * mib},
		{AtUS: 5 * sec, Run: 1, MinHeld: 4 * mib, MaxHeld: 7 * mib, MaxInUse: 6 * mib, Held: 5 * mib, InUse: 3 * mib},
	})
	st.Total.Cached, st.Total.InUse, st.Total.PeakHeld = 2*mib, 3*mib, 9*mib
	win := reduce(st, 15*time.Second, 15)
	if win.from != 0 || win.width != sec {
		t.Fatalf("columns of %d µs from %d", win.width, win.from)
	}
	for x, want := range []float64{9, 4, 4, 4, 4, 7, 5, 5, 5, 5} {
		c := win.columns[x]
		if c.held != want*mib {
			t.Errorf("column %d holds %v MiB, want %v", x, c.held/mib, want)
		}
		if want := []float64{8, 1, 1, 1, 1, 6, 3, 3, 3, 3}[x]; c.inUse != want*mib {
			t.Errorf("column %d has %v MiB in use, want %v", x, c.inUse/mib, want)
		}
	}
}

// TestPoint is a person who points at the graph, over time and by run, and goes
// back to what is there.
func TestPoint(t *testing.T) {
	st := historyFixture()
	r := newRig(st, Options{Theme: "mono"})
	r.picture(120, 32)
	r.keys("enter")
	r.sees(t, "no bucket is marked")
	r.keys("tab", "tab", "enter")
	r.sees(t, "nothing is pointed at")
	r.keys("a", "+", "left", "left", "left", "left")
	last := st.Runs[len(st.Runs)-4]
	r.picture(120, 32)
	r.sees(t, fmt.Sprintf("run %d: held %s (%d), in use %s", last.Seq, r.frame().bytes(last.PeakHeld), last.PeakHeld, r.frame().bytes(last.PeakInUse)))
	r.keys("enter")
	if got := r.shown(); got.RunCount != last.Seq+1 || got.InRun || got.Total.Held() != last.Total.EndHeld {
		t.Errorf("the end of run %d shows %d runs ended, %d bytes held, want %d", last.Seq, got.RunCount, got.Total.Held(), last.Total.EndHeld)
	}
	r.keys("end", "a", "=", "left", "pgup")
	r.picture(120, 32)
	at := r.screens[screenLive].(*live).look.cursor
	r.sees(t, fmt.Sprintf("%.3f s, run ", float64(at)/1e6))
	r.keys("enter")
	if got := r.shown(); got == st || got.NowUS > at || got.NowUS < at-5*sec {
		t.Errorf("the moment at %d us is %d us", at, got.NowUS)
	}
}
