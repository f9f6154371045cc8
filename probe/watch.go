package probe

import (
	"fmt"

	"bucketscope/cachemodes"
)

// Watch finds hazards: buffers that are handed on, or destroyed, while commands
// on the GPU still use them. It sees the events of a Manager and when recordings
// are submitted, and believes nothing that the Manager says of itself but which
// buffer went where:
//
//	Event      a buffer was handed out, came back, moved or was destroyed
//	Submitted  the queue has everything that a session recorded
//
// What a session has between a request and the release is in the commands that
// it records meanwhile; a release while nothing was asked for since the last
// submit is of a buffer that no unsubmitted command uses, since every dispatch
// asks for a uniform buffer.
//
// It allocates nothing once every buffer and session was seen, and is used by
// one goroutine.
type Watch struct {
	// Immediate is that Destroy events free memory at once, as wgpuBufferDestroy
	// does, and not when the commands are done, as wgpuBufferRelease does.
	Immediate bool

	bufs   []watched
	made   int64
	recs   []recording
	graphs map[cachemodes.DomainID]bool // captured; false while it is captured
}

// recording is what a session recorded since its last submit.
type recording struct {
	epoch  int64 // submits so far
	newest int64 // epoch of the last commands: this one if there are any yet
	run    int64 // going on, NoRun if none
}

// empty reports whether it has no commands yet.
func (r *recording) empty() bool { return r.newest < r.epoch }

// watched is a buffer.
type watched struct {
	serial int64
	domain cachemodes.DomainID // that made it, or got it by a Move
	out    bool
	usage  cachemodes.Usage
	size   int64 // bytes
	use    Use   // the last one
	epoch  int64 // of the recording of the user's last commands with it
}

// Use is a buffer in the hands of a session.
type Use struct {
	Session   int32
	Run       int64 // as the workload numbers it, NoRun outside of any
	Requested int64 // bytes
	Domain    cachemodes.DomainID
}

// NoRun is the Use.Run of what is outside of every run.
const NoRun int64 = -1

// String is the use in words: "session 1, run 7, 4096 bytes".
func (u *Use) String() string {
	run := "between runs"
	if u.Run != NoRun {
		run = fmt.Sprintf("run %d", u.Run)
	}
	return fmt.Sprintf("session %d, %s, %d bytes", u.Session, run, u.Requested)
}

// Hazard is one that was seen: the two uses share the memory of a buffer.
type Hazard struct {
	Kind   cachemodes.Hazard
	Usage  cachemodes.Usage
	Serial int64 // of the buffer, in the order of creation, from 1
	Size   int64 // bytes
	First  Use   // whose commands are not submitted, or who can replay them
	Second Use   // who got it, or gave it back
}

func (h *Hazard) String() string {
	return fmt.Sprintf("%s: %s buffer %d of %d bytes; first %s; then %s", h.Kind, h.Usage, h.Serial, h.Size, &h.First, &h.Second)
}

func (h *Hazard) code(c *coder) {
	number(c, &h.Kind)
	number(c, &h.Usage)
	numbers(c, &h.Serial, &h.Size)
	for _, u := range []*Use{&h.First, &h.Second} {
		number(c, &u.Session)
		numbers(c, &u.Run, &u.Requested)
		number(c, &u.Domain)
		if u.Session < cachemodes.NoSession || u.Session >= maxSessions {
			c.fail(fmt.Errorf("names session %d", u.Session))
		}
	}
	if c.reading && (int(h.Kind) > len(cachemodes.Hazards()) || int(h.Usage) >= cachemodes.NumUsages) {
		c.fail(fmt.Errorf("names hazard %d of usage %d", h.Kind, h.Usage))
		h.Kind, h.Usage = 0, 0
	}
}

func (w *Watch) rec(session int32) *recording {
	if i := int(session) + 1; i < len(w.recs) {
		return &w.recs[i]
	}
	return w.newRec(session)
}

func (w *Watch) newRec(session int32) *recording {
	for int(session)+1 >= len(w.recs) {
		w.recs = append(w.recs, recording{run: NoRun, newest: -1})
	}
	return &w.recs[session+1]
}

// RunStart and RunEnd say which run a session's uses belong to.
func (w *Watch) RunStart(session int32, run int64) { w.rec(session).run = run }

// RunEnd is described at RunStart.
func (w *Watch) RunEnd(session int32) { w.rec(session).run = NoRun }

// Submitted tells that the queue has what a session recorded, or that it was
// dropped.
func (w *Watch) Submitted(session int32) {
	w.rec(session).epoch++
}

// Graph tells that a graph is captured with buffers of a domain, that it can be
// replayed from now on, or that it is released.
func (w *Watch) Graph(d cachemodes.DomainID, replayable, released bool) {
	if w.graphs == nil {
		w.graphs = map[cachemodes.DomainID]bool{}
	}
	if released {
		delete(w.graphs, d)
		return
	}
	w.graphs[d] = replayable
}

// submitted reports whether the last commands with a buffer are.
func (w *Watch) submitted(b *watched) bool {
	r := w.rec(b.use.Session)
	if b.out {
		return r.empty()
	}
	return b.epoch < r.epoch
}

// Event takes in an event and answers the hazard in it, nil for none. The
// answer is the caller's.
func (w *Watch) Event(e *cachemodes.Event) *Hazard {
	if e.Kind == cachemodes.Refresh { // Submitted tells
		return nil
	}
	if w.quick(e) {
		return nil
	}
	return w.look(e)
}

// quick takes in an event if it is one as plain leaves none of; see there.
func (w *Watch) quick(e *cachemodes.Event) bool {
	if e.Kind == cachemodes.Settle {
		return true
	}
	at, own := uint(e.Buf), uint(e.Last+1)
	if at >= uint(len(w.bufs)) || own >= uint(len(w.recs)) || w.graphs != nil {
		return false
	}
	b, r := &w.bufs[at], &w.recs[own]
	if b.use.Session != e.Last || e.Session != e.Last {
		return false
	}
	switch e.Kind {
	case cachemodes.Hit:
		if b.out || b.usage == cachemodes.Uniform && b.epoch >= r.epoch {
			return false
		}
		r.newest = r.epoch
		b.use.Run, b.use.Requested, b.use.Domain, b.out = r.run, e.Requested, b.domain, true
		return true
	case cachemodes.Keep, cachemodes.Pend:
		if b.domain == e.Domain {
			b.out, b.epoch = false, r.newest
			return true
		}
	}
	return false
}

// Played takes in what a Manager played, and tells of each hazard in it. A Refresh
// tells what Submitted would.
func (w *Watch) Played(p *cachemodes.Played, found func(*Hazard)) {
	others := p.Others
	for i := w.plain(p, 0); i < len(p.Plain); i = w.plain(p, i+1) {
		e := &p.Plain[i]
		switch e.Kind {
		case cachemodes.Other:
		case cachemodes.Settle:
			continue
		case cachemodes.Refresh:
			w.Submitted(p.Session)
			continue
		default:
			if h := w.lookPlain(p, e); h != nil {
				found(h)
			}
			continue
		}
		for i := range others[:e.Buf] {
			if o := &others[i]; o.Kind == cachemodes.Refresh {
				w.Submitted(o.Session)
			} else if h := w.look(o); h != nil {
				found(h)
			}
		}
		others = others[e.Buf:]
	}
}

// plain takes in events from the i-th on, and answers the index of the first that it
// leaves to look, which would do these, too. Nearly all events are of a session that
// gets what it had before, or gives back what it got to the cache that made it. It
// calls nothing, so that what it goes on with stays in registers.
func (w *Watch) plain(p *cachemodes.Played, i int) int {
	at := uint(p.Session + 1)
	if at >= uint(len(w.recs)) || w.graphs != nil {
		return i
	}
	r, events, session, domain := &w.recs[at], p.Plain, p.Session, p.Domain
	unseen := watched{out: true, use: Use{Session: cachemodes.NoSession - 1}} // in place of a buffer that was not
	for i := uint(i); i < uint(len(events)); i++ {
		e, b := &events[i], &unseen
		if at := uint(uint32(e.Buf)); at < uint(len(w.bufs)) {
			b = &w.bufs[at]
		}
		switch e.Kind {
		case cachemodes.Hit:
			epoch := r.epoch
			if b.out || b.use.Session != session || b.usage == cachemodes.Uniform && b.epoch >= epoch {
				return int(i)
			}
			r.newest = epoch
			b.use.Run, b.use.Requested, b.use.Domain = r.run, e.Requested, b.domain
			if e.Brief && b.domain == domain && i+1 < uint(len(events)) {
				i++ // its Pend
				b.epoch = epoch
				continue
			}
			b.out = true
		case cachemodes.Keep, cachemodes.Pend:
			if b.use.Session != session || b.domain != domain {
				return int(i)
			}
			b.out, b.epoch = false, r.newest
		case cachemodes.Settle:
		case cachemodes.Refresh: // as Submitted
			r.epoch++
		default:
			return int(i)
		}
	}
	return len(events)
}

// lookPlain is look for a plain event.
func (w *Watch) lookPlain(p *cachemodes.Played, e *cachemodes.Plain) *Hazard {
	full := cachemodes.Event{
		Requested: e.Requested, Buf: e.Buf, Key: e.Key, Session: p.Session, Last: p.Session, Domain: p.Domain,
		Kind: e.Kind, Mode: e.Mode, Why: e.Why,
	}
	if uint(e.Buf) < uint(len(w.bufs)) {
		b := &w.bufs[e.Buf]
		full.Size, full.Usage = b.size, b.usage
	}
	return w.look(&full)
}

// look takes in any event that is about a buffer.
func (w *Watch) look(e *cachemodes.Event) *Hazard {
	switch e.Kind {
	case cachemodes.Create, cachemodes.Hit, cachemodes.Keep, cachemodes.Pend, cachemodes.Destroy, cachemodes.Move:
	default:
		return nil
	}
	for int(e.Buf) >= len(w.bufs) {
		w.bufs = append(w.bufs, watched{})
	}
	b := &w.bufs[e.Buf]
	var kind cachemodes.Hazard
	before := b.use.Session
	switch e.Kind {
	case cachemodes.Create:
		w.made++
		*b = watched{serial: w.made, domain: e.Domain, usage: e.Usage, size: e.Size}
		w.use(b, e)
	case cachemodes.Hit:
		replayable := w.graphs != nil && w.graphs[b.domain]
		switch {
		case replayable:
			kind = cachemodes.GraphLent
		case w.submitted(b):
		case before != e.Session:
			kind = cachemodes.CrossSession
		case e.Usage == cachemodes.Uniform:
			kind = cachemodes.UniformReuse
		}
		if kind == cachemodes.NoHazard {
			w.use(b, e)
			return nil
		}
	case cachemodes.Keep, cachemodes.Pend:
		b.out, b.epoch = false, w.rec(b.use.Session).newest
		if b.domain != e.Domain {
			kind = cachemodes.WrongManager
		}
	case cachemodes.Move:
		if w.graphs != nil && w.graphs[b.domain] {
			kind = cachemodes.GraphLent
		}
		b.domain = e.Domain
	case cachemodes.Destroy:
		if w.Immediate && e.Usage.Cached() && !w.submitted(b) {
			kind = cachemodes.DestroyBeforeSubmit
		}
		b.out = false
	}
	if kind == cachemodes.NoHazard {
		return nil
	}
	first := b.use
	if e.Kind == cachemodes.Hit {
		w.use(b, e)
	}
	second := Use{Session: e.Session, Run: NoRun, Requested: e.Requested, Domain: e.Domain}
	if second.Session == cachemodes.NoSession {
		second.Session = first.Session
	}
	second.Run = w.rec(second.Session).run
	return &Hazard{Kind: kind, Usage: e.Usage, Serial: b.serial, Size: e.Size, First: first, Second: second}
}

// use notes that a session has a buffer.
func (w *Watch) use(b *watched, e *cachemodes.Event) {
	r := w.rec(e.Session)
	r.newest = r.epoch
	b.use = Use{Session: e.Session, Run: r.run, Requested: e.Requested, Domain: b.domain}
	b.out = true
}
