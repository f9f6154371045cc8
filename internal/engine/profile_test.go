package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// TestRepeat: repeating plays the runs again with the models loaded once; the
// first pass is as if played alone.
func TestRepeat(t *testing.T) {
	for _, w := range workload.Builtin() {
		t.Run(w.Name, func(t *testing.T) {
			tr := load(t, w.Name)
			once, err := Profile(t.Context(), tr, device.NewHost(), Options{Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Repeat: 1})
			if err != nil {
				t.Fatal(err)
			}
			thrice, err := Profile(t.Context(), tr, device.NewHost(), Options{Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Repeat: 3})
			if err != nil {
				t.Fatal(err)
			}
			if len(thrice.Runs) != 3*len(once.Runs) {
				t.Fatalf("%d runs, want three times %d", len(thrice.Runs), len(once.Runs))
			}
			for i := range once.Runs {
				a, b := once.Runs[i], thrice.Runs[i]
				a.StartUS, a.EndUS, b.StartUS, b.EndUS = 0, 0, 0, 0
				if a != b {
					t.Fatalf("run %d of the first pass:\n got %+v\nwant %+v", i, b, a)
				}
			}
			if a, b := once.Usage[cachemodes.Weights].Creates, thrice.Usage[cachemodes.Weights].Creates; a != b && tr.Loop() != nil {
				t.Errorf("weights were made %d times, not %d", b, a)
			}
			if last := thrice.Runs[len(thrice.Runs)-1]; last.Pass != 2 {
				t.Errorf("the last run belongs to pass %d", last.Pass)
			}
		})
	}
}

// TestEveryModeLeavesNothing: under every mode the books balance, and after
// the sessions' release only what the mode keeps is held.
func TestEveryModeLeavesNothing(t *testing.T) {
	for _, m := range cachemodes.Modes() {
		t.Run(m.Name, func(t *testing.T) {
			for _, name := range []string{"llama-3.2-1b/two", "unet/varied"} {
				cfg := config(m.ID)
				cfg[cachemodes.Uniform].Mode = m.ID
				dev := &gauge{made: map[device.ID]int64{}}
				res, err := Profile(t.Context(), load(t, name), dev, Options{Config: cfg, Weights: MakeWeights})
				if err != nil {
					t.Fatal(err)
				}
				if b := res.Total; b.InUse != 0 || b.Held() != b.Cached+b.Pending {
					t.Errorf("%s: %d bytes in use after the sessions' release", name, b.InUse)
				}
				if m.ID == cachemodes.Disabled && res.Total.Held() != 0 {
					t.Errorf("%s: disabled keeps %d bytes", name, res.Total.Held())
				}
				if res.Total.PeakHeld < res.Total.Floor || res.Total.Floor == 0 {
					t.Errorf("%s: peak %d, floor %d", name, res.Total.PeakHeld, res.Total.Floor)
				}
				if dev.now != 0 || len(dev.made) != 0 {
					t.Errorf("%s: %d bytes are left on the device", name, dev.now)
				}
			}
		})
	}
}

// TestFailureReadsWell is what a person is told.
func TestFailureReadsWell(t *testing.T) {
	tr := load(t, "unet/varied")
	_, err := Profile(t.Context(), tr, device.Limit(device.NewHost(), 100<<20), Options{Config: config(cachemodes.Simple), Weights: MakeWeights})
	want := "run 2 (1x4x128x128) stopped with 98.6MiB held: the device has no memory for a storage buffer of 8388608 bytes: a budget is set, and 1437840 bytes of it are left"
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestCancel stops at once and leaves the device empty.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dev := &gauge{made: map[device.ID]int64{}}
	_, err := Profile(ctx, load(t, "bert/varied"), dev, Options{
		Config: cachemodes.DefaultConfig(), Weights: MakeWeights,
		Progress: func(done, total int64) {
			if done > total/2 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || dev.now != 0 {
		t.Errorf("%v; %d bytes are left on the device", err, dev.now)
	}
}

// TestNeed is the peak of what a device must hold, with and without weights.
func TestNeed(t *testing.T) {
	tr := load(t, "llama-3.2-1b/static")
	cfg := cachemodes.DefaultConfig()
	res, err := Profile(t.Context(), tr, device.NewHost(), Options{Config: cfg, Weights: MakeWeights})
	if err != nil {
		t.Fatal(err)
	}
	all, largest, err := Need(t.Context(), tr, cfg, MakeWeights)
	if err != nil {
		t.Fatal(err)
	}
	without, _, err := Need(t.Context(), tr, cfg, AccountWeights)
	if err != nil {
		t.Fatal(err)
	}
	if user := res.Usage[cachemodes.User].PeakHeld; all < res.Total.PeakHeld+user || all > res.Total.PeakHeld+user+1<<30 {
		t.Errorf("need %d; held at most %d and %d of the application", all, res.Total.PeakHeld, user)
	}
	if weights := res.Usage[cachemodes.Weights].PeakHeld; without > all-weights/2 || largest > all || largest == 0 {
		t.Errorf("need %d without %d of weights, %d with; largest buffer %d", without, weights, all, largest)
	}
}

// TestRelief: a mode that frees what it keeps when a create is refused goes on
// where another stops, with the same budget.
func TestRelief(t *testing.T) {
	tr := load(t, "unet/varied")
	const budget = 300 << 20
	for mode, relieved := range map[cachemodes.ModeID]bool{
		cachemodes.Graph: false, cachemodes.TVMPooled: true, cachemodes.TinygradLRU: true,
	} {
		inner := &gauge{made: map[device.ID]int64{}}
		res, err := Profile(t.Context(), tr, device.Limit(inner, budget), Options{Config: config(mode), Weights: MakeWeights})
		if (err == nil) != relieved {
			t.Errorf("%s: %v", mode, err)
		}
		if err == nil && (res.Total.Fails != 0 || inner.peak > budget || res.Total.Misses[cachemodes.Evicted] == 0) {
			t.Errorf("%s: %d fails, peak %d, misses %v", mode, res.Total.Fails, inner.peak, res.Total.Misses)
		}
		if inner.now != 0 {
			t.Errorf("%s: %d bytes are left on the device", mode, inner.now)
		}
	}
}

// timed is a device whose time counts.
type timed struct{ device.Device }

func (timed) Info() device.Info { return device.Info{Kind: device.WebGPU, Name: "none", Timed: true} }

// TestTimed: what is booked after the runs of a timed device is what is booked
// at once on one whose time is nobody's: every figure, run, hazard and entry of
// the journal.
func TestTimed(t *testing.T) {
	untimed := func(r probe.Run) probe.Run {
		r.StartUS, r.EndUS = 0, 0
		return r
	}
	for _, name := range []string{"unet/varied", "llama-3.2-1b/two", "llama-3.2-1b/static"} {
		for _, o := range []Options{
			{}, {Capture: true}, {Sharing: cachemodes.Sharing{Scope: cachemodes.ScopeSession}},
			{Sharing: cachemodes.Sharing{Provoke: cachemodes.DestroyBeforeSubmit}},
		} {
			o.Config, o.Weights, o.Repeat, o.Record = cachemodes.DefaultConfig(), MakeWeights, 2, true
			tr := load(t, name)
			want, err := Profile(t.Context(), tr, device.NewHost(), o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Profile(t.Context(), tr, timed{device.NewHost()}, o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Total != want.Total || got.Usage != want.Usage || got.HazardCount != want.HazardCount || len(got.Hazards) != len(want.Hazards) || got.PeakKept != want.PeakKept {
				t.Errorf("%s, %+v: %+v, %d hazards; want %+v, %d", name, o.Sharing, got.Total, got.HazardCount, want.Total, want.HazardCount)
			}
			if !slices.Equal(got.Keys, want.Keys) || got.History.End() != want.History.End() {
				t.Errorf("%s, %+v: other keys, or %d entries, want %d", name, o.Sharing, got.History.End(), want.History.End())
			}
			for i := range want.Runs {
				if r, w := untimed(got.Runs[i]), untimed(want.Runs[i]); r != w {
					t.Errorf("%s, %+v: run %+v, want %+v", name, o.Sharing, r, w)
					break
				}
			}
			if got.DeviceTime <= 0 || want.DeviceTime != 0 {
				t.Errorf("%s: %v and %v in calls of the device", name, got.DeviceTime, want.DeviceTime)
			}
		}
	}
}

// TestTimedLooks: a run on a timed device does not wait for who looks at it but
// where commands are submitted, and at its end.
func TestTimedLooks(t *testing.T) {
	tr := load(t, "unet/varied")
	want, got := 0, 0
	for i := range tr.Events {
		if op := tr.Events[i].Op; op == workload.Submit || op == workload.RunEnd {
			want++
		}
	}
	o := Options{Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Repeat: 1, Progress: func(int64, int64) { got++ }}
	if _, err := Profile(t.Context(), tr, timed{device.NewHost()}, o); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("it was looked at %d times, with %d submits and ends of runs", got, want)
	}
}
