package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/internal/units"
)

// workloadMenu chooses what is played.
type workloadMenu struct {
	items  []WorkloadItem
	filter string
	cursor int // among those that the filter leaves
	beside bool
}

func newWorkloadMenu(items []WorkloadItem, now string) *workloadMenu {
	m := &workloadMenu{items: items}
	for i, w := range items {
		if w.Name == now {
			m.cursor = i
		}
	}
	return m
}

func (m *workloadMenu) scope() scope { return inMenus }

// shown are the workloads with every word of the filter in their name, and
// after them those with the words in their description.
func (m *workloadMenu) shown() []WorkloadItem {
	words := strings.Fields(strings.ToLower(m.filter))
	has := func(text string) bool {
		text = strings.ToLower(text)
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	}
	var byName, byText []WorkloadItem
	for _, w := range m.items {
		switch {
		case has(w.Name):
			byName = append(byName, w)
		case has(w.Name + " " + w.Description):
			byText = append(byText, w)
		}
	}
	return append(byName, byText...)
}

func (m *workloadMenu) press(a action, key tea.KeyPressMsg, _ *frame, _, h int) outcome {
	shown := m.shown()
	switch a {
	case back:
		if m.filter != "" {
			m.filter, m.cursor = "", 0
			return outcome{}
		}
		return outcome{close: true}
	case accept:
		if m.cursor < len(shown) {
			return outcome{close: true, load: shown[m.cursor].Name, beside: m.beside}
		}
	case moveUp, moveDown, pageUp, pageDown:
		s := scroll{cursor: m.cursor}
		s.move(a, len(shown), max(h-4, 1))
		m.cursor = max(s.cursor, 0)
	case noAction:
		m.typeText(key)
	}
	return outcome{}
}

func (m *workloadMenu) typeText(key tea.KeyPressMsg) {
	if typed := typeInto(m.filter, key); typed != m.filter {
		m.filter, m.cursor = typed, 0
	}
}

var workloadColumns = []column[workloadRow]{
	{title: "", width: 1, text: func(f *frame, r workloadRow) (string, style) {
		if r.playing {
			return f.g.chosen, badgeLive
		}
		return "", plain
	}},
	{title: "recording", width: 22, left: true, text: func(_ *frame, r workloadRow) (string, style) { return r.Name, strong }},
	{title: "runs", width: 5, rank: 2, text: func(_ *frame, r workloadRow) (string, style) { return units.Count(int64(r.Runs)), plain }},
	{title: "models", width: 6, rank: 3, text: func(_ *frame, r workloadRow) (string, style) { return units.Count(int64(r.Sessions)), plain }},
	{title: "events", width: 6, rank: 4, text: func(_ *frame, r workloadRow) (string, style) { return units.Count(int64(r.Events)), plain }},
	{title: "what it is", width: 12, left: true, rank: 1, grow: 66, text: func(_ *frame, r workloadRow) (string, style) { return r.Description, faint }},
}

type workloadRow struct {
	WorkloadItem
	playing bool
}

func (m *workloadMenu) draw(v view, f *frame) {
	shown := m.shown()
	title := "Workload"
	if m.beside {
		title = "Workload to play beside"
	}
	in, _ := dialog(v, f, title, f.say("{menu-accept} plays it, {back} leaves"), 112, len(m.items)+2)
	x := in.put(in.put(0, 0, "filter ", label), 0, m.filter+"_", keycap)
	if len(shown) == 0 {
		drawEmpty(in.sub(0, 1, in.w, in.h-1), "nothing, because no recording has \""+m.filter+"\" in its name or description")
		return
	}
	top := 1
	if in.h > 4 {
		top = 2
	}
	list := below(in, top, x)
	cols := fitColumns(workloadColumns, list.w)
	if top > 1 {
		drawTitles(in.row(1), cols)
	}
	cursor := min(m.cursor, len(shown)-1)
	s := scroll{cursor: cursor}
	first := s.first(len(shown), list.h)
	for y := 0; y < list.h && first+y < len(shown); y++ {
		w := shown[first+y]
		drawRow(list.row(y), f, cols, workloadRow{w, w.Name == f.st.Workload.Name})
		if first+y == cursor {
			list.row(y).mark()
		}
	}
}
