package cachemodes

import "fmt"

// Usage says what a buffer is for, and with that which cache serves it. The
// first four are the caches of ORT's BufferManager in its order of choice
// (buffer_manager.cc, GetCacheManager); the others bypass every cache.
type Usage uint8

// The usages. Default is ORT's cache for "everything else".
const (
	Storage Usage = iota
	Uniform
	QueryResolve
	Default
	// Weights are storage buffers requested before their session was ready:
	// rounded to 16 bytes only, never served from a cache, destroyed when
	// released.
	Weights
	// Staging buffers are mapped for reading or writing; they live from their
	// request to their release.
	Staging
	// User buffers belong to the application (the KV cache of a static
	// workload): the engine neither makes nor caches them.
	User

	// NumCaches is how many usages have a cache of their own: the first ones.
	NumCaches = int(Default) + 1
	// NumUsages is how many usages there are.
	NumUsages = int(User) + 1
)

var usageNames = [NumUsages]string{"storage", "uniform", "query_resolve", "default", "weights", "staging", "user"}

// String is the name that trace files and JSON use.
func (u Usage) String() string {
	if int(u) < NumUsages {
		return usageNames[u]
	}
	return fmt.Sprintf("Usage(%d)", u)
}

// Cached reports whether buffers of this usage pass through a cache.
func (u Usage) Cached() bool { return int(u) < NumCaches }

// Held reports whether buffers of this usage count as held by the engine's
// allocator: weights and everything cached do; staging buffers and the
// application's own do not.
func (u Usage) Held() bool { return u <= Weights }
