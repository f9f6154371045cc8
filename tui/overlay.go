package tui

import (
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// overlay is what lies over a screen and has the keys until it closes.
type overlay interface {
	// scope says how keys are translated for it.
	scope() scope
	// press takes a key, with the action that it stands for, if any, and
	// answers what the model is to do. The overlay lies over w by h cells.
	press(a action, key tea.KeyPressMsg, f *frame, w, h int) outcome
	draw(v view, f *frame)
}

// outcome is what an overlay asks for.
type outcome struct {
	close bool
	// setMode, if set, is the mode to put in force.
	setMode *modeChoice
	// load is the workload to play, if not empty.
	load string
}

type modeChoice struct {
	usage cachemodes.Usage
	mode  cachemodes.ModeID
}

// dialog draws the frame of an overlay of at most w by h in the middle of v,
// over what is there, and answers what is inside of it, and its right edge.
// Where there is no room for a frame there is none.
func dialog(v view, f *frame, title, right string, w, h int) (inside, edge view) {
	if !framed(v.w, v.h) {
		v.fill(' ', plain)
		return v, v.sub(0, 0, 0, 0)
	}
	w, h = min(w+4, v.w), min(h+2, v.h)
	box := v.sub((v.w-w)/2, (v.h-h)/2, w, h)
	box.fill(' ', plain)
	in := pane(box, f, title, right, true, true)
	return in.sub(1, 0, in.w-2, in.h), box.sub(w-1, 1, 1, h-2)
}

// framed reports whether a dialog in w by h has a frame.
func framed(w, h int) bool { return w >= 24 && h >= 5 }

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
	switch key.Text { // no mode's name has these first
	case "j":
		m.move(moveDown)
	case "k":
		m.move(moveUp)
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
	{title: "", width: 1, text: func(_ *frame, r modeRow) (string, style) { return strconv.Itoa(int(r.ID) + 1), keycap }},
	{title: "", width: 1, text: func(f *frame, r modeRow) (string, style) {
		if r.inForce {
			return f.g.chosen, badgeLive
		}
		return "", plain
	}},
	{title: "mode", width: 13, left: true, text: func(_ *frame, r modeRow) (string, style) { return r.Name, strong }},
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
	in, _ := dialog(v, f, "Cache mode", "enter applies, esc leaves", 100, len(rows)+2+detail)
	tabs := in.row(0)
	x := 0
	for u, name := range usageWords {
		s := faint
		if cachemodes.Usage(u) == m.usage {
			s = selected
		}
		x = tabs.put(x, 0, " "+name+" ", s) + 1
	}
	if m.typed != "" {
		tabs.right(tabs.w, 0, m.typed+"_", keycap)
	}
	cols := fitColumns(modeColumns, in.w)
	if in.h > len(rows)+1 {
		drawTitles(in.row(1), cols)
		in = in.sub(0, 1, in.w, in.h-1)
	}
	list := in.sub(0, 1, in.w, min(len(rows), in.h-1))
	if list.empty() {
		list = in // one row: the marked mode
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

// workloadMenu chooses what is played.
type workloadMenu struct {
	items  []WorkloadItem
	filter string
	cursor int // among those that the filter leaves
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
			return outcome{close: true, load: shown[m.cursor].Name}
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
	switch {
	case key.Code == tea.KeyBackspace:
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	case key.String() == "ctrl+u":
		m.filter = ""
	case key.Text != "":
		m.filter += key.Text
	default:
		return
	}
	m.cursor = 0
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
	in, _ := dialog(v, f, "Workload", "enter plays it, esc leaves", 112, len(m.items)+2)
	in.put(in.put(0, 0, "filter ", label), 0, m.filter+"_", keycap)
	if len(shown) == 0 {
		drawEmpty(in.sub(0, 1, in.w, in.h-1), "nothing, because no recording has \""+m.filter+"\" in its name or description")
		return
	}
	cols := fitColumns(workloadColumns, in.w)
	top := 1
	if in.h > 4 {
		drawTitles(in.row(1), cols)
		top = 2
	}
	list := in.sub(0, top, in.w, in.h-top)
	if list.empty() {
		list = in
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
	for i, g := range groups() {
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
	in, edge := dialog(v, f, "Help", "esc leaves", w, len(lines))
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
