package cachemodes

import "slices"

// Nearly every call of a replay is a request that the newest free buffer of its
// size serves, or the release of such a buffer. What follows does these, and
// only these, exactly as the long way would (request, release, settle): without
// a map, a list to search or a policy to ask. Whatever is not plain is declined,
// before anything was changed.
//
//	calls ─► Play ─┬─ plain ─► short ───┬─► Plain ──┐
//	               └─ other ─► long way ┴─► Event ──┴─► Played, for a whole stretch of calls
//
// What an event costs is then mostly what it changes, and writing it down: a Plain
// says what the ledger and the watch cannot know, and Expand the rest, to whom it
// matters.

// CallOp is what a Call does.
type CallOp uint8

// The operations that Play knows.
const (
	CallOther   CallOp = iota // none of these: Play goes up to it
	CallRequest               // Request
	CallRelease               // Release
	CallRefresh               // Refresh
	CallBrief                 // Request, of what the next call releases: see Pair
)

// Call is a call of a Manager as data, known before it is made.
type Call struct {
	Bytes   int64  // that a request asks for, above 0
	Slot    int32  // by which the caller knows the buffer
	Session uint16 // counted from the first of the caller's
	Usage   Usage  // of a request
	Op      CallOp
}

// Pair marks the requests whose buffers the next call releases (CallBrief): a
// uniform is nearly always given back as soon as it is written. What a call leads to
// is the same, and the next one may as well be missing; but both together cost half
// of what they do one by one.
func Pair(calls []Call) {
	for i := range len(calls) - 1 {
		call, next := &calls[i], &calls[i+1]
		if call.Op == CallRequest && next.Op == CallRelease && next.Slot == call.Slot && next.Session == call.Session {
			call.Op = CallBrief
		}
	}
}

// stretch says which events of Play are Plain: those about buffers of a domain that
// a session had last.
type stretch struct {
	session int32
	domain  DomainID
	// Of short: its calls' session, and session.newest.
	at     uint16
	newest int64
	line   uint // of a cache of home's, which no session owns
}

// nobody is the session of a stretch in which no event is Plain.
const nobody = NoSession - 1

// mostPlayed is how many events there are before Play answers: 32 KiB of them, which
// is less work than to go from deciding to booking and back more often. It is more
// than one of them where a call leads to many.
const mostPlayed = 1024

// mostAhead is how many calls PlayPlain decides before the device gets the first.
const mostAhead = 256

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

// recents are they, by recentSlot. Where another size is, a size is beside it: two
// that a run asks for in turns must not push each other out.
type recents [recentSizes]recent

// recentSlot is where a size is remembered: multiples of 4 KiB, as well as of 4,
// are spread by the multiplication (2^64 divided by the golden ratio).
func recentSlot(n int64) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 >> (64 - recentBits) }

// find is the bucket of a size, nil where it is not remembered.
func (r *recents) find(n int64) *bucket {
	at := recentSlot(n)
	if e := &r[at]; e.n == n {
		return e.bk
	}
	if e := &r[at^1]; e.n == n {
		return e.bk
	}
	return nil
}

// put remembers a size. Another that is in its place goes beside it.
func (r *recents) put(n int64, bk *bucket) {
	at := recentSlot(n)
	if other := r[at]; other.n != n && other.n != 0 {
		r[at^1] = other
	}
	r[at] = recent{n, bk}
}

// way is what becomes of the released buffers of a bucket, where that is the same
// for all.
type way uint8

// The ways.
const (
	asks    way = iota // it is not
	keeps              // free at once, up to the cap; what is above it as dooms, or it asks
	dooms              // pending, to be destroyed later
	waits              // pending, to be free later
	shelves            // as keeps, on a shelf; then the policy is asked what goes
)

// Play does calls of one session in order, as Request, Release and Refresh would
// one by one, and answers how many it did, with the events of all of them: up to
// the end, to one that is CallOther or another session's, or until there are enough
// events. The calls' sessions are counted from first on; slots has the buffer of
// each slot. A release of a slot without one (NoBuf) does nothing. A Create has to
// be made true on a device that does not refuse it: Relieve and Fail come too late
// here.
func (m *Manager) Play(first int32, calls []Call, slots []BufID) (int, Played) {
	m.events, m.played, m.settled, m.told = m.events[:0], m.played[:0], m.settled[:0], 0
	if len(calls) == 0 {
		return 0, Played{}
	}
	at := calls[0].Session
	session := first + int32(at)
	m.plainly(session)
	done := m.play(session, calls, slots)
	m.tell()
	p := Played{Session: session, Domain: m.now.domain, Plain: m.played, Settled: m.settled, Others: m.events}
	m.now.session = nobody
	return done, p
}

// PlayPlain does calls of one session in order as Play does, up to the first that is
// not plain, and answers how many; for each an event is appended to into: a Hit, a
// Keep or a Pend. None of them is a miss, nor gives a buffer up: of a device they ask
// the use of what was hit, and that can wait until PlayPlain is back. Of the Played
// Plain is what was appended to; it is the caller's.
func (m *Manager) PlayPlain(first int32, calls []Call, slots []BufID, into []Plain) (int, Played) {
	p := Played{Session: nobody, Domain: homeID, Plain: into}
	if len(calls) == 0 {
		return 0, p
	}
	p.Session = first + int32(calls[0].Session)
	s := m.plain(p.Session)
	if s == nil || !m.mayBePlain(&calls[0], slots) {
		return 0, p
	}
	calls = calls[:min(len(calls), mostAhead)]
	n := len(into)
	p.Plain = slices.Grow(into, len(calls))
	done := m.short(s, calls, p.Plain[n:n+len(calls)], slots)
	p.Plain = p.Plain[:n+done]
	return done, p
}

func (m *Manager) play(session int32, calls []Call, slots []BufID) int {
	at, s := calls[0].Session, m.plain(session)
	for i := 0; i < len(calls); i++ {
		if s != nil && calls[i].Session == at {
			if i += m.shorter(s, calls[i:], slots); i == len(calls) {
				return i
			}
		}
		call := &calls[i]
		if call.Session != at || len(m.played)+len(m.events) >= mostPlayed {
			return i
		}
		switch call.Op {
		case CallRequest, CallBrief:
			slots[call.Slot] = m.obtain(s, session, call)
			if s == nil { // it may be awake now
				s = m.plain(session)
			}
		case CallRelease:
			if id := slots[call.Slot]; id != NoBuf {
				slots[call.Slot] = NoBuf
				m.release(id)
			}
		case CallRefresh:
			m.refresh(session)
		default:
			return i
		}
	}
	return len(calls)
}

// shorter does calls of a session in order by the shorter ways, and answers how many:
// none where the first has none.
func (m *Manager) shorter(s *session, calls []Call, slots []BufID) int {
	switch {
	case m.onShelf != 0:
		return m.shelved(s, calls, slots)
	case m.mayBePlain(&calls[0], slots):
		return m.shorts(s, calls, slots)
	}
	return 0
}

// obtain is request, by a shorter way where a plain session's is a miss that nobody
// learns from.
func (m *Manager) obtain(s *session, id int32, call *Call) BufID {
	if s != nil {
		if bk := m.recent[call.Usage&(maxUsages-1)].find(call.Bytes); bk != nil && len(bk.free) == 0 {
			m.requested[bk.usage] += call.Bytes
			s.recorded = true
			return m.create(bk.cache, bk.index, id, call.Bytes, bk.missReason())
		}
	}
	return m.request(id, call.Usage, call.Bytes)
}

// mayBePlain reports whether it is worth while to try short: it costs as much as
// three calls that are plain.
func (m *Manager) mayBePlain(call *Call, slots []BufID) bool {
	switch call.Op {
	case CallRequest, CallBrief:
		bk := m.recent[call.Usage&(maxUsages-1)].find(call.Bytes)
		return bk != nil && len(bk.free) > 0
	case CallRelease:
		if id := uint(slots[call.Slot]); id < uint(len(m.bufs)) {
			key := uint(m.bufs[id].key)
			if key < uint(len(m.buckets)) {
				bk := m.buckets[key]
				return bk.way == waits || bk.way == dooms || bk.way == keeps && (len(bk.free) < int(bk.cap) || bk.cache.discard != AtOnce)
			}
		}
	}
	return false
}

// one does m.call, of session and the buffer in m.slot, alone.
func (m *Manager) one(session int32) []Event {
	m.events, m.played, m.told = m.events[:0], m.played[:0], 0
	if s := m.plain(session); s != nil && m.shorter(s, m.call[:], m.slot[:]) > 0 {
		p := Played{Session: session, Domain: homeID, Plain: m.played}
		m.events = m.Expand(&p, m.events) // where it is plain
		return m.events
	}
	if call := &m.call[0]; call.Op == CallRequest {
		m.slot[0] = m.request(session, call.Usage, call.Bytes)
	} else {
		m.release(m.slot[0])
	}
	return m.events
}

// shelved does calls of a session in order, as long as they ask a mode that chooses from
// a shelf, give something back to a shelf or are plain, and answers how many. Such a
// request may have to create.
func (m *Manager) shelved(s *session, calls []Call, slots []BufID) int {
	at := calls[0].Session
	for i := 0; i < len(calls); {
		call := &calls[i]
		slot := uint(call.Slot)
		if call.Session != at || slot >= uint(len(slots)) || len(m.played)+len(m.events) >= mostPlayed {
			return i
		}
		switch call.Op {
		case CallRequest, CallBrief:
			if c := m.chosen[call.Usage&(maxUsages-1)]; c != nil {
				slots[slot] = m.ask(c, s, call.Bytes)
				i++
				continue
			}
		case CallRelease:
			if m.back(s, slots[slot]) {
				slots[slot] = NoBuf
				i++
				continue
			}
		default:
			return i
		}
		n := m.shorts(s, calls[i:], slots)
		if n == 0 {
			return i
		}
		i += n
	}
	return len(calls)
}

// ask is request where a mode chooses.
func (m *Manager) ask(c *cache, s *session, n int64) BufID {
	m.requested[c.usage] += n
	c.requested += n
	s.recorded = true
	id := m.choose(c, s.id, n)
	if id == NoBuf {
		return m.notChosen(c, s.id, n)
	}
	b := m.takeFree(c, id)
	b.requested, b.session, b.mode, b.state = n, s.id, c.setting.Mode, InUse
	m.say(id, b, Hit)
	return id
}

// say is emit of a hit or keep by a session that is plain, mostly of a buffer that it
// had last.
func (m *Manager) say(id BufID, b *buffer, k Kind) {
	n := len(m.played)
	if b.last != m.now.session || len(m.events) != m.told || n == cap(m.played) {
		m.emit(id, b, k, NoReason)
		return
	}
	m.played = m.played[:n+1]
	e := &m.played[n]
	e.Requested, e.Buf, e.Key, e.Kind, e.Why, e.Mode, e.Brief = b.requested, id, b.key, k, NoReason, b.mode, false
}

// back is release, where the buffer goes on a shelf.
func (m *Manager) back(s *session, id BufID) bool {
	if uint(id) >= uint(len(m.bufs)) {
		return false
	}
	b := &m.bufs[id]
	key := uint(b.key)
	if b.session != s.id || b.domain != homeID || b.state != InUse || key >= uint(len(m.buckets)) {
		return false
	}
	bk := m.buckets[key]
	if bk.way != shelves || len(bk.free) >= int(bk.cap) {
		return false
	}
	c, n := bk.cache, b.requested
	bk.free = append(bk.free, id)
	m.requested[b.usage] -= n
	c.requested -= n
	b.state, b.excuse = Cached, false
	b.last, b.epoch = s.id, s.newest()
	m.say(id, b, Keep)
	b.session = NoSession
	c.shelf.add(id, b, bk)
	if c.evictor != nil {
		if id := c.evictor.Evict(OnRelease, n, 0, c.shelf); id != NoBuf {
			m.evictFrom(c.evictor, c, OnRelease, n, id)
		}
	}
	return true
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

// plainly says of whom and where events are Plain from now on.
func (m *Manager) plainly(session int32) {
	m.now.session, m.now.domain = nobody, homeID
	at := int(session) + 1
	if m.sharing.Provoke != NoHazard || session < 0 || at >= len(m.sessions) {
		return
	}
	s, d := &m.sessions[at], m.home
	switch m.sharing.Scope {
	case ScopeSession, ScopeSharedFree:
		d = s.own
	case ScopeRun:
		if d = nil; len(s.running) > 0 {
			d = s.running[len(s.running)-1]
		}
	}
	if d != nil {
		m.now.session, m.now.domain = session, d.id
	}
}

// tell notes that what was added to the events comes before the next Plain.
func (m *Manager) tell() {
	if n := len(m.events) - m.told; n > 0 {
		m.told = len(m.events)
		e := m.next()
		e.Kind, e.Buf = Other, BufID(n)
	}
}

// next is the next Plain, to be written where it stays: see emit.
func (m *Manager) next() *Plain {
	n := len(m.played)
	if n == cap(m.played) {
		m.played = append(m.played, Plain{})
	} else {
		m.played = m.played[:n+1]
	}
	return &m.played[n]
}

// shorts is short into what was played.
func (m *Manager) shorts(s *session, calls []Call, slots []BufID) int {
	m.tell()
	n := len(m.played)
	calls = calls[:min(len(calls), max(mostPlayed-n, 0))]
	if len(calls) == 0 {
		return 0
	}
	done := m.short(s, calls, m.played[n:n+len(calls)], slots) // an event for each: there is room for mostPlayed
	m.played = m.played[:n+done]
	return done
}

// short does calls of a session in order up to the first that is not plain, and
// answers how many, with an event for each. There are some.
func (m *Manager) short(s *session, calls []Call, events []Plain, slots []BufID) int {
	m.now.at = calls[0].Session
	m.now.newest = s.newest()
	m.now.line = uint(s.id + 2)
	done := m.shortly(s, calls, events, slots)
	if m.now.newest == s.epoch {
		s.recorded = true
	}
	return done
}

// shortly is the loop of short. It calls nothing, and keeps little at hand: what is
// read from m and s where it is needed costs less than what the compiler would move
// to the stack and back for each call. So does a pointer to a buffer that has two
// origins: else each use of it is an index of 72 bytes. Of events there are as many
// as calls.
func (m *Manager) shortly(s *session, calls []Call, events []Plain, slots []BufID) int {
	events = events[:len(calls)] // indices need no check
	for i := uint(0); i < uint(len(calls)); i++ {
		call, e := &calls[i], &events[i]
		slot := uint(uint32(call.Slot))
		if slot >= uint(len(slots)) {
			return int(i)
		}
		switch call.Op {
		case CallRequest, CallBrief:
			if call.Session != m.now.at { // whose a buffer is says the same of a release
				return int(i)
			}
			n, usage := call.Bytes, call.Usage&(maxUsages-1)
			at := recentSlot(n) & (recentSizes - 1)
			r := &m.recent[usage][at]
			if r.n != n {
				if r = &m.recent[usage][at^1]; r.n != n {
					return int(i)
				}
			}
			bk := r.bk
			top := uint(len(bk.free)) - 1
			if top >= uint(len(bk.free)) { // none is
				return int(i)
			}
			id := bk.free[top]
			b := &m.unknown
			if at := uint(uint32(id)); at < uint(len(m.bufs)) {
				b = &m.bufs[at]
			}
			if b.last != s.id {
				return int(i)
			}
			bk.free = bk.free[:top]
			m.now.newest = s.epoch
			mode := bk.mode
			b.requested, b.mode = n, mode
			e.Requested, e.Buf, e.Key, e.Kind, e.Why, e.Mode, e.Brief = n, id, bk.key, Hit, NoReason, mode, false
			if call.Op == CallBrief && bk.way == waits && i+1 < uint(len(events)) {
				c := bk.cache
				if own := m.now.line; own < uint(len(c.lines)) {
					l := &c.lines[own]
					if end := uint(len(l.ids)); end < uint(cap(l.ids)) { // its Hit and Pend together
						l.ids = l.ids[:end+1]
						l.ids[end] = id
						bk.waiting++
						b.turn = c.turns
						c.turns++
						b.state, b.excuse, b.epoch = Pending, false, s.epoch
						slots[slot] = NoBuf
						e.Brief = true
						i++
						e := &events[i]
						e.Requested, e.Buf, e.Key, e.Kind, e.Why, e.Mode = n, id, bk.key, Pend, NoReason, bk.mode
						continue
					}
				}
			}
			slots[slot] = id
			m.requested[usage] += n
			b.session, b.state = b.last, InUse
		case CallRelease:
			id := slots[slot]
			b := &m.unknown
			if at := uint(uint32(id)); at < uint(len(m.bufs)) {
				b = &m.bufs[at]
			}
			key := uint(uint32(b.key))
			if b.session != s.id || b.domain != homeID || key >= uint(len(m.buckets)) {
				return int(i)
			}
			bk := m.buckets[key]
			if free := uint(len(bk.free)); bk.way == keeps && int(free) < int(bk.cap) {
				if free >= uint(cap(bk.free)) {
					return int(i)
				}
				bk.free = bk.free[:free+1]
				bk.free[free] = id
				b.state = Cached
				e.Kind, e.Why = Keep, NoReason
			} else {
				c, own := bk.cache, m.now.line
				if own >= uint(len(c.lines)) {
					return int(i)
				}
				l := &c.lines[own]
				end := uint(len(l.ids))
				if end >= uint(cap(l.ids)) || m.now.newest != s.epoch && !l.ripe { // see pend
					return int(i)
				}
				switch {
				case bk.way == waits:
					bk.waiting++
					e.Kind, e.Why = Pend, NoReason
				case bk.way == dooms || bk.way == keeps && c.discard != AtOnce:
					why := bk.notKept()
					bk.lose(why)
					b.doomed, b.why = true, why
					e.Kind, e.Why = Pend, why
				default:
					return int(i)
				}
				l.ids = l.ids[:end+1]
				l.ids[end] = id
				b.turn = c.turns
				c.turns++
				b.state = Pending
			}
			slots[slot] = NoBuf
			m.requested[bk.usage&(maxUsages-1)] -= b.requested
			b.excuse = false
			e.Requested, e.Buf, e.Key, e.Mode = b.requested, id, b.key, b.mode
			b.last, b.epoch, b.session = b.session, m.now.newest, NoSession
		default:
			return int(i)
		}
	}
	return len(calls)
}
