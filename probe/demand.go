package probe

import (
	"math/bits"
	"slices"

	"bucketscope/cachemodes"
)

// KeyLife says what became of a key in a run: bits, since it can be born and
// dropped in the same one.
type KeyLife uint8

// The bits of a KeyLife.
const (
	Born    KeyLife = 1 << iota // a learning mode made the size a key
	Dropped                     // an adjustment took it from the keys
)

// NotKey is the Cap of a size that is no key.
const NotKey = -1

// KeyRun is what a run asked of one key, as the device saw it: with several
// runs at once, what was asked since the run that ended before it. A run has
// one for each key that it asked for, that was born or dropped, or whose cap
// changed with a mode or its parameters.
type KeyRun struct {
	Run      int64 // Run.Seq
	Padding  int64 // bytes that the key added to what was asked for, at most at once
	Key      cachemodes.KeyID
	Cap      int32 // at the run's end: free buffers kept; Uncapped, or NotKey
	Want     int32 // Key.Want: the cap that would have created none
	Requests int32
	Creates  int32
	Life     KeyLife
}

// keepKeyRuns bounds the rows of a Demand: a thousand runs of some thirty keys,
// at most 2.5 MiB.
const keepKeyRuns = 1 << 15

// SizeSteps is how many classes of sizes there are between two powers of two.
const SizeSteps = 8

// SizeClass is the class of a size in bytes, for histograms: classes lie a
// SizeSteps-th of a power of two apart.
func SizeClass(bytes int64) int {
	const stepBits = 3 // of SizeSteps
	n := uint64(max(bytes, 1))
	octave := bits.Len64(n) - 1
	return octave*SizeSteps + int(n<<stepBits>>octave)&(SizeSteps-1)
}

// SizeFrom is the least size of a class, in bytes.
func SizeFrom(class int) int64 {
	octave, step := class/SizeSteps, int64(class%SizeSteps)
	return int64(1)<<octave + (step<<octave+SizeSteps-1)/SizeSteps
}

// Demand is what a map of keys and runs needs of a ledger: what each run asked
// of each key, bounded, and how often each size was asked for. Like Track, it
// is told of a journal's entries before the ledger is, so that it is the same
// when it is rebuilt from them.
type Demand struct {
	rows   Tail[KeyRun]
	keys   []keyDemand // by KeyID
	noted  []cachemodes.KeyID
	moved  bool // caps changed since the last run end
	limits [cachemodes.NumCaches]cachemodes.Limits
	sizes  [cachemodes.NumCaches][]int64 // requests, by SizeClass
}

// keyDemand is what there is to say of a key at the end of the run going on.
type keyDemand struct {
	padding     int64 // at most at once since the last run end
	lastPadding int64 // the same of the last run that asked for it
	lastRun     int64 // its ordinal, from 1
	cap         int32 // at the last run end that told
	life        KeyLife
}

func newDemand(cfg *cachemodes.Config) Demand {
	d := Demand{rows: Tail[KeyRun]{Keep: keepKeyRuns}}
	for u := range d.limits {
		d.limits[u] = cfg[u].Limits()
	}
	return d
}

// Rows are the last runs' keys, those of a run together, oldest first. The
// slice stays as it is while the demand goes on.
func (d *Demand) Rows() []KeyRun { return d.rows.All() }

// Sizes is how many requests of a usage there were, by SizeClass of what was
// asked for; a copy.
func (d *Demand) Sizes(u cachemodes.Usage) []int64 { return slices.Clone(d.sizes[u]) }

// Padding is the most bytes that a key added at once to what was asked for, in
// the device's last run; 0 if that did not ask for it.
func (d *Demand) Padding(id cachemodes.KeyID, l *Ledger) int64 {
	if int(id) >= len(d.keys) || d.keys[id].lastRun != l.runs {
		return 0
	}
	return d.keys[id].lastPadding
}

// size is what a demand takes, in bytes, but for its rows.
func (d *Demand) size() int {
	const perKey, perClass = 32, 8
	n := len(d.keys) * perKey
	for u := range d.sizes {
		n += len(d.sizes[u]) * perClass
	}
	return n
}

// fork is a demand that goes on from d without its rows.
func (d *Demand) fork() Demand {
	f := *d
	f.rows = Tail[KeyRun]{Keep: d.rows.Keep}
	f.keys, f.noted = slices.Clone(d.keys), slices.Clone(d.noted)
	for u := range f.sizes {
		f.sizes[u] = slices.Clone(d.sizes[u])
	}
	return f
}

func (d *Demand) key(id cachemodes.KeyID) *keyDemand {
	for int(id) >= len(d.keys) {
		d.keys = append(d.keys, keyDemand{cap: NotKey})
	}
	return &d.keys[id]
}

// event takes in an event that the ledger has not booked yet.
func (d *Demand) event(l *Ledger, e *cachemodes.Event) {
	switch e.Kind {
	case cachemodes.Hit, cachemodes.Create:
		if e.Key == cachemodes.NoKey {
			return
		}
		d.asked(e)
		k := d.key(e.Key)
		padding := e.Size - e.Requested
		if int(e.Key) < len(l.keys) {
			padding += l.keys[e.Key].Padding()
		}
		k.padding = max(k.padding, padding)
	case cachemodes.Fail:
		if e.Key != cachemodes.NoKey {
			d.asked(e)
		}
	case cachemodes.KeyBorn, cachemodes.KeyDropped:
		k := d.key(e.Key)
		if k.life == 0 {
			d.noted = append(d.noted, e.Key)
		}
		if e.Kind == cachemodes.KeyBorn {
			k.life |= Born
		} else {
			k.life |= Dropped
		}
	case cachemodes.Switch:
		d.moved = true
	}
}

// asked counts a request by its size.
func (d *Demand) asked(e *cachemodes.Event) {
	class, sizes := SizeClass(e.Requested), d.sizes[e.Usage]
	for class >= len(sizes) {
		sizes = append(sizes, 0)
	}
	sizes[class]++
	d.sizes[e.Usage] = sizes
}

// set takes in a setting that comes into force.
func (d *Demand) set(u cachemodes.Usage, s *cachemodes.Setting) { d.limits[u] = s.Limits() }

// runEnd adds the rows of a run whose end the ledger has not booked yet.
func (d *Demand) runEnd(l *Ledger, learnt []bool) {
	for _, id := range l.touched {
		k := d.key(id)
		k.lastPadding, k.padding, k.lastRun = k.padding, l.keys[id].Padding(), l.runs+1
		d.row(l, id, learnt)
	}
	for _, id := range d.noted {
		if k := d.key(id); k.life != 0 { // else it was asked for, too
			d.row(l, id, learnt)
		}
	}
	d.noted = d.noted[:0]
	if !d.moved {
		return
	}
	d.moved = false
	for i := range l.keys {
		id := cachemodes.KeyID(i)
		if l.keys[i].Size > 0 && d.key(id).cap != d.capOf(l, id, learnt) {
			d.row(l, id, learnt)
		}
	}
}

// capOf is how many free buffers of a key are kept now.
func (d *Demand) capOf(l *Ledger, id cachemodes.KeyID, learnt []bool) int32 {
	if int(id) >= len(l.keys) || l.keys[id].Size == 0 {
		return NotKey
	}
	k := &l.keys[id]
	limit, isKey := d.limits[k.Usage].Of(k.Size, int(id) < len(learnt) && learnt[id])
	if !isKey {
		return NotKey
	}
	return int32(limit)
}

// row adds the row of a key.
func (d *Demand) row(l *Ledger, id cachemodes.KeyID, learnt []bool) {
	k := d.key(id)
	k.cap = d.capOf(l, id, learnt)
	r := KeyRun{Run: l.runs, Key: id, Cap: k.cap, Life: k.life}
	k.life = 0
	if int(id) < len(l.keys) && l.keys[id].touched {
		b := &l.keys[id]
		r.Want, r.Requests, r.Creates = int32(b.want), int32(b.Requests-b.startRequests), int32(b.Creates-b.startCreates)
		r.Padding = k.lastPadding
	}
	d.rows.Add(r)
}
