package cachemodes

import (
	"cmp"
	"fmt"
	"slices"
)

// Shelf is what a Chooser or an Evictor sees of the free buffers of a cache: in
// the order of their release, and by size. It reads the Manager's own records;
// only a buffer's mark is the policy's to write.
//
//	oldest ─► ... ─► newest       After
//	16 · 64 · 256 · ... · 1 MiB   Smallest, First, Each
//
// A request sees what everybody may have, and what its own session released since
// its last submit; so that what others did costs it nothing, the two are kept apart.
// What is given up is chosen of all.
type Shelf struct {
	m              *Manager
	c              *cache
	oldest, newest BufID
	count          int
	bytes          int64
	bySize         []int32   // the cache's buckets, sizes ascending
	stocked        []stocked // of these those with free buffers, and some that had
	top            int       // none of stocked from here on has any
	largest        int64     // size of the one before that, or larger
	found          [64]found // what find answered for some sizes
	moved          int32     // how often stocked was changed
	made           int32     // mark of the next buffer that is created
	turns          int64     // buffers that became free; buffer.turn is their number
	// viewer is the session for which a buffer is chosen: it sees no buffer
	// that another one's unsubmitted commands use. NoSession sees all.
	viewer int32
	// parted, of a Chooser that several sessions ask, is that the free buffers are kept
	// apart: those in no unsubmitted command by bucket, and the others by session, one
	// on; each in the order of their release.
	parted       bool
	clear, fresh [][]BufID
}

// stocked is a bucket on a shelf.
type stocked struct {
	size   int64
	bucket int32
}

// newShelf puts up what is free in a cache: sizes in the order of their first
// sight, since no record of the order of release was kept before.
func newShelf(m *Manager, c *cache) *Shelf {
	s := &Shelf{m: m, c: c, oldest: NoBuf, newest: NoBuf, viewer: NoSession}
	for i := range c.buckets {
		c.buckets[i].stocked = false
		s.addBucket(int32(i))
		for _, id := range c.buckets[i].free {
			s.add(id, &m.bufs[id], &c.buckets[i])
		}
	}
	if m.several(c.domain) {
		s.part()
	}
	return s
}

// part begins to keep the free buffers apart, if a Chooser asks for them.
func (s *Shelf) part() {
	if s.parted || s.c.chooser == nil {
		return
	}
	s.parted, s.clear = true, make([][]BufID, len(s.c.buckets))
	for id := s.oldest; id != NoBuf; id = s.After(id) {
		list := s.list(&s.m.bufs[id])
		*list = append(*list, id)
	}
}

// several reports whether more than one session may ask for what is free in a set
// of caches.
func (m *Manager) several(d *domain) bool {
	return m.alive > 1 && d.owner.Kind == OwnerDevice || m.sharing.Provoke == WrongManager
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
func (s *Shelf) Oldest() BufID { return s.oldest }

// seen are the buffers of a bucket that the viewer sees, but for own.
func (s *Shelf) seen(i int32) []BufID {
	s.m.steps++
	if s.viewer == NoSession || !s.parted {
		return s.c.buckets[i].free
	}
	return s.clear[i]
}

// own are the buffers that only the viewer sees.
func (s *Shelf) own() []BufID {
	if i := int(s.viewer) + 1; s.viewer != NoSession && i < len(s.fresh) {
		s.m.steps += int64(len(s.fresh[i]))
		return s.fresh[i]
	}
	return nil
}

// Newest is the buffer released last, NoBuf where none is free.
func (s *Shelf) Newest() BufID { return s.newest }

// After is the buffer released next after id, NoBuf after the newest.
func (s *Shelf) After(id BufID) BufID { return s.m.bufs[id].newer }

// Size is a buffer's, in bytes.
func (s *Shelf) Size(id BufID) int64 { return s.m.bufs[id].size }

// LastRequested is what the last holder of a free buffer asked for, in bytes.
func (s *Shelf) LastRequested(id BufID) int64 { return s.m.bufs[id].requested }

// Smallest is a free buffer of the smallest size from one size to another,
// both included; of equals the one that has been free longest.
func (s *Shelf) Smallest(from, to int64) BufID {
	best := NoBuf
	for _, of := range s.stocked[s.find(from):] {
		if of.size > to {
			break
		}
		if free := s.seen(of.bucket); len(free) > 0 {
			best = free[0]
			break
		}
	}
	for _, id := range s.own() {
		if size := s.Size(id); size < from || size > to {
			continue
		} else if best == NoBuf || size < s.Size(best) || size == s.Size(best) && s.before(id, best) {
			best = id
		}
	}
	return best
}

// First is the buffer of a size from one to another, both included, that has been
// free longest.
func (s *Shelf) First(from, to int64) BufID {
	sizes := s.stocked[s.find(from):]
	if s.count < len(sizes) { // few are free of many sizes
		for id := s.oldest; id != NoBuf; id = s.After(id) {
			s.m.steps++
			if size := s.Size(id); size >= from && size <= to && s.m.safe(&s.m.bufs[id], s.viewer) {
				return id
			}
		}
		return NoBuf
	}
	best := NoBuf
	for _, of := range sizes {
		if of.size > to {
			break
		}
		if free := s.seen(of.bucket); len(free) > 0 && (best == NoBuf || s.before(free[0], best)) {
			best = free[0]
		}
	}
	for _, id := range s.own() {
		if size := s.Size(id); size >= from && size <= to && (best == NoBuf || s.before(id, best)) {
			best = id
		}
	}
	return best
}

// Lowest is the buffer of a size from one to another, both included, with the
// lowest mark, which is least at least; of equals the one that has been free longest.
func (s *Shelf) Lowest(from, to int64, least int32) BufID {
	best := NoBuf
	better := func(id BufID) bool {
		s.m.steps++
		return best == NoBuf || s.Mark(id) < s.Mark(best) || s.Mark(id) == s.Mark(best) && s.before(id, best)
	}
	sizes := s.stocked[s.find(from):]
	if s.count < len(sizes) { // few are free of many sizes
		for id := s.oldest; id != NoBuf; id = s.After(id) {
			if size := s.Size(id); size >= from && size <= to && s.m.safe(&s.m.bufs[id], s.viewer) && better(id) {
				best = id
			}
		}
		return best
	}
	for _, of := range sizes {
		if of.size > to {
			break
		}
		for _, id := range s.seen(of.bucket) {
			if better(id) {
				best = id
			}
			if s.Mark(id) == least { // the others of this size were released later
				break
			}
		}
	}
	for _, id := range s.own() {
		if size := s.Size(id); size >= from && size <= to && better(id) {
			best = id
		}
	}
	return best
}

// before reports whether a buffer has been free longer than another.
func (s *Shelf) before(a, b BufID) bool { return s.m.bufs[a].turn < s.m.bufs[b].turn }

// Largest is a free buffer of the largest size that there is, whoever sees it, of
// equals the one that has been free longest; NoBuf where none is free.
func (s *Shelf) Largest() BufID {
	if s.count == 0 { // the common case
		return NoBuf
	}
	for s.m.steps++; ; s.m.steps++ {
		if free := s.c.buckets[s.stocked[s.top-1].bucket].free; len(free) > 0 {
			return free[0]
		}
		s.raise(s.top - 1) // there are some: not to nothing
	}
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
	return b.state == Cached && b.usage == s.c.usage && b.domain == s.c.domain.id && s.sees(id)
}

// sees reports whether the viewer sees a free buffer of the cache.
func (s *Shelf) sees(id BufID) bool {
	b := &s.m.bufs[id]
	return b.last == s.viewer || s.m.safe(b, s.viewer)
}

// found is where a size was found.
type found struct {
	size  int64
	at    int32
	moved int32 // found.at is so as long as it is the shelf's
}

// find is the first of stocked with at least a size. It is asked at every request
// that has no buffer of its own size, of sizes that come again and again.
func (s *Shelf) find(size int64) int {
	f := &s.found[uint64(size)*0x9E3779B97F4A7C15>>58] // as recentSlot
	if f.size != size || f.moved != s.moved {
		*f = found{size, int32(s.search(size)), s.moved}
	}
	return int(f.at)
}

// search is find, where it was not found before. No branch of it depends on the sizes.
func (s *Shelf) search(size int64) int {
	from := 0
	for left := len(s.stocked); left > 0; {
		half := (left + 1) / 2
		next := from + half
		if s.stocked[next-1].size >= size {
			next = from
		}
		from, left = next, left-half
	}
	return from
}

// findBucket is the first of bySize with at least a size.
func (s *Shelf) findBucket(size int64) int {
	at, _ := slices.BinarySearchFunc(s.bySize, size, func(i int32, size int64) int { return cmp.Compare(s.c.buckets[i].size, size) })
	return at
}

func (s *Shelf) addBucket(i int32) {
	if s.parted {
		s.clear = append(s.clear, nil)
	}
	s.bySize = slices.Insert(s.bySize, s.findBucket(s.c.buckets[i].size), i)
}

// stock puts a bucket that has free buffers now on the list of those. It is taken
// off once the list has too many that have none any more: most have one again soon.
func (s *Shelf) stock(i int32) {
	if len(s.stocked) > 2*s.count+8 {
		s.stocked = slices.DeleteFunc(s.stocked, func(of stocked) bool {
			bk := &s.c.buckets[of.bucket]
			bk.stocked = len(bk.free) > 0
			return !bk.stocked
		})
	}
	if bk := &s.c.buckets[i]; !bk.stocked {
		bk.stocked = true
		s.stocked = slices.Insert(s.stocked, s.search(bk.size), stocked{bk.size, i})
		s.moved++
		s.raise(len(s.stocked))
	}
}

// add puts a free buffer of a bucket on the shelf.
func (s *Shelf) add(id BufID, b *buffer, bk *bucket) {
	b.older, b.newer = s.newest, NoBuf
	if s.newest != NoBuf {
		s.m.bufs[s.newest].newer = id
	} else {
		s.oldest = id
	}
	s.newest = id
	s.count++
	s.bytes += b.size
	b.turn = s.turns
	s.turns++
	if !bk.stocked {
		s.stock(b.bucket)
	} else if b.size > s.largest {
		s.raise(s.find(b.size) + 1)
	}
	if s.parted {
		list := s.list(b)
		*list = append(*list, id)
	}
}

// raise sets top.
func (s *Shelf) raise(top int) { s.top, s.largest = top, s.stocked[top-1].size }

// list is which of clear and fresh a free buffer is on: its session's, until that
// submits, unless nobody else asks.
func (s *Shelf) list(b *buffer) *[]BufID {
	if b.last == s.c.owner || s.m.submitted(b) {
		return &s.clear[b.bucket]
	}
	i := int(b.last) + 1
	if n := i + 1 - len(s.fresh); n > 0 {
		s.fresh = append(s.fresh, make([][]BufID, n)...)
	}
	return &s.fresh[i]
}

// submitted puts what a session released where everybody sees it. It is called as
// the epoch of the session's recording ends.
func (s *Shelf) submitted(session int32) {
	if i := int(session) + 1; i < len(s.fresh) {
		for _, id := range s.fresh[i] {
			s.m.steps++
			list := &s.clear[s.m.bufs[id].bucket]
			at, _ := slices.BinarySearchFunc(*list, id, s.byTurn)
			*list = slices.Insert(*list, at, id)
		}
		s.fresh[i] = s.fresh[i][:0]
	}
}

// byTurn compares two free buffers by when they were released.
func (s *Shelf) byTurn(a, b BufID) int { return cmp.Compare(s.m.bufs[a].turn, s.m.bufs[b].turn) }

// takeOff takes a buffer off a list in the order of release.
func (s *Shelf) takeOff(list *[]BufID, id BufID) {
	l, at := *list, 0
	if last := len(l) - 1; last >= 0 && l[last] == id { // mostly
		*list = l[:last]
		return
	}
	if len(l) == 0 || l[0] != id { // or it is the one that has been free longest
		turn := s.m.bufs[id].turn
		for end := len(l); at < end; {
			if mid := int(uint(at+end) >> 1); s.m.bufs[l[mid]].turn < turn {
				at = mid + 1
			} else {
				end = mid
			}
		}
		if at == len(l) || l[at] != id {
			panic(fmt.Sprintf("cachemodes: free buffer %d of %s is not on the list of its size", id, s.c.usage))
		}
	}
	if at < len(l)-1 {
		copy(l[at:], l[at+1:])
	}
	*list = l[:len(l)-1]
}

func (s *Shelf) remove(id BufID) { s.removed(id, &s.m.bufs[id]) }

func (s *Shelf) removed(id BufID, b *buffer) {
	bufs := s.m.bufs
	older, newer := b.older, b.newer
	if older != NoBuf {
		bufs[older].newer = newer
	} else {
		s.oldest = newer
	}
	if newer != NoBuf {
		bufs[newer].older = older
	} else {
		s.newest = older
	}
	s.count--
	s.bytes -= b.size
	if s.parted {
		s.takeOff(s.list(b), id)
	}
}

// empty takes everything off.
func (s *Shelf) empty() {
	s.oldest, s.newest, s.count, s.bytes = NoBuf, NoBuf, 0, 0
	for _, lists := range [...][][]BufID{s.clear, s.fresh} {
		for i := range lists {
			lists[i] = lists[i][:0]
		}
	}
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
func (m *Manager) takeFree(c *cache, id BufID) *buffer {
	b := &m.bufs[id]
	if b.state != Cached || b.usage != c.usage {
		panic(notFree(c, id))
	}
	c.shelf.takeOff(&c.buckets[b.bucket].free, id)
	c.shelf.removed(id, b)
	return b
}

func notFree(c *cache, id BufID) string {
	return fmt.Sprintf("cachemodes: mode %s chose buffer %d, which is not free in %s", c.setting.Mode, id, c.usage)
}

// evict destroys what the policy in force gives up on an occasion.
func (m *Manager) evict(c *cache, on Occasion, n int64) {
	if c.evictor == nil {
		return
	}
	m.evictFrom(c.evictor, c, on, n, c.evictor.Evict(on, n, 0, c.shelf))
	// What a session's own cache gave to the pool is still its policy's to give
	// up; a release changes nothing there.
	if m.sharing.Scope == ScopeSharedFree && c.domain.owner.Kind == OwnerSession && on != OnRelease {
		if pool := &m.home.caches[c.usage]; pool.shelf != nil {
			m.evictFrom(c.evictor, pool, on, n, c.evictor.Evict(on, n, 0, pool.shelf))
		}
	}
}

// evictFrom destroys what an evictor gives up of a cache, of which id is the first,
// NoBuf for nothing.
func (m *Manager) evictFrom(e Evictor, c *cache, on Occasion, n int64, id BufID) {
	for gone := 1; id != NoBuf; gone++ {
		b := m.takeFree(c, id)
		c.buckets[b.bucket].lose(Evicted)
		m.destroy(id, b, Evicted)
		id = e.Evict(on, n, gone, c.shelf)
	}
}

// explain is why a request of n bytes, for which bk is the bucket of its key,
// is a miss under a Chooser.
func (m *Manager) explain(c *cache, n int64, bk *bucket, session int32) Reason {
	if why := m.missReason(bk, session); why != Cold {
		return why
	}
	for _, i := range c.shelf.bySize[c.shelf.findBucket(n):] {
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
