package probe

import "bucketscope/cachemodes"

// flow is what the plain events of a stretch change in the books of a usage, or
// of all that is held: see stretch.
type flow struct {
	inUse, requested            int64 // bytes
	floor, padding, high        int64 // peaks of requested, of their difference, of inUse
	pending                     int64 // bytes that came to be so
	hits, kept, pended, settled int64 // buffers
}

// Played books what a Manager played, as Apply would its events one by one.
func (l *Ledger) Played(p *cachemodes.Played) {
	plain, others := p.Plain, p.Others
	for len(plain) > 0 {
		n := l.stretch(p.Session, plain)
		if n < len(plain) {
			for i := range others[:plain[n].Buf] {
				l.Apply(&others[i])
			}
			others = others[plain[n].Buf:]
			n++
		}
		plain = plain[n:]
	}
}

// stretch books events of a session up to the first that is not plain, and answers
// how many. They leave what is held as it is, and change no more than a key, and
// some sums of its usage, of all and of the session: these are followed beside the
// books, since half of them follow from the others at the end.
func (l *Ledger) stretch(id int32, events []cachemodes.Plain) int {
	if events[0].Kind == cachemodes.Other {
		return 0
	}
	var flows [maxUsages]flow
	for u := range cachemodes.NumCaches {
		f, b := &flows[u], &l.usage[u]
		f.inUse, f.requested, f.floor, f.padding = b.InUse, b.Requested, b.Floor, b.PeakPadding
	}
	t := &l.total
	all := flow{inUse: t.InUse, requested: t.Requested, floor: l.high.requested, padding: t.PeakPadding, high: l.high.inUse}
	keys, done := l.keys, len(events)
loop:
	for i := range events {
		e := &events[i]
		if uint(e.Key) >= uint(len(keys)) {
			panic(e.Key)
		}
		k, requested := &keys[e.Key], e.Requested
		f, size := &flows[k.Usage&(maxUsages-1)], k.Size
		switch e.Kind {
		case cachemodes.Hit:
			k.Requests++
			k.Hits++
			k.Cached--
			k.take(requested)
			if !k.touched {
				l.touch(k, e.Key)
			}
			f.hits++
			f.take(size, requested)
			all.take(size, requested)
			if all.inUse > all.high {
				all.high = all.inUse
			}
		case cachemodes.Keep:
			k.give(requested)
			k.Cached++
			k.wanted()
			f.kept++
			f.give(size, requested)
			all.give(size, requested)
		case cachemodes.Pend:
			k.give(requested)
			k.Pending++
			if e.Why == cachemodes.CapFull {
				k.lost++
				k.wanted()
			}
			f.pended++
			f.pending += size
			f.give(size, requested)
			all.give(size, requested)
		case cachemodes.Settle:
			k.Pending--
			k.Cached++
			k.wanted()
			f.settled++
			f.pending -= size
		case cachemodes.Refresh:
		default:
			done = i
			break loop
		}
	}
	s := l.session(id)
	for u := range cachemodes.NumCaches {
		f, b := &flows[u], &l.usage[u]
		if f.hits|f.kept|f.pended|f.settled == 0 {
			continue
		}
		inUse := f.inUse - b.InUse
		s.Requests += f.hits
		s.Hits += f.hits
		s.InUse += inUse
		s.Pending += f.pending
		s.Cached -= inUse + f.pending
		b.add(f, inUse)
		t.add(f, inUse)
		b.Requested, b.Floor, b.PeakPadding = f.requested, f.floor, f.padding
	}
	t.Requested, t.PeakPadding = all.requested, all.padding
	t.Floor = max(t.Floor, all.floor)
	l.high.inUse, l.high.requested = all.high, all.floor
	return done
}

// maxUsages is cachemodes.NumUsages up to a power of two, for indices that need no
// check.
const maxUsages = 8

// add adds what a stretch changed, in use by so many bytes. What is held is the
// same.
func (b *Books) add(f *flow, inUse int64) {
	b.Requests += f.hits
	b.Hits += f.hits
	b.InUseCount += f.hits - f.kept - f.pended
	b.PendingCount += f.pended - f.settled
	b.CachedCount += f.kept + f.settled - f.hits
	b.InUse += inUse
	b.Pending += f.pending
	b.Cached -= inUse + f.pending
}

// take follows a buffer handed out.
func (f *flow) take(size, requested int64) {
	inUse, requested := f.inUse+size, f.requested+requested
	f.inUse, f.requested = inUse, requested
	if requested > f.floor {
		f.floor = requested
	}
	if p := inUse - requested; p > f.padding {
		f.padding = p
	}
}

// give follows a buffer given back.
func (f *flow) give(size, requested int64) {
	f.inUse -= size
	f.requested -= requested
}
