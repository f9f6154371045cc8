package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// load is a recording that is built in.
func load(t testing.TB, name string) *workload.Trace {
	t.Helper()
	tr, err := workload.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// start begins a live profile that ends with the test.
func start(t *testing.T, tr *workload.Trace, dev device.Device, o LiveOptions) *Live {
	t.Helper()
	if o.Weights == "" {
		o.Weights = MakeWeights
	}
	l := StartLive(t.Context(), tr, dev, o)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// until waits for a State that a person waits for.
func until(t *testing.T, l *Live, what string, ok func(*State) bool) *State {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if s := l.State(); ok(s) {
			return s
		}
		time.Sleep(time.Millisecond)
	}
	s := l.State()
	t.Fatalf("waited in vain for %s; status %d, run %d, error %v", what, s.Status, s.RunCount, s.Err)
	return nil
}

func config(m cachemodes.ModeID) cachemodes.Config {
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = m
	return cfg
}

// TestLiveSession is a person's session: watch, switch, pause, step, load
// another workload.
func TestLiveSession(t *testing.T) {
	l := start(t, load(t, "bert/varied"), device.NewHost(), LiveOptions{Config: cachemodes.DefaultConfig()})
	s := until(t, l, "the third pass", func(s *State) bool { return s.Current.Pass >= 2 })
	if s.Total.PeakHeld == 0 || len(s.Keys) == 0 || len(s.Runs) == 0 || len(s.Slots[0].Done) == 0 {
		t.Fatalf("an empty state: %d keys, %d runs, %d points", len(s.Keys), len(s.Runs), len(s.Slots[0].Done))
	}
	before := s.Total.Creates

	l.SetMode(cachemodes.Storage, cachemodes.DynamicBucket)
	s = until(t, l, "the new mode", func(s *State) bool { return s.Config[cachemodes.Storage].Mode == cachemodes.DynamicBucket })
	if len(s.Marks) != 1 || s.Marks[0].Text != "mode→dynamicBucket" {
		t.Fatalf("marks %v", s.Marks)
	}
	at := s.Marks[0].Run
	s = until(t, l, "runs under it", func(s *State) bool { return s.RunCount > at+3 })
	if s.Total.Creates < before {
		t.Error("creates restarted at the switch")
	}
	if last := s.Runs[len(s.Runs)-1]; last.Mode != cachemodes.DynamicBucket {
		t.Errorf("the last run was under %s", last.Mode)
	}

	l.SetMode(cachemodes.Uniform, cachemodes.BucketMode)
	until(t, l, "the uniform mode", func(s *State) bool { return s.Marks[len(s.Marks)-1].Text == "uniform→bucket" })

	l.Pause(true)
	s = until(t, l, "the pause", func(s *State) bool { return s.Status == Paused && !s.InRun })
	runs, now := s.RunCount, s.NowUS
	l.Step()
	s = until(t, l, "one step", func(s *State) bool { return s.RunCount == runs+1 && s.Status == Paused })
	if s.InRun {
		t.Error("the step ended in the middle of a run")
	}
	l.Step()
	s = until(t, l, "another step", func(s *State) bool { return s.RunCount == runs+2 && s.Status == Paused })
	if s.NowUS-now > 1_000_000 {
		t.Errorf("the clock went on for %d us while paused", s.NowUS-now)
	}
	l.SetPace(0.001) // the run after the next would be due in a quarter of an hour
	l.Pause(false)
	until(t, l, "going on", func(s *State) bool { return s.RunCount > runs+2 })

	l.Load(load(t, "unet/varied"))
	s = until(t, l, "the other workload", func(s *State) bool { return s.Workload.Name == "unet/varied" && s.RunCount > 0 })
	if s.Config[cachemodes.Storage].Mode != cachemodes.DynamicBucket {
		t.Error("the mode was lost with the workload")
	}
	if len(s.Marks) != 0 || s.RunCount > 3 {
		t.Errorf("books of another workload: %d marks, %d runs", len(s.Marks), s.RunCount)
	}
}

// TestLiveAgrees: what a live profile shows at the end of its first pass are
// the figures of a whole profile.
func TestLiveAgrees(t *testing.T) {
	tr := load(t, "llama-3.2-1b/two")
	res, err := Profile(t.Context(), tr, device.NewHost(), Options{Config: cachemodes.DefaultConfig(), Weights: MakeWeights})
	if err != nil {
		t.Fatal(err)
	}
	l := start(t, tr, device.NewHost(), LiveOptions{Config: cachemodes.DefaultConfig(), Paused: true})
	for n := range tr.Runs {
		l.Step()
		until(t, l, "a step", func(s *State) bool { return s.RunCount == int64(n)+1 && s.Status == Paused })
	}
	s := l.State()
	for i := range s.Runs {
		got, want := s.Runs[i], res.Runs[i]
		got.StartUS, got.EndUS, want.StartUS, want.EndUS = 0, 0, 0, 0
		if got != want {
			t.Fatalf("run %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
	if s.Total.PeakHeld != res.Total.PeakHeld || s.Total.Floor != res.Total.Floor {
		t.Errorf("peak %d floor %d, want %d %d", s.Total.PeakHeld, s.Total.Floor, res.Total.PeakHeld, res.Total.Floor)
	}
	peakRun := res.Runs[0]
	for _, r := range res.Runs {
		if r.PeakHeld > peakRun.PeakHeld {
			peakRun = r
		}
	}
	if s.PeakRun != peakRun.Seq {
		t.Errorf("the peak is said to be in run %d, it was in %d", s.PeakRun, peakRun.Seq)
	}
	var drawn int64
	for _, p := range append(s.Slots[0].Done, s.Slots[0].Now) {
		drawn = max(drawn, p.MaxHeld)
	}
	if drawn != s.Total.PeakHeld {
		t.Errorf("the graph's highest point is %d, the peak %d", drawn, s.Total.PeakHeld)
	}
}

// TestOnDevice is what a driver's reading is compared with.
func TestOnDevice(t *testing.T) {
	for weights, made := range map[Weights]bool{MakeWeights: true, AccountWeights: false} {
		l := start(t, load(t, "llama-3.2-1b/static"), device.NewHost(), LiveOptions{Config: cachemodes.DefaultConfig(), Weights: weights, Paused: true})
		l.Step()
		s := until(t, l, "a run", func(s *State) bool { return s.RunCount == 1 && s.Status == Paused })
		want := s.Total.Held() + s.Usage[cachemodes.User].Held()
		if w := s.Usage[cachemodes.Weights].Held(); !made {
			want -= w
		} else if w == 0 {
			t.Error("no weights are held")
		}
		if got := s.OnDevice(); got != want || s.Usage[cachemodes.User].Held() == 0 {
			t.Errorf("weights %s: %d on the device, want %d", weights, got, want)
		}
	}
}

// TestLiveHistory: the history's newest moment is the State's, and a run's
// record can be had again from the entries.
func TestLiveHistory(t *testing.T) {
	l := start(t, load(t, "llama-3.2-1b/two"), device.NewHost(), LiveOptions{Config: cachemodes.DefaultConfig()})
	until(t, l, "some runs", func(s *State) bool { return s.RunCount > 5 })
	l.SetMode(cachemodes.Storage, cachemodes.DynamicBucket)
	until(t, l, "more runs", func(s *State) bool { return s.RunCount > 80 && len(s.Marks) > 0 })
	l.Pause(true)
	s := until(t, l, "the pause", func(s *State) bool { return s.Status == Paused && !s.InRun })
	m := s.History.At(s.History.End())
	if err := m.Ledger.Check(); err != nil {
		t.Fatal(err)
	}
	if total := m.Ledger.Total(); total != s.Total || m.Config[cachemodes.Storage].Mode != cachemodes.DynamicBucket {
		t.Errorf("the newest moment has %+v, the state %+v", total, s.Total)
	}
	runs := s.Runs
	h := s.History
	n := 0
	h.Scan(h.First(), func(_ *probe.Moment, e *probe.Entry) bool {
		if e.What == probe.RunEnded {
			if want := runs[n]; e.Run.ID != want.ID || e.AtUS != want.EndUS {
				t.Fatalf("run %d ends as %d at %d, was %d at %d", n, e.Run.ID, e.AtUS, want.ID, want.EndUS)
			}
			n++
		}
		return true
	})
	if n != len(runs) {
		t.Errorf("%d runs in the history, %d in the log", n, len(runs))
	}
}

// TestLiveFailure: a device that runs out of memory stops the workload with a
// reason, the books balance, and going on begins anew.
func TestLiveFailure(t *testing.T) {
	dev := device.FailNth(device.NewHost(), 700)
	l := start(t, load(t, "bert/varied"), dev, LiveOptions{Config: config(cachemodes.Disabled)})
	s := until(t, l, "the failure", func(s *State) bool { return s.Status == Failed })
	var oom *device.OutOfMemoryError
	if !errors.As(s.Err, &oom) || !strings.HasPrefix(s.Err.Error(), "run ") {
		t.Fatalf("the error is %v", s.Err)
	}
	if s.Total.Fails != 1 || s.Total.Held() != 0 {
		t.Errorf("%d fails, %d bytes still held", s.Total.Fails, s.Total.Held())
	}
	l.SetMode(cachemodes.Storage, cachemodes.BucketMode)
	l.Pause(false)
	until(t, l, "a new beginning", func(s *State) bool { return s.Status == Running && s.Current.Pass > 1 && s.Err == nil })
}

// TestLiveEnds with its context, wherever it is, and leaves the device empty.
func TestLiveEnds(t *testing.T) {
	for name, o := range map[string]LiveOptions{
		"flat out": {}, "waiting for the next run": {Pace: 0.001}, "paused": {Paused: true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			o.Config, o.Weights = cachemodes.DefaultConfig(), MakeWeights
			dev := &gauge{made: map[device.ID]int64{}}
			l := StartLive(ctx, load(t, "unet/varied"), dev, o)
			if !o.Paused {
				until(t, l, "a run", func(s *State) bool { return s.RunCount > 0 })
			}
			cancel()
			select {
			case <-l.Done():
			case <-time.After(time.Minute):
				t.Fatal("it did not end")
			}
			if err := l.Close(); err != nil || dev.now != 0 {
				t.Errorf("%d bytes are left on the device (%v)", dev.now, err)
			}
		})
	}
}

// broken is a device that breaks an invariant.
type broken struct{ device.Device }

func (broken) Submit(device.Recording) error { panic("expected a submit to work") }

// TestLivePanic: a broken invariant ends the profile with its stack, so that
// the terminal can be restored before it is shown.
func TestLivePanic(t *testing.T) {
	l := StartLive(t.Context(), load(t, "unet/varied"), broken{device.NewHost()}, LiveOptions{Config: cachemodes.DefaultConfig(), Weights: MakeWeights})
	<-l.Done()
	var p *PanicError
	if !errors.As(l.Err(), &p) || !strings.Contains(p.Error(), "expected a submit to work") || !strings.Contains(p.Error(), "player.go") {
		t.Errorf("it ended with %v", l.Err())
	}
}

// submits is a device that tells of every submit, on the workload's goroutine.
type submits struct {
	device.Device
	told func()
}

func (d *submits) Submit(r device.Recording) error {
	d.told()
	return d.Device.Submit(r)
}

// TestParamsAtRunBoundary: numbers that are changed in the middle of a run are
// put in force at its end and not before, all that came meanwhile, in order;
// between two runs they are at once.
func TestParamsAtRunBoundary(t *testing.T) {
	params := func(limit int) cachemodes.Params {
		p := cachemodes.DefaultParams()
		p.Table[15].Cap = limit
		return p
	}
	dev := &submits{Device: device.NewHost()}
	var l *Live
	ready := make(chan struct{})
	var n, asked int
	dev.told = func() {
		<-ready
		// Every fifth submit is in the middle of a run but for those of its
		// beginning and end.
		if n++; n%5 == 3 && asked < 40 {
			asked++
			l.SetParams(cachemodes.Storage, params(100+asked), "cap")
		}
	}
	l = start(t, load(t, "bert/varied"), dev, LiveOptions{Config: cachemodes.DefaultConfig()})
	close(ready)
	until(t, l, "forty changes", func(s *State) bool {
		return s.Waiting == 0 && s.Config[cachemodes.Storage].Params.Table[15].Cap == 140
	})
	l.Pause(true)
	s := until(t, l, "the pause", func(s *State) bool { return s.Status == Paused && !s.InRun })
	last, inRun := 100, 0
	s.History.Scan(0, func(m *probe.Moment, e *probe.Entry) bool {
		if e.What == probe.RunStarted {
			inRun++
		}
		if e.What == probe.Configured {
			if m.Ledger.InRun() {
				t.Errorf("entry %d changes the numbers in the middle of a run", e.Seq)
			}
			if limit := e.Setting.Params.Table[15].Cap; limit != last+1 {
				t.Errorf("entry %d: cap %d after %d", e.Seq, limit, last)
			} else {
				last = limit
			}
		}
		return true
	})
	if last != 140 || len(s.Marks) != 40 || inRun < 5 {
		t.Errorf("the last cap is %d, %d marks in %d runs; want 140 and 40", last, len(s.Marks), inRun)
	}
	l.SetParams(cachemodes.Storage, params(7), "seven")
	s = until(t, l, "a change between two runs", func(s *State) bool { return s.Marks[len(s.Marks)-1].Text == "seven" })
	if s.Waiting != 0 || s.Status != Paused {
		t.Errorf("%d changes wait, status %d", s.Waiting, s.Status)
	}
}

// TestNote: what a person writes is in the history and among the marks, at the
// moment when it was written, and in the past after it.
func TestNote(t *testing.T) {
	l := start(t, load(t, "bert/varied"), device.NewHost(), LiveOptions{Config: cachemodes.DefaultConfig()})
	until(t, l, "some runs", func(s *State) bool { return s.RunCount > 3 })
	l.Note("here it grows")
	s := until(t, l, "the note", func(s *State) bool { return len(s.Marks) == 1 })
	m := s.Marks[0]
	if m.Text != "note: here it grows" {
		t.Errorf("the mark is %q", m.Text)
	}
	s.History.Scan(m.Seq, func(_ *probe.Moment, e *probe.Entry) bool {
		if e.What != probe.Noted || e.Text != "here it grows" || e.AtUS != m.AtUS {
			t.Errorf("entry %d of the mark is %+v", m.Seq, e)
		}
		return false
	})
	if before, after := StateAt(s, m.Seq), StateAt(s, m.Seq+1); len(before.Marks) != 0 || len(after.Marks) != 1 {
		t.Errorf("%d marks before the note, %d after it", len(before.Marks), len(after.Marks))
	}
}

// ticking is a timed device whose calls alone take time, by what they are for.
type ticking struct {
	device.Device
	now int64
}

func (d *ticking) Info() device.Info { return timed{d.Device}.Info() }

func (d *ticking) Create(id device.ID, size int64, u cachemodes.Usage) error {
	d.now += 50
	return d.Device.Create(id, size, u)
}

func (d *ticking) Use(r device.Recording, id device.ID, recycled bool) error {
	d.now += int64(id) % 97
	return d.Device.Use(r, id, recycled)
}

func (d *ticking) Submit(r device.Recording) error {
	d.now += 30
	return d.Device.Submit(r)
}

func (d *ticking) Wait() error {
	d.now += 200
	return d.Device.Wait()
}

// TestOverheadOfLive: the overhead is measured, not guessed from some calls: where
// nothing but the device takes time it is none, in modes that are asked for each
// request as in those that are not.
func TestOverheadOfLive(t *testing.T) {
	for _, mode := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Watermark, cachemodes.Disabled} {
		dev := &ticking{Device: device.NewHost()}
		lp := &loop{live: &Live{}, dev: dev, opt: LiveOptions{Weights: MakeWeights}, cfg: config(mode)}
		lp.load(load(t, "bert/varied"))
		lp.player.clock = func() int64 { return dev.now }
		told := 0
		for lp.player.led.Runs() < 3*exactEvery {
			before := lp.player.led.Runs()
			lp.some()
			if lp.player.led.Runs() == before {
				continue
			}
			if told++; lp.overhead != 0 {
				t.Fatalf("%s: after run %d the overhead is %v", mode, before, lp.overhead)
			}
		}
		if told < 3*exactEvery {
			t.Errorf("%s: the overhead was told %d times", mode, told)
		}
	}
}
