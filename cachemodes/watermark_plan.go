package cachemodes

import (
	"cmp"
	"math/bits"
	"slices"
)

// plan is how the requests of a kind of run share buffers: each request has a slot,
// and requests whose lives meet have different ones. A slot is as large as the
// largest of its requests; who follows the plan creates each slot's buffer once.
//
// Slots are given greedily, the largest requests first, each to the smallest slot
// that is free while it lives ("Greedy by Size" for shared objects: Pisarchyk and
// Lee, Efficient Memory Management for Deep Neural Net Inference, 2020,
// arXiv:2001.03288); but never so that what is in use at once, padding included,
// would exceed the limit. Where all slots together do, the free ones needed last go
// before a create.
//
// What outlives the run, such as a KV cache, has a slot of its own, and another one
// for every second run if the last run's is still in use. Where its sizes grow from
// run to run it has room for up to 192 runs more, as far as 2.5 % padding, the limit
// and what bucket holds allow.
type plan struct {
	steps []step
	slots []slot
	next  *plan      // of the run that came after the last of this kind
	seen  [8][]int64 // sizes that runs of this kind asked for
	runs  int        // how often seen was written
	match uint8      // which of seen the run at hand is like so far
	dead  bool       // replaced or forgotten

	over    bool    // all slots together exceed the limit
	budget  int64   // of what the session holds, bytes
	spare   int64   // what bucket holds more than the slots, bytes
	tiny    int64   // requests up to this have no slot: all together are little, bytes
	lasting []int32 // steps that outlive the run, as it was planned
	order   []int32 // steps by size, the largest first, as they were sorted last

	// A plan that does not help is made anew less and less often.
	wait, tries int
}

// step is a request of a plan.
type step struct {
	size int64 // that is planned for, bytes; of what outlives the run it grows along
	most int64 // that was asked for, bytes
	last int64 // by the last run
	grow int64 // from run to run
	life int64 // the session's buffers in use at most while it lives, bytes
	kind uint32
	end  int32 // requests of the run before its release; -1 if it outlives the run
	slot int32 // noSlot for none
	twin int32 // the slot of every second run; noSlot for none
}

// slot is a buffer that requests share.
type slot struct {
	size    int64
	buf     BufID   // that it had last; NoBuf for none
	use     int32   // the mark of the buffer in use; 0 for none
	members []int32 // its steps, ascending
}

func newPlan(run []asked) *plan {
	p := &plan{steps: make([]step, len(run))}
	for i, a := range run {
		p.steps[i] = step{size: a.size, most: a.size, last: a.size, kind: a.kind, end: a.end, slot: noSlot, twin: noSlot}
	}
	return p
}

// is reports whether request k of a run of this kind comes after those releases.
func (p *plan) is(k int, kind uint32) bool { return k < len(p.steps) && p.steps[k].kind == kind }

// differs reports whether a run asked for other sizes than the last one: not some
// more or less.
func (p *plan) differs(run []asked) bool {
	var a, b int64
	for i := range run {
		a, b = a+run[i].size, b+p.steps[i].last
	}
	return a > b+b/8 || b > a+a/8
}

// update takes over a run's sizes and lives, and answers whether a size was larger
// than what is planned for.
func (p *plan) update(run []asked) (bigger bool) {
	for i := range p.steps {
		st, a := &p.steps[i], &run[i]
		if a.size == st.last && a.size <= st.size && a.end == st.end && a.end >= 0 { // as mostly
			continue
		}
		if grow := a.size - st.last; st.end < 0 && grow <= a.size/8 && grow >= -a.size/8 {
			st.grow = max(0, grow)
			st.size = max(st.size, a.size)
		}
		st.last, st.end, st.most = a.size, a.end, max(st.most, a.size)
		bigger = bigger || a.size > st.size+st.size/16
	}
	return bigger
}

// remember keeps the sizes of a run, in place of the oldest such.
func (p *plan) remember(run []asked) {
	seen := p.seen[p.runs%len(p.seen)][:0]
	for i := range run {
		seen = append(seen, run[i].size)
	}
	p.seen[p.runs%len(p.seen)] = seen
	p.runs++
}

// forget drops the sizes of runs that asked for more than is planned for: what is
// in use in such a run is not known.
func (p *plan) forget() {
	for r, seen := range p.seen {
		for i := range seen {
			if seen[i] > p.steps[i].size {
				p.seen[r] = nil
				break
			}
		}
	}
}

// compare takes note of which runs that were seen the run at hand is like, up to
// request k, and answers whether there are any.
func (p *plan) compare(k int, n int64, kind uint32) bool {
	if !p.is(k, kind) {
		p.match = 0
	}
	for left := p.match; left != 0; left &= left - 1 {
		i := bits.TrailingZeros8(left)
		if seen := p.seen[i]; len(seen) <= k || seen[k] != n {
			p.match &^= 1 << i
		}
	}
	return p.match != 0
}

// again is a plan of the same steps, to be made. It has the memory of p, whose slots
// alone are still asked for: by what they have in use.
func (p *plan) again() *plan {
	q := &plan{steps: p.steps, lasting: p.lasting, next: p.next, seen: p.seen, runs: p.runs, order: p.order, wait: p.wait, tries: p.tries}
	for i := range q.steps {
		q.steps[i].size = q.steps[i].most
	}
	return q
}

// grown is a step's size with room for some runs' growth: for few where it was
// larger before, since that is how far it grows, and at most its double.
func (st *step) grown(runs int64) int64 {
	if st.last < st.size {
		runs = min(runs, 8)
	}
	return st.size + min(runs*st.grow, st.size)
}

// until is how many requests of the run come before the step's release.
func (st *step) until(n int) int32 {
	if st.end < 0 {
		return int32(n)
	}
	return st.end
}

// assign gives the steps slots, and the slots sizes, if the session's buffers may
// have budget bytes, and lean bytes where sizes grow. It answers what the slots
// take together.
func (p *plan) assign(c *packer, peak, budget, lean int64) int64 {
	p.budget, p.lasting = budget, p.lasting[:0]
	var largest int64
	c.sizes = zeroed(c.sizes, len(p.steps))
	sizes := c.sizes
	for i := range p.steps {
		largest = max(largest, p.steps[i].size)
		sizes[i] = p.steps[i].grown(8)
	}
	p.tiny = min(largest, peak/10000*watermarkOver/int64(len(p.steps))) / 16
	for i := range p.steps {
		if p.steps[i].end < 0 {
			p.lasting = append(p.lasting, int32(i))
		}
	}
	if p.order == nil {
		p.order = make([]int32, len(p.steps))
		for i := range p.order {
			p.order[i] = int32(i)
		}
	}
	slices.SortFunc(p.order, func(a, b int32) int {
		if sizes[a] != sizes[b] {
			return cmp.Compare(sizes[b], sizes[a])
		}
		return int(a - b)
	})
	c.order = c.order[:0]
	for _, i := range p.order {
		if p.steps[i].size > p.tiny {
			c.order = append(c.order, i)
		}
	}
	best := &c.tried[0]
	if c.pack(p, best, false); best.total > budget { // perhaps with the largest slot for each
		other := &c.tried[1]
		if c.pack(p, other, true); other.total < best.total {
			best = other
		}
	}
	p.enlist(best, len(c.order))
	for i := range p.steps {
		st := &p.steps[i]
		if st.slot = best.slot[i]; st.slot == noSlot {
			st.twin = noSlot
		} else if st.twin != noSlot {
			p.addTwin(st)
			best.total += p.slots[st.slot].size
		}
	}
	var after int64 // most held from a step to the end
	for i := len(p.steps) - 1; i >= 0; i-- {
		st := &p.steps[i]
		if after = max(after, best.held[i]); st.until(len(p.steps)) == int32(len(p.steps)) {
			st.life = after
		} else {
			st.life = slices.Max(best.held[i:st.end])
		}
	}
	p.over, p.spare = best.total > budget, max(0, lean-best.total)
	if !p.grows() {
		return best.total
	}
	most := min(peak/10000*watermarkPadding, budget-slices.Max(best.held))
	for runs := int64(watermarkRuns); ; runs /= 2 {
		total, padding := p.sizes(runs)
		if runs == 0 || total <= lean && padding <= most {
			for i := range p.steps {
				p.steps[i].life += padding
			}
			return total
		}
	}
}

// packing is a choice of slots.
type packing struct {
	sizes []int64 // of the slots, bytes
	slot  []int32 // of each step
	held  []int64 // what the buffers in use have after each request
	total int64   // what the slots have together
}

// packer packs plans. It has the memory that this takes, for the next one.
type packer struct {
	sizes   []int64    // of the steps, bytes
	order   []int32    // steps that are to have slots, the largest first
	shared  []int32    // slots of what does not outlive the run
	largest []int64    // of each of these, bytes
	taken   [][]uint64 // by 64 of these, then by request: those that are in use
	tried   [2]packing
}

// zeroed is a slice of zeros in the memory of another, if that is enough.
func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

// pack gives each step in order the smallest slot that is free while it lives, or if
// spacious the largest.
func (pk *packer) pack(p *plan, c *packing, spacious bool) {
	n, sizes := len(p.steps), pk.sizes
	c.sizes, c.total = c.sizes[:0], 0
	c.slot, c.held = zeroed(c.slot, n), zeroed(c.held, n)
	var before int64 // the buffers of the run before, to this one's end
	for i := range p.steps {
		c.slot[i] = noSlot
		st := &p.steps[i]
		size := sizes[i]
		c.held[i] += size
		if st.end < 0 {
			before += size
		} else if int(st.end) < n {
			c.held[st.end] -= size
		}
	}
	c.held[0] += before
	for i := 1; i < n; i++ {
		c.held[i] += c.held[i-1]
	}
	pk.shared, pk.largest, pk.taken = pk.shared[:0], pk.largest[:0], pk.taken[:0]
	for _, k := range pk.order {
		st := &p.steps[k]
		size := sizes[k]
		at := noSlot
		if st.end >= 0 {
			held := c.held[k:st.end]
			i := pk.vacant(k, st.end, size, p.budget-slices.Max(held), spacious)
			if i < len(pk.shared) {
				at = pk.shared[i]
				if more := pk.largest[i] - size; more > 0 {
					for t := range held {
						held[t] += more
					}
				}
			} else {
				pk.shared, pk.largest = append(pk.shared, int32(len(c.sizes))), append(pk.largest, size)
				if rows := len(pk.taken); i/64 == rows {
					pk.taken = slices.Grow(pk.taken, 1)[:rows+1]
					pk.taken[rows] = zeroed(pk.taken[rows], n)
				}
			}
			row := pk.taken[i/64][k:st.end]
			for t := range row {
				row[t] |= 1 << (i % 64)
			}
		}
		if at == noSlot {
			at = int32(len(c.sizes))
			c.sizes = append(c.sizes, roundUp(st.size, watermarkStep))
			c.total += c.sizes[at]
		}
		c.slot[k] = at
	}
}

// vacant is which of the shared slots, the largest of which come first, a step of a
// life and size has: the smallest that is free, or the first, if the padding allows
// that; else one more.
func (pk *packer) vacant(from, to int32, size, padding int64, first bool) int {
	taken, largest := pk.taken, pk.largest
	free := func(n int) uint64 {
		var used uint64
		for _, t := range taken[n][from:to] {
			used |= t
		}
		return ^used
	}
	if first {
		at := 0 // those before it are too large
		for end := len(largest); at < end; {
			if mid := int(uint(at+end) >> 1); largest[mid]-size > padding {
				at = mid + 1
			} else {
				end = mid
			}
		}
		for n := at / 64; n < len(taken); n++ {
			f := free(n)
			if n == at/64 {
				f &= ^uint64(0) << (at % 64)
			}
			if f != 0 {
				return min(64*n+bits.TrailingZeros64(f), len(largest))
			}
		}
		return len(largest)
	}
	for n := len(taken) - 1; n >= 0; n-- {
		f := free(n)
		if there := len(largest) - 64*n; there < 64 {
			f &= 1<<there - 1
		}
		if f != 0 {
			if i := 64*n + 63 - bits.LeadingZeros64(f); largest[i]-size <= padding {
				return i
			}
			break // the others are larger
		}
	}
	return len(largest)
}

// enlist makes the slots of a packing, which so many steps have.
func (p *plan) enlist(c *packing, steps int) {
	twins := 0
	count := make([]int32, len(c.sizes))
	for i, at := range c.slot {
		if at != noSlot {
			count[at]++
			if p.steps[i].twin != noSlot {
				twins++
			}
		}
	}
	p.slots = make([]slot, len(c.sizes), len(c.sizes)+twins)
	members := make([]int32, steps)
	for i, n := range count {
		p.slots[i] = slot{size: c.sizes[i], buf: NoBuf, members: members[:0:n]}
		members = members[n:]
	}
	for k, at := range c.slot {
		if at != noSlot {
			s := &p.slots[at]
			s.members = append(s.members, int32(k))
		}
	}
}

// grows reports whether there is a step that grows from run to run.
func (p *plan) grows() bool {
	return slices.ContainsFunc(p.steps, func(st step) bool { return st.grow > 0 })
}

// addTwin gives a step its slot of every second run.
func (p *plan) addTwin(st *step) {
	st.twin = int32(len(p.slots))
	s := p.slots[st.slot]
	p.slots = append(p.slots, slot{size: s.size, buf: NoBuf, members: s.members})
}

// sizes gives every slot its size with room for some runs' growth, and answers what
// they take together, and what of it is that room.
func (p *plan) sizes(runs int64) (total, padding int64) {
	for i := range p.slots {
		s := &p.slots[i]
		s.size = 0
		for _, k := range s.members {
			s.size = max(s.size, roundUp(p.steps[k].grown(runs), watermarkStep))
		}
		if st := &p.steps[s.members[0]]; st.end < 0 {
			padding += s.size - st.size
		}
		total += s.size
	}
	return total, padding
}

// furnish gives slots what is free now: the largest first, each the smallest buffer
// that is large enough. One that is up to a quarter larger makes the slot larger,
// if all in use with it leaves room, and the plan as a whole.
func (p *plan) furnish(w *watermark, free *Shelf, room int64) {
	order := make([]int32, len(p.slots))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(cmp.Compare(p.slots[b].size, p.slots[a].size), cmp.Compare(a, b)) })
	for _, at := range order {
		s := &p.slots[at]
		id := w.smallest(s.size, s.size+min(max(0, room), s.size/4), p, free)
		if id == NoBuf {
			continue
		}
		if more := free.Size(id) - s.size; more == 0 || p.widen(s, more) {
			room -= more
			w.own(id, p, at)
		}
	}
}

// widen makes a slot larger, if all that is in use with it leaves room.
func (p *plan) widen(s *slot, more int64) bool {
	for _, k := range s.members {
		if p.steps[k].life+more > p.budget {
			return false
		}
	}
	for _, k := range s.members {
		until := p.steps[k].until(len(p.steps))
		for i := range p.steps[:until] {
			if st := &p.steps[i]; st.until(len(p.steps)) > k {
				st.life += more
			}
		}
	}
	s.size += more
	return true
}

// pick is the slot of a step: its own, or while that is in use its twin.
func (p *plan) pick(st *step) int32 {
	if p.slots[st.slot].use == 0 {
		return st.slot
	}
	if st.twin == noSlot {
		p.addTwin(st)
	}
	return st.twin
}

// fit is how large a buffer a step's request of n bytes should have, if all that
// outlive the run may have so much padding together.
func (p *plan) fit(st *step, n, padding int64) int64 {
	size := p.slots[st.slot].size
	if n <= st.size {
		if st.end < 0 && st.last < st.size {
			size = min(size, roundUp(st.grown(8), watermarkStep))
		}
		return size
	}
	scaled := int64(float64(size) / float64(st.size) * float64(n))
	if st.end < 0 {
		share := p.share(padding)
		scaled = min(scaled, n+share)
		if grow := n - st.last; grow > 0 && grow <= n/8 {
			scaled = n + min(n, watermarkRuns*grow, share, p.share(p.spare))
		}
	}
	return max(scaled/watermarkStep*watermarkStep, roundUp(n, watermarkStep))
}

// share is the part of something that one of what outlives the run has, of two
// generations.
func (p *plan) share(of int64) int64 { return of / int64(2*max(1, len(p.lasting))) }

// nextUse is the step that needs a slot next after a request, counted on into the
// next run.
func (p *plan) nextUse(slot, after int32) int32 {
	members := p.slots[slot].members
	if members[len(members)-1] <= after {
		return members[0] + int32(len(p.steps))
	}
	at, _ := slices.BinarySearch(members, after+1)
	return members[at]
}

// keeps is the smallest slot of what outlives the run that holds n bytes; 0 for none
// up to the double.
func (p *plan) keeps(n int64) int64 {
	best := 2*n + 1
	for _, i := range p.lasting {
		if st := &p.steps[i]; st.end < 0 && st.slot != noSlot {
			if size := p.slots[st.slot].size; size >= n {
				best = min(best, size)
			}
		}
	}
	if best > 2*n {
		return 0
	}
	return best
}
