package cachemodes

// mlxPage is the page size of Apple's GPUs, vm_page_size, in bytes.
const mlxPage = 16384

// mlx is the policy of MLX on Metal (mlx/backend/metal/allocator.cpp and
// mlx/backend/common/buffer_cache.h):
//
//	malloc            whole pages above a page
//	reuse_from_cache  the smallest cached buffer below min(2 x size, size + 2
//	                  pages), of equals the one cached first; at once
//	free              to the cache; what was cached first goes while the cache
//	                  exceeds its limit
//
// MLX's limit is 0.95 of the memory that Metal recommends to use; here
// Params.CacheLimit says, since no policy knows the device.
type mlx struct {
	limit int64 // bytes; 0 is none
}

func newMLX(p Params) Policy { return mlx{p.CacheLimit} }

func (mlx) Key(n int64) int64 {
	if n <= mlxPage {
		return roundUp(n, deviceAlign)
	}
	return roundUp(n, mlxPage)
}

func (mlx) Cap(int64) (int, Reason) { return Uncapped, NoReason }
func (mlx) Reuse() When             { return AtOnce }
func (mlx) Discard() When           { return AtOnce }

// most is the largest size that may serve a key.
func (mlx) most(key int64) int64 { return min(2*key, key+2*mlxPage) - 1 }

func (m mlx) Choose(n int64, free *Shelf) BufID {
	key := m.Key(n)
	return free.Smallest(key, m.most(key))
}

func (m mlx) Serves(n, size int64) bool {
	key := m.Key(n)
	return size >= key && size <= m.most(key)
}

func (m mlx) Evict(on Occasion, _ int64, _ int, free *Shelf) BufID {
	if on == OnRelease && m.limit > 0 && free.Bytes() > m.limit {
		return free.Oldest()
	}
	return NoBuf
}
