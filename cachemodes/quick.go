package cachemodes

// Nearly every call of a replay is a request that the newest free buffer of its
// size serves, or the release of such a buffer. What follows does these, and
// only these, exactly as Request and Release would: without a map, a list to
// search or a policy to ask, and with the event in the buffer's own record, where
// most of it stands already. Whatever is not plain is declined, before anything
// was changed.

// recentSizes is how many requested sizes of a usage are found without a map:
// more than a run asks for.
const (
	recentBits  = 8
	recentSizes = 1 << recentBits
)

// recent is the bucket of a requested size; n is 0 where there is none.
type recent struct {
	n      int64
	bucket int32
}

// recentSlot is where a size is remembered: multiples of 4 KiB, as well as of 4,
// are spread by the multiplication (2^64 divided by the golden ratio).
func recentSlot(n int64) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 >> (64 - recentBits) }

// quickHit serves a request that is plainly a hit; the buffer is nil for others.
func (m *Manager) quickHit(session int32, usage Usage, n int64) (BufID, *buffer) {
	i := uint(session + 1)
	if i >= uint(len(m.sessions)) || !usage.Cached() {
		return NoBuf, nil
	}
	s := &m.sessions[i]
	if !s.live || s.capture != nil || m.sharing.Scope != ScopeDevice {
		return NoBuf, nil
	}
	c := &m.home.caches[usage]
	r := &m.recent[usage][recentSlot(n)]
	if r.n != n || c.shelf != nil || c.learner != nil {
		return NoBuf, nil
	}
	bk := &c.buckets[r.bucket]
	top := len(bk.free) - 1
	if top < 0 {
		return NoBuf, nil
	}
	id := bk.free[top]
	b := &m.bufs[id]
	if b.last != session {
		return NoBuf, nil
	}
	bk.free = bk.free[:top]
	s.recorded = true
	m.requested[usage] += n
	c.requested += n
	mode := c.setting.Mode
	b.requested, b.session, b.mode, b.state = n, session, mode, InUse
	e := &b.told[0]
	e.Requested, e.Session, e.Mode, e.Kind, e.Why = n, session, mode, Hit, NoReason
	return id, b
}

// quickRelease takes a buffer back that is plainly kept, or waits; it is nil for
// others.
func (m *Manager) quickRelease(id BufID) *buffer {
	if uint(id) >= uint(len(m.bufs)) || m.sharing.Provoke != NoHazard {
		return nil
	}
	b := &m.bufs[id]
	if b.state != InUse || !b.usage.Cached() {
		return nil
	}
	i := uint(b.session + 1)
	if i >= uint(len(m.sessions)) {
		return nil
	}
	s := &m.sessions[i]
	if !s.live {
		return nil
	}
	d := m.domains[b.domain]
	c := &d.caches[b.usage]
	if d.closed || c.shelf != nil {
		return nil
	}
	bk := &c.buckets[b.bucket]
	e := &b.told[0]
	switch {
	case c.reuse == AtOnce && len(bk.free) < int(bk.cap):
		b.state, e.Kind = Cached, Keep
		bk.free = append(bk.free, id)
	case c.reuse != AtOnce && bk.cap > 0:
		b.state, e.Kind = Pending, Pend
		bk.waiting++
		b.turn = c.turns
		c.turns++
		l := c.line(b.session)
		l.ids = append(l.ids, id)
		if !s.recorded && !l.ripe {
			c.ripen(l, b.session)
		}
	default:
		return nil
	}
	m.requested[b.usage] -= b.requested
	c.requested -= b.requested
	b.excuse = false
	b.last, b.epoch = b.session, s.newest()
	e.Last, e.Why = b.last, NoReason
	b.session = NoSession
	return b
}
