package lab

import (
	"cmp"
	"slices"

	"bucketscope/workload"
)

// planAlign is kDefaultTensorAlignment of tensorflow/lite/arena_planner.h, in
// bytes.
const planAlign = 64

// Placed is a buffer of an offline plan.
type Placed struct {
	Offset, Size int64
	// First and Last are the events at which it is requested and released; one
	// that is never released lasts to the end.
	First, Last int
}

// Plan places every buffer of a trace in one arena, with the whole trace known
// in advance: what a runtime can do that sees a graph before it runs it.
type Plan struct {
	Buffers []Placed // in the order of their requests
	Size    int64    // of the arena
}

// NewPlan is TensorFlow Lite's greedy plan by size over everything held. What
// lives through all runs stands at the bottom, as in its persistent arena;
// the rest is placed from the largest to the smallest
// (arena_planner.cc, CreateTensorAllocationVector), each in the smallest gap
// between those of its time that holds it, or above them
// (simple_memory_arena.cc, Allocate).
func NewPlan(t *workload.Trace) *Plan {
	p := &Plan{}
	firstRun, lastRun := len(t.Events), -1
	at := make([]int, t.Slots) // index in Buffers plus one
	for i := range t.Events {
		switch e := &t.Events[i]; {
		case e.Op == workload.RunStart:
			firstRun = min(firstRun, i)
		case e.Op == workload.RunEnd:
			lastRun = i
		case e.Op == workload.Request && e.Usage.Held():
			p.Buffers = append(p.Buffers, Placed{Size: e.Bytes, First: i, Last: len(t.Events)})
			at[e.Buf] = len(p.Buffers)
		case e.Op == workload.Release && at[e.Buf] > 0:
			p.Buffers[at[e.Buf]-1].Last = i
			at[e.Buf] = 0
		}
	}
	order := make([]int32, 0, len(p.Buffers))
	for i := range p.Buffers {
		if b := &p.Buffers[i]; lastRun >= 0 && b.First < firstRun && b.Last > lastRun {
			b.Offset = roundUp(p.Size, planAlign)
			p.Size = b.Offset + b.Size
		} else {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(i, j int32) int {
		return cmp.Or(cmp.Compare(p.Buffers[j].Size, p.Buffers[i].Size), cmp.Compare(i, j))
	})
	a := newArena(p, len(t.Events))
	for _, i := range order {
		a.place(i)
	}
	return p
}

// arena finds what is placed in a stretch of time: buffers are listed under
// each of the short spans that they live in.
type arena struct {
	plan   *Plan
	base   int64
	spans  [][]int32
	seen   []int32 // stamp of the last search that found it
	stamp  int32
	nearby []int32
}

const spanEvents = 64

func newArena(p *Plan, events int) *arena {
	return &arena{plan: p, base: p.Size, spans: make([][]int32, events/spanEvents+1), seen: make([]int32, len(p.Buffers))}
}

func (a *arena) place(i int32) {
	b := &a.plan.Buffers[i]
	first, last := b.First/spanEvents, b.Last/spanEvents
	a.stamp++
	a.nearby = a.nearby[:0]
	for _, span := range a.spans[first : last+1] {
		for _, j := range span {
			if o := &a.plan.Buffers[j]; a.seen[j] != a.stamp && o.First < b.Last && b.First < o.Last {
				a.seen[j] = a.stamp
				a.nearby = append(a.nearby, j)
			}
		}
	}
	slices.SortFunc(a.nearby, func(i, j int32) int {
		return cmp.Or(cmp.Compare(a.plan.Buffers[i].Offset, a.plan.Buffers[j].Offset), cmp.Compare(i, j))
	})
	top, best, gap := a.base, int64(-1), int64(0)
	for _, j := range a.nearby {
		o := &a.plan.Buffers[j]
		from := roundUp(top, planAlign)
		if from+b.Size <= o.Offset && (best < 0 || o.Offset-from < gap) {
			best, gap = from, o.Offset-from
		}
		top = max(top, o.Offset+o.Size)
	}
	if best < 0 {
		best = roundUp(top, planAlign)
	}
	b.Offset = best
	a.plan.Size = max(a.plan.Size, best+b.Size)
	for s := first; s <= last; s++ {
		a.spans[s] = append(a.spans[s], i)
	}
}
