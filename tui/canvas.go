package tui

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// canvas is a screenful of cells. Panes draw on views of it, so that nothing
// can be wider or higher than the terminal whatever they draw.
type canvas struct {
	w, h  int
	cells []cell
	ascii bool
	out   bytes.Buffer
}

// cell is one column of one row. A rune of two columns stands in the left of
// its cells; the right one is covered.
type cell struct {
	r rune
	s style
}

// covered is the rune of a cell that the wide rune to its left stands in.
const covered rune = -1

// reset makes the canvas blank and w by h cells large.
func (c *canvas) reset(w, h int, ascii bool) {
	c.w, c.h, c.ascii = w, h, ascii
	if cap(c.cells) < w*h {
		c.cells = make([]cell, w*h)
	}
	c.cells = c.cells[:w*h]
	for i := range c.cells {
		c.cells[i] = cell{' ', plain}
	}
}

// all is a view of the whole canvas.
func (c *canvas) all() view { return view{c: c, w: c.w, h: c.h} }

// text is the canvas with the theme's escape sequences, rows separated by
// newlines, without blanks at the ends of rows.
func (c *canvas) text(th *theme) string {
	out := &c.out
	out.Reset()
	for y := range c.h {
		if y > 0 {
			out.WriteByte('\n')
		}
		row := c.cells[y*c.w : (y+1)*c.w]
		for len(row) > 0 && row[len(row)-1] == (cell{' ', plain}) {
			row = row[:len(row)-1]
		}
		now := plain
		for _, x := range row {
			if x.r == covered {
				continue
			}
			if x.s != now {
				if now != plain {
					out.WriteString(resetStyle)
				}
				out.WriteString(th.sgr[x.s])
				now = x.s
			}
			if x.r < utf8.RuneSelf {
				out.WriteByte(byte(x.r))
			} else {
				out.WriteRune(x.r)
			}
		}
		if now != plain {
			out.WriteString(resetStyle)
		}
	}
	return out.String()
}

// view is a rectangle of a canvas with coordinates of its own; what is drawn
// outside of it is cut off.
type view struct {
	c          *canvas
	x, y, w, h int
}

// sub is the part of v at (x, y), at most w by h.
func (v view) sub(x, y, w, h int) view {
	x0, y0 := min(max(x, 0), v.w), min(max(y, 0), v.h)
	return view{v.c, v.x + x0, v.y + y0, max(min(x+w, v.w)-x0, 0), max(min(y+h, v.h)-y0, 0)}
}

// row is the row y of v.
func (v view) row(y int) view { return v.sub(0, y, v.w, 1) }

func (v view) empty() bool { return v.w <= 0 || v.h <= 0 }

// at is the cell at (x, y), or nil outside of v.
func (v view) at(x, y int) *cell {
	if x < 0 || y < 0 || x >= v.w || y >= v.h {
		return nil
	}
	return &v.c.cells[(v.y+y)*v.c.w+v.x+x]
}

// set draws a rune of one column.
func (v view) set(x, y int, r rune, s style) {
	p := v.at(x, y)
	if p == nil {
		return
	}
	if v.c.ascii && r >= utf8.RuneSelf {
		r = foldASCII(r)
	}
	// Half of a wide rune is none: its other half becomes blank.
	if p.r == covered {
		v.c.cells[(v.y+y)*v.c.w+v.x+x-1].r = ' '
	}
	if v.x+x+1 < v.c.w {
		if next := &v.c.cells[(v.y+y)*v.c.w+v.x+x+1]; next.r == covered {
			next.r = ' '
		}
	}
	*p = cell{r, s}
}

// put draws text from (x, y) to the right and answers the column after it.
// Runes that would move the terminal's cursor are shown as '?': labels come
// from files.
func (v view) put(x, y int, text string, s style) int {
	for _, r := range text {
		if r < utf8.RuneSelf {
			if r < ' ' || r == 0x7f {
				r = '?'
			}
			v.set(x, y, r, s)
			x++
			continue
		}
		switch runeWidth(r) {
		case 0:
			continue
		case 1:
			v.set(x, y, r, s)
			x++
		default:
			if v.c.ascii || v.at(x, y) == nil || v.at(x+1, y) == nil {
				v.set(x, y, '?', s)
				v.set(x+1, y, '?', s)
			} else {
				v.set(x, y, r, s)
				v.set(x+1, y, ' ', s)
				v.at(x+1, y).r = covered
			}
			x += 2
		}
	}
	return x
}

// right draws text so that it ends before column x.
func (v view) right(x, y int, text string, s style) { v.put(x-textWidth(text), y, text, s) }

// blank takes away whatever is drawn in v.
func (v view) blank() {
	for y := range v.h {
		for x := range v.w {
			v.set(x, y, ' ', plain)
		}
	}
}

// mark shows all of v as selected, whatever is drawn there.
func (v view) mark() {
	for y := range v.h {
		for x := range v.w {
			v.at(x, y).s = selected
		}
	}
}

// runeWidth is how many columns a rune beyond ASCII takes; 0 for those that
// take none and those that steer the terminal.
func runeWidth(r rune) int {
	switch {
	case r < 0xa0: // C1 controls
		return 0
	case r < 0x300, 0x2190 <= r && r < 0x2300, 0x2500 <= r && r < 0x2600:
		return 1 // Latin, arrows and mathematics, box drawing and blocks
	}
	return ansi.StringWidth(string(r))
}

// textWidth is how many columns put takes for text.
func textWidth(text string) int {
	n := 0
	for _, r := range text {
		if r < utf8.RuneSelf {
			n++
		} else {
			n += runeWidth(r)
		}
	}
	return n
}

// cut is text in at most w columns, with an ellipsis where something is
// missing.
func cut(text string, w int) string {
	if len(text) <= w || textWidth(text) <= w {
		return text
	}
	if w <= 0 {
		return ""
	}
	n := 0
	for i, r := range text {
		d := 1
		if r >= utf8.RuneSelf {
			d = runeWidth(r)
		}
		if n+d > w-1 {
			return text[:i] + "…"
		}
		n += d
	}
	return text
}

// wrap breaks text at blanks into lines of at most w columns, and into at most
// n lines: the last one is cut. A word that has no room in a line of its own, such
// as a path, begins where it stands.
func wrap(text string, w, n int) []string {
	var lines []string
	for len(lines) < n && text != "" {
		if textWidth(text) <= w || len(lines) == n-1 {
			return append(lines, cut(text, w))
		}
		at, width, blank := len(text), 0, -1
		for i, r := range text {
			d := 1
			if r >= utf8.RuneSelf {
				d = runeWidth(r)
			}
			if width+d > w {
				at = i
				break
			}
			if r == ' ' {
				blank = i
			}
			width += d
		}
		switch {
		case at < len(text) && text[at] == ' ': // the line is full at a blank
			lines, text = append(lines, text[:at]), text[at+1:]
		case blank > 0 && textWidth(firstWord(text[blank+1:])) <= w:
			lines, text = append(lines, text[:blank]), text[blank+1:]
		case at == 0: // not even one rune fits
			return lines
		default:
			lines, text = append(lines, text[:at]), text[at:]
		}
	}
	return lines
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
