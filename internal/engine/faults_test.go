package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/device/badgpu"
)

// TestEveryFailure fails every single create of a short trace, under every mode:
// the workload stops with a reason, or goes on where the mode frees what it
// keeps; the books balance, and nothing is left on the device.
func TestEveryFailure(t *testing.T) {
	tr := small(1, 1)
	for _, m := range cachemodes.Modes() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			cfg := config(m.ID)
			res, err := Profile(t.Context(), tr, device.NewHost(), Options{Config: cfg, Weights: MakeWeights})
			if err != nil {
				t.Fatal(err)
			}
			var creates, relieved int64
			for u := range res.Usage {
				creates += res.Usage[u].Creates
			}
			for n := int64(1); n <= creates; n++ {
				inner := &gauge{made: map[device.ID]int64{}}
				p := newPlayer(tr, cfg, device.FailNth(inner, int(n)), MakeWeights)
				var err error
				for i := range tr.Events {
					if err = p.step(&tr.Events[i]); err != nil {
						break
					}
				}
				var oom *device.OutOfMemoryError
				var run *RunError
				switch {
				case err == nil:
					relieved++
				case !errors.As(err, &oom) || !errors.As(err, &run):
					t.Errorf("create %d fails: %v", n, err)
				case p.led.Total().Fails != 1:
					t.Errorf("create %d fails: %d are booked", n, p.led.Total().Fails)
				}
				if err := p.balance(); err != nil {
					t.Errorf("create %d fails: %v", n, err)
				}
				if err := p.close(); err != nil {
					t.Errorf("create %d fails: %v", n, err)
				}
				if err := p.balance(); err != nil || inner.now != 0 {
					t.Errorf("create %d fails: %d bytes are left, %v", n, inner.now, err)
				}
			}
			if frees := m.ID == cachemodes.TVMPooled || m.ID == cachemodes.TinygradLRU || m.ID == cachemodes.Watermark; (relieved > 0) != frees {
				t.Errorf("%d of %d refused creates were made up for", relieved, creates)
			}
		})
	}
}

// gone is a device whose adapter is taken away: after so many calls, all fail.
type gone struct {
	*gauge
	calls int
}

var errGone = errors.New("the device is lost")

func (g *gone) call() error {
	if g.calls--; g.calls < 0 {
		return errGone
	}
	return nil
}

func (g *gone) Create(id device.ID, size int64, u cachemodes.Usage) error {
	if err := g.call(); err != nil {
		return err
	}
	return g.gauge.Create(id, size, u)
}
func (g *gone) Use(device.Recording, device.ID, bool) error { return g.call() }
func (g *gone) Submit(device.Recording) error               { return g.call() }
func (g *gone) Wait() error                                 { return g.call() }

// TestAdapterGone takes the adapter away after every one of the calls of a short
// trace: the workload stops with the reason, and the books balance.
func TestAdapterGone(t *testing.T) {
	tr := small(1, 1)
	for n := 0; ; n++ {
		dev := &gone{gauge: &gauge{made: map[device.ID]int64{}}, calls: n}
		p := newPlayer(tr, config(cachemodes.BucketMode), dev, MakeWeights)
		var err error
		for i := range tr.Events {
			if err = p.step(&tr.Events[i]); err != nil {
				break
			}
		}
		if err == nil {
			if n < 100 {
				t.Errorf("a trace of %d events makes %d calls", len(tr.Events), n)
			}
			return
		}
		if !errors.Is(err, errGone) {
			t.Fatalf("after %d calls: %v", n, err)
		}
		if cerr := p.close(); !errors.Is(cerr, errGone) {
			t.Fatalf("after %d calls, closing: %v", n, cerr)
		}
		if err := p.balance(); err != nil {
			t.Fatalf("after %d calls: %v", n, err)
		}
		if dev.now != 0 {
			t.Fatalf("after %d calls: %d bytes were not given up", n, dev.now)
		}
	}
}

// stuck is a device whose queue takes its time.
type stuck struct {
	device.Device
	free chan struct{}
}

func (s stuck) Wait() error {
	select {
	case <-s.free:
	case <-time.After(time.Minute):
	}
	return nil
}

// TestSlowDevice: while a device keeps the workload waiting, the State is had at
// once and commands are taken; closing returns when the device does.
func TestSlowDevice(t *testing.T) {
	dev := stuck{device.NewHost(), make(chan struct{})}
	l := StartLive(t.Context(), load(t, "bert/varied"), dev, LiveOptions{Config: cachemodes.DefaultConfig(), Weights: MakeWeights})
	for l.State().Events == 0 && len(l.State().Sessions) == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 1_000 {
		l.SetMode(cachemodes.Storage, cachemodes.Simple)
		l.Note("x")
		if l.State() == nil {
			t.Fatal("there is no state")
		}
	}
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("it closed under the device's work: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(dev.free)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestLiveAdapterGone: a profile whose adapter goes says so, and can be begun
// anew; closing tells of it.
func TestLiveAdapterGone(t *testing.T) {
	dev := &gone{gauge: &gauge{made: map[device.ID]int64{}}, calls: 2_000}
	l := StartLive(t.Context(), load(t, "bert/varied"), dev, LiveOptions{Config: cachemodes.DefaultConfig(), Weights: MakeWeights})
	for l.State().Status != Failed {
		time.Sleep(time.Millisecond)
	}
	if st := l.State(); !errors.Is(st.Err, errGone) || st.Total.Held() != 0 {
		t.Errorf("%v, %d bytes are held", st.Err, st.Total.Held())
	}
	if err := l.Close(); !errors.Is(err, errGone) {
		t.Errorf("closing: %v", err)
	}
}

// TestLostGPU has a driver lose its device at one submission after another of a
// short trace: the workload stops with the reason, the books balance before and
// after everything is given back, and hold nothing then.
func TestLostGPU(t *testing.T) {
	openWebGPU(t)
	badgpu.Set(t, "")
	tr := small(1, 1)
	for n := 1; ; n++ {
		fault := "lost"
		if n%2 == 0 {
			fault = "hang"
		}
		t.Setenv("BUCKETSCOPE_BAD_GPU", fmt.Sprintf("%s=%d", fault, n))
		dev, _, err := device.Open("webgpu")
		if err != nil {
			t.Fatal(err)
		}
		p := newPlayer(tr, config(cachemodes.BucketMode), dev, MakeWeights)
		for i := range tr.Events {
			if err = p.step(&tr.Events[i]); err != nil {
				break
			}
		}
		if err == nil {
			_, _ = p.close(), dev.Close() // may meet the fault
			if n < 4 {
				t.Errorf("a trace of %d events makes fewer than %d submissions", len(tr.Events), n)
			}
			return
		}
		var lost *device.LostError
		if !errors.As(err, &lost) || lost.NoMemory || !errors.As(err, new(*RunError)) {
			t.Fatalf("%s=%d: %v", fault, n, err)
		}
		if err := p.balance(); err != nil {
			t.Fatalf("%s=%d: %v", fault, n, err)
		}
		before := p.led.Total()
		if err := p.close(); !errors.Is(err, lost) {
			t.Fatalf("%s=%d, closing: %v", fault, n, err)
		}
		after := p.led.Total()
		if err := p.balance(); err != nil || before.Held() == 0 || after.Held() != 0 {
			t.Fatalf("%s=%d: %d bytes were held, %d are after closing, %v", fault, n, before.Held(), after.Held(), err)
		}
		if err := dev.Close(); err != nil {
			t.Fatalf("%s=%d, closing the device: %v", fault, n, err)
		}
	}
}

// TestLiveLostGPU: a profile whose GPU is lost says so and keeps its history;
// nothing begins on it, and closing tells of it.
func TestLiveLostGPU(t *testing.T) {
	openWebGPU(t)
	badgpu.Set(t, "lost=60")
	dev, _, err := device.Open("webgpu")
	if err != nil {
		t.Fatal(err)
	}
	l := StartLive(t.Context(), load(t, "bert/varied"), dev, LiveOptions{Config: cachemodes.DefaultConfig(), Weights: AccountWeights})
	for l.State().Status != Failed {
		time.Sleep(time.Millisecond)
	}
	var lost *device.LostError
	st := l.State()
	if !errors.As(st.Err, &lost) || st.Total.Held() != 0 || st.RunCount == 0 {
		t.Errorf("%v, %d bytes are held after %d runs", st.Err, st.Total.Held(), st.RunCount)
	}
	l.Pause(false)
	l.Step()
	noted := make(chan struct{})
	l.send(func(lp *loop) { lp.publish(); close(noted) })
	<-noted
	if now := l.State(); now.Play != st.Play || now.RunCount != st.RunCount || now.Status != Failed {
		t.Errorf("play %d with %d runs was begun on a device that is lost, after play %d with %d", now.Play, now.RunCount, st.Play, st.RunCount)
	}
	if err := l.Close(); !errors.Is(err, lost) {
		t.Errorf("closing: %v", err)
	}
}
