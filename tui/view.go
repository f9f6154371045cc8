package tui

import (
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"bucketscope/internal/device"
	"bucketscope/internal/engine"
)

// tell shows a notice for a while.
func (m *model) tell(format string, args ...any) {
	m.notice = notice{text: fmt.Sprintf(format, args...), until: m.now().Add(noticeFor)}
}

// View is the picture. Where nothing changed it is the last one, which costs
// nothing to make and nothing to send.
func (m *model) View() tea.View {
	if m.stale {
		m.draw()
		m.text = m.canvas.text(m.theme)
		m.stale = false
	}
	v := tea.NewView(m.text)
	v.AltScreen = true
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	return v
}

// maxBanner and maxNotice are the most rows that an error takes; a diagnosis
// takes no more than a notice.
const (
	maxBanner = 4
	maxNotice = 4
)

// What to do when the workload stopped; the second where its device is lost, on
// which nothing can begin.
const (
	remedy     = "{pause} begins anew, {mode} chooses another mode, {workload} another workload"
	remedyLost = "{snapshot} writes what was played to a file, {quit} quits"
)

// lost reports whether the workload stopped because its device is lost.
func lost(st *engine.State) bool { return errors.As(st.Err, new(*device.LostError)) }

// banner is what there is to say of a workload that stopped.
func (m *model) banner() []string {
	st := m.shown()
	if st.Status != engine.Failed || st.Err == nil {
		return nil
	}
	w, what := max(m.w-2, 1), remedy
	if lost(st) {
		what = remedyLost
	}
	return append(wrap(m.glyphs.stopped+" "+st.Err.Error(), w, maxBanner), wrap(m.keys.say(what), w, 1)...)
}

// note is the line for notices: what is being done, what happened, else the
// diagnosis.
func (m *model) note() (lines []string, s style) {
	w := max(m.w-2, 1)
	switch {
	case m.doing() != "":
		return wrap(m.doing(), w, 1), strong
	case m.notice.bad:
		return wrap(m.notice.text, w, maxNotice), failure
	case m.notice.text != "":
		return wrap(m.notice.text, w, 2), strong
	}
	switch kind := kindOf(m.w, m.h); {
	case m.advice.evidence == "", kind == layoutCompact: // there the hints are worth more
		return nil, plain
	case kind > layoutCompact:
		return wrap(m.advice.line(m.keys, w), w, 1), warning
	case m.h > compactH: // narrow, with rows to spare
		return wrap(m.advice.whole(), w, maxNotice), warning
	}
	return nil, plain
}

// shell lays out the terminal as it is now.
func (m *model) shell() shell {
	note, _ := m.note()
	return shellOf(m.w, m.h, len(m.banner()), len(note))
}

// draw draws everything.
func (m *model) draw() {
	m.canvas.reset(m.w, m.h, m.glyphs == &asciiGlyphs)
	f := m.frame()
	all := m.canvas.all()
	note, noteStyle := m.note()
	banner := m.banner()
	s := shellOf(m.w, m.h, len(banner), len(note))
	drawHeader(all.rect(s.header), f, s.kind)
	drawLines(all.rect(s.banner), banner, failure)
	drawTabs(all.rect(s.tabs), f, m.current)
	m.screens[m.current].draw(all.rect(s.body), f, s.kind)
	drawLines(all.rect(s.notice), note, noteStyle)
	where := onScreens
	if m.over != nil {
		where = m.over.scope()
	}
	drawHints(all.rect(s.hints), f, where, m.current)
	if m.over != nil {
		m.over.draw(all.rect(overlayOf(m.w, m.h, &s)), f)
	}
}

// drawLines draws lines of text, indented where there is room.
func drawLines(v view, lines []string, s style) {
	for y, l := range lines {
		v.put(min(1, max(v.w-textWidth(l), 0)), y, l, s)
	}
}

// drawHints shows the keys that are worth knowing first: as many as fit, and
// help and quit always.
func drawHints(v view, f *frame, where scope, current screenID) {
	var fields []field
	keys := f.keymap()
	for i := range keys {
		b := &keys[i]
		if b.scope&where == 0 || b.short == "" || len(b.keys) == 0 || b.action == back && where == onScreens {
			continue
		}
		if f.off(b.action) != "" {
			continue
		}
		if b.action == nextPane && !hasPanes(current) {
			continue
		}
		if b.action == nowAgain && !f.past() && !f.frozen {
			continue
		}
		rank := i + 1
		switch b.action {
		case help, quit, accept, back:
			rank = 0
		}
		fields = append(fields, field{label: keys.key(i), value: hint(b, f), rank: rank})
	}
	x := 1
	for _, d := range fitFields(fields, v.w-x) {
		x = v.put(x, 0, d.label, keycap) + 1
		x = v.put(x, 0, d.value, faint) + fieldGap
	}
}

// hint is what a key does now, in a word.
func hint(b *binding, f *frame) string {
	switch {
	case b.action == freeze && f.frozen:
		return "show live"
	case b.action == pause && f.latest.Status == engine.Paused:
		return "go on"
	case b.action == pause && f.latest.Status == engine.Failed:
		return "begin anew"
	}
	return b.short
}
