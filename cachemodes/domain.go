package cachemodes

import (
	"fmt"
	"slices"
)

// DomainID names a set of caches with one owner for as long as it has buffers.
type DomainID int32

// homeID is that of Manager.home, which is there first and for good.
const homeID DomainID = 0

// OwnerKind says what a set of caches belongs to.
type OwnerKind uint8

// The owners. OwnerDevice has the buffers that pass through no cache as well,
// and under ScopeSharedFree the pool.
const (
	OwnerDevice OwnerKind = iota
	OwnerSession
	OwnerRun
	OwnerGraph      // a captured graph that can be replayed
	OwnerGeneration // what a retired graph left to its session's next one
)

var ownerNames = [...]string{"device", "session", "run", "graph", "generation"}

// String is the owner's kind.
func (k OwnerKind) String() string { return ownerNames[k] }

// Owner is whose caches these are.
type Owner struct {
	Kind    OwnerKind
	Session int32 // NoSession for the device's
}

// String names the owner: "device", "graph of session 2".
func (o Owner) String() string {
	switch o.Kind {
	case OwnerDevice:
		return "device"
	case OwnerSession:
		return fmt.Sprintf("session %d", o.Session)
	}
	return fmt.Sprintf("%s of session %d", o.Kind, o.Session)
}

// domain is the caches of one owner. Buffers, their numbers and the numbers of
// keys are the Manager's: a buffer that moves to another owner stays the same.
type domain struct {
	id     DomainID
	owner  Owner
	caches [NumCaches]cache
	bufs   int  // buffers that exist, in use ones too
	closed bool // the owner is gone: what still comes back is destroyed
}

// follows reports whether a change of the config is one of these caches: a graph's
// go on as it was captured.
func (d *domain) follows() bool { return d.owner.Kind != OwnerGraph && d.owner.Kind != OwnerGeneration }

// session is what the Manager knows of one: its recording, and which caches
// serve it.
type session struct {
	id   int32
	live bool
	// epoch counts the submits of its recording: what was released in an
	// earlier one is in no unsubmitted command of its.
	epoch int64
	// recorded is that something was asked for since the last submit: each
	// dispatch asks for a uniform at least, so that without a request there is
	// no command to submit.
	recorded bool
	submits  [NumCaches]int // since the last refresh
	own      *domain        // ScopeSession, ScopeSharedFree
	parked   []*domain      // ScopeRun: of no run at the moment
	running  []*domain      // ScopeRun: of an open run, the newest last
	capture  *domain        // the graph being captured
	graphs   []*domain      // that can be replayed
	retired  []*domain      // generations, the oldest first
}

// open makes the caches of an owner, empty.
func (m *Manager) open(o Owner) *domain {
	d := &domain{owner: o}
	d.id = DomainID(len(m.domains))
	for i, other := range m.domains {
		if other == nil {
			d.id = DomainID(i)
			break
		}
	}
	if int(d.id) == len(m.domains) {
		m.domains = append(m.domains, nil)
	}
	m.domains[d.id] = d
	cfg := m.config
	if o.Kind == OwnerGraph || o.Kind == OwnerGeneration {
		cfg[Storage].Mode, cfg[Uniform].Mode = Graph, GraphSimple
	}
	if m.sharing.Provoke == UniformReuse { // what ORT had before uniforms waited for the submit
		cfg[Uniform].Mode = Graph
	}
	if m.sharing.Provoke == DestroyBeforeSubmit && o.Kind != OwnerGraph {
		cfg[Storage].Mode = Disabled
	}
	for u, s := range cfg {
		m.initCache(d, Usage(u), s)
	}
	return d
}

// recording is a session's state. NoSession has one of its own.
func (m *Manager) recording(id int32) *session {
	if i := int(id) + 1; i < len(m.sessions) {
		return &m.sessions[i]
	}
	return m.newSession(id)
}

func (m *Manager) newSession(id int32) *session {
	m.sessions = append(m.sessions, make([]session, int(id)+2-len(m.sessions))...)
	return &m.sessions[int(id)+1]
}

// awake is a session's state once it is known to live.
func (m *Manager) awake(id int32) *session {
	if i := int(id) + 1; i < len(m.sessions) && m.sessions[i].live {
		return &m.sessions[i]
	}
	return m.wake(id)
}

func (m *Manager) wake(id int32) *session {
	s := m.recording(id)
	if !s.live {
		s.id, s.live = id, true
		if m.alive++; m.several(m.home) {
			for u := range m.home.caches {
				if shelf := m.home.caches[u].shelf; shelf != nil {
					shelf.part()
				}
			}
		}
	}
	return s
}

// newest is the recording that commands with what session releases now are in:
// the one going on, or the last submitted where nothing was recorded since.
func (s *session) newest() int64 {
	if s.recorded {
		return s.epoch
	}
	return s.epoch - 1
}

// safe reports whether a session may be handed a free buffer: commands that use
// it are its own or submitted.
func (m *Manager) safe(b *buffer, session int32) bool {
	return b.last == session || session == NoSession || m.submitted(b)
}

// submitted reports whether any session may be handed a free buffer.
func (m *Manager) submitted(b *buffer) bool {
	return b.last == NoSession || b.epoch < m.recording(b.last).epoch || m.sharing.Provoke == CrossSession
}

// endRecording notes that what a session recorded is submitted or dropped: what it
// released is everybody's.
func (m *Manager) endRecording(id int32, s *session) {
	s.epoch++
	s.recorded = false
	m.home.submitted(id)
	if m.sharing.Provoke == WrongManager { // else nobody releases in another session's caches
		for _, d := range m.domains {
			if d != nil {
				d.submitted(id)
			}
		}
	}
}

func (d *domain) submitted(session int32) {
	for i := range d.caches {
		if s := d.caches[i].shelf; s != nil {
			s.submitted(session)
		}
	}
}

// serving is the caches that serve a session's requests now.
func (m *Manager) serving(s *session, session int32) *domain {
	if s.capture != nil {
		return s.capture
	}
	if m.sharing.Scope == ScopeDevice {
		return m.home
	}
	return m.usual(s, session)
}

// usual is the caches that serve a session's requests but for a graph's.
func (m *Manager) usual(s *session, id int32) *domain {
	switch m.sharing.Scope {
	case ScopeSession, ScopeSharedFree:
		if s.own == nil {
			s.own = m.open(Owner{OwnerSession, id})
		}
		return s.own
	case ScopeRun:
		if n := len(s.running); n > 0 {
			return s.running[n-1]
		}
		if len(s.parked) == 0 {
			s.parked = append(s.parked, m.open(Owner{OwnerRun, id}))
		}
		return s.parked[len(s.parked)-1]
	}
	return m.home
}

// each calls f with every set of caches that holds what a session released.
func (m *Manager) each(session int32, f func(*domain)) {
	s := m.recording(session) // a late submit of one that is gone does not bring it back
	if m.sharing.Scope == ScopeDevice {
		f(m.home)
		if s.capture == nil && len(s.graphs) == 0 {
			return
		}
	}
	if s.own != nil {
		f(s.own)
	}
	for _, list := range [...][]*domain{s.parked, s.running, s.graphs} {
		for _, d := range list {
			f(d)
		}
	}
	if s.capture != nil {
		f(s.capture)
	}
}

// beginRun gives a run the caches that the last one handed on, or new ones.
func (m *Manager) beginRun(session int32) {
	s := m.awake(session)
	if len(s.parked) == 0 {
		s.parked = append(s.parked, m.open(Owner{OwnerRun, session}))
	}
	n := len(s.parked) - 1
	s.running = append(s.running, s.parked[n])
	s.parked = s.parked[:n]
}

// endRun hands the caches of the newest run on to the session's next one. Runs
// of one session do not overlap in ORT; where a trace has it otherwise, it
// makes no difference to which run a cache was.
func (m *Manager) endRun(session int32) {
	s := m.recording(session)
	n := len(s.running)
	if n == 0 {
		return
	}
	s.parked = append(s.parked, s.running[n-1])
	s.running = s.running[:n-1]
}

// share moves what is free in a session's own cache, and in no command that is
// not submitted, to the pool, as far as a session's policy keeps so many.
func (m *Manager) share(c *cache, session int32) {
	pool := &m.home.caches[c.usage]
	for i := range c.buckets {
		bk := &c.buckets[i]
		rest := bk.free[:0]
		for _, id := range bk.free {
			b := &m.bufs[id]
			if !m.safe(b, NoSession) || b.last == session && b.epoch >= m.recording(session).epoch {
				rest = append(rest, id)
				continue
			}
			if c.shelf != nil {
				c.shelf.remove(id)
			}
			to := &pool.buckets[m.bucketOf(pool, b.size)]
			if len(to.free) >= int(bk.cap) {
				bk.lose(CapFull)
				m.destroy(id, b, CapFull)
				continue
			}
			to.cap = max(to.cap, bk.cap)
			m.move(c, pool, id, b)
		}
		bk.free = rest
	}
}

// trimPool destroys what the pool keeps of sizes that are no session's key any
// more, under a mode that learns keys: those that ceased to be since it was called
// last, and those that were made keys as the mode was chosen.
func (m *Manager) trimPool(u Usage) {
	pool := &m.home.caches[u]
	m.gone = append(m.gone[:0], pool.adopted...)
	for _, size := range m.unlearnt[u] {
		if i, ok := pool.bySize[size]; ok {
			m.gone = append(m.gone, i)
		}
	}
	slices.Sort(m.gone)
	for _, i := range slices.Compact(m.gone) {
		bk := &pool.buckets[i]
		m.steps++
		if _, adopted := slices.BinarySearch(pool.adopted, i); adopted {
			m.keyDropped(pool, bk, NoSession)
		}
		if int(bk.key) < len(m.learnt) && m.learnt[bk.key] > 0 {
			continue
		}
		bk.cap = 0
		for _, id := range bk.free {
			if pool.shelf != nil {
				pool.shelf.remove(id)
			}
			bk.lose(DroppedKey)
			m.destroy(id, &m.bufs[id], DroppedKey)
		}
		bk.free = bk.free[:0]
	}
	pool.adopted, m.unlearnt[u] = pool.adopted[:0], m.unlearnt[u][:0]
}

// fromPool takes a free buffer of the pool of ScopeSharedFree for a cache: one
// from a size to another that its policy lets serve, the smallest.
func (m *Manager) fromPool(c *cache, from, to int64, session int32) BufID {
	if m.sharing.Scope != ScopeSharedFree || c.domain.owner.Kind != OwnerSession {
		return NoBuf
	}
	pool := &m.home.caches[c.usage]
	best := int32(-1)
	if from == to {
		if i, ok := pool.bySize[from]; ok && len(pool.buckets[i].free) > 0 {
			best = i
		}
	} else {
		for _, of := range pool.shelf.stocked[pool.shelf.find(from):] {
			m.steps++
			if len(pool.buckets[of.bucket].free) > 0 && c.chooser.Serves(from, of.size) {
				best = of.bucket
				break
			}
		}
	}
	if best < 0 {
		return NoBuf
	}
	id := m.takeLast(pool, &pool.buckets[best], session)
	if id == NoBuf {
		return NoBuf
	}
	b := &m.bufs[id]
	m.transfer(pool, c, id, b)
	return id
}

// move takes a free buffer, which is off its lists, into another cache's.
func (m *Manager) move(from, to *cache, id BufID, b *buffer) {
	m.transfer(from, to, id, b)
	bk := &to.buckets[b.bucket]
	bk.free = append(bk.free, id)
	if to.shelf != nil {
		to.shelf.add(id, b, bk)
	}
}

// transfer makes a buffer, which is on no list, another cache's.
func (m *Manager) transfer(from, to *cache, id BufID, b *buffer) {
	b.bucket = m.bucketOf(to, b.size)
	from.held -= b.size
	to.held += b.size
	from.domain.bufs--
	to.domain.bufs++
	b.domain = to.domain.id
	m.emit(id, b, Move, NoReason)
}

// empty destroys everything that is pending or cached in a set of caches.
func (m *Manager) empty(d *domain, why Reason) {
	for i := range d.caches {
		c := &d.caches[i]
		for _, id := range m.takePending(c) {
			b := &m.bufs[id]
			if !b.doomed {
				c.buckets[b.bucket].waiting--
			}
			m.destroy(id, b, why)
		}
		for j := range c.buckets {
			bk := &c.buckets[j]
			for _, id := range bk.free {
				m.destroy(id, &m.bufs[id], why)
			}
			bk.free = bk.free[:0]
			bk.owed = 0
			bk.lost, bk.anyLost = [NumReasons]int32{}, 0
		}
		if c.shelf != nil {
			c.shelf.empty()
		}
	}
}

// close ends a set of caches whose owner is gone.
func (m *Manager) close(d *domain) {
	m.empty(d, OwnerGone)
	for u := range d.caches {
		c := &d.caches[u]
		for i := range c.buckets {
			if bk := &c.buckets[i]; c.learner != nil && bk.cap > 0 {
				m.keyDropped(c, bk, d.owner.Session)
			}
		}
	}
	d.closed = true
	if d.bufs == 0 {
		m.domains[d.id] = nil
	}
}

// SessionRelease tells that session is no more, and that what it recorded is
// submitted or dropped: what was learned from it is forgotten, and the caches
// that are its own are destroyed, or under ScopeSharedFree given to the pool,
// which goes with the last session. Under ScopeDevice all that the mode keeps
// stays; what waited for a submit of the session's waits no more, since none
// follows. What it still has in use is released one by one, by its holder.
func (m *Manager) SessionRelease(id int32) []Event {
	m.events = m.events[:0]
	s := m.recording(id)
	m.endRecording(id, s)
	for u := range m.home.caches {
		c := &m.home.caches[u]
		if c.learner != nil && c.learner.Forget(id) {
			m.adjusted(c, id)
		}
		if m.sharing.Scope == ScopeDevice {
			m.look(c, AtRunEnd, id)
		}
	}
	if s.own != nil && m.sharing.Scope == ScopeSharedFree {
		for u := range s.own.caches {
			c := &s.own.caches[u]
			m.look(c, AtRunEnd, id)
			m.share(c, id)
		}
	}
	for _, list := range [...][]*domain{s.parked, s.running, s.graphs, s.retired} {
		for _, d := range list {
			m.close(d)
		}
	}
	for _, d := range []*domain{s.own, s.capture} {
		if d != nil {
			m.close(d)
		}
	}
	if s.live {
		m.alive--
	}
	if m.alive == 0 && m.sharing.Scope == ScopeSharedFree {
		m.empty(m.home, OwnerGone)
	}
	*s = session{epoch: s.epoch}
	return m.events
}

// CaptureStart tells that session's run is captured as a graph from here on: its
// requests are served by caches of the graph's own, which begin with what the
// session's graph that was retired last left.
func (m *Manager) CaptureStart(id int32) (DomainID, []Event) {
	m.events = m.events[:0]
	s := m.awake(id)
	if s.capture != nil {
		panic(fmt.Sprintf("cachemodes: CaptureStart wants a session without a capture; session %d is in one", id))
	}
	s.capture = m.open(Owner{OwnerGraph, id})
	if n := len(s.retired) - 1; n >= 0 {
		m.moveAll(s.retired[n], s.capture)
		m.close(s.retired[n])
		s.retired = s.retired[:n]
	}
	return s.capture.id, m.events
}

// CaptureEnd tells that the captured run has ended: the graph has its buffers
// for as long as it can be replayed.
func (m *Manager) CaptureEnd(id int32) []Event {
	m.events = m.events[:0]
	s := m.recording(id)
	d := s.capture
	s.graphs = append(s.graphs, d)
	s.capture = nil
	m.lookAt(d, AtRunEnd, id)
	if m.sharing.Provoke == GraphLent { // to the session's next graph, as if this one were retired
		next := m.open(Owner{OwnerGeneration, id})
		m.moveAll(d, next)
		s.retired = append(s.retired, next)
	}
	return m.events
}

// lookAt looks at all pending buffers of a set of caches.
func (m *Manager) lookAt(d *domain, at When, session int32) {
	for i := range d.caches {
		m.look(&d.caches[i], at, session)
	}
}

// GraphRelease tells that a captured graph of session is no more. Its free
// buffers become the newest of so many generations that the session keeps for
// its next graph.
func (m *Manager) GraphRelease(id int32, graph DomainID) []Event {
	m.events = m.events[:0]
	s := m.recording(id)
	for i, d := range s.graphs {
		if d.id != graph {
			continue
		}
		s.graphs = append(s.graphs[:i], s.graphs[i+1:]...)
		if m.sharing.Generations > 0 {
			next := m.open(Owner{OwnerGeneration, id})
			m.moveAll(d, next)
			s.retired = append(s.retired, next)
		}
		m.close(d)
		for len(s.retired) > m.sharing.Generations {
			m.close(s.retired[0])
			s.retired = s.retired[1:]
		}
		return m.events
	}
	panic(fmt.Sprintf("cachemodes: GraphRelease wants a graph of session %d; %d is none", id, graph))
}

// moveAll moves the storage and uniform buffers that are free, both of modes
// without caps, from a graph or generation to another one.
func (m *Manager) moveAll(from, to *domain) {
	for _, u := range [...]Usage{Storage, Uniform} {
		c := &from.caches[u]
		for i := range c.buckets {
			bk := &c.buckets[i]
			for _, id := range bk.free {
				if c.shelf != nil {
					c.shelf.remove(id)
				}
				m.move(c, &to.caches[u], id, &m.bufs[id])
			}
			bk.free = bk.free[:0]
		}
	}
}

// Held is what a set of caches holds, in bytes.
type Held struct {
	ID                     DomainID
	Owner                  Owner
	InUse, Pending, Cached int64
}

// Domains lists every set of caches that there is, by number, with what it
// holds; buffers that pass through no cache count as the device's.
func (m *Manager) Domains() []Held {
	out := make([]Held, 0, len(m.domains))
	at := make([]int, len(m.domains))
	for i, d := range m.domains {
		if d != nil {
			at[i] = len(out)
			out = append(out, Held{ID: d.id, Owner: d.owner})
		}
	}
	for i := range m.bufs {
		b := &m.bufs[i]
		if b.state == Gone || !b.usage.Held() {
			continue
		}
		h := &out[at[b.domain]]
		switch b.state {
		case InUse:
			h.InUse += b.size
		case Pending:
			h.Pending += b.size
		case Cached:
			h.Cached += b.size
		}
	}
	return out
}

// provoked does wrong with a buffer that comes back where Sharing.Provoke asks
// for that, and answers the caches that get it.
func (m *Manager) provoked(d *domain, b *buffer) *domain {
	other := d
	for _, o := range m.domains {
		if o != nil && o != d && !o.closed && o.owner.Kind != OwnerGeneration {
			other = o
		}
	}
	if other == d || m.sharing.Provoke != WrongManager {
		return d
	}
	from, to := &d.caches[b.usage], &other.caches[b.usage]
	b.bucket = m.bucketOf(to, b.size)
	b.mark = 0 // it is of another cache's policy
	from.held -= b.size
	to.held += b.size
	d.bufs--
	other.bufs++
	b.domain = other.id
	if d.bufs == 0 && d.closed {
		m.domains[d.id] = nil
	}
	return other
}
