package cachemodes

// ncnnDrop is size_drop_threshold: from how many free buffers on a miss drops
// one.
const ncnnDrop = 10

// ncnn is the policy of ncnn's PoolAllocator (src/allocator.cpp):
//
//	fastMalloc  the first free buffer of the list, oldest first, that is large
//	            enough and of which the request fills size_compare_ratio/256
//	            or more; where none is and the list has size_drop_threshold
//	            buffers, its smallest one is dropped if all are smaller than
//	            the request, its largest one if all are larger
//	fastFree    to the end of the list, at once
type ncnn struct {
	ratio int64 // of 256
}

func newNCNN(p Params) Policy { return ncnn{int64(p.FitRatio)} }

func (ncnn) Key(n int64) int64       { return roundUp(n, deviceAlign) }
func (ncnn) Cap(int64) (int, Reason) { return Uncapped, NoReason }
func (ncnn) Reuse() When             { return AtOnce }
func (ncnn) Discard() When           { return AtOnce }

func (p ncnn) Serves(n, size int64) bool {
	return size >= n && size <= p.most(n)
}

func (p ncnn) Choose(n int64, free *Shelf) BufID {
	return free.First(n, p.most(n))
}

// most is the largest size that may serve n bytes.
func (p ncnn) most(n int64) int64 {
	if p.ratio == 0 {
		return MaxBytes
	}
	return ((p.Key(n)+1)<<8 - 1) / p.ratio
}

func (p ncnn) Evict(on Occasion, n int64, gone int, free *Shelf) BufID {
	if on != OnMiss || gone > 0 || free.Len() < ncnnDrop {
		return NoBuf
	}
	smallest, largest := free.Smallest(0, MaxBytes), free.Largest()
	switch {
	case free.Size(largest) < n:
		return smallest
	case free.Size(smallest) > n:
		return largest
	}
	return NoBuf
}
