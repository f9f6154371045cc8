package cachemodes

import "slices"

// Plain is an event of a Played in fewer bytes than an Event has: a Hit, Keep or Pend
// of a buffer of its session's and domain's, or the session's Refresh, with what is
// not the same for all of them; or the Settles of buffers of a key, all together. Its
// bytes are those of its key.
type Plain struct {
	Requested int64 // as Event.Requested
	Buf       BufID // of Settle and Other: how many
	Key       KeyID
	Kind      Kind
	Why       Reason
	Mode      ModeID
	Brief     bool    // of a Hit: the next Plain is that buffer's Pend
	_         [8]byte // up to a power of two, so that an index is a shift
}

// Other is the Kind of a Plain that stands for the next events of Played.Others.
const Other = Kind(NumKinds)

// Played is what came of calls of one session that were played together, in the
// order of Plain. It is valid until the next call of the Manager.
type Played struct {
	Session int32    // who had the buffers of Plain last, and gets them
	Domain  DomainID // that they belong to
	Plain   []Plain
	Settled []Plain // which buffers its Settles stand for, in order: one after the other, whatever their keys
	Others  []Event
}

// NumOthers is how many of Others the events of Plain stand for.
func (p *Played) NumOthers() int {
	n := 0
	for i := range p.Plain {
		if e := &p.Plain[i]; e.Kind == Other {
			n += int(e.Buf)
		}
	}
	return n
}

// Expand appends what was played as events, as the calls one by one would have
// answered them.
func (m *Manager) Expand(p *Played, out []Event) []Event {
	others, settled := p.Others, p.Settled
	out = slices.Grow(out, len(p.Plain)+len(settled)+len(others))
	for i := range p.Plain {
		e := &p.Plain[i]
		switch e.Kind {
		case Settle:
			for n := range settled[:e.Buf] {
				out = m.expand(p, &settled[n], out)
			}
			settled = settled[e.Buf:]
			continue
		case Other:
			out = append(out, others[:e.Buf]...)
			others = others[e.Buf:]
			continue
		case Refresh:
			out = append(out, Event{Kind: Refresh, Session: p.Session, Last: NoSession, Key: NoKey})
			continue
		}
		out = m.expand(p, e, out)
	}
	return out
}

// expand appends one event, for which there is room.
func (m *Manager) expand(p *Played, e *Plain, out []Event) []Event {
	n := len(out)
	out = out[:n+1]
	full, key := &out[n], &m.sizes[e.Key] // written where it stays: see emit
	full.Size, full.Requested, full.Buf, full.Key = key.size, e.Requested, e.Buf, e.Key
	full.Session, full.Last, full.Domain = p.Session, p.Session, p.Domain
	if e.Kind == Settle {
		full.Session = NoSession
	}
	full.Kind, full.Usage, full.Mode, full.Why, full.From = e.Kind, key.usage, e.Mode, e.Why, Gone
	return out
}
