package tui

// pane draws the frame of a pane, or its title row where frames have no room,
// and answers what is inside of it. The pane that has the keys is marked in
// words of shape and weight, too: a sign before its title.
func pane(v view, f *frame, title, right string, framed, focus bool) view {
	if v.empty() {
		return v
	}
	edge, head := border, heading
	if focus {
		edge, head = focused, focused
		title = f.g.focus + title
	}
	g := f.g
	inside := v.sub(0, 1, v.w, v.h-1)
	for x := range v.w {
		v.set(x, 0, g.horizontal, edge)
	}
	if framed {
		inside = v.sub(1, 1, v.w-2, v.h-2)
		for x := range v.w {
			v.set(x, v.h-1, g.horizontal, edge)
		}
		for y := range v.h {
			v.set(0, y, g.vertical, edge)
			v.set(v.w-1, y, g.vertical, edge)
		}
		v.set(0, 0, g.topLeft, edge)
		v.set(v.w-1, 0, g.topRight, edge)
		v.set(0, v.h-1, g.bottomLeft, edge)
		v.set(v.w-1, v.h-1, g.bottomRight, edge)
	}
	row := v.sub(1, 0, v.w-2, 1)
	x := row.put(0, 0, " "+cut(title, row.w-2)+" ", head)
	if right != "" && row.w-x >= textWidth(right)+3 {
		row.right(row.w-1, 0, " "+right+" ", faint)
	}
	return inside
}

// scroll is where a list stands: which row is marked, and which is the first
// that shows. It only ever moves in Update; drawing clamps to the rows there
// are.
type scroll struct {
	cursor int // -1: none
	top    int
}

// move marks another row of n, by a step or to an end.
func (s *scroll) move(a action, n, page int) {
	if n == 0 {
		s.cursor, s.top = -1, 0
		return
	}
	c := min(s.cursor, n-1)
	switch a {
	case moveUp:
		c = max(c-1, 0)
	case moveDown:
		c = min(c+1, n-1)
	case pageUp:
		c = max(c-max(page, 1), 0)
	case pageDown:
		c = min(max(c, 0)+max(page, 1), n-1)
	case toTop:
		c = 0
	case toBottom:
		c = n - 1
	}
	s.cursor = c
	s.top = s.first(n, page)
}

// first is the first of n rows to show where there is room for page rows.
func (s *scroll) first(n, page int) int {
	top := min(max(s.top, 0), max(n-page, 0))
	if s.cursor >= 0 {
		top = max(min(top, s.cursor), s.cursor-page+1)
	}
	return top
}

// drawPosition shows at the right border of a pane which part of n rows is
// seen, if not all.
func drawPosition(v view, f *frame, x, first, n int, s style) {
	if v.h <= 0 || n <= v.h {
		return
	}
	size := max(v.h*v.h/n, 1)
	at := 0
	if n > v.h {
		at = first * (v.h - size) / (n - v.h)
	}
	for y := at; y < at+size; y++ {
		v.set(x, y, f.g.scrolled, s)
	}
}

// column is a column of a table of rows of type R.
type column[R any] struct {
	title string
	width int
	left  bool
	// rank says what gives way first where room is short: the highest.
	rank int
	// grow lets the column take what room is left, up to so many columns more.
	grow int
	// text is what stands in a row, and how; draw draws what is not text.
	text func(f *frame, r R) (string, style)
	draw func(v view, f *frame, r R)
}

// fitColumns picks the columns that fit into w, in their order, and widens
// those that grow.
func fitColumns[R any](all []column[R], w int) []column[R] {
	cols := append([]column[R](nil), all...)
	total := -1
	for _, c := range cols {
		total += c.width + 1
	}
	for total > w && len(cols) > 1 {
		drop := len(cols) - 1
		for i := drop; i > 0; i-- {
			if cols[i].rank > cols[drop].rank {
				drop = i
			}
		}
		total -= cols[drop].width + 1
		cols = append(cols[:drop], cols[drop+1:]...)
	}
	for i := range cols {
		if d := min(cols[i].grow, w-total); d > 0 {
			cols[i].width += d
			total += d
		}
	}
	return cols
}

// drawTitles draws the titles of columns in the first row of v.
func drawTitles[R any](v view, cols []column[R]) {
	x := 0
	for i := range cols {
		c := &cols[i]
		cell := v.sub(x, 0, c.width, 1)
		if c.left {
			cell.put(0, 0, c.title, faint)
		} else {
			cell.right(c.width, 0, c.title, faint)
		}
		x += c.width + 1
	}
}

// drawRow draws a row of a table.
func drawRow[R any](v view, f *frame, cols []column[R], r R) {
	x := 0
	for i := range cols {
		c := &cols[i]
		cell := v.sub(x, 0, c.width, 1)
		if c.draw != nil {
			c.draw(cell, f, r)
		} else {
			text, s := c.text(f, r)
			text = cut(text, c.width)
			if c.left {
				cell.put(0, 0, text, s)
			} else {
				cell.right(c.width, 0, text, s)
			}
		}
		x += c.width + 1
	}
}
