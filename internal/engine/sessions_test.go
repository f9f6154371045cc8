package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
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

// TestRelease: what is held once every session is released is nobody's and of
// nothing but the caches that the scope lets outlive them; what is on the device
// is that.
func TestRelease(t *testing.T) {
	for _, scope := range cachemodes.Scopes() {
		for _, m := range cachemodes.Modes() {
			t.Run(scope.String()+" "+m.Name, func(t *testing.T) {
				cfg := config(m.ID)
				dev := &gauge{made: map[device.ID]int64{}}
				res, err := ProfileAll(t.Context(), []*workload.Trace{load(t, "llama-3.2-1b/two"), load(t, "unet/varied")}, dev,
					Options{Config: cfg, Weights: MakeWeights, Sharing: cachemodes.Sharing{Scope: scope}, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				held := res.Total.Held()
				if scope != cachemodes.ScopeDevice && held != 0 {
					t.Errorf("%d bytes are held after the last session's release: %+v", held, res.Remains)
				}
				var remains, sessions int64
				for _, h := range res.Remains {
					if h.InUse != 0 || h.Owner.Kind != cachemodes.OwnerDevice {
						t.Errorf("%s holds %+v", h.Owner, h)
					}
					remains += h.Pending + h.Cached
				}
				for _, s := range res.Sessions {
					if s.Books.InUse+s.Books.Weights != 0 || s.Books.Life.String() != "released" {
						t.Errorf("a session is %s and holds %d bytes", s.Books.Life, s.Books.InUse+s.Books.Weights)
					}
					sessions += s.Books.Held()
				}
				if remains != held || sessions != held {
					t.Errorf("%d bytes are held; the caches have %d, by the sessions that had them last it is %d", held, remains, sessions)
				}
				if dev.now != 0 {
					t.Errorf("%d bytes are left on the device", dev.now)
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
		var traces []*workload.Trace
		for range 8 {
			traces = append(traces, load(t, "unet/varied"))
		}
		kept := int64(0)
		p := begin(device.NewHost(), setup{config: cachemodes.DefaultConfig(), weights: MakeWeights, sharing: cachemodes.Sharing{Scope: scope}})
		var lanes []*playing
		for _, tr := range traces {
			lanes = append(lanes, &playing{lane: p.add(tr), parts: []part{{events: tr.Prologue()}, {events: tr.Loop()}}})
		}
		random := rand.New(rand.NewPCG(1, 8))
		for len(lanes) > 0 { // run by run, as a server's sessions are used
			i := random.IntN(len(lanes))
			for {
				e, more, err := lanes[i].one()
				if err != nil {
					t.Fatal(err)
				}
				if !more {
					lanes = append(lanes[:i], lanes[i+1:]...)
					break
				}
				if e.Op == workload.RunEnd {
					break
				}
			}
		}
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
