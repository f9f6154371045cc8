package lab

// The constants of PyTorch's caching allocator, in bytes
// (c10/cuda/CUDACachingAllocator.cpp; since 2.8 c10/core/AllocatorConfig.h).
const (
	kMinBlockSize  = 512      // all sizes are rounded to at least 512 bytes
	kSmallSize     = 1048576  // largest "small" allocation is 1 MiB
	kSmallBuffer   = 2097152  // "small" allocations are packed in 2 MiB blocks
	kLargeBuffer   = 20971520 // "large" allocations may be packed in 20 MiB blocks
	kMinLargeAlloc = 10485760 // allocations between 1 and 10 MiB may use kLargeBuffer
	kRoundLarge    = 2097152  // round up large allocations to 2 MiB
)

// pyTorch is DeviceCachingAllocator with one stream and the default
// configuration: no expandable segments, no limit to splitting. Two pools, for
// allocations up to kSmallSize and above; in its pool an allocation takes the
// smallest free block that fits (get_free_block) and cuts it where enough is
// left (should_split), else the device gives a segment (get_allocation_size).
// A freed block joins its free neighbours; segments go back to the device only
// when it has no more, which is not simulated.
type pyTorch struct {
	small, large    blocks
	bytes, segments int64
}

func newPyTorch() *pyTorch { return &pyTorch{} }

// segment is the size of the segment that serves a rounded size.
func (*pyTorch) segment(size int64) int64 {
	switch {
	case size <= kSmallSize:
		return kSmallBuffer
	case size < kMinLargeAlloc:
		return kLargeBuffer
	}
	return roundUp(size, kRoundLarge)
}

// splits reports whether a pool cuts off what an allocation leaves.
func (p *pyTorch) splits(pool *blocks, rest int64) bool {
	if pool == &p.small {
		return rest >= kMinBlockSize
	}
	return rest > kSmallSize
}

func (p *pyTorch) pool(size int64) *blocks {
	if size <= kSmallSize {
		return &p.small
	}
	return &p.large
}

func (p *pyTorch) alloc(n int64) *block {
	size := roundUp(n, kMinBlockSize)
	pool := p.pool(size)
	b := pool.fit(size)
	if b != nil {
		pool.remove(b)
	} else {
		b = &block{piece: p.segments, size: p.segment(size), small: pool == &p.small}
		p.segments++
		p.bytes += b.size
	}
	b.used = true
	if p.splits(pool, b.size-size) {
		pool.split(b, size)
	}
	return b
}

func (p *pyTorch) free(b *block) {
	b.used = false
	if b.small {
		p.small.merge(b)
	} else {
		p.large.merge(b)
	}
}

func (p *pyTorch) reserved() (int64, int64) { return p.bytes, p.segments }
