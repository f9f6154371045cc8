package cachemodes

import (
	"math/bits"
	"slices"
)

// memory is what watermark learned from a session: a plan for each kind of run it
// has seen. A run's kind is which of its own buffers are released before each of
// its requests; the sizes may differ. Which plan a run follows is found out on the
// way: that of the run that came after the last one's kind, until a request does
// not fit in.
type memory struct {
	plans []*plan // the one used last comes last
	prev  *plan   // what the last run was
	kept  []int64 // sizes of what outlived it, bytes
	due   *plan   // to be made anew at run end
	inUse int64   // bytes of the session's buffers
	tiny  int64   // the most bytes that need no slot in any plan

	// Of the run.
	serial int32 // runs so far
	open   bool  // between start and end
	run    []asked
	gone   uint32  // its own buffers that were released
	kind   uint32  // a hash of the releases before each request
	plan   *plan   // what it has followed so far; nil for none
	alike  []*plan // of which a run that was seen is like it so far
	step   *step   // of the request at hand, where there is a plan
	near   bool    // or like the last one, up to a sixteenth
	ratio  float64 // of the largest request by what was planned for it; at least 1
	missed bool    // a buffer was created
	// What bucket held, summed over the run's requests and releases, bytes.
	bucket, ticks int64
}

// asked is a request of the run at hand.
type asked struct {
	size int64
	kind uint32
	end  int32 // requests of the run before its release, -1 for none yet
}

// The kinds of run, and requests of a run, that are remembered at most.
const (
	memoryPlans = 6
	memorySteps = 1 << 12
)

func (w *watermark) memory(session int32) *memory {
	if w.now == nil || w.nowID != session {
		m := w.sessions[session]
		if m == nil {
			m = &memory{}
			w.sessions[session] = m
		}
		w.now, w.nowID = m, session
	}
	return w.now
}

func (w *watermark) Adopt(int64) {}

func (w *watermark) RunStart(session int32) {
	m := w.memory(session)
	m.serial++
	m.open, m.run, m.gone, m.kind = true, m.run[:0], 0, 1
	m.near, m.ratio, m.missed = true, 1, false
	for _, p := range m.plans {
		p.match = 0xff
	}
	m.alike = append(m.alike[:0], m.plans...)
	m.bucket, m.ticks = 0, 0
	m.plan, m.step = nil, nil
	if m.prev != nil && m.prev.next != nil {
		m.plan = m.prev.next
	} else if n := len(m.plans); n > 0 {
		m.plan = m.plans[n-1]
	}
}

func (w *watermark) Requested(session int32, n int64) bool {
	m := w.memory(session)
	k := len(m.run)
	if !m.open {
		return false
	}
	if k == memorySteps {
		m.open, m.plan, m.step = false, nil, nil
		return false
	}
	m.kind = m.kind*16777619 ^ m.gone // FNV-1
	m.run = append(m.run, asked{n, m.kind, -1})
	was := m.trusted()
	if len(m.alike) > 0 {
		m.compare(k, n)
	}
	p := m.plan
	if p != nil && (!p.is(k, m.kind) || k == 0 && p.steps[0].last != n) {
		p = m.closest(k, n)
		m.plan = p
	}
	if p != nil && m.near {
		if last := p.steps[k].last; n != last {
			m.near = n <= last+last/16 && n >= last-last/16
		}
	}
	if was && !m.trusted() { // perhaps it is like a run of another plan
		for _, p = range m.alike {
			m.plan, m.ratio = p, 1
		}
	}
	if p == nil {
		m.step = nil
		return false
	}
	st := &p.steps[k]
	if m.step = st; n > st.size {
		m.ratio = max(m.ratio, float64(n)/float64(st.size))
	}
	return false
}

// compare leaves those of alike that are so with request k, of n bytes.
func (m *memory) compare(k int, n int64) {
	still := m.alike[:0]
	for _, p := range m.alike {
		if p.compare(k, n, m.kind) {
			still = append(still, p)
		}
	}
	m.alike = still
}

// closest is the plan that the run may follow, by its kind up to request k: the one
// that was last asked for n bytes there, else for the least that is more, else for
// the most.
func (m *memory) closest(k int, n int64) *plan {
	var best *plan
	for i := len(m.plans) - 1; i >= 0; i-- {
		p := m.plans[i]
		if !p.is(k, m.kind) {
			continue
		}
		if p.steps[k].last == n {
			return p
		}
		if best == nil || best.steps[k].size < n && p.steps[k].size > best.steps[k].size ||
			p.steps[k].size >= n && p.steps[k].size < best.steps[k].size {
			best = p
		}
	}
	return best
}

// trusted reports whether the run is like one before, so far.
func (m *memory) trusted() bool { return m.plan != nil && (m.plan.match != 0 || m.near) }

// life is what the session's buffers will have at most while the request at hand
// lives.
func (m *memory) life() int64 {
	if m.trusted() {
		return m.step.life
	}
	return int64(float64(m.step.life) * m.ratio * m.ratio)
}

// grown is how large a buffer should be for a request that no plan knows: with room
// for more runs, where it asks for a little more than something that outlived the
// last run, as the next KV cache does.
func (m *memory) grown(n, room, padding int64) int64 {
	var grow int64
	for _, kept := range m.kept {
		if more := n - kept; more > 0 && more <= kept/8 && (grow == 0 || more < grow) {
			grow = more
		}
	}
	if grow == 0 {
		return 0
	}
	more := min(n, watermarkRuns*grow, room, padding/int64(2*len(m.kept)))
	return (n + max(0, more)) / watermarkStep * watermarkStep
}

// follows is the plan that the run follows; nil for none.
func (m *memory) follows() *plan {
	if m == nil || m.step == nil {
		return nil
	}
	return m.plan
}

// ordinal is that of the request at hand in the run, -1 outside one.
func (m *memory) ordinal() int32 {
	if !m.open {
		return -1
	}
	return int32(len(m.run)) - 1
}

// need is the most that a run like this one asks of a slot.
func (m *memory) need(p *plan, slot int32) int64 {
	seen := p.seen[bits.TrailingZeros8(m.plan.match)]
	var most int64
	for _, k := range p.slots[slot].members {
		most = max(most, seen[k])
	}
	return roundUp(most, watermarkStep)
}

func (m *memory) released(run, ordinal int32) {
	if m.open && run == m.serial && ordinal >= 0 {
		m.gone++
		m.run[ordinal].end = int32(len(m.run))
	}
}

// RunEnd makes a plan of the run, or renews that which it followed. What to make of
// it is decided when the free buffers are at hand: see learn.
func (w *watermark) RunEnd(session int32) bool {
	m := w.memory(session)
	p, whole := m.plan, m.open && len(m.run) > 0
	m.open, m.plan, m.step = false, nil, nil
	m.kept = m.kept[:0]
	if !whole {
		m.prev = nil
		return false
	}
	for _, a := range m.run {
		if a.end < 0 {
			m.kept = append(m.kept, a.size)
		}
	}
	if p == nil || len(p.steps) != len(m.run) || p.over && p.differs(m.run) {
		p = newPlan(m.run)
		if m.plans = append(m.plans, p); len(m.plans) > memoryPlans {
			m.drop(m.plans[0])
			w.early = early{}
		}
		m.due = p
	} else {
		bigger := p.update(m.run)
		if i := slices.Index(m.plans, p); i < len(m.plans)-1 {
			m.plans = append(slices.Delete(m.plans, i, i+1), p)
		}
		p.wait--
		switch {
		case bigger:
			m.due = p
		case !m.missed:
			p.tries = 0
		case p.wait <= 0:
			m.due = p
			p.tries++
			p.wait = 1 << min(p.tries, 4)
		}
	}
	if p.match == 0 && !m.near || p.runs == 0 {
		p.remember(m.run)
	}
	if m.prev != nil {
		m.prev.next = p
	}
	m.prev = p
	return false
}

// learn makes the plan that is due anew.
func (m *memory) learn(w *watermark, free *Shelf) {
	p := m.due
	if p == nil {
		return
	}
	m.due, w.early = nil, early{}
	budget := w.limit - (free.AllHeld() - free.Bytes() - m.inUse)
	if budget <= 0 {
		p.forget()
		return
	}
	lean := min(budget, m.bucket/max(1, m.ticks)+w.credit/max(1, w.ticks))
	q := p.again()
	total := q.assign(&w.packer, w.peak, budget, lean)
	if total > budget { // too much for all sizes that were seen: the last ones
		for i := range q.steps {
			q.steps[i].size, q.steps[i].most = q.steps[i].last, q.steps[i].last
		}
		q.forget()
		total = q.assign(&w.packer, w.peak, budget, lean)
	}
	m.replace(p, q)
	m.tiny = 0
	for _, p := range m.plans {
		m.tiny = max(m.tiny, p.tiny)
	}
	q.furnish(w, free, budget-total)
}

// drop forgets a plan.
func (m *memory) drop(p *plan) {
	m.replace(p, nil)
	m.plans = slices.DeleteFunc(m.plans, func(q *plan) bool { return q == nil })
}

// replace puts another plan, or none, in a plan's place.
func (m *memory) replace(p, by *plan) {
	p.dead = true
	for i, q := range m.plans {
		if q.next == p {
			q.next = by
		}
		if q == p {
			m.plans[i] = by
		}
	}
	if by != nil && by.next == p {
		by.next = by
	}
	if m.prev == p {
		m.prev = by
	}
}

func (w *watermark) Forget(session int32) bool {
	m := w.sessions[session]
	if m == nil {
		return false
	}
	for _, p := range m.plans {
		p.dead = true
	}
	w.early = early{}
	for i := range w.uses {
		if w.uses[i].memory == m {
			w.uses[i].memory = nil
		}
	}
	delete(w.sessions, session)
	if w.now == m {
		w.now = nil
	}
	return true
}
