package cachemodes

// Nearly every call of a replay is a request that the newest free buffer of its
// size serves, or the release of such a buffer. What follows does these exactly as
// the long way would (request, release, settle): without a map, a list to search or
// a policy to ask. Where a policy chooses, or gives up what is free, it is asked, and
// all around that is done here. Whatever is not plain is declined, before anything
// was changed.
//
//	calls ─► Play ─┬─ plain ──► hit, takeBack ──┬─► events, for a whole stretch of calls
//	               ├─ chosen ─► chosen, shelve ─┤
//	               └─ other ──► long way ───────┘
//
// It is one loop over plain data, so that what an event costs is what it changes;
// what the loop goes on with is in the Manager (see stretch), since the compiler
// would spill it to the stack and back at each call.

// CallOp is what a Call does.
type CallOp uint8

// The operations that Play knows.
const (
	CallOther   CallOp = iota // none of these: Play goes up to it
	CallRequest               // Request
	CallRelease               // Release
	CallRefresh               // Refresh
)

// Call is a call of a Manager as data, known before it is made.
type Call struct {
	Bytes   int64  // that a request asks for, above 0
	Slot    int32  // by which the caller knows the buffer
	Session uint16 // counted from the first of the caller's
	Usage   Usage  // of a request
	Op      CallOp
}

// stretch is where Play is.
type stretch struct {
	slots []BufID
	first int32
	at    uint16   // session of the last call
	by    *session // that, if its calls may be plain, else nil
}

// mostPlayed is how many events there are before Play answers: they stay in the
// processor's nearest cache, 12 KiB, until they are booked. It is more than one
// of them where a call leads to many.
const mostPlayed = 256

// maxUsages is NumUsages up to a power of two, for indices that need no check.
const maxUsages = 8

// recentSizes is how many requested sizes of a usage are found without a map:
// more than a run asks for.
const (
	recentBits  = 8
	recentSizes = 1 << recentBits
)

// recent is the bucket of a requested size, where requests of it need not be
// learned or chosen for; n is 0 where there is none.
type recent struct {
	n  int64
	bk *bucket
}

// recentSlot is where a size is remembered: multiples of 4 KiB, as well as of 4,
// are spread by the multiplication (2^64 divided by the golden ratio).
func recentSlot(n int64) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 >> (64 - recentBits) }

// way is what becomes of the released buffers of a bucket, where that is the same
// for all.
type way uint8

// The ways.
const (
	asks    way = iota // it is not
	keeps              // free at once, up to the cap
	waits              // pending, to be free later
	shelves            // as keeps, on a shelf; then the policy is asked what goes
)

// Play does calls in order, as Request, Release and Refresh would one by one, and
// answers how many it did, with the events of all of them: up to the end, to one
// that is CallOther, or until there are enough events. The calls' sessions are
// counted from first on; slots has the buffer of each slot. A release of a slot
// without one (NoBuf) does nothing. A Create has to be made true on a device that
// does not refuse it: Relieve and Fail come too late here.
func (m *Manager) Play(first int32, calls []Call, slots []BufID) (done int, events []Event) {
	m.events = m.events[:0]
	m.now = stretch{slots: slots, first: first, by: m.plain(first)}
	done = m.play(calls)
	m.now = stretch{slots: m.slot[:]}
	return done, m.events
}

// one does m.call, of session and the buffer in m.slot, alone.
func (m *Manager) one(session int32) []Event {
	m.events = m.events[:0]
	if s := m.plain(session); s != m.now.by {
		m.now.by = s
	}
	if m.call.Op == CallRequest {
		if !m.hit(&m.call) {
			m.slot[0] = m.request(session, m.call.Usage, m.call.Bytes)
		}
	} else if !m.takeBack(&m.call) {
		m.release(m.slot[0])
	}
	return m.events
}

func (m *Manager) play(calls []Call) int {
	for i := range calls {
		call := &calls[i]
		if call.Session != m.now.at {
			m.now.at = call.Session
			m.now.by = m.plain(m.now.first + int32(m.now.at))
		}
		if len(m.events) >= mostPlayed {
			return i
		}
		switch call.Op {
		case CallRequest:
			if m.hit(call) {
				continue
			}
			m.now.slots[call.Slot] = m.request(m.now.first+int32(m.now.at), call.Usage, call.Bytes)
		case CallRelease:
			if m.takeBack(call) {
				continue
			}
			id := m.now.slots[call.Slot]
			if id == NoBuf {
				continue
			}
			m.now.slots[call.Slot] = NoBuf
			m.release(id)
		case CallRefresh:
			m.refresh(m.now.first + int32(m.now.at))
		default:
			return i
		}
		m.now.by = m.plain(m.now.first + int32(m.now.at)) // it may be another now, or elsewhere
	}
	return len(calls)
}

// plain is a session whose calls may be plain, else nil.
func (m *Manager) plain(id int32) *session {
	if at := int(id) + 1; m.sharing.Scope != ScopeDevice || m.sharing.Provoke != NoHazard || id < 0 || at >= len(m.sessions) {
		return nil
	}
	if s := &m.sessions[id+1]; s.live && s.capture == nil {
		return s
	}
	return nil
}

// hit serves a request that is plainly a hit, or that a policy chooses for.
func (m *Manager) hit(call *Call) bool {
	n, usage, s := call.Bytes, call.Usage&(maxUsages-1), m.now.by
	r := &m.recent[usage][recentSlot(n)]
	if s == nil {
		return false
	}
	if r.n != n {
		if !usage.Cached() || m.home.caches[usage].chooser == nil {
			return false
		}
		m.chosen(call, s)
		return true
	}
	bk := r.bk
	top := uint(len(bk.free)) - 1
	if top >= uint(len(bk.free)) { // none is
		return false
	}
	id := bk.free[top]
	b := &m.bufs[id]
	session := s.id
	if b.last != session {
		return false
	}
	bk.free = bk.free[:top]
	m.now.slots[call.Slot] = id
	s.recorded = true
	m.requested[usage] += n
	mode := bk.mode
	b.requested, b.session, b.mode, b.state = n, session, mode, InUse
	e := m.event()
	e.Size, e.Requested, e.Buf, e.Key = bk.size, n, id, bk.key
	e.Session, e.Last, e.Domain = session, session, b.domain
	e.Kind, e.Usage, e.Mode, e.Why, e.From = Hit, usage, mode, NoReason, Gone
	return true
}

// chosen serves a request for which the policy chooses, a hit or not.
func (m *Manager) chosen(call *Call, s *session) {
	n, usage, session := call.Bytes, call.Usage, s.id
	c := &m.home.caches[usage]
	m.requested[usage] += n
	c.requested += n
	s.recorded = true
	id := m.choose(c, session, n)
	if id == NoBuf {
		m.now.slots[call.Slot] = m.notChosen(c, session, n)
		return
	}
	b := &m.bufs[id]
	m.takeFree(c, id)
	m.now.slots[call.Slot] = id
	mode := c.setting.Mode
	b.requested, b.session, b.mode, b.state = n, session, mode, InUse
	e := m.event()
	e.Size, e.Requested, e.Buf, e.Key = b.size, n, id, b.key
	e.Session, e.Last, e.Domain = session, b.last, homeID
	e.Kind, e.Usage, e.Mode, e.Why, e.From = Hit, usage, mode, NoReason, Gone
}

// takeBack takes a buffer back that is plainly kept, or waits.
func (m *Manager) takeBack(call *Call) bool {
	slot, s := &m.now.slots[call.Slot], m.now.by
	id := *slot
	if uint(id) >= uint(len(m.bufs)) || s == nil {
		return false
	}
	b := &m.bufs[id]
	usage, session := b.usage, s.id
	if b.session != session || b.state != InUse || !usage.Cached() || b.domain != homeID {
		return false
	}
	c := &m.home.caches[usage]
	bk := &c.buckets[b.bucket]
	kind := Keep
	switch {
	case bk.way == keeps && len(bk.free) < int(bk.cap):
		bk.free = append(bk.free, id)
		b.state = Cached
	case bk.way == waits:
		kind = Pend
		b.state = Pending
		bk.waiting++
		b.turn = c.turns
		c.turns++
		l := c.line(session)
		l.ids = append(l.ids, id)
		if !s.recorded && !l.ripe {
			c.ripen(l, session)
		}
	case bk.way == shelves && len(bk.free) < int(bk.cap):
		*slot = NoBuf
		m.shelve(c, bk, id, b, s)
		return true
	default:
		return false
	}
	*slot = NoBuf
	n := b.requested
	m.requested[usage] -= n
	b.excuse = false
	b.last, b.epoch, b.session = session, s.newest(), NoSession
	e := m.event()
	e.Size, e.Requested, e.Buf, e.Key = bk.size, n, id, bk.key
	e.Session, e.Last, e.Domain = session, session, homeID
	e.Kind, e.Usage, e.Mode, e.Why, e.From = kind, usage, b.mode, NoReason, Gone
	return true
}

// shelve takes back a buffer that goes on a shelf.
func (m *Manager) shelve(c *cache, bk *bucket, id BufID, b *buffer, s *session) {
	n, session := b.requested, s.id
	bk.free = append(bk.free, id)
	m.requested[b.usage] -= n
	c.requested -= n
	b.state, b.excuse = Cached, false
	b.last, b.epoch, b.session = session, s.newest(), NoSession
	e := m.event()
	e.Size, e.Requested, e.Buf, e.Key = bk.size, n, id, bk.key
	e.Session, e.Last, e.Domain = session, session, homeID
	e.Kind, e.Usage, e.Mode, e.Why, e.From = Keep, b.usage, b.mode, NoReason, Gone
	c.shelf.add(id)
	if c.evictor != nil {
		m.evictFrom(c.evictor, c, OnRelease, n)
	}
}

// event is the next event. There is room for it: the Manager's list of events has
// room for more than mostPlayed from the beginning.
func (m *Manager) event() *Event {
	n := len(m.events)
	m.events = m.events[:n+1]
	return &m.events[n]
}
