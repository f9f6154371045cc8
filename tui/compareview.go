package tui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/snapshots/compare"
)

// compareLayout divides the body: what is compared, the graph, the tables. A
// table without room has no rows.
type compareLayout struct {
	head, graph rect
	tables      [numComparePanes]rect
	framed      bool
}

func compareLayoutOf(kind layoutKind, w, h int, pane comparePane) compareLayout {
	l := compareLayout{framed: kind > layoutCompact}
	switch kind {
	case layoutLine:
	case layoutCompact:
		l.head = rect{0, 0, w, 2}
		l.tables[pane] = rect{0, 2, w, h - 2}
	default:
		l.head = rect{0, 0, w, 3}
		graph := max(h*35/100, 5)
		y := l.head.h + graph
		l.graph = rect{0, l.head.h, w, graph}
		if kind == layoutFull {
			left, mid := w*34/100, w*31/100
			l.tables[figuresPane] = rect{0, y, left, h - y}
			l.tables[keysPane] = rect{left, y, mid, h - y}
			l.tables[runsPanes] = rect{left + mid, y, w - left - mid, h - y}
			return l
		}
		left := w / 2
		l.tables[figuresPane] = rect{0, y, left, h - y}
		second := keysPane
		if pane == runsPanes {
			second = runsPanes
		}
		l.tables[second] = rect{left, y, w - left, h - y}
	}
	return l
}

func (s *compareScreen) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	lay := compareLayoutOf(kind, v.w, v.h, s.pane)
	if why := s.emptyText(f); why != "" {
		s.drawAlone(pane(v, f, "Compare", "", lay.framed, true), f, why)
		return
	}
	s.drawHead(v.rect(lay.head), f)
	if g := v.rect(lay.graph); !g.empty() {
		in := pane(g, f, s.graphTitle(), f.say("{next-preset} by run, by time"), true, false)
		s.drawGraph(in, f)
	}
	c := s.found
	paired := runsText(int64(c.paired))
	if t := v.rect(lay.tables[figuresPane]); !t.empty() {
		title := "Figures, " + paired + " in common"
		if s.byTime {
			title = "Figures, first " + duration(float64(c.span))
		}
		drawTable(t, f, title+s.filters.figures.suffix(), "", lay.framed, s.pane == figuresPane, &s.scrolls[figuresPane], figureColumns, s.figures(), f.say("nothing, because no figure is above 0, or as the filter wants it; {back} drops that"))
	}
	if t := v.rect(lay.tables[keysPane]); !t.empty() {
		sign := f.g.down
		if s.turned {
			sign = f.g.up
		}
		drawTable(t, f, "Keys, creates per run"+s.filters.keys.suffix(), "by "+keyOrders[s.order].name+" "+sign, lay.framed, s.pane == keysPane, &s.scrolls[keysPane],
			compareKeyColumns, s.sortedKeys(), f.say("nothing, because no buffer was asked of a cache, or none as the filter wants it; {back} drops that"))
	}
	if t := v.rect(lay.tables[runsPanes]); !t.empty() {
		drawTable(t, f, "Runs, "+paired+s.filters.runs.suffix(), "", lay.framed, s.pane == runsPanes, &s.scrolls[runsPanes], compareRunColumns, s.runs(), f.say("nothing, because no run is as the filter wants it; {back} drops it"))
	}
}

// drawTable draws a table in a pane of its own.
func drawTable[R any](v view, f *frame, title, right string, framed, focus bool, s *scroll, columns []column[R], rows []R, none string) {
	in := pane(v, f, title, right, framed, focus)
	if in.empty() {
		return
	}
	if len(rows) == 0 {
		drawEmpty(in, none)
		return
	}
	cols := fitColumns(columns, in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	first := s.first(len(rows), body.h)
	for y := 0; y < body.h && first+y < len(rows); y++ {
		drawRow(body.row(y), f, cols, rows[first+y])
		if first+y == s.cursor && focus {
			body.row(y).mark()
		}
	}
	if framed {
		drawPosition(v.sub(0, 2, v.w, body.h), f, v.w-1, first, len(rows), heading)
	}
}

// emptyText says why there is nothing to compare, and how to come by something.
func (s *compareScreen) emptyText(f *frame) string {
	_, okA := s.side(0)
	switch {
	case f.now.History.End() == f.now.History.First():
		return "nothing to compare yet, because nothing has happened"
	case !okA && f.now.Status == engine.Recorded:
		return f.say("nothing to compare with: the recording is one stretch under one setting. {baseline} keeps what is shown as the baseline, " +
			"after {first-event} and {next-run} a part of it; or give two files: bucketscope open A B")
	case !okA:
		return f.say("nothing to compare yet: so far there is one stretch of runs under one setting. {baseline} keeps it as the baseline, " +
			"{mode} or {tune} begin another stretch; or give files: bucketscope open A B")
	case s.err != nil:
		return f.say("nothing to compare: " + strings.NewReplacer("{", "", "}", "").Replace(s.err.Error()) + ". {left} and {right} choose A and B, {next-preset} by run or by time")
	case s.found == nil:
		return "reading both" + f.g.more
	}
	return ""
}

// aloneFrom is how many rows below the text are worth the figures of the one
// stretch that there is.
const aloneFrom = 5

// drawAlone says why there is nothing to compare and, where runs were played,
// what there would be to compare: their figures.
func (s *compareScreen) drawAlone(v view, f *frame, why string) {
	lines := wrap(why, max(v.w-4, 1), v.h)
	rows := aloneRows(f)
	room := v.h - len(lines) - 3
	if _, ok := s.side(0); ok || len(f.now.Runs) == 0 || room < aloneFrom {
		drawEmpty(v, why)
		return
	}
	for y, l := range lines {
		v.put(2, 1+y, l, faint)
	}
	const columnsWidth = 38
	box := v.sub(0, len(lines)+2, v.w, room+1)
	for i, r := range rows {
		x := 2 + i/box.h*columnsWidth
		if x+columnsWidth > box.w {
			return
		}
		box.put(x, i%box.h, r.label, label)
		box.right(x+columnsWidth-6, i%box.h, r.value, r.style)
	}
}

// aloneRows are the figures of all that was played, as the tables of two sides
// name them.
func aloneRows(f *frame) []field {
	t, runs := &f.now.Total, max(f.now.RunCount, 1)
	size := func(name string, n int64) field { return field{label: name, value: f.bytes(n), style: strong} }
	count := func(name string, n int64) field { return field{label: name, value: units.Count(n)} }
	rows := []field{
		{label: "runs, " + f.now.Config[cachemodes.Storage].Mode.String(), value: units.Count(f.now.RunCount), style: strong},
		size("peak held", t.PeakHeld), size("avg held", t.AvgHeld()), size("floor", t.Floor), size("held now", t.Held()),
		count("requests", t.Requests), count("hits", t.Hits), {label: "hits of requests", value: units.Percent(t.HitRate())},
		count("creates", t.Creates), {label: "creates per run", value: units.Rate(float64(t.Creates) / float64(runs)), style: strong},
		{label: "created", value: f.bytes(t.CreateBytes)}, count("destroys", t.Destroys),
	}
	for why, n := range t.Misses {
		if n > 0 {
			rows = append(rows, count("misses, "+strings.ReplaceAll(cachemodes.Reason(why).String(), "_", " "), n))
		}
	}
	return rows
}

// drawHead says what is compared with what, and in what they are unlike.
func (s *compareScreen) drawHead(v view, f *frame) {
	for i, m := range s.found.sides {
		x := 1
		x = v.put(x, i, string(rune('A'+i)), keycap) + 1
		x = v.put(x, i, sideSign(f, i), sideStyle(i)) + 1
		r := &m.doc.Results[0]
		text := fmt.Sprintf("%s  %s", m.name, r.Mode)
		x = v.put(x, i, text, strong) + 2
		rest := fmt.Sprintf("%s of %s on %s", runsText(int64(len(r.Runs))), m.doc.Workload.Name, m.doc.Device.Name)
		v.put(x, i, cut(rest, max(v.w-x-1, 0)), faint)
	}
	if v.h < 3 {
		return
	}
	switch c := s.found; {
	case len(c.unlike) > 0:
		v.put(1, 2, cut("! unlike: "+strings.Join(c.unlike, "; "), v.w-2), warning)
	case len(c.notes) > 0:
		v.put(1, 2, cut("note: "+strings.Join(c.notes, "; "), v.w-2), faint)
	default:
		x := 1
		if text := s.yardsticks(f); text != "" {
			x = v.put(x, 2, cut(text, v.w-2), plain) + 2
		}
		hint := f.say("{left} {right} choose A and B, {next-pane} the table, {sort} {sort-turn} sort the keys, {copy} copies a row")
		if x == 1 || x+len(hint) < v.w {
			v.put(x, 2, hint, faint)
		}
	}
}

// yardsticks are what any mode can be held against on the workload of both
// sides, beside the floor that the figures have: known of the one that is played.
func (s *compareScreen) yardsticks(f *frame) string {
	w := f.whatIf
	if w == nil || w.BestKeys == 0 {
		return ""
	}
	for _, m := range s.found.sides {
		if m.doc.Workload.SHA256 != f.now.Workload.SHA256 {
			return ""
		}
	}
	text := fmt.Sprintf("yardsticks: best %d keys reserve %s of storage", w.BestOf, f.bytes(w.BestKeys))
	if w.Plan > 0 {
		text += ", an offline plan holds " + f.bytes(w.Plan)
	}
	return text
}

// sideSign is the line that stands for a side in the graph.
func sideSign(f *frame, side int) string {
	if side == 0 {
		return f.g.floor.Horizontal
	}
	return f.g.held.Horizontal
}

func sideStyle(side int) style {
	if side == 0 {
		return lineAverage
	}
	return lineHeld
}

func (s *compareScreen) graphTitle() string {
	if s.byTime {
		return "peak held bytes, by time since the beginning of each"
	}
	return "peak held bytes, by run"
}

// drawGraph draws the peaks of the runs of both sides, the maximum per column.
func (s *compareScreen) drawGraph(v view, f *frame) {
	labels := units.BytesWidth + 1
	if v.h < 2 || v.w < labels+8 {
		return
	}
	n, dots := v.w-labels, cellDots
	if f.g == &asciiGlyphs {
		dots = [2]int{1, 1}
	}
	var lines [2][]float64
	low, high := math.Inf(1), math.Inf(-1)
	for i := range lines {
		lines[i] = s.column(i, n*dots[0])
		for _, y := range lines[i] {
			if !math.IsNaN(y) {
				low, high = min(low, y), max(high, y)
			}
		}
	}
	if math.IsInf(low, 1) {
		drawEmpty(v, "nothing, because no runs can be put beside each other")
		return
	}
	sc := newScale(low, high, v.h, f.si)
	drawScale(v.sub(0, 0, labels, v.h), &sc, f)
	plot := v.sub(labels, 0, n, v.h)
	if dots == cellDots {
		drawBraille(plot, &sc, lines)
		return
	}
	for i, line := range lines {
		drawSteps(plot, &sc, line, []rune(sideSign(f, i))[0], []rune(f.g.held.VerticalLine)[0], sideStyle(i))
	}
}

// cellDots are the columns and rows of dots in a cell.
var cellDots = [2]int{2, 4}

// cellBits are the dots of a cell, by column and row.
var cellBits = [2][4]rune{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

// drawBraille draws both lines in dots, a value per column of dots: A dotted, B
// whole, so that they differ without colour. A cell that they share looks like
// neither.
func drawBraille(v view, sc *scale, lines [2][]float64) {
	rows := v.h * cellDots[1]
	fine := *sc
	fine.rows = rows
	for side, line := range lines {
		last := -1
		for x, y := range line {
			if math.IsNaN(y) {
				last = -1
				continue
			}
			row := fine.row(y)
			from, to := row, row
			if last >= 0 { // up or down from the one before
				from, to = min(row, last), max(row, last)
			}
			last = row
			if side == 0 && x%4 > 1 {
				continue
			}
			for r := from; r <= to; r++ {
				dot(v, x, r, sideStyle(side))
			}
		}
	}
}

// dot sets a dot in the cell that it falls into.
func dot(v view, x, y int, s style) {
	cx, cy := x/cellDots[0], y/cellDots[1]
	if cx < 0 || cx >= v.w || cy < 0 || cy >= v.h {
		return
	}
	const none, all = 0x2800, 0x28ff
	c := v.at(cx, cy)
	r := c.r
	if r < none || r > all {
		r = none
	} else if c.s != s {
		s = strong
	}
	v.set(cx, cy, r|cellBits[x%cellDots[0]][y%cellDots[1]], s)
}

// drawSteps draws a line of a value per column, up and down between them.
func drawSteps(v view, sc *scale, values []float64, along, up rune, s style) {
	last := -1
	for x, y := range values {
		if math.IsNaN(y) {
			last = -1
			continue
		}
		row := sc.row(y)
		for r := min(row, last) + 1; last >= 0 && r < max(row, last); r++ {
			v.set(x, r, up, s)
		}
		v.set(x, row, along, s)
		last = row
	}
}

// column are the highest peaks of a side's runs that fall into each of n
// columns; a column without one goes on from the last.
func (s *compareScreen) column(side, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	put := func(x int, y float64) {
		x = min(max(x, 0), n-1)
		if math.IsNaN(out[x]) || y > out[x] {
			out[x] = y
		}
	}
	c := s.found
	if s.byTime {
		m := c.sides[side]
		for i, at := range m.starts {
			if at <= c.span {
				put(int(at*int64(n-1)/max(c.span, 1)), float64(m.doc.Results[0].Runs[i].PeakHeldBytes))
			}
		}
	} else {
		for i, r := range c.Runs {
			put(i*n/len(c.Runs), float64(r.PeakHeldBytes[side]))
		}
	}
	for x := 1; x < n; x++ {
		if math.IsNaN(out[x]) {
			out[x] = out[x-1]
		}
	}
	return out
}

// unitText is a figure for a person.
func unitText(f *frame, v *float64, u compare.Unit) string {
	switch {
	case v == nil:
		return f.g.none
	case u == compare.Bytes:
		return f.bytes(int64(math.Round(*v)))
	case u == compare.Microseconds:
		return units.Duration(time.Duration(*v * float64(time.Microsecond)))
	case u == compare.Share:
		return units.Percent(*v)
	case *v == math.Trunc(*v):
		return units.Count(int64(*v))
	}
	return units.Rate(*v)
}

// changeText is a change from A to B, with a sign of its own: a share, or what
// there is now where there was nothing.
func changeText(f *frame, a, b float64) (string, style) {
	switch a {
	case b:
		return "=", faint
	case 0:
		return "new " + f.g.up, strong
	}
	share := b/a - 1
	sign := f.g.up
	if share < 0 {
		sign = f.g.down
	}
	text := fmt.Sprintf("%+.1f%% %s", 100*share, sign)
	if math.Abs(share) >= 10 {
		text = fmt.Sprintf("x%s %s", units.Rate(b/a), sign)
	}
	return text, strong
}

// signed is a difference of bytes with its sign.
func signed(f *frame, n int64) string {
	if n > 0 {
		return "+" + f.bytes(n)
	}
	return f.bytes(n)
}

// figureName is a figure's name for people: the unit stands beside the value.
func figureName(name string) string {
	name = strings.NewReplacer("create_bytes", "created", "destroy_bytes", "destroyed").Replace(name)
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(name, "_bytes"), "_us"), "_", " ")
}

var figureColumns = []column[compare.Row]{
	{title: "figure", width: 12, left: true, grow: 16, text: func(_ *frame, r compare.Row) (string, style) {
		return figureName(r.Name), plain
	}},
	{title: "A", width: units.BytesWidth, text: func(f *frame, r compare.Row) (string, style) { return unitText(f, r.Values[0], r.Unit), plain }},
	{title: "B", width: units.BytesWidth, text: func(f *frame, r compare.Row) (string, style) { return unitText(f, r.Values[1], r.Unit), plain }},
	{title: "change", width: 9, rank: 1, text: func(f *frame, r compare.Row) (string, style) {
		if r.Values[0] == nil || r.Values[1] == nil {
			return f.g.none, faint
		}
		return changeText(f, *r.Values[0], *r.Values[1])
	}},
}

// keyOrders are the ways to sort the keys, the highest first.
var keyOrders = []struct {
	name string
	of   func(*compareKey) float64
}{
	{"change", func(k *compareKey) float64 { return math.Abs(k.change()) }},
	{"key", func(k *compareKey) float64 { return float64(k.size) }},
	{"requests", func(k *compareKey) float64 { return k.request[0] + k.request[1] }},
}

// sortedKeys are the buckets in the order that was asked for.
func (s *compareScreen) sortedKeys() []compareKey {
	of := keyOrders[s.order].of
	keys := s.filters.keys.chosen(s.found.keys)
	slices.SortStableFunc(keys, func(a, b compareKey) int {
		c := cmp.Compare(of(&b), of(&a))
		if s.turned {
			c = -c
		}
		return c
	})
	return keys
}

var compareKeyColumns = []column[compareKey]{
	{title: "key", width: units.BytesWidth, text: func(f *frame, k compareKey) (string, style) { return f.size(k.size), strong }},
	{title: "usage", width: 8, left: true, rank: 4, grow: 5, text: func(_ *frame, k compareKey) (string, style) { return k.usage, faint }},
	{title: "A", width: 5, rank: 1, text: func(_ *frame, k compareKey) (string, style) { return units.Rate(k.creates[0]), plain }},
	{title: "B", width: 5, rank: 1, text: func(_ *frame, k compareKey) (string, style) { return units.Rate(k.creates[1]), plain }},
	{title: "bytes/run", width: 9, text: func(f *frame, k compareKey) (string, style) {
		if k.change() == 0 {
			return "=", faint
		}
		return signed(f, int64(k.change())), strong
	}},
	{title: "in use", width: 9, rank: 3, text: func(_ *frame, k compareKey) (string, style) {
		return fmt.Sprintf("%d/%d", k.inUse[0], k.inUse[1]), faint
	}},
	{title: "req/run", width: 9, rank: 5, text: func(_ *frame, k compareKey) (string, style) {
		return units.Rate(k.request[0]) + "/" + units.Rate(k.request[1]), faint
	}},
}

var compareRunColumns = []column[compare.RunRow]{
	{title: "run", width: 5, text: func(_ *frame, r compare.RunRow) (string, style) { return strconv.FormatInt(r.Run.Run, 10), faint }},
	{title: "label", width: 10, left: true, rank: 6, grow: 20, text: func(_ *frame, r compare.RunRow) (string, style) { return r.Run.Label, faint }},
	{title: "peak A", width: units.BytesWidth, rank: 2, text: func(f *frame, r compare.RunRow) (string, style) { return f.bytes(r.PeakHeldBytes[0]), plain }},
	{title: "peak B", width: units.BytesWidth, rank: 2, text: func(f *frame, r compare.RunRow) (string, style) { return f.bytes(r.PeakHeldBytes[1]), plain }},
	{title: "change", width: 9, text: func(f *frame, r compare.RunRow) (string, style) {
		if r.PeakHeldBytes[0] == r.PeakHeldBytes[1] {
			return "=", faint
		}
		return signed(f, r.PeakHeldBytes[1]-r.PeakHeldBytes[0]), strong
	}},
	{title: "new A", width: 5, rank: 1, text: func(_ *frame, r compare.RunRow) (string, style) { return units.Count(r.Creates[0]), plain }},
	{title: "new B", width: 5, rank: 1, text: func(_ *frame, r compare.RunRow) (string, style) { return units.Count(r.Creates[1]), plain }},
	{title: "time A", width: 7, rank: 4, text: func(f *frame, r compare.RunRow) (string, style) { return runTime(f, r.DurationUS[0]), plain }},
	{title: "time B", width: 7, rank: 4, text: func(f *frame, r compare.RunRow) (string, style) { return runTime(f, r.DurationUS[1]), plain }},
}

// runTime is the time of a run where it is a device's.
func runTime(f *frame, us int64) string {
	if !f.st.Device.Timed {
		return f.g.none
	}
	return duration(float64(us))
}

// copy is the marked row as a line of text, bytes exact.
func (s *compareScreen) copy(f *frame) wish {
	at := s.scrolls[s.pane].cursor
	if s.found == nil || at < 0 || at >= s.rows(s.pane) {
		return wish{tell: f.say("no row is marked: {down} marks one, {copy} copies it")}
	}
	var fields []string
	switch s.pane {
	case figuresPane:
		r := s.figures()[at]
		fields = []string{r.Name, exact(r.Values[0]), exact(r.Values[1]), string(r.Unit)}
	case keysPane:
		k := s.sortedKeys()[at]
		fields = []string{fmt.Sprintf("key %d", k.size), k.usage, fmt.Sprintf("%g creates/run", k.creates[0]), fmt.Sprintf("%g creates/run", k.creates[1])}
	default:
		r := s.runs()[at]
		fields = []string{
			r.Run.String(), fmt.Sprintf("peak %d", r.PeakHeldBytes[0]), fmt.Sprintf("peak %d", r.PeakHeldBytes[1]),
			fmt.Sprintf("%d creates", r.Creates[0]), fmt.Sprintf("%d creates", r.Creates[1]),
		}
	}
	return wish{copy: strings.Join(fields, "\t"), tell: fields[0] + " is copied"}
}

func exact(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}
