package engine

import (
	"errors"
	"fmt"
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

// Player plays events of one trace on a manager, a device and a ledger. It is
// used by one goroutine.
type Player struct {
	trace   *workload.Trace
	mgr     *cachemodes.Manager
	dev     device.Device
	led     *probe.Ledger
	journal *probe.Journal // nil where nobody looks back
	weights Weights
	timed   bool
	// clock is microseconds since the player began; at is its last answer:
	// asked for every event of a timed device, else at submits and around runs.
	clock func() int64
	at    int64
	// slots maps Event.Buf to the manager's buffer; -1 for none.
	slots []cachemodes.BufID
	pass  int64
	// onRun is told of every run that ended; the Run is the callee's.
	onRun func(*probe.Run)
	// deviceUS is the time spent in calls of a timed device, in microseconds.
	deviceUS float64
	inRun    int // runs open
}

// none is the slot of a buffer that is not out.
const none cachemodes.BufID = -1

// newPlayer begins with nothing on the device and empty books, and a clock that
// runs from now.
func newPlayer(t *workload.Trace, cfg cachemodes.Config, dev device.Device, weights Weights, onRun func(*probe.Run)) *Player {
	start := time.Now()
	p := &Player{
		trace: t, mgr: cachemodes.NewManager(cfg), dev: dev, led: &probe.Ledger{},
		weights: weights, timed: dev.Info().Timed,
		clock: func() int64 { return time.Since(start).Microseconds() },
		slots: make([]cachemodes.BufID, t.Slots), onRun: onRun,
	}
	for i := range p.slots {
		p.slots[i] = none
	}
	if p.timed { // the mean over time begins now, in a replay of the journal too
		p.led.Advance(0)
	}
	return p
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

// step plays one event. After an error the books still balance; the player
// can only be closed.
func (p *Player) step(e *workload.Event) error {
	var err error
	if p.timed {
		p.tick()
	}
	switch e.Op {
	case workload.Request:
		err = p.request(e)
	case workload.Release:
		id := p.slots[e.Buf]
		p.slots[e.Buf] = none
		p.book(p.mgr.Release(id))
	case workload.Submit:
		err = p.submit(e.Session)
	case workload.RunStart:
		err = p.runStart(e)
	case workload.RunEnd:
		err = p.runEnd(e)
	case workload.SessionCreate:
		p.session(probe.SessionCreated, e.Session)
	case workload.SessionReady:
		p.session(probe.SessionIsReady, e.Session)
	case workload.SessionRelease:
		p.session(probe.SessionReleased, e.Session)
		p.book(p.mgr.SessionRelease(e.Session))
	}
	if invariants {
		p.mustBalance()
	}
	if err != nil {
		where := "the workload between runs"
		if e.Run != workload.NoRun {
			r := &p.trace.Runs[e.Run]
			where = fmt.Sprintf("run %d (%s)", r.ID, r.Label)
		}
		total := p.led.Total()
		return &RunError{Run: where, Held: total.Held(), Cause: err}
	}
	return nil
}

// tick asks the clock. Held bytes are weighed with the time until now.
func (p *Player) tick() {
	p.at = p.clock()
	if p.timed {
		p.led.Advance(p.at)
	}
}

func (p *Player) runInfo(e *workload.Event) probe.RunInfo {
	r := &p.trace.Runs[e.Run]
	return probe.RunInfo{
		Session: e.Session, ID: r.ID, Label: r.Label, Tokens: r.Tokens,
		Prompt: r.Kind == workload.Prompt, Pass: p.pass,
	}
}

func (p *Player) request(e *workload.Event) error {
	usage := e.Usage
	if e.Init && usage == cachemodes.Storage {
		usage = cachemodes.Weights
	}
	id, events := p.mgr.Request(e.Session, usage, e.Bytes)
	made := p.made(usage)
	recycled := true
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case cachemodes.Create: // always the last
			recycled = false
			if made {
				if err := p.create(id, e); err != nil {
					p.book(p.mgr.Fail(id))
					return err
				}
			}
		case cachemodes.Destroy:
			if made {
				p.dev.Destroy(device.ID(e.Buf))
			}
		}
		p.apply(e)
	}
	p.slots[e.Buf] = id
	if !made {
		return nil
	}
	return p.device(func() error { return p.dev.Use(device.ID(id), recycled) })
}

// made reports whether buffers of a usage exist on the device.
func (p *Player) made(u cachemodes.Usage) bool {
	return u != cachemodes.Weights || p.weights == MakeWeights
}

// create makes a buffer. Where the device has no memory for it, modes that then
// free what they keep do so, and it is asked once more.
func (p *Player) create(id cachemodes.BufID, e *cachemodes.Event) error {
	size, usage := e.Size, e.Usage
	create := func() error { return p.dev.Create(device.ID(id), size, usage) }
	err := p.device(create)
	if err == nil {
		return nil
	}
	var oom *device.OutOfMemoryError
	if !errors.As(err, &oom) {
		return err
	}
	freed := p.mgr.Relieve(id)
	if len(freed) == 0 {
		return err
	}
	p.book(freed)
	// The memory comes back when the commands that use it are done.
	if err := p.device(p.dev.Submit); err != nil {
		return err
	}
	if err := p.device(p.dev.Wait); err != nil {
		return err
	}
	return p.device(create)
}

// device times a call of the device, where its time means something.
func (p *Player) device(call func() error) error {
	if !p.timed {
		return call()
	}
	t := time.Now()
	err := call()
	p.deviceUS += float64(time.Since(t).Nanoseconds()) / 1000
	return err
}

func (p *Player) submit(session int32) error {
	if err := p.device(p.dev.Submit); err != nil {
		return err
	}
	p.tick()
	p.session(probe.Submitted, session)
	p.book(p.mgr.Refresh(session))
	return nil
}

// runStart begins a run on an idle device: what was recorded before, such as
// the first write of the weights, is no part of its latency.
func (p *Player) runStart(e *workload.Event) error {
	if p.inRun == 0 {
		if err := p.device(p.dev.Submit); err != nil {
			return err
		}
		if err := p.device(p.dev.Wait); err != nil {
			return err
		}
	}
	p.book(p.mgr.RunStart(e.Session))
	p.inRun++
	p.tick()
	info := p.runInfo(e)
	if p.journal != nil {
		p.journal.StartRun(p.at, info)
	}
	p.led.StartRun(info, p.at)
	return nil
}

func (p *Player) runEnd(e *workload.Event) error {
	if err := p.device(p.dev.Wait); err != nil {
		return err
	}
	p.tick()
	p.book(p.mgr.RunEnd(e.Session))
	p.inRun--
	id := p.trace.Runs[e.Run].ID
	if p.journal != nil {
		p.journal.EndRun(p.at, e.Session, id)
	}
	r := p.led.EndRun(e.Session, id, p.mgr.Mode(cachemodes.Storage), p.at)
	if p.onRun != nil {
		p.onRun(&r)
	}
	return nil
}

// book makes destructions true and books events.
func (p *Player) book(events []cachemodes.Event) {
	for i := range events {
		e := &events[i]
		if e.Kind == cachemodes.Destroy && p.made(e.Usage) {
			p.dev.Destroy(device.ID(e.Buf))
		}
		p.apply(e)
	}
}

// apply books an event, in the journal first: that needs the state before it.
func (p *Player) apply(e *cachemodes.Event) {
	if p.journal != nil {
		p.journal.Event(p.at, e)
	}
	p.led.Apply(e)
}

// session notes a step of a session's life.
func (p *Player) session(what probe.What, session int32) {
	if p.journal != nil {
		p.journal.Session(p.at, what, session)
	}
}

// read notes in the journal what the driver says.
func (p *Player) read(r Reading) {
	if p.journal != nil {
		p.journal.ReadDriver(p.at, probe.Reading{Bytes: r.Bytes, OK: r.OK})
	}
}

// note puts a remark into the journal.
func (p *Player) note(text string) {
	p.at = p.clock()
	if p.journal != nil {
		p.journal.Note(p.at, text)
	}
}

// set changes the mode or the parameters of a usage.
func (p *Player) set(u cachemodes.Usage, s cachemodes.Setting) error {
	p.at = p.clock()
	events, err := p.mgr.Set(u, s)
	if err == nil && p.journal != nil {
		p.journal.Configure(p.at, u, s)
	}
	p.book(events)
	if invariants {
		p.mustBalance()
	}
	return err
}

// close gives back everything that is out and destroys everything that is
// kept, so that the device is as it was found. The ledger goes on saying what
// happened up to here, and then holds nothing.
func (p *Player) close() error {
	for slot, id := range p.slots {
		if id != none {
			p.slots[slot] = none
			p.book(p.mgr.Release(id))
		}
	}
	err := p.dev.Submit()
	p.book(p.mgr.Drain())
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

// mustBalance stops the program when the books do not.
func (p *Player) mustBalance() {
	audit, err := p.mgr.Audit()
	if err == nil {
		err = p.led.Check()
	}
	if err == nil {
		err = p.led.CheckAgainst(audit)
	}
	if err != nil {
		panic(fmt.Sprintf("engine: the books must balance after every event: %v", err))
	}
}
