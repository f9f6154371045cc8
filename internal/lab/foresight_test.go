package lab

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bucketscope/cachemodes"
)

// plan says, for every request of a trace, how much larger a free buffer may
// be that serves it, and how many sizes above its own a new one is.
type plan struct {
	s      *Stream
	fit    []int // index in fits
	up     []int
	served []int64
}

var fits = []float64{1, 1.5, 2, 4, 16, math.MaxFloat64}

// play answers creates, and how many bytes the peak exceeds the limit.
func (p *plan) play(limit int64) (creates int, over int64) {
	var free []int64 // sizes, ascending
	held, next := int64(0), 0
	inUse := make([][]int, len(p.s.Sizes)) // requests by size, oldest first
	for i := range p.s.ops {
		o := &p.s.ops[i]
		size := int(o.code >> 2)
		switch o.code & 3 {
		case give:
			id := inUse[size][0]
			inUse[size] = inUse[size][1:]
			k, _ := slices.BinarySearch(free, p.served[id])
			free = slices.Insert(free, k, p.served[id])
		case take:
			id, n := next, p.s.Sizes[size]
			next++
			inUse[size] = append(inUse[size], id)
			if k, _ := slices.BinarySearch(free, n); k < len(free) && float64(free[k]) <= fits[p.fit[id]]*float64(n) {
				p.served[id] = free[k]
				free = slices.Delete(free, k, k+1)
				continue
			}
			p.served[id] = p.s.Sizes[min(size+p.up[id], len(p.s.Sizes)-1)]
			held += p.served[id]
			for held+o.other > limit && len(free) > 0 {
				k, _ := slices.BinarySearch(free, held+o.other-limit)
				k = min(k, len(free)-1)
				held -= free[k]
				free = slices.Delete(free, k, k+1)
			}
			creates++
			over = max(over, held+max(o.other, o.most)-limit)
		}
	}
	return creates, over
}

// TestForesight searches for a plan with the whole trace known: what a policy
// could reach that foresees. Releases of equal sizes are taken in the order of
// the requests. It is for small traces.
//
//	go test ./internal/lab -run TestForesight -v -variants
func TestForesight(t *testing.T) {
	if !*variants {
		return
	}
	s := NewStream(load(t, "unet/varied"), cachemodes.DefaultConfig())
	limit := s.Floor / 100 * 103
	var requests int64
	for _, n := range s.Requests {
		requests += n
	}
	p := &plan{s: s, fit: make([]int, requests), up: make([]int, requests), served: make([]int64, requests)}
	for i := range p.fit {
		p.fit[i] = 2
	}
	score := func() float64 {
		creates, over := p.play(limit)
		return float64(creates) + 1000*float64(max(0, over))/float64(limit)
	}
	r := rand.New(rand.NewPCG(1, 2))
	now := score()
	const steps = 300_000
	for i := range steps {
		k := r.IntN(len(p.fit))
		fit, up := p.fit[k], p.up[k]
		if r.IntN(2) == 0 {
			p.fit[k] = r.IntN(len(fits))
		} else {
			p.up[k] = r.IntN(4) * r.IntN(4)
		}
		next := score()
		if heat := 3 * math.Pow(0.01, float64(i)/steps); next > now && r.Float64() >= math.Exp((now-next)/heat) {
			p.fit[k], p.up[k] = fit, up
			continue
		}
		now = next
	}
	creates, over := p.play(limit)
	t.Logf("unet/varied with foresight: %d creates, %s MiB above 1.03 x floor; bucket %d", creates, mib(max(0, over)),
		NewReplayer(s).Replay(cachemodes.DefaultTable()).Creates)
}
