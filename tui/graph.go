package tui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

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
		low, high = min(low, c.held, c.inUse, c.average, c.floor), max(high, c.held, c.average, c.floor)
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
		if !c.known || c.inUse < p.sc.low {
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
