package cachemodes

// dynamic is ORT PR #25120's dynamicBucket with its two faults mended: the
// run counter and the pattern belong to a session, not to the process, so that
// sessions sharing a device do not adjust each other's keys.
//
//	run start   the run's sizes are cleared
//	request     its size is a key from now on, and one of the run's sizes
//	run end     the run's sizes join the period's pattern
//	adjust      every AdjustEvery-th run end: keys := patterns of the last
//	            History periods; a new period begins
//
// A cache shared by several sessions keeps what any of them has as a key.
type dynamic struct {
	every, history int64
	round          int64
	sessions       map[int32]*pattern
	// keys counts the sessions that have a size as a key.
	keys map[int64]int
	// last is the pattern of the session that asked last, to spare a lookup.
	last        *pattern
	lastSession int32
	// dropped are the sizes that ceased to be keys since Dropped answered told.
	dropped, told []int64
}

// pattern is what one session asked for.
type pattern struct {
	run    int64 // number of runs started
	ended  int64 // number of runs ended
	period int64 // number of adjustments, plus one
	sizes  map[int64]*sizeUse
}

// sizeUse is when a session last asked for a size: in which of its runs, and
// in which period such a run ended.
type sizeUse struct {
	run, period int64
}

// adopter stands for the session of sizes found in the cache when the mode was
// chosen; its keys go at the first adjustment of any session.
const adopter = NoSession

func newDynamic(p Params) *dynamic {
	return &dynamic{
		every: int64(p.AdjustEvery), history: int64(p.History), round: p.Round,
		sessions: map[int32]*pattern{}, keys: map[int64]int{},
	}
}

func (d *dynamic) Key(n int64) int64 { return roundUp(n, d.round) }

func (d *dynamic) Cap(size int64) (int, Reason) {
	if d.keys[size] == 0 {
		return 0, DroppedKey
	}
	return Uncapped, NoReason
}

func (d *dynamic) Reuse() When   { return AtOnce }
func (d *dynamic) Discard() When { return AtOnce }

func (d *dynamic) pattern(session int32) *pattern {
	if d.last != nil && d.lastSession == session {
		return d.last
	}
	p := d.sessions[session]
	if p == nil {
		p = &pattern{period: 1, sizes: map[int64]*sizeUse{}}
		d.sessions[session] = p
	}
	d.last, d.lastSession = p, session
	return p
}

func (d *dynamic) Requested(session int32, size int64) bool {
	p := d.pattern(session)
	if u := p.sizes[size]; u != nil {
		u.run = p.run
		return false
	}
	p.sizes[size] = &sizeUse{run: p.run}
	d.keys[size]++
	return d.keys[size] == 1
}

func (d *dynamic) Adopt(size int64) { d.Requested(adopter, size) }

func (d *dynamic) RunStart(session int32) { d.pattern(session).run++ }

func (d *dynamic) RunEnd(session int32) bool {
	p := d.pattern(session)
	for _, u := range p.sizes {
		if u.run == p.run {
			u.period = p.period
		}
	}
	p.ended++
	if p.ended%d.every != 0 {
		return false
	}
	d.Forget(adopter)
	for size, u := range p.sizes {
		if u.period <= p.period-d.history {
			d.drop(p, size)
		}
	}
	p.period++
	return true
}

func (d *dynamic) Forget(session int32) bool {
	p := d.sessions[session]
	if p == nil {
		return false
	}
	for size := range p.sizes {
		d.drop(p, size)
	}
	delete(d.sessions, session)
	if d.lastSession == session {
		d.last = nil
	}
	return true
}

func (d *dynamic) drop(p *pattern, size int64) {
	delete(p.sizes, size)
	if d.keys[size]--; d.keys[size] == 0 {
		delete(d.keys, size)
		d.dropped = append(d.dropped, size)
	}
}

func (d *dynamic) Dropped() []int64 {
	d.dropped, d.told = d.told[:0], d.dropped
	return d.told
}

// dynamicShared is dynamicBucket as PR #25120 proposed it, with the faults that
// its review found: every session's requests make one pattern, any session's
// run start wipes what the run of another has asked for so far, and the run
// counter is one for all caches that there are.
type dynamicShared struct {
	*dynamic
	runs *int64 // ended, of every session
}

// everyone stands for all sessions.
const everyone int32 = 0

func (d *dynamicShared) Requested(_ int32, size int64) bool {
	return d.dynamic.Requested(everyone, size)
}
func (d *dynamicShared) RunStart(int32) { d.dynamic.RunStart(everyone) }
func (d *dynamicShared) RunEnd(int32) bool {
	d.pattern(everyone).ended = *d.runs - 1
	return d.dynamic.RunEnd(everyone)
}
func (d *dynamicShared) Forget(int32) bool { return false }
