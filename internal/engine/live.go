package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// The delays and sizes of a live profile, in one place.
const (
	// publishEvery is how stale a State may get while the workload runs.
	publishEvery = 50 * time.Millisecond
	// publishInRun is that within a run whose time counts, since what it takes
	// to make a State is in the run's duration then.
	publishInRun = 250 * time.Millisecond
	// readEvery is how often the driver is asked what it holds.
	readEvery = 500 * time.Millisecond
	// slotUS is the width of a graph's slot: finer than a screen refresh.
	slotUS = 20_000
	// keepSlots bounds the graph's history at each width of slots: 2.7 minutes
	// of change in the finest, months in the coarsest; 9 MiB in all.
	keepSlots = 1 << 13
	// keepRuns bounds the log of runs.
	keepRuns = 2048
	// keepJournal bounds, in bytes, how far back any moment can be had again:
	// some ten million events.
	keepJournal = 64 << 20
	// keepMarks bounds the log of what a person changed.
	keepMarks = 512
)

// MemoryBound is the most heap, in bytes, that a live profile takes however
// long it runs, beside the workload and the device: the journal's keepJournal,
// 9 MiB of graph, 6 MiB of runs, 3 MiB of keys of runs, the books, and two States.
// TestDay and TestManySessionsMemory hold it.
const MemoryBound = 104 << 20

// Reading is what a driver says is held, in bytes; OK is false where it cannot
// say, and Reason then tells why.
type Reading struct {
	Bytes  int64
	OK     bool
	Source string
	Reason string
}

// Status is what a live profile is doing.
type Status uint8

// The states of a live profile.
const (
	Running  Status = iota
	Paused          // between two runs
	Failed          // State.Err tells why; going on begins anew
	Recorded        // read from a file; nothing goes on
)

// NotePrefix begins the text of a mark that is a person's note.
const NotePrefix = "note: "

// stoppedText is the mark of a failure.
const stoppedText = "stopped"

// Mark is something that a person changed, to be shown where it happened.
type Mark struct {
	AtUS int64
	Run  int64 // ordinal of the run that was going on or would be next
	Seq  int64 // ordinal of its entry in the history
	Text string
}

// State is what a live profile looks like at one moment. It is immutable: its
// slices are never written again.
type State struct {
	Workload Workload
	Sessions []Session // by index
	Sharing  cachemodes.Sharing
	Capture  bool
	Hazards  int64 // seen; the history has each
	Loans    []probe.Loan
	Device   device.Info
	Config   cachemodes.Config
	Weights  Weights
	Status   Status
	Err      error
	Pace     float64 // runs per second; 0 is flat out
	// Play numbers the beginnings: a workload loaded, or begun anew. Runs, keys
	// and entries of the history are counted from 0 in each.
	Play int64
	// Seq is how many entries of the history had happened.
	Seq int64

	// NowUS is the profile's clock: microseconds since the workload was
	// loaded, pauses left out.
	NowUS int64
	// Current is the run that began last, of whichever workload; it goes on, or
	// another does, if InRun.
	Current probe.RunInfo
	InRun   bool
	// Events counts the workload's events played.
	Events int64
	// DeviceUS is the time spent in calls of a timed device.
	DeviceUS int64
	// Overhead is the share of a run's time not spent in device calls, of the last
	// run in which all were timed (one in eight, and each where sessions play at the
	// same time): policy, books and clock together; negative where time means nothing.
	Overhead float64
	Driver   Reading

	Total    probe.Books
	Usage    [cachemodes.NumUsages]probe.Books
	Keys     []KeyRow
	Runs     []probe.Run // the last ones, oldest first
	RunCount int64
	Adjusts  int64 // renewals of learned keys
	// Slots are the graph's history, the finest slots first.
	Slots [probe.SeriesLevels]probe.Slots
	// KeyRuns are what the last runs asked of each key, oldest first.
	KeyRuns []probe.KeyRun
	// Sizes is how many requests there were, by probe.SizeClass of what was
	// asked for.
	Sizes    [cachemodes.NumCaches][]int64
	Marks    []Mark
	History  probe.History // every event, as far back as it reaches
	Waiting  int           // changes of parameters that wait for the end of the run
	PeakRun  int64         // ordinal of the run in which held bytes peaked
	PeakAtUS int64
}

// OnDevice is what the ledger says the device holds, in bytes: everything held,
// staging and the application's buffers, but not weights that are only
// accounted for. A driver's reading is to be compared with this.
func (s *State) OnDevice() int64 {
	n := s.Total.Held() + s.Usage[cachemodes.Staging].Held() + s.Usage[cachemodes.User].Held()
	if s.Weights == AccountWeights {
		n -= s.Usage[cachemodes.Weights].Held()
	}
	return n
}

// Workload describes what is played.
type Workload struct {
	Name           string
	Model, Pattern string
	Runs, Sessions int
	Events         int
	SHA256         string
	Leaks          int // buffers that it never releases, of LeakBytes
	LeakBytes      int64
	Language       bool // its runs compute tokens
	LoopsWhole     bool // the models are loaded anew each time
}

// KeyRow is a bucket as it stands.
type KeyRow struct {
	cachemodes.Free
	Want, InUse, Pending   int64 // buffers
	LastRequests, LastNew  int64 // of the last run
	Misses                 [cachemodes.NumReasons]int64
	MissesSince            [cachemodes.NumReasons]int64 // since a mode or its parameters changed
	Padding, Creates, Hits int64
	PaddingRun             int64 // the most at once of the last run, and now
	IdleRuns               int64 // ended since it was asked for last
}

// Live plays a workload over and over. Its methods may be called from any
// goroutine; but for Close, they never wait for the workload.
type Live struct {
	state  atomic.Pointer[State]
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of closing the device; read after done

	mu     sync.Mutex
	broken *PanicError // of a session's goroutine
	cmds   []func(*loop)
	wake   chan struct{} // holds a token while cmds may not be empty
}

// LiveOptions say how to begin.
type LiveOptions struct {
	Config  cachemodes.Config
	Weights Weights
	Pace    float64 // runs per second; 0 is flat out
	Paused  bool
	// Read asks the driver; nil where there is none to ask.
	Read func() Reading
	// Follow, if set, is told everything that is played.
	Follow Follower
	// Sharing says who shares free buffers; Capture makes graphs of the runs that
	// can be.
	Sharing cachemodes.Sharing
	Capture bool
	// Others are played beside the workload from its beginning.
	Others []*workload.Trace
}

// StartLive begins to play t on dev, which Live closes when it ends: when ctx
// is done or Close is called.
func StartLive(ctx context.Context, t *workload.Trace, dev device.Device, o LiveOptions) *Live {
	ctx, cancel := context.WithCancel(ctx)
	l := &Live{wake: make(chan struct{}, 1), done: make(chan struct{}), cancel: cancel}
	lp := &loop{live: l, dev: dev, opt: o, cfg: o.Config, pace: o.Pace, paused: o.Paused, tap: tap{to: o.Follow}}
	lp.load(t)
	lp.joinOthers()
	lp.publish()
	go func() {
		defer close(l.done)
		defer func() {
			if p := recover(); p != nil {
				l.err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}()
		lp.run(ctx)
		l.mu.Lock()
		broken := l.broken
		l.mu.Unlock()
		if broken != nil {
			l.err = broken
			return
		}
		l.err = lp.end()
	}()
	return l
}

// PanicError is a broken invariant of the program's own. The goroutine of a
// Live hands it on, so that the terminal can be restored before it is shown.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error, please report it: %v\n\n%s", e.Value, e.Stack)
}

// State is the latest; never nil.
func (l *Live) State() *State { return l.state.Load() }

// Close stops the workload between two events, empties and closes the device,
// and answers with what went wrong in that.
func (l *Live) Close() error {
	l.cancel()
	<-l.done
	return l.err
}

// Done is closed when the workload has ended, for whatever reason.
func (l *Live) Done() <-chan struct{} { return l.done }

// Err is how it ended; valid once Done is closed.
func (l *Live) Err() error { return l.err }

// send queues a command for the loop.
func (l *Live) send(f func(*loop)) {
	l.mu.Lock()
	l.cmds = append(l.cmds, f)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take empties the queue of commands.
func (l *Live) take() []func(*loop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cmds := l.cmds
	l.cmds = nil
	return cmds
}

// SetMode changes the mode of a usage between two events.
func (l *Live) SetMode(u cachemodes.Usage, m cachemodes.ModeID) {
	l.send(func(lp *loop) {
		s := lp.cfg[u]
		if s.Mode == m {
			return
		}
		s.Mode = m
		name := "mode"
		if u != cachemodes.Storage {
			name = u.String()
		}
		lp.set(u, s, name+"→"+m.String())
	})
}

// SetParams changes the numbers of a usage's mode, which must be valid, at the
// end of the run going on, or at once between two runs: every run is played
// under one set of numbers; of several workloads at once, every run of the first.
// Until then State.Waiting counts the change.
func (l *Live) SetParams(u cachemodes.Usage, p cachemodes.Params, mark string) {
	l.send(func(lp *loop) {
		lp.waiting = append(lp.waiting, change{u, p, mark})
		lp.settle()
	})
}

// Note puts a remark of a person's into the history, as a mark.
func (l *Live) Note(text string) {
	l.send(func(lp *loop) {
		lp.lock()
		defer lp.unlock()
		at := lp.player.end()
		lp.player.remark(text)
		lp.mark(at, NotePrefix+text)
	})
}

// Pause holds the workload at the end of the run that it is in, so that no
// run's latency has a pause in it, or lets it go on. After a failure, going on
// is to begin anew; where the device is lost nothing goes on.
func (l *Live) Pause(paused bool) { l.send(func(lp *loop) { lp.pause(paused) }) }

// Step plays to the end of the next run, then pauses.
func (l *Live) Step() {
	l.send(func(lp *loop) {
		lp.pause(false)
		lp.lock()
		defer lp.unlock()
		lp.stepping = true
	})
}

// SetPace changes the pace, in runs per second; 0 is flat out.
func (l *Live) SetPace(pace float64) {
	l.send(func(lp *loop) {
		lp.lock()
		defer lp.unlock()
		lp.pace = pace
	})
}

// Load plays another workload from its beginning, with empty books.
func (l *Live) Load(t *workload.Trace) {
	l.send(func(lp *loop) {
		lp.dismiss()
		lp.opt.Others = nil // they were with the workload that goes
		err := lp.player.close()
		lp.load(t)
		lp.settle()
		lp.fail(err)
	})
}

// change is new numbers for a usage's mode.
type change struct {
	usage  cachemodes.Usage
	params cachemodes.Params
	mark   string
}

// loop is the goroutine of a Live.
type loop struct {
	live *Live
	dev  device.Device
	opt  LiveOptions
	cfg  cachemodes.Config
	pace float64

	trace  *workload.Trace
	about  Workload
	player *Player
	tap    tap
	parts  []part // prologue, loop; the last one repeats
	part   int
	at     int // in parts[part].events

	waiting           []change // for the end of a run
	crew              crew
	counted           atomic.Int64 // events of the crew
	stopped, released bool         // the first workload is held, or its sessions are no more
	paused, stepping  bool
	between           bool // the last event ended a run, or was outside of any
	err               error
	clock             stopwatch
	nextRun           time.Time

	runs      probe.Tail[probe.Run]
	marks     probe.Tail[Mark]
	plays     int64
	events    int64
	overhead  float64
	runDevice time.Duration // player.deviceTime at the last run start

	reading     Reading
	lastRead    time.Time
	lastPublish time.Time
	keys        []cachemodes.Free // scratch
}

// load begins a trace with empty books.
func (lp *loop) load(t *workload.Trace) {
	lp.trace = t
	lp.parts = partsOf(t)
	lp.stopped, lp.released = false, false
	lp.counted.Store(0)
	lp.part, lp.at, lp.err, lp.stepping, lp.between = 0, 0, nil, false, true
	lp.about = Workload{
		Name: t.Name, Model: t.Header.Model, Pattern: t.Header.Pattern, Runs: len(t.Runs), Sessions: len(t.Sessions),
		Events: len(t.Events), SHA256: t.SHA256, LoopsWhole: t.Loop() == nil,
		Leaks: len(t.Leaks),
	}
	for _, l := range t.Leaks {
		lp.about.LeakBytes += l.Bytes
	}
	for i := range t.Runs {
		lp.about.Language = lp.about.Language || t.Runs[i].Tokens > 0
	}
	lp.runs = probe.Tail[probe.Run]{Keep: keepRuns}
	lp.marks = probe.Tail[Mark]{Keep: keepMarks}
	lp.plays++
	lp.events, lp.overhead = 0, -1
	lp.clock.reset()
	lp.nextRun = time.Now()
	lp.player = begin(lp.dev, setup{
		config: lp.cfg, sharing: lp.opt.Sharing, weights: lp.opt.Weights, capture: lp.opt.Capture, onRun: lp.runEnded,
	})
	lp.player.add(t)
	lp.player.clock = lp.clock.us
	lp.player.journal = probe.NewJournal(lp.player.led, lp.cfg, keepJournal, probe.NewSeries(slotUS, keepSlots))
	lp.tap.begin(Beginning{Trace: t, Config: lp.cfg, Sharing: lp.opt.Sharing, Capture: lp.opt.Capture})
}

// run plays until ctx is done.
func (lp *loop) run(ctx context.Context) {
	for ctx.Err() == nil {
		if lp.held() {
			lp.publish()
			lp.wait(ctx, readEvery)
			continue
		}
		if lp.released || lp.stopped && lp.between { // others may play
			lp.publish()
			lp.wait(ctx, publishEvery)
			continue
		}
		if len(lp.parts[lp.part].events) == 0 {
			lp.advance()
			continue
		}
		e := &lp.parts[lp.part].events[lp.at]
		if e.Op == workload.RunStart && lp.player.lanes[0].open == 0 && lp.pace > 0 && !lp.steps() {
			if d := time.Until(lp.nextRun); d > 0 {
				lp.tap.idle()
				lp.publish()
				if lp.wait(ctx, min(d, publishEvery)) {
					continue
				}
			}
			if time.Until(lp.nextRun) > 0 {
				continue
			}
			lp.nextRun = lp.due()
		}
		e = lp.some()
		if e.Op == workload.Submit || e.Op == workload.RunEnd {
			lp.wait(ctx, 0)
			every := publishEvery
			if lp.player.timed && !lp.between {
				every = publishInRun
			}
			if time.Since(lp.lastPublish) >= every {
				lp.publish()
			}
		}
		lp.stretch()
	}
}

// due is when the run after the one that starts now should start. A workload
// slower than the pace is not made to catch up.
func (lp *loop) due() time.Time {
	step := time.Duration(float64(time.Second) / lp.pace)
	next := lp.nextRun.Add(step)
	if now := time.Now(); next.Before(now) {
		return now
	}
	return next
}

// wait waits for commands, for up to d, runs those that came, and answers
// whether there were any.
func (lp *loop) wait(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		select {
		case <-lp.live.wake:
		default:
			return false
		}
	} else {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-lp.live.wake:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	for _, f := range lp.live.take() {
		f(lp)
	}
	lp.publish()
	return true
}

// some plays the next events, within a run as many as go together, notes what the
// screen wants to know, and answers the last of them.
func (lp *loop) some() *workload.Event {
	events := lp.parts[lp.part].events[lp.at:]
	n := lp.step()
	if n == 0 {
		return &events[0]
	}
	e := &events[n-1]
	if e.Op == workload.RunStart {
		lp.lock()
		lp.runDevice = lp.player.deviceTime
		lp.unlock()
	}
	lp.between = lp.player.lanes[0].open == 0 || e.Op == workload.RunEnd
	lp.settle()
	lp.at += n - 1
	lp.advance()
	return e
}

// stretch plays on to where anybody may have a say, within a run: a run does not
// wait for what is asked more often.
func (lp *loop) stretch() {
	for !lp.between && lp.err == nil && !lp.released {
		switch lp.parts[lp.part].calls[lp.at].Op {
		case cachemodes.CallRequest, cachemodes.CallBrief, cachemodes.CallRelease:
		default:
			return
		}
		n := lp.step()
		if n == 0 {
			return
		}
		lp.at += n // a run ends before its part does
	}
}

// step has the player play the next event, and within a run those that go together
// with it. It answers how many, none where it could not.
func (lp *loop) step() int {
	part := &lp.parts[lp.part]
	events, calls := part.events[lp.at:], part.calls[lp.at:]
	if lp.between {
		events, calls = events[:1], calls[:1]
	}
	n, err := lp.player.lanes[0].stretch(events, calls)
	if err != nil {
		var oom *device.OutOfMemoryError
		if errors.As(err, &oom) && lp.crew.plays() { // its own error is the one that explains
			_ = lp.leave(givenUp(lp.trace.Name, err))
			return 0
		}
		lp.fail(err)
		return 0
	}
	lp.events += int64(n)
	var ran *Ran
	if lp.player.timed {
		ran = &lp.player.lanes[0].ran
	}
	lp.tap.played(events[:n], ran)
	return n
}

// settle puts the changes in force that waited, if no run is in the way.
func (lp *loop) settle() {
	if !lp.between && lp.err == nil {
		return
	}
	for len(lp.waiting) > 0 {
		c := lp.waiting[0]
		lp.waiting = lp.waiting[1:]
		if s := lp.cfg[c.usage]; !s.Params.Equal(c.params) {
			s.Params = c.params
			lp.set(c.usage, s, c.mark)
		}
	}
}

// advance goes to the next event; the last part repeats.
func (lp *loop) advance() {
	lp.at++
	if lp.at < len(lp.parts[lp.part].events) {
		return
	}
	lp.at = 0
	if lp.part < len(lp.parts)-1 {
		lp.part++
	} else {
		lp.player.lanes[0].pass++
	}
	if lp.part == len(lp.parts)-1 {
		lp.tap.pass(lp.player.lanes[0].pass, lp.cfg)
	}
}

func (lp *loop) runEnded(r *probe.Run) {
	lp.runs.Add(*r)
	if d := float64(r.DurationUS()); lp.player.timed && d > 0 && (lp.player.exact || lp.player.shared) {
		lp.overhead = max(0, 1-float64((lp.player.deviceTime-lp.runDevice).Microseconds())/d)
	}
	if lp.stepping {
		lp.stepping = false
		lp.paused = true
	}
}

// steps reports whether a single run was asked for.
func (lp *loop) steps() bool {
	lp.lock()
	defer lp.unlock()
	return lp.stepping
}

// held reports whether nothing is to be played: it was paused, or it failed. The
// profile's clock stands meanwhile.
func (lp *loop) held() bool {
	lp.lock()
	defer lp.unlock()
	if lp.err == nil && (!lp.paused || !lp.between) {
		return false
	}
	lp.clock.pause(true)
	return true
}

func (lp *loop) pause(paused bool) {
	if errors.As(lp.err, new(*device.LostError)) {
		return // what was recorded is worth more than a beginning that fails
	}
	if lp.err != nil && !paused {
		lp.load(lp.trace)
		lp.joinOthers()
		lp.settle()
	}
	lp.lock()
	defer lp.unlock()
	if lp.crew.moved != nil {
		lp.crew.moved.Broadcast()
	}
	lp.paused = paused
	if !paused {
		lp.clock.pause(false)
		lp.nextRun = time.Now()
	}
}

// set changes a setting now, and for the workloads to come.
func (lp *loop) set(u cachemodes.Usage, s cachemodes.Setting, mark string) {
	lp.lock()
	at := lp.player.end()
	err := lp.player.set(u, s)
	if err == nil {
		lp.cfg[u] = s
		lp.tap.set(u, s)
		lp.mark(at, mark)
	}
	lp.unlock()
	lp.fail(err)
}

// mark notes what a person changed, or that the workload stopped, under the
// ordinal of its first entry.
func (lp *loop) mark(seq int64, text string) {
	lp.marks.Add(Mark{AtUS: lp.player.at, Run: lp.player.led.Runs(), Seq: seq, Text: text})
}

// fail stops the workload; what it held is given back, and the books say so.
func (lp *loop) fail(err error) {
	if err == nil {
		return
	}
	lp.dismiss()
	if lp.err == nil {
		lp.err = err
	}
	lp.mark(lp.player.end(), stoppedText)
	_ = lp.player.close() // the first error is the one that explains
	lp.clock.pause(true)
}

// end leaves the device empty and closes it.
func (lp *loop) end() error {
	lp.dismiss()
	err := lp.player.close()
	if cerr := lp.dev.Close(); err == nil {
		err = cerr
	}
	return err
}

// publish replaces the State.
func (lp *loop) publish() {
	lp.lock()
	defer lp.unlock()
	lp.lastPublish = time.Now()
	lp.tap.flush()
	if lp.opt.Read != nil && time.Since(lp.lastRead) >= readEvery {
		lp.lastRead = lp.lastPublish
		lp.reading = lp.opt.Read()
		lp.player.read(lp.reading)
	}
	lp.player.settle()
	led, graph, demand := lp.player.led, lp.player.journal.Graph(), lp.player.journal.Demand()
	s := &State{
		Workload: lp.about, Sessions: lp.sessions(), Sharing: lp.opt.Sharing, Capture: lp.opt.Capture, Hazards: led.Hazards(), Loans: led.Loans(), DeviceUS: lp.player.deviceTime.Microseconds(), Device: lp.dev.Info(), Config: lp.cfg, Weights: lp.opt.Weights,
		Err: lp.err, Pace: lp.pace,
		Play: lp.plays, Seq: lp.player.end(),
		NowUS: lp.clock.us(), Current: lp.player.journal.Current(), InRun: lp.player.inRun > 0,
		Events: lp.events + lp.counted.Load(), Overhead: lp.overhead, Driver: lp.reading,
		Total: led.Total(), Runs: lp.runs.All(), RunCount: led.Runs(), Adjusts: led.Adjusts(), Marks: lp.marks.All(),
		Slots: graph.Slots, PeakRun: graph.PeakRun, PeakAtUS: graph.PeakUS, History: lp.player.journal.History(), Waiting: len(lp.waiting),
	}
	switch {
	case lp.err != nil:
		s.Status = Failed
	case lp.paused:
		s.Status = Paused
	}
	for u := range s.Usage {
		s.Usage[u] = led.Usage(cachemodes.Usage(u))
	}
	s.KeyRuns = demand.Rows()
	for u := range s.Sizes {
		s.Sizes[u] = demand.Sizes(cachemodes.Usage(u))
	}
	lp.keys = lp.keys[:0]
	for u := range cachemodes.NumCaches {
		lp.keys = lp.player.mgr.Keys(cachemodes.Usage(u), lp.keys)
	}
	s.Keys = make([]KeyRow, 0, len(lp.keys))
	for _, f := range lp.keys {
		if k, _, _ := led.Key(f.Key); k.Size > 0 { // else the device is still making its first buffer
			s.Keys = append(s.Keys, keyRow(f, led, demand))
		}
	}
	lp.live.state.Store(s)
}

// keyRow is how a bucket stands, with what the books say of it.
func keyRow(f cachemodes.Free, led *probe.Ledger, demand *probe.Demand) KeyRow {
	k, requests, created := led.Key(f.Key)
	return KeyRow{
		Free: f, Want: k.Want(), InUse: k.InUse, Pending: k.Pending, LastRequests: requests, LastNew: created,
		Misses: k.Misses, MissesSince: k.MissesSince(), Padding: k.Padding(), PaddingRun: max(k.Padding(), demand.Padding(f.Key, led)), Creates: k.Creates, Hits: k.Hits,
		IdleRuns: k.IdleRuns(led.Runs()),
	}
}

// stopwatch is a clock that pauses.
type stopwatch struct {
	before  time.Duration
	since   time.Time
	stopped bool
}

func (w *stopwatch) reset() { *w = stopwatch{since: time.Now()} }

func (w *stopwatch) pause(paused bool) {
	if paused == w.stopped {
		return
	}
	if paused {
		w.before += time.Since(w.since)
	} else {
		w.since = time.Now()
	}
	w.stopped = paused
}

func (w *stopwatch) us() int64 {
	if w.stopped {
		return w.before.Microseconds()
	}
	return (w.before + time.Since(w.since)).Microseconds()
}
