package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// diagnosis is the line that says what costs most, and what to do about it. It
// stands for a while on the profile's clock: what changes with every run
// cannot be read.
type diagnosis struct {
	evidence, remedy string
	more             int // other findings
	atUS             int64
	past             bool // it is of a moment that was gone back to: then it is exact
	seen             *engine.State
}

// follow takes in the state to show.
func (d *diagnosis) follow(f *frame) {
	st := f.st
	if d.seen == st {
		return
	}
	if begunAnew(d.seen, st) || d.past || f.past() || st.Status != d.seen.Status || modesOf(st) != modesOf(d.seen) || d.evidence == "" || st.NowUS-d.atUS >= adviseEvery.Microseconds() {
		d.evidence, d.remedy, d.more, d.atUS = "", "", 0, st.NowUS
		if found := engine.Diagnose(st, f.si); len(found) > 0 {
			d.evidence, d.remedy, d.more = f.g.prose(found[0].Evidence), found[0].Remedy, len(found)-1
		}
	}
	d.seen, d.past = st, f.past()
}

// modesOf are the modes in force, by usage: advice to take one of them is no more
// once it was taken.
func modesOf(st *engine.State) (modes [cachemodes.NumCaches]cachemodes.ModeID) {
	for u := range modes {
		modes[u] = st.Config[u].Mode
	}
	return modes
}

// line is the diagnosis in w columns, with how many more findings there are,
// and the key that lists them, where that has room. Where it has not itself, the
// remedy's further sentences go first, then the evidence's further clauses.
func (d *diagnosis) line(keys Keymap, w int) string {
	if d.evidence == "" {
		return ""
	}
	whole := d.whole()
	if all := fmt.Sprintf("%s [%s: %d more]", whole, keys.say("{findings}"), d.more); d.more > 0 && textWidth(all) <= w {
		return all
	}
	short := *d
	for textWidth(short.whole()) > w {
		if i := strings.LastIndex(short.remedy, ". "); i >= 0 {
			short.remedy = short.remedy[:i+1]
			continue
		}
		e := short.evidence
		i := max(strings.LastIndex(e, ", "), strings.LastIndex(e, ": "), strings.LastIndex(e, " ("))
		if i < leastEvidence {
			return whole
		}
		short.evidence = e[:i]
	}
	return short.whole()
}

func (d *diagnosis) whole() string { return "! " + d.evidence + ". " + d.remedy }

// leastEvidence is how much of the evidence is worth a line, in bytes.
const leastEvidence = 16

// findingsView lists everything that the diagnosis found, the dearest first.
type findingsView struct {
	scroll
	found []engine.Finding
}

func newFindings(f *frame) *findingsView {
	return &findingsView{found: engine.Diagnose(f.st, f.si)}
}

func (v *findingsView) scope() scope { return inHelp | inList }

func (v *findingsView) press(a action, _ tea.KeyPressMsg, _ *frame, _, _ int) outcome {
	switch a {
	case back, help:
		return outcome{close: true}
	case findings: // again: the next one
		if n := len(v.found); n > 0 {
			v.cursor = (v.cursor + 1) % n
		}
	case accept:
		if v.cursor < len(v.found) {
			return outcome{close: true, show: placeOf(&v.found[v.cursor])}
		}
		return outcome{close: true}
	case moveUp, moveDown, toTop, toBottom, pageUp, pageDown:
		v.move(a, len(v.found), len(v.found))
		v.cursor = max(v.cursor, 0)
	}
	return outcome{}
}

// placeOf is where a finding can be seen.
func placeOf(d *engine.Finding) *place {
	p := &place{screen: screenBuckets, key: d.Key, run: -1}
	switch d.Rule {
	case engine.RisingFloor:
		p.screen = screenBuffers
	case engine.DriverApart, engine.DriverDrifts:
		p.screen = screenLive
	case engine.SameShape, engine.MadeEachRun, engine.NeverLetsGo:
		p.run = d.Run
	}
	return p
}

// weight is what a finding costs, in a few words.
func weight(f *frame, d *engine.Finding) string {
	if d.Made > 0 {
		return f.bytes(d.Made) + " made a run"
	}
	return f.bytes(d.Held) + " held for nothing"
}

func (v *findingsView) draw(s view, f *frame) {
	const most = 88
	w := s.w
	if framed(s.w, s.h) {
		w = min(most, s.w-4)
	}
	type line struct {
		text  string
		s     style
		about int
	}
	var lines []line
	for i := range v.found {
		d := &v.found[i]
		lines = append(lines, line{fmt.Sprintf("%d %s: %s", i+1, d.Rule, weight(f, d)), strong, i})
		for _, l := range wrap(f.g.prose(d.Evidence)+".", w-2, 4) {
			lines = append(lines, line{"  " + l, plain, i})
		}
		for _, l := range wrap(d.Remedy, w-2, 4) {
			lines = append(lines, line{"  " + l, warning, i})
		}
	}
	if len(lines) == 0 {
		lines = []line{{"nothing costs more than it has to, as far as the rules see", faint, -1}}
	}
	in, edge := dialog(s, f, "Findings, "+units.Count(int64(len(v.found))), f.say("{list-accept} goes there"), w, len(lines))
	// The marked one is seen whole, if it can be.
	first, last := len(lines), 0
	for y, l := range lines {
		if l.about == v.cursor {
			first, last = min(first, y), y
		}
	}
	top := max(min(first, last-in.h+1), 0)
	if last-first >= in.h {
		top = first
	}
	for y := 0; y < in.h && top+y < len(lines); y++ {
		l := lines[top+y]
		in.put(0, y, cut(l.text, in.w), l.s)
		if l.about == v.cursor && l.s == strong {
			in.row(y).mark()
		}
	}
	drawPosition(edge, f, 0, top, len(lines), focused)
}
