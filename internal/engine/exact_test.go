package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// TestLivePast: whatever a person does to several workloads that play at once, in
// goroutines of their own, with graphs captured or not, every moment that was on
// a screen is had again as it was.
func TestLivePast(t *testing.T) {
	traces := simulated()
	left, failed := 60/slower, false // each lasts a tenth of a second or more
	rapid.Check(t, func(t *rapid.T) {
		if left--; left < 0 && !failed { // one that fails is made smaller
			return
		}
		defer func() { failed = failed || t.Failed() }()
		trace := func() *workload.Trace { return traces[rapid.IntRange(0, len(traces)-1).Draw(t, "trace")] }
		mode := func() cachemodes.ModeID {
			return cachemodes.ModeID(rapid.IntRange(0, len(cachemodes.Modes())-1).Draw(t, "mode"))
		}
		o := LiveOptions{
			Config: config(mode()), Weights: MakeWeights, Capture: rapid.Bool().Draw(t, "capture"),
			Pace: rapid.SampledFrom([]float64{0, 400}).Draw(t, "pace"),
			Sharing: cachemodes.Sharing{
				Scope:       rapid.SampledFrom(cachemodes.Scopes()).Draw(t, "scope"),
				Generations: rapid.IntRange(0, 2).Draw(t, "generations"),
			},
		}
		for range rapid.IntRange(0, 2).Draw(t, "others") {
			o.Others = append(o.Others, trace())
		}
		var dev device.Device
		if dev = device.NewHost(); rapid.Bool().Draw(t, "timed") {
			dev = timed{dev}
		}
		if n := rapid.SampledFrom([]int{0, 0, 0, 200, 2_000}).Draw(t, "fails at"); n > 0 {
			dev = device.FailNth(dev, n)
		}
		l := StartLive(context.Background(), trace(), dev, o)
		defer func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}()
		var states []*State
		see := func(s *State) {
			if n := len(states); n == 0 || states[n-1] != s {
				states = append(states, s)
			}
		}
		lane := func() int { return rapid.IntRange(0, 3).Draw(t, "lane") }
		// do sends a command, and sees what it led to.
		do := func(command func()) func(*rapid.T) {
			return func(*rapid.T) {
				command()
				for deadline := time.Now().Add(4 * time.Millisecond); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
					see(l.State())
				}
			}
		}
		usage := func() cachemodes.Usage {
			return rapid.SampledFrom([]cachemodes.Usage{cachemodes.Storage, cachemodes.Storage, cachemodes.Uniform}).Draw(t, "usage")
		}
		t.Repeat(map[string]func(*rapid.T){
			"mode": do(func() { l.SetMode(usage(), mode()) }),
			"numbers": do(func() {
				p := cachemodes.DefaultParams()
				p.Round = 16 << rapid.IntRange(0, 4).Draw(t, "round")
				p.AdjustEvery, p.History = rapid.IntRange(1, 3).Draw(t, "adjust"), rapid.IntRange(1, 3).Draw(t, "history")
				p.RefreshEvery = rapid.IntRange(1, 3).Draw(t, "refresh")
				l.SetParams(usage(), p, "tuned")
			}),
			"start": do(func() {
				if len(l.State().Sessions) < 8 {
					l.StartSession(trace())
				}
			}),
			"hold":    do(func() { l.StopSession(lane(), rapid.Bool().Draw(t, "held")) }),
			"release": do(func() { l.ReleaseSession(lane()) }),
			"pause":   do(func() { l.Pause(rapid.Bool().Draw(t, "paused")) }),
			"step":    do(func() { l.Step() }),
			"note":    do(func() { l.Note("a note") }),
			"load":    do(func() { l.Load(trace()) }),
			"watch":   do(func() {}),
		})
		see(l.State())
		last := states[len(states)-1]
		for _, s := range slices.Backward(states) {
			if s.Play != last.Play { // the last of the workload before
				last = s
			}
			if err := rebuilt(last, s); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// peeks is a device during whose creates somebody looks.
type peeks struct {
	device.Device
	look func()
}

func (p *peeks) Create(id device.ID, size int64, u cachemodes.Usage) error {
	if p.look != nil {
		p.look()
	}
	return p.Device.Create(id, size, u)
}

// TestPastWhileMade: what is shown while the device makes a buffer, of a size that
// nobody asked for before, is what the history tells of that moment.
func TestPastWhileMade(t *testing.T) {
	dev := &peeks{Device: device.NewHost()}
	lp := &loop{live: &Live{}, dev: dev, opt: LiveOptions{Weights: MakeWeights}, cfg: config(cachemodes.Simple)}
	lp.load(small(1, 1))
	lp.player.share()
	var states []*State
	dev.look = func() {
		lp.publish()
		states = append(states, lp.live.State())
	}
	for range 60 {
		lp.some()
	}
	if len(states) < 10 {
		t.Fatalf("%d buffers were made", len(states))
	}
	lp.publish()
	for _, s := range states {
		if err := rebuilt(lp.live.State(), s); err != nil {
			t.Fatal(err)
		}
	}
}
