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

// The simulated allocators, without figures.
var (
	pytorch = Simulated{
		Name: "pytorch", Engine: "PyTorch", Source: "c10/cuda/CUDACachingAllocator.cpp",
		Rule: "round 512; segments of 2 MiB, 20 MiB or more; best fit, split, merge; never given up",
	}
	tensorflow = Simulated{
		Name: "tensorflowBFC", Engine: "TensorFlow", Source: "tensorflow/core/framework/bfc_allocator.cc (xla/tsl), allow_growth",
		Rule: "round 256; regions from 2 MiB, doubling; best fit, split at 2x or 128 MiB, coalesce; never given up",
	}
	tflite = Simulated{
		Name: "tfliteGreedy", Engine: "TensorFlow Lite", Source: "tensorflow/lite/arena_planner.cc, simple_memory_arena.cc",
		Rule: "offline: the whole trace known; largest first, each in the smallest gap that fits",
	}
)

// Simulate plays a trace on every simulated allocator.
func Simulate(t *workload.Trace) []Simulated {
	offline := tflite
	offline.CreateBytes, offline.Creates = NewPlan(t).Size, 1
	offline.Peak, offline.Average = offline.CreateBytes, offline.CreateBytes
	return []Simulated{play(t, newPyTorch(), pytorch), play(t, newBFC(), tensorflow), offline}
}

// allocator is what splits.
type allocator interface {
	alloc(n int64) *block
	free(*block)
	// reserved is how much it has from the device, in how many pieces.
	reserved() (bytes, pieces int64)
}

// splitting is an allocator that plays events, and its books.
type splitting struct {
	a            allocator
	out          []*block // by slot
	sum, samples int64
}

func (p *splitting) play(e *workload.Event) {
	switch {
	case e.Op == workload.Request && e.Usage.Held():
		p.out[e.Buf] = p.a.alloc(e.Bytes)
	case e.Op == workload.Release && p.out[e.Buf] != nil:
		p.a.free(p.out[e.Buf])
		p.out[e.Buf] = nil
	default:
		return
	}
	held, _ := p.a.reserved()
	p.sum += held
	p.samples++
}

// average is of bytes reserved, over what was played.
func (p *splitting) average() int64 {
	if p.samples == 0 {
		return 0
	}
	return p.sum / p.samples
}

func play(t *workload.Trace, a allocator, s Simulated) Simulated {
	p := splitting{a: a, out: make([]*block, t.Slots)}
	for i := range t.Events {
		p.play(&t.Events[i])
	}
	s.CreateBytes, s.Creates = a.reserved()
	s.Peak = s.CreateBytes // nothing is given back
	s.Average = p.average()
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
