package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// WhatIf is what other modes would do with the requests that are played: all of
// it is simulated. It does not change.
type WhatIf struct {
	Rows []WhatIfRow
	// Followed and Skipped count repetitions of the workload that were, and were
	// not, played in memory too; Behind tells that the one going on is not.
	Followed, Skipped int64
	Behind            bool
	// Lost tells that it can only go on when the workload begins anew.
	Lost bool
	// Prices says which adapter latency is predicted for; empty for none, and
	// NoPrices then tells why.
	Prices, NoPrices string
	// Scale is what the last runs took on the device, as a multiple of what was
	// predicted for them; 0 where none was measured.
	Scale float64
	// BestKeys is what the best BestOf keys reserve for storage, 0 where that is
	// not known yet.
	BestKeys int64
	BestOf   int
	// Plan is what an offline plan of everything holds, 0 where none is known.
	Plan int64
}

// WhatIfRow is a mode, a variant of the one in force, or an allocator that can
// only be simulated. Sizes are bytes.
type WhatIfRow struct {
	Name          string
	Setting       cachemodes.Setting // of storage
	Variant       bool
	SimulatedOnly bool
	Peak, Average int64
	NewPerRun     float64
	RunUS         float64 // predicted, in microseconds; negative for none
	Runs          int64   // that were played
	Current       bool    // it drives the device; the screen's own to say
}

// whatIfPane is the list of them; enter makes one the real one.
type whatIfPane struct {
	scroll
	at     string // id of the marked row
	any    bool
	rows   []WhatIfRow
	filter filter[WhatIfRow]
	// there tells that there is such a pane: not for a past moment, which it
	// says nothing of.
	there bool
}

// id names a row while others come and go.
func (r *WhatIfRow) id() string {
	if r.Variant {
		return "~" + r.Name
	}
	return r.Name
}

// follow takes in what there is to show.
func (p *whatIfPane) follow(f *frame) {
	p.rows, p.there = nil, f.whatIf != nil && !f.past()
	if p.there {
		p.rows = slices.DeleteFunc(whatIfOrder(f), func(r WhatIfRow) bool { return !p.filter.holds(&r) })
	}
	p.cursor = -1
	if p.any {
		for i := range p.rows {
			if p.rows[i].id() == p.at {
				p.cursor = i
			}
		}
		p.any = p.cursor >= 0
	}
}

// whatIfOrder puts what drives the device first, with its variants. What is
// simulated may be behind: then it has no variants yet.
func whatIfOrder(f *frame) []WhatIfRow {
	mode := f.latest.Config[cachemodes.Storage].Mode
	var first, variants, others []WhatIfRow
	for _, r := range f.whatIf.Rows {
		r.Current = !r.Variant && !r.SimulatedOnly && r.Setting.Mode == mode
		switch {
		case r.Current:
			first = append(first, r)
		case !r.Variant:
			others = append(others, r)
		case r.Setting.Mode == mode:
			variants = append(variants, r)
		}
	}
	return slices.Concat(first, variants, others)
}

// press moves the mark.
func (p *whatIfPane) press(a action, page int) {
	p.move(a, len(p.rows), page)
	if p.any = p.cursor >= 0; p.any {
		p.at = p.rows[p.cursor].id()
	}
}

// drop takes the mark away; false where there is none.
func (p *whatIfPane) drop() bool {
	had := p.any
	p.any, p.scroll = false, scroll{cursor: -1}
	return had
}

// accept makes the marked row the real one.
func (p *whatIfPane) accept(f *frame) wish {
	if !p.any || p.cursor < 0 || p.cursor >= len(p.rows) {
		return wish{tell: f.say("no row is marked: {down} marks one, {accept} makes it the real one")}
	}
	r := p.rows[p.cursor]
	switch {
	case r.SimulatedOnly:
		return wish{tell: r.Name + " is simulated only: it places several requests in one buffer, which WebGPU cannot bind"}
	case r.Current:
		return wish{tell: r.Name + " is what drives the device"}
	case f.off(chooseMode) != "":
		return wish{tell: f.off(chooseMode)}
	}
	return wish{do: func(m *model) tea.Cmd {
		if r.Variant {
			m.engine.SetParams(cachemodes.Storage, r.Setting.Params, r.Name)
		} else {
			m.engine.SetMode(cachemodes.Storage, r.Setting.Mode)
		}
		m.tell("from now on %s drives the device", r.what(f))
		return m.commanded()
	}}
}

// what names a row for people.
func (r *WhatIfRow) what(f *frame) string {
	if r.Variant {
		return f.latest.Config[cachemodes.Storage].Mode.String() + ", " + r.Name + ","
	}
	return r.Name
}

// whatIfColumns are the columns of the list.
var whatIfColumns = []column[WhatIfRow]{
	{title: "mode", width: 9, left: true, grow: 9, text: func(_ *frame, r WhatIfRow) (string, style) {
		switch {
		case r.Current:
			return r.Name + "*", strong
		case r.Variant:
			return " " + r.Name, plain
		case r.SimulatedOnly:
			return r.Name, faint
		}
		return r.Name, plain
	}},
	{title: "peak", width: shortWidth, rank: 1, text: func(f *frame, r WhatIfRow) (string, style) {
		return known(f, r, short(f, r.Peak)), lineHeld
	}},
	{title: "avg", width: shortWidth, rank: 3, text: func(f *frame, r WhatIfRow) (string, style) {
		return known(f, r, short(f, r.Average)), plain
	}},
	{title: "new/r", width: 5, rank: 2, text: func(f *frame, r WhatIfRow) (string, style) {
		n := strconv.FormatFloat(r.NewPerRun, 'f', 1, 64)
		if r.NewPerRun >= 100 || r.NewPerRun == 0 {
			n = units.Count(int64(r.NewPerRun + 0.5))
		}
		return known(f, r, n), plain
	}},
	{title: predictedTitle, width: 6, rank: 4, text: func(f *frame, r WhatIfRow) (string, style) {
		if r.RunUS < 0 {
			return f.g.none, faint
		}
		return known(f, r, duration(f.whatIf.scaled(r.RunUS))), plain
	}},
}

// scaled is what a run should take on the device of which the calibration says us
// microseconds, by what runs took there.
func (w *WhatIf) scaled(us float64) float64 {
	if w.Scale > 0 {
		return us * w.Scale
	}
	return us
}

// short is a size with the prefix of its unit alone, so that every column fits
// into half of 80.
func short(f *frame, n int64) string {
	return strings.TrimSuffix(strings.TrimSuffix(f.bytes(n), "B"), "i")
}

// shortWidth is the most characters of it: "1023M".
const shortWidth = units.BytesWidth - len("iB")

// predictedTitle is the title of the predicted latency of a run.
const predictedTitle = "~run"

// known is a figure of a row that has played a run.
func known(f *frame, r WhatIfRow, text string) string {
	if r.Runs == 0 && !r.SimulatedOnly {
		return f.g.none
	}
	return text
}

// columns leave the predicted latency out where there is none.
func (p *whatIfPane) columns(f *frame) []column[WhatIfRow] {
	if f.whatIf.Prices == "" {
		return whatIfColumns[:len(whatIfColumns)-1]
	}
	return whatIfColumns
}

// whatIfTitle always says that this is no measurement.
const whatIfTitle = "What if (simulated)"

func (p *whatIfPane) draw(v view, f *frame, framed, focus bool) {
	if !p.there {
		return
	}
	title := whatIfTitle
	if !p.filter.empty() {
		title += ": " + p.filter.text
	}
	in := pane(v, f, title, p.aside(f), framed, focus)
	if in.empty() {
		return
	}
	if why := p.nothing(f); why != "" {
		drawEmpty(in, why)
		return
	}
	cols := fitColumns(p.columns(f), in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	// The last row of a tall pane is for the yardstick and for what is missing.
	note := p.note(f)
	if body.h < len(p.rows)+1 && body.h < whatIfNoteFrom {
		note = ""
	}
	if note != "" {
		body.row(body.h-1).put(0, 0, cut(note, body.w), faint)
		body = body.sub(0, 0, body.w, body.h-1)
	}
	first := p.first(len(p.rows), body.h)
	for y := 0; y < body.h && first+y < len(p.rows); y++ {
		row := body.row(y)
		drawRow(row, f, cols, p.rows[first+y])
		if first+y == p.cursor && focus {
			row.mark()
		}
	}
	if framed {
		drawPosition(v.sub(0, 2, v.w, body.h), f, v.w-1, first, len(p.rows), heading)
	}
}

// whatIfNoteFrom is how many rows make a pane tall.
const whatIfNoteFrom = 10

// aside says at the top of the pane how much of the workload it has seen.
func (p *whatIfPane) aside(f *frame) string {
	w := f.whatIf
	switch all := w.Followed + w.Skipped; {
	case w.Skipped > 0:
		return fmt.Sprintf("%s of %s passes", units.Count(w.Followed), units.Count(all))
	case w.Behind:
		return "behind"
	}
	return ""
}

// note is what latency was scaled by, the yardstick, and why there is no latency.
func (p *whatIfPane) note(f *frame) string {
	w := f.whatIf
	var parts []string
	if w.Prices != "" && w.Scale > 0 {
		parts = append(parts, predictedTitle+" scaled by "+units.Rate(w.Scale))
	}
	if w.BestKeys > 0 {
		parts = append(parts, fmt.Sprintf("best %d keys reserve %s of storage", w.BestOf, f.bytes(w.BestKeys)))
	}
	if w.Prices == "" && w.NoPrices != "" {
		parts = append(parts, "no "+predictedTitle+": "+w.NoPrices)
	}
	return strings.Join(parts, "; ")
}

// copyText is the row as a line of text, columns apart by tabs, bytes exact.
func (r *WhatIfRow) copyText(f *frame) string {
	fields := []string{strings.TrimSuffix(r.what(f), ","), "simulated"}
	if r.Runs > 0 || r.SimulatedOnly {
		fields = append(fields, fmt.Sprintf("peak %d", r.Peak), fmt.Sprintf("average %d", r.Average), fmt.Sprintf("%.2f new/run", r.NewPerRun))
		if f.whatIf.Prices != "" && r.RunUS >= 0 {
			fields = append(fields, fmt.Sprintf("%.0f us/run predicted", f.whatIf.scaled(r.RunUS)))
		}
	}
	return strings.Join(fields, "\t")
}

// nothing says why there is nothing to show; empty where there is.
func (p *whatIfPane) nothing(f *frame) string {
	switch w := f.whatIf; {
	case slices.ContainsFunc(f.st.Sessions, func(s engine.Session) bool { return s.Lane > 0 }):
		return "nothing: what if follows one workload, and others were started beside it"
	case w.Lost:
		return "nothing, because it could not keep up while the models were loaded"
	case len(w.Rows) == 0:
		return "nothing yet, because no request was played"
	case len(p.rows) == 0:
		return f.say("nothing, because no mode is as the filter wants it; {back} drops it")
	}
	return ""
}

// seeWhatIf takes the latest that other modes would do, unless the display is
// frozen, and answers whether it changed.
func (m *model) seeWhatIf() bool {
	if m.askWhatIf == nil || m.held != nil {
		return false
	}
	w := m.askWhatIf()
	if w == m.whatIf {
		return false
	}
	m.whatIf = w
	return true
}
