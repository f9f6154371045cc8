package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// Finding is something that costs, with what shows it and what helps: the
// evidence and the first sentence of most remedies fit into a line of 80.
type Finding struct {
	Rule Rule
	// Cost weighs findings against each other, in bytes held for nothing: a
	// byte that is made anew in each run weighs as madeWeight of them.
	Cost int64
	// Made is bytes that a run makes, Held bytes that are held for nothing.
	Made, Held int64
	Evidence   string
	Remedy     string
	// Key is the bucket that it is about most, NoKey if none; Run the run that
	// shows it, -1 if none does more than others.
	Key cachemodes.KeyID
	Run int64
}

// Rule names what a Finding found.
type Rule string

// The rules.
const (
	CapTooLow    Rule = "cap too low"        // ORT #32017: a cap below what is wanted
	SameShape    Rule = "same shape creates" // ORT #29016: a run like the last one creates again
	MadeEachRun  Rule = "made each run"
	MuchPadding  Rule = "padding"
	UnusedCache  Rule = "unused cache"
	RisingFloor  Rule = "rising floor"
	AboveLimit   Rule = "above the limit"
	DriverApart  Rule = "driver apart"
	DriverDrifts Rule = "driver drifts"
	NeverLetsGo  Rule = "never lets go"
)

// What the rules call much and long.
const (
	muchPadding   = 0.10 // of what was asked for at once
	lately        = 8    // runs
	unusedFor     = 16   // runs
	risingOver    = 48   // runs, in three parts
	risingBy      = 0.01
	driverApartBy = 0.15 // of what is held, and at least driverApart
	driverApart   = 256 << 20
	driftOver     = 24 // slots of the graph, in three parts
	driftBy       = 16 << 20
	letsGoWithin  = 32 // runs
)

// madeWeight is what a byte that each run makes anew costs, in bytes that are
// held for nothing. Both cost a run time: on an NVIDIA H100 a buffer of 16 MiB
// took 493 us to make and write and 22 us to clear, which padding is as well, in
// docs/results/h100.calibration.json.
const madeWeight = 493 / 22

// made and held are findings of bytes that each run makes, and of bytes that
// are held for nothing.
func made(r Rule, bytes int64, evidence, remedy string) Finding {
	return Finding{Rule: r, Cost: saturated(bytes), Made: bytes, Evidence: evidence, Remedy: remedy, Key: cachemodes.NoKey, Run: -1}
}

func held(r Rule, bytes int64, evidence, remedy string) Finding {
	return Finding{Rule: r, Cost: bytes, Held: bytes, Evidence: evidence, Remedy: remedy, Key: cachemodes.NoKey, Run: -1}
}

// saturated is the weight of made bytes.
func saturated(bytes int64) int64 {
	if bytes > math.MaxInt64/madeWeight {
		return math.MaxInt64
	}
	return bytes * madeWeight
}

// at says where a finding shows.
func (f Finding) at(key cachemodes.KeyID, run int64) Finding {
	f.Key, f.Run = key, run
	return f
}

// rules are looked through in this order; equals in cost stay in it.
var rules = []func(*State, writer) (Finding, bool){
	capTooLow, sameShape, madeEachRun, muchPaddingOf, unusedCache, risingFloor, aboveLimit, driverIsApart, driverDriftsAway, neverLetsGo,
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
	has := func(r Rule) bool { return slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == r }) }
	// What is due to a cap is told by the cap, and what runs make anew by the
	// rule that knows why.
	capped, explained := has(CapTooLow), has(CapTooLow) || has(SameShape) || has(NeverLetsGo)
	found = slices.DeleteFunc(found, func(f Finding) bool {
		return f.Rule == SameShape && capped && f.Remedy == remedyOf(cachemodes.CapFull) || f.Rule == MadeEachRun && explained
	})
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Cost, a.Cost) })
	return found
}

// Over reports whether a bucket gave up buffers at its cap that it then had to
// make again.
func (k *KeyRow) Over() bool {
	return k.IsKey && k.Cap < cachemodes.Uncapped && k.Want > int64(k.Cap) && k.LastNew > 0
}

// lastRows are what the last runs asked of keys.
func lastRows(st *State, runs int64) []probe.KeyRun {
	from := st.RunCount - runs
	return st.KeyRuns[sort.Search(len(st.KeyRuns), func(i int) bool { return st.KeyRuns[i].Run >= from }):]
}

// keyRows are the keys of st by KeyID.
func keyRows(st *State) map[cachemodes.KeyID]*KeyRow {
	rows := make(map[cachemodes.KeyID]*KeyRow, len(st.Keys))
	for i := range st.Keys {
		rows[st.Keys[i].Key] = &st.Keys[i]
	}
	return rows
}

// capTooLow looks for keys that gave up buffers at their cap in the last runs,
// and then made them again; it costs what all of them made, and names the one
// that made most.
func capTooLow(st *State, w writer) (Finding, bool) {
	keys := keyRows(st)
	lost := map[cachemodes.KeyID]*lostKey{}
	rows := lastRows(st, lately)
	runs := min(st.RunCount, lately)
	var all int64
	for i := range rows {
		r := &rows[i]
		k := keys[r.Key]
		if k == nil || !k.IsKey || int64(k.Cap) != int64(r.Cap) || r.Cap >= cachemodes.Uncapped || r.Want <= r.Cap || r.Creates == 0 {
			continue
		}
		l := lost[r.Key]
		if l == nil {
			l = &lostKey{row: k}
			lost[r.Key] = l
		}
		l.made += int64(r.Creates)
		l.want, l.run = max(l.want, int64(r.Want)), r.Run
		all += int64(r.Creates) * k.Size
	}
	var worst *lostKey
	for _, l := range lost {
		if worst == nil || l.made*l.row.Size > worst.made*worst.row.Size ||
			l.made*l.row.Size == worst.made*worst.row.Size && l.row.Key < worst.row.Key {
			worst = l
		}
	}
	if worst == nil {
		return Finding{}, false
	}
	k := worst.row
	text := fmt.Sprintf("%s: %d wanted, cap %d → %s made a run", w.size(k.Size), worst.want, k.Cap, units.Rate(float64(worst.made)/float64(runs)))
	if since := overSince(st, k); st.RunCount-since >= lately {
		text = fmt.Sprintf("%s: %d wanted, cap %d → %s made a run since run %d",
			w.size(k.Size), worst.want, k.Cap, units.Rate(float64(worst.made)/float64(runs)), since)
	}
	remedy := fmt.Sprintf("Raise it to %d.", worst.want)
	switch n := len(lost) - 1; {
	case n == 1:
		remedy += " One more key is over its cap."
	case n > 1:
		remedy += fmt.Sprintf(" %d more keys are over their caps.", n)
	}
	return made(CapTooLow, all/runs, text, remedy).at(k.Key, worst.run), true
}

// lostKey is what a key that is too often at its cap made in the last runs.
type lostKey struct {
	row             *KeyRow
	made, want, run int64
}

// overSince is the first of the runs up to the last one in all of which a key
// was over its cap and made buffers.
func overSince(st *State, k *KeyRow) int64 {
	since := st.RunCount
	for i := len(st.KeyRuns) - 1; i >= 0; i-- {
		r := &st.KeyRuns[i]
		if r.Run < since-1 {
			break
		}
		if r.Key == k.Key && r.Run == since-1 && r.Want > r.Cap && r.Cap >= 0 && r.Creates > 0 {
			since = r.Run
		}
	}
	return since
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
	why := mainReason(&now.Total.Misses)
	return made(SameShape, now.Total.CreateBytes, fmt.Sprintf("run %d repeats %d but makes %d, %s: %s",
		now.Seq, then.Seq, created, w.bytes(now.Total.CreateBytes), why), remedyOf(why)).at(cachemodes.NoKey, now.Seq), true
}

// madeEachRun looks for storage buffers that each of the last runs made anew,
// whatever it asked for: the cache does not serve what it is for. In all it is
// a hundredth of what is held or more.
func madeEachRun(st *State, w writer) (Finding, bool) {
	if len(st.Runs) < lately {
		return Finding{}, false
	}
	mode := st.Config[cachemodes.Storage].Mode
	var creates, bytes int64
	var misses [cachemodes.NumReasons]int64
	worst := &st.Runs[len(st.Runs)-1]
	for i := len(st.Runs) - lately; i < len(st.Runs); i++ {
		r := &st.Runs[i]
		u := &r.Usage[cachemodes.Storage]
		if r.Switches > 0 || r.Mode != mode || u.Creates == 0 {
			return Finding{}, false
		}
		creates += u.Creates
		bytes += u.CreateBytes
		for why, n := range u.Misses {
			misses[why] += n
		}
		if u.CreateBytes > worst.Usage[cachemodes.Storage].CreateBytes {
			worst = r
		}
	}
	if float64(bytes) < risingBy*float64(st.Total.Held()) {
		return Finding{}, false
	}
	why := mainReason(&misses)
	remedy := remedyOf(why)
	switch why {
	case cachemodes.Cold, cachemodes.DroppedKey:
		if !tabled(mode) {
			remedy = "Take bucket: keys for ranges."
		}
	}
	return made(MadeEachRun, bytes/lately, fmt.Sprintf("%s buffers (%s) made in each run: %s",
		units.Rate(float64(creates)/lately), w.bytes(bytes/lately), why), remedy).at(cachemodes.NoKey, worst.Seq), true
}

// tabled reports whether a mode takes its keys from the table.
func tabled(m cachemodes.ModeID) bool {
	switch m {
	case cachemodes.BucketMode, cachemodes.BucketLegacy, cachemodes.JSEP, cachemodes.Graph:
		return true
	}
	return false
}

// mainReason is the one that most misses had, those that no cache could help
// left out.
func mainReason(misses *[cachemodes.NumReasons]int64) cachemodes.Reason {
	why := cachemodes.Cold
	for r, n := range misses {
		if cachemodes.Reason(r) != cachemodes.Bypass && n > misses[why] {
			why = cachemodes.Reason(r)
		}
	}
	return why
}

// remedyOf is what helps against misses of a reason.
func remedyOf(why cachemodes.Reason) string {
	switch why {
	case cachemodes.CapFull:
		return "Raise the caps that are full."
	case cachemodes.AboveTable:
		return "Add a larger key. Or take a mode with exact sizes."
	case cachemodes.DroppedKey:
		return "Let keys live longer. By a longer history or fewer adjustments."
	case cachemodes.StillPending:
		return "Take a mode that reuses at once. Or refresh more often."
	case cachemodes.NoCache:
		return "Take a mode that keeps buffers: bucket. Or dynamicBucket, or simple."
	case cachemodes.Switched:
		return "The cache fills again in the next runs."
	}
	return "Demand is at a new high. The next runs show whether it stays."
}

// muchPaddingOf looks at the last runs: what their keys added at most, against
// what they asked for at most, once those are of the mode in force. Modes with
// exact sizes pad by less than their rounding.
func muchPaddingOf(st *State, w writer) (Finding, bool) {
	if n := len(st.Runs); n > 0 && st.Runs[max(n-lately, 0)].Mode != st.Config[cachemodes.Storage].Mode {
		return Finding{}, false
	}
	keys := keyRows(st)
	padding := map[int64]int64{} // by run
	of := map[cachemodes.KeyID]int64{}
	worst := cachemodes.NoKey
	rows := lastRows(st, lately)
	for i := range rows {
		r := &rows[i]
		if k := keys[r.Key]; k == nil || k.Usage != cachemodes.Storage {
			continue
		}
		padding[r.Run] += r.Padding
		of[r.Key] += r.Padding
		if worst == cachemodes.NoKey || of[r.Key] > of[worst] {
			worst = r.Key
		}
	}
	var all, asked, most, run int64
	for i := max(len(st.Runs)-lately, 0); i < len(st.Runs); i++ {
		r := &st.Runs[i]
		all += padding[r.Seq]
		asked += r.PeakRequested - st.Usage[cachemodes.Weights].Requested
		if padding[r.Seq] > most {
			most, run = padding[r.Seq], r.Seq
		}
	}
	if asked <= 0 || float64(all) < muchPadding*float64(asked) {
		return Finding{}, false
	}
	n := int64(min(len(st.Runs), lately))
	k := keys[worst]
	f := held(MuchPadding, all/n, fmt.Sprintf("keys pad by %s, %s; %s of it in %s",
		units.Percent(float64(all)/float64(asked)), w.bytes(all/n), w.bytes(of[worst]/n), w.size(k.Size)),
		"Add keys nearer to what is asked. Or take dynamicBucket.").at(worst, run)
	switch near := nearKey(st, k); {
	case !tabled(st.Config[cachemodes.Storage].Mode):
		f.Remedy = "Take dynamicBucket: keys as asked. Or simple."
	case near > 0:
		f.Remedy = fmt.Sprintf("Add a key at %s. Or take dynamicBucket.", w.size(near))
	}
	return f, true
}

// nearKey is the size that most of what a key serves would fit: the end of the
// class of sizes below it that was asked for most, in bytes; 0 where that is
// the key itself.
func nearKey(st *State, k *KeyRow) int64 {
	var below int64
	for i := range st.Keys {
		if o := &st.Keys[i]; o.Usage == k.Usage && o.IsKey && o.Size < k.Size {
			below = max(below, o.Size)
		}
	}
	sizes := st.Sizes[k.Usage]
	best, most := 0, int64(0)
	for class := probe.SizeClass(below + 1); class < min(len(sizes), probe.SizeClass(k.Size)); class++ {
		if n := sizes[class] * (k.Size - probe.SizeFrom(class+1)); n > most {
			best, most = class, n
		}
	}
	if most == 0 {
		return 0
	}
	return probe.SizeFrom(best + 1)
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// unusedCache says nothing while graphs can be replayed: what is free may be a
// graph's, which a replay uses without asking for it.
func unusedCache(st *State, w writer) (Finding, bool) {
	for i := range st.Sessions {
		if st.Sessions[i].Books.Graphs > 0 {
			return Finding{}, false
		}
	}
	var bytes, oldest, most int64
	buckets, worst, usage := 0, cachemodes.NoKey, cachemodes.Storage
	for i := range st.Keys {
		if k := &st.Keys[i]; k.Free.Free > 0 && k.IdleRuns >= unusedFor {
			bytes += int64(k.Free.Free) * k.Size
			oldest = max(oldest, k.IdleRuns)
			buckets++
			if n := int64(k.Free.Free) * k.Size; n > most {
				most, worst, usage = n, k.Key, k.Usage
			}
		}
	}
	if float64(bytes) < risingBy*float64(st.Total.Held()) || bytes == 0 {
		return Finding{}, false
	}
	return held(UnusedCache, bytes,
		fmt.Sprintf("%s cached in %s, unused for %d to %d runs", w.bytes(bytes), counted(buckets, "key"), unusedFor, oldest),
		keepLess(st.Config[usage].Mode)).at(worst, -1), true
}

// keepLess is how a mode is made to keep fewer free buffers.
func keepLess(m cachemodes.ModeID) string {
	reads := func(name string) bool { return slices.Contains(m.Mode().Reads, name) }
	switch {
	case reads("history"):
		return "Shorten the history. Or adjust more often."
	case reads("cache_limit"):
		return "Lower the cache limit. Or take bucket: it has caps."
	case tabled(m):
		return "Lower the caps. Or take dynamicBucket."
	}
	return "Take bucket: it has caps. Or dynamicBucket."
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
	return held(RisingFloor, least[2]-least[0],
		fmt.Sprintf("held after runs rose from %s to %s in %d runs, demand did not", w.bytes(least[0]), w.bytes(least[2]), risingOver),
		"Look at the leaks. And at the stale buffers.").at(cachemodes.NoKey, runs[0].Seq), true
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
	return made(AboveLimit, worst.Size,
		fmt.Sprintf("storage buffers of %s: the device %s at most %s", w.bytes(worst.Size), name, w.bytes(limit)),
		"Take a smaller key. Or split the tensor.").at(worst.Key, -1), true
}

func driverIsApart(st *State, w writer) (Finding, bool) {
	books := st.OnDevice()
	d := st.Driver.Bytes - books
	if st.Status == Failed { // the reading is older than what was given back
		return Finding{}, false
	}
	if !st.Driver.OK || d < driverApart || float64(d) < driverApartBy*float64(books) {
		return Finding{}, false
	}
	return held(DriverApart, d, fmt.Sprintf("the driver holds %s more than the books", w.bytes(d)),
		"See 'bucketscope doctor'. It is the allocator below the cache, or another one of the process."), true
}

// driverDriftsAway compares by how much, at least, the driver exceeded the books
// in the three parts of the time that the graph has in slots wide enough: a
// reading and the books are never of quite the same moment, but what rises in
// the least of many is lost below the cache.
func driverDriftsAway(st *State, w writer) (Finding, bool) {
	if st.Status == Failed || !st.Driver.OK || st.Device.Kind == device.Host { // a host holds none of it
		return Finding{}, false
	}
	for i := len(st.Slots) - 1; i >= 0; i-- {
		var read []*probe.Point
		for j := range st.Slots[i].Done {
			if p := &st.Slots[i].Done[j]; p.Read && p.Run > 0 { // after the models were loaded
				read = append(read, p)
			}
		}
		if len(read) < driftOver {
			continue
		}
		read = read[len(read)-driftOver:]
		var least [3]int64
		for j, p := range read {
			if part := j * len(least) / len(read); j%(len(read)/len(least)) == 0 || p.Apart < least[part] {
				least[part] = p.Apart
			}
		}
		by := max(int64(risingBy*float64(st.OnDevice())), driftBy)
		if least[1]-least[0] < by || least[2]-least[1] < by {
			return Finding{}, false
		}
		over := units.Duration(time.Duration(st.NowUS-read[0].AtUS) * time.Microsecond)
		return held(DriverDrifts, least[2]-least[0],
			fmt.Sprintf("the driver is %s above the books, %s more than %s ago", w.bytes(least[2]), w.bytes(least[2]-least[0]), over),
			"Poll more often. Buffers that the cache gave up are not freed below it.").at(cachemodes.NoKey, read[0].Run), true
	}
	return Finding{}, false
}

// neverLetsGo looks for caches that have grown beyond what is in use and have
// given nothing up for long, though new buffers are made. Modes with caps, or
// that drop what was not asked for, do so once there is cause.
func neverLetsGo(st *State, w writer) (Finding, bool) {
	switch st.Config[cachemodes.Storage].Mode {
	case cachemodes.BucketMode, cachemodes.BucketLegacy, cachemodes.JSEP, cachemodes.DynamicBucket, cachemodes.DynamicBucketShared:
		return Finding{}, false
	}
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
	return held(NeverLetsGo, cached,
		fmt.Sprintf("nothing destroyed in %d runs: %s cached, %s asked", letsGoWithin, w.bytes(cached), w.bytes(floor)),
		"Take bucket. Or dynamicBucket.").at(cachemodes.NoKey, runs[0].Seq), true
}
