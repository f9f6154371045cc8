package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/units"
	"bucketscope/probe"
	"bucketscope/workload"
)

// Weights says what becomes of weights, which no policy can change.
type Weights string

// The ways to treat weights.
const (
	// MakeWeights makes them on the device like every other buffer.
	MakeWeights Weights = "make"
	// AccountWeights books them but does not make them.
	AccountWeights Weights = "account"
)

// Player plays events on a manager, a device and a ledger.
//
//	lane ─┐ enter: decide, book │ leave: device calls
//	lane ─┤        one at a time │        at the same time
//	lane ─┘
//
// Each of its lanes plays one trace. They are used by one goroutine, or if the
// player is shared each by its own: what is decided and booked is under one
// lock then, and calls of the device are outside of it.
type Player struct {
	mgr     *cachemodes.Manager
	dev     device.Device
	led     *probe.Ledger
	watch   probe.Watch
	journal *probe.Journal // nil where nobody looks back
	weights Weights
	timed   bool
	idle    bool // the device's calls need not be made
	// clock is microseconds since the player began; at is its last answer. It is
	// asked at submits and around runs, and of a timed device at both ends of the
	// calls that are timed. Of a shared one it is asked for every event.
	clock func() int64
	at    int64
	lanes []*lane
	next  int32 // index of the next lane's first session
	// onRun is told of every run that ended; the Run is the callee's.
	onRun func(*probe.Run)
	// hazards are the first ones that were seen.
	hazards []probe.Hazard
	// deviceTime is the time spent in calls of a timed device. In one run of
	// exactEvery, which is exact, all are timed; in others of Uses each
	// sampleUses-th, for all of them.
	deviceTime time.Duration
	exact      bool
	started    int // runs
	untimed    int // Uses since
	// late is what was decided and made, and is not booked yet, in the order of
	// its Plain; times says whose it was and when, and who submitted meanwhile: see
	// settle.
	late     cachemodes.Played
	times    []lateTime
	expanded []cachemodes.Event // scratch of lanes
	inRun    int                // runs open
	capture  bool               // runs that can be are captured as graphs

	shared bool
	mu     sync.Mutex
	// The numbers of buffers on a shared device are its own: the manager's are
	// free again before the device has destroyed what they named.
	devOf   []device.ID // by BufID
	freeIDs []device.ID
	numIDs  device.ID
}

// lane plays one trace.
type lane struct {
	p     *Player
	trace *workload.Trace
	first int32 // index of its first session
	since int64 // entries of the journal when it was added
	pass  int64
	// slots maps Event.Buf to the manager's buffer; none for none.
	slots      []cachemodes.BufID
	open       int           // runs of it
	waits      []probe.Waits // by session, since its last run end
	recorded   []bool        // by session: it has commands that are not submitted
	inside     bool          // it has the lock
	doomed     []device.ID   // to be destroyed once the lock is given back
	graphs     *graphs       // nil where nothing is captured
	ran        Ran           // its last run that ended
	deviceTime time.Duration // since it was booked
}

// lateTime is of late events from one on: when they were, and whose those are that
// are plain. Before them a session may have submitted.
type lateTime struct {
	from      int
	at        int64
	submitted bool
	session   int32 // who submitted, else whose they are
	domain    cachemodes.DomainID
}

// What a player does not do within the runs of a timed device.
const (
	// sampleUses is of how many Uses one is timed, and exactEvery of how many runs
	// one has all of them timed.
	sampleUses = 64
	exactEvery = 8
	// mostLate bounds what waits to be booked, in a run without an end.
	mostLate = 1 << 14
)

// none is the slot of a buffer that is not out.
const none cachemodes.BufID = -1

// keepHazards is how many hazards are kept in full; the ledger counts all.
const keepHazards = 64

// setup says how a player begins.
type setup struct {
	config  cachemodes.Config
	sharing cachemodes.Sharing
	weights Weights
	capture bool
	shared  bool
	onRun   func(*probe.Run)
}

// newPlayer begins with nothing on the device and empty books, with one lane,
// and a clock that runs from now.
func newPlayer(t *workload.Trace, cfg cachemodes.Config, dev device.Device, weights Weights) *Player {
	p := begin(dev, setup{config: cfg, weights: weights})
	p.add(t)
	return p
}

// begin makes a player without a lane.
func begin(dev device.Device, s setup) *Player {
	start := time.Now()
	p := &Player{
		mgr: cachemodes.NewSharing(s.config, s.sharing), dev: dev, led: &probe.Ledger{},
		weights: s.weights, timed: dev.Info().Timed, capture: s.capture, shared: s.shared,
		clock: func() int64 { return time.Since(start).Microseconds() }, onRun: s.onRun,
	}
	_, p.idle = dev.(device.Idle)
	p.watch.Immediate = s.sharing.Provoke == cachemodes.DestroyBeforeSubmit
	if p.timed { // the mean over time begins now, in a replay of the journal too
		p.led.Advance(0)
	}
	return p
}

// add makes a lane for a trace.
func (p *Player) add(t *workload.Trace) *lane {
	sessions := max(len(t.Sessions), 1) // a trace of no file may name none
	l := &lane{
		p: p, trace: t, first: p.next, slots: make([]cachemodes.BufID, t.Slots), waits: make([]probe.Waits, sessions),
		recorded: make([]bool, sessions),
	}
	for i := range l.slots {
		l.slots[i] = none
	}
	if p.journal != nil {
		l.since = p.end()
	}
	if p.capture {
		l.graphs = newGraphs(t)
	}
	p.next += int32(sessions)
	p.lanes = append(p.lanes, l)
	return l
}

// RunError is a workload that could not go on.
type RunError struct {
	Run   string // "run 41 (conv0 step3)"
	Held  int64  // bytes held when it happened
	Cause error
}

func (e *RunError) Error() string {
	return fmt.Sprintf("%s stopped with %s held: %v", e.Run, units.Bytes(e.Held, false), e.Cause)
}

func (e *RunError) Unwrap() error { return e.Cause }

// step plays one event of the first lane.
func (p *Player) step(e *workload.Event) error { return p.lanes[0].step(e) }

// step plays one event. After an error the books still balance; the player
// can only be closed.
func (l *lane) step(e *workload.Event) error {
	p := l.p
	var err error
	switch e.Op {
	case workload.Request:
		err = l.request(e)
	case workload.Release:
		l.release(e)
	case workload.Submit:
		err = l.submit(e.Session)
	case workload.RunStart:
		err = l.runStart(e)
	case workload.RunEnd:
		err = l.runEnd(e)
	case workload.SessionCreate:
		l.life(probe.SessionCreated, e.Session)
	case workload.SessionReady:
		l.life(probe.SessionIsReady, e.Session)
	case workload.SessionRelease:
		err = l.sessionRelease(e.Session)
	}
	if invariants && !p.shared {
		p.mustBalance()
	}
	if err != nil {
		return l.stopped(e, err)
	}
	return nil
}

// stretch plays events and answers how many, at least one: as many as go together
// where nobody has to be told of one before the next is played. calls are the
// same events. See step for errors.
func (l *lane) stretch(events []workload.Event, calls []cachemodes.Call) (int, error) {
	if n := l.together(calls); n > 0 {
		return n, nil
	}
	if n, err := l.plain(events, calls); n > 0 {
		return n, err
	}
	return 1, l.step(&events[0])
}

// plain plays as many calls as are plain (see Manager.PlayPlain), and answers how many;
// calls are those of the events. It is for a timed device: a run waits for what is
// decided, and for the device, but for no book.
func (l *lane) plain(events []workload.Event, calls []cachemodes.Call) (int, error) {
	p := l.p
	if !p.defers() || l.graphs != nil || invariants {
		return 0, nil
	}
	p.makeRoom()
	at := len(p.late.Plain)
	done, played := p.mgr.PlayPlain(l.first, calls, l.slots, p.late.Plain)
	p.late.Plain = played.Plain
	if done == 0 {
		return 0, nil
	}
	p.times = append(p.times, lateTime{from: at, at: p.at, session: played.Session, domain: played.Domain})
	hits, r := played.Plain[at:], device.Recording(played.Session)
	var err error
	if p.exact { // timed together
		err = l.device(func() error { return l.useHits(r, hits, false) })
	} else {
		err = l.useHits(r, hits, true)
	}
	if err != nil {
		return done, l.stopped(&events[0], err)
	}
	return done, nil
}

// joins reports whether calls of the lane may go together: nothing has to be done
// for one of them before the next is decided. Where destroying is a hazard, the watch
// has to know of a submit before it is told what that destroyed.
func (l *lane) joins() bool {
	p := l.p
	return p.idle && !p.timed && !p.shared && l.graphs == nil && !p.watch.Immediate && !invariants
}

// together plays as many calls as go together, and answers how many. With a
// journal it goes up to a submit, which has a time and an entry of its own.
func (l *lane) together(calls []cachemodes.Call) int {
	p := l.p
	if !l.joins() {
		return 0
	}
	if p.journal != nil {
		for i := range calls {
			if calls[i].Op == cachemodes.CallRefresh {
				calls = calls[:i]
				break
			}
		}
	}
	done, played := p.mgr.Play(l.first, calls, l.slots)
	if p.journal == nil {
		p.watch.Played(&played, func(h *probe.Hazard) { p.found(p.at, h) })
		p.led.Played(&played)
		return done
	}
	p.expanded = p.mgr.Expand(&played, p.expanded[:0])
	for i := range p.expanded {
		p.bookEvent(p.at, &p.expanded[i])
	}
	return done
}

// play plays events; calls are the same.
func (l *lane) play(events []workload.Event, calls []cachemodes.Call) error {
	for at := 0; at < len(events); {
		n, err := l.stretch(events[at:], calls[at:])
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// stopped says where an error was.
func (l *lane) stopped(e *workload.Event, err error) error {
	where := "the workload between runs"
	if e.Run != workload.NoRun {
		r := &l.trace.Runs[e.Run]
		where = fmt.Sprintf("run %d (%s)", r.ID, r.Label)
	}
	l.enter(e.Session)
	l.p.settle()
	total := l.p.led.Total()
	l.leave()
	return &RunError{Run: where, Held: total.Held(), Cause: err}
}

// enter begins what must not be done by two lanes at once, on behalf of a
// session of the trace; how long it waited is booked with the session's run.
func (l *lane) enter(session int32) {
	if l.p.shared {
		l.enterSlowly(session)
	}
}

func (l *lane) enterSlowly(session int32) {
	p := l.p
	if p.shared && !p.mu.TryLock() {
		began := time.Now()
		p.mu.Lock()
		w := &l.waits[session]
		w.Count++
		w.US += time.Since(began).Microseconds()
	}
	l.inside = true
	if p.timed {
		p.tick()
	}
}

// lock is enter for what is no session's doing: the time does not go on, and
// nobody is told of a wait.
func (l *lane) lock() {
	if l.p.shared {
		l.p.mu.Lock()
		l.inside = true
	}
}

// leave ends it; then the device destroys what was given up.
func (l *lane) leave() {
	if l.p.shared {
		l.leaveSlowly()
	}
}

func (l *lane) leaveSlowly() {
	p := l.p
	p.deviceTime += l.deviceTime
	l.deviceTime = 0
	l.inside = false
	p.mu.Unlock()
	if len(l.doomed) == 0 {
		return
	}
	for _, id := range l.doomed {
		p.dev.Destroy(id)
	}
	p.mu.Lock()
	p.freeIDs = append(p.freeIDs, l.doomed...)
	p.mu.Unlock()
	l.doomed = l.doomed[:0]
}

// tick asks the clock. Held bytes are weighed with the time until now.
func (p *Player) tick() { p.advance(p.clock()) }

func (p *Player) advance(us int64) {
	p.at = us
	if p.timed && !p.defers() {
		p.led.Advance(us)
	}
}

// defers reports whether events wait to be booked: on a timed device, whose runs
// are not to take longer for the books, and which no other lane shares.
func (p *Player) defers() bool { return p.timed && !p.shared }

// settle books what waits. Whoever looks at the books, the journal or the watch
// calls it first: between runs, and within one as often as a screen looks.
func (p *Player) settle() {
	if len(p.times) == 0 {
		return
	}
	others := p.late.Others
	for i := range p.times {
		t, to := &p.times[i], len(p.late.Plain)
		if i+1 < len(p.times) {
			to = p.times[i+1].from
		}
		p.led.Advance(t.at)
		if t.submitted {
			p.bookSubmit(t.at, t.session)
		}
		part := cachemodes.Played{Session: t.session, Domain: t.domain, Plain: p.late.Plain[t.from:to], Others: others}
		p.expanded = p.mgr.Expand(&part, p.expanded[:0])
		for i := range p.expanded {
			p.bookEvent(t.at, &p.expanded[i])
		}
		others = others[part.NumOthers():]
	}
	p.late.Plain, p.late.Others, p.times = p.late.Plain[:0], p.late.Others[:0], p.times[:0]
	p.led.Advance(p.at)
}

func (l *lane) runInfo(e *workload.Event) probe.RunInfo {
	r := &l.trace.Runs[e.Run]
	return probe.RunInfo{
		Session: l.first + e.Session, ID: r.ID, Label: r.Label, Tokens: r.Tokens,
		Prompt: r.Kind == workload.Prompt, Pass: l.pass,
	}
}

// deviceID is the device's number of a buffer that exists.
func (p *Player) deviceID(id cachemodes.BufID) device.ID {
	if !p.shared {
		return device.ID(id)
	}
	return p.devOf[id]
}

// share makes the player one for several goroutines from now on.
func (p *Player) share() {
	if p.shared {
		return
	}
	p.settle()
	p.shared = true
	for id := range p.mgr.NumBuffers() {
		p.devOf = append(p.devOf, device.ID(id))
	}
	p.numIDs = device.ID(len(p.devOf))
}

// newDeviceID is the device's number of a new buffer.
func (p *Player) newDeviceID(id cachemodes.BufID) device.ID {
	if !p.shared {
		return device.ID(id)
	}
	for int(id) >= len(p.devOf) {
		p.devOf = append(p.devOf, 0)
	}
	if n := len(p.freeIDs); n > 0 {
		p.devOf[id], p.freeIDs = p.freeIDs[n-1], p.freeIDs[:n-1]
	} else {
		p.devOf[id] = p.numIDs
		p.numIDs++
	}
	return p.devOf[id]
}

func (l *lane) request(e *workload.Event) error {
	p := l.p
	usage := e.CacheUsage()
	if l.graphs != nil && usage.Cached() && l.graphs.replays(e.Run) {
		return nil
	}
	session := l.first + e.Session
	l.enter(e.Session)
	id, events := p.mgr.Request(session, usage, e.Bytes)
	if ev := &events[0]; ev.Kind == cachemodes.Hit && !p.shared && !p.timed && l.graphs == nil { // a replay is mostly this
		p.bookEvent(p.at, ev)
		l.slots[e.Buf] = id
		l.recorded[e.Session] = true
		return p.dev.Use(device.Recording(session), device.ID(id), true)
	}
	return l.serve(e, session, usage, id, events)
}

// serve makes what a request led to true, and books it.
func (l *lane) serve(e *workload.Event, session int32, usage cachemodes.Usage, id cachemodes.BufID, events []cachemodes.Event) error {
	p := l.p
	made := p.made(usage)
	last := len(events) - 1
	l.book(events[:last])
	fresh := events[last].Kind == cachemodes.Create
	var dev device.ID
	if !fresh {
		dev = p.deviceID(id)
		p.apply(&events[last])
	} else if err := l.create(id, &events[last], made); err != nil {
		l.leave()
		return err
	} else {
		dev = p.deviceID(id)
	}
	l.slots[e.Buf] = id
	l.leave()
	if !made {
		return nil
	}
	if l.graphs != nil {
		l.graphs.used(e.Run, usage, dev)
	}
	l.recorded[e.Session] = true
	return l.use(device.Recording(session), dev, !fresh)
}

// useHits has the device use the buffers that were hit; sampled, it times one call
// of several.
func (l *lane) useHits(r device.Recording, events []cachemodes.Plain, sampled bool) error {
	for i := range events {
		e := &events[i]
		if e.Kind != cachemodes.Hit {
			continue
		}
		l.recorded[int32(r)-l.first] = true
		id := device.ID(e.Buf)
		if sampled {
			if err := l.sample(r, id, true); err != nil {
				return err
			}
		} else if err := l.p.dev.Use(r, id, true); err != nil {
			return err
		}
	}
	return nil
}

// use has the device use a buffer.
func (l *lane) use(r device.Recording, id device.ID, recycled bool) error {
	if p := l.p; p.defers() && !p.exact {
		return l.sample(r, id, recycled)
	}
	return l.device(func() error { return l.p.dev.Use(r, id, recycled) })
}

// sample has the device use a buffer, and times one call of several for all.
func (l *lane) sample(r device.Recording, id device.ID, recycled bool) error {
	p := l.p
	if p.untimed++; p.untimed < sampleUses {
		return p.dev.Use(r, id, recycled)
	}
	p.untimed = 0
	before := p.deviceTime
	err := l.device(func() error { return p.dev.Use(r, id, recycled) })
	p.deviceTime += (sampleUses - 1) * (p.deviceTime - before)
	return err
}

// made reports whether buffers of a usage exist on the device.
func (p *Player) made(u cachemodes.Usage) bool {
	return u != cachemodes.Weights || p.weights == MakeWeights
}

// create makes the buffer of an event true and books it. It is called with the
// lock and gives it back while the device works.
func (l *lane) create(id cachemodes.BufID, e *cachemodes.Event, made bool) error {
	p := l.p
	dev := p.newDeviceID(id)
	if !made {
		p.apply(e)
		return nil
	}
	if !p.shared {
		err := l.make(id, dev, e.Size, e.Usage)
		if err != nil {
			l.book(p.mgr.Fail(id))
			return err
		}
		p.apply(e)
		return nil
	}
	event := *e
	l.leave()
	err := l.make(id, dev, event.Size, event.Usage)
	l.enter(event.Session - l.first)
	if err != nil {
		p.freeIDs = append(p.freeIDs, dev)
		l.book(p.mgr.Fail(id))
		return err
	}
	p.apply(&event)
	return nil
}

// make makes a buffer on the device. Where that has no memory for it, modes that
// then free what they keep do so, and it is asked once more.
func (l *lane) make(id cachemodes.BufID, dev device.ID, size int64, usage cachemodes.Usage) error {
	p := l.p
	create := func() error { return p.dev.Create(dev, size, usage) }
	err := l.device(create)
	if err == nil {
		return nil
	}
	var oom *device.OutOfMemoryError
	if !errors.As(err, &oom) {
		return err
	}
	l.enter(0)
	freed := p.mgr.Relieve(id)
	n := len(freed)
	l.book(freed)
	l.leave()
	if n == 0 {
		return err
	}
	// The memory comes back when the commands that use it are done.
	if err := l.flush(); err != nil {
		return err
	}
	return l.device(create)
}

// flush submits what the sessions of the trace recorded, and waits for it.
func (l *lane) flush() error {
	for i := range l.recorded {
		if err := l.send(int32(i)); err != nil {
			return err
		}
	}
	return l.device(l.p.dev.Wait)
}

// send submits what a session of the trace recorded.
func (l *lane) send(session int32) error {
	l.recorded[session] = false
	return l.device(func() error { return l.p.dev.Submit(device.Recording(l.first + session)) })
}

// device times a call of the device, where its time means something.
func (l *lane) device(call func() error) error {
	p := l.p
	if !p.timed {
		return call()
	}
	if p.shared { // the clock is under the lock
		begin := time.Now()
		err := call()
		l.deviceTime += time.Since(begin)
		return err
	}
	begin := p.clock()
	err := call()
	end := p.clock()
	p.deviceTime += time.Duration(end-begin) * time.Microsecond
	p.advance(end)
	return err
}

func (l *lane) release(e *workload.Event) {
	id := l.slots[e.Buf]
	if id == none { // a replayed graph's own
		return
	}
	l.slots[e.Buf] = none
	p := l.p
	l.enter(e.Session)
	events := p.mgr.Release(id)
	if ev := &events[0]; len(events) == 1 && ev.Kind != cachemodes.Destroy && !p.timed { // a replay is mostly this
		p.bookEvent(p.at, ev)
	} else {
		l.book(events)
	}
	l.leave()
}

func (l *lane) submit(session int32) error {
	p, id := l.p, l.first+session
	if err := l.send(session); err != nil {
		return err
	}
	l.enter(session)
	if !p.defers() { // else it was asked as the device came back
		p.tick()
	}
	p.submitted(id)
	l.book(p.mgr.Refresh(id))
	l.leave()
	return nil
}

// life notes a step of a session's life.
func (l *lane) life(what probe.What, session int32) {
	l.enter(session)
	l.p.note(what, l.first+session)
	l.leave()
}

// sessionRelease submits what the session still recorded and lets it go.
func (l *lane) sessionRelease(session int32) error {
	p, id := l.p, l.first+session
	if l.recorded[session] {
		if err := l.send(session); err != nil {
			return err
		}
	}
	l.enter(session)
	p.note(probe.SessionReleased, id)
	p.watch.Submitted(id)
	if l.graphs != nil {
		for _, g := range l.graphs.forget(session) {
			p.watch.Graph(g, false, true)
		}
	}
	l.book(p.mgr.SessionRelease(id))
	l.leave()
	return nil
}

// runStart begins a run on an idle device: what was recorded before, such as
// the first write of the weights, is no part of its latency.
func (l *lane) runStart(e *workload.Event) error {
	p, id := l.p, l.first+e.Session
	l.enter(e.Session)
	idle := p.inRun == 0
	l.leave()
	if idle {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.enter(e.Session)
	l.book(p.mgr.RunStart(id))
	p.settle()
	if p.inRun == 0 {
		p.exact = p.started%exactEvery == 0
		p.started++
	}
	p.inRun++
	l.open++
	p.tick()
	info := l.runInfo(e)
	p.watch.RunStart(id, info.ID)
	if p.journal != nil {
		p.journal.StartRun(p.at, info)
	}
	p.led.StartRun(info, p.at)
	if l.graphs == nil {
		l.leave()
		return nil
	}
	l.graphStart(e)
	l.leave()
	return l.replay(e)
}

func (l *lane) runEnd(e *workload.Event) error {
	p, session := l.p, l.first+e.Session
	if err := l.device(p.dev.Wait); err != nil {
		return err
	}
	l.enter(e.Session)
	p.tick()
	l.book(p.mgr.RunEnd(session))
	if l.graphs != nil {
		l.graphEnd(e)
	}
	p.inRun--
	l.open--
	p.settle()
	id := l.trace.Runs[e.Run].ID
	if w := &l.waits[e.Session]; w.Count > 0 {
		if p.journal != nil {
			p.journal.Wait(p.at, session, *w)
		}
		p.led.Wait(session, *w)
		*w = probe.Waits{}
	}
	if p.journal != nil {
		p.journal.EndRun(p.at, session, id)
	}
	r := p.led.EndRun(session, id, p.mgr.Mode(cachemodes.Storage), p.at)
	p.watch.RunEnd(session)
	l.ran = Ran{r.DurationUS(), r.Total.Creates}
	if p.onRun != nil {
		theirs := r // r itself must not be allocated where nobody is told
		p.onRun(&theirs)
	}
	l.leave()
	return nil
}

// book makes destructions true and books events.
func (l *lane) book(events []cachemodes.Event) {
	p := l.p
	for i := range events {
		e := &events[i]
		if e.Kind == cachemodes.Destroy && p.made(e.Usage) {
			if p.shared {
				l.doomed = append(l.doomed, p.devOf[e.Buf])
			} else {
				p.dev.Destroy(device.ID(e.Buf))
			}
		}
		p.apply(e)
	}
}

// apply books an event, or has it wait for that.
func (p *Player) apply(e *cachemodes.Event) {
	if !p.defers() {
		p.bookEvent(p.at, e)
		return
	}
	p.wait()
	n := len(p.late.Others)
	p.late.Others = slices.Grow(p.late.Others, 1)[:n+1]
	p.late.Others[n] = *e // in place: a run waits for it
	p.late.Plain = append(p.late.Plain, cachemodes.Plain{Kind: cachemodes.Other, Buf: 1})
}

// makeRoom settles where too much waits to be booked.
func (p *Player) makeRoom() {
	if len(p.late.Plain) >= mostLate {
		p.settle()
	}
}

// wait has what is decided next wait for its booking.
func (p *Player) wait() {
	p.makeRoom()
	if n := len(p.times); n == 0 || p.times[n-1].at != p.at {
		p.times = append(p.times, lateTime{from: len(p.late.Plain), at: p.at})
	}
}

// bookEvent books an event, in the journal first: that needs the state before it.
func (p *Player) bookEvent(at int64, e *cachemodes.Event) {
	if h := p.watch.Event(e); h != nil {
		p.found(at, h)
	}
	if p.journal != nil && e.Kind != cachemodes.Move { // whose cache a buffer is in is the manager's to say
		p.journal.Event(at, e)
	}
	p.led.Apply(e)
}

// submitted books that a session submitted, or has it wait for that.
func (p *Player) submitted(session int32) {
	if !p.defers() {
		p.bookSubmit(p.at, session)
		return
	}
	p.times = append(p.times, lateTime{from: len(p.late.Plain), at: p.at, submitted: true, session: session})
}

func (p *Player) bookSubmit(at int64, session int32) {
	if p.journal != nil {
		p.journal.Session(at, probe.Submitted, session)
	}
	p.watch.Submitted(session)
}

// found books a hazard.
func (p *Player) found(at int64, h *probe.Hazard) {
	if p.journal != nil {
		p.journal.Hazard(at, h)
	}
	p.led.Hazard(h)
	if len(p.hazards) < keepHazards {
		p.hazards = append(p.hazards, *h)
	}
}

// note notes a step of a session's life.
func (p *Player) note(what probe.What, session int32) {
	p.settle()
	if p.journal != nil {
		p.journal.Session(p.at, what, session)
	}
	p.led.Step(what, session)
}

// read notes in the journal what the driver says.
func (p *Player) read(r Reading) {
	p.settle()
	if p.journal != nil {
		p.journal.ReadDriver(p.at, probe.Reading{Bytes: r.Bytes, OK: r.OK})
	}
}

// remark puts a person's note into the journal.
func (p *Player) remark(text string) {
	p.settle()
	p.at = p.clock()
	if p.journal != nil {
		p.journal.Note(p.at, text)
	}
}

// set changes the mode or the parameters of a usage. It is for the goroutine of
// the first lane, which has the lock where the player is shared; what the change
// gives up is destroyed as the lane leaves.
func (p *Player) set(u cachemodes.Usage, s cachemodes.Setting) error {
	p.settle()
	p.at = p.clock()
	events, err := p.mgr.Set(u, s)
	if err == nil && p.journal != nil {
		p.journal.Configure(p.at, u, s)
	}
	p.lanes[0].book(events)
	p.settle()
	if invariants && !p.shared {
		p.mustBalance()
	}
	return err
}

// empty gives back what a lane has out. The caller has the lock.
func (l *lane) empty() {
	for slot, id := range l.slots {
		if id != none {
			l.slots[slot] = none
			l.book(l.p.mgr.Release(id))
		}
	}
	l.p.settle()
}

// abandon ends the sessions of a lane in the middle of whatever they do: what
// they recorded is submitted, what they have out is given back, and they are
// released. It is for the lane's goroutine, without the lock. Unless nil, then is
// told what went wrong and the ordinal of the first entry of that in the journal,
// before anybody can look at the books.
func (l *lane) abandon(then func(seq int64, err error)) (err error) {
	p := l.p
	for i := range l.recorded {
		if serr := l.send(int32(i)); err == nil {
			err = serr
		}
	}
	l.enter(0)
	defer l.leave()
	if then != nil {
		seq := p.end()
		defer func() { then(seq, err) }()
	}
	l.empty()
	p.inRun -= l.open
	l.open = 0
	for i := range l.recorded {
		id := l.first + int32(i)
		p.watch.Submitted(id)
		if p.led.Session(id).Life == probe.Gone {
			continue
		}
		p.watch.RunEnd(id)
		p.note(probe.SessionAbandoned, id)
		if l.graphs != nil {
			for _, g := range l.graphs.forget(int32(i)) {
				p.watch.Graph(g, false, true)
			}
		}
		p.note(probe.SessionReleased, id)
		l.book(p.mgr.SessionRelease(id))
	}
	p.settle()
	return err
}

// close gives back everything that is out and destroys everything that is
// kept, so that the device is as it was found. The ledger goes on saying what
// happened up to here, and then holds nothing. No lane plays meanwhile.
func (p *Player) close() error {
	var err error
	for _, l := range p.lanes {
		l.lock()
		l.empty()
		l.leave()
	}
	for s := range p.next {
		if serr := p.dev.Submit(device.Recording(s)); err == nil {
			err = serr
		}
		p.watch.Submitted(s)
	}
	first := p.lanes[0]
	first.lock()
	first.book(p.mgr.Drain())
	p.settle()
	first.leave()
	if p.journal != nil {
		p.journal.AbandonRuns(p.at)
	}
	p.led.AbandonRuns()
	p.inRun = 0
	if werr := p.dev.Wait(); err == nil {
		err = werr
	}
	return err
}

// end is the ordinal of the journal's next entry.
func (p *Player) end() int64 {
	p.settle()
	return p.journal.End()
}

// mustBalance stops the program when the books do not.
func (p *Player) mustBalance() {
	if err := p.balance(); err != nil {
		panic(fmt.Sprintf("engine: the books must balance after every event: %v", err))
	}
}

// balance holds the ledger against itself and against the manager.
func (p *Player) balance() error {
	p.settle()
	audit, err := p.mgr.Audit()
	if err == nil {
		err = p.led.Check()
	}
	if err == nil {
		err = p.led.CheckAgainst(audit)
	}
	return err
}
