package engine

import (
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// BenchmarkReplay is the speed of the whole way through on the host device:
// policy and ledger, on one core. An operation is one event of the loop of
// phi3-mini-4k/grow, so that 100 ns/op are 10 million events a second, and
// allocs/op must be 0.
func BenchmarkReplay(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, mode := range cachemodes.Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			cfg := cachemodes.DefaultConfig()
			cfg[cachemodes.Storage].Mode = mode.ID
			p := newPlayer(tr, cfg, device.NewHost(), MakeWeights)
			play := func(events []workload.Event) {
				for i := range events {
					if err := p.step(&events[i]); err != nil {
						b.Fatal(err)
					}
				}
			}
			play(tr.Prologue())
			loop := tr.Loop()
			play(loop)
			b.ReportAllocs()
			b.ResetTimer()
			for n := b.N; n > 0; n -= len(loop) {
				play(loop[:min(n, len(loop))])
				if n < len(loop) { // the rest keeps the books of the next round whole
					b.StopTimer()
					play(loop[n:])
				}
			}
		})
	}
}

// BenchmarkSessions is what four sessions on one device play in a second by turns
// in one goroutine (1-events/s), and in four goroutines (4-events/s), one after the
// other in each operation, and the ratio (4/1). Policy and books are under one lock,
// the device's calls are outside of it: none that cost, or calls that take some
// microseconds of the caller's processor, as a driver's do.
func BenchmarkSessions(b *testing.B) {
	var traces []*workload.Trace
	for range 4 {
		traces = append(traces, load(b, "unet/varied"))
	}
	for _, dev := range []struct {
		name string
		open func() device.Device
	}{
		{"books", device.NewHost},
		{"5us", func() device.Device { return slow{device.NewHost()} }},
	} {
		b.Run(dev.name, func(b *testing.B) {
			var took [2]time.Duration
			var events [2]int64
			for b.Loop() {
				for i := range took {
					res, err := ProfileAll(b.Context(), traces, dev.open(), Options{
						Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Parallel: i == 1, Repeat: 5,
					})
					if err != nil {
						b.Fatal(err)
					}
					took[i] += res.Elapsed
					events[i] += res.Events
				}
			}
			one, four := float64(events[0])/took[0].Seconds(), float64(events[1])/took[1].Seconds()
			b.ReportMetric(one, "1-events/s")
			b.ReportMetric(four, "4-events/s")
			b.ReportMetric(four/one, "4/1")
			b.ReportMetric(0, "ns/op") // of both together: it says nothing
		})
	}
}

// slow is a device whose creates and submits take some microseconds of the caller's
// processor.
type slow struct{ device.Device }

func (s slow) wait() {
	for began := time.Now(); time.Since(began) < 5*time.Microsecond; {
		continue
	}
}

func (s slow) Create(id device.ID, size int64, u cachemodes.Usage) error {
	s.wait()
	return s.Device.Create(id, size, u)
}

func (s slow) Submit(r device.Recording) error {
	s.wait()
	return s.Device.Submit(r)
}

// BenchmarkLive is the speed of a live profile on the host device: the replay
// with its journal, its graph, the map of keys and the states that it
// publishes. An operation is one event.
func BenchmarkLive(b *testing.B) {
	lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: cachemodes.DefaultConfig()}
	lp.load(load(b, "phi3-mini-4k/grow"))
	for range len(lp.trace.Events) {
		lp.play(&lp.parts[lp.part].events[lp.at])
	}
	b.ReportAllocs()
	for b.Loop() {
		e := &lp.parts[lp.part].events[lp.at]
		lp.play(e)
		if e.Op == workload.RunEnd && time.Since(lp.lastPublish) >= publishEvery {
			lp.publish()
		}
	}
}
