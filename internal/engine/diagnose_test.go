package engine

import (
	"slices"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// played is the state after so many runs of a recording under a mode.
func played(t *testing.T, trace string, m cachemodes.ModeID, runs int64) *State {
	t.Helper()
	lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(m)}
	lp.load(load(t, trace))
	for lp.player.led.Runs() < runs {
		lp.play(&lp.parts[lp.part].events[lp.at])
	}
	lp.publish()
	return lp.live.state.Load()
}

// TestDiagnose: what recordings are known for is found under the mode that
// shows it, and nothing of it under another.
func TestDiagnose(t *testing.T) {
	for _, c := range []struct {
		trace string
		mode  cachemodes.ModeID
		runs  int64
		want  []Rule
		lacks []Rule
		says  string // of the first wanted
	}{
		{"phi3-mini-4k/grow", cachemodes.BucketMode, 84, []Rule{CapTooLow}, []Rule{NeverLetsGo}, "64 wanted, cap"},
		{"phi3-mini-4k/grow", cachemodes.Simple, 90, []Rule{NeverLetsGo, UnusedCache}, []Rule{CapTooLow}, "simple destroyed nothing in 32 runs"},
		{"phi3-mini-4k/static", cachemodes.Disabled, 60, []Rule{SameShape}, []Rule{CapTooLow, NeverLetsGo, UnusedCache}, "and still created"},
		{"phi3-mini-4k/static", cachemodes.Simple, 60, nil, []Rule{SameShape, CapTooLow}, ""},
		{"unet/varied", cachemodes.BucketMode, 18, []Rule{MuchPadding}, []Rule{NeverLetsGo, RisingFloor}, "of padding at once"},
		{"unet/varied", cachemodes.Simple, 18, nil, []Rule{MuchPadding, CapTooLow}, ""},
	} {
		st := played(t, c.trace, c.mode, c.runs)
		found := Diagnose(st, false)
		at := func(r Rule) int { return slices.IndexFunc(found, func(f Finding) bool { return f.Rule == r }) }
		for i, r := range c.want {
			if n := at(r); n < 0 {
				t.Errorf("%s under %s: no %q among %+v", c.trace, c.mode, r, found)
			} else if i == 0 && !strings.Contains(found[n].Evidence, c.says) {
				t.Errorf("%s under %s: %q, want %q", c.trace, c.mode, found[n].Evidence, c.says)
			}
		}
		for _, r := range c.lacks {
			if n := at(r); n >= 0 {
				t.Errorf("%s under %s: %q is found: %s", c.trace, c.mode, r, found[n].Evidence)
			}
		}
		if !slices.IsSortedFunc(found, func(a, b Finding) int { return int(b.Cost - a.Cost) }) {
			t.Errorf("%s under %s: not the worst first: %+v", c.trace, c.mode, found)
		}
		for _, f := range found {
			if f.Cost <= 0 || f.Evidence == "" || f.Remedy == "" {
				t.Errorf("%s under %s: %+v", c.trace, c.mode, f)
			}
		}
	}
}

// TestDiagnoseThresholds: the rules that no recording on the host device shows,
// from one that does not, changed by what they look for.
func TestDiagnoseThresholds(t *testing.T) {
	healthy := played(t, "phi3-mini-4k/static", cachemodes.Simple, 60)
	finds := func(st *State, r Rule) bool {
		return slices.ContainsFunc(Diagnose(st, false), func(f Finding) bool { return f.Rule == r })
	}
	held := healthy.Total.Held()
	for _, c := range []struct {
		rule   Rule
		change func(*State)
		want   bool
	}{
		{DriverApart, func(*State) {}, false},
		{DriverApart, func(st *State) { st.Driver = Reading{Bytes: held + held/10, OK: true} }, false},
		{DriverApart, func(st *State) { st.Driver = Reading{Bytes: 2 * held, OK: true} }, true},
		{DriverApart, func(st *State) { st.Driver = Reading{Bytes: 2 * held} }, false},
		{DriverApart, func(st *State) { st.Driver, st.Weights = Reading{Bytes: 2 * held, OK: true}, AccountWeights }, false},
		{AboveLimit, func(*State) {}, false},
		{AboveLimit, func(st *State) { st.Device.MaxStorageBinding = 1 << 20 }, true},
		{AboveLimit, func(st *State) { st.Device.MaxBufferSize = 1 << 20 }, true},
		{AboveLimit, func(st *State) { st.Device.MaxStorageBinding = 1 << 40 }, false},
		{RisingFloor, func(*State) {}, false},
		{RisingFloor, func(st *State) { rise(st, 5<<20, 0) }, true},
		{RisingFloor, func(st *State) { rise(st, 5<<20, 5<<20) }, false}, // more is asked for, too
		{RisingFloor, func(st *State) { rise(st, 0, 0) }, false},
	} {
		st := *healthy
		c.change(&st)
		if got := finds(&st, c.rule); got != c.want {
			t.Errorf("%s is found: %t, want %t", c.rule, got, c.want)
		}
	}
}

// rise makes what is held after each run, and what is asked for, grow.
func rise(st *State, held, asked int64) {
	st.Runs = slices.Clone(st.Runs)
	for i := range st.Runs {
		st.Runs[i].Total.EndHeld, st.Runs[i].PeakRequested = 1<<30+int64(i)*held, 1<<30+int64(i)*asked
	}
}
