package cachemodes

// relieved is a policy that frees everything it keeps when the device refuses
// a create, which is then tried once more.
type relieved struct{ exact }

func (relieved) Evict(on Occasion, _ int64, _ int, free *Shelf) BufID {
	if on == OnRefusal {
		return free.Oldest()
	}
	return NoBuf
}

// tvmPage is PooledAllocator::kDefaultPageSize, in bytes.
const tvmPage = 4096

// tvmPooled is the policy of Apache TVM (src/runtime/memory/pooled_allocator.h):
// whole pages, a pool for each size, last in first out, usable at once, no cap;
// Alloc catches a failure, calls ReleaseAll and tries again.
func tvmPooled(Params) Policy { return relieved{exact{tvmPage, Uncapped, AtOnce, AtOnce}} }

// tinygradLRU is the policy of tinygrad (tinygrad/device.py, LRUAllocator, now
// part of Allocator): a list for each exact size, usable at once, no cap; alloc
// catches a failure, calls free_cache and tries again. Nothing in it is least
// recently used but the name.
func tinygradLRU(Params) Policy { return relieved{exact{deviceAlign, Uncapped, AtOnce, AtOnce}} }
