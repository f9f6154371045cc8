package tui

import (
	"fmt"
	"math"
	"math/bits"
	"sort"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// graphColumn is what happened in the time of one column: the highest values,
// so that no peak is lost however many points a column merges.
type graphColumn struct {
	held, inUse, average, floor float64
	known, inUseKnown           bool
	run                         int64 // in which held was highest, or nearly
}

// graphWindow is the stretch of time that a graph shows.
type graphWindow struct {
	fromUS, columnUS int64
	columns          []graphColumn
}

// column is the index of the column of a time; it may lie outside.
func (w *graphWindow) column(us int64) int {
	if us < w.fromUS {
		return -1
	}
	return int((us - w.fromUS) / w.columnUS)
}

// reduce merges a state's history into n columns over a window, or over all of
// it for a window of 0. Columns begin at whole multiples of their width, so
// that a point stays in its column while the window moves on.
func reduce(st *engine.State, window time.Duration, n int) graphWindow {
	all := allPoints(st)
	first := st.NowUS
	if len(all.done) > 0 {
		first = all.done[0].AtUS
	} else if all.any {
		first = all.now.AtUS
	}
	span := window.Microseconds()
	if span == 0 {
		span = max(st.NowUS-first, 1)
	}
	w := graphWindow{columnUS: max(1, (span+int64(n)-1)/int64(n)), columns: make([]graphColumn, n)}
	if window == 0 {
		// A round width keeps the points in their columns while the history
		// grows, too.
		for w.columnUS = roundUS(w.columnUS); ; w.columnUS = roundUS(w.columnUS + 1) {
			w.fromUS = first - first%w.columnUS
			if w.column(st.NowUS) < n {
				break
			}
		}
	} else {
		// The last column is the one that now is in.
		w.fromUS = max(0, (st.NowUS/w.columnUS-int64(n)+1)*w.columnUS)
	}
	i := sort.Search(len(all.done), func(i int) bool { return all.done[i].AtUS >= w.fromUS })
	// The point before the window says how things stood when it began.
	var before *probe.Point
	if i > 0 {
		before = &all.done[i-1]
	}
	for ; i < all.len(); i++ {
		p := all.at(i)
		at := w.column(p.AtUS)
		if at < 0 { // the slot going on may have begun long ago
			before = p
			continue
		}
		if at >= n {
			break
		}
		w.carry(before, p, at)
		w.columns[at].add(p)
		before = p
	}
	if before != nil {
		// Since the last point nothing happened: things stand as they do now.
		now := probe.Point{
			AtUS: st.NowUS, Run: before.Run, MinHeld: st.Total.Held(), MaxHeld: st.Total.Held(), MaxInUse: st.Total.InUse,
			Avg: st.Total.AvgHeld(), Floor: st.Total.Floor,
		}
		w.carry(&now, &now, min(w.column(st.NowUS)+1, n))
	}
	return w
}

// roundUS is the least 1, 2 or 5 times a power of ten that is at least n.
func roundUS(n int64) int64 { return int64(niceStep(float64(n), true)) }

// add merges a point into a column.
func (c *graphColumn) add(p *probe.Point) {
	if held := float64(p.MaxHeld); !c.known || held > c.held {
		c.held, c.run = held, p.Run
	}
	c.inUse = max(c.inUse, float64(p.MaxInUse))
	c.average, c.floor = float64(p.Avg), float64(p.Floor)
	c.known, c.inUseKnown = true, true
}

// carry fills the columns before column to, back to the last known one, with
// what stood between two points: between them nothing changed, so what was
// held then is in the range of both.
func (w *graphWindow) carry(before, after *probe.Point, to int) {
	if before == nil {
		return
	}
	held := min(max(before.MinHeld, after.MinHeld), before.MaxHeld, after.MaxHeld)
	for i := to - 1; i >= 0 && !w.columns[i].known; i-- {
		c := &w.columns[i]
		*c = graphColumn{held: float64(held), average: float64(before.Avg), floor: float64(before.Floor), known: true, run: before.Run}
		if before == after {
			c.inUse, c.inUseKnown = float64(after.MaxInUse), true
		}
	}
}

// pointList is the points of a state, the one going on last.
type pointList struct {
	done []probe.Point
	now  probe.Point
	any  bool
}

func allPoints(st *engine.State) pointList { return pointList{st.Points, st.LastPoint, st.HasPoint} }

func (l *pointList) len() int {
	if l.any {
		return len(l.done) + 1
	}
	return len(l.done)
}

func (l *pointList) at(i int) *probe.Point {
	if i < len(l.done) {
		return &l.done[i]
	}
	return &l.now
}

// scale maps bytes to rows.
type scale struct {
	low, high float64 // of the lowest and the highest row
	step      float64 // between labels
	rows      int
}

// tightRows is how few rows are too few for round labels: every row counts.
const tightRows = 4

// newScale finds a range around low and high in which labels are round numbers
// an equal number of rows apart, and which stands still while the figures move
// a little. It does not begin at 0 where that would squash what there is to
// see.
func newScale(low, high float64, rows int, decimal bool) scale {
	if low > 0 && high-low < low/16 {
		low = high - low/16 // almost flat: what moves by little shall not fill the graph
	}
	if low < (high-low)/2 {
		low = 0 // little is gained by leaving 0 out
	}
	if high <= low {
		high = low + 1
	}
	spaces := max(rows-1, 1)
	if rows <= tightRows {
		return scale{low, high, high - low, rows}
	}
	step := niceStep((high-low)/float64(spaces/2), decimal)
	for {
		low := math.Floor(low/step) * step
		if n := int(math.Ceil((high - low) / step)); n <= spaces/2 {
			perLabel := spaces / n
			return scale{low, low + step*float64(spaces)/float64(perLabel), step, rows}
		}
		step = niceStep(step+1, decimal)
	}
}

// niceStep is the least round number of bytes that is at least n: a power of
// two, or 1, 2 or 5 times a power of ten.
func niceStep(n float64, decimal bool) float64 {
	if n <= 1 {
		return 1
	}
	if !decimal {
		return float64(uint64(1) << min(bits.Len64(uint64(math.Ceil(n))-1), 62))
	}
	p := math.Pow(10, math.Floor(math.Log10(n)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= n {
			return m * p
		}
	}
	return 10 * p
}

// level is where a value stands between the lowest row, 0, and the highest.
func (s *scale) level(v float64) float64 {
	top := float64(s.rows - 1)
	return min(max((v-s.low)/(s.high-s.low)*top, 0), top)
}

// row is the row of a value, counted from the top.
func (s *scale) row(v float64) int { return s.rows - 1 - int(math.Round(s.level(v))) }

// windowText names a window.
func windowText(window time.Duration) string {
	switch {
	case window == 0:
		return "all"
	case window < 2*time.Minute:
		return fmt.Sprintf("%d s", int(window.Seconds()))
	}
	return fmt.Sprintf("%d min", int(window.Minutes()))
}

// graphTitle names what is drawn, over which time.
func graphTitle(window time.Duration, w int) string {
	span := "last " + windowText(window)
	if window == 0 {
		span = "all of the history"
	}
	if w < 56 {
		return "held, " + span + ", max"
	}
	return "held bytes, " + span + ", max per column"
}

// graphLegend tells the lines apart.
func graphLegend(v view, x, y int, f *frame) int {
	for _, e := range []struct {
		sign, name string
		s          style
	}{
		{f.g.held.Horizontal, "held", lineHeld}, {f.g.average.Horizontal, "average", lineAverage},
		{f.g.floor.Horizontal, "floor", lineFloor}, {string(f.g.area), "in use", areaInUse},
		{string(f.g.mark), "changed", switchMark},
	} {
		if x+textWidth(e.name)+4 > v.w {
			break
		}
		x = v.put(x, y, " ", plain)
		x = v.put(x, y, e.sign, e.s)
		x = v.put(x, y, " "+e.name+" ", faint)
	}
	return x
}

// drawGraph draws held bytes over a window: lines for held, its average and
// the floor, an area for what is in use.
func drawGraph(v view, f *frame, window time.Duration) {
	const least = 8 // columns of plot
	labelW := units.BytesWidth + 1
	if v.h < 2 || v.w < labelW+least {
		return
	}
	n := v.w - labelW
	win := reduce(f.st, window, n)
	low, high := win.extent()
	if math.IsInf(low, 1) {
		drawEmpty(v, emptyGraph(f.st))
		return
	}
	sc := newScale(low, high, v.h, f.si)
	drawScale(v.sub(0, 0, labelW, v.h), &sc, f)
	p := plotter{view: v.sub(labelW, 0, n, v.h), f: f, win: &win, sc: &sc}
	p.area()
	p.lines()
	p.peak()
	p.marks()
}

// extent is the range of all that is drawn; infinite where nothing is.
func (w *graphWindow) extent() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i := range w.columns {
		c := &w.columns[i]
		if !c.known {
			continue
		}
		low, high = min(low, c.held, c.average, c.floor), max(high, c.held, c.average, c.floor)
		if c.inUseKnown {
			low = min(low, c.inUse)
		}
	}
	return low, high
}

// emptyGraph says why there is nothing to draw.
func emptyGraph(st *engine.State) string {
	switch st.Status {
	case engine.Paused:
		return "nothing yet, because the workload is paused: p starts it"
	case engine.Failed:
		return "nothing, because the workload stopped before its first run"
	}
	return "nothing yet, because no run has started"
}

// drawEmpty says in the middle of v why there is nothing to see.
func drawEmpty(v view, why string) {
	lines := wrap(why, v.w-2, v.h)
	y := (v.h - len(lines)) / 2
	for i, l := range lines {
		v.put(max((v.w-textWidth(l))/2, 0), y+i, l, faint)
	}
}

// drawScale labels the rows at whole steps.
func drawScale(v view, sc *scale, f *frame) {
	for at := sc.low; at <= sc.high; at += sc.step {
		y := sc.row(at)
		v.right(v.w-1, y, f.bytes(int64(at)), faint)
		v.set(v.w-1, y, f.g.tick, faint)
	}
	for y := range v.h {
		if v.at(v.w-1, y).r == ' ' {
			v.set(v.w-1, y, f.g.vertical, faint)
		}
	}
}

// plotter draws into the plot of a graph, a column a cell.
type plotter struct {
	view
	f   *frame
	win *graphWindow
	sc  *scale
}

// area fills the columns up to what was in use.
func (p *plotter) area() {
	for x := range p.win.columns {
		c := &p.win.columns[x]
		if !c.known || !c.inUseKnown || c.inUse < p.sc.low {
			continue
		}
		for y := p.sc.row(c.inUse); y < p.h; y++ {
			p.set(x, y, p.f.g.area, areaInUse)
		}
	}
}

// lines draws the floor, the average and, over them, what was held.
func (p *plotter) lines() {
	g := p.f.g
	if p.h < 2 {
		return
	}
	const held = 2
	series := [held + 1][]float64{}
	values := make([]float64, 3*(p.w+1))
	for i := range series {
		series[i], values = values[:p.w+1], values[p.w+1:]
	}
	for x := range p.win.columns {
		c := &p.win.columns[x]
		for i, v := range [...]float64{c.floor, c.average, c.held} {
			if !c.known || p.h <= tightRows && i != held {
				v = math.NaN()
			} else {
				v = p.sc.level(v)
			}
			// asciigraph draws the way from a point to the next: the value of
			// a column is the point after it, and the first has none before.
			series[i][x+1] = v
			if x == 0 {
				series[i][0] = v
			}
		}
	}
	// The values are rows already and there is a point for every column, so
	// that asciigraph neither scales nor resamples: its own resampling loses
	// peaks. Its axis, one column, is ours to draw.
	top := float64(p.h - 1)
	picture := asciigraph.PlotMany(series[:],
		asciigraph.Height(p.h-1), asciigraph.LowerBound(0), asciigraph.UpperBound(top), asciigraph.Offset(1),
		asciigraph.YAxisValueFormatter(func(float64) string { return "" }),
		asciigraph.SeriesChars(g.floor, g.average, g.held))
	for y := 0; picture != ""; y++ {
		var line string
		line, picture, _ = strings.Cut(picture, "\n")
		x := -1
		for _, r := range line {
			if x >= 0 && r != ' ' {
				p.set(x, y, r, p.styleOf(r))
			}
			x++
		}
	}
}

// styleOf tells from a glyph which line it is of: no two share one.
func (p *plotter) styleOf(r rune) style {
	switch g := p.f.g; {
	case hasGlyph(&g.average, r):
		return lineAverage
	case hasGlyph(&g.floor, r):
		return lineFloor
	}
	return lineHeld
}

func hasGlyph(c *asciigraph.CharSet, r rune) bool {
	for _, s := range [...]string{c.Horizontal, c.VerticalLine, c.ArcDownRight, c.ArcDownLeft, c.ArcUpRight, c.ArcUpLeft} {
		if strings.ContainsRune(s, r) {
			return true
		}
	}
	return false
}

// free reports whether text may be written over these cells: over nothing, the
// area and the marks, and, if it must be, over the lines of average and floor;
// never over that of held bytes or another text.
func (p *plotter) free(x, y, w int, must bool) bool {
	if x < 0 || x+w > p.w || y < 0 || y >= p.h {
		return false
	}
	for i := x; i < x+w; i++ {
		switch p.at(i, y).s {
		case plain, areaInUse, switchMark:
		case lineFloor, lineAverage:
			if !must {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// peak points to the highest value of the window, and says whether it is the
// highest of all.
func (p *plotter) peak() {
	best := -1
	for x := range p.win.columns {
		if c := &p.win.columns[x]; c.known && (best < 0 || c.held > p.win.columns[best].held) {
			best = x
		}
	}
	held, name, run := p.win.columns[best].held, "max", p.win.columns[best].run
	if x := p.win.column(p.f.st.PeakAtUS); x >= 0 && int64(held) == p.f.st.Total.PeakHeld {
		name, run = "peak", p.f.st.PeakRun
		// The slot of the peak may have begun a column earlier.
		if x < p.w && p.win.columns[x].held == held {
			best = x
		}
	}
	text := fmt.Sprintf("%s %s@%d", name, p.f.bytes(int64(held)), run)
	for _, text := range [...]string{text, ""} {
		for _, must := range [...]bool{false, true} {
			if p.beside(best, p.sc.row(held), near, p.f.g.peak+text, text+p.f.g.peak, peakMark, must) {
				return
			}
		}
	}
}

// tight and near are how many columns from its cell a label may stand.
const (
	tight = 2
	near  = 12
)

// beside writes a label for the cell at (x, y): to its right or left in its
// row, at most reach columns away, else in the next row in which there is room.
func (p *plotter) beside(x, y, reach int, right, left string, s style, must bool) bool {
	w := textWidth(right)
	for ; y < p.h; y++ {
		for d := 1; d <= reach; d++ {
			if at := x + d; p.free(at, y, w, must) {
				p.put(at, y, right, s)
				return true
			}
			if at := x - d - w + 1; p.free(at, y, w, must) {
				p.put(at, y, left, s)
				return true
			}
		}
	}
	return false
}

// marks draws where a person changed something: first every line, then the
// texts, the newest first.
func (p *plotter) marks() {
	for i := range p.f.st.Marks {
		x := p.win.column(p.f.st.Marks[i].AtUS)
		for y := range p.h {
			if c := p.at(x, y); c != nil && (c.s == plain || c.s == areaInUse) {
				p.set(x, y, p.f.g.mark, switchMark)
			}
		}
	}
	for i := len(p.f.st.Marks) - 1; i >= 0; i-- {
		m := &p.f.st.Marks[i]
		x := p.win.column(m.AtUS)
		if x < 0 || x >= p.w {
			continue
		}
		text := fmt.Sprintf("%s @run %d", m.Text, m.Run)
		_ = p.beside(x, 0, tight, " "+text, text+" ", switchText, false) ||
			p.beside(x, 0, near, " "+text, text+" ", switchText, false) ||
			p.beside(x, 0, near, " "+text, text+" ", switchText, true)
	}
}
