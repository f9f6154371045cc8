package lab

import (
	"fmt"
	"math/rand/v2"

	"bucketscope/workload"
)

// shapes is a model that is no language model, with inputs of several shapes: for
// workloads that nobody recorded. Everything is drawn from a seed.
//
//	unet     convolutions down and up again; what goes down stays until it comes up
//	encoder  a transformer's layers, scores of the length squared
//	dag      requests of any size that live for any time
//
// The shapes are one again and again, some in turn, each for a while, or any.
func shapes(kind string, seed uint64) *workload.Trace {
	r := rand.New(rand.NewPCG(seed, 99))
	tr := &workload.Trace{Name: fmt.Sprintf("%s:%d", kind, seed), Sessions: []workload.Session{{Model: kind}}}
	var free []int32
	event := func(e workload.Event) { tr.Events = append(tr.Events, e) }
	request := func(n int64, init bool) int32 {
		slot := int32(tr.Slots)
		if len(free) > 0 {
			slot = free[len(free)-1]
			free = free[:len(free)-1]
		} else {
			tr.Slots++
		}
		event(workload.Event{Op: workload.Request, Buf: slot, Bytes: max(4, n), Init: init, Run: int32(len(tr.Runs)) - 1})
		return slot
	}
	release := func(slot int32) {
		event(workload.Event{Op: workload.Release, Buf: slot, Run: int32(len(tr.Runs)) - 1})
		free = append(free, slot)
	}

	// A model is its requests in order: how large for a shape, how many later ones
	// they outlive.
	type node struct {
		size func(batch, length int64) int64
		life int
	}
	var model []node
	add := func(life int, size func(b, l int64) int64) { model = append(model, node{size, life}) }
	switch kind {
	case "unet":
		depth, width := 2+r.IntN(3), int64(16<<r.IntN(3))
		blocks := 1 + r.IntN(3)
		level := func(d int, mult int64) func(b, l int64) int64 {
			return func(b, l int64) int64 { return b * l * l * width * mult * 2 >> d }
		}
		var skips []int
		add(1000, func(b, l int64) int64 { return b * l * l * 8 })
		for d := range depth {
			for range blocks {
				add(1, level(d, 1))
			}
			skips = append(skips, len(model))
			add(0, level(d, 1))
			add(1, level(d+2, 1))
		}
		for range blocks {
			add(1, level(depth, 1))
		}
		for d := depth - 1; d >= 0; d-- {
			add(1, level(d, 2))
			model[skips[d]].life = len(model) - skips[d]
			add(1, level(d, 3))
			for range blocks {
				add(1, level(d, 1))
			}
		}
		add(1, func(b, l int64) int64 { return b * l * l * 8 })
	case "encoder":
		layers, hidden, heads := 4+r.IntN(20), int64(256+128*r.IntN(7)), int64(4+r.IntN(12))
		flat := func(mult int64) func(b, l int64) int64 {
			return func(b, l int64) int64 { return b * l * hidden * mult * 2 }
		}
		add(1000, func(b, l int64) int64 { return b * l * 8 })
		add(1, flat(1))
		for range layers {
			add(7, flat(1))
			add(3, flat(1))
			add(2, flat(1))
			add(3, flat(1))
			add(2, func(b, l int64) int64 { return b * l * l * heads * 2 })
			add(1, func(b, l int64) int64 { return b * l * l * heads * 2 })
			add(2, flat(1))
			add(4, flat(1))
			add(2, flat(4))
			add(1, flat(4))
			add(2, flat(1))
		}
		add(1, flat(1))
	case "dag":
		for range 20 + r.IntN(120) {
			base := int64(64) << r.IntN(14)
			base += r.Int64N(base)
			power := r.IntN(3)
			life := 1 + r.IntN(3)
			if r.IntN(8) == 0 {
				life += r.IntN(60)
			}
			add(life, func(b, l int64) int64 {
				n := base * b
				for range power {
					n = n * l / 16
				}
				return n
			})
		}
	}
	type shape struct{ b, l int64 }
	draw := func() shape { return shape{1 + r.Int64N(3)*r.Int64N(2), 16 * (1 + r.Int64N(16))} }
	var kinds []shape
	for range 1 + r.IntN(5) {
		kinds = append(kinds, draw())
	}
	how, runs := r.IntN(4), 10+r.IntN(40)
	peak := func(s shape) (most int64) {
		live := int64(0)
		ends := map[int]int64{}
		for i, n := range model {
			live -= ends[i]
			live += n.size(s.b, s.l)
			ends[i+1+n.life] += n.size(s.b, s.l)
			most = max(most, live)
		}
		return most
	}
	// Weights are a fifth to twenty times what a shape asks for.
	weights := int64(float64(peak(kinds[0])) * []float64{0.2, 0.5, 1, 2, 5, 10, 20}[r.IntN(7)])
	event(workload.Event{Op: workload.SessionCreate, Run: workload.NoRun})
	for range 8 {
		request(weights/8, true)
	}
	event(workload.Event{Op: workload.SessionReady, Run: workload.NoRun})
	s := kinds[0]
	for run := range runs {
		switch how {
		case 0: // one
		case 1:
			s = kinds[run%len(kinds)]
		case 2:
			if r.IntN(4) == 0 {
				s = kinds[r.IntN(len(kinds))]
			}
		case 3:
			s = draw()
		}
		tr.Runs = append(tr.Runs, workload.Run{ID: int64(run), Label: fmt.Sprintf("b=%d l=%d", s.b, s.l)})
		event(workload.Event{Op: workload.RunStart, Run: int32(run)})
		ends := make([][]int32, len(model)+1)
		for i, n := range model {
			slot := request(n.size(s.b, s.l), false)
			for _, gone := range ends[i] {
				release(gone)
			}
			end := min(len(model), i+n.life)
			ends[end] = append(ends[end], slot)
			if i%8 == 7 {
				event(workload.Event{Op: workload.Submit, Run: int32(run)})
			}
		}
		for _, gone := range ends[len(model)] {
			release(gone)
		}
		event(workload.Event{Op: workload.Submit, Run: int32(run)})
		event(workload.Event{Op: workload.RunEnd, Run: int32(run)})
	}
	return tr
}
