package lab

import (
	"sort"

	"bucketscope/cachemodes"
)

// Figures are what a table does with a trace under the bucket mode.
type Figures struct {
	Peak    int64 `json:"peak_held_bytes"`
	Average int64 `json:"avg_held_bytes"`
	// Creates and CreateBytes are of storage buffers, weights left out.
	Creates     int64 `json:"creates"`
	CreateBytes int64 `json:"create_bytes"`
	// HitBytes are the sizes of the buffers served from the cache, together:
	// the engine clears each whole.
	HitBytes int64 `json:"hit_bytes"`
	// US is the time predicted for creates and clears, in microseconds; 0
	// without prices.
	US float64 `json:"predicted_us"`
}

// add adds figures up, of plays one after the other on a device each.
func (f *Figures) add(g *Figures) {
	f.Peak += g.Peak
	f.Average += g.Average
	f.Creates += g.Creates
	f.CreateBytes += g.CreateBytes
	f.HitBytes += g.HitBytes
	f.US += g.US
}

// Replayer replays a Stream under one table after the other. It is used by one
// goroutine; several may share a Stream.
type Replayer struct {
	s      *Stream
	bucket []int32 // by index in Sizes; len(table) for what is above it
	free   []int32
	most   []int32 // largest free list of each bucket
	keys   []int64
	caps   []int32
	// Creates of each bucket, and of each size above the table.
	made, above []int64
	prices      Prices // nil for none
}

// NewReplayer prepares to replay s.
func NewReplayer(s *Stream) *Replayer {
	return &Replayer{s: s, bucket: make([]int32, len(s.Sizes)), above: make([]int64, len(s.Sizes))}
}

// Price lets Replay predict latency.
func (r *Replayer) Price(p Prices) *Replayer {
	r.prices = p
	return r
}

// Replay answers what engine.Profile would, repeat 1, with the bucket mode and
// this table for storage. The table must be valid: keys ascending.
//
// Buffers of a bucket are alike, so counting them is enough. A buffer over its
// cap is held until the refresh after its release.
func (r *Replayer) Replay(t cachemodes.Table) Figures {
	r.set(t)
	s := r.s
	held, doomed, peak, sum := int64(0), int64(0), s.most, int64(0)
	f := Figures{}
	above := int32(len(t))
	for i := range s.ops {
		o := &s.ops[i]
		size := o.code >> 2
		switch o.code & 3 {
		case take:
			switch b := r.bucket[size]; {
			case b == above:
				f.Creates++
				f.CreateBytes += s.Sizes[size]
				r.above[size]++
				held += s.Sizes[size]
				peak = max(peak, held+o.other)
			case r.free[b] > 0:
				r.free[b]--
				f.HitBytes += r.keys[b]
			default:
				f.Creates++
				f.CreateBytes += r.keys[b]
				r.made[b]++
				held += r.keys[b]
				peak = max(peak, held+o.other)
			}
		case give:
			switch b := r.bucket[size]; {
			case b == above:
				doomed += s.Sizes[size]
			case r.free[b] < r.caps[b]:
				r.free[b]++
				r.most[b] = max(r.most[b], r.free[b])
			default:
				doomed += r.keys[b]
			}
		case refresh:
			held -= doomed
			doomed = 0
		}
		if o.most > 0 {
			peak = max(peak, held+o.most)
		}
		sum += held * int64(o.samples)
	}
	f.Peak = peak
	if s.samples > 0 {
		f.Average = (sum + s.others) / s.samples
	}
	if r.prices != nil {
		f.US = r.us()
	}
	return f
}

// us prices what was replayed.
func (r *Replayer) us() float64 {
	us, asked := 0.0, make([]int64, len(r.keys)+1)
	for i, b := range r.bucket {
		asked[b] += r.s.Requests[i]
		if n := r.above[i]; n > 0 {
			us += float64(n) * r.prices.Miss(r.s.Sizes[i])
		}
	}
	for b, key := range r.keys {
		if asked[b] > 0 {
			us += float64(r.made[b])*r.prices.Miss(key) + float64(asked[b]-r.made[b])*r.prices.Hit(key)
		}
	}
	return us
}

// set makes a table the one in force.
func (r *Replayer) set(t cachemodes.Table) {
	r.keys, r.caps, r.free, r.most, r.made = r.keys[:0], r.caps[:0], r.free[:0], r.most[:0], r.made[:0]
	clear(r.above)
	at := 0
	for i, b := range t {
		r.keys, r.caps = append(r.keys, b.Key), append(r.caps, int32(b.Cap))
		r.free, r.most, r.made = append(r.free, 0), append(r.most, 0), append(r.made, 0)
		for ; at < len(r.bucket) && r.s.Sizes[at] <= b.Key; at++ {
			r.bucket[at] = int32(i)
		}
	}
	for ; at < len(r.bucket); at++ {
		r.bucket[at] = int32(len(t))
	}
}

// Tidy is a table that does exactly what t does with the stream, in fewer
// words: each cap is the largest free list that there was, at least 0, and
// buckets that nothing asked for are left out.
func (r *Replayer) Tidy(t cachemodes.Table) cachemodes.Table {
	r.Replay(t)
	asked := make([]bool, len(t)+1)
	for _, b := range r.bucket {
		asked[b] = true
	}
	var tidy cachemodes.Table
	for i, b := range t {
		if asked[i] {
			tidy = append(tidy, cachemodes.Bucket{Key: b.Key, Cap: int(r.most[i])})
		}
	}
	return tidy
}

// Caps gives every key the least cap with which no create is the cap's fault:
// its largest free list in an uncapped replay.
func (r *Replayer) Caps(keys []int64) cachemodes.Table {
	t := make(cachemodes.Table, len(keys))
	for i, k := range keys {
		t[i] = cachemodes.Bucket{Key: k, Cap: cachemodes.Uncapped}
	}
	sort.Slice(t, func(i, j int) bool { return t[i].Key < t[j].Key })
	r.Replay(t)
	for i := range t {
		t[i].Cap = int(r.most[i])
	}
	return t
}
