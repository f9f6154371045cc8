package tui

import (
	"fmt"
	"slices"
	"sort"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// eventsScreen is the log of everything that happened. It follows the newest
// until an event is marked: then every pane shows the moment after that event.
// So the mark is the moment that is shown, and nothing of its own.
type eventsScreen struct {
	log  eventLog
	rows []eventRow // around the marked event, or the newest ones
	// rows are those of the events from lo to before hi that match.
	lo, hi int64
	// whole is that no block was in the way that was not looked at yet.
	whole bool
	seen  *engine.State
}

func newEventsScreen() *eventsScreen {
	s := &eventsScreen{}
	s.log.filterBy(filter[eventRow]{})
	return s
}

// follow takes in what is shown.
func (s *eventsScreen) follow(f *frame) {
	if begunAnew(s.seen, f.now) { // its events are numbered from 0 again
		s.log.filterBy(s.log.filter)
		s.rows, s.lo, s.hi = nil, 0, 0
	}
	s.seen = f.now
	s.fetch(f)
}

// work looks at some more events.
func (s *eventsScreen) work(f *frame) (changed, more bool) {
	budget := int64(entriesPerTick)
	if f.latest.Status != engine.Running {
		budget = entriesIdle
	}
	changed, more = s.log.look(&f.now.History, budget)
	if changed {
		s.fetch(f)
	}
	return changed, more
}

// fetch makes the rows that the list needs.
func (s *eventsScreen) fetch(f *frame) {
	h := &f.now.History
	if !f.past() {
		at := s.log.reached(h)
		s.rows, _ = s.log.before(h, at, windowRows, 0) // what is not known yet comes with the next ticks
		s.lo, s.hi = 0, at+1
		return
	}
	if begunAnew(f.st, f.now) {
		s.rows = nil
		return
	}
	at := f.at()
	i := s.row(at)
	if s.whole && i >= 0 && s.lo <= at && at < s.hi && (i >= windowLeft || s.lo <= h.First()) && (len(s.rows)-i > windowLeft || s.hi == h.End()) {
		return
	}
	before, wholeBefore := s.log.before(h, at, windowRows, 0)
	s.lo = h.First()
	if len(before) == windowRows {
		s.lo = before[0].seq
	}
	after, wholeAfter := s.log.after(h, at, windowRows, 0)
	s.hi = h.End()
	if len(after) == windowRows {
		s.hi = after[len(after)-1].seq + 1
	}
	s.rows, s.whole = slices.Concat(before, after), wholeBefore && wholeAfter
}

// row is the index of an event's row, or of the last one before it; -1 where
// there is none.
func (s *eventsScreen) row(event int64) int {
	return sort.Search(len(s.rows), func(i int) bool { return s.rows[i].seq > event }) - 1
}

// neighbour is the next event that the filter lets through, in a direction.
func (s *eventsScreen) neighbour(f *frame, event int64, direction int) (int64, bool) {
	h := &f.now.History
	var rows []eventRow
	if direction < 0 {
		rows, _ = s.log.before(h, event-1, 1, searchBlocks)
	} else {
		rows, _ = s.log.after(h, event, 1, searchBlocks)
	}
	if len(rows) == 0 {
		return 0, false
	}
	return rows[0].seq, true
}

func (s *eventsScreen) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	switch a {
	case moveUp, moveDown, pageUp, pageDown, toTop:
		return true, s.move(a, f, eventsLayoutOf(kind, w, h, f.past()).page())
	case toBottom:
		return true, wish{now: true}
	case filterList:
		return true, wish{edit: &filterEdit{about: "events", text: s.log.filter.text, set: s.setFilter, words: eventLanguage.help()}}
	case copyRow:
		if i := s.row(f.at()); f.past() && i >= 0 && s.rows[i].seq == f.at() {
			return true, wish{copy: s.rows[i].copyText(f), tell: fmt.Sprintf("event %d is copied", f.at())}
		}
		return true, wish{tell: f.say("no event is marked: {up} marks one, {copy} copies it")}
	case back:
		if !s.log.filter.empty() {
			_ = s.setFilter(f, "")
			return true, wish{}
		}
	}
	return false, wish{}
}

// move marks another event: every pane goes there.
func (s *eventsScreen) move(a action, f *frame, page int) wish {
	if len(s.rows) == 0 {
		return wish{tell: s.emptyText(f)}
	}
	if a == toTop {
		rows, _ := s.log.after(&f.now.History, f.now.History.First()-1, 1, searchBlocks)
		if len(rows) == 0 {
			return wish{tell: "the first events are still being looked through"}
		}
		return wish{goBack: true, event: rows[0].seq}
	}
	i := s.row(f.at())
	if !f.past() {
		i = len(s.rows) - 1
		if a == moveDown || a == pageDown { // there is nothing below the newest
			return wish{}
		}
		if a == moveUp { // the first step marks the newest
			i++
		}
	}
	switch a {
	case moveUp:
		if i >= 0 && i < len(s.rows) && s.rows[i].seq < f.at() { // the mark was between two rows
			i++
		}
		i--
	case moveDown:
		i++
	case pageUp:
		i -= page
	case pageDown:
		i += page
	}
	return wish{goBack: true, event: s.rows[min(max(i, 0), len(s.rows)-1)].seq}
}

// setFilter puts a filter in force.
func (s *eventsScreen) setFilter(f *frame, text string) error {
	parsed, err := eventLanguage.parse(text)
	if err != nil {
		return err
	}
	if parsed.text != s.log.filter.text {
		s.log.filterBy(parsed)
		s.rows, s.lo, s.hi = nil, 0, 0
		s.follow(f)
	}
	return nil
}

// eventsLayout divides the body: the list and, where there is room and an event
// is marked, what there is to say of it.
type eventsLayout struct {
	list, detail rect
	framed       bool
}

func eventsLayoutOf(kind layoutKind, w, h int, marked bool) eventsLayout {
	l := eventsLayout{list: rect{0, 0, w, h}, framed: kind > layoutCompact}
	const rows = 5
	if marked && l.framed && h >= 3*rows {
		l.list.h, l.detail = h-rows, rect{0, h - rows, w, rows}
	}
	return l
}

func (l eventsLayout) page() int { return tablePage(l.list, l.framed) }

func (s *eventsScreen) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	lay := eventsLayoutOf(kind, v.w, v.h, f.past())
	box := v.rect(lay.list)
	in := pane(box, f, s.title(f), s.right(f), lay.framed, true)
	if in.empty() {
		return
	}
	if len(s.rows) == 0 {
		drawEmpty(in, s.emptyText(f))
	} else {
		s.drawRows(in, f, box, lay.framed)
	}
	if d := v.rect(lay.detail); !d.empty() {
		s.drawDetail(pane(d, f, fmt.Sprintf("Event %d", f.at()), f.say("{copy} copies it, {now} shows what goes on"), true, false), f)
	}
}

// firstRow is the first of the rows that show where there is room for page of
// them, and the marked one, -1 for none.
func (s *eventsScreen) firstRow(f *frame, page int) (first, cursor int) {
	first, cursor = len(s.rows)-page, -1
	if f.past() {
		i := s.row(f.at())
		if i >= 0 && s.rows[i].seq == f.at() {
			cursor = i
		}
		first = i - page/2
	}
	return min(max(first, 0), max(len(s.rows)-page, 0)), cursor
}

// drawRows draws the list.
func (s *eventsScreen) drawRows(in view, f *frame, box view, framed bool) {
	cols := fitColumns(eventColumns, in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	first, cursor := s.firstRow(f, body.h)
	for y := 0; y < body.h && first+y < len(s.rows); y++ {
		drawRow(body.row(y), f, cols, &s.rows[first+y])
		if first+y == cursor {
			body.row(y).mark()
		}
	}
	if framed && first < len(s.rows) {
		h := &f.now.History
		drawPosition(box.sub(0, 2, box.w, body.h), f, box.w-1, int(s.rows[first].seq-h.First()), int(h.End()-h.First()), focused)
	}
}

// title says what is listed.
func (s *eventsScreen) title(f *frame) string {
	h := &f.now.History
	found, looked := s.log.found(h)
	if s.log.filter.empty() {
		return "Events, " + units.Count(found)
	}
	title := "Events, " + units.Count(found) + " of " + units.Count(looked) + ": " + s.log.filter.text
	if all := h.End() - h.First(); looked < all {
		title = "Events, " + units.Count(found) + " in the last " + units.Count(looked) + f.g.more + ": " + s.log.filter.text
	}
	return title
}

// right says how far back the log reaches, or how to follow again.
func (s *eventsScreen) right(f *frame) string {
	if f.past() {
		return f.say("{bottom} follows")
	}
	h := &f.now.History
	if h.End() == h.First() {
		return ""
	}
	return fmt.Sprintf("back to event %d, %s ago", h.First(), agoText(f, h.FirstUS()))
}

// emptyText says why there is nothing in the list.
func (s *eventsScreen) emptyText(f *frame) string {
	h := &f.now.History
	switch {
	case h.End() == h.First():
		return "nothing yet, because nothing has happened"
	case begunAnew(f.st, f.now):
		return f.say("nothing, because the workload began anew after this moment: {now} shows what goes on")
	}
	if _, looked := s.log.found(h); looked < h.End()-h.First() {
		return "nothing yet: older events are still being looked through"
	}
	return f.say("nothing, because no event that is kept matches; {back} drops the filter")
}

// drawDetail says exactly what the marked event was.
func (s *eventsScreen) drawDetail(v view, f *frame) {
	i := s.row(f.at())
	if i < 0 || s.rows[i].seq != f.at() {
		drawLines(v, wrap(f.say("the filter does not let this event through; {back} drops it, {previous-event} and {next-event} go to those that match"), max(v.w-2, 1), v.h), faint)
		return
	}
	drawLines(v, wrap(s.rows[i].sentence(f), max(v.w-2, 1), v.h), plain)
}

// sentence is all that there is to say of an event, bytes exact.
func (r *eventRow) sentence(f *frame) string {
	text := fmt.Sprintf("%.6f s, ", float64(r.atUS)/1e6)
	switch {
	case r.what == probe.Happened && r.kind == cachemodes.Fail:
		text += fmt.Sprintf("run %d: out of memory: the device refused a %s buffer of %d bytes, %d asked", r.run, r.usage, r.size, r.requested)
		if r.session >= 0 {
			text += fmt.Sprintf(", session %d", r.session)
		}
		if r.hasMode() {
			text += ", under " + r.mode.String()
		}
	case r.what == probe.Happened && r.sized():
		text += fmt.Sprintf("run %d: %s of %d bytes", r.run, r.typeWord(), r.size)
		if r.serial > 0 {
			text += fmt.Sprintf(", %s buffer %d", r.usage, r.serial)
		} else {
			text += ", " + r.usage.String()
		}
		if r.requested > 0 {
			text += fmt.Sprintf(", %d asked", r.requested)
			if d := r.size - r.requested; d > 0 {
				text += fmt.Sprintf(" and %d of padding", d)
			}
		}
		if r.session >= 0 {
			text += fmt.Sprintf(", session %d", r.session)
		}
		if r.hasMode() {
			text += ", under " + r.mode.String()
		}
		if r.hasReason() {
			text += ", because " + r.why.Explain()
		}
	case r.what == probe.DriverRead && r.read.OK:
		text += fmt.Sprintf("run %d: the driver says %d bytes", r.run, r.read.Bytes)
	default:
		story, _ := r.story(f)
		text += fmt.Sprintf("run %d: %s", r.run, r.typeWord())
		if r.session >= 0 {
			text += fmt.Sprintf(" of session %d", r.session)
		}
		if story != "" {
			text += ": " + story
		}
	}
	return text + "."
}
