package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// sessionsScreen has a lane for each session: what it does and holds, its runs
// over time, and which sessions got what it had. Below, where there is room, is
// what one of them holds, by size, and its last runs.
type sessionsScreen struct {
	scroll
	zoom   int
	filter filter[sessionRow]
	marked int // index of the session with the mark, which stays with it when the filter lets others through
	rows   []sessionRow
	moment probe.Cursor
	held   []holding // of the detailed one
	seen   *engine.State
}

func newSessionsScreen() *sessionsScreen {
	return &sessionsScreen{scroll: scroll{cursor: -1}, zoom: defaultZoom}
}

// sessionRow is a session at the shown moment.
type sessionRow struct {
	engine.Session
	index int
	loans []probe.Loan // to others
}

func (s *sessionsScreen) follow(f *frame) {
	if begunAnew(s.seen, f.st) {
		s.scroll, s.moment = scroll{cursor: -1}, probe.Cursor{}
	}
	any := s.cursor >= 0
	s.cursor = -1
	s.seen = f.st
	s.rows = s.rows[:0]
	loans := f.st.Loans // by lender
	for i, x := range f.st.Sessions {
		n := 0
		for n < len(loans) && int(loans[n].From) == i {
			n++
		}
		r := sessionRow{Session: x, index: i, loans: loans[:n]}
		loans = loans[n:]
		if !s.filter.holds(&r) {
			continue
		}
		if any && i == s.marked {
			s.cursor = len(s.rows)
		}
		s.rows = append(s.rows, r)
	}
	s.detail(f)
}

// setFilter puts a filter in force.
func (s *sessionsScreen) setFilter(f *frame, text string) error {
	parsed, err := sessionLanguage.parse(text)
	if err != nil {
		return err
	}
	s.filter = parsed
	s.follow(f)
	return nil
}

// detail lists what the detailed session holds.
func (s *sessionsScreen) detail(f *frame) {
	s.held = s.held[:0]
	if h := &f.st.History; len(s.rows) > 0 && h.End() > h.First() {
		s.held = holdingsOf(s.moment.Seek(h, f.st.Seq).Buffers, int32(s.detailed().index), s.held)
	}
}

func (s *sessionsScreen) work(*frame) (changed, more bool) { return false, false }

func (s *sessionsScreen) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	switch a {
	case moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		each, lanes := s.split(kind, h)
		s.move(a, len(s.rows), max(tablePage(rect{0, 0, w, lanes}, kind > layoutCompact)/each, 1))
		if s.cursor >= 0 {
			s.marked = s.rows[s.cursor].index
		}
		s.detail(f)
	case zoomIn:
		s.zoom = max(s.zoom-1, 0)
	case zoomOut:
		s.zoom = min(s.zoom+1, len(zooms)-1)
	case zoomReset:
		s.zoom = defaultZoom
	case startSession:
		return true, wish{beside: true}
	case holdSession, releaseSession:
		if s.cursor < 0 {
			s.cursor = s.only()
		}
		if s.cursor >= 0 {
			s.marked = s.rows[s.cursor].index
		} else {
			return true, wish{tell: f.say("no session is marked: {down} marks one")}
		}
		// What can be done is for what goes on now, whichever moment is shown.
		lane := s.rows[s.cursor].Lane
		now := f.latest.Sessions
		if i := s.rows[s.cursor].index; i >= len(now) || now[i].Books.Life == probe.Gone {
			return true, wish{tell: fmt.Sprintf("session %d is released already", s.rows[s.cursor].index)}
		}
		if a == releaseSession {
			return true, wish{release: &lane}
		}
		return true, wish{hold: &sessionHold{lane, !now[s.rows[s.cursor].index].Stopped}}
	case filterList:
		return true, wish{edit: &filterEdit{about: "sessions", text: s.filter.text, set: s.setFilter, words: sessionLanguage.help()}}
	case copyRow:
		if s.cursor < 0 {
			return true, wish{tell: f.say("no session is marked: {down} marks one, {copy} copies it")}
		}
		r := &s.rows[s.cursor]
		return true, wish{copy: r.copyText(), tell: fmt.Sprintf("session %d is copied", r.index)}
	case back:
		switch {
		case s.cursor >= 0:
			s.scroll = scroll{cursor: -1}
		case !s.filter.empty():
			s.filter = filter[sessionRow]{}
			s.follow(f)
		default:
			return false, wish{}
		}
		s.detail(f)
	default:
		return false, wish{}
	}
	return true, wish{}
}

// only is the row of the one session that is not released, -1 where there are
// several or none.
func (s *sessionsScreen) only() int {
	only := -1
	for i := range s.rows {
		if s.rows[i].Books.Life == probe.Gone {
			continue
		}
		if only >= 0 {
			return -1
		}
		only = i
	}
	return only
}

// height is how many rows a session takes: its figures, and where there is room
// its runs over time, and what it holds with who got what it had.
func (s *sessionsScreen) height(kind layoutKind, h int) int {
	room := h - 3
	switch n := max(len(s.rows), 1); {
	case kind <= layoutCompact:
		return 1
	case n*4+detailRows <= room || n*4 <= room && n*3+detailRows > room: // an empty row is worth less than the detail
		return 4
	case n*3 <= room:
		return 3
	case n*2 <= room:
		return 2
	}
	return 1
}

// sessionNumber is a figure of a session that a filter may ask for.
func sessionNumber(name string, bytes bool, of func(*probe.Session) int64) property[sessionRow] {
	return property[sessionRow]{name: name, bytes: bytes, number: func(r *sessionRow) (int64, bool) { return of(&r.Books), true }}
}

// sessionLanguage is what a filter may ask of a session.
var sessionLanguage = language[sessionRow]{
	properties: []property[sessionRow]{
		{name: "session", number: func(r *sessionRow) (int64, bool) { return int64(r.index), true }},
		{name: "does", words: []string{"running", "idle", "held", "loading", "released", "to_come"}, is: func(r *sessionRow, w string) bool { return r.does() == w }},
		sessionNumber("held", true, (*probe.Session).Held),
		sessionNumber("use", true, func(b *probe.Session) int64 { return b.InUse }),
		sessionNumber("kept", true, func(b *probe.Session) int64 { return b.Pending + b.Cached }),
		sessionNumber("runs", false, func(b *probe.Session) int64 { return b.Runs }),
		sessionNumber("new", false, func(b *probe.Session) int64 { return b.Creates }),
		sessionNumber("lent", false, func(b *probe.Session) int64 { return b.Lent }),
		sessionNumber("got", false, func(b *probe.Session) int64 { return b.Borrowed }),
		sessionNumber("waits", false, func(b *probe.Session) int64 { return b.Waits }),
		sessionNumber("hazards", false, func(b *probe.Session) int64 { return b.Hazards }),
	},
	has: func(r *sessionRow, word string) bool {
		return strings.Contains(r.does(), word) || strings.Contains(strings.ToLower(r.Model), word) || strings.Contains(strings.ToLower(r.Workload), word)
	},
}

// does is what a session does, as filters spell it.
func (r *sessionRow) does() string {
	switch {
	case r.Books.Life == probe.Gone:
		return "released"
	case r.Running:
		return "running"
	case r.Stopped:
		return "held"
	case r.Books.Life == probe.Loading:
		return "loading"
	case r.Books.Life == probe.Unborn:
		return "to_come"
	}
	return "idle"
}

// activity is what a session does, in a word with its sign.
func (r *sessionRow) activity(f *frame) (string, style) {
	switch r.does() {
	case "released":
		return f.g.none + " released", faint
	case "running":
		return f.g.live + " " + phase(&r.Run), badgeLive
	case "held":
		return f.g.paused + " held", badgePaused
	case "loading":
		return f.g.more + " loading", plain
	case "to_come":
		return f.g.none + " to come", faint
	}
	return f.g.room0() + " idle", plain
}

// room0 is the sign of what has room and nothing in it.
func (g *glyphs) room0() string { return string(g.room) }

func sessionCount(of func(*probe.Session) int64) func(*frame, *sessionRow) (string, style) {
	return func(_ *frame, r *sessionRow) (string, style) { return units.Count(of(&r.Books)), plain }
}

func sessionSize(of func(*probe.Session) int64) func(*frame, *sessionRow) (string, style) {
	return func(f *frame, r *sessionRow) (string, style) { return f.size(of(&r.Books)), plain }
}

var sessionColumns = []column[*sessionRow]{
	{title: "ses", width: 3, text: func(_ *frame, r *sessionRow) (string, style) { return strconv.Itoa(r.index), strong }},
	{title: "does", width: 10, left: true, text: func(f *frame, r *sessionRow) (string, style) { return r.activity(f) }},
	{title: "model", width: 12, left: true, rank: 3, grow: 12, text: func(_ *frame, r *sessionRow) (string, style) { return r.Model, plain }},
	{title: "held", width: 7, text: sessionSize((*probe.Session).Held)},
	{title: "in use", width: 7, rank: 6, text: sessionSize(func(b *probe.Session) int64 { return b.InUse })},
	{title: "kept", width: 7, rank: 2, text: sessionSize(func(b *probe.Session) int64 { return b.Pending + b.Cached })},
	{title: "peak", width: 7, rank: 8, text: sessionSize(func(b *probe.Session) int64 { return b.PeakHeld })},
	{title: "runs", width: 5, rank: 4, text: sessionCount(func(b *probe.Session) int64 { return b.Runs })},
	{title: "new", width: 5, rank: 7, text: sessionCount(func(b *probe.Session) int64 { return b.Creates })},
	{title: "lent", width: 5, rank: 1, text: sessionCount(func(b *probe.Session) int64 { return b.Lent })},
	{title: "got", width: 5, rank: 1, text: sessionCount(func(b *probe.Session) int64 { return b.Borrowed })},
	{title: "waits", width: 6, rank: 5, text: sessionCount(func(b *probe.Session) int64 { return b.Waits })},
	{title: "waited", width: 7, rank: 5, text: func(f *frame, r *sessionRow) (string, style) {
		if r.Books.Waits == 0 {
			return f.g.none, faint
		}
		return duration(float64(r.Books.WaitUS)), plain
	}},
	{title: "replays", width: 7, rank: 9, text: sessionCount(func(b *probe.Session) int64 { return b.Replays })},
	{title: "hazards", width: 7, rank: 9, text: func(f *frame, r *sessionRow) (string, style) {
		if r.Books.Hazards == 0 {
			return f.g.none, faint
		}
		return "!" + units.Count(r.Books.Hazards), failure
	}},
	{title: "workload", width: 12, left: true, rank: 10, grow: 20, text: func(_ *frame, r *sessionRow) (string, style) { return r.Workload, faint }},
}

// title says who shares what, in so many words as w columns have room for.
func (s *sessionsScreen) title(f *frame, w int) string {
	scope := "Sessions, scope " + f.st.Sharing.Scope.String()
	before, after := "", ""
	if f.st.Hazards > 0 {
		before = "! hazards: " + units.Count(f.st.Hazards) + ". "
	}
	scope += s.filter.suffix()
	if x := f.st.Sessions; len(x) > 0 && !slices.ContainsFunc(x, func(x engine.Session) bool { return x.Books.Life != probe.Gone }) {
		if held := f.st.Total.Held(); held > 0 {
			return before + scope + ": all are released, " + f.bytes(held) + " stay in its cache"
		}
		return before + scope + ": all are released, nothing is held"
	}
	if f.st.Capture {
		after = "; runs are captured"
	}
	if long := before + scope + ": " + f.st.Sharing.Scope.Explain() + after; s.filter.empty() && textWidth(long) <= w {
		return long
	}
	return before + scope + after
}

func (s *sessionsScreen) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	framed := kind > layoutCompact
	right, room := "", v.w-titleEdges
	if framed {
		right = f.say("{start-session} start, {hold-session} hold, {release-session} release")
		room -= textWidth(right) + titleGap
	}
	each, lanes := s.split(kind, v.h)
	if lanes < v.h {
		s.drawDetail(v.sub(0, lanes, v.w, v.h-lanes), f)
		v = v.sub(0, 0, v.w, lanes)
	}
	in := pane(v, f, s.title(f, room), right, framed, true)
	if in.empty() {
		return
	}
	if len(s.rows) == 0 {
		drawEmpty(in, s.emptyText(f))
		return
	}
	arrows := 0
	if kind > layoutCompact {
		arrows = min(arrowsWidth, in.w/8)
	}
	body := in.sub(0, 1, in.w, in.h-1)
	table := in.sub(0, 0, in.w-arrows, in.h)
	cols := fitColumns(sessionColumns, table.w)
	drawTitles(table.row(0), cols)
	page := max(body.h/each, 1)
	first := s.first(len(s.rows), page)
	shown := s.rows[first:min(first+page, len(s.rows))]
	for i := range shown {
		r := &shown[i]
		lane := body.sub(0, i*each, body.w-arrows, each)
		drawRow(lane.row(0), f, cols, r)
		if each > 1 {
			s.drawRuns(lane.sub(4, 1, lane.w-5, 1), f, r)
		}
		if each > 2 {
			drawSessionBar(lane.sub(4, 2, lane.w-5, 1), f, r)
		}
		if first+i == s.cursor {
			lane.row(0).mark()
		}
	}
	if arrows > 0 {
		drawLoans(body.sub(body.w-arrows+1, 0, arrows-1, min(len(shown)*each, body.h)), f, shown, each)
	}
	if framed {
		drawPosition(v.sub(0, 2, v.w, body.h), f, v.w-1, first*each, len(s.rows)*each, focused)
	}
}

// emptyText says why there are no sessions.
func (s *sessionsScreen) emptyText(f *frame) string {
	if !s.filter.empty() && len(f.st.Sessions) > 0 {
		return f.say("nothing, because no session is as the filter wants it; {back} drops it")
	}
	return "nothing, because no session was loaded yet"
}

// drawRuns draws the runs of a session over time, the shown moment at the right:
// a column is filled as far as a run of its was going on in it.
func (s *sessionsScreen) drawRuns(v view, f *frame, r *sessionRow) {
	if v.empty() {
		return
	}
	window := zooms[s.zoom].Microseconds()
	now := f.st.NowUS
	if window == 0 {
		window = max(now, 1)
	}
	column := max(window/int64(v.w), 1)
	busy := make([]int64, v.w)
	add := func(from, to int64) {
		for at := max(from, now-column*int64(v.w)); at < to; {
			i := v.w - 1 - int((now-at-1)/column)
			if now-at <= 0 {
				return
			}
			end := min(to, now-column*int64(v.w-1-i))
			if end <= at {
				end = at + 1
			}
			busy[max(i, 0)] += end - at
			at = end
		}
	}
	for i := range f.st.Runs {
		if run := &f.st.Runs[i]; int(run.Session) == r.index {
			add(run.StartUS, max(run.EndUS, run.StartUS+1))
		}
	}
	if r.Running {
		busy[v.w-1] = max(busy[v.w-1], 1)
	}
	full := []rune(f.g.kept)
	for x, us := range busy {
		if us == 0 {
			v.set(x, 0, f.g.room, faint)
			continue
		}
		v.set(x, 0, full[min(int(us*int64(len(full))/column), len(full)-1)], barKept)
	}
}

// drawSessionBar draws what a session holds as parts of what all hold: weights,
// in use, and kept of what it released; and who got what it had.
func drawSessionBar(v view, f *frame, r *sessionRow) {
	total := f.st.Total.Held()
	x := 0
	if total > 0 {
		room := int64(v.w / 3)
		for _, p := range []struct {
			bytes int64
			r     rune
			s     style
		}{
			{r.Books.Weights, '=', faint}, {r.Books.InUse, '#', barKept}, {r.Books.Pending + r.Books.Cached, '+', switchMark},
		} {
			n := int(p.bytes * room / total)
			if p.bytes > 0 && n == 0 {
				n = 1
			}
			for range n {
				v.set(x, 0, p.r, p.s)
				x++
			}
		}
	}
	x = max(x, v.w/3) + 1
	for i, l := range busiest(r.loans) {
		to := strconv.Itoa(int(l.To))
		if l.To == probe.Others {
			to = "others"
		}
		more := fmt.Sprintf("%s%s %s (%s)", f.g.arrow, to, units.Count(l.Count), f.size(l.Bytes))
		if i == 0 {
			more = "lent " + more
		}
		if textWidth(more)+2 > v.w-x {
			x = v.put(x, 0, f.g.more, plain) + 1
			break
		}
		x = v.put(x, 0, more, plain) + 1
	}
	const legend = "= weights  # in use  + kept"
	if textWidth(legend) < v.w-x {
		v.right(v.w-1, 0, legend, faint)
	}
}

// What pane has around a title: the corners, blanks and the sign of focus, and
// what it wants between the title and a text at the right.
const (
	titleEdges = 5
	titleGap   = 3
)

// arrowsWidth is the room for arrows between lanes: an arrow takes two columns.
const arrowsWidth = 12

// drawLoans draws an arrow for each pair of the shown sessions between which
// buffers went, the busiest pairs nearest to the lanes; a session's own line is
// every each-th.
func drawLoans(v view, f *frame, rows []sessionRow, each int) {
	var loans []probe.Loan
	at := map[int32]int{}
	for i := range rows {
		at[int32(rows[i].index)] = i
		loans = append(loans, rows[i].loans...)
	}
	loans = busiest(slices.DeleteFunc(loans, func(l probe.Loan) bool { _, ok := at[l.To]; return !ok }))
	blank := func(x, y int) bool { return v.at(x, y) != nil && v.at(x, y).r == ' ' }
	for i, l := range loans {
		x := 2 + 2*i
		if x >= v.w {
			return
		}
		from, to := at[l.From]*each, at[l.To]*each
		for c := range x {
			if blank(c, from) {
				v.set(c, from, f.g.horizontal, faint)
			}
			if blank(c, to) {
				v.set(c, to, f.g.horizontal, faint)
			}
		}
		v.put(0, to, f.g.back, lineHeld)
		top, bottom := min(from, to), max(from, to)
		for y := top + 1; y < bottom; y++ {
			v.set(x, y, f.g.vertical, faint)
		}
		v.set(x, top, f.g.topRight, faint)
		v.set(x, bottom, f.g.bottomRight, faint)
	}
}

// busiest are loans, the most buffers first, those to all others last.
func busiest(loans []probe.Loan) []probe.Loan {
	return slices.SortedStableFunc(slices.Values(loans), func(a, b probe.Loan) int {
		if x, y := a.To == probe.Others, b.To == probe.Others; x != y {
			return cmp.Compare(b.To, a.To) // it is below every index
		}
		return cmp.Compare(b.Count, a.Count)
	})
}

// copyText is the session as a line of text, columns apart by tabs, bytes exact.
func (r *sessionRow) copyText() string {
	b := &r.Books
	return fmt.Sprintf("session %d\t%s\t%s\t%s\t%d runs\t%d bytes held\t%d in use\t%d kept\t%d weights\tlent %d buffers (%d bytes)\tgot %d (%d bytes)\twaited %d times, %d us",
		r.index, r.Model, r.Workload, b.Life, b.Runs, b.Held(), b.InUse, b.Pending+b.Cached, b.Weights,
		b.Lent, b.LentBytes, b.Borrowed, b.BorrowedBytes, b.Waits, b.WaitUS)
}
