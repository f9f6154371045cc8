package cachemodes

import "math/bits"

// watermark is bucketscope's own mode. It never holds much more than was once
// asked for, and learns from a session's runs, which nearly repeat, how their
// requests can share what that leaves. How it came about, what it reaches and what
// nothing can reach is in docs/watermark.md.
//
// The watermark is the most bytes ever requested at once, of everything held: so
// far, no engine that gives each request a buffer could have held less. 2.95 %
// above it is the limit.
//
//	run end   the run's requests, with their sizes and lives, become a plan: slots
//	          that requests share whose lives do not meet (watermark_plan.go)
//	request   planned: its slot's buffer, at once. Else the smallest free buffer
//	          that fits and that the plan has no use for, if the padding allows; for
//	          what outlives the run any
//	create    as large as the plan's slot; without a plan rounded up to half a power
//	          of two, so that sizes that grow find room
//	limit     before a create would exceed it, buffers go: that first which has most
//	          bytes times requests until it is needed. A slot's buffer that would
//	          push out what the next run needs is no larger than the request
//	release   at once; where ORT's bucket mode would have held less on average up
//	          to now, the largest free buffer goes, if bucket would not have it
//	          either or has created more (watermark_shadow.go)
//
// Free buffers never lift what is held above the limit: they go. Padding could,
// since a buffer in use cannot. So without a plan it is 2.5 % of the watermark for
// all buffers in use together; a run that asks for what an earlier one did has what
// that one leaves below the limit while the request lives. One that asks for more
// than was planned for has what would be left if all were as much larger squared as
// its largest so far (scores grow with a length squared), or a share of the 2.5 %.
// Where it is not sure what is asked for next, one request has a fourth of the
// padding at most, or some times its size.
type watermark struct {
	peak    int64 // the watermark, bytes
	limit   int64 // of everything held, bytes
	created int64
	shadow  shadowBucket
	// credit is what bucket held more than this mode, summed over so many requests
	// and releases, bytes.
	credit, ticks int64

	// Of the request at hand: its bytes, the buffer made for it, the largest that
	// may serve it, and the padding that the plan says will be left.
	n, key, most, known int64

	sessions map[int32]*memory
	now      *memory // of the session that asked last
	nowID    int32
	uses     []use // buffers in use: a buffer's mark is its use's index plus 1
	spare    []int32
	newest   int32   // mark of the last use; 0 for none
	claims   []claim // by BufID, of free buffers: the slot that they are for
	extra    int64   // padding of buffers in use that no plan knows, bytes
	padded   int64   // of those that outlive the run, for all that is known
	packer   packer
	early    early
}

// use is a buffer in use.
type use struct {
	memory  *memory // of its session; nil where that is no more
	plan    *plan
	slot    int32 // of the plan, noSlot for none
	run     int32 // of the session, counted
	ordinal int32 // of the request in the run, -1 for none
	created bool  // for this request
	size    int64
	extra   int64
	padded  int64
}

// claim is a free buffer's slot. It changes as the buffer is taken or comes back, and
// at run end; where else, early is forgotten.
type claim struct {
	plan  *plan
	slot  int32
	first int32 // of the slot's steps
}

// of reports whether the claim is a slot's.
func (c *claim) of(p *plan, slot int32) bool { return c.plan == p && c.slot == slot }

// early is that what was free before a turn of the shelf is needed within two runs'
// requests, as long as a run follows a plan: see late.
type early struct {
	plan *plan
	run  int32
	turn int64
}

// noSlot is what a request has that no plan knows.
const noSlot int32 = -1

// The shares of the watermark, in ten-thousandths; the part of it by which bucket's
// average is to be undercut, so that the end of a workload does not exceed it; how
// many runs' growth there is room for; in how many runs what no plan needs counts as
// needed, at most; the steps between powers of two that rounding tries; what it rounds to at
// least, in bytes.
const (
	watermarkOver    = 295
	watermarkPadding = 250
	watermarkAhead   = 2048
	watermarkRuns    = 192
	watermarkFar     = 4
	watermarkCoarse  = 2
	watermarkFine    = 64
	watermarkStep    = 16
)

func newWatermark(Params) Policy {
	return &watermark{shadow: newShadowBucket(), sessions: map[int32]*memory{}}
}

func (w *watermark) Cap(int64) (int, Reason) { return Uncapped, NoReason }
func (w *watermark) Reuse() When             { return AtOnce }
func (w *watermark) Discard() When           { return AtOnce }

// Key is that of the request at hand; of every other size, the size.
func (w *watermark) Key(n int64) int64 {
	if n = roundUp(n, watermarkStep); n != roundUp(w.n, watermarkStep) {
		return n
	}
	return w.key
}

func (w *watermark) Serves(n, size int64) bool {
	if key := roundUp(n, watermarkStep); key != roundUp(w.n, watermarkStep) {
		return size == key
	}
	return size >= n && size <= w.most
}

// stepUp rounds up to a part of the power of two below.
func stepUp(n, steps int64) int64 {
	if n <= watermarkStep*watermarkCoarse {
		return roundUp(n, watermarkStep)
	}
	power := int64(1) << (bits.Len64(uint64(n)) - 1)
	return roundUp(n, max(watermarkStep, power/steps))
}

func (w *watermark) Choose(n int64, free *Shelf) BufID {
	w.account(free)
	w.shadow.take(n)
	m := w.now
	if requested := free.AllRequested(); requested > w.peak {
		w.peak = requested
		w.limit = w.peak + w.peak/10000*watermarkOver
	}
	w.n = n
	if id := w.planned(n, free); id != NoBuf {
		return id
	}
	held, idle := free.AllHeld(), free.Bytes()
	padding := w.padding()             // of all buffers
	strict := max(0, padding-w.padded) // of this one, whatever comes
	left := w.limit - (held - idle)

	// How large the buffer should be, and how much padding it may have.
	slot, fit := noSlot, int64(0)
	var room int64
	p, st := m.plan, m.step
	w.known = 0
	if p == nil {
		room = min(strict, max(4*n, strict/4))
	} else {
		room = w.room(n, held-idle)
		if st.slot != noSlot {
			slot = p.pick(st)
			fit = p.fit(st, n, padding)
			most := n + room
			if m.trusted() {
				most = max(most, fit)
			}
			if q := p.next; st.end < 0 && q != nil && q != p { // the next run makes it larger
				to := n + min(room, w.known)
				if id := w.smallest(n, to, p, free); id != NoBuf { // else nothing larger is there either
					if id = w.smallest(max(n, q.keeps(n)), to, p, free); id != NoBuf {
						return w.serve(id, slot, free)
					}
				}
			}
			if id := w.slotted(p, slot, free); id != NoBuf {
				if size := free.Size(id); size >= n && size <= most {
					return w.serve(id, slot, free)
				} else if size < n {
					w.disown(id)
					w.early = early{}
				}
			}
			if p.match != 0 && st.end >= 0 {
				fit = min(fit, max(n, m.need(p, slot)))
			}
			room = most - n
		}
	}
	if fit > n {
		if id := w.smallest(fit, n+room, p, free); id != NoBuf {
			return w.serve(id, slot, free)
		}
	}
	most := n + room
	if fit > n {
		most = min(most, fit-1) // else it would have been found
	}
	if id := w.smallest(n, most, p, free); id != NoBuf {
		return w.serve(id, slot, free)
	}

	if st != nil && st.end < 0 { // whatever it is kept for
		if id := free.Smallest(n, n+strict/4); id != NoBuf {
			return w.serve(id, slot, free)
		}
	}

	// A new one.
	w.key = roundUp(n, watermarkStep)
	switch {
	case p == nil:
		fit = m.grown(n, min(room, left-n), padding)
	case fit > n && p.next != p && held+fit-w.limit > w.expendable(p, free):
		fit = n
	}
	switch {
	case fit >= n && fit <= left && (m.trusted() && n <= st.size || fit-n <= room):
		w.key = fit
	case p != nil && n <= p.tiny:
		w.key = stepUp(n, 1)
	default:
		for steps := int64(watermarkCoarse); steps <= watermarkFine; steps *= 2 {
			key := stepUp(n, steps)
			if more := key - n; more <= min(strict, room) && key <= left && (held+key <= w.limit || more <= strict/16) {
				w.key = key
				break
			}
		}
	}
	// What the plan keeps for another request is no larger than that one needs.
	w.most = max(w.key, n+room)
	if id := free.Smallest(n, w.most); id != NoBuf {
		if w.most = free.Size(id) - 1; w.most < w.key {
			return w.serve(id, slot, free)
		}
	}
	m.missed = true
	w.created++
	free.MarkNew(w.use(slot, w.key, true))
	return NoBuf
}

// planned is the free buffer for a request of n bytes, where that is tiny or its slot's
// will do, and Choose would come to it: most of the way there is left out.
func (w *watermark) planned(n int64, free *Shelf) BufID {
	m := w.now
	p, st := m.plan, m.step
	if st == nil {
		return NoBuf
	}
	var id BufID
	slot := st.slot
	switch {
	case st.end < 0: // it outlives the run
		if slot == noSlot || !m.trusted() {
			return NoBuf
		}
		padding := w.padding()
		if p.next != nil && p.next != p {
			room := min(padding-w.padded, p.share(padding), w.leaves(free.AllHeld()-free.Bytes()))
			if room < 0 || w.smallest(n, n+room, p, free) != NoBuf {
				return NoBuf
			}
		}
		slot = p.pick(st)
		if id = w.slotted(p, slot, free); id == NoBuf {
			return NoBuf
		}
		if size := free.Size(id); size < n || size > p.fit(st, n, padding) && size > n+min(padding-w.padded, p.share(padding)) {
			return NoBuf
		}
	case slot == noSlot: // it is tiny
		if id = w.smallest(n, n+w.room(n, free.AllHeld()-free.Bytes()), p, free); id == NoBuf {
			return NoBuf
		}
	case !m.trusted():
		slot = p.pick(st)
		if id = w.slotted(p, slot, free); id == NoBuf {
			return NoBuf
		}
		if size := free.Size(id); size < n || size > n+w.room(n, free.AllHeld()-free.Bytes()) {
			return NoBuf
		}
	case n > st.size || p.slots[slot].use != 0:
		return NoBuf
	default:
		if id = w.slotted(p, slot, free); id == NoBuf {
			return NoBuf
		}
		size := free.Size(id)
		if size < n || size > p.slots[slot].size && size > n+w.leaves(free.AllHeld()-free.Bytes()) {
			return NoBuf
		}
	}
	b := &free.m.bufs[id]
	w.key, w.most = roundUp(n, watermarkStep), b.size
	b.mark = w.use(slot, b.size, false)
	return id
}

// padding is that of all buffers in use that no plan knows of, at most.
func (w *watermark) padding() int64 { return w.peak / 10000 * watermarkPadding }

// room is how much padding the request at hand, of n bytes, may have where it follows a
// plan, if buffers of so many bytes are in use.
func (w *watermark) room(n, inUse int64) int64 {
	m := w.now
	w.known = w.leaves(inUse)
	if m.step.end >= 0 && m.trusted() {
		return w.known
	}
	padding := w.padding()
	strict := max(0, padding-w.padded)
	switch {
	case m.step.end < 0:
		return min(strict, m.plan.share(padding))
	case m.ratio <= 1:
		w.known += strict
		return min(w.known, max(64*n, w.known/4))
	}
	return max(strict, w.known)
}

// leaves is the padding that the plan says will be left while the request at hand
// lives, if buffers of so many bytes are in use.
func (w *watermark) leaves(inUse int64) int64 {
	return max(0, w.limit-w.now.life()-(inUse-w.now.inUse)-w.extra)
}

// serve takes note of the free buffer that serves the request at hand.
func (w *watermark) serve(id BufID, slot int32, free *Shelf) BufID {
	w.key, w.most = roundUp(w.n, watermarkStep), free.Size(id)
	if slot != noSlot {
		w.own(id, w.now.plan, slot)
	}
	free.SetMark(id, w.use(slot, w.most, false))
	return id
}

// use takes note of the buffer of a size that serves the request at hand, and
// answers its mark.
func (w *watermark) use(slot int32, size int64, created bool) int32 {
	m := w.now
	p, st := m.plan, m.step
	mark, u := w.another()
	u.memory, u.plan, u.slot, u.run, u.ordinal = m, p, slot, m.serial, m.ordinal()
	u.size, u.created = size, created
	m.inUse += size
	u.extra = size - w.n
	if st == nil || st.end < 0 || u.extra > w.known && !m.trusted() {
		u.padded = u.extra
		w.padded += u.padded
	}
	if slot != noSlot {
		s := &p.slots[slot]
		s.use = mark
		u.extra = max(0, size-max(w.n, s.size))
	}
	w.extra += u.extra
	return mark
}

// another is a use to be written, and its mark.
func (w *watermark) another() (int32, *use) {
	if last := len(w.spare) - 1; last >= 0 {
		w.newest, w.spare = w.spare[last], w.spare[:last]
	} else {
		w.uses = append(w.uses, use{})
		w.newest = int32(len(w.uses))
	}
	return w.newest, &w.uses[w.newest-1]
}

// released takes note that a buffer became free.
func (w *watermark) released(id BufID, free *Shelf) {
	b := &free.m.bufs[id]
	mark := b.mark
	if mark == 0 { // in use since before the mode was chosen
		w.disown(id)
		return
	}
	b.mark = 0
	u := &w.uses[mark-1]
	if u.memory != nil {
		u.memory.released(u.run, u.ordinal)
	}
	if u.created {
		w.disown(id)
		if u.slot != noSlot && !u.plan.dead {
			w.own(id, u.plan, u.slot)
		}
	}
	w.over(mark, u)
}

// over ends a use.
func (w *watermark) over(mark int32, u *use) {
	w.newest = 0
	w.spare = append(w.spare, mark)
	w.extra -= u.extra
	w.padded -= u.padded
	if u.slot != noSlot && u.plan.slots[u.slot].use == mark {
		u.plan.slots[u.slot].use = 0
	}
	if u.memory != nil {
		u.memory.inUse -= u.size
	}
	*u = use{}
}

// claim is a free buffer's.
func (w *watermark) claim(id BufID) claim {
	if int(id) < len(w.claims) {
		return w.claims[id]
	}
	return claim{}
}

// slotted is the free buffer of a slot.
func (w *watermark) slotted(p *plan, slot int32, free *Shelf) BufID {
	if id := p.slots[slot].buf; uint(id) < uint(len(w.claims)) && w.claims[id].of(p, slot) && free.Free(id) {
		return id
	}
	return NoBuf
}

func (w *watermark) own(id BufID, p *plan, slot int32) {
	if int(id) < len(w.claims) && w.claims[id].of(p, slot) && p.slots[slot].buf == id { // as mostly
		return
	}
	w.disown(id)
	for int(id) >= len(w.claims) {
		w.claims = append(w.claims, claim{})
	}
	w.claims[id] = claim{p, slot, p.slots[slot].members[0]}
	p.slots[slot].buf = id
}

func (w *watermark) disown(id BufID) {
	c := w.claim(id)
	if c.plan == nil {
		return
	}
	if s := &c.plan.slots[c.slot]; s.buf == id {
		s.buf = NoBuf
	}
	w.claims[id] = claim{}
}

// smallest is the smallest free buffer of a size from one to another that a plan
// has no use for.
func (w *watermark) smallest(from, to int64, p *plan, free *Shelf) BufID {
	if p == nil {
		return free.Smallest(from, to)
	}
	at := free.find(from)
	if at >= free.top {
		return NoBuf
	}
	buckets, claims := free.c.buckets, w.claims
	for i := range free.stocked[at:free.top] {
		of := &free.stocked[at+i]
		if of.size > to {
			break
		}
		ids := buckets[of.bucket].free
		for k := len(ids) - 1; k >= 0; k-- { // the newest costs least to take
			id := ids[k]
			if (uint(id) >= uint(len(claims)) || claims[id].plan != p) && free.sees(id) {
				return id
			}
		}
	}
	return NoBuf
}

func (w *watermark) Evict(on Occasion, n int64, gone int, free *Shelf) BufID {
	if on == OnRelease && gone == 0 {
		w.released(free.Newest(), free)
		w.account(free)
		w.shadow.give(n)
		if id := w.surplus(free); id != NoBuf {
			w.disown(id)
			return id
		} else if free.AllHeld() <= w.limit {
			return NoBuf
		}
	}
	held, id := free.AllHeld(), NoBuf
	switch on {
	case OnMiss:
		if held+w.key > w.limit {
			id = w.victim(free)
		}
	case OnRelease:
		if held > w.limit && w.limit > 0 {
			id = w.victim(free)
		}
	case OnFail:
		if gone == 0 && w.newest != 0 {
			w.over(w.newest, &w.uses[w.newest-1])
		}
	case OnRefresh:
		if gone == 0 {
			w.shadow.refresh()
		}
	case OnRunEnd:
		if gone == 0 && w.now != nil {
			w.now.learn(w, free)
		}
	case OnRefusal:
		id = free.Oldest()
	}
	if id != NoBuf {
		w.disown(id)
	}
	return id
}

// account compares with what bucket holds.
func (w *watermark) account(free *Shelf) {
	w.credit += w.shadow.held - free.Held()
	w.ticks++
	if w.now != nil {
		w.now.bucket += w.shadow.held
		w.now.ticks++
	}
}

// surplus is a free buffer to give up because bucket holds less on average, or
// hardly more; NoBuf if it does not, or if none that is worth a create need go.
func (w *watermark) surplus(free *Shelf) BufID {
	more := free.Held() - w.shadow.held
	if more <= 0 || w.credit >= w.ticks*(w.peak/watermarkAhead) {
		return NoBuf
	}
	if free.largest < more/8 { // as mostly
		return NoBuf
	}
	id := free.Largest()
	switch {
	case free.Size(id) < more/8:
		return NoBuf
	case !w.shadow.has(free.LastRequested(id)) || !w.shadow.keeps(free.Size(id)):
		return id
	case w.created < w.shadow.created:
		return w.late(free)
	}
	return NoBuf
}

// victim is the free buffer to give up: that of the most bytes times requests until
// it is needed, so that few creates make much room; of equals the largest, of these
// what has been free longest.
func (w *watermark) victim(free *Shelf) BufID {
	p := w.now.follows()
	if p == nil {
		return free.Largest()
	}
	far := watermarkFar * int64(len(p.steps))
	now, claims := w.now.ordinal(), w.claims
	best, most := NoBuf, int64(0)
	for i := free.top - 1; i >= 0; i-- {
		of := free.stocked[i]
		if of.size*far <= most || of.size <= w.now.tiny { // nor could what is smaller
			break
		}
		for _, id := range free.c.buckets[of.bucket].free {
			away := far
			if uint(id) < uint(len(claims)) {
				if c := &claims[id]; c.plan != nil && !c.plan.dead {
					away = min(far, p.away(c, now))
				}
			}
			if of.size*away > most {
				best, most = id, of.size*away
			}
		}
	}
	if best == NoBuf { // what is tiny makes no room
		return free.Largest()
	}
	return best
}

// late is victim of those that are not needed within two runs' requests. Often there
// are none, and will be none in the run but of what comes to be free: what is needed
// in a later run comes closer, and what this one's plan needs is needed in the next
// run like it at the latest, which comes before that, unless the next run is long.
func (w *watermark) late(free *Shelf) BufID {
	p := w.now.follows()
	if p == nil {
		return free.Largest()
	}
	if w.early.plan == p && w.early.run == w.now.serial {
		return w.lateSince(p, free)
	}
	n, now := int32(len(p.steps)), w.now.ordinal()
	far, least := watermarkFar*int64(n), 2*int64(n)
	// What is needed late is of a slot whose first step is not before: see away.
	mine, next, others := now+n, now+n, now
	if p.next != nil && p.next != p {
		mine -= int32(len(p.next.steps))
	}
	tiny, claims := w.now.tiny, w.claims
	best, most := NoBuf, int64(-1)
	for i := free.top - 1; i >= 0; i-- {
		of := free.stocked[i]
		if of.size*far < most || of.size <= tiny { // nor could what is smaller
			break
		}
		for _, id := range free.c.buckets[of.bucket].free {
			away := far
			if uint(id) < uint(len(claims)) {
				if c := &claims[id]; c.plan != nil && !c.plan.dead {
					from := others
					switch c.plan {
					case p:
						from = mine
					case p.next:
						from = next
					}
					if c.first < from {
						continue
					}
					away = min(far, p.away(c, now))
				}
			}
			if away >= least && of.size*away > most {
				best, most = id, of.size*away
			}
		}
	}
	if best == NoBuf && mine > now {
		w.early = early{p, w.now.serial, free.turns}
	}
	return best
}

// lateSince is late where early says which need not be looked at.
func (w *watermark) lateSince(p *plan, free *Shelf) BufID {
	n, now := int64(len(p.steps)), w.now.ordinal()
	far, least := watermarkFar*n, 2*n
	best, most, largest := NoBuf, int64(-1), int64(0)
	for id := free.newest; id != NoBuf; id = free.m.bufs[id].older {
		b := &free.m.bufs[id]
		if b.turn < w.early.turn {
			break
		} else if b.size <= w.now.tiny {
			continue
		}
		away := far
		if c := w.claim(id); c.plan != nil && !c.plan.dead {
			away = min(far, p.away(&c, now))
		}
		if worth := b.size * away; away >= least && (worth > most || worth == most && b.size >= largest) {
			best, most, largest = id, worth, b.size
		}
	}
	if best == NoBuf {
		w.early.turn = free.turns
	}
	return best
}

// away is how many requests from now on the slot is needed that a free buffer is
// for, in a run that follows the plan.
func (p *plan) away(c *claim, now int32) int64 {
	n := int32(len(p.steps))
	switch c.plan {
	case p:
		next := p.nextUse(c.slot, now)
		if next >= n && p.next != p && p.next != nil {
			next += int32(len(p.next.steps))
		}
		return int64(next - now)
	case p.next:
		return int64(n - now + c.first)
	}
	return int64(2*n - now + c.first)
}

// expendable is how many bytes are free that the next run has no use for.
func (w *watermark) expendable(p *plan, free *Shelf) (sum int64) {
	for id := free.oldest; id != NoBuf; id = free.m.bufs[id].newer {
		if c := w.claim(id); c.plan == nil || c.plan != p.next {
			sum += free.Size(id)
		}
	}
	return sum
}
