package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
)

// whatIfFixture is what other modes would do in the fixture's place.
func whatIfFixture() *WhatIf {
	row := func(m cachemodes.ModeID, peak, average int64, creates, us float64) WhatIfRow {
		s := cachemodes.DefaultConfig()[cachemodes.Storage]
		s.Mode = m
		return WhatIfRow{Name: m.String(), Setting: s, Peak: peak * mib, Average: average * mib, NewPerRun: creates, RunUS: us, Runs: 188}
	}
	current := row(cachemodes.BucketMode, 3492, 2415, 44.25, 7210)
	current.Current = true
	more := row(cachemodes.BucketMode, 3701, 2520, 0, 3140)
	more.Name, more.Variant = "caps x4", true
	more.Setting.Params.Table = cachemodes.Table{{Key: 4 * mib, Cap: 80}}
	young := row(cachemodes.BucketMode, 0, 0, 0, -1)
	young.Name, young.Variant, young.Runs = "no caps", true, 0
	return &WhatIf{
		Rows: []WhatIfRow{
			current, more, young,
			row(cachemodes.Disabled, 2942, 2307, 523.5, 41_000), row(cachemodes.Simple, 10743, 5003, 31, 6400),
			row(cachemodes.DynamicBucket, 3696, 2443, 65.3, 7900), row(cachemodes.CubeCLExclusive, 4488, 2527, 55, 7700),
			row(cachemodes.Watermark, 3019, 2425, 17.4, 4800),
			{Name: "pytorch", SimulatedOnly: true, Peak: 3278 * mib, Average: 2535 * mib, NewPerRun: 2.8, RunUS: -1, Runs: 188},
			{Name: "tfliteGreedy", SimulatedOnly: true, Peak: 3019 * mib, Average: 3019 * mib, NewPerRun: 0, RunUS: -1},
		},
		Followed: 3, Skipped: 37, Scale: 1.25, Prices: "NVIDIA H100 vulkan", BestKeys: 883 * mib, BestOf: 26,
	}
}

// simulates puts what others would do beside a rig's engine.
func (r *rig) simulates(w *WhatIf) {
	r.askWhatIf = func() *WhatIf { return w }
	r.ticks(0)
}

func TestWhatIfGoldens(t *testing.T) {
	noPrices := whatIfFixture()
	noPrices.Prices, noPrices.NoPrices, noPrices.Skipped = "", "no calibration of this adapter", 0
	for _, c := range []struct {
		name string
		w, h int
		what *WhatIf
		o    Options
		keys []string
	}{
		{"whatif-80x24", 80, 24, whatIfFixture(), Options{}, nil},
		{"whatif-focus-80x24", 80, 24, whatIfFixture(), Options{}, []string{"tab", "down", "down"}},
		{"whatif-filter-80x24", 80, 24, whatIfFixture(), Options{}, []string{"tab", "/", "kind:mode", " ", "peak<3GiB", "enter", "down"}},
		{"whatif-none-80x24", 80, 24, whatIfFixture(), Options{}, []string{"tab", "/", "zebra", "enter"}},
		{"whatif-runs-80x24", 80, 24, whatIfFixture(), Options{}, []string{"tab", "tab"}},
		{"whatif-empty-80x24", 80, 24, &WhatIf{}, Options{}, nil},
		{"whatif-ascii-80x24", 80, 24, noPrices, Options{ASCII: true}, nil},
		{"whatif-48x12", 48, 12, whatIfFixture(), Options{}, []string{"tab"}},
		{"whatif-120x32", 120, 32, whatIfFixture(), Options{}, nil},
		{"whatif-200x60", 200, 60, noPrices, Options{}, nil},
		{"whatif-scaled-200x60", 200, 60, whatIfFixture(), Options{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, theme := range []struct{ name, ext string }{{"mono", ".txt"}, {"dark", ".ansi"}} {
				c.o.Theme = theme.name
				r := newRig(fixture(), c.o)
				r.picture(c.w, c.h)
				r.simulates(c.what)
				r.keys(c.keys...)
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

// TestWhatIfAccept: enter makes a row the real one, if there is one to make.
func TestWhatIfAccept(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want []string
		says string
	}{
		{[]string{"tab", "down", "down", "enter"}, []string{"params storage caps x4"}, "bucket, caps x4, drives the device"},
		{[]string{"l", "G", "k", "k", "enter"}, []string{"mode storage watermark"}, "watermark drives the device"},
		{[]string{"l", "G", "enter"}, nil, "tfliteGreedy is simulated only"},
		{[]string{"l", "down", "enter"}, nil, "bucket is what drives the device"},
		{[]string{"l", "enter"}, nil, "no row is marked"},
		{[]string{"l", "down", "down", "esc", "enter"}, nil, "no row is marked"},
	} {
		r := at80(fixture())
		r.simulates(whatIfFixture())
		r.keys(c.keys...)
		if !slices.Equal(r.engine.calls, c.want) {
			t.Errorf("%v: the engine was told %q, want %q", c.keys, r.engine.calls, c.want)
		}
		if !strings.Contains(r.text(), c.says) {
			t.Errorf("%v: no %q on the screen:\n%s", c.keys, c.says, r.text())
		}
	}
}

// TestWhatIfFollows: the mark stays with its row when rows move; a frozen
// display keeps what it shows; of a past moment there is nothing to say.
func TestWhatIfFollows(t *testing.T) {
	r := at80(fixture())
	r.simulates(whatIfFixture())
	r.keys("tab", "down", "down", "down", "down") // disabled
	moved := whatIfFixture()
	moved.Rows[3], moved.Rows[4] = moved.Rows[4], moved.Rows[3]
	r.simulates(moved)
	if p := &r.screens[screenLive].(*live).whatIf; !p.any || p.cursor != 4 || p.rows[p.cursor].Name != "disabled" {
		t.Errorf("the mark is at %d", p.cursor)
	}
	// What drives the device is known before the simulation has caught up.
	st := *r.engine.st
	st.Config[cachemodes.Storage].Mode, st.Events = cachemodes.Simple, st.Events+1
	r.engine.st = &st
	r.simulates(whatIfFixture())
	if rows := r.screens[screenLive].(*live).whatIf.rows; rows[0].Name != "simple" || !rows[0].Current || rows[1].Variant {
		t.Errorf("first is %+v, then %+v", rows[0], rows[1])
	}
	r.keys("space")
	later := whatIfFixture()
	later.Rows[0].NewPerRun = 77.5
	r.simulates(later)
	r.ticks(time.Second)
	r.lacks(t, "77.5")
	r.keys("space")
	r.ticks(time.Second)
	r.sees(t, "77.5")

	past := at80(historyFixture())
	past.simulates(whatIfFixture())
	past.keys("tab")
	past.sees(t, "disabled")
	past.keys("[")
	past.sees(t, "Runs")
	past.lacks(t, whatIfTitle)
}

// TestWhatIfAlone: it has nothing to say of workloads that play side by side.
func TestWhatIfAlone(t *testing.T) {
	st := fixture()
	st.Sessions = append(st.Sessions, engine.Session{Lane: 1})
	r := at80(st)
	r.simulates(whatIfFixture())
	r.sees(t, "what if follows one")
	r.lacks(t, "caps x4")
}

// TestWithoutWhatIf: where nobody simulates, the log of runs has the room.
func TestWithoutWhatIf(t *testing.T) {
	r := at80(fixture())
	r.lacks(t, whatIfTitle)
	r.sees(t, "Runs")
	for _, want := range []paneID{paneRuns, paneGraph, paneBuckets, paneRuns} {
		r.keys("tab")
		if f := r.screens[screenLive].(*live).focus; f != want {
			t.Errorf("the keys are in pane %d, want %d", f, want)
		}
	}
}
