package probe

import "bucketscope/cachemodes"

// flow is what the plain events of a stretch change in the books of a usage: see
// stretch. It has 64 bytes, so that an index is a shift.
type flow struct {
	inUse, requested  int64 // bytes
	floor, padding    int64 // peaks of requested, and of their difference
	pending           int64 // bytes that came to be so
	hits, back, waits int32 // buffers handed out, come back, come to be pending
	briefs            int32 // handed out and come to be pending at once, which these do not count
	_                 [8]byte
}

// Played books what a Manager played, as Apply would its events one by one.
func (l *Ledger) Played(p *cachemodes.Played) {
	others := p.Others
	for i := 0; i < len(p.Plain); {
		e := &p.Plain[i]
		switch e.Kind {
		case cachemodes.Other:
			for n := e.Buf; n > 0; n-- {
				l.Apply(&others[0])
				others = others[1:]
			}
			i++
		case cachemodes.Refresh: // it changes no books
			i++
		default:
			if k := &l.keys[e.Key]; !k.touched && e.Kind == cachemodes.Hit {
				l.touch(k, e.Key)
			}
			i += l.stretch(p.Session, p.Plain[i:])
		}
	}
}

// stretch books events of a session up to the first that is not plain, or asks for
// a key for which the list of those has no room, and answers how many. They leave what is held
// as it is, and change no more than a key, and some sums of its usage, of all and of
// the session: these are followed beside the books, since half of them follow from
// the others at the end.
func (l *Ledger) stretch(id int32, events []cachemodes.Plain) int {
	var flows [cachemodes.NumCaches]flow
	done := l.follow(&flows, events)
	var all flow
	for u := range flows {
		f, b := &flows[u], &l.usage[u]
		if int64(f.hits|f.back|f.briefs)|f.pending == 0 {
			continue
		}
		f.inUse -= b.InUse
		b.add(f)
		b.Requested, b.Floor, b.PeakPadding = f.requested, f.floor, f.padding
		all.inUse += f.inUse
		all.pending += f.pending
		all.hits += f.hits
		all.back += f.back
		all.waits += f.waits
		all.briefs += f.briefs
	}
	l.total.add(&all)
	s := l.session(id)
	s.Requests += int64(all.hits + all.briefs)
	s.Hits += int64(all.hits + all.briefs)
	s.InUse += all.inUse
	s.Pending += all.pending
	s.Cached -= all.inUse + all.pending
	return done
}

// follow books events in the keys, the flows of their usages, and what of the total
// does not follow from these; see stretch. It calls nothing, so that what it goes on
// with stays in registers.
func (l *Ledger) follow(flows *[cachemodes.NumCaches]flow, events []cachemodes.Plain) int {
	*flows = [cachemodes.NumCaches]flow{}
	for u := range flows {
		f, b := &flows[u], &l.usage[u]
		f.inUse, f.requested, f.floor, f.padding = b.InUse, b.Requested, b.Floor, b.PeakPadding
	}
	done := len(events)
	inUse, requested := l.total.InUse, l.total.Requested // of all usages
loop:
	for i := uint(0); i < uint(len(events)); i++ {
		e := &events[i]
		k, n := &l.none, e.Requested
		if at := uint(uint32(e.Key)); at < uint(len(l.keys)) {
			k = &l.keys[at]
		}
		f, size := &flows[k.Usage%cachemodes.Usage(cachemodes.NumCaches)], k.Size
		switch e.Kind {
		case cachemodes.Hit:
			if !k.touched {
				n := len(l.touched)
				if n == cap(l.touched) {
					done = int(i)
					break loop
				}
				l.touched = l.touched[:n+1]
				l.touched[n], k.touched = e.Key, true
			}
			k.Requests++
			k.Hits++
			k.Cached--
			if e.Brief && i+1 < uint(len(events)) { // what it and its Pend leave
				i++
				k.Pending++
				if k.InUse >= k.PeakInUse {
					k.PeakInUse = k.InUse + 1
				}
				f.briefs++
				f.pending += size
				f.rise(f.inUse+size, f.requested+n)
				l.rise(inUse+size, requested+n)
				continue
			}
			k.take(n)
			f.hits++
			f.take(size, n)
			inUse += size
			requested += n
			if i+1 < uint(len(events)) && events[i+1].Kind == cachemodes.Hit { // they go on to rise
				continue
			}
			l.rise(inUse, requested)
		case cachemodes.Settle:
			many := int64(e.Buf)
			k.Pending -= many
			k.Cached += many
			k.wanted()
			f.waits -= int32(many)
			f.pending -= many * size
		case cachemodes.Keep:
			k.give(n)
			k.Cached++
			k.wanted()
			f.give(size, n)
			inUse -= size
			requested -= n
		case cachemodes.Pend:
			k.give(n)
			k.Pending++
			if e.Why == cachemodes.CapFull {
				k.lost++
				k.wanted()
			}
			f.waits++
			f.pending += size
			f.give(size, n)
			inUse -= size
			requested -= n
		case cachemodes.Refresh: // it changes no books
		default:
			done = int(i)
			break loop
		}
	}
	l.total.Requested = requested
	l.total.Floor = max(l.total.Floor, l.high.requested)
	return done
}

// add adds what a stretch changed, where inUse is by how much. What is held is the
// same.
func (b *Books) add(f *flow) {
	b.Requests += int64(f.hits + f.briefs)
	b.Hits += int64(f.hits + f.briefs)
	b.InUseCount += int64(f.hits - f.back)
	b.PendingCount += int64(f.waits + f.briefs)
	b.CachedCount += int64(f.back - f.waits - f.hits - f.briefs)
	b.InUse += f.inUse
	b.Pending += f.pending
	b.Cached -= f.inUse + f.pending
}

// take follows a buffer handed out.
func (f *flow) take(size, requested int64) {
	f.inUse += size
	f.requested += requested
	f.rise(f.inUse, f.requested)
}

// rise follows the peaks of a usage, of which so many bytes are in use and were asked
// for.
func (f *flow) rise(inUse, requested int64) {
	if requested > f.floor {
		f.floor = requested
	}
	if p := inUse - requested; p > f.padding {
		f.padding = p
	}
}

// rise follows the peaks of the total.
func (l *Ledger) rise(inUse, requested int64) {
	if inUse > l.high.inUse {
		l.high.inUse = inUse
	}
	if requested > l.high.requested {
		l.high.requested = requested
	}
	if p := inUse - requested; p > l.total.PeakPadding {
		l.total.PeakPadding = p
	}
}

// give follows a buffer given back.
func (f *flow) give(size, requested int64) {
	f.back++
	f.inUse -= size
	f.requested -= requested
}
