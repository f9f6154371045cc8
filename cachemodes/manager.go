package cachemodes

import "fmt"

// Manager is ORT's BufferManager with its four caches: it decides which buffer
// serves each request and what becomes of each release, and knows the state of
// every buffer that exists.
//
// Every method that changes something answers with the events of the change in
// order; the slice is valid until the next call. The caller makes Create true
// on a device before anything else; where it cannot, it calls Fail.
type Manager struct {
	caches  [NumCaches]cache
	bufs    []buffer
	ids     []BufID // free for new buffers
	numKeys int
	events  []Event
	relief  []Event // of Relieve
	// held is the bytes of the buffers that exist, requested what was asked for
	// of those in use.
	held, requested [NumUsages]int64
}

// NewManager makes an empty manager. The config must be valid.
func NewManager(cfg Config) *Manager {
	m := &Manager{}
	for u, s := range cfg {
		if err := s.Params.Validate(); err != nil {
			panic(fmt.Sprintf("cachemodes: NewManager wants valid parameters: %v", err))
		}
		m.initCache(Usage(u), s)
	}
	return m
}

// Config is what is in force.
func (m *Manager) Config() Config {
	var cfg Config
	for u := range cfg {
		cfg[u] = m.caches[u].setting
	}
	return cfg
}

// Mode is the mode in force for a usage that has a cache.
func (m *Manager) Mode(u Usage) ModeID { return m.caches[u].setting.Mode }

// Request answers which buffer serves n bytes, above 0, for a session: found
// in the usage's cache (Hit) or new (Create).
func (m *Manager) Request(session int32, usage Usage, n int64) (BufID, []Event) {
	m.events = m.events[:0]
	m.requested[usage] += n
	if !usage.Cached() {
		id, b := m.newBuffer()
		*b = buffer{size: roundUp(n, 16), requested: n, key: NoKey, session: session, usage: usage, state: InUse}
		m.held[usage] += b.size
		m.emit(id, b, Create, Bypass)
		return id, m.events
	}
	c := &m.caches[usage]
	if c.chooser != nil {
		return m.requestChosen(c, session, n)
	}
	i := m.bucketFor(c, n)
	bk := &c.buckets[i]
	if c.learner != nil && c.learner.Requested(session, bk.size) {
		c.limit(bk)
		m.events = append(m.events, Event{Kind: KeyBorn, Usage: usage, Size: bk.size, Key: bk.key, Session: session, Mode: c.setting.Mode})
	}
	if last := len(bk.free) - 1; last >= 0 {
		id := bk.free[last]
		bk.free = bk.free[:last]
		if c.shelf != nil {
			c.shelf.remove(id)
		}
		b := &m.bufs[id]
		b.requested, b.session, b.mode, b.state = n, session, c.setting.Mode, InUse
		m.emit(id, b, Hit, NoReason)
		return id, m.events
	}
	if c.evictor != nil {
		m.evict(c, OnMiss, n)
	}
	id, b := m.newBuffer()
	*b = buffer{size: bk.size, requested: n, key: bk.key, bucket: i, session: session, usage: usage, mode: c.setting.Mode, state: InUse}
	m.held[usage] += b.size
	m.emit(id, b, Create, bk.missReason())
	return id, m.events
}

// requestChosen is Request under a Chooser.
func (m *Manager) requestChosen(c *cache, session int32, n int64) (BufID, []Event) {
	if c.learner != nil {
		c.learner.Requested(session, n)
	}
	if id := c.chooser.Choose(n, c.shelf); id != NoBuf {
		m.takeFree(c, id)
		b := &m.bufs[id]
		b.requested, b.session, b.mode, b.state = n, session, c.setting.Mode, InUse
		m.emit(id, b, Hit, NoReason)
		return id, m.events
	}
	i := m.bucketOf(c, c.policy.Key(n))
	if c.evictor != nil {
		m.evict(c, OnMiss, n)
	}
	bk := &c.buckets[i]
	id, b := m.newBuffer()
	*b = buffer{size: bk.size, requested: n, key: bk.key, bucket: i, session: session, usage: c.usage, mode: c.setting.Mode, state: InUse}
	b.mark, c.shelf.made = c.shelf.made, 0
	m.held[c.usage] += b.size
	m.emit(id, b, Create, c.explain(n, bk))
	return id, m.events
}

// Release takes back a buffer that is in use.
func (m *Manager) Release(id BufID) []Event {
	m.events = m.events[:0]
	b := m.inUse(id, "Release")
	m.requested[b.usage] -= b.requested
	if b.usage.Cached() {
		m.releaseTo(&m.caches[b.usage], id, b)
	} else {
		m.destroy(id, b, Bypass)
	}
	return m.events
}

// Relieve tells that the device has no memory for buffer id, just created:
// modes that free what they keep in that case do, and the caller asks the
// device once more, then calls Fail. An answer without events means that there
// is nothing to gain. The events of the Request stay valid.
func (m *Manager) Relieve(id BufID) []Event {
	request := m.events
	m.events = m.relief[:0]
	n := m.inUse(id, "Relieve").requested
	for i := range m.caches {
		if c := &m.caches[i]; c.evictor != nil {
			m.evict(c, OnRefusal, n)
		}
	}
	m.events, m.relief = request, m.events
	return m.relief
}

// Fail undoes the Create of a buffer that the device could not make.
func (m *Manager) Fail(id BufID) []Event {
	m.events = m.events[:0]
	b := m.inUse(id, "Fail")
	m.requested[b.usage] -= b.requested
	m.emit(id, b, Fail, NoReason)
	m.forget(id, b)
	if b.usage.Cached() {
		m.evict(&m.caches[b.usage], OnFail, b.requested)
	}
	return m.events
}

// Refresh tells that recorded commands were submitted.
func (m *Manager) Refresh(session int32) []Event {
	m.events = m.events[:0]
	for i := range m.caches {
		c := &m.caches[i]
		if c.submits++; c.submits >= c.setting.Params.RefreshEvery {
			c.submits = 0
			m.look(c, AtRefresh)
			if c.evictor != nil {
				m.evict(c, OnRefresh, 0)
			}
		}
	}
	m.events = append(m.events, Event{Kind: Refresh, Session: session, Key: NoKey})
	return m.events
}

// RunStart tells that an inference of session starts.
func (m *Manager) RunStart(session int32) []Event {
	m.events = m.events[:0]
	for i := range m.caches {
		if l := m.caches[i].learner; l != nil {
			l.RunStart(session)
		}
	}
	return m.events
}

// RunEnd tells that it ended.
func (m *Manager) RunEnd(session int32) []Event {
	m.events = m.events[:0]
	for i := range m.caches {
		c := &m.caches[i]
		if c.reuse == AtRunEnd {
			m.look(c, AtRunEnd)
		}
		if c.learner != nil && c.learner.RunEnd(session) {
			m.adjusted(c, session)
		}
		if c.evictor != nil {
			m.evict(c, OnRunEnd, 0)
		}
	}
	return m.events
}

// SessionRelease tells that session is no more: what was learned from it is
// forgotten. Its buffers are released one by one, by their holder.
func (m *Manager) SessionRelease(session int32) []Event {
	m.events = m.events[:0]
	for i := range m.caches {
		if c := &m.caches[i]; c.learner != nil && c.learner.Forget(session) {
			m.adjusted(c, session)
		}
	}
	return m.events
}

// adjusted makes a cache follow its learner's renewed keys.
func (m *Manager) adjusted(c *cache, session int32) {
	m.events = append(m.events, Event{Kind: Adjust, Usage: c.usage, Session: session, Mode: c.setting.Mode, Key: NoKey})
	for i := range c.buckets {
		bk := &c.buckets[i]
		if n, _ := c.policy.Cap(bk.size); bk.cap > 0 && n == 0 {
			m.events = append(m.events, Event{Kind: KeyDropped, Usage: c.usage, Size: bk.size, Key: bk.key, Session: session, Mode: c.setting.Mode})
		}
	}
	m.reconsider(c, false)
}

// Set changes the mode of a usage, its parameters, or both, for every call to
// come. Buffers in use stay so; pending ones are looked at by the new mode at
// its next moment; free ones that it could never hand out, or more than it
// keeps, are destroyed now. Setting what is in force already changes nothing.
func (m *Manager) Set(usage Usage, s Setting) ([]Event, error) {
	m.events = m.events[:0]
	if !usage.Cached() {
		return nil, fmt.Errorf("%s buffers pass through no cache: there is no mode to set", usage)
	}
	if int(s.Mode) >= numModes {
		return nil, fmt.Errorf("there is no cache mode number %d", s.Mode)
	}
	if err := s.Params.Validate(); err != nil {
		return nil, err
	}
	c := &m.caches[usage]
	if c.setting.Mode == s.Mode && c.setting.Params.Equal(s.Params) {
		return m.events, nil
	}
	switched := c.setting.Mode != s.Mode
	m.events = append(m.events, Event{Kind: Switch, Usage: usage, Mode: s.Mode, Session: NoSession, Key: NoKey})
	m.adopt(c, s)
	if c.learner != nil {
		for i := range c.buckets {
			if len(c.buckets[i].free) > 0 {
				c.learner.Adopt(c.buckets[i].size)
			}
		}
	}
	m.pardon(c)
	m.reconsider(c, switched)
	return m.events, nil
}

// newBuffer finds an id that is free.
func (m *Manager) newBuffer() (BufID, *buffer) {
	if n := len(m.ids); n > 0 {
		id := m.ids[n-1]
		m.ids = m.ids[:n-1]
		return id, &m.bufs[id]
	}
	m.bufs = append(m.bufs, buffer{})
	return BufID(len(m.bufs) - 1), &m.bufs[len(m.bufs)-1]
}

func (m *Manager) forget(id BufID, b *buffer) {
	b.state = Gone
	m.held[b.usage] -= b.size
	m.ids = append(m.ids, id)
}

// all sums over what counts as held.
func (m *Manager) all(bytes *[NumUsages]int64) int64 {
	var sum int64
	for u, n := range bytes {
		if Usage(u).Held() {
			sum += n
		}
	}
	return sum
}

// destroy gives a buffer up, wherever it is. The caller has taken it off its
// list.
func (m *Manager) destroy(id BufID, b *buffer, why Reason) {
	m.emit(id, b, Destroy, why)
	m.forget(id, b)
}

// emit appends the event that a buffer's change of state is.
func (m *Manager) emit(id BufID, b *buffer, k Kind, why Reason) {
	e := Event{
		Size: b.size, Requested: b.requested, Buf: id, Key: b.key, Session: b.session,
		Kind: k, Usage: b.usage, Mode: b.mode, Why: why,
	}
	if k == Destroy {
		e.From = b.state
	}
	m.events = append(m.events, e)
}

func (m *Manager) inUse(id BufID, call string) *buffer {
	if int(id) >= len(m.bufs) || id < 0 || m.bufs[id].state != InUse {
		panic(fmt.Sprintf("cachemodes: %s wants a buffer in use; %d is not", call, id))
	}
	return &m.bufs[id]
}

// Free says how a bucket stands: see Keys.
type Free struct {
	Key   KeyID
	Usage Usage
	Size  int64 // bytes
	// IsKey reports whether a request would be rounded to this size and a
	// buffer of it kept; Cap is how many, Uncapped for any number.
	IsKey bool
	Cap   int
	// Free counts the buffers cached.
	Free int
}

// Keys appends how every size that a request was ever rounded to stands in the
// cache of a usage, in the order of first sight. It changes nothing.
func (m *Manager) Keys(usage Usage, out []Free) []Free {
	c := &m.caches[usage]
	for i := range c.buckets {
		bk := &c.buckets[i]
		out = append(out, Free{
			Key: bk.key, Usage: usage, Size: bk.size, Cap: int(bk.cap), Free: len(bk.free),
			IsKey: bk.cap > 0 && c.policy.Key(bk.size) == bk.size,
		})
	}
	return out
}

// Audit is what exists by the manager's own records, to hold a ledger against.
type Audit struct {
	Count, Bytes [NumUsages]struct{ InUse, Pending, Cached int64 }
}

// Audit counts every buffer. It also verifies the lists: a buffer on a list
// that its state contradicts is an error.
func (m *Manager) Audit() (Audit, error) {
	var a Audit
	for id := range m.bufs {
		b := &m.bufs[id]
		n, bytes := &a.Count[b.usage], &a.Bytes[b.usage]
		switch b.state {
		case InUse:
			n.InUse++
			bytes.InUse += b.size
		case Pending:
			n.Pending++
			bytes.Pending += b.size
		case Cached:
			n.Cached++
			bytes.Cached += b.size
		}
	}
	for u := range m.held {
		if b := &a.Bytes[u]; m.held[u] != b.InUse+b.Pending+b.Cached {
			return a, fmt.Errorf("%s: %d bytes are held, buffers have %d", Usage(u), m.held[u], b.InUse+b.Pending+b.Cached)
		}
	}
	for u := range m.caches {
		c := &m.caches[u]
		var cached, waiting int64
		for i := range c.buckets {
			bk := &c.buckets[i]
			for _, id := range bk.free {
				if b := &m.bufs[id]; b.state != Cached || b.size != bk.size || b.usage != c.usage {
					return a, fmt.Errorf("buffer %d (%s, %d bytes) is on the free list of %s %d", id, b.state, b.size, c.usage, bk.size)
				}
			}
			for _, id := range bk.free {
				if c.shelf != nil && !c.shelf.holds(id) {
					return a, fmt.Errorf("buffer %d is free in %s but not on its shelf", id, c.usage)
				}
			}
			cached += int64(len(bk.free))
			waiting += int64(bk.waiting)
			if len(bk.free) > int(bk.cap) {
				return a, fmt.Errorf("bucket %s %d keeps %d buffers over its cap of %d", c.usage, bk.size, len(bk.free), bk.cap)
			}
		}
		for _, id := range c.pending {
			b := &m.bufs[id]
			if b.state != Pending {
				return a, fmt.Errorf("buffer %d (%s) is on the pending list of %s", id, b.state, c.usage)
			}
			if !b.doomed {
				waiting--
			}
		}
		if c.shelf != nil && (int64(c.shelf.count) != cached || c.shelf.bytes != a.Bytes[u].Cached) {
			return a, fmt.Errorf("%s: the shelf has %d buffers of %d bytes, the free lists %d of %d",
				c.usage, c.shelf.count, c.shelf.bytes, cached, a.Bytes[u].Cached)
		}
		if cached != a.Count[u].Cached || int64(len(c.pending)) != a.Count[u].Pending || waiting != 0 {
			return a, fmt.Errorf("%s: lists hold %d cached and %d pending buffers, states say %d and %d (%d waiting unaccounted)",
				c.usage, cached, len(c.pending), a.Count[u].Cached, a.Count[u].Pending, waiting)
		}
	}
	return a, nil
}

// Drain destroys everything that is pending or cached: the device is about to
// go. Buffers in use are their holders' to release first.
func (m *Manager) Drain() []Event {
	m.events = m.events[:0]
	for i := range m.caches {
		c := &m.caches[i]
		for _, id := range c.pending {
			b := &m.bufs[id]
			if !b.doomed {
				c.buckets[b.bucket].waiting--
			}
			m.destroy(id, b, NoCache)
		}
		c.pending = c.pending[:0]
		for j := range c.buckets {
			bk := &c.buckets[j]
			for _, id := range bk.free {
				m.destroy(id, &m.bufs[id], NoCache)
			}
			bk.free = bk.free[:0]
			bk.owed = 0
			bk.lost = [NumReasons]int32{}
		}
		if c.shelf != nil {
			c.shelf.clear()
		}
		c.submits = 0
	}
	return m.events
}
