package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// bucketsScreen is the map of keys and runs, and the sizes that were asked for.
//
//	key  want/cap   a column for each run, the newest at the right
//	4MiB    64/20   ▅▆▒▒▒▒▆▒     what was wanted of the cap
//	       44 new      ▂▂▂▂ ▂     bytes created
type bucketsScreen struct {
	usage  cachemodes.Usage
	order  int
	turned bool
	zoom   int // index into mapZooms
	filter filter[mapRow]
	// dense is that a key has one row, without the bytes created.
	dense bool
	// sizes is that the histogram has the larger part.
	sizes bool

	at      cachemodes.KeyID // the marked key, if any
	any     bool
	top     int   // first row, if none is marked
	run     int64 // the run that is pointed at, if pointed
	pointed bool
	first   int64 // run of the first column; -1: the map follows the newest
	seen    *engine.State

	scratch keyMap // for drawing: nothing of it outlives a picture
}

func newBucketsScreen() *bucketsScreen { return &bucketsScreen{first: -1} }

func (s *bucketsScreen) follow(f *frame) {
	if begunAnew(s.seen, f.st) {
		s.any, s.pointed, s.top, s.first = false, false, 0, -1
	}
	s.seen = f.st
}

func (s *bucketsScreen) work(*frame) (changed, more bool) { return false, false }

// point shows a key, or a run, or both.
func (s *bucketsScreen) point(f *frame, p *place) {
	if p.key >= 0 {
		s.at, s.any, s.filter = p.key, true, filter[mapRow]{}
		for i := range f.st.Keys {
			if f.st.Keys[i].Key == p.key {
				s.usage = f.st.Keys[i].Usage
			}
		}
	}
	if p.run >= 0 {
		s.run, s.pointed, s.first = p.run, true, -1
	}
}

// bucketsLayout divides the body: the map, the sizes, and what there is to say
// of the mark. A pane without room has no rows.
type bucketsLayout struct {
	keys, sizes, detail rect
	framed              bool
	double              bool // a key takes two rows
}

func (s *bucketsScreen) layout(kind layoutKind, w, h int) bucketsLayout {
	l := bucketsLayout{framed: kind > layoutCompact, double: kind > layoutCompact && !s.dense}
	marked := s.any || s.pointed
	switch kind {
	case layoutLine:
		return l
	case layoutCompact:
		l.keys = rect{0, 0, w, h}
		if marked && !s.sizes && h >= 6 {
			l.detail = rect{0, h - 2, w, 2}
			l.keys.h -= 2
		}
		if s.sizes {
			l.sizes, l.keys = l.keys, rect{}
		}
	case layoutStandard:
		if marked {
			l.detail = rect{0, h - 2, w, 2}
			h -= 2
		}
		sizes := min(max(h*36/100, 5), h)
		if s.sizes {
			sizes = h - sizes
		}
		l.keys = rect{0, 0, w, h - sizes}
		l.sizes = rect{0, h - sizes, w, sizes}
	default:
		if marked {
			l.detail = rect{0, h - 2, w, 2}
			h -= 2
		}
		right := max(46, w*36/100)
		if s.sizes {
			right = w * 56 / 100
		}
		l.keys = rect{0, 0, w - right, h}
		l.sizes = rect{w - right, 0, right, h}
	}
	return l
}

// mapLabels is the columns before the map: a key, what was wanted of its cap.
const mapLabels = units.BytesWidth + 1 + 8 + 1

// labels is the columns before a map, fewer where it is narrow.
func (l *bucketsLayout) labels() int {
	if l.framed {
		return mapLabels
	}
	return units.BytesWidth + 1
}

// inner is the rows and columns of the map itself.
func (l *bucketsLayout) inner() (w, h int) {
	if l.framed {
		return max(l.keys.w-2-l.labels(), 0), max(l.keys.h-3, 0)
	}
	return max(l.keys.w-l.labels(), 0), max(l.keys.h-2, 0)
}

// perRow is the rows that keys take; the marked one has two always.
func (l *bucketsLayout) page() int {
	_, h := l.inner()
	if l.double {
		return max(h/2, 1)
	}
	return max(h-1, 1)
}

// read makes the map as it is drawn.
func (s *bucketsScreen) read(m *keyMap, st *engine.State, l *bucketsLayout) {
	w, _ := l.inner()
	per := mapZooms[s.zoom]
	first := s.first
	if first >= 0 {
		first = first / per * per
	}
	m.of(st, s.usage, w, per, first)
	if s.pointed && first < 0 && s.run < m.from {
		m.of(st, s.usage, w, per, max(s.run/per-int64(w)/2, 0)*per)
	}
	if !s.filter.empty() {
		m.rows = slices.DeleteFunc(m.rows, func(r mapRow) bool { return !s.filter.holds(&r) })
	}
	m.sort(mapOrders[s.order], s.turned)
}

// cursor is the marked row, -1 where it is not in the map.
func (s *bucketsScreen) cursor(m *keyMap) int {
	if !s.any {
		return -1
	}
	return slices.IndexFunc(m.rows, func(r mapRow) bool { return r.Key == s.at })
}

func (s *bucketsScreen) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	lay := s.layout(kind, w, h)
	switch a {
	case moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		s.move(a, f, &lay)
	case moveLeft, moveRight:
		s.sweep(a, f, &lay)
	case zoomIn:
		s.zoom = max(s.zoom-1, 0)
	case zoomOut:
		s.zoom = min(s.zoom+1, len(mapZooms)-1)
	case zoomReset:
		s.zoom, s.first = 0, -1
	case nextPane, prevPane:
		s.sizes = !s.sizes
	case sortNext:
		s.order, s.turned = (s.order+1)%len(mapOrders), false
	case sortTurn:
		s.turned = !s.turned
	case presetNext:
		s.usage = (s.usage + 1) % cachemodes.Usage(cachemodes.NumCaches)
		s.any, s.top = false, 0
	case filterList:
		return true, wish{edit: &filterEdit{about: "keys", text: s.filter.text, set: s.setFilter, words: keyLanguage.help()}}
	case expand:
		s.dense = !s.dense
	case accept:
		if s.pointed {
			return true, backToRun(&f.now.History, s.run)
		}
		return true, wish{tell: f.say("no run is marked: {left} marks one, {accept} goes back to its end")}
	case copyRow:
		if text := s.detail(f, true); text != "" {
			return true, wish{copy: text, tell: "the marked key is copied"}
		}
		return true, wish{tell: f.say("no key is marked: {down} marks one, {copy} copies it")}
	case back:
		switch {
		case s.pointed || s.first >= 0:
			s.pointed, s.first = false, -1
		case s.any:
			s.any, s.top = false, 0
		case !s.filter.empty():
			s.filter = filter[mapRow]{}
		default:
			return false, wish{}
		}
	default:
		return false, wish{}
	}
	return true, wish{}
}

// setFilter puts a filter in force.
func (s *bucketsScreen) setFilter(_ *frame, text string) error {
	parsed, err := keyLanguage.parse(text)
	if err == nil {
		s.filter = parsed
	}
	return err
}

// move marks another key.
func (s *bucketsScreen) move(a action, f *frame, lay *bucketsLayout) {
	s.read(&s.scratch, f.st, lay)
	sc := scroll{cursor: s.cursor(&s.scratch), top: s.top}
	sc.move(a, len(s.scratch.rows), lay.page())
	s.top = sc.top
	if s.any = sc.cursor >= 0; s.any {
		s.at = s.scratch.rows[sc.cursor].Key
	}
}

// sweep points at another column.
func (s *bucketsScreen) sweep(a action, f *frame, lay *bucketsLayout) {
	m := &s.scratch
	s.read(m, f.st, lay)
	if m.end == 0 || m.n == 0 || len(f.st.KeyRuns) == 0 {
		return
	}
	oldest := f.st.KeyRuns[0].Run
	if !s.pointed { // from now on the map stands still
		s.run, s.pointed, s.first = m.end-1, true, m.from
		return
	}
	if a == moveLeft {
		s.run -= m.per
	} else {
		s.run += m.per
	}
	s.run = min(max(s.run, oldest), m.end-1)
	// At its edges the map moves along.
	switch x := m.column(s.run); {
	case s.run < m.from:
		s.first = s.run / m.per * m.per
	case x >= m.n:
		s.first = m.from + int64(x-m.n+1)*m.per
	default:
		s.first = m.from
	}
}

func (s *bucketsScreen) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	lay := s.layout(kind, v.w, v.h)
	m := &s.scratch
	s.read(m, f.st, &lay)
	if k := v.rect(lay.keys); !k.empty() {
		in := pane(k, f, s.title(f), s.right(m), lay.framed, !s.sizes)
		s.drawMap(in, f, m, &lay)
		if lay.framed && len(m.rows) > 0 {
			drawMapLegend(k, f)
		}
	}
	if z := v.rect(lay.sizes); !z.empty() {
		in := pane(z, f, "Sizes asked for, "+usageWords[s.usage], units.Count(sum(f.st.Sizes[s.usage]))+" requests, log", lay.framed, s.sizes)
		var at int64
		if i := s.cursor(m); i >= 0 {
			at = m.rows[i].Size
		}
		sizesPane{}.draw(in, f, s.usage, keysInForce(f.st, s.usage), at)
	}
	if d := v.rect(lay.detail); !d.empty() {
		drawLines(d, wrap(s.detail(f, false), max(d.w-1, 1), d.h), strong)
	}
}

func sum(ns []int64) (all int64) {
	for _, n := range ns {
		all += n
	}
	return all
}

// title names the usage, its mode, and what is listed of it.
func (s *bucketsScreen) title(f *frame) string {
	title := "Keys of " + usageWords[s.usage] + ": " + f.st.Config[s.usage].Mode.String()
	if s.order > 0 || s.turned {
		title += ", by " + mapOrders[s.order].name
		if s.turned {
			title += " " + f.g.up
		}
	}
	if !s.filter.empty() {
		title += ": " + s.filter.text
	}
	return title
}

// right says which runs the map has.
func (s *bucketsScreen) right(m *keyMap) string {
	if len(m.rows) == 0 {
		return ""
	}
	last := min(m.from+int64(m.n)*m.per, m.end) - 1
	text := fmt.Sprintf("runs %d to %d", m.from, last)
	if m.per > 1 {
		text += fmt.Sprintf(", %d a column", m.per)
	}
	return text
}

// drawMapLegend says what the signs are, as many as there is room for.
func drawMapLegend(v view, f *frame) {
	steps := []rune(f.g.levels)
	x := 2
	for _, e := range []legendEntry{
		{string(steps[len(steps)/2]), "wanted of cap", barKept}, {string(f.g.lost), "over it", barLost},
		{string(f.g.born), "born", switchText}, {string(f.g.dropped), "dropped", switchText}, {"~", "renewed", switchText},
		{string(steps[1]), "made, x2 a step", lineHeld},
	} {
		if x+textWidth(e.name)+5 > v.w {
			break
		}
		x = v.put(x, v.h-1, " ", plain)
		x = v.put(x, v.h-1, e.sign, e.s)
		x = v.put(x, v.h-1, " "+e.name+" ", faint)
	}
}

// drawMap draws a row of marks, and the keys.
func (s *bucketsScreen) drawMap(v view, f *frame, m *keyMap, lay *bucketsLayout) {
	if len(m.rows) == 0 {
		drawEmpty(v, s.emptyText(f))
		return
	}
	left := lay.labels()
	drawMarks(v.row(0), f, m, left)
	body := v.sub(0, 1, v.w, v.h-1)
	page := lay.page()
	cursor := s.cursor(m)
	sc := scroll{cursor: cursor, top: s.top}
	first := sc.first(len(m.rows), page)
	shown := m.rows[first:min(first+page+1, len(m.rows))]
	m.fill(f.st, shown)
	y := 0
	for i := range shown {
		rows := 1
		if lay.double || first+i == cursor {
			rows = 2
		}
		if y+rows > body.h {
			break
		}
		box := body.sub(0, y, body.w, rows)
		drawKey(box, f, m, &shown[i], m.row(i), left)
		if first+i == cursor {
			box.sub(0, 0, left-1, 1).mark()
		}
		y += rows
	}
	if s.pointed {
		if x := m.column(s.run); s.run >= m.from && x < m.n {
			v.sub(left+x, 0, 1, 1+y).mark()
		}
	}
	if lay.framed {
		edge := view{v.c, v.x + v.w, v.y + 1, 1, body.h}
		drawPosition(edge, f, 0, first, max(len(m.rows)*body.h/page, body.h), heading)
	}
}

// drawMarks draws what else happened in the runs, and every tenth column.
func drawMarks(v view, f *frame, m *keyMap, left int) {
	if left == mapLabels {
		v.right(units.BytesWidth, 0, "key", faint)
		v.right(left-1, 0, "want/cap", faint)
	} else {
		v.right(units.BytesWidth, 0, "key", faint)
	}
	next := 0
	for x := range m.marks {
		r, st := m.marks[x].sign(f.g)
		v.set(left+x, 0, r, st)
	}
	// Numbers of runs, where no mark stands.
	for x := range m.marks {
		run, _ := m.runs(x)
		text := strconv.FormatInt(run, 10)
		if run >= m.end || x < next || (run/m.per)%10 != 0 || x+len(text) > m.n || slices.ContainsFunc(m.marks[x:x+len(text)], func(k mapMark) bool { return k != mapMark{} }) {
			continue
		}
		v.put(left+x, 0, text, faint)
		next = x + len(text) + 1
	}
}

// drawKey draws a key: what was wanted, and below it the bytes created.
func drawKey(v view, f *frame, m *keyMap, r *mapRow, cells []mapCell, left int) {
	v.right(units.BytesWidth, 0, f.size(r.Size), strong)
	if left == mapLabels {
		v.right(left-1, 0, units.Count(r.Want)+"/"+capText(f, bucketRow{KeyRow: r.KeyRow}), plain)
		if r.LastNew > 0 {
			s := plain
			if r.Over() {
				s = warning
				v.set(left-1, 1, '!', warning)
			}
			v.right(left-1, 1, units.Count(r.LastNew)+" new", s)
		}
	}
	for x := range cells {
		c := &cells[x]
		sign, s := c.demand(f.g)
		v.set(left+x, 0, sign, s)
		sign, s = c.madeSign(f.g, m.created)
		v.set(left+x, 1, sign, s)
	}
}

// emptyText says why there is no map.
func (s *bucketsScreen) emptyText(f *frame) string {
	switch {
	case len(f.st.KeyRuns) == 0:
		return emptyRuns(f)
	case !s.filter.empty():
		return f.say("nothing, because no key is as the filter wants it; {back} drops it")
	}
	return "nothing, because no run asked for a buffer of " + usageWords[s.usage] + f.say("; {next-preset} shows another usage")
}

// detail says exactly what is marked: a key, or what a run asked of it; as a
// sentence, or as columns apart by tabs.
func (s *bucketsScreen) detail(f *frame, copied bool) string {
	var key *engine.KeyRow
	for i := range f.st.Keys {
		if s.any && f.st.Keys[i].Key == s.at {
			key = &f.st.Keys[i]
		}
	}
	var parts []string
	switch {
	case key == nil && !s.pointed:
		return ""
	case key == nil:
		return s.runDetail(f)
	case s.pointed:
		parts = s.cellDetail(f, key)
	default:
		parts = keyDetail(f, key)
	}
	if copied {
		return strings.Join(parts, "\t")
	}
	return strings.Join(parts, ", ")
}

// sizeText is a size, and its bytes exactly.
func sizeText(f *frame, n int64) string {
	return fmt.Sprintf("%s (%d)", f.size(n), n)
}

// keyDetail is how a key stands.
func keyDetail(f *frame, k *engine.KeyRow) []string {
	parts := []string{
		sizeText(f, k.Size) + " " + usageWords[k.Usage], fmt.Sprintf("%d wanted of cap %s", k.Want, capText(f, bucketRow{KeyRow: k})),
		fmt.Sprintf("%d free", k.Free.Free), fmt.Sprintf("%d in use", k.InUse), fmt.Sprintf("%d pending", k.Pending),
		fmt.Sprintf("last run asked %d, made %d", k.LastRequests, k.LastNew), "padding " + sizeText(f, k.PaddingRun),
		fmt.Sprintf("%d hits and %d made in all", k.Hits, k.Creates),
	}
	if why := mainReason(&k.MissesSince); why != "" {
		parts = append(parts, "mostly "+why)
	}
	if k.IdleRuns > 0 {
		parts = append(parts, fmt.Sprintf("not asked for in %d runs", k.IdleRuns))
	}
	return parts
}

// cellDetail is what the runs of the column that is pointed at asked of a key.
func (s *bucketsScreen) cellDetail(f *frame, k *engine.KeyRow) []string {
	per := mapZooms[s.zoom]
	from := s.run / per * per
	row := mapRow{KeyRow: k}
	var c mapCell
	for i := range f.st.KeyRuns {
		if r := &f.st.KeyRuns[i]; r.Key == k.Key && r.Run >= from && r.Run < from+per {
			row.want = max(row.want, r.Want)
			c.add(r, &row)
		}
	}
	at := fmt.Sprintf("run %d", from)
	if per > 1 {
		at = fmt.Sprintf("runs %d to %d", from, min(from+per, f.st.RunCount)-1)
	}
	parts := []string{sizeText(f, k.Size) + " " + usageWords[k.Usage], at}
	if !c.told {
		return append(parts, "not asked for")
	}
	limit := "no key"
	switch {
	case c.cap == cachemodes.Uncapped:
		limit = "no cap"
	case c.cap >= 0:
		limit = fmt.Sprintf("cap %d", c.cap)
	}
	parts = append(parts, fmt.Sprintf("%d wanted, %s", c.wanted, limit), fmt.Sprintf("%d asked, %d made: %s", c.requests, c.news, sizeText(f, c.news*k.Size)),
		"padding at most "+sizeText(f, c.padding))
	if c.life&probe.Born != 0 {
		parts = append(parts, "born as a key")
	}
	if c.life&probe.Dropped != 0 {
		parts = append(parts, "dropped as a key")
	}
	return parts
}

// runDetail is what the runs of the column that is pointed at came to.
func (s *bucketsScreen) runDetail(f *frame) string {
	for i := range f.st.Runs {
		r := &f.st.Runs[i]
		if r.Seq != s.run {
			continue
		}
		text := fmt.Sprintf("run %d, %s: %d asked, %d made: %s, %d destroyed, peak %s", r.Seq, phase(&r.RunInfo), r.Total.Requests, r.Total.Creates,
			sizeText(f, r.Total.CreateBytes), r.Total.Destroys, sizeText(f, r.PeakHeld))
		if r.Adjusts > 0 {
			text += ", keys renewed at its end"
		}
		return text
	}
	return fmt.Sprintf("run %d", s.run)
}
