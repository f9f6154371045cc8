package cachemodes

import "math"

// buffer is one GPU buffer, wherever it is.
type buffer struct {
	size      int64
	requested int64
	key       KeyID
	bucket    int32 // in its usage's cache; meaningless for usages without one
	session   int32
	last      int32 // session that released it last
	epoch     int64 // of the recording that last's commands with it are in
	domain    DomainID
	older     BufID // on the shelf: released before it
	newer     BufID // and after it
	mark      int32 // Shelf.Mark
	turn      int64 // pending: how many of its cache had come to be so before
	usage     Usage
	mode      ModeID // under which it was acquired
	state     State
	doomed    bool // pending, and to be destroyed rather than settled
	excuse    bool // free, not submitted, and a miss of another session was explained by that
	why       Reason
}

// bucket is the free list of one size, and what has been lost of it.
type bucket struct {
	size  int64
	key   KeyID
	usage Usage
	cache *cache  // that it is of
	index int32   // among its buckets
	free  []BufID // last in, first out
	cap   int32   // of the policy in force
	why   Reason  // cap is 0
	mode  ModeID  // in force
	way   way     // of what is released
	// stocked is that the bucket is on the shelf's list of those with free buffers.
	stocked bool
	// waiting counts pending buffers that are not doomed; owed is how many
	// misses they explain since the last time they were looked at.
	waiting, owed int32
	settling      int32 // of them, those that settle at the moment: see settle
	// lost counts, by reason, the buffers given up which no miss has been
	// explained by yet.
	lost [NumReasons]int32
	// anyLost is how many that is in all.
	anyLost int32
}

// cache is the mechanism: free lists by size for one usage, under the policy
// in force. Which buffers exist is the Manager's to know.
type cache struct {
	domain  *domain
	owner   int32 // the domain's session
	usage   Usage
	setting Setting
	policy  Policy
	learner Learner // policy, if it learns
	chooser Chooser // policy, if it chooses
	evictor Evictor // policy, if it evicts
	shelf   *Shelf  // for a chooser or an evictor, else nil
	reuse   When
	discard When

	buckets []bucket
	bySize  map[int64]int32
	// byRequest remembers the bucket of a requested size under the policy in
	// force: Key answers the same question the same way.
	byRequest map[int64]int32
	lines     []line  // of what is pending: see line
	turns     int64   // buffers that came to be pending
	ripe      []int32 // sessions whose lines may have what others need not leave, once each
	// adopted, in the pool of ScopeSharedFree, are the buckets whose sizes were made
	// keys when the mode was changed: no session learned them, so they go when keys are
	// renewed.
	adopted []int32
	// held is the bytes of its buffers, in whatever state; requested what was
	// asked for of those in use, where there is a shelf.
	held, requested int64
}

func (m *Manager) initCache(d *domain, u Usage, s Setting) {
	c := &d.caches[u]
	*c = cache{domain: d, owner: d.owner.Session, usage: u, bySize: map[int64]int32{}, byRequest: map[int64]int32{}}
	m.adopt(c, s)
}

// adopt puts a setting in force for the requests to come.
func (m *Manager) adopt(c *cache, s Setting) {
	c.setting = s
	c.policy = modes[s.Mode].policy(s.Params)
	c.learner, _ = c.policy.(Learner)
	c.chooser, _ = c.policy.(Chooser)
	c.evictor, _ = c.policy.(Evictor)
	if shared, ok := c.policy.(*dynamicShared); ok {
		shared.runs = &m.runs
	}
	c.shelf = nil
	if c.chooser != nil || c.evictor != nil {
		c.shelf = newShelf(m, c)
	}
	c.reuse, c.discard = c.policy.Reuse(), c.policy.Discard()
	clear(c.byRequest)
	if c.domain.id == homeID { // m.home, perhaps not yet known as that
		clear(m.recent[c.usage][:])
		m.chosen[c.usage], m.onShelf = nil, m.onShelf&^(1<<c.usage)
		if c.chooser != nil {
			m.chosen[c.usage] = c
		}
		if c.shelf != nil {
			m.onShelf |= 1 << c.usage
		}
	}
}

// bucketFor is the bucket that serves requests of n bytes.
func (m *Manager) bucketFor(c *cache, n int64) int32 {
	quick := c.domain == m.home && c.shelf == nil && c.learner == nil
	if quick {
		if bk := m.recent[c.usage].find(n); bk != nil {
			return bk.index
		}
	}
	i, ok := c.byRequest[n]
	if !ok {
		i = m.bucketOf(c, c.policy.Key(n))
		c.byRequest[n] = i
	}
	if quick {
		m.recent[c.usage].put(n, &c.buckets[i])
	}
	return i
}

// bucketOf is the bucket of buffers of a size.
func (m *Manager) bucketOf(c *cache, size int64) int32 {
	if i, ok := c.bySize[size]; ok {
		return i
	}
	i := int32(len(c.buckets))
	move := len(c.buckets) == cap(c.buckets)
	c.buckets = append(c.buckets, bucket{size: size, key: m.keyOf(c.usage, size), usage: c.usage, cache: c, index: i})
	c.bySize[size] = i
	if c.domain == m.home {
		m.find(c, i, move)
	}
	if c.shelf != nil {
		c.shelf.addBucket(i)
	}
	c.limit(&c.buckets[i])
	return i
}

// find notes where the bucket i of a cache of home's is, and the others if they
// moved.
func (m *Manager) find(c *cache, i int32, move bool) {
	for len(m.buckets) < len(m.sizes) {
		m.buckets = append(m.buckets, &m.none)
	}
	if move {
		clear(m.recent[c.usage][:])
		i = 0
	}
	for ; int(i) < len(c.buckets); i++ {
		bk := &c.buckets[i]
		m.buckets[bk.key] = bk
	}
}

// sized is what a KeyID names.
type sized struct {
	size  int64 // bytes
	usage Usage
}

// keyOf is the id of a size: the same in every cache of a usage.
func (m *Manager) keyOf(u Usage, size int64) KeyID {
	id, ok := m.keys[u][size]
	if !ok {
		id = KeyID(len(m.sizes))
		m.sizes = append(m.sizes, sized{size, u})
		m.keys[u][size] = id
		m.order[u] = append(m.order[u], size)
	}
	return id
}

// limit asks the policy anew how many free buffers of a bucket it keeps.
func (c *cache) limit(b *bucket) {
	n, why := c.policy.Cap(b.size)
	b.cap, b.why, b.mode = int32(min(n, math.MaxInt32)), why, c.setting.Mode
	switch {
	case b.cap == 0 && c.shelf == nil && c.discard != AtOnce:
		b.way = dooms
	case b.cap == 0 || c.shelf != nil && c.reuse != AtOnce:
		b.way = asks
	case c.shelf != nil:
		b.way = shelves
	case c.reuse == AtOnce:
		b.way = keeps
	default:
		b.way = waits
	}
}

// missReason explains a request that found no free buffer that it may have; see
// Reason.
func (m *Manager) missReason(bk *bucket, session int32) Reason {
	for _, id := range bk.free {
		m.steps++
		if b := &m.bufs[id]; !b.excuse && !m.safe(b, session) {
			b.excuse = true
			return Unsubmitted
		}
	}
	return bk.missReason()
}

// missReason explains a request that found no free buffer at all.
func (b *bucket) missReason() Reason {
	if b.cap == 0 && b.why == AboveTable {
		b.found(AboveTable)
		return AboveTable
	}
	if b.anyLost > 0 {
		for why := CapFull; int(why) < NumReasons; why++ {
			if b.found(why) {
				return why
			}
		}
	}
	if b.waiting > b.owed {
		b.owed++
		return StillPending
	}
	return Cold
}

// found takes a buffer from those that were given up for a reason, if there is one.
func (b *bucket) found(why Reason) bool {
	if b.lost[why] == 0 {
		return false
	}
	b.lost[why]--
	b.anyLost--
	return true
}

// lose notes that a buffer that could have served is given up.
func (b *bucket) lose(why Reason) {
	if b.owed > b.waiting {
		b.owed--
		return
	}
	b.lost[why]++
	b.anyLost++
}

// notKept is why a bucket does not take another free buffer.
func (b *bucket) notKept() Reason {
	if b.cap > 0 {
		return CapFull
	}
	return b.why
}

// releaseTo takes a buffer back from its holder.
func (m *Manager) releaseTo(c *cache, id BufID, b *buffer) {
	bk := &c.buckets[b.bucket]
	b.excuse = false
	switch {
	case c.reuse != AtOnce && bk.cap > 0: // whether it is kept is decided then
		b.state = Pending
		bk.waiting++
		m.pend(c, id, b, m.recording(b.last))
		m.emit(id, b, Pend, NoReason)
		b.session = NoSession
		return
	case len(bk.free) < int(bk.cap):
		b.state = Cached
		bk.free = append(bk.free, id)
		m.emit(id, b, Keep, NoReason)
		b.session = NoSession
		if c.shelf != nil {
			c.shelf.add(id, b, bk)
			m.evict(c, OnRelease, b.requested)
		}
		return
	}
	why := bk.notKept()
	bk.lose(why)
	if c.discard == AtOnce {
		m.destroy(id, b, why)
		return
	}
	b.state, b.doomed, b.why = Pending, true, why
	m.pend(c, id, b, m.recording(b.last))
	m.emit(id, b, Pend, why)
	b.session = NoSession
}

// reconsider applies the policy in force to what is in the cache: free buffers
// that it would not have kept, or can never hand out, are destroyed. The
// reason is the policy's own, unless another mode was chosen.
func (m *Manager) reconsider(c *cache, switched bool) {
	for i := range c.buckets {
		m.reconsiderBucket(c, int32(i), switched)
	}
}

func (m *Manager) reconsiderBucket(c *cache, i int32, switched bool) {
	bk := &c.buckets[i]
	c.limit(bk)
	keep, why := min(len(bk.free), int(bk.cap)), bk.notKept()
	if c.chooser == nil && c.policy.Key(bk.size) != bk.size {
		keep, why = 0, DroppedKey
	}
	if switched {
		why = Switched
	}
	// The oldest go first: the most recently used are likelier to be warm.
	gone := bk.free[:len(bk.free)-keep]
	for _, id := range gone {
		if c.shelf != nil {
			c.shelf.remove(id)
		}
		bk.lose(why)
		m.destroy(id, &m.bufs[id], why)
	}
	if len(gone) > 0 {
		bk.free = append(bk.free[:0], bk.free[len(gone):]...)
	}
}

// outdate makes what was given up under the setting before a loss by its change:
// a cap that is no more in force explains no miss.
func (c *cache) outdate() {
	for i := range c.buckets {
		lost := &c.buckets[i].lost
		for _, why := range [...]Reason{CapFull, AboveTable, DroppedKey, NoCache, Evicted} {
			lost[Switched] += lost[why]
			lost[why] = 0
		}
	}
}

// pardon makes every pending buffer undecided again: the policy that doomed it
// is no longer in force.
func (m *Manager) pardon(c *cache) {
	for i := range c.lines {
		for _, id := range c.lines[i].ids {
			b := &m.bufs[id]
			if !b.doomed {
				continue
			}
			bk := &c.buckets[b.bucket]
			bk.waiting++
			if !bk.found(b.why) { // a miss was explained by it already
				bk.owed++
			}
			b.doomed, b.why = false, NoReason
		}
	}
}
