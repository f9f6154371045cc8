package tui

import (
	"strconv"

	tea "charm.land/bubbletea/v2"
)

// helpView lists every key, and what the signs mean.
type helpView struct{ top int }

func (h *helpView) scope() scope { return inHelp }

func (h *helpView) press(a action, _ tea.KeyPressMsg, f *frame, width, height int) outcome {
	page := height
	if framed(width, height) {
		page -= 2
	}
	most := max(len(h.lines(f, h.width(width, height)))-page, 0)
	switch a {
	case back, help:
		return outcome{close: true}
	case moveUp:
		h.top--
	case moveDown:
		h.top++
	case pageUp:
		h.top -= page
	case pageDown:
		h.top += page
	case toTop:
		h.top = 0
	case toBottom:
		h.top = most
	}
	h.top = min(max(h.top, 0), most)
	return outcome{}
}

// width is how wide lines may be where the overlay lies over w by h.
func (h *helpView) width(width, height int) int {
	const most = 88
	if !framed(width, height) {
		return width
	}
	return min(most, width-4)
}

// signs explains what is drawn.
func signs(g *glyphs) [][2]string {
	return [][2]string{
		{"held", "in use + pending + cached: what the policy costs; peak and average are of it"},
		{"padding", "what keys add to what was asked for, of buffers in use, and its share"},
		{"floor", "the most that was ever asked for at once: no policy with a buffer per request holds less"},
		{"hit", "requests served from the cache, last " + strconv.Itoa(recentRuns) + " runs; " + g.up + " " + g.down + " against the runs before"},
		{"creates", "buffers made in the last run; mean of the last " + strconv.Itoa(recentRuns)},
		{"driver", "what the driver says is held, and the difference to held"},
		{lastRune(g.kept) + string(g.room), "free buffers wanted of what the cap allows"},
		{lastRune(g.kept) + string(g.lost), "more wanted than the cap allows; ! the rest is created again and again"},
		{string([]rune{g.born, ' ', g.dropped, ' ', g.bornDropped}), "in the map of keys: the size became a key in that run, was one no more, both"},
		{string([]rune(g.levels)[2]) + " " + lastRune(g.levels), "in the map, above: what was wanted of the cap; of a key without one, of its most. Below: bytes made, each step twice as many"},
		{string(g.lost), "in the map: more wanted than the cap, or no key at all"},
		{"why", "the main reason why buffers of that size were created, since a mode was last changed"},
		{g.uncapped + " " + g.none, "no cap; no key of the mode in force"},
		{g.arrow + " ~ !", "in the log of runs: the mode was switched, keys were renewed, a create failed"},
	}
}

func lastRune(s string) string {
	r := []rune(s)
	return string(r[len(r)-1])
}

// lines are the rows of help at a width.
func (h *helpView) lines(f *frame, w int) []helpLine {
	var out []helpLine
	entry := func(head, text string, s style, indent int) {
		for i, l := range wrap(text, max(w-indent, 8), 4) {
			if i > 0 {
				head = ""
			}
			out = append(out, helpLine{head, l, s, indent})
		}
	}
	for i, g := range f.keymap().groups() {
		if i > 0 {
			out = append(out, helpLine{})
		}
		out = append(out, helpLine{head: g.name, style: heading})
		for _, b := range g.bindings {
			entry(b.shown, b.long, keycap, 12)
		}
	}
	out = append(out, helpLine{}, helpLine{head: "Signs", style: heading})
	for _, s := range signs(f.g) {
		entry(s[0], s[1], strong, 12)
	}
	return out
}

type helpLine struct {
	head, text string
	style      style
	indent     int
}

func (h *helpView) draw(v view, f *frame) {
	w := h.width(v.w, v.h)
	lines := h.lines(f, w)
	in, edge := dialog(v, f, "Help", f.say("{back} leaves"), w, len(lines))
	first := min(h.top, max(len(lines)-in.h, 0))
	for y := 0; y < in.h && first+y < len(lines); y++ {
		l := lines[first+y]
		in.put(0, y, l.head, l.style)
		if l.text != "" {
			in.put(l.indent, y, l.text, plain)
		}
	}
	drawPosition(edge, f, 0, first, len(lines), focused)
}
