package tui

// layoutKind is how much there is room for. Each size degrades to the next;
// none is refused.
type layoutKind uint8

const (
	layoutLine     layoutKind = iota // one row of figures, more of them below if there are rows
	layoutCompact                    // 48x12: graph and one table, stacked
	layoutStandard                   // 80x24: graph above, tables side by side
	layoutFull                       // 120x32: the same with more of everything
)

func kindOf(w, h int) layoutKind {
	switch {
	case w >= fullW && h >= fullH:
		return layoutFull
	case w >= standardW && h >= standardH:
		return layoutStandard
	case w >= compactW && h >= compactH:
		return layoutCompact
	}
	return layoutLine
}

// rect is a part of the screen.
type rect struct{ x, y, w, h int }

func (v view) rect(r rect) view { return v.sub(r.x, r.y, r.w, r.h) }

// shell is what every screen has around it.
type shell struct {
	kind                         layoutKind
	header, banner, body, notice rect
	tabs, hints                  rect
}

// shellOf lays out a terminal: the header, a banner of so many rows where the
// workload stopped, the tabs of the screens, the screen's body, a notice of so
// many rows, the hints, beside which the tabs stand where rows are few. What is
// not the body gives way first.
func shellOf(w, h, banner, notice int) shell {
	s := shell{kind: kindOf(w, h)}
	if s.kind == layoutLine {
		s.header = rect{0, 0, w, min(1, h)}
		y := s.header.h
		s.banner = rect{0, y, w, min(banner, h-y)}
		y += s.banner.h
		// A notice is worth more than the figures below the first row.
		s.notice = rect{0, h - min(notice, h-y), w, min(notice, h-y)}
		s.body = rect{0, y, w, s.notice.y - y}
		return s
	}
	least := 1 // the row of notices is always there, so that nothing moves when one comes
	hints := 1
	if s.kind == layoutCompact {
		least = 0
		if notice > 0 {
			hints = 0
		}
	}
	notice = max(notice, least)
	y := 0
	take := func(n int) rect {
		r := rect{0, y, w, n}
		y += n
		return r
	}
	s.header = take(headerLines(s.kind))
	s.banner = take(banner)
	if s.kind > layoutCompact {
		s.tabs = take(1)
	}
	s.body = take(h - y - notice - hints)
	s.notice = take(notice)
	s.hints = take(hints)
	if s.kind == layoutCompact {
		s.tabs = s.hints
		s.tabs.w = min(w/2, tabsWidth)
		s.hints.x, s.hints.w = s.tabs.w, w-s.tabs.w
	}
	return s
}

// overlayOf is where an overlay lies: it leaves the header to be read where
// there is room for that.
func overlayOf(w, h int, s *shell) rect {
	if s.kind == layoutLine {
		return rect{0, 0, w, h}
	}
	return rect{0, s.header.h, w, h - s.header.h - s.hints.h}
}

// liveLayout is how the Live screen divides its body. A pane without room has
// no rows.
type liveLayout struct {
	graph, buckets, runs, whatIf rect
	framed                       bool // panes have borders, not a title row alone
}

// edge is how many columns a pane's border takes on each side.
func (l *liveLayout) edge() int {
	if l.framed {
		return 1
	}
	return 0
}

// whatIfRows is the least that is worth showing beside another table: a frame,
// titles and some modes.
const whatIfRows = 7

// liveLayoutOf divides a body of w by h. Where only one table has room it is
// the focused one.
func liveLayoutOf(kind layoutKind, w, h int, focus paneID) liveLayout {
	var l liveLayout
	switch kind {
	case layoutLine:
		return l
	case layoutCompact:
		// Rows of title and content: graph 1+3, a table 1+1+rows.
		graph := max(4, h*4/10)
		if h < graph+4 {
			graph = 0 // below a banner a table says more
		}
		l.graph = rect{0, 0, w, graph}
		rest := h - graph
		buckets, runs := rect{0, graph, w, rest}, rect{0, graph, w, rest}
		switch {
		case rest >= 14:
			buckets.h = rest / 2
			runs.y, runs.h = graph+buckets.h, rest-buckets.h
		case focus == paneRuns:
			buckets = rect{}
		case focus == paneWhatIf:
			l.whatIf, buckets, runs = buckets, rect{}, rect{}
		default:
			runs = rect{}
		}
		l.buckets, l.runs = buckets, runs
	default:
		graph := h / 2
		if kind == layoutFull {
			graph = h * 45 / 100
		}
		left := w * 56 / 100
		l.framed = true
		l.graph = rect{0, 0, w, graph}
		l.buckets = rect{0, graph, left, h - graph}
		l.runs = rect{left, graph, w - left, h - graph}
		// Where one table has room beside the buckets it is what the others would
		// do, unless the log of runs has the keys.
		switch right := l.runs; {
		case right.h >= 2*whatIfRows:
			l.whatIf, l.runs = right, right
			l.whatIf.h = right.h / 2
			l.runs.y, l.runs.h = right.y+l.whatIf.h, right.h-l.whatIf.h
		case focus != paneRuns:
			l.whatIf, l.runs = right, rect{}
		}
	}
	return l
}
