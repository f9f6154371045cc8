package tui

import (
	"slices"
	"sort"

	"bucketscope/probe"
)

// eventLog finds the events of a history that a filter lets through.
//
//	history  │ block │ block │ block │ bl…      blockEntries entries each
//	looked at    2       1      (3)    0        the newest first
//
// Only so many entries are looked at per tick, the newest first, so that a list
// of the last events is there at once and the counts of all follow. A block
// keeps its count and its last rows; others are read again when they are looked
// for. Without a filter nothing needs be looked at but the newest block.
//
// It takes 100 bytes for each row kept, at most twice keptRows per block: 8 MiB
// for ten million events.
type eventLog struct {
	filter filter[eventRow]
	blocks map[int64]*eventBlock // by number
	// newest stands where the newest block was read to, older in one of the
	// others; hand fetches rows.
	newest, older, hand probe.Cursor
	scratch             eventRow
}

// eventBlock is what is known of the events from number*blockEntries on.
type eventBlock struct {
	read  int64 // the event that is looked at next
	count int64 // of those that match
	rows  []eventRow
	from  int64 // rows has all matches from this event on
}

// filterBy begins anew with another filter.
func (l *eventLog) filterBy(f filter[eventRow]) {
	*l = eventLog{filter: f, blocks: map[int64]*eventBlock{}}
}

// block is what is known of a block; its events begin at first.
func (l *eventLog) block(h *probe.History, number int64) *eventBlock {
	b := l.blocks[number]
	if b == nil {
		first := max(number*blockEntries, h.First())
		b = &eventBlock{read: first, from: first}
		l.blocks[number] = b
	}
	return b
}

// look looks at some entries, about budget of them, and answers whether it looked at any and whether
// there are more to look at.
func (l *eventLog) look(h *probe.History, budget int64) (any, more bool) {
	if h.End() == h.First() {
		return false, false
	}
	first, last := h.First()/blockEntries, (h.End()-1)/blockEntries
	for n := range l.blocks {
		if n < first { // forgotten by the journal
			delete(l.blocks, n)
		}
	}
	all := budget
	budget -= l.lookAt(h, last, &l.newest, budget)
	for n := last - 1; n >= first && budget > 0 && !l.filter.empty(); n-- {
		budget -= l.lookAt(h, n, &l.older, budget)
	}
	return budget < all, budget <= 0
}

// lookAt goes on in a block and answers how many entries it read.
func (l *eventLog) lookAt(h *probe.History, number int64, c *probe.Cursor, budget int64) int64 {
	b := l.block(h, number)
	end := min((number+1)*blockEntries, h.End())
	if b.read >= end {
		return 0
	}
	cost := int64(0)
	if c.Seq() != b.read { // the way there from the checkpoint costs as much
		cost = b.read - max(number*blockEntries, h.First())
	}
	c.Seek(h, b.read)
	to := min(end, b.read+max(budget-cost, budget/4, 1))
	cost += to - b.read
	c.Scan(h, to, func(m *probe.Moment, e *probe.Entry) bool {
		if r := l.row(m, e); r != nil {
			b.add(*r)
		}
		return true
	})
	b.read = to
	return cost
}

// row is the row of an entry that matches, until the next call; nil for one
// that does not.
func (l *eventLog) row(m *probe.Moment, e *probe.Entry) *eventRow {
	l.scratch.fill(m, e)
	if !l.filter.holds(&l.scratch) {
		return nil
	}
	l.scratch.keep(m)
	return &l.scratch
}

// add counts a match and keeps its row, among the last ones.
func (b *eventBlock) add(r eventRow) {
	b.count++
	if len(b.rows) == 2*keptRows {
		b.rows = append(make([]eventRow, 0, 2*keptRows), b.rows[keptRows:]...)
		b.from = b.rows[0].seq
	}
	b.rows = append(b.rows, r)
}

// found is how many events match of how many that were looked at.
func (l *eventLog) found(h *probe.History) (matches, looked int64) {
	if l.filter.empty() {
		return h.End() - h.First(), h.End() - h.First()
	}
	for n, b := range l.blocks {
		matches += b.count
		looked += b.read - max(n*blockEntries, h.First())
	}
	return matches, looked
}

// reached is the newest event that was looked at.
func (l *eventLog) reached(h *probe.History) int64 {
	if h.End() == h.First() {
		return h.End() - 1
	}
	return l.block(h, (h.End()-1)/blockEntries).read - 1
}

// before answers the last n matches up to an event, oldest first. Of blocks that
// were not looked at it reads at most so many; complete is false where that was
// too few.
func (l *eventLog) before(h *probe.History, event int64, n, reads int) (rows []eventRow, complete bool) {
	event = min(event, h.End()-1)
	for number := event / blockEntries; event >= h.First() && number >= h.First()/blockEntries && len(rows) < n; number-- {
		from, to := max(number*blockEntries, h.First()), min((number+1)*blockEntries, event+1)
		if l.filter.empty() {
			from = max(from, to-int64(n-len(rows)))
		}
		found, ok := l.between(h, number, from, to, n-len(rows), true, &reads)
		if !ok {
			return rows, false
		}
		rows = append(found, rows...)
	}
	return rows, true
}

// after answers the first n matches after an event, under the same terms.
func (l *eventLog) after(h *probe.History, event int64, n, reads int) (rows []eventRow, complete bool) {
	event = max(event, h.First()-1)
	for number := (event + 1) / blockEntries; number*blockEntries < h.End() && len(rows) < n; number++ {
		from, to := max(number*blockEntries, event+1), min((number+1)*blockEntries, h.End())
		if l.filter.empty() {
			to = min(to, from+int64(n-len(rows)))
		}
		found, ok := l.between(h, number, from, to, n-len(rows), false, &reads)
		if !ok {
			return rows, false
		}
		rows = append(rows, found...)
	}
	return rows, true
}

// between answers at most n matches of a block from one event to before
// another: its last ones, or its first. Where the block does not know them it
// is read, if it may be.
func (l *eventLog) between(h *probe.History, number, from, to int64, n int, last bool, reads *int) ([]eventRow, bool) {
	looked := l.filter.empty()
	b := l.blocks[number]
	if b != nil && *reads == 0 && !looked && (number+1)*blockEntries >= h.End() {
		to = max(min(to, b.read), from) // what goes on is looked at as it comes
	}
	if b != nil && b.read >= to {
		looked = true
		if b.count == 0 {
			return nil, true
		}
		lo := sort.Search(len(b.rows), func(i int) bool { return b.rows[i].seq >= from })
		hi := sort.Search(len(b.rows), func(i int) bool { return b.rows[i].seq >= to })
		if b.from <= from || last && hi-lo >= n {
			rows := b.rows[lo:hi:hi]
			if len(rows) > n && last {
				rows = rows[len(rows)-n:]
			}
			return slices.Clone(rows[:min(n, len(rows))]), true
		}
	}
	if !looked {
		if *reads == 0 {
			return nil, false
		}
		*reads--
	}
	l.hand.Seek(h, from)
	var rows []eventRow
	l.hand.Scan(h, to, func(m *probe.Moment, e *probe.Entry) bool {
		r := l.row(m, e)
		if r == nil {
			return true
		}
		if len(rows) == 2*n { // only the last n are of use
			rows = append(rows[:0], rows[n:]...)
		}
		rows = append(rows, *r)
		return last || len(rows) < n
	})
	if len(rows) > n {
		rows = rows[len(rows)-n:]
	}
	return rows, true
}
