package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
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
	// Sharing says who shares free buffers.
	Sharing cachemodes.Sharing
	// Capture makes graphs of the runs that can be: see graphs.
	Capture bool
	// Seed says how the events of several traces take turns: the same way for
	// the same seed. Parallel plays each in a goroutine of its own instead.
	Seed     uint64
	Parallel bool
	// WholeRuns is that it is another trace's turn only between runs.
	WholeRuns bool
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
	// Sessions are the books of every session, by index; Remains is what the
	// caches still held at the end.
	Sessions []Session
	Remains  []cachemodes.Held
	// PeakKept is the most that was pending and cached at the end of a run, in
	// bytes: what idle sessions cost.
	PeakKept int64
	// Hazards are the first that were seen, of HazardCount.
	Hazards     []probe.Hazard
	HazardCount int64
}

// Session is one of the sessions that were played.
type Session struct {
	workload.Session
	Workload string // its trace
	Lane     int    // which of the workloads that are played, from 0
	Books    probe.Session
	Running  bool          // a run of it is going on
	Run      probe.RunInfo // that, if Running
	Stopped  bool          // held by a person
	Since    int64         // entries of the history that had happened when it was added
}

// Profile plays the whole trace and leaves the device empty. It stops at once,
// with ctx's error, when ctx is done.
func Profile(ctx context.Context, t *workload.Trace, dev device.Device, o Options) (*Result, error) {
	return ProfileAll(ctx, []*workload.Trace{t}, dev, o)
}

// ProfileAll plays several traces at the same time on one device: sessions of
// their own on shared memory. It is else as Profile.
func ProfileAll(ctx context.Context, traces []*workload.Trace, dev device.Device, o Options) (*Result, error) {
	f := &profile{ctx: ctx, o: o, res: &Result{Config: o.Config}}
	p := begin(dev, setup{
		config: o.Config, sharing: o.Sharing, weights: o.Weights, capture: o.Capture, shared: o.Parallel && len(traces) > 1,
		onRun: func(r *probe.Run) {
			f.res.Runs = append(f.res.Runs, *r)
			kept := f.p.led.Total()
			f.res.PeakKept = max(f.res.PeakKept, kept.Pending+kept.Cached)
		},
	})
	f.p = p
	if o.Clock != nil {
		p.clock = o.Clock
	}
	if o.Record {
		p.journal = probe.NewJournal(p.led, o.Config, probe.Unbounded, probe.NewSeries(slotUS, keepSlots))
	}
	for _, t := range traces {
		part := &playing{lane: p.add(t), parts: schedule(t, o.Repeat)}
		f.lanes = append(f.lanes, part)
		for _, stretch := range part.parts {
			f.total += int64(len(stretch.events))
		}
	}
	f.read()
	begin := time.Now()
	err := f.play()
	p.settle()
	res := f.res
	res.Events = f.done
	res.Elapsed = time.Since(begin)
	p.sum(res)
	f.lastWatch = time.Time{}
	f.watch()
	if o.Record {
		res.History = p.journal.History()
	}
	if err := p.finish(err); err != nil {
		return nil, err
	}
	return res, nil
}

// sum puts the books into a result.
func (p *Player) sum(res *Result) {
	res.DeviceTime = p.deviceTime
	res.Total = p.led.Total()
	for u := range res.Usage {
		res.Usage[u] = p.led.Usage(cachemodes.Usage(u))
	}
	res.Keys = p.led.Keys()
	res.Sessions = p.sessions()
	res.Remains = p.mgr.Domains()
	res.Hazards, res.HazardCount = p.hazards, p.led.Hazards()
	res.AvgHeldWall, res.HasWall = p.led.AvgHeldWall()
}

// finish closes a player after its last event, whose error, if any, is err: the
// first one that went wrong is the answer.
func (p *Player) finish(err error) error {
	if err == nil {
		if berr := p.balance(); berr != nil {
			panic(fmt.Sprintf("engine: the books must balance at the end: %v", berr))
		}
	}
	if cerr := p.close(); err == nil {
		err = cerr
	}
	return err
}

// sessions are all there are, by index.
func (p *Player) sessions() []Session {
	out := make([]Session, 0, p.next)
	for n, l := range p.lanes {
		for i, s := range l.trace.Sessions {
			out = append(out, Session{Session: s, Workload: l.trace.Name, Lane: n, Since: l.since, Books: p.led.Session(l.first + int32(i))})
		}
	}
	for _, r := range p.led.OpenRuns() {
		if int(r.Session) < len(out) {
			out[r.Session].Running, out[r.Session].Run = true, r
		}
	}
	return out
}

// profile is a Profile going on.
type profile struct {
	ctx   context.Context
	o     Options
	p     *Player
	res   *Result
	lanes []*playing

	done, total         int64 // events
	lastRead, lastWatch time.Time
}

// playing is where a lane stands in its trace.
type playing struct {
	*lane
	parts []part
	part  int
	at    int             // in parts[part].events
	last  *workload.Event // that was played
	many  bool            // and some before it at once
}

// some plays the next events, at most so many and at least one, and answers how
// many; 0 after the last.
func (l *playing) some(most int) (int, error) {
	for l.at == len(l.parts[l.part].events) {
		if l.part == len(l.parts)-1 {
			return 0, nil
		}
		l.part, l.at = l.part+1, 0
	}
	part := &l.parts[l.part]
	l.pass = part.pass
	to := l.at + min(most, len(part.events)-l.at)
	n, err := l.stretch(part.events[l.at:to], part.calls[l.at:to])
	l.at += n
	l.last, l.many = &part.events[l.at-1], n > 1
	return n, err
}

// ended reports whether the last event ended a run.
func (l *playing) ended() bool { return l.last.Op == workload.RunEnd }

// looks reports whether it is time to look up from playing: at submits and the ends
// of runs, and after many events at once, which may have submits in them but on a
// timed device, where a run is not to wait for it.
func (l *playing) looks() bool {
	return l.ended() || l.last.Op == workload.Submit || l.many && !l.p.timed
}

// play plays every lane to its end.
func (f *profile) play() error {
	switch {
	case len(f.lanes) == 1:
		for {
			n, err := f.some(f.lanes[0], math.MaxInt)
			if err != nil || n == 0 {
				return err
			}
		}
	case f.o.Parallel:
		return f.parallel()
	}
	random := rand.New(rand.NewPCG(f.o.Seed, uint64(len(f.lanes))))
	left := slices.Clone(f.lanes)
	for len(left) > 0 {
		i := random.IntN(len(left))
		more, err := f.turn(left[i], 1+random.IntN(mostTurn))
		if err != nil {
			return err
		}
		if !more {
			left = slices.Delete(left, i, i+1)
		}
	}
	return nil
}

// turn plays so many events of a lane, or to the end of its run, and answers
// whether there are more.
func (f *profile) turn(l *playing, events int) (more bool, err error) {
	if f.o.WholeRuns {
		events = math.MaxInt
	}
	for events > 0 {
		n, err := f.some(l, events)
		if err != nil || n == 0 {
			return false, err
		}
		if f.o.WholeRuns && l.ended() {
			break
		}
		events -= n
	}
	return true, nil
}

// mostTurn is how many events a trace plays at most before it may be another's
// turn: a few recordings' worth.
const mostTurn = 64

// some plays the next events of a lane, at most so many, and tells those who want
// to know. It answers how many; 0 after the last.
func (f *profile) some(l *playing, most int) (int, error) {
	n, err := l.some(most)
	if err != nil || n == 0 {
		return n, err
	}
	f.done += int64(n)
	if l.looks() || f.p.timed { // a call of a slow device may take seconds
		if err := f.ctx.Err(); err != nil {
			return n, err
		}
	}
	if l.looks() {
		f.read()
		f.watch()
		if f.o.Progress != nil {
			f.o.Progress(f.done, f.total)
		}
	}
	return n, nil
}

// parallel plays each lane in a goroutine of its own. The first error stops all.
func (f *profile) parallel() error {
	ctx, stop := context.WithCancelCause(f.ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, l := range f.lanes {
		all.Go(func() {
			var done int64
			for ctx.Err() == nil {
				n, err := l.some(1)
				if err != nil {
					stop(err)
				}
				if err != nil || n == 0 {
					break
				}
				if done++; l.ended() {
					l.enter(l.last.Session)
					f.done += done
					done = 0
					f.read()
					f.watch()
					if f.o.Progress != nil {
						f.o.Progress(f.done, f.total)
					}
					l.leave()
				}
			}
			f.p.mu.Lock()
			f.done += done
			f.p.mu.Unlock()
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (f *profile) read() {
	if f.o.Read != nil && time.Since(f.lastRead) >= readEvery {
		f.lastRead = time.Now()
		f.res.Driver = f.o.Read()
		f.p.read(f.res.Driver)
	}
}

func (f *profile) watch() {
	if f.o.Watch != nil && time.Since(f.lastWatch) >= publishEvery {
		f.lastWatch = time.Now()
		f.o.Watch(f.p.figures(f.o.Config, f.res.Driver))
	}
}

// figures are the books as they stand.
func (p *Player) figures(cfg cachemodes.Config, r Reading) *Figures {
	p.settle()
	f := &Figures{Config: cfg, Total: p.led.Total(), Runs: p.led.Runs(), Adjusts: p.led.Adjusts(), Driver: r}
	for u := range f.Usage {
		f.Usage[u] = p.led.Usage(cachemodes.Usage(u))
	}
	return f
}

// part is a stretch of events that belongs to one repetition.
type part struct {
	events []workload.Event
	calls  []cachemodes.Call // the same
	pass   int64
}

// partOf is a part of a trace.
func partOf(t *workload.Trace, events []workload.Event, pass int64) part {
	return part{events, t.Calls(events), pass}
}

// schedule is a trace's events with its runs repeated.
func schedule(t *workload.Trace, repeat int) []part {
	loop := t.Loop()
	if repeat <= 1 || loop == nil {
		parts := []part{partOf(t, t.Events, 0)}
		for i := 1; i < repeat; i++ {
			parts = append(parts, partOf(t, t.Events, int64(i)))
		}
		return parts
	}
	parts := []part{partOf(t, t.Prologue(), 0)}
	for i := range repeat {
		parts = append(parts, partOf(t, loop, int64(i)))
	}
	return append(parts, partOf(t, t.Epilogue(), int64(repeat-1)))
}

// Need is the most that a trace will hold on a device at once under a config,
// in bytes: everything held, and what bypasses the caches. Without weights it
// leaves them out. It plays the trace on the host, in memory.
func Need(ctx context.Context, t *workload.Trace, cfg cachemodes.Config, weights Weights) (peak, largest int64, err error) {
	dev := &gauge{made: map[device.ID]int64{}}
	p := newPlayer(t, cfg, dev, weights)
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

// NeedAll is Need of several traces played at the same time, at most: what each
// needs alone, together.
func NeedAll(ctx context.Context, traces []*workload.Trace, cfg cachemodes.Config, weights Weights) (peak, largest int64, err error) {
	type needs struct{ peak, largest int64 }
	known := map[*workload.Trace]needs{} // a thousand sessions may play the same one
	for _, t := range traces {
		n, ok := known[t]
		if !ok {
			if n.peak, n.largest, err = Need(ctx, t, cfg, weights); err != nil {
				return 0, 0, err
			}
			known[t] = n
		}
		peak, largest = peak+n.peak, max(largest, n.largest)
	}
	return peak, largest, nil
}

// gauge is a device that measures how full it gets.
type gauge struct {
	mu                 sync.Mutex
	made               map[device.ID]int64
	now, peak, largest int64
}

func (g *gauge) Info() device.Info { return device.NewHost().Info() }

func (g *gauge) Create(id device.ID, size int64, _ cachemodes.Usage) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made[id] = size
	g.now += size
	g.peak, g.largest = max(g.peak, g.now), max(g.largest, size)
	return nil
}

func (g *gauge) Destroy(id device.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now -= g.made[id]
	delete(g.made, id)
}

// most is the most that existed at once.
func (g *gauge) most() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.peak
}

func (g *gauge) Use(device.Recording, device.ID, bool) error { return nil }
func (g *gauge) Submit(device.Recording) error               { return nil }
func (g *gauge) Wait() error                                 { return nil }
func (g *gauge) Close() error                                { return nil }
