package lab

// The constants of TensorFlow's best-fit-with-coalescing allocator, in bytes
// (bfc_allocator.h and .cc).
const (
	bfcMinAllocation = 256       // kMinAllocationSize
	bfcFirstRegion   = 2 << 20   // curr_region_allocation_bytes_ with allow_growth
	bfcMaxWaste      = 128 << 20 // kMaxInternalFragmentation
)

// bfc is BFCAllocator with allow_growth on a device without end. Its bins, 256
// x 2^b bytes, are searched from small to large and each by size and address,
// which is best fit over all: one list does the same. A chunk is cut where it
// is twice the size or wastes 128 MiB. A new region has the current region
// size, doubled until the allocation fits; if it fitted at once, the next one
// is twice as large (Extend).
type bfc struct {
	chunks         blocks
	region         int64
	bytes, regions int64
}

func newBFC() *bfc { return &bfc{region: bfcFirstRegion} }

func (a *bfc) alloc(n int64) *block {
	size := roundUp(n, bfcMinAllocation)
	b := a.chunks.fit(size)
	if b != nil {
		a.chunks.remove(b)
	} else {
		b = a.extend(size)
	}
	b.used = true
	if b.size >= 2*size || b.size-size >= bfcMaxWaste {
		a.chunks.split(b, size)
	}
	return b
}

func (a *bfc) extend(size int64) *block {
	grown := false
	for a.region < size {
		a.region *= 2
		grown = true
	}
	b := &block{piece: a.regions, size: a.region}
	a.regions++
	a.bytes += a.region
	if !grown {
		a.region *= 2
	}
	return b
}

func (a *bfc) free(b *block) {
	b.used = false
	a.chunks.merge(b)
}

func (a *bfc) reserved() (int64, int64) { return a.bytes, a.regions }
