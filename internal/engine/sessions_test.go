package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// books are the figures that two equal replays share.
func books(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v %+v\n", r.Total, r.Usage)
	for i := range r.Runs {
		run := r.Runs[i]
		run.StartUS, run.EndUS = 0, 0
		fmt.Fprintf(&b, "%+v\n", run)
	}
	return b.String()
}

// TestOneSession: with one session every scope is one cache, and decides the
// same.
func TestOneSession(t *testing.T) {
	for _, name := range []string{"bert/varied", "unet/varied"} {
		for _, m := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Simple, cachemodes.DynamicBucket, cachemodes.LazyRelease} {
			var want string
			for _, scope := range []cachemodes.Scope{cachemodes.ScopeDevice, cachemodes.ScopeSession, cachemodes.ScopeRun} {
				res, err := Profile(t.Context(), load(t, name), device.NewHost(), Options{Config: config(m), Weights: MakeWeights, Sharing: cachemodes.Sharing{Scope: scope}})
				if err != nil {
					t.Fatal(err)
				}
				// What stays after the session's release is the scope's own.
				var got strings.Builder
				for i := range res.Runs {
					run := res.Runs[i]
					run.StartUS, run.EndUS = 0, 0
					fmt.Fprintf(&got, "%+v\n", run)
				}
				if want == "" {
					want = got.String()
				}
				if got.String() != want {
					t.Errorf("%s %s: scope %s is not as scope device", name, m, scope)
				}
			}
		}
	}
}

// TestDynamicBucketShared is the fault for which PR #25120 was not merged: with
// two sessions the shared counter and pattern cost creates.
func TestDynamicBucketShared(t *testing.T) {
	for m, want := range map[cachemodes.ModeID]int64{cachemodes.DynamicBucketShared: 932, cachemodes.DynamicBucket: 909} {
		res, err := Profile(t.Context(), load(t, "llama-3.2-1b/two"), device.NewHost(), Options{Config: config(m), Weights: MakeWeights})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Usage[cachemodes.Storage].Creates; got != want {
			t.Errorf("%s creates %d storage buffers, want %d", m, got, want)
		}
	}
}

// byTurns plays the traces of a player's lanes to their end, by turns that a seed
// decides: whole runs, or a few events.
func byTurns(t *testing.T, p *Player, seed uint64, whole bool) {
	t.Helper()
	f := &profile{ctx: t.Context(), p: p, o: Options{Seed: seed, WholeRuns: whole}}
	for _, l := range p.lanes {
		f.lanes = append(f.lanes, &playing{lane: l, parts: schedule(l.trace, 1)})
	}
	if err := f.play(); err != nil {
		t.Fatal(err)
	}
}

// TestRelease: what is held once every session is released is nobody's, waits for
// nothing, and is of the one cache that the scope lets outlive them: 0 under every
// scope but device, and there for modes that keep nothing. With the device, that
// goes too: then it is 0 for each scope and mode, by the books and by the device.
func TestRelease(t *testing.T) {
	keepsNothing := map[cachemodes.ModeID]bool{cachemodes.Disabled: true, cachemodes.LazyRelease: true, cachemodes.DynamicBucket: true}
	for _, scope := range cachemodes.Scopes() {
		for _, m := range cachemodes.Modes() {
			t.Run(scope.String()+" "+m.Name, func(t *testing.T) {
				cfg := cachemodes.DefaultConfig()
				for u := range cfg {
					cfg[u].Mode = m.ID
				}
				dev := &gauge{made: map[device.ID]int64{}}
				p := begin(dev, setup{config: cfg, weights: MakeWeights, sharing: cachemodes.Sharing{Scope: scope}})
				p.add(small(2, 2))
				p.add(load(t, "unet/varied"))
				byTurns(t, p, 1, false)
				total := p.led.Total()
				held := total.Held()
				nothing := scope != cachemodes.ScopeDevice || keepsNothing[m.ID]
				if keeps := !nothing && m.ID != cachemodes.CandlePow2; nothing && held != 0 || keeps && held == 0 { // candle's is swept at a run's end
					t.Errorf("%d bytes are held after the last session's release: %+v", held, p.mgr.Domains())
				}
				var remains, sessions int64
				for _, h := range p.mgr.Domains() {
					if h.InUse+h.Pending != 0 || h.Owner.Kind != cachemodes.OwnerDevice {
						t.Errorf("%s holds %+v", h.Owner, h)
					}
					remains += h.Cached
				}
				for _, s := range p.sessions() {
					if s.Books.InUse+s.Books.Weights != 0 || s.Books.Life != probe.Gone {
						t.Errorf("a session is %s and holds %d bytes", s.Books.Life, s.Books.InUse+s.Books.Weights)
					}
					sessions += s.Books.Held()
				}
				if remains != held || sessions != held || dev.now != held {
					t.Errorf("%d bytes are held; the caches have %d, by the sessions that had them last it is %d, the device has %d",
						held, remains, sessions, dev.now)
				}
				if err := p.close(); err != nil {
					t.Fatal(err)
				}
				if total := p.led.Total(); total.Held() != 0 || p.led.Live() != 0 || dev.now != 0 {
					t.Errorf("with the device gone %d bytes are held, %d buffers exist, %d bytes are on it", total.Held(), p.led.Live(), dev.now)
				}
				if err := p.balance(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestSeed: the same seed plays the same, another one does not.
func TestSeed(t *testing.T) {
	play := func(seed uint64) string {
		res, err := ProfileAll(t.Context(), []*workload.Trace{load(t, "bert/varied"), load(t, "bert/varied"), load(t, "unet/varied")}, device.NewHost(),
			Options{Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return books(res)
	}
	first := play(7)
	if again := play(7); again != first {
		t.Error("the same seed plays otherwise")
	}
	if play(8) == first {
		t.Error("another seed plays the same")
	}
}

// TestParallel plays sessions in goroutines of their own: the books balance,
// nothing is left, and no hazard is seen, on a device that notices when it is
// told wrong.
func TestParallel(t *testing.T) {
	for _, scope := range cachemodes.Scopes() {
		t.Run(scope.String(), func(t *testing.T) {
			var traces []*workload.Trace
			for range 4 {
				traces = append(traces, load(t, "bert/varied"))
			}
			dev := newStrict()
			res, err := ProfileAll(t.Context(), traces, dev, Options{
				Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Sharing: cachemodes.Sharing{Scope: scope}, Parallel: true, Record: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Runs) != 80 || res.HazardCount != 0 || len(dev.made) != 0 || dev.wrong != "" {
				t.Errorf("%d runs, hazards %v, %d buffers left, the device says %q", len(res.Runs), res.Hazards, len(dev.made), dev.wrong)
			}
			end := res.History.At(res.History.End())
			if err := end.Ledger.Check(); err != nil || end.Ledger.Runs() != 80 {
				t.Errorf("the history ends with %d runs, %v", end.Ledger.Runs(), err)
			}
		})
	}
}

// strict is a device for several goroutines that notices a call about a buffer
// that does not exist, or exists twice.
type strict struct {
	device.Device
	mu    sync.Mutex
	made  map[device.ID]bool
	wrong string
}

func newStrict() *strict { return &strict{Device: device.NewHost(), made: map[device.ID]bool{}} }

func (s *strict) check(ok bool, format string, args ...any) {
	if !ok && s.wrong == "" {
		s.wrong = fmt.Sprintf(format, args...)
	}
}

func (s *strict) Create(id device.ID, _ int64, _ cachemodes.Usage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check(!s.made[id], "buffer %d is created twice", id)
	s.made[id] = true
	return nil
}

func (s *strict) Use(_ device.Recording, id device.ID, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check(s.made[id], "buffer %d is used and does not exist", id)
	return nil
}

func (s *strict) Destroy(id device.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check(s.made[id], "buffer %d is destroyed and does not exist", id)
	delete(s.made, id)
}

// TestHazards provokes each hazard, and finds it, with both buffers' holders;
// without that there is none.
func TestHazards(t *testing.T) {
	for _, h := range append([]cachemodes.Hazard{cachemodes.NoHazard}, cachemodes.Hazards()...) {
		t.Run(h.String(), func(t *testing.T) {
			traces := []*workload.Trace{load(t, "llama-3.2-1b/static"), load(t, "llama-3.2-1b/static"), load(t, "bert/varied")}
			sharing := cachemodes.Sharing{Generations: 1, Provoke: h}
			if h == cachemodes.WrongManager {
				sharing.Scope = cachemodes.ScopeSession
			}
			res, err := ProfileAll(t.Context(), traces, device.NewHost(), Options{
				Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Sharing: sharing, Capture: h == cachemodes.GraphLent || h == cachemodes.NoHazard, Seed: 3,
			})
			if err != nil {
				t.Fatal(err)
			}
			found := map[cachemodes.Hazard]int{}
			for i := range res.Hazards {
				z := &res.Hazards[i]
				found[z.Kind]++
				if z.Serial < 1 || z.Size < 1 || z.First.Requested < 1 || z.First.Session < 0 || z.Second.Session < 0 {
					t.Errorf("it does not say what it is of: %s", z)
				}
				if z.Kind == cachemodes.CrossSession && z.First.Session == z.Second.Session {
					t.Errorf("one session alone: %s", z)
				}
			}
			if h == cachemodes.NoHazard && res.HazardCount != 0 || h != cachemodes.NoHazard && found[h] == 0 {
				t.Errorf("%d found: %v", res.HazardCount, found)
			}
		})
	}
}

// TestWrongManagerModes: no mode's policy trips over a buffer that another cache's
// policy knew, and the hazard is found.
func TestWrongManagerModes(t *testing.T) {
	tr := small(3, 2)
	for _, mode := range cachemodes.Modes() {
		for _, scope := range []cachemodes.Scope{cachemodes.ScopeSession, cachemodes.ScopeRun, cachemodes.ScopeSharedFree} {
			res, err := ProfileAll(t.Context(), []*workload.Trace{tr, tr, tr}, device.NewHost(), Options{
				Config: storageMode(mode.ID), Weights: MakeWeights, Repeat: 5, Seed: 1,
				Sharing: cachemodes.Sharing{Scope: scope, Provoke: cachemodes.WrongManager},
			})
			if err != nil {
				t.Fatal(err)
			}
			if res.HazardCount == 0 || res.Hazards[0].Kind != cachemodes.WrongManager {
				t.Errorf("%s, %s: %d hazards: %v", mode.Name, scope, res.HazardCount, res.Hazards)
			}
		}
	}
}

// TestUniformHazard: a mode that makes uniforms reusable at once is a hazard
// that nobody needs to provoke.
func TestUniformHazard(t *testing.T) {
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Uniform].Mode = cachemodes.BucketMode
	res, err := Profile(t.Context(), load(t, "bert/varied"), device.NewHost(), Options{Config: cfg, Weights: MakeWeights})
	if err != nil {
		t.Fatal(err)
	}
	if res.HazardCount == 0 || res.Hazards[0].Kind != cachemodes.UniformReuse {
		t.Errorf("%d hazards: %v", res.HazardCount, res.Hazards)
	}
}

// TestDestroyedAtOnce: modes that destroy at release are a hazard only where that
// frees memory at once (ORT #25485).
func TestDestroyedAtOnce(t *testing.T) {
	for m, want := range map[cachemodes.ModeID]bool{cachemodes.Disabled: true, cachemodes.LazyRelease: false, cachemodes.BucketMode: false, cachemodes.Simple: false} {
		p := newPlayer(load(t, "bert/varied"), config(m), device.NewHost(), MakeWeights)
		p.watch.Immediate = true
		cfg := p.mgr.Config()
		cfg[cachemodes.Uniform].Mode = cachemodes.LazyRelease
		if err := p.set(cachemodes.Uniform, cfg[cachemodes.Uniform]); err != nil {
			t.Fatal(err)
		}
		for i := range p.lanes[0].trace.Events {
			if err := p.step(&p.lanes[0].trace.Events[i]); err != nil {
				t.Fatal(err)
			}
		}
		if found := p.led.Hazards() > 0; found != want {
			t.Errorf("%s: hazards found %t, want %t: %v", m, found, want, p.hazards)
		}
	}
}

// TestCapture: the first run of a shape asks, the later ones do not; the
// generations that a session keeps spare the next conversation's creates.
func TestCapture(t *testing.T) {
	creates := map[int]int64{}
	for _, generations := range []int{0, 1} {
		dev := &gauge{made: map[device.ID]int64{}}
		res, err := Profile(t.Context(), load(t, "llama-3.2-1b/static"), dev, Options{
			Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Capture: true, Sharing: cachemodes.Sharing{Generations: generations},
		})
		if err != nil {
			t.Fatal(err)
		}
		var replays, asked int
		for i := range res.Runs {
			if res.Runs[i].Usage[cachemodes.Storage].Requests == 0 {
				replays++
			} else {
				asked++
			}
		}
		// Five conversations, each of a prompt and decode steps of one shape; one
		// has a second prompt.
		if asked != 11 || replays != 83 || res.Sessions[0].Books.Replays != 83 || res.HazardCount != 0 {
			t.Errorf("%d runs asked, %d replayed, the books say %d; hazards %v", asked, replays, res.Sessions[0].Books.Replays, res.Hazards)
		}
		if dev.now != 0 || res.Total.InUse != 0 {
			t.Errorf("%d bytes are left on the device, %d in use", dev.now, res.Total.InUse)
		}
		creates[generations] = res.Usage[cachemodes.Storage].Creates
	}
	if creates[1] >= creates[0] {
		t.Errorf("creates by generations kept: %v", creates)
	}
	// A growing cache outlives its run: nothing can be captured but nothing breaks.
	res, err := Profile(t.Context(), load(t, "llama-3.2-1b/grow"), device.NewHost(), Options{Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Capture: true})
	if err != nil || res.Sessions[0].Books.Replays != 0 {
		t.Errorf("a growing cache: %v, %d replays", err, res.Sessions[0].Books.Replays)
	}
}

// TestEightSessions is the direction and the order of ORT's own figures (#29851):
// eight equal sessions with a cache each hold several times what they hold with
// free buffers shared.
func TestEightSessions(t *testing.T) {
	held := map[cachemodes.Scope]int64{}
	for _, scope := range cachemodes.Scopes() {
		kept := int64(0)
		p := begin(device.NewHost(), setup{config: cachemodes.DefaultConfig(), weights: MakeWeights, sharing: cachemodes.Sharing{Scope: scope}})
		idle := *load(t, "unet/varied")
		idle.Events = slices.Concat(idle.Prologue(), idle.Loop()) // without its session's release
		for range 8 {
			p.add(&idle)
		}
		byTurns(t, p, 1, true)
		for _, h := range p.mgr.Domains() {
			kept += h.Pending + h.Cached
		}
		held[scope] = kept
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("kept by eight idle sessions: %v", held)
	session, shared, dev := held[cachemodes.ScopeSession], held[cachemodes.ScopeSharedFree], held[cachemodes.ScopeDevice]
	if session < 4*shared || shared < dev/2 || shared > 2*dev || held[cachemodes.ScopeRun] != session {
		t.Errorf("held bytes by scope: %v", held)
	}
}

// soak plays what a seed says: some sessions under a scope and a mode, with
// switches, failures and a stop in the middle; and tells what is wrong after.
func soak(t *testing.T, seed uint64, traces []*workload.Trace) {
	random := rand.New(rand.NewPCG(seed, 99))
	modes := cachemodes.Modes()
	mode := func() cachemodes.ModeID { return modes[random.IntN(len(modes))].ID }
	// A uniform that is reusable before its submit is a hazard of its own.
	uniforms := []cachemodes.ModeID{cachemodes.Disabled, cachemodes.LazyRelease, cachemodes.Simple, cachemodes.BucketLegacy, cachemodes.JSEP, cachemodes.TFJS}
	cfg := config(mode())
	cfg[cachemodes.Uniform].Mode = uniforms[random.IntN(len(uniforms))]
	inner := &gauge{made: map[device.ID]int64{}}
	var dev device.Device = inner
	if random.IntN(3) == 0 {
		dev = device.FailNth(inner, 1+random.IntN(400))
	}
	if random.IntN(4) == 0 {
		dev = device.Limit(dev, 1<<20+random.Int64N(64<<20))
	}
	p := begin(dev, setup{
		config: cfg, weights: MakeWeights, capture: random.IntN(3) == 0,
		sharing: cachemodes.Sharing{Scope: cachemodes.Scopes()[random.IntN(len(cachemodes.Scopes()))], Generations: random.IntN(3)},
	})
	lanes := []*playing{}
	for range 2 + random.IntN(3) {
		tr := traces[random.IntN(len(traces))]
		lanes = append(lanes, &playing{lane: p.add(tr), parts: schedule(tr, 1+random.IntN(2))})
	}
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("seed %d: %s", seed, fmt.Sprintf(format, args...))
	}
	events := 200 + random.IntN(1200)
	for events > 0 && len(lanes) > 0 {
		i := random.IntN(len(lanes))
		for range 1 + random.IntN(mostTurn) {
			events--
			n, err := lanes[i].some(1)
			var oom *device.OutOfMemoryError
			if err != nil && !errors.As(err, &oom) {
				fail("%v", err)
			}
			if err != nil { // the session is given up; the others go on
				if err := lanes[i].abandon(nil); err != nil {
					fail("%v", err)
				}
			}
			if err != nil || n == 0 {
				lanes = append(lanes[:i], lanes[i+1:]...)
				break
			}
		}
		switch random.IntN(12) {
		case 0:
			s := p.mgr.Config()[cachemodes.Storage]
			s.Mode = mode()
			if err := p.set(cachemodes.Storage, s); err != nil {
				fail("%v", err)
			}
		case 1: // released in the middle of whatever it does
			if len(lanes) > 1 {
				i := random.IntN(len(lanes))
				if err := lanes[i].abandon(nil); err != nil {
					fail("%v", err)
				}
				lanes = append(lanes[:i], lanes[i+1:]...)
			}
		}
	}
	if err := p.balance(); err != nil {
		fail("%v", err)
	}
	for _, l := range lanes {
		if err := l.abandon(nil); err != nil {
			fail("%v", err)
		}
	}
	if err := p.balance(); err != nil {
		fail("after the last release: %v", err)
	}
	if held := p.led.Total(); p.mgr.Sharing().Scope != cachemodes.ScopeDevice && held.Held() != 0 || held.InUse != 0 {
		fail("scope %s: %d bytes are held after the last release, %d in use", p.mgr.Sharing().Scope, held.Held(), held.InUse)
	}
	if p.led.Hazards() != 0 {
		fail("hazards: %v", p.hazards)
	}
	if err := p.close(); err != nil {
		fail("%v", err)
	}
	if inner.now != 0 {
		fail("%d bytes are left on the device", inner.now)
	}
}

// TestSoak is that for ten thousand seeds, a tenth of them under the race detector;
// one that fails is printed.
func TestSoak(t *testing.T) {
	traces := []*workload.Trace{
		small(1, 1), small(2, 2), small(3, 1),
	}
	for seed := range uint64(10_000 / slower) {
		soak(t, seed, traces)
		if t.Failed() {
			return
		}
	}
}
