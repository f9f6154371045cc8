package tui

import (
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// filterLine is where a filter is typed, below the list that it filters, which
// follows with every key. What cannot be meant is named, and the last filter
// that could stays in force.
type filterLine struct {
	edit   *filterEdit
	text   string
	before string // in force when the line was opened
	err    error
}

func newFilterLine(e *filterEdit) *filterLine {
	text := e.text
	if text != "" {
		text += " "
	}
	return &filterLine{edit: e, text: text, before: e.text}
}

func (l *filterLine) scope() scope { return inLine }

func (l *filterLine) press(a action, key tea.KeyPressMsg, f *frame, _, _ int) outcome {
	switch {
	case a == back:
		l.err = l.edit.set(f, l.before)
		return outcome{close: true}
	case a == accept:
		return outcome{close: l.err == nil}
	case a != noAction:
		return outcome{}
	}
	l.text = typeInto(l.text, key)
	l.err = l.edit.set(f, l.text)
	return outcome{}
}

func (l *filterLine) draw(v view, _ *frame) {
	lines := []string{l.edit.words}
	s := faint
	if l.err != nil {
		lines, s = wrap("! "+l.err.Error(), max(v.w-2, 1), 3), warning
	}
	n := min(1+len(lines), v.h)
	box := v.sub(0, v.h-n, v.w, n)
	box.blank()
	x := box.put(min(1, max(v.w-1, 0)), 0, "filter "+l.edit.about+" ", label)
	var bad *filterError
	errors.As(l.err, &bad)
	// The end of a long filter is where one types.
	text := []rune(l.text)
	if room := v.w - x - 2; room > 0 && len(text) > room {
		text = text[len(text)-room:]
	}
	for i, word := range strings.Split(string(text), " ") {
		if i > 0 {
			x = box.put(x, 0, " ", plain)
		}
		style := keycap
		if bad != nil && word == bad.word {
			style = warning
		}
		x = box.put(x, 0, word, style)
	}
	box.put(x, 0, "_", keycap)
	drawLines(box.sub(0, 1, v.w, n-1), lines, s)
}
