package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/internal/units"
)

// paletteMenu is every action of the screens by what it does, with its key.
type paletteMenu struct {
	typed  string
	cursor int // among those that what was typed leaves
}

func newPalette() *paletteMenu { return &paletteMenu{} }

func (p *paletteMenu) scope() scope { return inMenus }

// shown are the bindings of the screens with every typed word in their text, and
// off those of them that are of no use now.
func (p *paletteMenu) shown(f *frame) (out, off []binding) {
	words := strings.Fields(strings.ToLower(p.typed))
	for _, b := range f.keymap() {
		if b.scope&onScreens == 0 || b.action == openPalette {
			continue
		}
		text := strings.ToLower(b.group + " " + b.long + " " + b.short)
		has := true
		for _, w := range words {
			has = has && strings.Contains(text, w)
		}
		switch {
		case !has:
		case f.off(b.action) != "":
			off = append(off, b)
		default:
			out = append(out, b)
		}
	}
	return out, off
}

func (p *paletteMenu) press(a action, key tea.KeyPressMsg, f *frame, _, h int) outcome {
	shown, _ := p.shown(f)
	switch a {
	case back:
		if p.typed != "" {
			p.typed, p.cursor = "", 0
			return outcome{}
		}
		return outcome{close: true}
	case accept:
		if p.cursor < len(shown) {
			return outcome{close: true, act: shown[p.cursor].action}
		}
	case moveUp, moveDown, pageUp, pageDown:
		s := scroll{cursor: p.cursor}
		s.move(a, len(shown), max(h-3, 1))
		p.cursor = max(s.cursor, 0)
	case noAction:
		if typed := typeInto(p.typed, key); typed != p.typed {
			p.typed, p.cursor = typed, 0
		}
	}
	return outcome{}
}

// typeInto is a line of text after a key.
func typeInto(text string, key tea.KeyPressMsg) string {
	switch {
	case key.Code == tea.KeyBackspace:
		r := []rune(text)
		return string(r[:max(len(r)-1, 0)])
	case key.String() == "ctrl+u":
		return ""
	}
	return text + key.Text
}

var paletteColumns = []column[binding]{
	{title: "key", width: 9, left: true, text: func(_ *frame, b binding) (string, style) { return b.shown, keycap }},
	{title: "group", width: 8, left: true, rank: 1, text: func(_ *frame, b binding) (string, style) { return b.group, faint }},
	{title: "action", width: 12, left: true, grow: 90, text: func(_ *frame, b binding) (string, style) { return b.long, plain }},
}

func (p *paletteMenu) draw(v view, f *frame) {
	shown, off := p.shown(f)
	in, edge := dialog(v, f, "Palette", f.say("{menu-accept} does it, {back} leaves"), 100, len(f.keymap())+1)
	x := in.put(in.put(0, 0, ": ", label), 0, p.typed+"_", keycap)
	if n := len(off); n > 0 {
		if text := units.Plural(n, "action") + " off: " + f.noEngine(); x+textWidth(text) < in.w {
			in.right(in.w, 0, text, warning)
		}
	}
	if len(shown) == 0 {
		why := "nothing, because no action has these words"
		if len(off) > 0 {
			why = f.off(off[0].action)
		}
		drawEmpty(in.sub(0, 1, in.w, in.h-1), why)
		return
	}
	list := below(in, 1, x)
	cols := fitColumns(paletteColumns, list.w)
	s := scroll{cursor: min(p.cursor, len(shown)-1)}
	first := s.first(len(shown), list.h)
	for y := 0; y < list.h && first+y < len(shown); y++ {
		drawRow(list.row(y), f, cols, shown[first+y])
		if first+y == s.cursor {
			list.row(y).mark()
		}
	}
	drawPosition(edge, f, 0, first, len(shown), focused)
}
