package cachemodes

import "math/bits"

// shadowBucket is what ORT's bucket mode would hold of a cache's buffers and would
// have created, by counting.
type shadowBucket struct {
	table       Table
	first       [64]uint8 // by bits.Len64 of a size less 1: the first bucket that may hold it
	free, inUse []int32   // by bucket; what is above the table comes last
	held        int64
	doomed      int64 // released over the cap, held until the refresh
	created     int64
}

func newShadowBucket() shadowBucket {
	t := DefaultTable()
	s := shadowBucket{table: t, free: make([]int32, len(t)+1), inUse: make([]int32, len(t)+1)}
	for i := range s.first {
		s.first[i] = uint8(t.find(1<<i/2 + 1))
	}
	return s
}

// find is Table.find, for which the keys, nearly all powers of two, are not searched.
func (s *shadowBucket) find(n int64) int {
	i := int(s.first[bits.Len64(uint64(n-1))&63])
	for i < len(s.table) && s.table[i].Key < n {
		i++
	}
	return i
}

func (s *shadowBucket) take(n int64) {
	i := s.find(n)
	s.inUse[i]++
	if s.free[i] > 0 {
		s.free[i]--
		return
	}
	s.created++
	s.held += s.size(i, n)
}

// give takes back a request of n bytes; one that came before the mode was
// chosen is none of its own.
func (s *shadowBucket) give(n int64) {
	i := s.find(n)
	if s.inUse[i] == 0 {
		return
	}
	s.inUse[i]--
	if i < len(s.table) && int(s.free[i]) < s.table[i].Cap {
		s.free[i]++
		return
	}
	s.doomed += s.size(i, n)
}

// has reports whether a request of n bytes would be a hit.
func (s *shadowBucket) has(n int64) bool { return s.free[s.find(n)] > 0 }

func (s *shadowBucket) size(i int, n int64) int64 {
	if i < len(s.table) {
		return s.table[i].Key
	}
	return roundUp(n, aboveTable)
}

func (s *shadowBucket) refresh() { s.held, s.doomed = s.held-s.doomed, 0 }

// keeps reports whether a buffer of a size would ever be kept.
func (s *shadowBucket) keeps(size int64) bool { return s.find(size) < len(s.table) }
