package tui

import tea "charm.land/bubbletea/v2"

// clicker is a screen whose rows can be marked by a click at a cell of its body.
type clicker interface {
	click(x, y int, f *frame, kind layoutKind, w, h int) wish
}

// wheelRows is how many rows a step of the wheel scrolls.
const wheelRows = 3

// clicked takes a click: on the name of a screen it shows that, on a row it
// marks it.
func (m *model) clicked(at tea.Mouse) tea.Cmd {
	if at.Button != tea.MouseLeft || m.over != nil {
		return nil
	}
	m.notice = notice{}
	s := m.shell()
	if s.tabs.has(at.X, at.Y) {
		if id, ok := tabAt(s.tabs.w, at.X-s.tabs.x, m.current); ok {
			return m.goTo(id)
		}
		return nil
	}
	if c, ok := m.screens[m.current].(clicker); ok && s.body.has(at.X, at.Y) {
		cmd := m.grant(c.click(at.X-s.body.x, at.Y-s.body.y, m.frame(), s.kind, s.body.w, s.body.h))
		m.follow()
		return cmd
	}
	return nil
}

// wheeled scrolls what has the keys.
func (m *model) wheeled(at tea.Mouse) tea.Cmd {
	a := moveDown
	switch at.Button {
	case tea.MouseWheelUp:
		a = moveUp
	case tea.MouseWheelDown:
	default:
		return nil
	}
	var cmds []tea.Cmd
	for range wheelRows {
		if m.over != nil {
			s := m.shell()
			area := overlayOf(m.w, m.h, &s)
			cmds = append(cmds, m.heed(m.over.press(a, tea.KeyPressMsg{}, m.frame(), area.w, area.h)))
			continue
		}
		cmd, _ := m.toScreen(a)
		cmds = append(cmds, cmd)
	}
	return tea.Batch(cmds...)
}

func (r rect) has(x, y int) bool { return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h }

// tableRow is which row of a table in r stands at a cell, where first is the
// first that shows; false where none does.
func tableRow(r rect, framed bool, first, n, x, y int) (int, bool) {
	const head = 2 // the title of the pane, those of the columns
	row := first + y - r.y - head
	if !r.has(x, y) || y < r.y+head || y-r.y-head >= tablePage(r, framed) || row >= n {
		return 0, false
	}
	return row, true
}

// tabAt is the screen whose name stands in a column of w.
func tabAt(w, column int, current screenID) (screenID, bool) {
	x := 0
	for id, text := range tabTexts(w, current) {
		end := x + textWidth(text) + 1
		if column >= x && column < end {
			return screenID(id), true
		}
		x = end + tabGap(w)
	}
	return 0, false
}

// beside is the screen after the one that is shown, or before it.
func (m *model) beside(a action) screenID {
	step := 1
	if a == prevPane {
		step = numScreens - 1
	}
	return screenID((int(m.current) + step) % numScreens)
}

func (s *eventsScreen) click(x, y int, f *frame, kind layoutKind, w, h int) wish {
	lay := eventsLayoutOf(kind, w, h, f.past())
	first, _ := s.firstRow(f, lay.page())
	if row, ok := tableRow(lay.list, lay.framed, first, len(s.rows), x, y); ok {
		return wish{goBack: true, event: s.rows[row].seq}
	}
	return wish{}
}

func (s *buffersScreen) click(x, y int, f *frame, kind layoutKind, w, h int) wish {
	all, framed := rect{0, 0, w, h}, kind > layoutCompact
	if row, ok := tableRow(all, framed, s.first(len(s.rows), tablePage(all, framed)), len(s.rows), x, y); ok {
		s.cursor, s.at = row, s.rows[row].Serial
		return wish{tell: f.say("marked: {copy} copies it")}
	}
	return wish{}
}

func (s *sessionsScreen) click(x, y int, f *frame, kind layoutKind, w, h int) wish {
	each, lanes := s.split(kind, h)
	all, framed := rect{0, 0, w, lanes}, kind > layoutCompact
	page := max(tablePage(all, framed)/each, 1)
	line, ok := tableRow(all, framed, 0, page*each, x, y)
	if row := s.first(len(s.rows), page) + line/each; ok && row < len(s.rows) {
		s.cursor, s.marked = row, s.rows[row].index
		s.detail(f)
		return wish{tell: f.say("marked: {hold-session} holds it, {release-session} releases it")}
	}
	return wish{}
}

func (s *compareScreen) click(x, y int, _ *frame, kind layoutKind, w, h int) wish {
	lay := compareLayoutOf(kind, w, h, s.pane)
	if lay.head.has(x, y) && y < 2 {
		return wish{over: newSubjectMenu(s, y)}
	}
	for p, r := range lay.tables {
		sc, n := &s.scrolls[p], s.rows(comparePane(p))
		if row, ok := tableRow(r, lay.framed, sc.first(n, tablePage(r, lay.framed)), n, x, y); ok {
			s.pane, sc.cursor = comparePane(p), row
		}
	}
	return wish{}
}

func (s *tuneScreen) click(x, y int, f *frame, kind layoutKind, w, h int) wish {
	lay := tuneLayoutOf(kind, w, h)
	n := len(s.rows())
	if row, ok := tableRow(lay.table, lay.framed, s.first(n, tablePage(lay.table, lay.framed)), n, x, y); ok {
		s.cursor = row
		return wish{tell: f.say("marked: {left} and {right} make it less and more, {edit} types its value")}
	}
	return wish{}
}

func (l *live) click(x, y int, f *frame, kind layoutKind, w, h int) wish {
	lay := liveLayoutOf(kind, w, h, l.focus)
	if g := lay.graph; g.has(x, y) {
		n := plotWidth(g.w - 2*lay.edge())
		column := x - g.x - lay.edge() - graphLabels
		if n <= 0 || column < 0 || column >= n {
			return wish{}
		}
		if win := l.look.reduce(f.st, n); win.columns[column].known {
			l.focus, l.look.pointed, l.look.cursor = paneGraph, true, win.start(column)
			return wish{tell: f.say("pointed at: {accept} goes back to that moment, {back} drops it")}
		}
		return wish{}
	}
	b, r := &l.buckets, &l.runs
	if row, ok := tableRow(lay.buckets, lay.framed, b.first(len(b.rows), tablePage(lay.buckets, lay.framed)), len(b.rows), x, y); ok {
		l.focus = paneBuckets
		b.markRow(row)
		return wish{tell: f.say("marked: {copy} copies it")}
	}
	page := tablePage(lay.runs, lay.framed)
	first := max(len(r.rows)-page, 0)
	if r.any {
		first = r.first(len(r.rows), page)
	}
	if row, ok := tableRow(lay.runs, lay.framed, first, len(r.rows), x, y); ok {
		l.focus = paneRuns
		r.top = first
		r.markRow(row)
		return wish{tell: f.say("marked: {copy} copies it")}
	}
	return wish{}
}
