package lab

import (
	"math"
	"runtime"
	"sync"
)

// Keys are the at most k keys, ascending, that reserve the least, and how much:
//
//	reserved = sum over buckets of key x most buffers of it in use at once
//
// That is exact, by D[k][i] = min over j of D[k-1][j] + s_i x H(j, i), where a
// bucket (j, i] holds the sizes above the j-th up to the i-th and ends at a size
// that occurs. The cost is not Monge, so it takes O(k n^2) for n sizes, once H
// is known. It bounds the peak of held bytes of storage buffers without caps,
// which is lower where the buckets' own peaks do not fall together.
func (s *Stream) Keys(k int) (keys []int64, reserved int64) {
	h := s.peaks()
	n := len(s.Sizes)
	cost := func(j, i int) int64 { return s.Sizes[i-1] * int64(h[j*(n+1)+i]) }
	return s.partition(k, cost, false)
}

// Waste are the at most k keys, ascending, that add the least to what is asked
// for, and how much: the sum over all requests of key minus size. That cost is
// Monge (the best j does not fall when i rises), so divide and conquer finds
// the exact answer in O(k n log n).
func (s *Stream) Waste(k int) (keys []int64, waste int64) {
	n := len(s.Sizes)
	count, bytes := make([]int64, n+1), make([]int64, n+1)
	for i, size := range s.Sizes {
		count[i+1] = count[i] + s.Requests[i]
		bytes[i+1] = bytes[i] + s.Requests[i]*size
	}
	cost := func(j, i int) int64 { return s.Sizes[i-1]*(count[i]-count[j]) - (bytes[i] - bytes[j]) }
	return s.partition(k, cost, true)
}

// partition cuts the sizes into at most k buckets of the least total cost.
func (s *Stream) partition(k int, cost func(j, i int) int64, monge bool) ([]int64, int64) {
	n := len(s.Sizes)
	k = min(k, n)
	if n == 0 || k <= 0 {
		return nil, 0
	}
	// best[i] is the cost of the first i sizes, from[b][i] where the last of b
	// buckets begins.
	best, next := make([]int64, n+1), make([]int64, n+1)
	from := make([][]int32, k+1)
	for i := 1; i <= n; i++ {
		best[i] = math.MaxInt64
	}
	least, buckets := int64(math.MaxInt64), 0
	for b := 1; b <= k; b++ {
		from[b] = make([]int32, n+1)
		fill := func(i, lo, hi int) int {
			next[i] = math.MaxInt64
			at := lo
			for j := lo; j <= min(hi, i-1); j++ {
				if best[j] == math.MaxInt64 {
					continue
				}
				if c := best[j] + cost(j, i); c < next[i] {
					next[i], at = c, j
				}
			}
			from[b][i] = int32(at)
			return at
		}
		next[0] = math.MaxInt64
		if monge {
			conquer(fill, b, n, b-1, n-1)
			for i := 1; i < b; i++ {
				next[i] = math.MaxInt64
			}
		} else {
			for i := 1; i <= n; i++ {
				fill(i, 0, n)
			}
		}
		best, next = next, best
		if best[n] < least {
			least, buckets = best[n], b
		}
	}
	keys := make([]int64, buckets)
	for i, b := n, buckets; b > 0; b-- {
		keys[b-1] = s.Sizes[i-1]
		i = int(from[b][i])
	}
	return keys, least
}

// conquer fills from i = lo to hi, the best j of the middle one bounding those
// of both halves.
func conquer(fill func(i, lo, hi int) int, lo, hi, from, to int) {
	if lo > hi {
		return
	}
	mid := (lo + hi) / 2
	at := fill(mid, from, to)
	conquer(fill, lo, mid-1, from, at)
	conquer(fill, mid+1, hi, at, to)
}

// peaks are H(j, i) at j x (n+1) + i: the most buffers of the sizes above the
// j-th up to the i-th that are in use at once. For each j the sizes are added
// one by one to a segment tree over the requests, a range for each buffer's
// life: O(n R log R) for R requests, on all cores.
func (s *Stream) peaks() []int32 {
	n := len(s.Sizes)
	h := make([]int32, (n+1)*(n+1))
	lives, requests := s.lives()
	var wg sync.WaitGroup
	rows := make(chan int)
	for range min(runtime.GOMAXPROCS(0), max(n, 1)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			tree := newMaxTree(requests)
			for j := range rows {
				tree.clear()
				for i := j; i < n; i++ {
					for _, l := range lives[i] {
						tree.add(int(l.from), int(l.to))
					}
					h[j*(n+1)+i+1] = tree.max()
				}
			}
		}()
	}
	for j := range n {
		rows <- j
	}
	close(rows)
	wg.Wait()
	return h
}

// life is when a buffer is in use: from its request, inclusive, to the first
// request after its release, by the ordinals of requests.
type life struct{ from, to int32 }

// lives are the lives of the buffers of each size, and how many requests there
// are. Which of several equal buffers is released does not change how many are
// in use, so the oldest is taken.
func (s *Stream) lives() (bySize [][]life, requests int) {
	bySize = make([][]life, len(s.Sizes))
	oldest := make([]int, len(s.Sizes))
	for i := range s.ops {
		size := s.ops[i].code >> 2
		switch s.ops[i].code & 3 {
		case take:
			bySize[size] = append(bySize[size], life{int32(requests), math.MaxInt32})
			requests++
		case give:
			bySize[size][oldest[size]].to = int32(requests)
			oldest[size]++
		}
	}
	for _, lives := range bySize {
		for i := range lives {
			lives[i].to = min(lives[i].to, int32(requests))
		}
	}
	return bySize, requests
}

// maxTree is a segment tree that adds one to a range and knows the maximum of
// all: a node's value is its children's larger one plus what was added to the
// node's whole range.
type maxTree struct {
	n          int
	most, plus []int32
}

func newMaxTree(n int) *maxTree {
	size := 1
	for size < n {
		size *= 2
	}
	return &maxTree{size, make([]int32, 2*size), make([]int32, 2*size)}
}

func (t *maxTree) clear() {
	clear(t.most)
	clear(t.plus)
}

func (t *maxTree) max() int32 { return t.most[1] }

// add adds one from lo, inclusive, to hi.
func (t *maxTree) add(lo, hi int) {
	if lo >= hi {
		return
	}
	l, r := lo+t.n, hi+t.n
	for a, b := l, r; a < b; a, b = a/2, b/2 {
		if a&1 == 1 {
			t.most[a]++
			t.plus[a]++
			a++
		}
		if b&1 == 1 {
			b--
			t.most[b]++
			t.plus[b]++
		}
	}
	t.pull(l)
	t.pull(r - 1)
}

// pull renews the nodes above a leaf.
func (t *maxTree) pull(i int) {
	for i /= 2; i > 0; i /= 2 {
		t.most[i] = max(t.most[2*i], t.most[2*i+1]) + t.plus[i]
	}
}
