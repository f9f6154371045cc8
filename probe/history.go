package probe

import (
	"errors"
	"fmt"

	"bucketscope/cachemodes"
)

// What a history that is read may make the program hold, whatever it claims.
const (
	maxSessions = 1 << 20
	// maxState bounds a checkpoint, in bytes: a million buffers at once.
	maxState = 256 << 20
	// spareKeys is how many more keys than entries there may be: a manager
	// numbers the keys of its tables before any is asked for.
	spareKeys = 1 << 16
	// spareBuffers is how far ahead of its turn the number of a new buffer may be:
	// sessions that play at once make theirs in any order.
	spareBuffers = 1 << 10
	// maxSlots bounds the slots of a graph.
	maxSlots = 1 << 20
)

// AppendTo appends the whole history to b, for ReadHistory: the names of what
// entries number, the state before the oldest entry (code.go), the number of
// entries, and the entries (entry.go).
func (h *History) AppendTo(b []byte) []byte {
	first := &h.last
	if len(h.sealed) > 0 {
		first = h.sealed[0]
	}
	c := coder{out: b}
	codeVersion(&c)
	codeNames(&c)
	start := *first.start
	start.code(&c)
	n := h.End() - h.First()
	number(&c, &n)
	for _, s := range h.sealed {
		c.out = append(c.out, s.data...)
	}
	return append(c.out, h.last.data...)
}

// ReadHistory reads a history that AppendTo wrote, which it goes on to use. It
// plays every entry and refuses a history that could not have happened: the
// books of one that it answers balance at every moment.
//
// It holds the data, checkpoints of no more than that together, and one state
// of 256 MiB at most.
func ReadHistory(data []byte) (History, error) {
	return ReadHistoryLooking(data, func(int, int) error { return nil })
}

// ReadHistoryLooking is ReadHistory for long ones: now and then it calls look
// with how many bytes of how many it has read. An error of look's ends it.
func ReadHistoryLooking(data []byte, look func(at, of int) error) (History, error) {
	c := coder{in: data, reading: true}
	codeVersion(&c)
	codeNames(&c)
	start := &Moment{}
	start.code(&c)
	var n int64
	number(&c, &n)
	if c.err != nil {
		return History{}, fmt.Errorf("the state that the history begins with %w", c.err)
	}
	if err := start.check(); err != nil {
		return History{}, fmt.Errorf("the state that the history begins with does not hold together: %w", err)
	}
	start.Demand = newDemand(&start.Config)
	h := History{last: chunk{first: start.Seq, start: start}}
	r := &reader{data: c.in, m: start.clone()}
	begin := 0
	for {
		if h.last.n = r.m.Seq - h.last.first; r.at < len(r.data) {
			h.last.data = r.data[begin:r.at]
			if h.last.full(r.m.Ledger, r.m.Buffers) {
				full := h.last
				h.sealed = append(h.sealed, &full)
				h.last = chunk{first: r.m.Seq, start: r.m.clone()}
				begin = r.at
				if err := look(r.at, len(r.data)); err != nil {
					return History{}, err
				}
			}
		}
		if !r.read() {
			break
		}
		if err := r.possible(); err != nil {
			return History{}, fmt.Errorf("entry %d, %s: %w", r.e.Seq, r.e.Name(), err)
		}
		if r.e.What == RunStarted {
			h.last.runAt = append(h.last.runAt, r.e.Seq)
		}
		r.apply()
	}
	if r.err != nil {
		return History{}, r.err
	}
	h.last.data = r.data[begin:]
	if have := h.End() - h.First(); have != n {
		return History{}, fmt.Errorf("it has %d entries where %d were written", have, n)
	}
	if err := r.m.check(); err != nil {
		return History{}, fmt.Errorf("at its end the history does not hold together: %w", err)
	}
	return h, nil
}

// possible tells why the entry that was read cannot follow from the state.
func (r *reader) possible() error {
	e, m := &r.e, r.m
	if e.AtUS < m.AtUS {
		return fmt.Errorf("it happened %d us before the one before it", m.AtUS-e.AtUS)
	}
	switch e.What {
	case Happened:
		return m.possible(&e.Event)
	case RunStarted:
		if stateSize(m.Ledger, m.Buffers) > maxState {
			return fmt.Errorf("%d runs are open, more than this program follows", m.Ledger.open.n)
		}
	case RunEnded:
		if m.Ledger.open.find(e.Run.Session, e.Run.ID) != nil {
			return nil
		}
		return fmt.Errorf("session %d has no open run %d", e.Run.Session, e.Run.ID)
	}
	return nil
}

// moves says from which state an event takes a buffer; Gone is also that of a
// buffer that does not exist yet.
var moves = [cachemodes.NumKinds]struct {
	moves, destroys bool
	from            cachemodes.State
}{
	cachemodes.Create:  {moves: true, from: cachemodes.Gone},
	cachemodes.Fail:    {moves: true, from: cachemodes.Gone},
	cachemodes.Hit:     {moves: true, from: cachemodes.Cached},
	cachemodes.Keep:    {moves: true, from: cachemodes.InUse},
	cachemodes.Pend:    {moves: true, from: cachemodes.InUse},
	cachemodes.Settle:  {moves: true, from: cachemodes.Pending},
	cachemodes.Destroy: {moves: true, destroys: true},
}

// possible tells why an event cannot happen now.
func (m *Moment) possible(e *cachemodes.Event) error {
	rule := moves[e.Kind]
	if !rule.moves {
		if born := e.Kind == cachemodes.KeyBorn || e.Kind == cachemodes.KeyDropped; born && (e.Key < 0 || int64(e.Key) > m.Seq+spareKeys) {
			return fmt.Errorf("there is no key %d", e.Key)
		}
		return nil
	}
	state := cachemodes.Gone
	if int(e.Buf) < len(m.Buffers) {
		state = m.Buffers[e.Buf].State
	}
	if rule.destroys && state == cachemodes.Gone || !rule.destroys && state != rule.from {
		return fmt.Errorf("buffer %d is %s", e.Buf, state)
	}
	switch e.Kind {
	case cachemodes.Keep, cachemodes.Pend, cachemodes.Settle, cachemodes.Hit:
		if !e.Usage.Cached() {
			return fmt.Errorf("a %s buffer passes through no cache", e.Usage)
		}
	}
	switch e.Kind {
	case cachemodes.Create, cachemodes.Fail, cachemodes.Hit:
	default:
		return nil
	}
	if e.Size < 1 || e.Size > cachemodes.MaxBytes || e.Requested < 1 || e.Requested > e.Size {
		return fmt.Errorf("a buffer of %d bytes cannot serve a request of %d", e.Size, e.Requested)
	}
	if (e.Key == cachemodes.NoKey) == e.Usage.Cached() || int64(e.Key) < -1 || int64(e.Key) > m.Seq+spareKeys {
		return fmt.Errorf("a %s buffer has no key %d", e.Usage, e.Key)
	}
	if stateSize(m.Ledger, m.Buffers) > maxState {
		return fmt.Errorf("%d buffers and %d keys are more than this program follows", len(m.Buffers), len(m.Ledger.keys))
	}
	return nil
}

// check tells what in a state contradicts itself.
func (m *Moment) check() error {
	if stateSize(m.Ledger, m.Buffers) > maxState {
		return fmt.Errorf("%d buffers and %d keys are more than this program follows", len(m.Buffers), len(m.Ledger.keys))
	}
	if m.Seq < 0 || m.made < 0 {
		return errors.New("negative counts")
	}
	var a cachemodes.Audit
	for id := range m.Buffers {
		b := &m.Buffers[id]
		if err := m.checkBuffer(b); err != nil {
			return fmt.Errorf("buffer %d: %w", id, err)
		}
		n, bytes := &a.Count[b.Usage], &a.Bytes[b.Usage]
		switch b.State {
		case cachemodes.InUse:
			n.InUse++
			bytes.InUse += b.Size
		case cachemodes.Pending:
			n.Pending++
			bytes.Pending += b.Size
		case cachemodes.Cached:
			n.Cached++
			bytes.Cached += b.Size
		}
	}
	if err := m.Ledger.checkIndices(); err != nil {
		return err
	}
	if err := m.Ledger.CheckAgainst(a); err != nil {
		return err
	}
	return m.Ledger.Check()
}

func (m *Moment) checkBuffer(b *Buffer) error {
	switch {
	case int(b.Usage) >= cachemodes.NumUsages, b.State > cachemodes.Cached, int(b.Mode) >= len(cachemodes.Modes()):
		return errors.New("a usage, state or mode that does not exist")
	case b.State == cachemodes.Gone:
		return nil
	case b.Serial < 1 || b.Serial > m.made:
		return fmt.Errorf("serial %d of %d", b.Serial, m.made)
	case b.Size < 1 || b.Size > cachemodes.MaxBytes || b.Requested < 1 || b.Requested > b.Size:
		return fmt.Errorf("%d bytes for a request of %d", b.Size, b.Requested)
	case b.Session < cachemodes.NoSession || b.Session >= maxSessions:
		return fmt.Errorf("session %d", b.Session)
	case b.Last < cachemodes.NoSession || b.Last >= maxSessions:
		return fmt.Errorf("session %d had it last", b.Last)
	case b.Usage.Cached() != (b.Key != cachemodes.NoKey) || b.Key < cachemodes.NoKey || int(b.Key) >= len(m.Ledger.keys):
		return fmt.Errorf("key %d of %d", b.Key, len(m.Ledger.keys))
	}
	return nil
}

// checkIndices tells what would make later bookings go astray.
func (l *Ledger) checkIndices() error {
	for i := range l.keys {
		if int(l.keys[i].Usage) >= cachemodes.NumUsages {
			return fmt.Errorf("key %d has usage %d", i, l.keys[i].Usage)
		}
	}
	for _, id := range l.touched {
		if id < 0 || int(id) >= len(l.keys) {
			return fmt.Errorf("key %d of %d was asked for", id, len(l.keys))
		}
	}
	for o := l.open.oldest(); o != nil; o = l.open.at(o.later) {
		now, then := l.total.average(), o.total.average()
		if since := now.since(then); since.n > now.n || !since.within(l.total.PeakHeld) {
			return fmt.Errorf("run %d began with an average that cannot be", o.run.ID)
		}
	}
	return nil
}
