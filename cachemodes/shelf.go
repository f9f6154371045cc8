package cachemodes

import (
	"fmt"
	"slices"
)

// Shelf is what a Chooser or an Evictor sees of the free buffers of a cache: in
// the order of their release, and by size. It reads the Manager's own records;
// only a buffer's mark is the policy's to write.
//
//	oldest ─► ... ─► newest       After
//	16 · 64 · 256 · ... · 1 MiB   Smallest
type Shelf struct {
	m              *Manager
	c              *cache
	oldest, newest BufID
	count          int
	bytes          int64
	bySize         []int32 // the cache's buckets, sizes ascending
	made           int32   // mark of the next buffer that is created
	// viewer is the session for which a buffer is chosen: it sees no buffer
	// that another one's unsubmitted commands use. NoSession sees all.
	viewer int32
}

// newShelf puts up what is free in a cache: sizes in the order of their first
// sight, since no record of the order of release was kept before.
func newShelf(m *Manager, c *cache) *Shelf {
	s := &Shelf{m: m, c: c, oldest: NoBuf, newest: NoBuf, viewer: NoSession}
	for i := range c.buckets {
		s.addBucket(int32(i))
		for _, id := range c.buckets[i].free {
			s.add(id)
		}
	}
	return s
}

// Len is how many buffers are free.
func (s *Shelf) Len() int { return s.count }

// Held is the bytes of all buffers of the cache, in whatever state.
func (s *Shelf) Held() int64 { return s.c.held }

// Padding is what the cache's buffers in use have beyond what was asked for,
// in bytes. A request counts as soon as it is made, its buffer when it has one:
// until then its bytes are taken off.
func (s *Shelf) Padding() int64 {
	return s.c.held - s.bytes - s.c.requested
}

// AllHeld is the bytes of everything held, other usages included.
func (s *Shelf) AllHeld() int64 { return s.m.all(s.m.held[:]) }

// AllRequested is the bytes asked for of everything in use that is held, other
// usages and the request at hand included.
func (s *Shelf) AllRequested() int64 { return s.m.all(s.m.requested[:]) }

// Bytes is the size of the free buffers, together.
func (s *Shelf) Bytes() int64 { return s.bytes }

// Oldest is the buffer that has been free longest, NoBuf where none is.
func (s *Shelf) Oldest() BufID { return s.visible(s.oldest) }

// visible is a buffer, or the first one after it that the viewer sees.
func (s *Shelf) visible(id BufID) BufID {
	for id != NoBuf && !s.m.safe(&s.m.bufs[id], s.viewer) {
		s.m.steps++
		id = s.m.bufs[id].newer
	}
	return id
}

// firstOf is the buffer of a bucket that the viewer sees and that has been free
// longest.
func (s *Shelf) firstOf(b *bucket) BufID {
	for _, id := range b.free {
		s.m.steps++
		if s.m.safe(&s.m.bufs[id], s.viewer) {
			return id
		}
	}
	return NoBuf
}

// Newest is the buffer released last, NoBuf where none is free.
func (s *Shelf) Newest() BufID { return s.newest }

// After is the buffer released next after id, NoBuf after the newest.
func (s *Shelf) After(id BufID) BufID { return s.visible(s.m.bufs[id].newer) }

// Size is a buffer's, in bytes.
func (s *Shelf) Size(id BufID) int64 { return s.m.bufs[id].size }

// LastRequested is what the last holder of a free buffer asked for, in bytes.
func (s *Shelf) LastRequested(id BufID) int64 { return s.m.bufs[id].requested }

// Smallest is a free buffer of the smallest size from one size to another,
// both included; of equals the one that has been free longest.
func (s *Shelf) Smallest(from, to int64) BufID {
	for _, i := range s.bySize[s.find(from):] {
		b := &s.c.buckets[i]
		if b.size > to {
			break
		}
		if id := s.firstOf(b); id != NoBuf {
			return id
		}
	}
	return NoBuf
}

// Largest is a free buffer of the largest size, of equals the one that has been
// free longest; NoBuf where none is free.
func (s *Shelf) Largest() BufID {
	if s.count == 0 { // the common case
		return NoBuf
	}
	for i := len(s.bySize) - 1; i >= 0; i-- {
		if id := s.firstOf(&s.c.buckets[s.bySize[i]]); id != NoBuf {
			return id
		}
	}
	return NoBuf
}

// Mark is a number that the policy keeps with a buffer: 0 until it is set.
func (s *Shelf) Mark(id BufID) int32 { return s.m.bufs[id].mark }

// SetMark sets it.
func (s *Shelf) SetMark(id BufID, mark int32) { s.m.bufs[id].mark = mark }

// MarkNew sets the mark of the buffer that is created for the request at hand.
func (s *Shelf) MarkNew(mark int32) { s.made = mark }

// Free reports whether a buffer that the policy knows of is on the shelf, and the
// viewer sees it.
func (s *Shelf) Free(id BufID) bool {
	b := &s.m.bufs[id]
	return b.state == Cached && b.usage == s.c.usage && b.domain == s.c.domain.id && s.m.safe(b, s.viewer)
}

// find is the first of bySize with at least a size. It is asked at every request
// that has no buffer of its own size, so it is written out.
func (s *Shelf) find(size int64) int {
	from, to := 0, len(s.bySize)
	for from < to {
		if i := int(uint(from+to) >> 1); s.c.buckets[s.bySize[i]].size < size {
			from = i + 1
		} else {
			to = i
		}
	}
	return from
}

func (s *Shelf) addBucket(i int32) {
	s.bySize = slices.Insert(s.bySize, s.find(s.c.buckets[i].size), i)
}

func (s *Shelf) add(id BufID) {
	b := &s.m.bufs[id]
	b.older, b.newer = s.newest, NoBuf
	if s.newest != NoBuf {
		s.m.bufs[s.newest].newer = id
	} else {
		s.oldest = id
	}
	s.newest = id
	s.count++
	s.bytes += b.size
}

func (s *Shelf) remove(id BufID) {
	b := &s.m.bufs[id]
	if b.older != NoBuf {
		s.m.bufs[b.older].newer = b.newer
	} else {
		s.oldest = b.newer
	}
	if b.newer != NoBuf {
		s.m.bufs[b.newer].older = b.older
	} else {
		s.newest = b.older
	}
	s.count--
	s.bytes -= b.size
}

func (s *Shelf) clear() {
	s.oldest, s.newest, s.count, s.bytes = NoBuf, NoBuf, 0, 0
}

// holds verifies that the neighbours of a buffer know it.
func (s *Shelf) holds(id BufID) bool {
	b := &s.m.bufs[id]
	before, after := s.oldest, s.newest
	if b.older != NoBuf {
		before = s.m.bufs[b.older].newer
	}
	if b.newer != NoBuf {
		after = s.m.bufs[b.newer].older
	}
	return before == id && after == id
}

// takeFree takes a free buffer, which a policy named, off its lists.
func (m *Manager) takeFree(c *cache, id BufID) {
	b := &m.bufs[id]
	if b.state != Cached || b.usage != c.usage {
		panic(fmt.Sprintf("cachemodes: mode %s chose buffer %d, which is not free in %s", c.setting.Mode, id, c.usage))
	}
	bk := &c.buckets[b.bucket]
	i := slices.Index(bk.free, id)
	bk.free = slices.Delete(bk.free, i, i+1)
	c.shelf.remove(id)
}

// evict destroys what the policy in force gives up on an occasion.
func (m *Manager) evict(c *cache, on Occasion, n int64) {
	if c.evictor == nil {
		return
	}
	m.evictFrom(c.evictor, c, on, n)
	// What a session's own cache gave to the pool is still its policy's to give
	// up; a release changes nothing there.
	if m.sharing.Scope == ScopeSharedFree && c.domain.owner.Kind == OwnerSession && on != OnRelease {
		if pool := &m.home.caches[c.usage]; pool.shelf != nil {
			m.evictFrom(c.evictor, pool, on, n)
		}
	}
}

// evictFrom destroys what an evictor gives up of a cache.
func (m *Manager) evictFrom(e Evictor, c *cache, on Occasion, n int64) {
	for gone := 0; ; gone++ {
		id := e.Evict(on, n, gone, c.shelf)
		if id == NoBuf {
			return
		}
		m.takeFree(c, id)
		b := &m.bufs[id]
		c.buckets[b.bucket].lose(Evicted)
		m.destroy(id, b, Evicted)
	}
}

// explain is why a request of n bytes, for which bk is the bucket of its key,
// is a miss under a Chooser.
func (m *Manager) explain(c *cache, n int64, bk *bucket, session int32) Reason {
	if why := m.missReason(bk, session); why != Cold {
		return why
	}
	for _, i := range c.shelf.bySize[c.shelf.find(n):] {
		b := &c.buckets[i]
		if !c.chooser.Serves(n, b.size) {
			if b.size > bk.size {
				break
			}
			continue
		}
		if b == bk {
			continue
		}
		if why := m.missReason(b, session); why != Cold {
			return why
		}
	}
	return Cold
}
