package cachemodes

import (
	"cmp"
	"slices"
)

// line is what a session released of a cache that is pending, in the order of
// release. A moment of one session's is about its own line, and about others'
// only as far as a submit or their session's end is behind them: with a line for
// each, it costs the same however many sessions wait for theirs.
type line struct {
	ids  []BufID
	ripe bool // on cache.ripe
}

// line is a session's. That of the cache's owner comes first, so that caches of a
// session have no others.
func (c *cache) line(session int32) *line {
	i := uint(session + 2)
	if session == c.owner {
		i = 0
	}
	if i < uint(len(c.lines)) {
		return &c.lines[i]
	}
	return c.newLine(i)
}

func (c *cache) newLine(i uint) *line {
	c.lines = append(c.lines, make([]line, int(i)+1-len(c.lines))...)
	return &c.lines[i]
}

// pend puts a buffer on the line of the session that released it; short has its
// own.
func (m *Manager) pend(c *cache, id BufID, b *buffer, by *session) {
	b.turn = c.turns
	c.turns++
	l := c.line(b.last)
	l.ids = append(l.ids, id)
	if !l.ripe && (b.epoch < by.epoch || m.foreign(c, b.last)) {
		c.ripen(l, b.last)
	}
}

// foreign reports whether a session has nothing to release in a cache: see
// WrongManager. No moment of its own comes for what it released there.
func (m *Manager) foreign(c *cache, session int32) bool {
	return session != c.owner && c.domain != m.home
}

// ripen notes that other sessions may find what they need not leave on a line.
func (c *cache) ripen(l *line, session int32) {
	if !l.ripe {
		l.ripe = true
		c.ripe = append(c.ripe, session)
	}
}

// look goes through the pending buffers at a moment of a session: those of its
// own, and of others as far as nothing unsubmitted uses them, that are doomed or
// waiting for it are destroyed or settled, in the order of their release.
func (m *Manager) look(c *cache, at When, session int32) {
	own := c.line(session)
	// What a session that is gone released in the home waits for nobody: see
	// Release and SessionRelease.
	if len(c.ripe) > 0 && (at == AtRefresh && min(c.reuse, c.discard) <= at || c.domain != m.home) {
		if m.merge(c, session); len(m.merged) > 0 {
			m.lookThrough(c, at, session, m.merged, true)
			return
		}
	}
	ids := own.ids
	own.ids = ids[:0]
	m.lookThrough(c, at, session, ids, false)
}

// merge takes what is ripe off its lines, with the session's own, in the order of
// release; nothing, if none is another's.
func (m *Manager) merge(c *cache, session int32) {
	m.merged = m.merged[:0]
	for _, other := range c.ripe {
		l := c.line(other)
		l.ripe = false
		if other != session {
			m.merged = append(m.merged, l.ids...)
			l.ids = l.ids[:0]
		}
	}
	c.ripe = c.ripe[:0]
	if len(m.merged) == 0 {
		return
	}
	own := c.line(session)
	m.merged = append(m.merged, own.ids...)
	own.ids = own.ids[:0]
	m.byTurn(m.merged)
}

// byTurn sorts pending buffers of a cache by their release.
func (m *Manager) byTurn(ids []BufID) {
	slices.SortFunc(ids, func(a, b BufID) int { return cmp.Compare(m.bufs[a].turn, m.bufs[b].turn) })
}

// takePending takes everything off the lines of a cache, in the order of release.
func (m *Manager) takePending(c *cache) []BufID {
	m.merged = m.merged[:0]
	for i := range c.lines {
		l := &c.lines[i]
		m.merged = append(m.merged, l.ids...)
		l.ids, l.ripe = l.ids[:0], false
	}
	c.ripe = c.ripe[:0]
	m.byTurn(m.merged)
	return m.merged
}

// over reports whether a pending buffer of another session need not wait for a
// moment of that: what used it was submitted, or its session is no more.
func (m *Manager) over(b *buffer, at When) bool {
	s := m.recording(b.last)
	return !s.live || at == AtRefresh && b.epoch < s.epoch
}

// lookThrough is look at what was taken off its lines. What stays goes back.
func (m *Manager) lookThrough(c *cache, at When, session int32, ids []BufID, merged bool) {
	m.steps += int64(len(ids))
	if !merged && c.shelf == nil && c.reuse <= at {
		ids = ids[m.settle(c, ids):]
	}
	for _, id := range ids {
		b := &m.bufs[id]
		over := merged && b.last != session && m.over(b, at)
		bk := &c.buckets[b.bucket]
		switch {
		case merged && b.last != session && !over:
			m.stay(c, id, b, over)
		case b.doomed && c.discard <= at:
			m.destroy(id, b, b.why)
		case !b.doomed && c.reuse <= at:
			bk.waiting--
			if len(bk.free) < int(bk.cap) {
				b.state = Cached
				bk.free = append(bk.free, id)
				bk.owed = min(bk.owed, bk.waiting)
				m.emit(id, b, Settle, NoReason)
				if c.shelf != nil {
					c.shelf.add(id, b, bk)
				}
				continue
			}
			why := bk.notKept()
			bk.lose(why)
			m.destroy(id, b, why)
		default:
			m.stay(c, id, b, over)
		}
	}
}

// stay puts a buffer back on its line.
func (m *Manager) stay(c *cache, id BufID, b *buffer, over bool) {
	l := c.line(b.last)
	l.ids = append(l.ids, id)
	if over || m.foreign(c, b.last) {
		c.ripen(l, b.last)
	}
}

// settle settles pending buffers of one session's, if they are plain, up to the first
// that is not free from now on, and answers how many: as many as releases in some
// modes. One Plain tells of all of a key. Which they are is kept beside it: only who
// wants the events whole has to go through them.
func (m *Manager) settle(c *cache, ids []BufID) int {
	if len(ids) == 0 || m.bufs[ids[0]].doomed || m.bufs[ids[0]].last != m.now.session || c.domain.id != m.now.domain {
		return 0
	}
	m.tell()
	n := len(m.settled)
	m.settled = slices.Grow(m.settled, len(ids))[:n+len(ids)]
	m.settling = slices.Grow(m.settling[:0], len(c.buckets))
	done := m.settleAll(c, ids, m.settled[n:])
	m.settled = m.settled[:n+done]
	for _, i := range m.settling {
		bk := &c.buckets[i]
		e := m.next()
		e.Buf, e.Key, e.Kind, e.Why = BufID(bk.settling), bk.key, Settle, NoReason
		bk.waiting -= bk.settling
		bk.owed = min(bk.owed, bk.waiting)
		bk.settling = 0
	}
	return done
}

// settleAll is the loop of settle. It leaves what a list has no
// room for to the long way.
func (m *Manager) settleAll(c *cache, ids []BufID, settled []Plain) int {
	settled = settled[:len(ids)] // indices need no check
	for i, id := range ids {
		b, bk := &m.unknown, &m.none
		if at := uint(uint32(id)); at < uint(len(m.bufs)) {
			b = &m.bufs[at]
		}
		if at := uint(uint32(b.bucket)); at < uint(len(c.buckets)) {
			bk = &c.buckets[at]
		}
		n := uint(len(bk.free))
		if b.doomed || int(n) >= int(bk.cap) || n >= uint(cap(bk.free)) {
			return i
		}
		bk.free = bk.free[:n+1]
		bk.free[n] = id
		b.state = Cached
		e := &settled[i]
		e.Requested, e.Buf, e.Key, e.Kind, e.Why, e.Mode = b.requested, id, b.key, Settle, NoReason, b.mode
		if bk.settling++; bk.settling == 1 {
			m.settling = append(m.settling, b.bucket)
		}
	}
	return len(ids)
}
