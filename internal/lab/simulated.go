package lab

import (
	"cmp"
	"slices"

	"bucketscope/workload"
)

// Simulated is a row for comparison only: an allocator that places several
// requests in one allocation. No WebGPU engine can have it as it is, since a
// buffer cannot be bound for reading at one place and for writing at another in
// the same dispatch. It serves weights, storage and uniform buffers alike, and
// reuse is at once.
type Simulated struct {
	Name   string
	Engine string
	Rule   string
	Source string
	// Peak and Average are of bytes reserved from the device, at the events
	// that count for the engine's own rows.
	Peak, Average int64
	// Creates are reservations, CreateBytes their size.
	Creates, CreateBytes int64
}

// Simulate plays a trace on every simulated allocator.
func Simulate(t *workload.Trace) []Simulated {
	plan := NewPlan(t)
	return []Simulated{
		play(t, newPyTorch(), Simulated{
			Name: "pytorch", Engine: "PyTorch", Source: "c10/cuda/CUDACachingAllocator.cpp",
			Rule: "round 512; segments of 2 MiB, 20 MiB or more; best fit, split, merge; never given up",
		}),
		play(t, newBFC(), Simulated{
			Name: "tensorflowBFC", Engine: "TensorFlow", Source: "tensorflow/core/framework/bfc_allocator.cc (xla/tsl), allow_growth",
			Rule: "round 256; regions from 2 MiB, doubling; best fit, split at 2x or 128 MiB, coalesce; never given up",
		}),
		{
			Name: "tfliteGreedy", Engine: "TensorFlow Lite", Source: "tensorflow/lite/arena_planner.cc, simple_memory_arena.cc",
			Rule: "offline: the whole trace known; largest first, each in the smallest gap that fits",
			Peak: plan.Size, Average: plan.Size, Creates: 1, CreateBytes: plan.Size,
		},
	}
}

// allocator is what splits.
type allocator interface {
	alloc(n int64) *block
	free(*block)
	// reserved is how much it has from the device, in how many pieces.
	reserved() (bytes, pieces int64)
}

func play(t *workload.Trace, a allocator, s Simulated) Simulated {
	out := make([]*block, t.Slots)
	var sum, samples int64
	for i := range t.Events {
		e := &t.Events[i]
		switch {
		case e.Op == workload.Request && e.Usage.Held():
			out[e.Buf] = a.alloc(e.Bytes)
		case e.Op == workload.Release && out[e.Buf] != nil:
			a.free(out[e.Buf])
			out[e.Buf] = nil
		default:
			continue
		}
		held, _ := a.reserved()
		sum += held
		samples++
	}
	s.CreateBytes, s.Creates = a.reserved()
	s.Peak = s.CreateBytes // nothing is given back
	if samples > 0 {
		s.Average = sum / samples
	}
	return s
}

// block is a part of a piece of memory reserved from the device. Parts of a
// piece are linked in the order of their addresses; no two neighbours are free.
type block struct {
	piece, offset, size int64
	prev, next          *block
	used, small         bool // small: of PyTorch's small pool
}

// blocks are free ones, by size, then by address.
type blocks []*block

func (b *block) compare(c *block) int {
	return cmp.Or(cmp.Compare(b.size, c.size), cmp.Compare(b.piece, c.piece), cmp.Compare(b.offset, c.offset))
}

func (f *blocks) add(b *block) {
	i, _ := slices.BinarySearchFunc(*f, b, (*block).compare)
	*f = slices.Insert(*f, i, b)
}

func (f *blocks) remove(b *block) {
	i, _ := slices.BinarySearchFunc(*f, b, (*block).compare)
	*f = slices.Delete(*f, i, i+1)
}

// fit is the smallest that holds n bytes, of equals the lowest; nil if none.
func (f blocks) fit(n int64) *block {
	i, _ := slices.BinarySearchFunc(f, n, func(b *block, n int64) int {
		if b.size < n {
			return -1
		}
		return 1
	})
	if i == len(f) {
		return nil
	}
	return f[i]
}

// split cuts what is above n bytes off a block, which is not among the free.
func (f *blocks) split(b *block, n int64) {
	rest := &block{piece: b.piece, small: b.small, offset: b.offset + n, size: b.size - n, prev: b, next: b.next}
	if rest.next != nil {
		rest.next.prev = rest
	}
	b.next, b.size = rest, n
	f.add(rest)
}

// merge adds a block to the free, as one with its free neighbours.
func (f *blocks) merge(b *block) {
	if p := b.prev; p != nil && !p.used {
		f.remove(p)
		b.offset, b.size, b.prev = p.offset, p.size+b.size, p.prev
		if p.prev != nil {
			p.prev.next = b
		}
	}
	if n := b.next; n != nil && !n.used {
		f.remove(n)
		b.size, b.next = b.size+n.size, n.next
		if n.next != nil {
			n.next.prev = b
		}
	}
	f.add(b)
}
