package lab

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// prices of a device that does not exist: every part costs something else.
func prices() *cost.Calibration {
	list := func(scale float64) []cost.Price {
		var out []cost.Price
		for _, size := range []int64{256, 64 << 10, 1 << 20, 64 << 20} {
			mib := float64(size) / (1 << 20)
			out = append(out, cost.Price{
				Bytes: size, CreateUS: scale * (2 + 30*mib), DestroyUS: scale * (1 + mib), WarmCreateUS: scale * (1 + mib), WarmWrite: cost.Work{ProgramUS: scale, DeviceUS: 3 * mib},
				Write: cost.Work{ProgramUS: 3 * scale, DeviceUS: 5 * mib}, Clear: cost.Work{ProgramUS: 2 * scale, DeviceUS: 2 * mib},
			})
		}
		return out
	}
	return &cost.Calibration{
		Format: cost.Format, Version: cost.Version, Adapter: cost.Adapter{Name: "none", Backend: "test"},
		SubmitUS: 20, WaitUS: 30, PassUS: 1, Storage: list(1), Uniform: list(2),
	}
}

// playing is a Live on the host device that is stepped run by run.
type playing struct {
	*engine.Live
	t testing.TB
	w *WhatIf // that follows; nil for none
}

func startPlaying(t testing.TB, tr *workload.Trace, cfg cachemodes.Config, w *WhatIf) *playing {
	t.Helper()
	l := engine.StartLive(t.Context(), tr, device.NewHost(), engine.LiveOptions{Config: cfg, Weights: engine.MakeWeights, Paused: true, Follow: w})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &playing{l, t, w}
}

// await waits for what must come.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 60_000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// to plays until n runs have ended, and answers the state after them.
func (p *playing) to(n int64) *engine.State {
	p.t.Helper()
	for p.State().RunCount < n {
		at := p.State().RunCount
		p.Step()
		await(p.t, "a run", func() bool { s := p.State(); return s.RunCount > at && s.Status == engine.Paused })
		if p.w != nil { // so that nothing is left out
			rows(p.t, p.w, p.State().RunCount)
		}
	}
	return p.State()
}

// rows are what a WhatIf says once it has caught up with n runs.
func rows(t testing.TB, w *WhatIf, n int64) []Row {
	t.Helper()
	caught := func() bool {
		rows := w.State().Rows
		return len(rows) > 0 && !slices.ContainsFunc(rows, func(r Row) bool { return r.Figures != nil && !r.Variant && r.Figures.Runs != n })
	}
	await(t, fmt.Sprintf("run %d of every mode", n), caught)
	return w.State().Rows
}

// TestWhatIf: what every other mode is said to do is what it does when it
// drives the device itself, whatever drives it now and however often that
// changes in the middle of runs; creates, and the latency predicted, too.
func TestWhatIf(t *testing.T) {
	for _, name := range []string{"unet/varied", "bert/varied", "llama-3.2-1b/two"} {
		t.Run(name, func(t *testing.T) {
			tr := load(t, name)
			n := int64(len(tr.Runs)) + 5 // into the second pass
			w := newWhatIf(WhatIfOptions{Prices: prices()})
			t.Cleanup(w.Close)
			l := startPlaying(t, tr, cachemodes.DefaultConfig(), w)
			l.to(3)
			l.Step()
			l.SetMode(cachemodes.Storage, cachemodes.Watermark) // while the run is going on
			l.to(7)
			l.Step()
			l.SetMode(cachemodes.Storage, cachemodes.DynamicBucket)
			l.to(n)
			current := 0
			for _, r := range rows(t, w, n) {
				if r.Current {
					current++
					if r.Name != "dynamicBucket" {
						t.Errorf("%s is said to be what drives the device", r.Name)
					}
				}
				if r.Figures == nil || r.Variant {
					continue
				}
				want := modeTo(t, tr, r.Setting.Mode, n)
				if r.Figures.Total != want.Total || r.Figures.Usage != want.Usage {
					t.Errorf("%s: what if %+v\nbut really %+v", r.Name, r.Figures.Total, want.Total)
				}
				last := want.Runs[len(want.Runs)-recentRuns:]
				var creates int64
				for i := range last {
					creates += last[i].Total.Creates
				}
				if got := float64(creates) / recentRuns; got != r.NewPerRun {
					t.Errorf("%s: %v creates a run, really %v", r.Name, r.NewPerRun, got)
				}
				if got, err := Predict(t.Context(), tr, configOf(r.Setting.Mode), engine.MakeWeights, 2, prices()); err != nil {
					t.Error(err)
				} else if mean := MeanUS(got.Runs[n-recentRuns : n]); mean != r.RunUS {
					t.Errorf("%s: %v us a run, really %v", r.Name, r.RunUS, mean)
				}
			}
			if current != 1 {
				t.Errorf("%d rows are said to be current", current)
			}
		})
	}
}

func configOf(m cachemodes.ModeID) cachemodes.Config {
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = m
	return cfg
}

// modeTo is the state of a mode that drives the device, after n runs.
func modeTo(t *testing.T, tr *workload.Trace, m cachemodes.ModeID, n int64) *engine.State {
	t.Helper()
	real := engine.StartLive(t.Context(), tr, device.NewHost(), engine.LiveOptions{Config: configOf(m), Weights: engine.MakeWeights, Paused: true})
	defer func() {
		if err := real.Close(); err != nil {
			t.Error(err)
		}
	}()
	return (&playing{real, t, nil}).to(n)
}

// TestWhatIfFollowsSettings: parameters and the modes of other usages that a
// person changes in the middle of a run change at the same event in every row,
// so that the current mode's row stays what the device's books say.
func TestWhatIfFollowsSettings(t *testing.T) {
	tr := load(t, "bert/varied")
	w := newWhatIf(WhatIfOptions{})
	t.Cleanup(w.Close)
	l := startPlaying(t, tr, cachemodes.DefaultConfig(), w)
	l.to(4)
	l.Step()
	l.SetMode(cachemodes.Uniform, cachemodes.BucketMode)
	l.to(6)
	p := cachemodes.DefaultParams()
	p.Table = cachemodes.Table{{Key: 1 << 20, Cap: 3}, {Key: 16 << 20, Cap: 2}}
	l.Step()
	l.SetParams(cachemodes.Storage, p, "table")
	st := l.to(30)
	for _, r := range rows(t, w, 30) {
		switch {
		case r.Current:
			if r.Figures.Total != st.Total || r.Figures.Usage != st.Usage {
				t.Errorf("what if %+v\nthe device's books %+v", r.Figures.Total, st.Total)
			}
		case r.Variant && r.Name == "no caps":
			// It joined at the second pass: as a run that began there.
			if r.FromPass != 1 || r.Figures.Runs != 10 || r.Setting.Params.Table[0].Cap != cachemodes.Uncapped {
				t.Errorf("variant from pass %d, %d runs: %+v", r.FromPass, r.Figures.Runs, r.Setting)
			}
		}
		if !r.SimulatedOnly && r.Figures.Config[cachemodes.Uniform].Mode != cachemodes.BucketMode {
			t.Errorf("%s has uniform mode %s", r.Name, r.Figures.Config[cachemodes.Uniform].Mode)
		}
	}
}

// TestWhatIfShares: who shares free buffers, and whether graphs are captured, is
// the same for every row as for what drives the device.
func TestWhatIfShares(t *testing.T) {
	scope, err := cachemodes.LookupScope("session")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []engine.LiveOptions{{Sharing: cachemodes.Sharing{Scope: scope}}, {Capture: true}} {
		o.Config, o.Weights, o.Paused = cachemodes.DefaultConfig(), engine.MakeWeights, true
		w := newWhatIf(WhatIfOptions{})
		t.Cleanup(w.Close)
		o.Follow = w
		l := engine.StartLive(t.Context(), load(t, "llama-3.2-1b/two"), device.NewHost(), o)
		st := (&playing{l, t, w}).to(40)
		for _, r := range rows(t, w, 40) {
			if r.Current && r.Figures.Total != st.Total {
				t.Errorf("%v, capture %t: what if %+v\nthe device's books %+v", o.Sharing, o.Capture, r.Figures.Total, st.Total)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatIfBehind: where what-if cannot keep up the workload goes on without
// it. It leaves whole repetitions out, and its figures are exactly those of a
// run that did not play them.
func TestWhatIfBehind(t *testing.T) {
	tr := load(t, "unet/varied")
	w := newWhatIf(WhatIfOptions{})
	w.rests = 3 // slower than the workload
	t.Cleanup(w.Close)
	l := engine.StartLive(t.Context(), tr, device.NewHost(), engine.LiveOptions{Config: cachemodes.DefaultConfig(), Weights: engine.MakeWeights, Follow: w})
	await(t, "going on after a gap", func() bool { s := w.State(); return s.Skipped > 0 && s.Followed > 1 && !s.Lost })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of what was handed over", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.State().played == w.handed
	})
	s := w.State()
	for _, r := range s.Rows {
		if r.Variant || r.SimulatedOnly {
			continue
		}
		want := modeTo(t, tr, r.Setting.Mode, r.Figures.Runs)
		if r.Runs != want.RunCount || r.Figures.Total.PeakHeld != want.Total.PeakHeld || r.Figures.Total.Creates < want.Total.Creates {
			t.Errorf("%s after %d runs: %+v\nreally %+v", r.Name, r.Runs, r.Figures.Total, want.Total)
		}
		if r.Runs%int64(len(tr.Runs)) == 0 && r.Figures.Total != want.Total {
			t.Errorf("%s after %d whole passes: %+v\nreally %+v", r.Name, r.Runs/int64(len(tr.Runs)), r.Figures.Total, want.Total)
		}
	}
}

// TestWhatIfScale: what is predicted is held to the last runs on a device with
// times, to those in which it made what its mode's shadow did.
func TestWhatIfScale(t *testing.T) {
	tr := load(t, "bert/varied")
	w := newWhatIf(WhatIfOptions{Prices: prices()})
	t.Cleanup(w.Close)
	l := engine.StartLive(t.Context(), tr, timed{device.NewHost()}, engine.LiveOptions{
		Config: cachemodes.DefaultConfig(), Weights: engine.MakeWeights, Paused: true, Follow: w,
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if scale := w.State().Scale; scale != 0 {
		t.Errorf("before a run: %v", scale)
	}
	const n = recentRuns + 3
	st := (&playing{l, t, w}).to(n)
	took := MeanUS(st.Runs[len(st.Runs)-recentRuns:])
	at := slices.IndexFunc(w.State().Rows, func(r Row) bool { return r.Current })
	if got := w.State().Scale * w.State().Rows[at].RunUS; math.Abs(got-took) > 1e-6*took {
		t.Errorf("scaled, what drives the device takes %v us a run; it took %v", got, took)
	}

	var d driven
	for i := range int64(recentRuns + 1) {
		d.add(3_000*i, 1_000*i)
	}
	if d.scale() != 3 {
		t.Errorf("runs that took 3 times what was predicted: %v", d.scale())
	}

	// A mode that has just come into force makes more than its shadow did.
	l.SetMode(cachemodes.Storage, cachemodes.Simple)
	before := w.State().Scale
	(&playing{l, t, w}).to(n + 1)
	if w.State().Scale != before {
		t.Error("a run that made what its shadow has was compared with the prediction")
	}
}

// TestWhatIfBeginsAnew: another workload is followed from its beginning.
func TestWhatIfBeginsAnew(t *testing.T) {
	w := newWhatIf(WhatIfOptions{})
	t.Cleanup(w.Close)
	l := startPlaying(t, load(t, "bert/varied"), cachemodes.DefaultConfig(), w)
	l.to(3)
	other := load(t, "unet/varied")
	l.Load(other)
	await(t, "the other workload", func() bool { return l.State().Workload.Name == other.Name })
	st := l.to(2)
	for _, r := range rows(t, w, 2) {
		if r.Current && r.Figures.Total != st.Total {
			t.Errorf("what if %+v\nthe device's books %+v", r.Figures.Total, st.Total)
		}
	}
	await(t, "the yardsticks", func() bool { return w.State().Yardsticks != nil })
	if y := w.State().Yardsticks; y.Floor != NewStream(other, cachemodes.DefaultConfig()).Floor || y.Plan < y.Floor {
		t.Errorf("yardsticks %+v", y)
	}
}

// TestWhatIfSplits: what the splitting allocators are said to do is what they
// do with the whole trace.
func TestWhatIfSplits(t *testing.T) {
	tr := load(t, "unet/varied")
	w := newWhatIf(WhatIfOptions{})
	t.Cleanup(w.Close)
	l := startPlaying(t, tr, cachemodes.DefaultConfig(), w)
	l.to(int64(len(tr.Runs)))
	await(t, "the yardsticks", func() bool { return w.State().Yardsticks != nil })
	seen := 0
	for _, r := range rows(t, w, int64(len(tr.Runs))) {
		for _, s := range Simulate(tr) {
			if r.Name == s.Name {
				seen++
				if !r.SimulatedOnly || r.Peak != s.Peak || r.Creates != s.Creates {
					t.Errorf("what if %+v\nreally %+v", r, s)
				}
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d of 3 are there", seen)
	}
}

// BenchmarkWhatIf is the speed of a workload that is played flat out on the
// host device, without and with what-if beside it, in turns of a tenth of a
// second: %-left is the share of the speed that is left.
func BenchmarkWhatIf(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	const turn = 100 * time.Millisecond
	w := NewWhatIf(WhatIfOptions{Prices: prices()})
	b.Cleanup(w.Close)
	var lives [2]*engine.Live
	for on := range lives {
		o := engine.LiveOptions{Config: cachemodes.DefaultConfig(), Weights: engine.MakeWeights, Paused: true}
		if on == 1 {
			o.Follow = w
		}
		lives[on] = engine.StartLive(b.Context(), tr, device.NewHost(), o)
		b.Cleanup(func() {
			if err := lives[on].Close(); err != nil {
				b.Error(err)
			}
		})
	}
	await(b, "the yardsticks", func() bool { return w.State().Yardsticks != nil })
	var events, elapsed [2]float64
	for b.Loop() {
		for on, l := range lives {
			l.Pause(false)
			await(b, "going on", func() bool { return l.State().Status == engine.Running })
			from, begin := l.State().Events, l.State().NowUS
			time.Sleep(turn)
			l.Pause(true)
			await(b, "the pause", func() bool { return l.State().Status == engine.Paused && !l.State().InRun })
			events[on] += float64(l.State().Events - from)
			elapsed[on] += float64(l.State().NowUS-begin) / 1e6
		}
	}
	off, on := events[0]/elapsed[0], events[1]/elapsed[1]
	b.ReportMetric(off, "events/s-off")
	b.ReportMetric(on, "events/s-on")
	b.ReportMetric(100*on/off, "%-left")
	b.ReportMetric(float64(w.State().Followed), "passes-followed")
	b.ReportMetric(float64(w.State().Skipped), "passes-skipped")
}
