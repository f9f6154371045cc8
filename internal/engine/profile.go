package engine

import (
	"context"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// Options say how Profile plays a trace.
type Options struct {
	Config  cachemodes.Config
	Weights Weights
	// Repeat is how often the runs of the trace are played with the models
	// loaded once; at least 1. A trace whose runs cannot be repeated alone
	// (Trace.Loop) is played whole each time.
	Repeat int
	// Record keeps every event, for Result.History.
	Record bool
	// Read asks the driver, every readEvery; nil where there is none to ask.
	Read func() Reading
	// Watch, if set, is given the figures every publishEvery, and at the end.
	Watch func(*Figures)
	// Progress, if set, is told now and then how many of the events are done.
	Progress func(done, total int64)
	// Clock, if set, is the time that runs are measured with, in microseconds:
	// that of a device which only counts what a real one would take.
	Clock func() int64
}

// Figures are the books while a trace is played. They do not change.
type Figures struct {
	Config  cachemodes.Config
	Usage   [cachemodes.NumUsages]probe.Books
	Total   probe.Books
	Runs    int64 // ended
	Adjusts int64
	Driver  Reading
}

// Result is what a trace did on a device under one config.
type Result struct {
	Config cachemodes.Config
	Total  probe.Books
	Usage  [cachemodes.NumUsages]probe.Books
	Runs   []probe.Run
	Keys   []probe.Key // buckets that were served, by usage and size
	// AvgHeldWall is the mean of held bytes over time, where HasWall: on a
	// device whose time means something.
	AvgHeldWall int64
	HasWall     bool
	Events      int64
	Elapsed     time.Duration
	// History is every event, if Options.Record; until the workload's end, so
	// that what it left is still there.
	History probe.History
	// Driver is the last reading, with where it is from or why there is none.
	Driver Reading
	// DeviceTime is the part of Elapsed spent in calls of a timed device.
	DeviceTime time.Duration
}

// Profile plays the whole trace and leaves the device empty. It stops at once,
// with ctx's error, when ctx is done.
func Profile(ctx context.Context, t *workload.Trace, dev device.Device, o Options) (*Result, error) {
	res := &Result{Config: o.Config}
	p := newPlayer(t, o.Config, dev, o.Weights, func(r *probe.Run) { res.Runs = append(res.Runs, *r) })
	if o.Clock != nil {
		p.clock = o.Clock
	}
	if o.Record {
		p.journal = probe.NewJournal(p.led, o.Config, probe.Unbounded, probe.NewSeries(slotUS, keepSlots))
	}
	var lastRead time.Time
	read := func() {
		if o.Read != nil && time.Since(lastRead) >= readEvery {
			lastRead = time.Now()
			res.Driver = o.Read()
			p.read(res.Driver)
		}
	}
	var lastWatch time.Time
	watch := func() {
		if o.Watch != nil && time.Since(lastWatch) >= publishEvery {
			lastWatch = time.Now()
			o.Watch(p.figures(o.Config, res.Driver))
		}
	}
	read()
	parts := schedule(t, o.Repeat)
	var total int64
	for _, part := range parts {
		total += int64(len(part.events))
	}
	begin := time.Now()
	err := func() error {
		for _, part := range parts {
			p.pass = part.pass
			for i := range part.events {
				e := &part.events[i]
				if err := p.step(e); err != nil {
					return err
				}
				if e.Op == workload.Submit || e.Op == workload.RunEnd {
					if err := ctx.Err(); err != nil {
						return err
					}
					read()
					watch()
					if o.Progress != nil {
						o.Progress(res.Events+int64(i), total)
					}
				}
			}
			res.Events += int64(len(part.events))
		}
		return nil
	}()
	res.Elapsed = time.Since(begin)
	res.DeviceTime = time.Duration(p.deviceUS * float64(time.Microsecond))
	res.Total = p.led.Total()
	for u := range res.Usage {
		res.Usage[u] = p.led.Usage(cachemodes.Usage(u))
	}
	res.Keys = p.led.Keys()
	lastWatch = time.Time{}
	watch()
	res.AvgHeldWall, res.HasWall = p.led.AvgHeldWall()
	if o.Record {
		res.History = p.journal.History()
	}
	if cerr := p.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// figures are the books as they stand.
func (p *Player) figures(cfg cachemodes.Config, r Reading) *Figures {
	f := &Figures{Config: cfg, Total: p.led.Total(), Runs: p.led.Runs(), Adjusts: p.led.Adjusts(), Driver: r}
	for u := range f.Usage {
		f.Usage[u] = p.led.Usage(cachemodes.Usage(u))
	}
	return f
}

// part is a stretch of events that belongs to one repetition.
type part struct {
	events []workload.Event
	pass   int64
}

// schedule is a trace's events with its runs repeated.
func schedule(t *workload.Trace, repeat int) []part {
	loop := t.Loop()
	if repeat <= 1 || loop == nil {
		parts := []part{{t.Events, 0}}
		for i := 1; i < repeat; i++ {
			parts = append(parts, part{t.Events, int64(i)})
		}
		return parts
	}
	parts := []part{{t.Prologue(), 0}}
	for i := range repeat {
		parts = append(parts, part{loop, int64(i)})
	}
	return append(parts, part{t.Epilogue(), int64(repeat - 1)})
}

// Need is the most that a trace will hold on a device at once under a config,
// in bytes: everything held, and what bypasses the caches. Without weights it
// leaves them out. It plays the trace on the host, in memory.
func Need(ctx context.Context, t *workload.Trace, cfg cachemodes.Config, weights Weights) (peak, largest int64, err error) {
	dev := &gauge{made: map[device.ID]int64{}}
	p := newPlayer(t, cfg, dev, weights, nil)
	for i := range t.Events {
		if err := p.step(&t.Events[i]); err != nil {
			return 0, 0, err
		}
		if t.Events[i].Op == workload.RunEnd && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
	}
	return dev.peak, dev.largest, p.close()
}

// gauge is a device that measures how full it gets.
type gauge struct {
	made               map[device.ID]int64
	now, peak, largest int64
}

func (g *gauge) Info() device.Info { return device.NewHost().Info() }

func (g *gauge) Create(id device.ID, size int64, _ cachemodes.Usage) error {
	g.made[id] = size
	g.now += size
	g.peak, g.largest = max(g.peak, g.now), max(g.largest, size)
	return nil
}

func (g *gauge) Destroy(id device.ID) {
	g.now -= g.made[id]
	delete(g.made, id)
}

func (g *gauge) Use(device.ID, bool) error { return nil }
func (g *gauge) Submit() error             { return nil }
func (g *gauge) Wait() error               { return nil }
func (g *gauge) Close() error              { return nil }
