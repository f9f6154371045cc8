package lab

import (
	"math"
	"slices"
)

// boundBlock is how many requests the bound looks at together: finer ones find
// a little more.
const boundBlock = 16

// MinCreates is a number of storage buffers that no policy can create fewer
// than, whatever it knows of the future, if each request has a buffer of its
// own and no more than peak bytes are ever held, others' included.
//
// At a moment s let slack be what peak leaves beyond the bytes in use. The
// buffers of at least x bytes that exist then are those of the requests of at
// least x bytes, and others that cost slack: x less the size of a smaller
// request that sits in one, x for a free one. That bounds their number by
// U_s(x). Where later, at w, C_w(x) requests of at least x bytes are in use,
// C_w(x) - U_s(x) buffers were created in between. Such stretches from s to w
// that do not overlap add up; the best choice of them is found by dynamic
// programming over blocks of requests.
func (s *Stream) MinCreates(peak int64) int64 {
	return s.minCreates(func(int64) int64 { return peak })
}

// MinCreatesSoFar is the same for policies that at no moment hold more than
// some thousandths of the floor up to then: what one must do that does not know
// whether more will be asked for. Others' bytes count as they are held.
func (s *Stream) MinCreatesSoFar(thousandths int64) int64 {
	return s.minCreates(func(floor int64) int64 { return floor / 1000 * thousandths })
}

func (s *Stream) minCreates(limit func(floor int64) int64) int64 {
	n := len(s.Sizes)
	type block struct {
		most  []int32 // C(x): most requests in use of at least each size
		exist []int32 // U(x) at the tightest moment
		slack int64
	}
	var blocks []*block
	counts := make([]int32, n)
	var inUse, floor int64
	takes := 0
	for i := range s.ops {
		o := &s.ops[i]
		size := o.code >> 2
		switch o.code & 3 {
		case give:
			counts[size]--
			inUse -= s.Sizes[size]
			continue
		case refresh:
			continue
		}
		counts[size]++
		inUse += s.Sizes[size]
		if takes%boundBlock == 0 {
			blocks = append(blocks, &block{most: make([]int32, n), slack: math.MaxInt64})
		}
		takes++
		b := blocks[len(blocks)-1]
		sum := int32(0)
		for x := n - 1; x >= 0; x-- {
			sum += counts[x]
			b.most[x] = max(b.most[x], sum)
		}
		floor = max(floor, inUse+o.other)
		if slack := limit(floor) - o.other - inUse; slack < b.slack {
			b.slack = slack
			b.exist = slices.Clone(counts)
		}
	}
	for _, b := range blocks {
		b.exist = s.existing(b.exist, b.slack)
	}
	// ended[i] is the most creates in stretches that end before block i.
	ended := make([]int64, len(blocks)+1)
	none := make([]int32, n)
	for i := range blocks {
		from, start := none, int64(0) // the first stretch begins with nothing
		if i > 0 {
			from, start = blocks[i-1].exist, ended[i-1]
		}
		for w := i; w < len(blocks); w++ {
			gain := int32(0)
			for x, c := range blocks[w].most {
				gain = max(gain, c-from[x])
			}
			ended[w+1] = max(ended[w+1], ended[w], start+int64(gain))
		}
	}
	return ended[len(blocks)]
}

// existing bounds how many buffers of at least each size can exist beside the
// requests in use, of which there are counts, with slack bytes to spare.
func (s *Stream) existing(counts []int32, slack int64) []int32 {
	n := len(s.Sizes)
	out := make([]int32, n)
	above := int32(0)
	for x := n - 1; x >= 0; x-- {
		above += counts[x]
		left, more := max(slack, 0), int64(0)
		for y := x - 1; y >= 0 && left > 0; y-- {
			if counts[y] == 0 {
				continue
			}
			cost := s.Sizes[x] - s.Sizes[y]
			fit := min(int64(counts[y]), left/cost)
			more += fit
			left -= fit * cost
			if fit < int64(counts[y]) {
				break
			}
		}
		more += left / s.Sizes[x]
		out[x] = above + int32(min(more, 1<<20))
	}
	return out
}
