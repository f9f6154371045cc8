package engine

import (
	"slices"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// BenchmarkReplay is the speed of the whole way through on the host device:
// policy, device and ledger, on one core. An operation is one event of the loop
// of phi3-mini-4k/grow: a line of the trace. best-booked/s counts what the ledger
// takes in instead, the manager's events: each buffer that is handed out, made, comes
// back, settles or is destroyed, and each submit.
func BenchmarkReplay(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, mode := range cachemodes.Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			p := newPlayer(tr, storageMode(mode.ID), device.NewHost(), MakeWeights)
			best := benchmark(b, tr, func(events []workload.Event, calls []cachemodes.Call) {
				if err := p.lanes[0].play(events, calls); err != nil {
					b.Fatal(err)
				}
			})
			if best > 0 {
				b.ReportMetric(1e9/best*bookedPerLine(tr, storageMode(mode.ID)), "best-booked/s")
			}
		})
	}
}

// bookedPerLine is how many events of the manager a line of the loop leads to.
func bookedPerLine(tr *workload.Trace, cfg cachemodes.Config) float64 {
	u := newUnbooked(tr, cfg)
	u.play(tr.Prologue(), tr.Calls(tr.Prologue()), nil)
	loop, booked := tr.Loop(), 0
	u.play(loop, tr.Calls(loop), nil) // the first time differs from every other
	u.play(loop, tr.Calls(loop), func(p cachemodes.Played) { booked += len(u.mgr.Expand(&p, nil)) })
	return float64(booked) / float64(len(loop))
}

// BenchmarkShadow is BenchmarkReplay as What if plays: a shadow, which follows in
// batches.
func BenchmarkShadow(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, mode := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Watermark} {
		b.Run(mode.String(), func(b *testing.B) {
			s := NewShadow(Beginning{Trace: tr, Config: storageMode(mode)}, device.NewHost(), nil, nil)
			batch := make([]*workload.Event, 0, batchEvents)
			benchmark(b, tr, func(events []workload.Event, _ []cachemodes.Call) {
				for part := range slices.Chunk(events, batchEvents) {
					batch = batch[:0]
					for i := range part {
						batch = append(batch, &part[i])
					}
					s.Play(batch)
				}
			})
		})
	}
}

// BenchmarkUnbooked is the same replay with no ledger: what is asked of the
// manager and the device is the same, and nobody reads the events.
func BenchmarkUnbooked(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, mode := range cachemodes.Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			u := newUnbooked(tr, storageMode(mode.ID))
			benchmark(b, tr, func(events []workload.Event, calls []cachemodes.Call) { u.play(events, calls, nil) })
		})
	}
}

// BenchmarkUnledgered is the same replay with the ledger alone left out: the watch for
// hazards goes on.
func BenchmarkUnledgered(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, mode := range cachemodes.Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			u := newUnbooked(tr, storageMode(mode.ID))
			u.watch = &probe.Watch{}
			found := func(h *probe.Hazard) { b.Fatal(h) }
			benchmark(b, tr, func(events []workload.Event, calls []cachemodes.Call) {
				u.play(events, calls, func(p cachemodes.Played) { u.watch.Played(&p, found) })
			})
		})
	}
}

// BenchmarkBooks is the ledger alone, with the watch for hazards and without:
// it books what the loop of phi3-mini-4k/grow leads to under bucket, which is an
// operation. events/s are those of the trace, as elsewhere; each leads to 1.3 of
// the manager's.
func BenchmarkBooks(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, watched := range []bool{true, false} {
		name := "ledger"
		if watched {
			name = "ledger+watch"
		}
		b.Run(name, func(b *testing.B) {
			u := newUnbooked(tr, cachemodes.DefaultConfig())
			led, watch := &probe.Ledger{}, &probe.Watch{}
			book := func(parts []cachemodes.Played) {
				for i := range parts {
					if watched {
						watch.Played(&parts[i], func(h *probe.Hazard) { b.Fatal(h) })
					}
					led.Played(&parts[i])
				}
			}
			record := func(events []workload.Event) (all []cachemodes.Played) {
				u.play(events, tr.Calls(events), func(p cachemodes.Played) {
					p.Plain, p.Others = slices.Clone(p.Plain), slices.Clone(p.Others)
					all = append(all, p)
				})
				return all
			}
			book(record(tr.Prologue()))
			book(record(tr.Loop())) // the first time differs from every other
			parts := record(tr.Loop())
			b.ReportAllocs()
			for b.Loop() {
				book(parts)
			}
			if err := led.Check(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)*float64(len(tr.Loop()))/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// unbooked plays events on a manager, and books nothing: a host device does nothing.
type unbooked struct {
	mgr   *cachemodes.Manager
	slots []cachemodes.BufID
	watch *probe.Watch // told of runs, unless nil
}

func newUnbooked(t *workload.Trace, cfg cachemodes.Config) *unbooked {
	return &unbooked{mgr: cachemodes.NewManager(cfg), slots: make([]cachemodes.BufID, t.Slots)}
}

// play plays events the way that Player does, and tells of them, if anybody is to
// be told.
func (u *unbooked) play(events []workload.Event, calls []cachemodes.Call, tell func(cachemodes.Played)) {
	for at := 0; at < len(events); {
		done, played := u.mgr.Play(0, calls[at:], u.slots)
		if at += done; done > 0 {
			if tell != nil {
				tell(played)
			}
			continue
		}
		switch e := &events[at]; e.Op {
		case workload.RunStart:
			u.mgr.RunStart(e.Session)
			if u.watch != nil {
				u.watch.RunStart(e.Session, int64(e.Run))
			}
		case workload.RunEnd:
			events := u.mgr.RunEnd(e.Session)
			if u.watch != nil {
				for i := range events {
					u.watch.Event(&events[i])
				}
				u.watch.RunEnd(e.Session)
			}
		}
		at++
	}
}

// benchmark plays the loop of a trace, warm, so that an operation is an event.
// best-ns/op is the sum of the best times of stretches of some tens of
// microseconds, in which few are interrupted: what the processor needs when
// others leave it alone, on a machine that others use, too. It answers that, 0 where no
// stretch was whole.
func benchmark(b *testing.B, t *workload.Trace, play func([]workload.Event, []cachemodes.Call)) (best float64) {
	play(t.Prologue(), t.Calls(t.Prologue()))
	loop := t.Loop()
	calls := t.Calls(loop)
	play(loop, calls)
	stretches := slices.Collect(slices.Chunk(loop, 1000))
	bests := make([]time.Duration, len(stretches))
	b.ReportAllocs()
	b.ResetTimer()
	for n, at := b.N, 0; n > 0; at = (at + 1) % len(stretches) {
		s := stretches[at]
		if n < len(s) {
			play(s[:n], calls[1000*at:1000*at+n])
			break
		}
		began := time.Now()
		play(s, calls[1000*at:1000*at+len(s)])
		if took := time.Since(began); bests[at] == 0 || took < bests[at] {
			bests[at] = took
		}
		n -= len(s)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	var sum time.Duration
	events := 0
	for i, took := range bests {
		if took > 0 {
			sum += took
			events += len(stretches[i])
		}
	}
	if events > 0 {
		best = float64(sum.Nanoseconds()) / float64(events)
		b.ReportMetric(best, "best-ns/op")
	}
	return best
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
	for lp.events < int64(len(lp.trace.Events)) {
		lp.some()
	}
	b.ReportAllocs()
	ahead := int64(0)
	for b.Loop() {
		if ahead > 0 { // an operation is an event
			ahead--
			continue
		}
		before := lp.events
		e := lp.some()
		ahead = lp.events - before - 1
		if e.Op == workload.RunEnd && time.Since(lp.lastPublish) >= publishEvery {
			lp.publish()
		}
	}
}
