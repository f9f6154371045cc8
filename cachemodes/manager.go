package cachemodes

import (
	"fmt"
	"slices"
)

// Manager is ORT's BufferManager with its four caches: it decides which buffer
// serves each request and what becomes of each release, and knows the state of
// every buffer that exists.
//
// Every method that changes something answers with the events of the change in
// order; the slice is valid until the next call. The caller makes Create true
// on a device before anything else; where it cannot, it calls Fail.
type Manager struct {
	config   Config
	sharing  Sharing
	bufs     []buffer
	unknown  buffer  // in place of one that there is not, in loops: its session is nobody
	ids      []BufID // free for new buffers
	keys     [NumCaches]map[int64]KeyID
	order    [NumCaches][]int64 // sizes, in the order of first sight
	sizes    []sized            // by KeyID
	buckets  []*bucket          // of home's caches, by KeyID; none where they have none
	none     bucket             // whose way is to ask
	events   []Event
	call     [1]Call            // of Request and Release
	slot     [1]BufID           // of call
	now      stretch            // of Play
	played   []Plain            // of Play
	settled  []Plain            // of Play, each of those that its Settles stand for
	told     int                // events that an Other of played stands for
	relief   []Event            // of Relieve
	merged   []BufID            // of merge
	gone     []int32            // of drop
	settling []int32            // of settle: buckets
	steps    int64              // see Steps
	recent   [maxUsages]recents // buckets of home's caches
	chosen   [maxUsages]*cache  // home's that have a Chooser
	onShelf  uint8              // a bit for each of home's that has a shelf
	// held is the bytes of the buffers that exist, requested what was asked for
	// of those in use.
	held      [NumUsages]int64
	requested [maxUsages]int64

	home     *domain   // every session's under ScopeDevice; the pool under ScopeSharedFree
	domains  []*domain // by DomainID; nil where one is gone
	sessions []session
	alive    int     // sessions that asked for something and were not released
	runs     int64   // ended: the counter that DynamicBucketShared counts with
	learnt   []int32 // by KeyID, caches whose learning mode has it as a key
	// unlearnt, under ScopeSharedFree, are the sizes that ceased to be keys since the
	// pool was trimmed.
	unlearnt [NumCaches][]int64
}

// NewManager makes an empty manager with one cache per device. The config must
// be valid.
func NewManager(cfg Config) *Manager { return NewSharing(cfg, Sharing{}) }

// NewSharing makes an empty manager. The config must be valid.
func NewSharing(cfg Config, sharing Sharing) *Manager {
	m := &Manager{config: cfg, sharing: sharing, events: make([]Event, 0, mostPlayed/2), played: make([]Plain, 0, 2*mostPlayed)}
	m.now.session = nobody
	m.unknown.session, m.unknown.last, m.unknown.doomed = nobody, nobody, true
	for u, s := range cfg {
		if err := s.Params.Validate(); err != nil {
			panic(fmt.Sprintf("cachemodes: NewManager wants valid parameters: %v", err))
		}
		m.keys[u] = map[int64]KeyID{}
	}
	m.home = m.open(Owner{Kind: OwnerDevice, Session: NoSession})
	return m
}

// Config is what is in force.
func (m *Manager) Config() Config { return m.config }

// Sharing says who shares free buffers.
func (m *Manager) Sharing() Sharing { return m.sharing }

// Mode is the mode in force for a usage that has a cache.
func (m *Manager) Mode(u Usage) ModeID { return m.config[u].Mode }

// Request answers which buffer serves n bytes, above 0, for a session: found
// in the usage's cache (Hit) or new (Create).
func (m *Manager) Request(session int32, usage Usage, n int64) (BufID, []Event) {
	m.call[0] = Call{Op: CallRequest, Bytes: n, Usage: usage}
	events := m.one(session)
	return m.slot[0], events
}

// request is Request for whatever it is. Its events come after what is there.
func (m *Manager) request(session int32, usage Usage, n int64) BufID {
	m.requested[usage] += n
	s := m.awake(session)
	s.recorded = true
	if !usage.Cached() {
		id, b := m.newBuffer()
		*b = buffer{size: roundUp(n, 16), requested: n, key: NoKey, session: session, last: NoSession, domain: m.home.id, usage: usage, state: InUse}
		m.held[usage] += b.size
		m.home.bufs++
		m.emit(id, b, Create, Bypass)
		return id
	}
	c := &m.serving(s, session).caches[usage]
	if c.shelf != nil {
		c.requested += n
	}
	if c.chooser != nil {
		return m.requestChosen(c, session, n)
	}
	i := m.bucketFor(c, n)
	bk := &c.buckets[i]
	if c.learner != nil && c.learner.Requested(session, bk.size) {
		c.limit(bk)
		m.keyBorn(c, bk, session)
	}
	if id := m.takeLast(c, bk, session); id != NoBuf {
		m.handOut(c, id, session, n)
		return id
	}
	if id := m.fromPool(c, bk.size, bk.size, session); id != NoBuf {
		m.handOut(c, id, session, n)
		return id
	}
	if c.evictor != nil {
		m.evict(c, OnMiss, n)
	}
	id := m.create(c, i, session, n, m.missReason(bk, session))
	return id
}

// requestChosen is Request under a Chooser.
func (m *Manager) requestChosen(c *cache, session int32, n int64) BufID {
	id := m.choose(c, session, n)
	if id == NoBuf {
		return m.notChosen(c, session, n)
	}
	m.takeFree(c, id)
	m.handOut(c, id, session, n)
	return id
}

// choose is the free buffer that a Chooser has for a request.
func (m *Manager) choose(c *cache, session int32, n int64) BufID {
	if c.learner != nil {
		c.learner.Requested(session, n)
	}
	c.shelf.viewer = session
	id := c.chooser.Choose(n, c.shelf)
	c.shelf.viewer = NoSession
	return id
}

// notChosen is the buffer for a request of which choose knew none.
func (m *Manager) notChosen(c *cache, session int32, n int64) BufID {
	if id := m.fromPool(c, n, MaxBytes, session); id != NoBuf {
		m.bufs[id].mark, c.shelf.made = c.shelf.made, 0
		m.handOut(c, id, session, n)
		return id
	}
	i := m.bucketOf(c, c.policy.Key(n))
	if c.evictor != nil {
		m.evict(c, OnMiss, n)
	}
	why := m.explain(c, n, &c.buckets[i], session)
	id := m.create(c, i, session, n, why)
	m.bufs[id].mark, c.shelf.made = c.shelf.made, 0
	return id
}

// takeLast takes the buffer of a bucket that became free last and that session
// may have.
func (m *Manager) takeLast(c *cache, bk *bucket, session int32) BufID {
	for i := len(bk.free) - 1; i >= 0; i-- {
		id := bk.free[i]
		m.steps++
		if b := &m.bufs[id]; b.last != session && !m.safe(b, session) {
			continue
		}
		bk.free = append(bk.free[:i], bk.free[i+1:]...)
		if c.shelf != nil {
			c.shelf.remove(id)
		}
		return id
	}
	return NoBuf
}

// handOut gives a buffer, which is on no list any more, to a session.
func (m *Manager) handOut(c *cache, id BufID, session int32, n int64) {
	b := &m.bufs[id]
	b.requested, b.session, b.mode, b.state = n, session, c.setting.Mode, InUse
	m.emit(id, b, Hit, NoReason)
}

// create makes a buffer of a bucket.
func (m *Manager) create(c *cache, i, session int32, n int64, why Reason) BufID {
	bk := &c.buckets[i]
	id, b := m.newBuffer()
	*b = buffer{} // then what it has, where it stays: see emit
	b.size, b.requested, b.key, b.bucket, b.session, b.last = bk.size, n, bk.key, i, session, NoSession
	b.domain, b.usage, b.mode, b.state = c.domain.id, c.usage, c.setting.Mode, InUse
	m.held[c.usage] += bk.size
	c.held += bk.size
	c.domain.bufs++
	m.emit(id, b, Create, why)
	return id
}

// Release takes back a buffer that is in use.
func (m *Manager) Release(id BufID) []Event {
	m.call[0], m.slot[0] = Call{Op: CallRelease}, id
	return m.one(m.inUse(id, "Release").session)
}

// release is Release for whatever it is. Its events come after what is there.
func (m *Manager) release(id BufID) {
	b := m.inUse(id, "Release")
	m.requested[b.usage] -= b.requested
	if !b.usage.Cached() {
		m.destroy(id, b, Bypass)
		return
	}
	d := m.domains[b.domain]
	if c := &d.caches[b.usage]; c.shelf != nil {
		c.requested -= b.requested
	}
	session, by := b.session, m.recording(b.session)
	b.last, b.epoch = session, by.newest()
	if m.sharing.Provoke != NoHazard {
		d = m.provoked(d, b)
	}
	if d.closed {
		m.destroy(id, b, OwnerGone)
		return
	}
	c := &d.caches[b.usage]
	m.releaseTo(c, id, b)
	if !by.live { // no submit of that session's follows, which it could wait for
		m.look(c, AtRunEnd, session)
	}
}

// Relieve tells that the device has no memory for buffer id, just created:
// modes that free what they keep in that case do, and the caller asks the
// device once more, then calls Fail. An answer without events means that there
// is nothing to gain. The events of the Request stay valid.
func (m *Manager) Relieve(id BufID) []Event {
	request := m.events
	m.events = m.relief[:0]
	n := m.inUse(id, "Relieve").requested
	for _, d := range m.domains {
		for i := range NumCaches {
			if d != nil && d.caches[i].evictor != nil {
				m.evict(&d.caches[i], OnRefusal, n)
			}
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
	if !b.usage.Cached() {
		m.forget(id, b)
		return m.events
	}
	c := &m.domains[b.domain].caches[b.usage]
	if c.shelf != nil {
		c.requested -= b.requested
	}
	m.forget(id, b)
	m.evict(c, OnFail, b.requested)
	return m.events
}

// Refresh tells that the commands that session recorded were submitted.
func (m *Manager) Refresh(session int32) []Event {
	m.events = m.events[:0]
	m.refresh(session)
	return m.events
}

// refresh is Refresh. Its events come after what is there.
func (m *Manager) refresh(session int32) {
	r := m.recording(session)
	m.endRecording(session, r)
	home := m.sharing.Scope == ScopeDevice && r.capture == nil && len(r.graphs) == 0 // nearly always: each does nothing else then
	for u := range NumCaches {
		r.submits[u]++
		due := r.submits[u] >= m.config[u].Params.RefreshEvery
		if due {
			r.submits[u] = 0
		}
		if home {
			if c := &m.home.caches[u]; c.evictor != nil || len(c.ripe) > 0 || len(c.line(session).ids) > 0 {
				m.submit(m.home, c, session, due)
			}
			continue
		}
		m.each(session, func(d *domain) { m.submit(d, &d.caches[u], session, due) })
	}
	if session == m.now.session {
		m.tell()
		m.next().Kind = Refresh
		return
	}
	m.events = append(m.events, Event{Kind: Refresh, Session: session, Last: NoSession, Key: NoKey})
}

// submit tells a cache of a submit of session's, which is due for it to be refreshed
// at.
func (m *Manager) submit(d *domain, c *cache, session int32, due bool) {
	if due {
		m.look(c, AtRefresh, session)
		if c.evictor != nil {
			m.evict(c, OnRefresh, 0)
		}
	}
	if l := c.line(session); len(l.ids) > 0 {
		c.ripen(l, session)
	}
	if m.sharing.Scope == ScopeSharedFree && d.owner.Kind == OwnerSession {
		m.share(c, session)
	}
}

// RunStart tells that an inference of session starts.
func (m *Manager) RunStart(session int32) []Event {
	m.events = m.events[:0]
	if m.sharing.Scope == ScopeRun {
		m.beginRun(session)
	}
	d := m.usual(m.awake(session), session)
	for i := range d.caches {
		if l := d.caches[i].learner; l != nil {
			l.RunStart(session)
		}
	}
	return m.events
}

// RunEnd tells that it ended.
func (m *Manager) RunEnd(session int32) []Event {
	m.events = m.events[:0]
	m.runs++
	m.each(session, func(d *domain) {
		for i := range d.caches {
			c := &d.caches[i]
			if c.reuse == AtRunEnd {
				m.look(c, AtRunEnd, session)
			}
		}
	})
	d := m.usual(m.awake(session), session)
	for i := range d.caches {
		c := &d.caches[i]
		if c.learner != nil && c.learner.RunEnd(session) {
			m.adjusted(c, session)
		}
		if c.evictor != nil {
			m.evict(c, OnRunEnd, 0)
		}
	}
	if m.sharing.Scope == ScopeRun {
		m.endRun(session)
	}
	return m.events
}

// adjusted makes a cache follow its learner's renewed keys.
func (m *Manager) adjusted(c *cache, session int32) {
	m.events = append(m.events, Event{Kind: Adjust, Usage: c.usage, Session: session, Last: NoSession, Mode: c.setting.Mode, Key: NoKey, Domain: c.domain.id})
	if d, ok := c.learner.(Dropper); ok {
		m.drop(c, d.Dropped(), session)
	} else {
		m.reconsider(c, false)
	}
	if m.sharing.Scope == ScopeSharedFree && c.domain.owner.Kind == OwnerSession {
		m.trimPool(c.usage)
	}
}

// drop takes sizes from the keys of a cache, in the order of its buckets.
func (m *Manager) drop(c *cache, sizes []int64, session int32) {
	m.gone = m.gone[:0]
	for _, size := range sizes {
		if i, ok := c.bySize[size]; ok {
			m.gone = append(m.gone, i)
		}
	}
	slices.Sort(m.gone)
	for _, i := range m.gone {
		if bk := &c.buckets[i]; bk.cap > 0 {
			m.keyDropped(c, bk, session)
		}
	}
	for _, i := range m.gone {
		m.reconsiderBucket(c, i, false)
	}
}

// keyBorn tells that a learning mode made a bucket's size a key, unless another
// cache has it as one already.
func (m *Manager) keyBorn(c *cache, bk *bucket, session int32) {
	for int(bk.key) >= len(m.learnt) {
		m.learnt = append(m.learnt, 0)
	}
	if m.learnt[bk.key]++; m.learnt[bk.key] == 1 {
		m.events = append(m.events, Event{Kind: KeyBorn, Usage: c.usage, Size: bk.size, Key: bk.key, Session: session, Last: NoSession, Mode: c.setting.Mode, Domain: c.domain.id})
	}
}

// keyDropped tells that it is none any more, unless another cache still has it.
func (m *Manager) keyDropped(c *cache, bk *bucket, session int32) {
	if int(bk.key) >= len(m.learnt) || m.learnt[bk.key] == 0 {
		return
	}
	if m.learnt[bk.key]--; m.learnt[bk.key] == 0 {
		if m.sharing.Scope == ScopeSharedFree {
			m.unlearnt[c.usage] = append(m.unlearnt[c.usage], bk.size)
		}
		m.events = append(m.events, Event{Kind: KeyDropped, Usage: c.usage, Size: bk.size, Key: bk.key, Session: session, Last: NoSession, Mode: c.setting.Mode, Domain: c.domain.id})
	}
}

// Set changes the mode of a usage, its parameters, or both, for every call to
// come. Buffers in use stay so; pending ones are looked at by the new mode at
// its next moment; free ones that it could never hand out, or more than it
// keeps, are destroyed now. A mode that learns takes the sizes that are free for
// keys; of those that only graphs have free, which are none, it tells that they are
// dropped. Setting what is in force already changes nothing.
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
	now := &m.config[usage]
	if now.Mode == s.Mode && now.Params.Equal(s.Params) {
		return m.events, nil
	}
	switched := now.Mode != s.Mode
	*now = s
	for _, id := range m.keys[usage] {
		if int(id) < len(m.learnt) {
			m.learnt[id] = 0
		}
	}
	m.events = append(m.events, Event{Kind: Switch, Usage: usage, Mode: s.Mode, Session: NoSession, Last: NoSession, Key: NoKey})
	for id := range m.bufs { // marks are another policy's no more
		if b := &m.bufs[id]; b.usage == usage && b.state != Gone && m.domains[b.domain].follows() {
			b.mark = 0
		}
	}
	for _, d := range m.domains {
		if d != nil && d.follows() {
			m.change(&d.caches[usage], s, switched)
		}
	}
	if s.Mode.Mode().Learns {
		m.notAdopted(usage)
	}
	return m.events, nil
}

// notAdopted tells that sizes which only graphs have free are no keys of the
// learning mode that was chosen. Whoever follows the events cannot tell whose a
// free buffer is, and takes every size that is in a cache at a switch for a key.
func (m *Manager) notAdopted(u Usage) {
	for _, size := range m.order[u] {
		id := m.keys[u][size]
		if learnt := int(id) < len(m.learnt) && m.learnt[id] > 0; learnt || !m.freeInGraphs(u, size) {
			continue
		}
		m.events = append(m.events, Event{
			Kind: KeyDropped, Usage: u, Size: size, Key: id, Session: NoSession, Last: NoSession, Mode: m.config[u].Mode, Domain: m.home.id,
		})
	}
}

// freeInGraphs reports whether caches that no change of the config is have free
// buffers of a size.
func (m *Manager) freeInGraphs(u Usage, size int64) bool {
	return slices.ContainsFunc(m.domains, func(d *domain) bool {
		if d == nil || d.follows() {
			return false
		}
		c := &d.caches[u]
		i, ok := c.bySize[size]
		return ok && len(c.buckets[i].free) > 0
	})
}

// change puts a setting in force for a cache that goes on with what it has.
func (m *Manager) change(c *cache, s Setting, switched bool) {
	m.adopt(c, s)
	c.adopted, m.unlearnt[c.usage] = c.adopted[:0], m.unlearnt[c.usage][:0]
	c.requested = 0 // it is followed where a policy may ask
	if c.shelf != nil {
		for id := range m.bufs {
			if b := &m.bufs[id]; b.state == InUse && b.usage == c.usage && b.domain == c.domain.id {
				c.requested += b.requested
			}
		}
	}
	for i := range c.buckets {
		bk := &c.buckets[i]
		if c.learner != nil && len(bk.free) > 0 {
			c.learner.Adopt(bk.size)
			if m.sharing.Scope == ScopeSharedFree && c.domain == m.home {
				c.adopted = append(c.adopted, int32(i))
			}
			for int(bk.key) >= len(m.learnt) {
				m.learnt = append(m.learnt, 0)
			}
			m.learnt[bk.key]++
		}
	}
	m.pardon(c)
	c.outdate()
	m.reconsider(c, switched)
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
	b.state, b.session = Gone, NoSession
	m.held[b.usage] -= b.size
	m.ids = append(m.ids, id)
	d := m.domains[b.domain]
	if b.usage.Cached() {
		d.caches[b.usage].held -= b.size
	}
	if d.bufs--; d.bufs == 0 && d.closed {
		m.domains[d.id] = nil
	}
}

// all sums over what counts as held: see Usage.Held.
func (m *Manager) all(bytes []int64) int64 {
	_ = bytes[Weights]
	return bytes[Storage] + bytes[Uniform] + bytes[QueryResolve] + bytes[Default] + bytes[Weights]
}

// destroy gives a buffer up, wherever it is. The caller has taken it off its
// list.
func (m *Manager) destroy(id BufID, b *buffer, why Reason) {
	m.emit(id, b, Destroy, why)
	m.forget(id, b)
}

// emit appends the event that a buffer's change of state is. It is written where
// it stays: a copy would wait for the bytes that were written last.
func (m *Manager) emit(id BufID, b *buffer, k Kind, why Reason) {
	if b.last == m.now.session && b.domain == m.now.domain && (k == Hit && b.session == b.last || k >= Keep && k <= Pend) {
		m.tell()
		e := m.next()
		e.Requested, e.Buf, e.Key, e.Kind, e.Why, e.Mode, e.Brief = b.requested, id, b.key, k, why, b.mode, false
		return
	}
	n := len(m.events)
	if n == cap(m.events) {
		m.events = append(m.events, Event{})
	} else {
		m.events = m.events[:n+1]
	}
	b.tell(&m.events[n], id, k, why)
}

// tell writes an event of a buffer.
func (b *buffer) tell(e *Event, id BufID, k Kind, why Reason) {
	e.Size, e.Requested, e.Buf, e.Key = b.size, b.requested, id, b.key
	e.Session, e.Last, e.Domain = b.session, b.last, b.domain
	e.Kind, e.Usage, e.Mode, e.Why, e.From = k, b.usage, b.mode, why, Gone
	if k == Destroy {
		e.From = b.state
	}
}

func (m *Manager) inUse(id BufID, call string) *buffer {
	if uint(id) < uint(len(m.bufs)) {
		if b := &m.bufs[id]; b.state == InUse {
			return b
		}
	}
	panic(notInUse(id, call))
}

func notInUse(id BufID, call string) string {
	return fmt.Sprintf("cachemodes: %s wants a buffer in use; %d is not", call, id)
}

// Steps counts the buffers on lists that were gone through so far, for what
// serves a request and for what a submit or a run's end is about. A test holds it
// to the number of calls, which it is to grow with: not with the sessions that
// there are.
func (m *Manager) Steps() int64 { return m.steps }

// NumBuffers is one more than the highest BufID that there was.
func (m *Manager) NumBuffers() int { return len(m.bufs) }

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
// caches of a usage, all of them together, in the order of first sight; Cap is
// what the mode in force allows each of them, captured graphs' apart. It changes
// nothing.
func (m *Manager) Keys(usage Usage, out []Free) []Free {
	begin := len(out)
	limits := m.config[usage].Limits()
	for _, size := range m.order[usage] {
		f := Free{Key: m.keys[usage][size], Usage: usage, Size: size}
		f.Cap, f.IsKey = limits.Of(size, int(f.Key) < len(m.learnt) && m.learnt[f.Key] > 0)
		out = append(out, f)
	}
	rows := out[begin:]
	at := make(map[int64]int, len(rows))
	for i := range rows {
		at[rows[i].Size] = i
	}
	for _, d := range m.domains {
		if d == nil || d.closed {
			continue
		}
		c := &d.caches[usage]
		for i := range c.buckets {
			bk := &c.buckets[i]
			rows[at[bk.size]].Free += len(bk.free)
		}
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
	for _, d := range m.domains {
		if d == nil {
			continue
		}
		for u := range d.caches {
			if err := m.auditCache(&d.caches[u]); err != nil {
				return a, fmt.Errorf("%s: %w", d.owner, err)
			}
		}
	}
	var sum Audit
	for _, d := range m.domains {
		if d == nil {
			continue
		}
		for u := range d.caches {
			c := &d.caches[u]
			for i := range c.lines {
				sum.Count[u].Pending += int64(len(c.lines[i].ids))
			}
			for i := range c.buckets {
				sum.Count[u].Cached += int64(len(c.buckets[i].free))
			}
		}
	}
	for u := range NumCaches {
		if s, n := sum.Count[u], a.Count[u]; s.Pending != n.Pending || s.Cached != n.Cached {
			return a, fmt.Errorf("%s: lists hold %d cached and %d pending buffers, states say %d and %d",
				Usage(u), s.Cached, s.Pending, n.Cached, n.Pending)
		}
	}
	return a, nil
}

// auditCache verifies the lists of one cache.
func (m *Manager) auditCache(c *cache) error {
	var cached, bytes, waiting int64
	for i := range c.buckets {
		bk := &c.buckets[i]
		for _, id := range bk.free {
			b := &m.bufs[id]
			if b.state != Cached || b.size != bk.size || b.usage != c.usage || b.domain != c.domain.id || int(b.bucket) != i {
				return fmt.Errorf("buffer %d (%s, %d bytes) is on the free list of %s %d", id, b.state, b.size, c.usage, bk.size)
			}
			bytes += b.size
			if c.shelf != nil && !c.shelf.holds(id) {
				return fmt.Errorf("buffer %d is free in %s but not on its shelf", id, c.usage)
			}
		}
		cached += int64(len(bk.free))
		waiting += int64(bk.waiting)
		if len(bk.free) > int(bk.cap) {
			return fmt.Errorf("bucket %s %d keeps %d buffers over its cap of %d", c.usage, bk.size, len(bk.free), bk.cap)
		}
	}
	for i := range c.lines {
		for _, id := range c.lines[i].ids {
			b := &m.bufs[id]
			if b.state != Pending || b.domain != c.domain.id || c.line(b.last) != &c.lines[i] {
				return fmt.Errorf("buffer %d (%s) is on the pending list of %s", id, b.state, c.usage)
			}
			if c.domain == m.home && m.sharing.Scope == ScopeDevice && !m.recording(b.last).live {
				return fmt.Errorf("buffer %d of %s waits for a session that is gone", id, c.usage)
			}
			if !b.doomed {
				waiting--
			}
		}
	}
	if c.shelf != nil && (int64(c.shelf.count) != cached || c.shelf.bytes != bytes) {
		return fmt.Errorf("%s: the shelf has %d buffers of %d bytes, the free lists %d of %d",
			c.usage, c.shelf.count, c.shelf.bytes, cached, bytes)
	}
	if waiting != 0 {
		return fmt.Errorf("%s: %d pending buffers are unaccounted", c.usage, waiting)
	}
	return nil
}

// Drain destroys everything that is pending or cached: the device is about to
// go. Buffers in use are their holders' to release first.
func (m *Manager) Drain() []Event {
	m.events = m.events[:0]
	for _, d := range m.domains {
		if d != nil {
			m.empty(d, NoCache)
		}
	}
	for i := range m.sessions {
		m.sessions[i].submits = [NumCaches]int{}
	}
	return m.events
}
