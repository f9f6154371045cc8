package tui

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// inputLine is a line of text that is typed, below what it is about. Enter
// hands it on, unless it cannot be meant: then it says why.
type inputLine struct {
	about string
	text  string
	words string // help
	err   error
	// check tells what is wrong with the text as it stands; nil: nothing ever.
	check func(text string) error
	done  func(m *model, text string) tea.Cmd
}

func (l *inputLine) scope() scope { return inLine }

func (l *inputLine) press(a action, key tea.KeyPressMsg, _ *frame, _, _ int) outcome {
	switch {
	case a == back:
		return outcome{close: true}
	case a == accept:
		if text := strings.TrimSpace(l.text); l.err == nil && text != "" {
			return outcome{close: true, do: func(m *model) tea.Cmd { return l.done(m, text) }}
		}
		return outcome{}
	case a != noAction:
		return outcome{}
	}
	if text := typeInto(l.text, key); utf8.RuneCountInString(text) <= max(maxInput, utf8.RuneCountInString(l.text)) {
		l.text = text
	}
	l.err = nil
	if l.check != nil && strings.TrimSpace(l.text) != "" {
		l.err = l.check(strings.TrimSpace(l.text))
	}
	return outcome{}
}

func (l *inputLine) draw(v view, _ *frame) {
	lines, s := []string{l.words}, faint
	if l.err != nil {
		lines, s = wrap("! "+l.err.Error(), max(v.w-2, 1), 3), warning
	}
	n := min(1+len(lines), v.h)
	box := v.sub(0, v.h-n, v.w, n)
	box.blank()
	x := box.put(min(1, max(v.w-1, 0)), 0, l.about+" ", label)
	text := []rune(l.text)
	if room := v.w - x - 2; room > 0 && len(text) > room { // the end is where one types
		text = text[len(text)-room:]
	}
	x = box.put(x, 0, string(text), keycap)
	box.put(x, 0, "_", keycap)
	drawLines(box.sub(0, 1, v.w, n-1), lines, s)
}
