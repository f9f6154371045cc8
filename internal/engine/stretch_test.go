package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// TestStretch: what is played and booked in stretches leaves the same behind as
// what is played event by event: every book, the records of the watch, the runs
// and the journal, in every mode and scope, with sessions that take turns and are
// released in the middle of what they do, and modes that are switched.
func TestStretch(t *testing.T) {
	if invariants {
		t.Skip("every event is played alone")
	}
	together := 0
	for seed := range uint64(300 / slower) {
		random := rand.New(rand.NewPCG(seed, 5))
		mode := func() cachemodes.ModeID { return cachemodes.Modes()[random.IntN(len(cachemodes.Modes()))].ID }
		var sharing cachemodes.Sharing
		if random.IntN(3) == 0 {
			sharing.Scope = cachemodes.Scopes()[random.IntN(len(cachemodes.Scopes()))]
		}
		if random.IntN(6) == 0 {
			sharing.Provoke = cachemodes.Hazards()[random.IntN(len(cachemodes.Hazards()))]
		}
		cfg := storageMode(mode())
		cfg[cachemodes.Uniform].Mode = mode() // with hazards, where it is one without a submit
		now := int64(0)
		var runs [2][]probe.Run
		var players [2]*Player
		for i := range players {
			p := begin(device.NewHost(), setup{config: cfg, sharing: sharing, weights: MakeWeights, onRun: func(r *probe.Run) {
				runs[i] = append(runs[i], *r)
			}})
			p.clock = func() int64 { return now }
			if seed%2 == 0 {
				p.journal = probe.NewJournal(p.led, cfg, probe.Unbounded, probe.NewSeries(slotUS, keepSlots))
			}
			players[i] = p
		}
		quick, slow := players[0], players[1]
		slow.idle = false
		var lanes [2][]*playing
		for range 1 + random.IntN(3) {
			tr := small(random.Uint64N(50), 1+random.IntN(3))
			hurry(tr, random)
			repeat := 1 + random.IntN(3)
			for i, p := range players {
				lanes[i] = append(lanes[i], &playing{lane: p.add(tr), parts: schedule(tr, repeat)})
			}
		}
		fail := func(what string, got, want any) {
			t.Helper()
			t.Fatalf("seed %d, %s, scope %s: %s differ:\n%+v\n%+v", seed, cfg[cachemodes.Storage].Mode, sharing.Scope, what, got, want)
		}
		for len(lanes[0]) > 0 {
			now += 7
			i := random.IntN(len(lanes[0]))
			most := 1 + random.IntN(mostTurn*4)
			over := false
			for n := most; n > 0 && !over; {
				done, err := lanes[0][i].some(n)
				if err != nil {
					t.Fatal(err)
				}
				if done > 1 {
					together += done
				}
				for range done {
					if _, err := lanes[1][i].some(1); err != nil {
						t.Fatal(err)
					}
				}
				n -= done
				over = done == 0
			}
			switch random.IntN(12) {
			case 0:
				s := quick.mgr.Config()[cachemodes.Storage]
				s.Mode = mode()
				for _, p := range players {
					if err := p.set(cachemodes.Storage, s); err != nil {
						t.Fatal(err)
					}
				}
			case 1:
				over = true
			}
			if over {
				for k := range lanes {
					if err := lanes[k][i].abandon(nil); err != nil {
						t.Fatal(err)
					}
					lanes[k] = append(lanes[k][:i], lanes[k][i+1:]...)
				}
			}
			if !reflect.DeepEqual(quick.led, slow.led) {
				fail("books", fmt.Sprintf("%+v", *quick.led), fmt.Sprintf("%+v", *slow.led))
			}
		}
		if !reflect.DeepEqual(quick.watch, slow.watch) {
			fail("records of the watch", quick.watch, slow.watch)
		}
		if !reflect.DeepEqual(runs[0], runs[1]) {
			fail("runs", runs[0], runs[1])
		}
		if !reflect.DeepEqual(quick.hazards, slow.hazards) {
			fail("hazards", quick.hazards, slow.hazards)
		}
		if quick.journal != nil && !reflect.DeepEqual(quick.journal.History(), slow.journal.History()) {
			fail("journals", nil, nil)
		}
		got, err := quick.mgr.Audit()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want, _ := slow.mgr.Audit(); got != want {
			fail("audits", got, want)
		}
		if err := quick.balance(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d events were played in stretches", together)
	if together < 10_000/slower {
		t.Errorf("only %d events were played in stretches", together)
	}
}

// hurry has most of a trace's uniforms given back as soon as they are had, as an engine does.
func hurry(tr *workload.Trace, random *rand.Rand) {
	given := map[int32]workload.Event{} // releases, by buffer
	for _, e := range tr.Events {
		if e.Op == workload.Release && e.Usage == cachemodes.Uniform && random.IntN(4) > 0 {
			given[e.Buf] = e
		}
	}
	var events []workload.Event
	for _, e := range tr.Events {
		release, early := given[e.Buf]
		switch {
		case early && e.Op == workload.Release:
		case early && e.Op == workload.Request:
			release.Run = e.Run
			events = append(events, e, release)
		default:
			events = append(events, e)
		}
	}
	tr.Events = events
}

// TestStretchNothing: no event is played with others where somebody has to be told
// of it before, or a device has to do it.
func TestStretchNothing(t *testing.T) {
	tr := small(1, 1)
	calls := tr.Calls(tr.Events)
	for name, p := range map[string]*Player{
		"a device that counts": newPlayer(tr, cachemodes.DefaultConfig(), &gauge{made: map[device.ID]int64{}}, MakeWeights),
		"a device around one":  newPlayer(tr, cachemodes.DefaultConfig(), NewMeter(device.NewHost(), nil), MakeWeights),
	} {
		l := p.lanes[0]
		for i := range tr.Events {
			if n, err := l.stretch(tr.Events[i:], calls[i:]); n != 1 || err != nil {
				t.Fatalf("%s: %d events at once, %v", name, n, err)
			}
		}
	}
	p := newPlayer(tr, cachemodes.DefaultConfig(), device.NewHost(), MakeWeights)
	p.share()
	if n := p.lanes[0].together(calls); n != 0 {
		t.Errorf("%d events at once of lanes that share a player", n)
	}
}
