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
	// whether that made size a key.
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

	numModes = int(GraphSimple) + 1
)

// Mode describes a cache mode.
type Mode struct {
	ID ModeID
	// Name is as ORT's options spell it.
	Name string
	// Rule is the mode in one line.
	Rule string
	// Source is the engine and, for what is not in its release, the pull
	// request.
	Source string
	// Reads names the Params that change what the mode does.
	Reads []string
	// Learns reports whether its keys come from what sessions ask for.
	Learns bool

	policy func(Params) Policy
}

var modes = [numModes]Mode{
	{Disabled, "disabled", "round 16; destroy at release", "ORT 1.30", []string{"round"}, false,
		func(p Params) Policy { return exact{p.Round, 0, AtOnce, AtOnce} }},
	{LazyRelease, "lazyRelease", "round 16; destroy at the refresh after the release", "ORT 1.30", []string{"round", "refresh_every"}, false,
		func(p Params) Policy { return exact{p.Round, 0, AtRefresh, AtRefresh} }},
	{Simple, "simple", "round 16; exact size, no cap, usable after a refresh", "ORT 1.30", []string{"round", "refresh_every"}, false,
		func(p Params) Policy { return exact{p.Round, Uncapped, AtRefresh, AtRefresh} }},
	{BucketMode, "bucket", "smallest key of the table; usable at once under its cap, else destroyed at refresh", "ORT 1.30, PR #25276 and #25485", []string{"table", "refresh_every"}, false,
		func(p Params) Policy { return bucketed{p.Table, AtOnce} }},
	{BucketLegacy, "bucketLegacy", "bucket, but kept or destroyed at refresh", "ORT before PR #25276", []string{"table", "refresh_every"}, false,
		func(p Params) Policy { return bucketed{p.Table, AtRefresh} }},
	{DynamicBucket, "dynamicBucket", "round 16; keys are what a session's last runs asked for, no cap, renewed every second run", "ORT PR #25120, learning per session", []string{"round", "adjust_every", "history"}, true,
		func(p Params) Policy { return newDynamic(p) }},
	{Graph, "graph", "bucket keys, no caps, a size above the table is its own key; usable at once", "ORT 1.30, inside a captured graph", []string{"table"}, false,
		func(p Params) Policy { return graph{p.Table} }},
	{GraphSimple, "graphSimple", "exact size, no cap; usable in a later run, not within one", "ORT 1.30, uniforms inside a captured graph", []string{"round"}, false,
		func(p Params) Policy { return exact{p.Round, Uncapped, AtRunEnd, AtRunEnd} }},
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
