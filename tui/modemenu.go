package tui

import (
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// modeMenu chooses the mode of a usage.
type modeMenu struct {
	usage  cachemodes.Usage
	cursor cachemodes.ModeID
	typed  string // beginning of a mode's name
	modes  []cachemodes.Mode
	config cachemodes.Config
}

func newModeMenu(cfg cachemodes.Config) *modeMenu {
	return &modeMenu{modes: cachemodes.Modes(), config: cfg, cursor: cfg[cachemodes.Storage].Mode}
}

func (m *modeMenu) scope() scope { return inMenus | inTabs }

func (m *modeMenu) press(a action, key tea.KeyPressMsg, _ *frame, _, _ int) outcome {
	switch a {
	case back:
		return outcome{close: true}
	case accept:
		return outcome{close: true, setMode: &modeChoice{m.usage, m.cursor}}
	case moveUp, moveDown, pageUp, pageDown:
		m.move(a)
	case nextTab, prevTab:
		step := 1
		if a == prevTab {
			step = cachemodes.NumCaches - 1
		}
		m.usage = cachemodes.Usage((int(m.usage) + step) % cachemodes.NumCaches)
		m.cursor, m.typed = m.config[m.usage].Mode, ""
	default:
		m.typeText(key)
	}
	return outcome{}
}

func (m *modeMenu) move(a action) {
	s := scroll{cursor: int(m.cursor)}
	s.move(a, len(m.modes), len(m.modes))
	m.cursor, m.typed = cachemodes.ModeID(s.cursor), ""
}

// typeText moves to the mode with that number, or whose name goes on as typed;
// what cannot go on begins anew.
func (m *modeMenu) typeText(key tea.KeyPressMsg) {
	if key.Code == tea.KeyBackspace {
		m.typed = ""
		return
	}
	if n, err := strconv.Atoi(key.Text); err == nil && n >= 1 && n <= len(m.modes) {
		m.cursor, m.typed = m.modes[n-1].ID, ""
		return
	}
	for _, typed := range []string{m.typed + key.Text, key.Text} {
		for _, mode := range m.modes {
			if typed != "" && strings.HasPrefix(strings.ToLower(mode.Name), strings.ToLower(typed)) {
				m.cursor, m.typed = mode.ID, typed
				return
			}
		}
	}
}

// modeRow is a mode with what the log of runs says of it.
type modeRow struct {
	cachemodes.Mode
	inForce bool
	runs    int64
	peak    int64
	creates float64 // per run
}

// modeRows are the modes with their figures so far: of the runs in the log
// that were played under one mode of storage from their start to their end.
func modeRows(modes []cachemodes.Mode, usage cachemodes.Usage, st *engine.State) []modeRow {
	rows := make([]modeRow, len(modes))
	for i, m := range modes {
		rows[i] = modeRow{Mode: m, inForce: st.Config[usage].Mode == m.ID}
	}
	if usage != cachemodes.Storage {
		return rows
	}
	for i := range st.Runs {
		r := &st.Runs[i]
		if r.Switches > 0 {
			continue
		}
		row := &rows[r.Mode]
		row.runs++
		row.peak = max(row.peak, r.PeakHeld)
		row.creates += float64(r.Total.Creates)
	}
	for i := range rows {
		if rows[i].runs > 0 {
			rows[i].creates /= float64(rows[i].runs)
		}
	}
	return rows
}

var modeColumns = []column[modeRow]{
	{title: "", width: 1, text: func(_ *frame, r modeRow) (string, style) {
		if n := int(r.ID) + 1; n < 10 { // a digit is one key
			return strconv.Itoa(n), keycap
		}
		return "", plain
	}},
	{title: "", width: 1, text: func(f *frame, r modeRow) (string, style) {
		if r.inForce {
			return f.g.chosen, badgeLive
		}
		return "", plain
	}},
	{title: "mode", width: 15, left: true, text: func(_ *frame, r modeRow) (string, style) { return r.Name, strong }},
	{title: "rule", width: 16, left: true, rank: 3, grow: 70, text: func(_ *frame, r modeRow) (string, style) { return r.Rule, plain }},
	{title: "runs", width: 5, rank: 4, text: func(f *frame, r modeRow) (string, style) {
		return modeFigure(f, r, units.Count(r.runs))
	}},
	{title: "peak", width: units.BytesWidth, rank: 1, text: func(f *frame, r modeRow) (string, style) {
		return modeFigure(f, r, f.bytes(r.peak))
	}},
	{title: "new/run", width: 7, rank: 2, text: func(f *frame, r modeRow) (string, style) {
		return modeFigure(f, r, units.Rate(r.creates))
	}},
}

func modeFigure(f *frame, r modeRow, text string) (string, style) {
	if r.runs == 0 {
		return f.g.none, faint
	}
	return text, plain
}

func (m *modeMenu) draw(v view, f *frame) {
	rows := modeRows(m.modes, m.usage, f.st)
	const detail = 4 // a rule, two rows of the mode's own, its source
	in, _ := dialog(v, f, "Cache mode", f.say("{menu-accept} applies, {back} leaves"), 100, len(rows)+2+detail)
	tabs := in.row(0)
	x := 0
	for u, name := range usageWords {
		s := faint
		if cachemodes.Usage(u) == m.usage {
			s = selected
		} else if in.h == 1 {
			continue
		}
		x = tabs.put(x, 0, " "+name+" ", s) + 1
	}
	if m.typed != "" && in.h > 1 {
		tabs.right(tabs.w, 0, m.typed+"_", keycap)
	}
	room := in.h - 1
	const some = 4 // modes worth showing beside the detail of one
	titled := room > detail+some
	if titled {
		in, room = in.sub(0, 1, in.w, in.h-1), room-detail-1
	}
	list := below(in, 1, x)
	list = list.sub(0, 0, list.w, max(min(len(rows), room), 1))
	cols := fitColumns(modeColumns, list.w)
	if titled {
		drawTitles(in.row(0), cols)
	}
	s := scroll{cursor: int(m.cursor)}
	first := s.first(len(rows), list.h)
	for y := 0; y < list.h && first+y < len(rows); y++ {
		drawRow(list.row(y), f, cols, rows[first+y])
		if first+y == int(m.cursor) {
			list.row(y).mark()
		}
	}
	rest := in.sub(0, 1+list.h, in.w, in.h-1-list.h)
	if rest.h < 2 {
		return
	}
	for x := range rest.w {
		rest.set(x, 0, f.g.horizontal, border)
	}
	mode := m.modes[m.cursor]
	lines := wrap(mode.Name+": "+mode.Rule, rest.w, max(rest.h-2, 1))
	for i, l := range lines {
		rest.put(0, 1+i, l, plain)
	}
	rest.put(0, 1+len(lines), "source: "+mode.Source, faint)
}
