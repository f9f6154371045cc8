package cachemodes

import "math/bits"

// watermark is bucketscope's own mode. It never holds much more than was once
// asked for, and spends what that leaves where it saves creates. How it came
// about, and what it does not reach, is in docs/watermark.md.
//
// The watermark is the most bytes ever requested at once, of everything held:
// so far, no engine that gives each request a buffer could have held less.
//
//	hit     the smallest free buffer that fits, if the request's share of the
//	        padding allows: 2.5 % of the watermark for all buffers in use
//	        together, and a tenth of what they are below the watermark
//	create  rounded up to a quarter of a power of two, so that growing sizes
//	        find a buffer for several steps; finer where padding does not allow;
//	        if that exceeds the watermark by 2.8 %, the largest free buffers go
//	        first: one of them makes more room than many small ones
//	release at once; where ORT's bucket mode would have held less on average up
//	        to now, but have created more, the largest free buffer goes
//
// The last rule is why it keeps a count of what bucket would do (shadowBucket).
// The percentages are the mode's, not a workload's. Free buffers never lift what
// is held above the watermark and 2.8 %; padding could, where much of it was
// allowed far below the watermark and is still in use when a new one is reached.
type watermark struct {
	peak    int64 // the watermark, bytes
	limit   int64 // of everything held, bytes
	room    int64 // padding that the request at hand may have, bytes
	steps   int64 // between powers of two, for the request at hand; 0 rounds to 16
	created int64
	shadow  shadowBucket
	// credit is what bucket held more than this mode, summed over requests and
	// releases, bytes.
	credit int64
}

// The shares of the watermark, in thousandths, and the steps that rounding
// tries.
const (
	watermarkOver    = 28
	watermarkPadding = 25
	watermarkBelow   = 100 // of what is requested less than the watermark
	watermarkCoarse  = 4
	watermarkFine    = 64
)

func newWatermark(Params) Policy { return &watermark{shadow: newShadowBucket()} }

func (w *watermark) Key(n int64) int64 { return stepUp(n, w.steps) }

// stepUp rounds up to a part of the power of two below, at least to 16 bytes.
func stepUp(n, steps int64) int64 {
	const least = 16
	if steps == 0 || n <= least*watermarkCoarse {
		return roundUp(n, least)
	}
	power := int64(1) << (bits.Len64(uint64(n)) - 1)
	return roundUp(n, max(least, power/steps))
}

func (w *watermark) Cap(int64) (int, Reason) { return Uncapped, NoReason }
func (w *watermark) Reuse() When             { return AtOnce }
func (w *watermark) Discard() When           { return AtOnce }

// most is the largest buffer that may serve the request at hand.
func (w *watermark) most(n int64) int64 { return max(w.Key(n), n+w.room) }

func (w *watermark) Serves(n, size int64) bool { return size >= n && size <= w.most(n) }

func (w *watermark) Choose(n int64, free *Shelf) BufID {
	w.credit += w.shadow.held - free.Held()
	w.shadow.take(n)
	requested := free.AllRequested()
	w.peak = max(w.peak, requested)
	w.limit = w.peak + w.peak/1000*watermarkOver
	w.room = max(0, w.peak/1000*watermarkPadding+(w.peak-requested)/1000*watermarkBelow-(free.Padding()+n))
	w.steps = 0
	left := w.limit - (free.AllHeld() - free.Bytes())
	for steps := int64(watermarkCoarse); steps <= watermarkFine; steps *= 2 {
		if key := stepUp(n, steps); key-n <= w.room && key <= left {
			w.steps = steps
			break
		}
	}
	id := free.Smallest(n, w.most(n))
	if id == NoBuf {
		w.created++
	}
	return id
}

func (w *watermark) Evict(on Occasion, n int64, gone int, free *Shelf) BufID {
	switch on {
	case OnMiss:
		if free.AllHeld()+w.Key(n) > w.limit {
			return free.Largest()
		}
	case OnRelease:
		if gone > 0 {
			return NoBuf
		}
		w.credit += w.shadow.held - free.Held()
		w.shadow.give(n)
		if w.credit < 0 && free.Held() > w.shadow.held && w.created < w.shadow.created {
			return free.Largest()
		}
	case OnRefresh:
		if gone == 0 {
			w.shadow.refresh()
		}
	case OnRefusal:
		return free.Oldest()
	}
	return NoBuf
}

// shadowBucket is what ORT's bucket mode would hold of a cache's buffers and would
// have created, by counting.
type shadowBucket struct {
	table       Table
	free, inUse []int32 // by bucket; what is above the table comes last
	held        int64
	doomed      int64 // released over the cap, held until the refresh
	created     int64
}

func newShadowBucket() shadowBucket {
	t := DefaultTable()
	return shadowBucket{table: t, free: make([]int32, len(t)+1), inUse: make([]int32, len(t)+1)}
}

func (s *shadowBucket) take(n int64) {
	i := s.table.find(n)
	s.inUse[i]++
	if s.free[i] > 0 {
		s.free[i]--
		return
	}
	s.created++
	s.held += s.size(i, n)
}

// give takes back a request of n bytes; one that came before the mode was
// chosen is none of its own.
func (s *shadowBucket) give(n int64) {
	i := s.table.find(n)
	if s.inUse[i] == 0 {
		return
	}
	s.inUse[i]--
	if i < len(s.table) && int(s.free[i]) < s.table[i].Cap {
		s.free[i]++
		return
	}
	s.doomed += s.size(i, n)
}

func (s *shadowBucket) size(i int, n int64) int64 {
	if i < len(s.table) {
		return s.table[i].Key
	}
	return roundUp(n, aboveTable)
}

func (s *shadowBucket) refresh() { s.held, s.doomed = s.held-s.doomed, 0 }
