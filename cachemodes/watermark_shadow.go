package cachemodes

import (
	"math"
	"math/bits"
)

// shadowBucket is what ORT's bucket mode would hold of a cache's buffers and would
// have created, by counting.
type shadowBucket struct {
	rows    [shadowRows]shadowRow // the table; what is above it comes next
	first   [64]uint8             // by bits.Len64 of a size less 1: the first row that may hold it
	held    int64
	doomed  int64 // released over the cap, held until the refresh
	created int64
}

// shadowRows are more than the table has, and a power of two, for indices that need
// no check.
const shadowRows = 32

// shadowRow is a bucket.
type shadowRow struct {
	key              int64
	cap, free, inUse int32
}

func newShadowBucket() shadowBucket {
	t := DefaultTable()
	var s shadowBucket
	for i, b := range t {
		s.rows[i] = shadowRow{key: b.Key, cap: int32(b.Cap)}
	}
	s.rows[len(t)].key = math.MaxInt64
	for i := range s.first {
		s.first[i] = uint8(t.find(1<<i/2 + 1))
	}
	return s
}

// find is the row of n bytes. The keys are nearly all powers of two: there is
// little to search.
func (s *shadowBucket) find(n int64) *shadowRow {
	i := s.first[bits.Len64(uint64(n-1))&63]
	for s.rows[i%shadowRows].key < n { // the last holds all
		i++
	}
	return &s.rows[i%shadowRows]
}

func (s *shadowBucket) take(n int64) {
	r := s.find(n)
	r.inUse++
	if r.free > 0 {
		r.free--
		return
	}
	s.created++
	s.held += r.size(n)
}

// give takes back a request of n bytes; one that came before the mode was
// chosen is none of its own.
func (s *shadowBucket) give(n int64) {
	r := s.find(n)
	if r.inUse == 0 {
		return
	}
	r.inUse--
	if r.free < r.cap {
		r.free++
		return
	}
	s.doomed += r.size(n)
}

// has reports whether a request of n bytes would be a hit.
func (s *shadowBucket) has(n int64) bool { return s.find(n).free > 0 }

func (r *shadowRow) size(n int64) int64 {
	if r.key < math.MaxInt64 {
		return r.key
	}
	return roundUp(n, aboveTable)
}

func (s *shadowBucket) refresh() { s.held, s.doomed = s.held-s.doomed, 0 }

// keeps reports whether a buffer of a size would ever be kept.
func (s *shadowBucket) keeps(size int64) bool { return s.find(size).key < math.MaxInt64 }
