package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// TestStateAt: a past moment rebuilt is what was published then, whatever was
// switched when, to the end or to a failure.
func TestStateAt(t *testing.T) {
	for name, dev := range map[string]device.Device{"to the end": device.NewHost(), "to a failure": device.FailNth(device.NewHost(), 1_500)} {
		t.Run(name, func(t *testing.T) {
			const seed = 17
			random := rand.New(rand.NewPCG(seed, seed))
			states := published(t, dev, random)
			last := states[len(states)-1]
			if failed := last.Status == Failed; failed != (name == "to a failure") || last.Seq != last.History.End() {
				t.Fatalf("the last state is %d, after %d of %d entries", last.Status, last.Seq, last.History.End())
			}
			for i := 0; i < len(states); i += 1 + random.IntN(6) {
				if err := rebuilt(last, states[i]); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			if got := StateAt(last, last.Seq); got.Status != last.Status || !errors.Is(got.Err, last.Err) {
				t.Errorf("the newest moment is %d (%v)", got.Status, got.Err)
			}
		})
	}
}

// published plays events and changes settings between some, and answers with
// the states on the way.
func published(t *testing.T, dev device.Device, random *rand.Rand) []*State {
	lp := &loop{live: &Live{}, dev: dev, opt: LiveOptions{Weights: MakeWeights}, cfg: cachemodes.DefaultConfig()}
	lp.load(load(t, "llama-3.2-1b/two"))
	var states []*State
	for n := range 90_000 {
		if lp.err != nil {
			break
		}
		lp.some()
		if random.IntN(2_500) == 0 {
			u := cachemodes.Usage(random.IntN(cachemodes.NumCaches))
			s := lp.cfg[u]
			s.Mode = cachemodes.ModeID(random.IntN(len(cachemodes.Modes())))
			s.Params.AdjustEvery, s.Params.Round = 1+random.IntN(3), 16<<random.IntN(5)
			lp.set(u, s, "changed")
		}
		if n > 2_000 && random.IntN(400) == 0 {
			lp.publish()
			states = append(states, lp.live.state.Load())
		}
	}
	lp.publish()
	return append(states, lp.live.state.Load())
}

// rebuilt holds a past moment that is rebuilt from the last state against what was
// published then.
func rebuilt(last, then *State) error {
	g, w := *StateAt(last, then.Seq), *then
	// What no entry tells, as StateAt says: what the screens show of it they show of
	// the present alone. A moment lasts until the next entry, so that its time does too.
	w.Events, w.Overhead, w.Driver, w.NowUS, w.History, w.Waiting = g.Events, g.Overhead, g.Driver, g.NowUS, g.History, g.Waiting
	w.Pace, w.DeviceUS = g.Pace, g.DeviceUS
	if w.Status == Paused {
		w.Status = g.Status
	}
	w.Sessions = slices.Clone(w.Sessions)
	for i := range w.Sessions {
		w.Sessions[i].Stopped = false
	}
	// As far back as the logs of last reach.
	w.Runs = w.Runs[max(len(w.Runs)-len(g.Runs), 0):]
	w.KeyRuns = w.KeyRuns[max(len(w.KeyRuns)-len(g.KeyRuns), 0):]
	for i := range w.Slots { // none is none
		if len(w.Slots[i].Done)+len(g.Slots[i].Done) == 0 {
			w.Slots[i].Done, g.Slots[i].Done = nil, nil
		}
	}
	return differ(&g, &w)
}

// differ is in what two states differ; nil where in nothing.
func differ(got, want *State) error {
	g, w := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range g.NumField() {
		a, b := g.Field(i), w.Field(i)
		if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		name := g.Type().Field(i).Name
		if a.Kind() == reflect.Slice {
			for j := range min(a.Len(), b.Len()) {
				if !reflect.DeepEqual(a.Index(j).Interface(), b.Index(j).Interface()) {
					return fmt.Errorf("after %d entries %s[%d] of %d is\n%+v, was of %d\n%+v", want.Seq, name, j, a.Len(), a.Index(j), b.Len(), b.Index(j))
				}
			}
		}
		return fmt.Errorf("after %d entries %s is\n%+v, was\n%+v", want.Seq, name, a, b)
	}
	return nil
}
