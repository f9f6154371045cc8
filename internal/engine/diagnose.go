package engine

import (
	"cmp"
	"fmt"
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// Finding is something that costs, with what shows it and what helps.
type Finding struct {
	Rule     Rule
	Cost     int64 // bytes: made in a run, or held for nothing
	Evidence string
	Remedy   string
}

// Rule names what a Finding found.
type Rule string

// The rules.
const (
	CapTooLow   Rule = "cap too low"        // ORT #32017: a cap below what is wanted
	SameShape   Rule = "same shape creates" // ORT #29016: a run like the last one creates again
	MuchPadding Rule = "padding"
	UnusedCache Rule = "unused cache"
	RisingFloor Rule = "rising floor"
	AboveLimit  Rule = "above the limit"
	DriverApart Rule = "driver apart"
	NeverLetsGo Rule = "never lets go"
)

// What the rules call much and long.
const (
	muchPadding   = 0.10 // of the most that was asked for
	unusedFor     = 16   // runs
	risingOver    = 48   // runs, in three parts
	risingBy      = 0.01
	driverApartBy = 0.15 // of what is held, and at least driverApart
	driverApart   = 256 << 20
	letsGoWithin  = 32 // runs
)

// rules are looked through in this order; equals in cost stay in it.
var rules = []func(*State, writer) (Finding, bool){
	capTooLow, sameShape, muchPaddingOf, unusedCache, risingFloor, aboveLimit, driverIsApart, neverLetsGo,
}

// writer writes sizes, in powers of 1000 or of 1024.
type writer struct{ si bool }

func (w writer) bytes(n int64) string { return units.Bytes(n, w.si) }
func (w writer) size(n int64) string  { return units.Size(n, w.si) }

// Diagnose names what costs in st, the worst first. It looks at nothing but
// st.
func Diagnose(st *State, si bool) []Finding {
	var found []Finding
	for _, rule := range rules {
		if f, ok := rule(st, writer{si}); ok {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Cost, a.Cost) })
	return found
}

// Over reports whether a bucket gave up buffers at its cap that it then had to
// make again.
func (k *KeyRow) Over() bool {
	return k.IsKey && k.Cap < cachemodes.Uncapped && k.Want > int64(k.Cap) && k.LastNew > 0
}

func capTooLow(st *State, w writer) (Finding, bool) {
	var worst *KeyRow
	for i := range st.Keys {
		if k := &st.Keys[i]; k.Over() && (worst == nil || k.LastNew*k.Size > worst.LastNew*worst.Size) {
			worst = k
		}
	}
	if worst == nil {
		return Finding{}, false
	}
	return Finding{
		CapTooLow, worst.LastNew * worst.Size,
		fmt.Sprintf("%s: %d wanted, cap %d → %d new in the last run", w.size(worst.Size), worst.Want, worst.Cap, worst.LastNew),
		fmt.Sprintf("A cap of %d makes none.", worst.Want),
	}, true
}

// sameShape looks for a run that asked for what the one before it asked for,
// and still created: a cache in its place has nothing left to learn.
func sameShape(st *State, w writer) (Finding, bool) {
	if len(st.Runs) < 2 {
		return Finding{}, false
	}
	now := &st.Runs[len(st.Runs)-1]
	var then *probe.Run
	for i := len(st.Runs) - 2; i >= 0 && then == nil; i-- {
		if r := &st.Runs[i]; r.Session == now.Session {
			then = r
		}
	}
	created := now.Total.Creates - now.Total.Misses[cachemodes.Bypass]
	if then == nil || created <= 0 || now.Switches+then.Switches > 0 || now.Mode != then.Mode ||
		now.Total.Requests != then.Total.Requests || now.PeakRequested != then.PeakRequested {
		return Finding{}, false
	}
	why := cachemodes.Cold
	for r, n := range now.Total.Misses {
		if cachemodes.Reason(r) != cachemodes.Bypass && n > now.Total.Misses[why] {
			why = cachemodes.Reason(r)
		}
	}
	return Finding{
		SameShape, now.Total.CreateBytes,
		fmt.Sprintf("run %d asked what run %d asked and still created %d, %s (%s)",
			now.Seq, then.Seq, created, w.bytes(now.Total.CreateBytes), why),
		remedyOf(why),
	}, true
}

// remedyOf is what helps against misses of a reason.
func remedyOf(why cachemodes.Reason) string {
	switch why {
	case cachemodes.CapFull:
		return "Raise the caps that are full."
	case cachemodes.AboveTable:
		return "Add a key that is large enough, or take a mode with exact sizes."
	case cachemodes.DroppedKey:
		return "Let keys live longer: a longer history or fewer adjustments."
	case cachemodes.StillPending:
		return "Take a mode that reuses at once, or refresh more often."
	case cachemodes.NoCache:
		return "Take a mode that keeps buffers: bucket, dynamicBucket or simple."
	case cachemodes.Switched:
		return "The cache fills again in the next runs."
	}
	return "Demand is at a new high; the next runs show whether it stays."
}

// muchPaddingOf looks at the most that there was: between two runs little is in
// use. Modes with exact sizes pad by less than their rounding.
func muchPaddingOf(st *State, w writer) (Finding, bool) {
	b := &st.Usage[cachemodes.Storage]
	switch st.Config[cachemodes.Storage].Mode {
	case cachemodes.BucketMode, cachemodes.BucketLegacy, cachemodes.Graph:
	default:
		return Finding{}, false
	}
	if b.Floor == 0 || float64(b.PeakPadding) < muchPadding*float64(b.Floor) {
		return Finding{}, false
	}
	f := Finding{
		MuchPadding, b.PeakPadding,
		fmt.Sprintf("%s of padding at once, for %s asked at most", w.bytes(b.PeakPadding), w.bytes(b.Floor)),
		"Add keys nearer to what is asked, or take dynamicBucket.",
	}
	var worst *KeyRow
	for i := range st.Keys {
		if k := &st.Keys[i]; k.InUse > 0 && k.Padding > 0 && (worst == nil || k.Padding > worst.Padding) {
			worst = k
		}
	}
	if worst != nil {
		f.Remedy = fmt.Sprintf("Most is now in %s: add a key near %s.", w.size(worst.Size), w.bytes(worst.Size-worst.Padding/worst.InUse))
	}
	return f, true
}

func unusedCache(st *State, w writer) (Finding, bool) {
	var bytes, oldest int64
	buckets := 0
	for i := range st.Keys {
		if k := &st.Keys[i]; k.Free.Free > 0 && k.IdleRuns >= unusedFor {
			bytes += int64(k.Free.Free) * k.Size
			oldest = max(oldest, k.IdleRuns)
			buckets++
		}
	}
	if float64(bytes) < risingBy*float64(st.Total.Held()) || bytes == 0 {
		return Finding{}, false
	}
	return Finding{
		UnusedCache, bytes,
		fmt.Sprintf("%s cached in %d buckets were not asked for in %d to %d runs", w.bytes(bytes), buckets, unusedFor, oldest),
		"Lower their caps, or take dynamicBucket.",
	}, true
}

// risingFloor compares the least that was held between runs in the three parts
// of the last runs: what rises there, while what is asked for does not, is not
// given back.
func risingFloor(st *State, w writer) (Finding, bool) {
	if len(st.Runs) < risingOver {
		return Finding{}, false
	}
	runs := st.Runs[len(st.Runs)-risingOver:]
	var least, asked [3]int64
	for i := range runs {
		p := i * len(least) / len(runs)
		if r := &runs[i]; least[p] == 0 || r.Total.EndHeld < least[p] {
			least[p] = r.Total.EndHeld
		}
		asked[p] = max(asked[p], runs[i].PeakRequested)
	}
	rises := func(a, b int64) bool { return float64(b-a) > risingBy*float64(a) }
	if !rises(least[0], least[1]) || !rises(least[1], least[2]) || rises(asked[0], asked[2]) {
		return Finding{}, false
	}
	return Finding{
		RisingFloor, least[2] - least[0],
		fmt.Sprintf("the least held after a run rose from %s to %s in %d runs, no more was asked", w.bytes(least[0]), w.bytes(least[2]), risingOver),
		"Look at the leaks and the stale buffers.",
	}, true
}

func aboveLimit(st *State, w writer) (Finding, bool) {
	limit, name := st.Device.MaxStorageBinding, "binds"
	if l := st.Device.MaxBufferSize; l > 0 && (limit == 0 || l < limit) {
		limit, name = l, "makes"
	}
	var worst *KeyRow
	for i := range st.Keys {
		k := &st.Keys[i]
		if limit > 0 && k.Usage == cachemodes.Storage && k.Size > limit && (worst == nil || k.Size > worst.Size) {
			worst = k
		}
	}
	if worst == nil {
		return Finding{}, false
	}
	return Finding{
		AboveLimit, worst.Size,
		fmt.Sprintf("storage buffers of %s: the device %s at most %s", w.bytes(worst.Size), name, w.bytes(limit)),
		"Take a smaller key, or split the tensor.",
	}, true
}

func driverIsApart(st *State, w writer) (Finding, bool) {
	held := st.Total.Held()
	d := st.Driver.Bytes - held
	if st.Status == Failed { // the reading is older than what was given back
		return Finding{}, false
	}
	if !st.Driver.OK || st.Weights == AccountWeights || d < driverApart || float64(d) < driverApartBy*float64(held) {
		return Finding{}, false
	}
	return Finding{
		DriverApart, d,
		fmt.Sprintf("the driver holds %s more than the books", w.bytes(d)),
		"If it grows, look below the cache: 'bucketscope doctor'.",
	}, true
}

// neverLetsGo looks for caches that have grown beyond what is in use and have
// given nothing up for long, though new buffers are made.
func neverLetsGo(st *State, w writer) (Finding, bool) {
	if len(st.Runs) < letsGoWithin {
		return Finding{}, false
	}
	runs := st.Runs[len(st.Runs)-letsGoWithin:]
	var created int64
	for i := range runs {
		storage := &runs[i].Usage[cachemodes.Storage]
		if created += storage.CreateBytes; storage.Destroys > 0 {
			return Finding{}, false
		}
	}
	cached, floor := st.Usage[cachemodes.Storage].Cached, st.Usage[cachemodes.Storage].Floor
	if created == 0 || cached <= floor {
		return Finding{}, false
	}
	return Finding{
		NeverLetsGo, cached,
		fmt.Sprintf("%s destroyed nothing in %d runs: %s cached, %s asked at most",
			st.Config[cachemodes.Storage].Mode, letsGoWithin, w.bytes(cached), w.bytes(floor)),
		"bucket and dynamicBucket let go.",
	}, true
}
