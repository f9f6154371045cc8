package engine

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// soakSeeds is how many seeds TestSimulation plays, soakFirst the first: the one
// that a failure names.
//
//	go test ./internal/engine -run TestSimulation -seeds 1 -first 4711
var (
	soakSeeds = flag.Int("seeds", 1_000, "seeds that TestSimulation plays")
	soakFirst = flag.Uint64("first", 0, "the first of them")
)

// simulation is everything together, from one seed: sessions that take turns,
// switches of modes and parameters, creates that the device refuses, sessions
// released in the middle of what they do, moments that are published, frozen and
// gone back to, recordings written and read again.
type simulation struct {
	random *rand.Rand
	lp     *loop
	lanes  []*playing // that go on
	dev    *gauge     // below the wrappers that fail
	shadow *Shadow    // what if the same; nil where that follows less than all
	states []*State   // published
	texts  []string   // what each of states said when it was published
	kept   []byte     // the recording, as a snapshot has it
	best   [cachemodes.NumUsages]probe.Books
	ended  bool // every session is released
}

// uniforms are the modes under which a uniform is not reusable before its submit:
// that is a hazard of its own.
var uniforms = []cachemodes.ModeID{
	cachemodes.Disabled, cachemodes.LazyRelease, cachemodes.Simple, cachemodes.BucketLegacy, cachemodes.JSEP, cachemodes.TFJS,
}

func newSimulation(seed uint64, traces []*workload.Trace) *simulation {
	random := rand.New(rand.NewPCG(seed, 99))
	s := &simulation{random: random, dev: &gauge{made: map[device.ID]int64{}}}
	cfg := config(s.mode())
	cfg[cachemodes.Uniform].Mode = uniforms[random.IntN(len(uniforms))]
	var dev device.Device = s.dev
	sure := true
	if random.IntN(3) == 0 {
		dev, sure = device.FailNth(dev, 1+random.IntN(400)), false
	}
	if random.IntN(4) == 0 {
		dev, sure = device.Limit(dev, 1<<20+random.Int64N(64<<20)), false
	}
	scopes := cachemodes.Scopes()
	s.lp = &loop{live: &Live{}, dev: dev, cfg: cfg, opt: LiveOptions{
		Weights: MakeWeights, Capture: random.IntN(3) == 0,
		Sharing: cachemodes.Sharing{Scope: scopes[random.IntN(len(scopes))], Generations: random.IntN(3)},
	}}
	for i := range 1 + random.IntN(4) {
		tr := traces[random.IntN(len(traces))]
		if i == 0 {
			s.lp.load(tr)
		} else {
			s.lp.player.add(tr)
		}
		s.lanes = append(s.lanes, &playing{lane: s.lp.player.lanes[i], parts: schedule(tr, 1+random.IntN(2))})
	}
	if sure && len(s.lanes) == 1 {
		s.shadow = NewShadow(Beginning{
			Trace: s.lp.trace, Config: cfg, Sharing: s.lp.opt.Sharing, Capture: s.lp.opt.Capture,
		}, device.NewHost(), nil, nil)
	}
	return s
}

func (s *simulation) mode() cachemodes.ModeID {
	modes := cachemodes.Modes()
	return modes[s.random.IntN(len(modes))].ID
}

// turn plays some events of a lane, then perhaps does something that a person
// does.
func (s *simulation) turn() error {
	i := s.random.IntN(len(s.lanes))
	for range 1 + s.random.IntN(mostTurn) {
		more, err := s.one(s.lanes[i])
		if err != nil {
			return err
		}
		if !more {
			s.lanes = slices.Delete(s.lanes, i, i+1)
			break
		}
	}
	if len(s.lanes) == 0 {
		return nil
	}
	switch s.random.IntN(12) {
	case 0:
		setting := s.lp.cfg[cachemodes.Storage]
		setting.Mode = s.mode()
		s.set(setting)
	case 1: // at the end of the run, as Live.SetParams
		p := s.lp.cfg[cachemodes.Storage].Params
		p.Round, p.AdjustEvery, p.RefreshEvery, p.History = 16<<s.random.IntN(5), 1+s.random.IntN(3), 1+s.random.IntN(3), 1+s.random.IntN(3)
		p.CacheLimit, p.FitRatio = s.random.Int64N(32<<20), s.random.IntN(256)
		s.lp.waiting = append(s.lp.waiting, change{cachemodes.Storage, p, "tuned"})
		s.settle()
	case 2: // released in the middle of whatever it does
		if len(s.lanes) > 1 {
			i := s.random.IntN(len(s.lanes))
			l := s.lanes[i].lane
			s.lanes = slices.Delete(s.lanes, i, i+1)
			err := l.abandon(nil)
			return err
		}
	case 3, 4:
		s.publish()
	case 5:
		s.lp.player.remark("a note")
	}
	return s.lp.err
}

// one plays the next event of a lane; a lane whose create is refused is given up.
func (s *simulation) one(l *playing) (more bool, err error) {
	n, err := l.some(1)
	var oom *device.OutOfMemoryError
	switch {
	case errors.As(err, &oom):
		err := l.abandon(nil)
		return false, err
	case err != nil || n == 0:
		return false, err
	}
	s.lp.events++
	if s.shadow != nil {
		s.shadow.Pass(l.pass)
		s.shadow.Play([]*workload.Event{l.last})
	}
	s.lp.between = s.lp.player.lanes[0].open == 0
	s.settle()
	return true, nil
}

// set changes the mode of storage, here and in the what-if.
func (s *simulation) set(setting cachemodes.Setting) {
	s.lp.set(cachemodes.Storage, setting, "mode")
	if s.shadow != nil {
		s.shadow.Set(cachemodes.Storage, setting)
	}
}

// settle puts the changes in force that wait for the end of a run, here and in
// the what-if.
func (s *simulation) settle() {
	waiting := s.lp.waiting
	s.lp.settle()
	if s.shadow == nil {
		return
	}
	for _, c := range waiting[:len(waiting)-len(s.lp.waiting)] {
		s.shadow.Set(c.usage, cachemodes.Setting{Mode: s.lp.cfg[c.usage].Mode, Params: c.params})
	}
}

// publish publishes a moment, and writes the recording up to it.
func (s *simulation) publish() {
	s.lp.publish()
	st := s.lp.live.state.Load()
	s.states, s.texts = append(s.states, st), append(s.texts, said(st))
	s.kept = st.History.AppendTo(s.kept[:0])
}

// said is what a State says, as text: it must not change afterwards.
func said(st *State) string {
	return fmt.Sprintf("%+v %+v %+v %+v %+v %+v", st.Total, st.Usage, st.Keys, st.Runs, st.Sessions, st.Marks)
}

// invariant is what must hold at any time of a simulation, and a fault that
// breaks it.
type invariant struct {
	name  string
	check func(*simulation) error
	plant func(*simulation)
}

// invariantsOf are all that a simulation is held to; besides, nothing is left on
// the device at its end. That the ledger finds each
// kind of imbalance within itself is TestCheckFinds, in probe.
func invariantsOf() []invariant {
	// ask books a request that nobody made: what only one of two has seen.
	ask := func(p *Player, book func(*cachemodes.Event)) {
		_, events := p.mgr.Request(0, cachemodes.Storage, 64)
		for i := range events {
			book(&events[i])
		}
	}
	return []invariant{
		{
			"the ledger balances, per usage, key and session",
			func(s *simulation) error { return s.lp.player.led.Check() },
			func(s *simulation) {
				s.lp.player.led.Apply(&cachemodes.Event{Kind: cachemodes.Create, Usage: cachemodes.Storage, Size: 64, Requested: 64, Key: cachemodes.NoKey})
			},
		},
		{
			"the ledger is what the manager has",
			func(s *simulation) error { return s.lp.player.balance() },
			func(s *simulation) { ask(s.lp.player, func(*cachemodes.Event) {}) },
		},
		{
			"what is booked is on the device",
			func(s *simulation) error {
				var held int64
				for u := range cachemodes.Usage(cachemodes.NumUsages) {
					b := s.lp.player.led.Usage(u)
					held += b.Held()
				}
				if s.dev.now != held {
					return fmt.Errorf("%d bytes are on the device, %d are booked", s.dev.now, held)
				}
				return nil
			},
			func(s *simulation) { _ = s.dev.Create(1<<20, 64, cachemodes.Storage) },
		},
		{
			"counts and peaks never go back",
			func(s *simulation) error {
				for u := range cachemodes.Usage(cachemodes.NumUsages) {
					now, was := s.lp.player.led.Usage(u), &s.best[u]
					if now.Requests < was.Requests || now.Hits < was.Hits || now.Creates < was.Creates || now.Destroys < was.Destroys ||
						now.PeakHeld < was.PeakHeld || now.Floor < was.Floor {
						return fmt.Errorf("%s: %+v, before it was %+v", u, now, *was)
					}
					*was = now
				}
				return nil
			},
			func(s *simulation) { s.lp.player.led = &probe.Ledger{} },
		},
		{
			"hits and creates are requests, and the floor is below the peak",
			func(s *simulation) error {
				if len(s.states) == 0 {
					return nil
				}
				st := s.states[len(s.states)-1]
				for _, b := range append(st.Usage[:], st.Total) {
					if b.Requests != b.Hits+b.Creates || b.Floor > b.PeakHeld || b.Held() > b.PeakHeld {
						return fmt.Errorf("%+v", b)
					}
				}
				return nil
			},
			func(s *simulation) {
				st := *s.states[len(s.states)-1]
				st.Total.Floor = st.Total.PeakHeld + 1
				s.states[len(s.states)-1] = &st
			},
		},
		{
			"nothing unsafe is handed out",
			func(s *simulation) error {
				if n := s.lp.player.led.Hazards(); n > 0 {
					return fmt.Errorf("%d hazards: %v", n, s.lp.player.hazards)
				}
				return nil
			},
			func(s *simulation) { // a buffer that is in use is handed out again
				p := s.lp.player
				e := cachemodes.Event{Kind: cachemodes.Create, Usage: cachemodes.Storage, Buf: 1 << 20, Size: 64, Requested: 64}
				p.watch.Event(&e)
				e.Kind, e.Session = cachemodes.Hit, 1
				if h := p.watch.Event(&e); h != nil {
					p.found(p.at, h)
				}
			},
		},
		{
			"a moment rebuilt is what was published then",
			func(s *simulation) error {
				s.lp.publish()
				last := s.lp.live.state.Load()
				for range 2 {
					if len(s.states) == 0 {
						break
					}
					if err := rebuilt(last, s.states[s.random.IntN(len(s.states))]); err != nil {
						return err
					}
				}
				if err := rebuilt(last, last); err != nil {
					return err
				}
				// Any other moment balances, too.
				m := last.History.At(last.History.First() + s.random.Int64N(last.Seq-last.History.First()+1))
				return m.Ledger.Check()
			},
			func(s *simulation) { ask(s.lp.player, s.lp.player.led.Apply) }, // the journal does not know
		},
		{
			"a published state does not change",
			func(s *simulation) error {
				if len(s.states) == 0 {
					return nil
				}
				for _, i := range []int{0, s.random.IntN(len(s.states))} { // the one frozen longest, and another
					if said(s.states[i]) != s.texts[i] {
						return fmt.Errorf("state %d of %d says something else", i, len(s.states))
					}
				}
				return nil
			},
			func(s *simulation) { s.states[0].Sessions[0].Books.Requests++ },
		},
		{
			"a recording that was written reads back as it was",
			func(s *simulation) error {
				if len(s.states) == 0 {
					return nil
				}
				h, err := probe.ReadHistory(s.kept)
				if err != nil {
					return err
				}
				st := s.states[len(s.states)-1]
				if h.End() != st.History.End() {
					return fmt.Errorf("it has %d entries, had %d", h.End(), st.History.End())
				}
				got, want := h.At(h.End()), st.History.At(st.History.End())
				if !reflect.DeepEqual(got.Ledger, want.Ledger) || !reflect.DeepEqual(got.Config, want.Config) {
					return fmt.Errorf("it ends with %+v, ended with %+v", got.Ledger.Total(), want.Ledger.Total())
				}
				return nil
			},
			func(s *simulation) { s.kept = s.kept[:len(s.kept)-1] },
		},
		{
			"what if the same is the same",
			func(s *simulation) error {
				if s.shadow == nil || s.ended {
					return nil
				}
				got, want := s.shadow.Figures(), s.lp.player.figures(s.lp.cfg, Reading{})
				if !reflect.DeepEqual(got, want) {
					return fmt.Errorf("%+v, played was %+v", got, want)
				}
				return nil
			},
			func(s *simulation) { ask(s.shadow.p, s.shadow.p.led.Apply) },
		},
		{
			"what is left after the last release is the scope's",
			func(s *simulation) error {
				if !s.ended {
					return nil
				}
				held, scope := s.lp.player.led.Total(), s.lp.opt.Sharing.Scope
				if held.InUse != 0 || scope != cachemodes.ScopeDevice && held.Held() != 0 {
					return fmt.Errorf("scope %s: %d bytes are held, %d in use", scope, held.Held(), held.InUse)
				}
				return nil
			},
			func(s *simulation) { s.ended = true; ask(s.lp.player, s.lp.player.led.Apply) },
		},
	}
}

// check is the first invariant that does not hold.
func (s *simulation) check(all []invariant) error {
	for _, v := range all {
		if err := v.check(s); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

// play plays a simulation to its end and answers with what is wrong.
func (s *simulation) play(all []invariant) error {
	for turns := 10 + s.random.IntN(50); turns > 0 && len(s.lanes) > 0; turns-- {
		if err := s.turn(); err != nil {
			return err
		}
		if s.random.IntN(6) == 0 {
			if err := s.check(all); err != nil {
				return err
			}
		}
	}
	if err := s.check(all); err != nil {
		return err
	}
	for _, l := range s.lanes {
		if err := l.abandon(nil); err != nil {
			return err
		}
	}
	s.ended = true
	s.publish()
	if err := s.check(all); err != nil {
		return fmt.Errorf("after the last release: %w", err)
	}
	if err := s.lp.end(); err != nil {
		return err
	}
	if s.dev.now != 0 {
		return fmt.Errorf("%d bytes are left on the device", s.dev.now)
	}
	return s.lp.player.balance()
}

func simulated() []*workload.Trace {
	return []*workload.Trace{small(1, 1), small(2, 2), small(3, 1)}
}

// TestSimulation plays many seeds, a tenth of them under the race detector; one
// that fails is printed.
func TestSimulation(t *testing.T) {
	traces, all := simulated(), invariantsOf()
	for seed := *soakFirst; seed < *soakFirst+uint64(max(*soakSeeds/slower, 1)); seed++ {
		if err := newSimulation(seed, traces).play(all); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestSimulationFinds plants a fault for each invariant, in the middle of
// simulations: it is found, and was not there before.
func TestSimulationFinds(t *testing.T) {
	traces := simulated()
	for _, v := range invariantsOf() {
		t.Run(v.name, func(t *testing.T) {
			found := 0
			for seed := uint64(0); found < 5; seed++ {
				if seed == 200 {
					t.Fatal("no simulation where the fault can be planted")
				}
				s := newSimulation(seed, traces)
				for range 10 {
					if len(s.lanes) == 0 {
						break
					}
					if err := s.turn(); err != nil {
						t.Fatal(err)
					}
				}
				if len(s.lanes) == 0 || v.name == "what if the same is the same" && s.shadow == nil {
					continue
				}
				s.publish()
				if err := v.check(s); err != nil {
					t.Fatalf("seed %d, before the fault: %v", seed, err)
				}
				v.plant(s)
				err := v.check(s)
				if err == nil {
					t.Fatalf("seed %d: the fault was not found", seed)
				}
				found++
			}
		})
	}
}

// small is a trace of few events that has everything: weights, runs of shapes
// that come back and others, what outlives its run, and what is used between
// runs.
func small(seed uint64, sessions int) *workload.Trace {
	random := rand.New(rand.NewPCG(seed, 1))
	t := &workload.Trace{Name: fmt.Sprintf("small %d", seed)}
	add := func(e workload.Event) { t.Events = append(t.Events, e) }
	slot := func() int32 { t.Slots++; return int32(t.Slots - 1) }
	type held struct {
		session int32
		usage   cachemodes.Usage
		slot    int32
	}
	var late []held
	ask := func(s, run int32, u cachemodes.Usage, n int64, init bool) held {
		h := held{s, u, slot()}
		add(workload.Event{Op: workload.Request, Session: s, Run: run, Usage: u, Bytes: n, Buf: h.slot, Init: init})
		return h
	}
	give := func(h held, run int32) {
		add(workload.Event{Op: workload.Release, Session: h.session, Run: run, Usage: h.usage, Buf: h.slot})
	}
	var weights []held
	for s := range int32(sessions) {
		t.Sessions = append(t.Sessions, workload.Session{ID: int64(s), Model: "small"})
		add(workload.Event{Op: workload.SessionCreate, Session: s, Run: workload.NoRun})
		for range 3 {
			weights = append(weights, ask(s, workload.NoRun, cachemodes.Storage, 1+random.Int64N(1<<20), true))
		}
		add(workload.Event{Op: workload.SessionReady, Session: s, Run: workload.NoRun})
	}
	for range 8 * sessions {
		s := random.Int32N(int32(sessions))
		run := int32(len(t.Runs))
		t.Runs = append(t.Runs, workload.Run{ID: int64(run), Session: s, Label: fmt.Sprintf("conv%d step", run/4)})
		add(workload.Event{Op: workload.RunStart, Session: s, Run: run})
		shape := rand.New(rand.NewPCG(seed, uint64(random.IntN(3))))
		keeps := random.IntN(4) == 0
		var out []held
		for range 4 + shape.IntN(12) {
			out = append(out, ask(s, run, cachemodes.Storage, 1+shape.Int64N(8<<20), false))
			out = append(out, ask(s, run, cachemodes.Uniform, 16*(1+shape.Int64N(4)), false))
			if shape.IntN(3) == 0 {
				give(out[0], run)
				out = out[1:]
			}
			if shape.IntN(6) == 0 {
				add(workload.Event{Op: workload.Submit, Session: s, Run: run})
			}
		}
		for i, h := range out {
			if keeps && i%3 == 0 {
				late = append(late, h)
			} else {
				give(h, run)
			}
		}
		add(workload.Event{Op: workload.Submit, Session: s, Run: run})
		add(workload.Event{Op: workload.RunEnd, Session: s, Run: run})
		if len(late) > 6 {
			for _, h := range late {
				give(h, workload.NoRun)
			}
			late = nil
		}
	}
	for _, h := range append(late, weights...) {
		give(h, workload.NoRun)
	}
	for s := range int32(sessions) {
		add(workload.Event{Op: workload.SessionRelease, Session: s, Run: workload.NoRun})
	}
	return t
}
