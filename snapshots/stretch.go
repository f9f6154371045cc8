package snapshots

import (
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// Stretch is a part of a recording, from one entry on: its figures are those of
// what happened in it, over what was held when it began. It goes on with the
// recording and reads each entry once. It is used by one goroutine.
type Stretch struct {
	// Keep is how many runs are kept at least, the last ones; 0 is all.
	Keep int

	cursor probe.Cursor
	fromUS int64

	// The books when it began, and the peaks since.
	total probe.Books
	usage [cachemodes.NumUsages]probe.Books
	keys  []probe.Key
	peak  peaks
	peaks [cachemodes.NumUsages]peaks
	most  []int64 // buffers of each key in use at once

	open []openRun // that started in it
	runs []probe.Run
	end  *probe.Moment
}

type openRun struct {
	session int32
	id      int64
}

// peaks are the highest figures of some books.
type peaks struct{ held, requested, padding int64 }

func (p *peaks) see(b *probe.Books) {
	p.held, p.requested, p.padding = max(p.held, b.Held()), max(p.requested, b.Requested), max(p.padding, b.Padding())
}

// apply gives books the peaks.
func (p *peaks) apply(b *probe.Books) {
	b.PeakHeld, b.Floor, b.PeakPadding = p.held, p.requested, p.padding
}

// NewStretch begins after from entries, or where h begins. Advance goes on.
func NewStretch(h *probe.History, from int64) *Stretch {
	s := &Stretch{}
	m := s.cursor.Seek(h, max(from, h.First()))
	l := m.Ledger
	s.fromUS, s.end, s.total = m.AtUS, m, l.Total()
	s.peak.see(&s.total)
	for u := range s.usage {
		s.usage[u] = l.Usage(cachemodes.Usage(u))
		s.peaks[u].see(&s.usage[u])
	}
	s.keys, s.most = make([]probe.Key, l.NumKeys()), make([]int64, l.NumKeys())
	for id := range s.keys {
		s.keys[id], _, _ = l.Key(cachemodes.KeyID(id))
		s.most[id] = s.keys[id].InUse
	}
	return s
}

// Advance goes on to the moment after so many entries of the history, or of a
// later one of the same recording.
func (s *Stretch) Advance(h *probe.History, to int64) {
	if to <= s.cursor.Seq() {
		return
	}
	s.cursor.Scan(h, to, func(m *probe.Moment, e *probe.Entry) bool {
		s.see(m, e)
		return true
	})
	s.end = s.cursor.Seek(h, s.cursor.Seq())
}

// see takes in an entry that took effect.
func (s *Stretch) see(m *probe.Moment, e *probe.Entry) {
	switch e.What {
	case probe.RunStarted:
		s.open = append(s.open, openRun{e.Run.Session, e.Run.ID})
	case probe.RunEnded:
		r := openRun{e.Run.Session, e.Run.ID}
		if i := slices.Index(s.open, r); i >= 0 { // else it began before
			s.open = slices.Delete(s.open, i, i+1)
			s.runs = append(s.runs, m.Ended[len(m.Ended)-1])
			if s.Keep > 0 && len(s.runs) >= 2*s.Keep {
				s.runs = append(make([]probe.Run, 0, 2*s.Keep), s.runs[len(s.runs)-s.Keep:]...)
			}
		}
	case probe.Abandoned:
		s.open = s.open[:0]
	case probe.Happened:
		switch e.Event.Kind {
		case cachemodes.Hit, cachemodes.Create:
			total, usage := m.Ledger.Total(), m.Ledger.Usage(e.Event.Usage)
			s.peak.see(&total)
			s.peaks[e.Event.Usage].see(&usage)
			id := e.Event.Key
			if id == cachemodes.NoKey {
				return
			}
			for int(id) >= len(s.most) {
				s.most = append(s.most, 0)
			}
			k, _, _ := m.Ledger.Key(id)
			s.most[id] = max(s.most[id], k.InUse)
		}
	}
}

// Seq is how many entries of the recording had happened at its end.
func (s *Stretch) Seq() int64 { return s.cursor.Seq() }

// Runs are those that began and ended in it, as far as they are kept.
func (s *Stretch) Runs() []probe.Run { return s.runs }

// BeganUS and EndedUS are when it began and how far it went, in the recording's
// time.
func (s *Stretch) BeganUS() int64 { return s.fromUS }

// EndedUS is described at BeganUS.
func (s *Stretch) EndedUS() int64 { return s.end.AtUS }

// Document is the run document of the stretch: what a describes, with one
// result, in which sessions and hazards are left out.
func (s *Stretch) Document(a *About) *RunDocument {
	l := s.end.Ledger
	total := l.Total()
	total = total.Since(&s.total)
	s.peak.apply(&total)
	ids := make([]int64, len(a.Sessions))
	for i := range ids {
		ids[i] = a.Sessions[i].ID
	}
	m := Measured{Config: s.end.Config, Total: total, Runs: s.runs, SessionIDs: ids, Timed: a.Device.Timed}
	m.Sharing.Scope, _ = cachemodes.LookupScope(a.Scope)
	m.Sharing.Generations, m.Capture = a.Generations, a.GraphCapture
	for u := range m.Usage {
		b := l.Usage(cachemodes.Usage(u))
		m.Usage[u] = b.Since(&s.usage[u])
		s.peaks[u].apply(&m.Usage[u])
	}
	m.Keys = s.keysSince()
	return &RunDocument{
		Format: RunFormat, Version: RunVersion, Workload: a.Workload, Device: a.Device, Repeat: max(a.Repeat, 1),
		Results: []ModeResult{NewModeResult(m)},
	}
}

// keysSince are the books of the buckets that served in the stretch, by usage
// and size.
func (s *Stretch) keysSince() []probe.Key {
	var keys []probe.Key
	for id := range cachemodes.KeyID(s.end.Ledger.NumKeys()) {
		k, _, _ := s.end.Ledger.Key(id)
		if int(id) < len(s.keys) {
			then := &s.keys[id]
			k.Requests -= then.Requests
			k.Hits -= then.Hits
			k.Creates -= then.Creates
			k.Destroys -= then.Destroys
			for i := range k.Misses {
				k.Misses[i] -= then.Misses[i]
			}
		}
		k.PeakInUse = 0
		if int(id) < len(s.most) {
			k.PeakInUse = s.most[id]
		}
		if k.Size > 0 && (k.Requests > 0 || k.PeakInUse > 0 || k.Cached > 0) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b probe.Key) int {
		if a.Usage != b.Usage {
			return int(a.Usage) - int(b.Usage)
		}
		return int(min(max(a.Size-b.Size, -1), 1))
	})
	return keys
}
