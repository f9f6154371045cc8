package cachemodes

import "math"

// The numbers of CubeCL's exclusive pages (memory_manage.rs,
// generate_bucket_sizes and from_configuration; exclusive_pool.rs).
const (
	cubePools   = 24      // NUM_POOLS
	cubeMin     = 1 << 15 // MIN_BUCKET_SIZE, bytes
	cubeDecay   = 0.01    // SIZE_AVG_DECAY
	cubeIdle    = 5       // ALLOC_AFTER_FREE
	cubePeriod  = 5000    // BASE_DEALLOC_PERIOD, reservations
	cubeGrowsBy = 1 << 30 // DEALLOC_SCALE_MB, bytes

	// cubeMax and cubeAlign are a device's max_storage_buffer_binding_size and
	// min_storage_buffer_offset_alignment, in bytes: what desktop adapters
	// have, since no policy knows the device. CubeCL cannot serve more than the
	// former; here such a buffer is made and never kept.
	cubeMax   = 1 << 31
	cubeAlign = 256
)

// cubecl is the policy of CubeCL, below Burn, where each allocation has a page
// of its own (cubecl-runtime/src/memory_management/memory_pool/
// exclusive_pool.rs):
//
//	pools     24 of them, their largest sizes evenly spaced in the logarithm
//	          from 32 KiB to the largest buffer; the first that holds the size
//	new page  as large as the moving average of the pool's sizes, or the size
//	reserve   the free page that fits with the lowest idle count, at once; of
//	          equals the one that was free longest (CubeCL: made first)
//	cleanup   at a submit, once a fifth of the pool's period went by in
//	          reservations: free pages get older by one, and go at 5
//
// A page's idle count starts at 4 and falls by one with every use, to 0 at
// least; it is the buffer's mark plus 4.
type cubecl struct {
	pools    [cubePools]cubePool
	reserved int64 // reservations so far
}

type cubePool struct {
	max     int64   // size of the largest page, bytes
	average float64 // of the sizes reserved, bytes
	every   int64   // reservations between two cleanups
	last    int64   // cubecl.reserved at the last cleanup
}

func newCubeCL(Params) Policy {
	c := &cubecl{}
	lo, hi := math.Log(cubeMin), math.Log(cubeMax)
	for i := range c.pools {
		size := int64(math.Exp(lo + float64((hi-lo)*float64(i)/(cubePools-1))))
		size = roundUp(size, cubeAlign)
		period := cubePeriod * int64(math.Round(1+float64(size)/cubeGrowsBy))
		c.pools[i] = cubePool{max: size, average: float64(size) / 2, every: period / cubeIdle}
	}
	return c
}

// pool is the one that serves a size, nil where none does.
func (c *cubecl) pool(n int64) *cubePool {
	for i := range c.pools {
		if c.pools[i].max >= n {
			return &c.pools[i]
		}
	}
	return nil
}

func (c *cubecl) Key(n int64) int64 {
	if p := c.pool(n); p != nil {
		n = max(n, int64(p.average))
	}
	return roundUp(n, cubeAlign)
}

func (c *cubecl) Cap(size int64) (int, Reason) {
	if c.pool(size) == nil {
		return 0, AboveTable
	}
	return Uncapped, NoReason
}

func (c *cubecl) Reuse() When   { return AtOnce }
func (c *cubecl) Discard() When { return AtOnce }

func (c *cubecl) Serves(n, size int64) bool {
	p := c.pool(n)
	return p != nil && size >= n && size <= p.max
}

func (c *cubecl) Choose(n int64, free *Shelf) BufID {
	c.reserved++
	p := c.pool(n)
	if p == nil {
		return NoBuf
	}
	// The conversions keep every machine from fusing the sum into one rounding.
	p.average = float64(p.average*(1-cubeDecay)) + float64(float64(n)*cubeDecay)
	const least = 1 - cubeIdle
	best := free.Lowest(n, p.max, least)
	if best != NoBuf {
		free.SetMark(best, max(free.Mark(best)-1, least))
	}
	return best
}

func (c *cubecl) Evict(on Occasion, _ int64, gone int, free *Shelf) BufID {
	if on != OnRefresh {
		return NoBuf
	}
	if gone == 0 && !c.age(free) {
		return NoBuf
	}
	for id := free.Oldest(); id != NoBuf; id = free.After(id) {
		if free.Mark(id) > 0 { // idle count 5
			return id
		}
	}
	return NoBuf
}

// age makes the free pages of pools that are due older, and reports whether
// there were such pools.
func (c *cubecl) age(free *Shelf) bool {
	var due [cubePools]bool
	any := false
	for i := range c.pools {
		if p := &c.pools[i]; c.reserved-p.last >= p.every {
			p.last, due[i], any = c.reserved, true, true
		}
	}
	if !any {
		return false
	}
	for id := free.Oldest(); id != NoBuf; id = free.After(id) {
		for i := range c.pools {
			if free.Size(id) <= c.pools[i].max {
				if due[i] {
					free.SetMark(id, free.Mark(id)+1)
				}
				break
			}
		}
	}
	return true
}
