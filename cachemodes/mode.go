package cachemodes

import (
	"fmt"
	"strings"
)

// When is the moment at which a released buffer changes again.
type When uint8

// The moments.
const (
	AtOnce When = iota
	AtRefresh
	AtRunEnd
)

var whenNames = [...]string{"at once", "at refresh", "at run end"}

func (w When) String() string { return whenNames[w] }

// Policy is what tells one mode from another. Its answers have no side
// effects: rounding a size does not register it.
type Policy interface {
	// Key is the size, in bytes, of the buffer that serves a request of n
	// bytes; at least n.
	Key(n int64) int64
	// Cap is how many free buffers of a size are kept. If none, why.
	Cap(size int64) (int, Reason)
	// Reuse is when a released buffer that is kept can serve again.
	Reuse() When
	// Discard is when a released buffer that is not kept is destroyed.
	Discard() When
}

// Learner is a Policy whose keys come from what sessions ask for. What it
// learns belongs to a session's runs, not to the device: several sessions may
// share a cache and run at once (the review of ORT PR #25120).
type Learner interface {
	Policy
	// Requested tells that session asked for a buffer of size, and answers
	// whether that made size a key. A Chooser is told the bytes requested, before
	// it chooses; its answer is not looked at.
	Requested(session int32, size int64) bool
	// Adopt makes size a key until the next adjustment: a buffer of that size
	// was in the cache when the mode was chosen.
	Adopt(size int64)
	// RunStart and RunEnd bracket a run of session. RunEnd answers whether the
	// keys were renewed.
	RunStart(session int32)
	RunEnd(session int32) bool
	// Forget drops what was learned from session, which is no more, and
	// answers whether it had anything.
	Forget(session int32) bool
}

// Dropper is a Learner that says which keys a renewal took, so that the others
// need not be asked.
type Dropper interface {
	Learner
	// Dropped are the sizes that ceased to be keys since it was asked last: each
	// renewal is followed by the question. They are in any order, and valid until
	// the next one.
	Dropped() []int64
}

// Chooser is a Policy that may serve a request with a larger buffer than Key.
type Chooser interface {
	Policy
	// Choose answers which free buffer serves a request of n bytes, NoBuf for
	// none. It is asked exactly once for each request and before Key, so that a
	// policy can take note of the request here.
	Choose(n int64, free *Shelf) BufID
	// Serves reports whether a free buffer of size may serve n bytes. Where one
	// that is at least Key(n) may, so may every smaller one down to Key(n). It
	// has no side effects: misses are explained by it.
	Serves(n, size int64) bool
}

// Evictor is a Policy that gives up free buffers of its own accord.
type Evictor interface {
	Policy
	// Evict answers which free buffer to give up next, NoBuf for enough. It is
	// asked on every occasion until it answers NoBuf; gone is how many it named
	// before on this one, n the bytes requested of the buffer that it is about,
	// 0 OnRefresh and OnRunEnd.
	Evict(on Occasion, n int64, gone int, free *Shelf) BufID
}

// Occasion is when an Evictor is asked.
type Occasion uint8

// The occasions.
const (
	OnMiss    Occasion = iota // a buffer is about to be created
	OnRefusal                 // the device could not create one; it will be asked once more
	OnRelease                 // a buffer became free
	OnRefresh                 // recorded commands were submitted
	OnRunEnd                  // an inference ended, and the device is idle
	OnFail                    // the buffer of the request before could not be created, and never was
)

// ModeID names a mode in events: an index into Modes.
type ModeID uint8

// The modes, in the order of Modes.
const (
	Disabled ModeID = iota
	LazyRelease
	Simple
	BucketMode
	BucketLegacy
	DynamicBucket
	Graph
	GraphSimple
	JSEP
	TFJS
	TVMPooled
	MLX
	CubeCLExclusive
	CandlePow2
	NCNNRatio
	TinygradLRU
	Watermark
	DynamicBucketShared

	numModes = int(DynamicBucketShared) + 1
)

// Mode describes a cache mode.
type Mode struct {
	ID ModeID
	// Name is as ORT's options spell it, where it is ORT's.
	Name string
	// Engine whose policy it is.
	Engine string
	// Rule is the mode in one line.
	Rule string
	// Source is the engine's version, file or pull request that the rule was
	// read in.
	Source string
	// Reads names the Params that change what the mode does.
	Reads []string
	// Learns reports whether its keys come from what sessions ask for.
	Learns bool

	policy func(Params) Policy
}

// ort is the engine of the modes that ONNX Runtime has, or was to have.
const ort = "ONNX Runtime"

var modes = [numModes]Mode{
	{Disabled, "disabled", ort, "round 16; destroy at release", "ORT 1.30", []string{"round"}, false,
		func(p Params) Policy { return exact{p.Round, 0, AtOnce, AtOnce} }},
	{LazyRelease, "lazyRelease", ort, "round 16; destroy at the refresh after the release", "ORT 1.30", []string{"round", "refresh_every"}, false,
		func(p Params) Policy { return exact{p.Round, 0, AtRefresh, AtRefresh} }},
	{Simple, "simple", ort, "round 16; exact size, no cap, usable after a refresh", "ORT 1.30", []string{"round", "refresh_every"}, false,
		func(p Params) Policy { return exact{p.Round, Uncapped, AtRefresh, AtRefresh} }},
	{BucketMode, "bucket", ort, "smallest key of the table; usable at once under its cap, else destroyed at refresh", "ORT 1.30, PR #25276 and #25485", []string{"table", "refresh_every"}, false,
		func(p Params) Policy { return bucketed{p.Table, AtOnce} }},
	{BucketLegacy, "bucketLegacy", ort, "bucket, but kept or destroyed at refresh", "ORT before PR #25276", []string{"table", "refresh_every"}, false,
		func(p Params) Policy { return bucketed{p.Table, AtRefresh} }},
	{DynamicBucket, "dynamicBucket", ort, "round 16; keys are what a session's last runs asked for, no cap, renewed every second run", "ORT PR #25120, learning per session", []string{"round", "adjust_every", "history"}, true,
		func(p Params) Policy { return newDynamic(p) }},
	{Graph, "graph", ort, "bucket keys, no caps, a size above the table is its own key; usable at once", "ORT 1.30, inside a captured graph", []string{"table"}, false,
		func(p Params) Policy { return graph{p.Table} }},
	{GraphSimple, "graphSimple", ort, "exact size, no cap; usable in a later run, not within one", "ORT 1.30, uniforms inside a captured graph", []string{"round"}, false,
		func(p Params) Policy { return exact{p.Round, Uncapped, AtRunEnd, AtRunEnd} }},
	{JSEP, "jsep", "onnxruntime-web", "bucketLegacy, for uniforms as well", "js/web/lib/wasm/jsep/webgpu/gpu-data-manager.ts", []string{"table", "refresh_every"}, false, jsep},
	{TFJS, "tfjs", "TensorFlow.js", "exact size, no cap, usable after a refresh, never given up", "tfjs-backend-webgpu/src/buffer_manager.ts", []string{"refresh_every"}, false, tfjs},
	{TVMPooled, "tvmPooled", "Apache TVM", "round 4096; no cap, usable at once; a refused create frees all", "src/runtime/memory/pooled_allocator.h", nil, false, tvmPooled},
	{MLX, "mlx", "MLX", "16 KiB pages; smallest free buffer below 2x and 2 pages more; least recently used out over the cache limit", "mlx/backend/metal/allocator.cpp, mlx/backend/common/buffer_cache.h", []string{"cache_limit"}, false, newMLX},
	{CubeCLExclusive, "cubeclExclusive", "CubeCL (Burn)", "24 pools; a new page is the pool's average size or more; the least idle page that fits; out after 5 idle checks", "cubecl-runtime/src/memory_management/memory_pool/exclusive_pool.rs", nil, false, newCubeCL},
	{CandlePow2, "candlePow2", "candle", "power of two; smallest free buffer that fits, however large; all out at run end", "candle-core/src/metal_backend/device.rs", nil, false, candlePow2},
	{NCNNRatio, "ncnnRatio", "ncnn", "first free buffer that fits, unless the ratio forbids; from 10 free, a miss drops the smallest or largest", "src/allocator.cpp, PoolAllocator", []string{"fit_ratio"}, false, newNCNN},
	{TinygradLRU, "tinygradLRU", "tinygrad", "exact size, no cap, usable at once; a refused create frees all", "tinygrad/device.py, LRUAllocator", nil, false, tinygradLRU},
	{Watermark, "watermark", "bucketscope", "at most 2.95 % above the most ever requested at once; requests of a run like one before share buffers as planned from it; what is large and needed late goes first", "docs/watermark.md", nil, false, newWatermark},
	{DynamicBucketShared, "dynamicBucketShared", ort, "dynamicBucket with one run counter and one pattern for all sessions: one's run start wipes another's half run", "ORT PR #25120 as it was proposed", []string{"round", "adjust_every", "history"}, true,
		func(p Params) Policy { return &dynamicShared{dynamic: newDynamic(p)} }},
}

// Modes lists every mode, in the order of ModeID.
func Modes() []Mode { return append([]Mode(nil), modes[:]...) }

// String is the mode's name.
func (id ModeID) String() string {
	if int(id) < numModes {
		return modes[id].Name
	}
	return fmt.Sprintf("ModeID(%d)", id)
}

// Mode is its description.
func (id ModeID) Mode() Mode { return modes[id] }

// Lookup finds a mode by its name; case does not matter.
func Lookup(name string) (Mode, error) {
	var names []string
	for _, m := range modes {
		if strings.EqualFold(m.Name, name) {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Mode{}, fmt.Errorf("there is no cache mode %q; the modes are %s", name, strings.Join(names, ", "))
}

// Setting is the mode of one usage with its numbers.
type Setting struct {
	Mode   ModeID
	Params Params
}

// Config says how each cache works, by Usage.
type Config [NumCaches]Setting

// DefaultConfig is ORT's (webgpu_provider_options.h): bucket for storage,
// simple for uniform, disabled for query resolve and everything else.
func DefaultConfig() Config {
	p := DefaultParams()
	return Config{
		Storage:      {BucketMode, p},
		Uniform:      {Simple, p},
		QueryResolve: {Disabled, p},
		Default:      {Disabled, p},
	}
}

// Option is ORT's session option that chooses the mode of a usage.
func (u Usage) Option() string {
	return [...]string{"storageBufferCacheMode", "uniformBufferCacheMode", "queryResolveBufferCacheMode", "defaultBufferCacheMode"}[u]
}
