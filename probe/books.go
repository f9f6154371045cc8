package probe

import (
	"fmt"
	"math/bits"

	"bucketscope/cachemodes"
)

// Books are the figures of one usage, or of all that is held together. All
// sizes are bytes. Held is in use + pending + cached: what the policy costs.
type Books struct {
	Requests, Hits         int64
	Creates, CreateBytes   int64
	Destroys, DestroyBytes int64
	Fails                  int64 // creates that the device refused
	InUseCount, InUse      int64
	PendingCount, Pending  int64
	CachedCount, Cached    int64
	Requested              int64 // what the holders of the buffers in use asked for
	PeakHeld               int64
	Floor                  int64 // peak of Requested: no policy with a buffer per request holds less
	PeakPadding            int64
	Misses                 [cachemodes.NumReasons]int64
	// mean is of held bytes over the first weighed of the samples. Held bytes
	// are the same at most of them, so those since then are weighed together
	// when held bytes change, or somebody asks.
	mean    mean
	weighed uint64
}

// Since is what happened after an earlier state of the books: its counts, and the
// average of that time. What is held, and the peaks, are as they stand in b.
func (b *Books) Since(then *Books) Books {
	d := *b
	d.Requests -= then.Requests
	d.Hits -= then.Hits
	d.Creates -= then.Creates
	d.CreateBytes -= then.CreateBytes
	d.Destroys -= then.Destroys
	d.DestroyBytes -= then.DestroyBytes
	d.Fails -= then.Fails
	for i := range d.Misses {
		d.Misses[i] -= then.Misses[i]
	}
	d.mean = b.average().since(then.average())
	d.weighed = d.samples()
	return d
}

// Held is what exists: in use, pending and cached.
func (b *Books) Held() int64 { return b.InUse + b.Pending + b.Cached }

// Padding is what the keys add to what was asked for, of buffers in use.
func (b *Books) Padding() int64 { return b.InUse - b.Requested }

// HitRate is hits per request, 0 to 1; 0 before the first.
func (b *Books) HitRate() float64 {
	if b.Requests == 0 {
		return 0
	}
	return float64(b.Hits) / float64(b.Requests)
}

// AvgHeld is the mean of held bytes over request and release events; 0 before
// the first.
func (b *Books) AvgHeld() int64 {
	m := b.average()
	return m.value()
}

// samples counts request and release events: every buffer was requested, and
// those that are not in use were released as often.
func (b *Books) samples() uint64 { return uint64(2*b.Requests - b.InUseCount) }

// average is the mean up to now.
func (b *Books) average() mean {
	m := b.mean
	m.add(b.Held(), b.samples()-b.weighed)
	return m
}

// weigh brings the mean up to now: held bytes are about to change.
func (b *Books) weigh() {
	n := b.samples()
	b.mean.add(b.Held(), n-b.weighed)
	b.weighed = n
}

// mean sums held bytes in 128 bits: petabytes over months stay exact.
type mean struct{ n, hi, lo uint64 }

// add adds so many samples of the same size.
func (m *mean) add(held int64, times uint64) {
	m.n += times
	hi, lo := bits.Mul64(uint64(held), times)
	var carry uint64
	m.lo, carry = bits.Add64(m.lo, lo, 0)
	m.hi += hi + carry
}

// since is the mean of what was added after an earlier state.
func (m mean) since(then mean) mean {
	lo, borrow := bits.Sub64(m.lo, then.lo, 0)
	return mean{m.n - then.n, m.hi - then.hi - borrow, lo}
}

// within reports whether no sample needs to have been above a peak. A mean that
// is can be divided by its samples, and so can it with more of them.
func (m mean) within(peak int64) bool {
	hi, lo := bits.Mul64(uint64(max(peak, 0)), m.n)
	return m.hi < hi || m.hi == hi && m.lo <= lo
}

func (m mean) value() int64 {
	if m.n == 0 {
		return 0
	}
	q, _ := bits.Div64(m.hi, m.lo, m.n)
	return int64(q)
}

// hit books a buffer of the cache that is handed out.
func (b *Books) hit(size, requested int64) {
	b.Requests++
	b.Hits++
	b.CachedCount--
	b.Cached -= size
	b.take(size, requested)
}

// create books a buffer that is made.
func (b *Books) create(e *cachemodes.Event) {
	b.weigh()
	b.Requests++
	b.Creates++
	b.CreateBytes += e.Size
	b.Misses[e.Why]++
	b.take(e.Size, e.Requested)
	b.PeakHeld = max(b.PeakHeld, b.Held())
}

// keep books a buffer that comes back and is free at once.
func (b *Books) keep(size, requested int64) {
	b.give(size, requested)
	b.CachedCount++
	b.Cached += size
}

// pend books a buffer that comes back and is not free yet.
func (b *Books) pend(size, requested int64) {
	b.give(size, requested)
	b.PendingCount++
	b.Pending += size
}

// settle books a pending buffer that is free from now on.
func (b *Books) settle(size int64) {
	b.PendingCount--
	b.Pending -= size
	b.CachedCount++
	b.Cached += size
}

// destroy books a buffer given up.
func (b *Books) destroy(e *cachemodes.Event) {
	b.weigh()
	b.Destroys++
	b.DestroyBytes += e.Size
	switch e.From {
	case cachemodes.InUse:
		b.give(e.Size, e.Requested)
	case cachemodes.Pending:
		b.PendingCount--
		b.Pending -= e.Size
	case cachemodes.Cached:
		b.CachedCount--
		b.Cached -= e.Size
	}
}

// take books a buffer handed out.
func (b *Books) take(size, requested int64) {
	b.InUseCount++
	b.InUse += size
	b.Requested += requested
	// Not max: that writes the peak each time.
	if b.Requested > b.Floor {
		b.Floor = b.Requested
	}
	if p := b.Padding(); p > b.PeakPadding {
		b.PeakPadding = p
	}
}

// give books a buffer given back.
func (b *Books) give(size, requested int64) {
	b.InUseCount--
	b.InUse -= size
	b.Requested -= requested
}

// check tells where the books do not balance.
func (b *Books) check(name string) error {
	var misses int64
	for _, n := range b.Misses {
		misses += n
	}
	switch {
	case b.Creates != b.InUseCount+b.PendingCount+b.CachedCount+b.Destroys:
		return fmt.Errorf("%s: created %d != in use %d + pending %d + cached %d + destroyed %d",
			name, b.Creates, b.InUseCount, b.PendingCount, b.CachedCount, b.Destroys)
	case b.CreateBytes != b.Held()+b.DestroyBytes:
		return fmt.Errorf("%s: created %d bytes != held %d + destroyed %d", name, b.CreateBytes, b.Held(), b.DestroyBytes)
	case b.Requests != b.Hits+b.Creates:
		return fmt.Errorf("%s: requests %d != hits %d + creates %d", name, b.Requests, b.Hits, b.Creates)
	case misses != b.Creates:
		return fmt.Errorf("%s: misses with a reason %d != creates %d", name, misses, b.Creates)
	case b.InUse < 0 || b.Pending < 0 || b.Cached < 0 || b.InUseCount < 0 || b.PendingCount < 0 || b.CachedCount < 0:
		return fmt.Errorf("%s: negative: in use %d, pending %d, cached %d", name, b.InUse, b.Pending, b.Cached)
	case b.Padding() < 0:
		return fmt.Errorf("%s: requested %d exceeds in use %d", name, b.Requested, b.InUse)
	case b.Held() > b.PeakHeld || b.Requested > b.Floor || b.Floor > b.PeakHeld:
		return fmt.Errorf("%s: held %d, peak %d, requested %d, floor %d are out of order", name, b.Held(), b.PeakHeld, b.Requested, b.Floor)
	}
	return nil
}
