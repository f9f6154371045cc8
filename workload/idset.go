package workload

// idSet is a set of numbers that mostly come in order, without gaps and from
// 1: engines count their buffers. 64 numbers share a word; words that are full
// are forgotten from the first on, as everything below low is in the set.
type idSet struct {
	words map[int64]uint64 // by (number-1)/64, rounded down
	low   int64            // words from 0 to low, without it, are full
}

func newIDSet() idSet { return idSet{words: make(map[int64]uint64)} }

func (s *idSet) add(id int64) {
	w, bit := place(id)
	if w >= 0 && w < s.low {
		return
	}
	s.words[w] |= bit
	for s.words[s.low] == ^uint64(0) {
		delete(s.words, s.low)
		s.low++
	}
}

func (s *idSet) has(id int64) bool {
	w, bit := place(id)
	return w >= 0 && w < s.low || s.words[w]&bit != 0
}

// place is the bit of a number. Every int64 has its own: those below 1 have the
// words below 0, but for the least, which has the bit after the greatest's.
func place(id int64) (word int64, bit uint64) {
	i := uint64(id) - 1
	return int64(i) >> 6, 1 << (i & 63)
}
