package tui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// graphLook is how a graph is asked for: over what, and drawn with which signs.
type graphLook struct {
	window time.Duration // 0 is all of the history; unless byRun
	runs   int64         // 0 is all of the log; if byRun
	byRun  bool
	tier   graphTier
	// cursor is the time or the run that is pointed at, if pointed.
	cursor  int64
	pointed bool
}

// graphTier is what held bytes are drawn with.
type graphTier uint8

const (
	tierLines   graphTier = iota // box drawing, or ASCII
	tierBraille                  // two columns and four rows of dots a cell
	tierBlocks                   // filled, with eighths of a cell

	numTiers = int(tierBlocks) + 1
)

var tierNames = [numTiers]string{"lines", "braille", "blocks"}

// reduce merges what the graph shows into n columns. What is read on a host is
// not what a device holds.
func (l *graphLook) reduce(st *engine.State, n int) graphWindow {
	var w graphWindow
	if l.byRun {
		w = reduceRuns(st, l.runs, n)
	} else {
		w = reduce(st, l.window, n)
	}
	if st.Device.Kind == device.Host {
		for i := range w.columns {
			w.columns[i].read = false
		}
	}
	return w
}

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

// title names what is drawn, over which time or which runs.
func (l *graphLook) title(w int) string {
	if l.byRun {
		span := "last " + strconv.FormatInt(l.runs, 10) + " runs"
		if l.runs == 0 {
			span = "all runs of the log"
		}
		if w < 56 {
			return "held by run, " + span
		}
		return "held bytes by run, " + span + ", peak of each"
	}
	span := "last " + windowText(l.window)
	if l.window == 0 {
		span = "all of the history"
	}
	if w < 56 {
		return "held, " + span + ", max"
	}
	return "held bytes, " + span + ", max per column"
}

// legend tells the lines apart.
func (l *graphLook) legend(v view, x, y int, f *frame) int {
	held := f.g.held.Horizontal
	switch {
	case f.g.braille == 0:
	case l.tier == tierBraille:
		held = string(f.g.braille + 0x36)
	case l.tier == tierBlocks:
		held = string(f.g.lost)
	}
	average := "average"
	if l.byRun {
		average = "run average"
	}
	entries := []legendEntry{
		{held, "held", lineHeld}, {f.g.inUse.Horizontal, "in use", lineInUse}, {f.g.average.Horizontal, average, lineAverage},
		{f.g.floor.Horizontal, "floor", lineFloor},
	}
	if f.st.Driver.OK && !f.host() {
		entries = append(entries, legendEntry{f.g.driver.Horizontal, "driver", lineDriver})
	}
	for _, e := range append(entries, legendEntry{string(f.g.mark), "changed", switchMark}) {
		if x+textWidth(e.name)+4 > v.w {
			break
		}
		x = v.put(x, y, " ", plain)
		x = v.put(x, y, e.sign, e.s)
		x = v.put(x, y, " "+e.name+" ", faint)
	}
	return x
}

type legendEntry struct {
	sign, name string
	s          style
}

// graphLabels is the columns that the scale takes.
const graphLabels = units.BytesWidth + 1

// plotWidth is the columns of the plot in a pane of w columns.
func plotWidth(w int) int { return w - graphLabels }

// draw draws held bytes and what they are to be compared with: lines for the
// average, the floor, what is in use and what the driver says.
func (l *graphLook) draw(v view, f *frame) {
	const least = 8 // columns of plot
	n := plotWidth(v.w)
	if v.h < 2 || n < least {
		return
	}
	win := l.reduce(f.st, n)
	low, high := win.extent(v.h > tightRows)
	if math.IsInf(low, 1) {
		drawEmpty(v, l.empty(f))
		return
	}
	sc := newScale(low, high, v.h, f.si)
	drawScale(v.sub(0, 0, graphLabels, v.h), &sc, f)
	p := plotter{view: v.sub(graphLabels, 0, n, v.h), f: f, win: &win, sc: &sc, look: l}
	p.area()
	p.lines()
	p.peak()
	p.marks()
	p.cursor()
}

// extent is the range of all that is drawn; infinite where nothing is.
func (w *graphWindow) extent(all bool) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i := range w.columns {
		c := &w.columns[i]
		if !c.known {
			continue
		}
		low, high = min(low, c.held, c.inUse, c.average, c.floor), max(high, c.held, c.average, c.floor)
		if c.read && all {
			low, high = min(low, c.driver), max(high, c.driver)
		}
	}
	return low, high
}

// empty says why there is nothing to draw.
func (l *graphLook) empty(f *frame) string {
	if l.byRun && hasPoints(f.st) {
		return emptyRuns(f)
	}
	return emptyGraph(f)
}

// emptyGraph says why there is nothing to draw.
func emptyGraph(f *frame) string {
	switch f.st.Status {
	case engine.Paused:
		return f.say("nothing yet, because the workload is paused: {pause} starts it")
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
	f    *frame
	win  *graphWindow
	sc   *scale
	look *graphLook
}

// tier is what held bytes are drawn with here: ASCII has lines only.
func (p *plotter) tier() graphTier {
	if p.f.g.braille == 0 {
		return tierLines
	}
	return p.look.tier
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

// lines draws what held bytes are compared with and, over it, what was held.
func (p *plotter) lines() {
	if p.h < 2 {
		return
	}
	switch p.tier() {
	case tierBraille:
		p.plot(false)
		p.braille()
	case tierBlocks:
		p.blocks()
		p.plot(false)
		p.tops()
	default:
		p.plot(true)
	}
}

// plot draws the lines as asciigraph does.
func (p *plotter) plot(held bool) {
	g := p.f.g
	const lines = 5
	series := [lines][]float64{}
	values := make([]float64, lines*(p.w+1))
	for i := range series {
		series[i], values = values[:p.w+1], values[p.w+1:]
	}
	nan := math.NaN()
	for x := range p.win.columns {
		c := &p.win.columns[x]
		level := [lines]float64{nan, nan, nan, nan, nan}
		if c.known {
			if p.h > tightRows {
				level = [lines]float64{nan, p.sc.level(c.floor), nan, p.sc.level(c.average), nan}
				if c.inUse >= p.sc.low {
					level[2] = p.sc.level(c.inUse)
				}
				if c.read {
					level[0] = p.sc.level(c.driver)
				}
			}
			if held {
				level[lines-1] = p.sc.level(c.held)
			}
		}
		for i, v := range level {
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
		asciigraph.SeriesChars(g.driver, g.floor, g.inUse, g.average, g.held))
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
	case hasGlyph(&g.inUse, r):
		return lineInUse
	case hasGlyph(&g.driver, r):
		return lineDriver
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

// brailleDots are the bits of the dots of a cell, from its lower left one up,
// and of its right column.
var brailleDots = [2][4]rune{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}

// braille draws held bytes with two columns and four rows of dots a cell. Half
// a column is reduced as a whole one is, so that no peak is lost.
func (p *plotter) braille() {
	half := p.look.reduce(p.f.st, 2*p.w)
	before := -1
	for x := range half.columns {
		c := &half.columns[x]
		at := x / 2
		if whole := half.start(x); p.win.column(whole) >= 0 && !p.win.byRun {
			at = p.win.column(whole) // both begin at multiples of their widths, which may differ
		}
		if !c.known || at >= p.w {
			before = -1
			continue
		}
		dot := p.dots(c.held, len(brailleDots[0]))
		from, to := dot, dot
		if before >= 0 { // the way from the half column before
			from, to = min(dot, before+1), max(dot, before-1)
		}
		for d := from; d <= to; d++ {
			p.dot(at, p.h-1-d/4, brailleDots[x%2][d%4])
		}
		before = dot
	}
	// The highest of each column has its cell whatever the halves drew.
	for x := range p.win.columns {
		if c := &p.win.columns[x]; c.known {
			dot := p.dots(c.held, len(brailleDots[0]))
			if cell := p.at(x, p.h-1-dot/4); cell != nil && cell.s != lineHeld {
				p.dot(x, p.h-1-dot/4, brailleDots[0][dot%4]|brailleDots[1][dot%4])
			}
		}
	}
}

// dots is how many parts of a cell, counted from 0 at the bottom, a value is up:
// its whole row is that of the scale.
func (p *plotter) dots(v float64, perCell int) int {
	n := float64(perCell)
	return min(int(math.Round((p.sc.level(v)+0.5)*n-0.5)), p.h*perCell-1)
}

// dot adds dots to a cell.
func (p *plotter) dot(x, y int, bits rune) {
	c := p.at(x, y)
	if c == nil {
		return
	}
	r := p.f.g.braille | bits
	if c.s == lineHeld {
		r |= c.r
	}
	p.set(x, y, r, lineHeld)
}

// blocks fills the columns from what was in use to what was held.
func (p *plotter) blocks() {
	for x := range p.win.columns {
		c := &p.win.columns[x]
		if !c.known {
			continue
		}
		for y := p.sc.row(c.held) + 1; y < p.h && y <= p.sc.row(c.inUse); y++ {
			p.set(x, y, p.f.g.lost, barKept)
		}
	}
}

// tops draws the upper edges of the filled columns, in eighths of a cell.
func (p *plotter) tops() {
	steps := []rune(p.f.g.levels)
	for x := range p.win.columns {
		if c := &p.win.columns[x]; c.known {
			part := p.dots(c.held, len(steps))
			p.set(x, p.h-1-part/len(steps), steps[part%len(steps)], lineHeld)
		}
	}
}

// cursor marks the column that is pointed at.
func (p *plotter) cursor() {
	if !p.look.pointed {
		return
	}
	if x := p.win.column(p.look.cursor); x >= 0 && x < p.w {
		p.sub(x, 0, 1, p.h).mark()
	}
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
		case lineFloor, lineAverage, lineInUse, lineDriver, barKept:
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
// highest of all. Where that came earlier, the left edge says so.
func (p *plotter) peak() {
	best := -1
	for x := range p.win.columns {
		if c := &p.win.columns[x]; c.known && (best < 0 || c.held > p.win.columns[best].held) {
			best = x
		}
	}
	st := p.f.st
	held, name, run := p.win.columns[best].held, "max", p.win.columns[best].run
	if int64(held) >= st.Total.PeakHeld {
		name, run = "peak", st.PeakRun
		// The slot of the peak may have begun a column earlier.
		if x := p.win.column(p.peakAt()); x >= 0 && x < p.w && p.win.columns[x].held == held {
			best = x
		}
	}
	text := fmt.Sprintf("%s %s@%d", name, p.f.bytes(int64(held)), run)
	for _, text := range [...]string{text, ""} {
		if p.besideAny(best, p.sc.row(held), p.f.g.peak+text, text+p.f.g.peak) {
			break
		}
	}
	if name == "max" {
		p.earlierPeak()
	}
}

// peakAt is where in the window's measure the highest of all was.
func (p *plotter) peakAt() int64 {
	if p.win.byRun {
		return p.f.st.PeakRun
	}
	return p.f.st.PeakAtUS
}

// besideAny writes the label of the peak at (x, y): in its row, else in one of
// the next above, else below, and over thin lines only where it must.
func (p *plotter) besideAny(x, y int, right, left string) bool {
	for up := range min(y+1, tightRows) {
		if p.rowBeside(x, y-up, near, right, left, peakMark, false) {
			return true
		}
	}
	return p.beside(x, y, near, right, left, peakMark, false) || p.beside(x, y, near, right, left, peakMark, true)
}

// earlierPeak says at the edge what the highest of all was, as high as the
// scale goes.
func (p *plotter) earlierPeak() {
	st := p.f.st
	text := fmt.Sprintf("%s%s%s@%d", p.f.g.back, p.f.g.peak, p.f.bytes(st.Total.PeakHeld), st.PeakRun)
	for y := p.sc.row(float64(st.Total.PeakHeld)); y < p.h; y++ {
		for _, text := range [...]string{p.f.g.back + "peak " + text[len(p.f.g.back):], text, p.f.g.back + p.f.g.peak} {
			for x := range min(near, p.w) {
				if p.free(x, y, textWidth(text), true) {
					p.put(x, y, text, peakMark)
					return
				}
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
	for ; y < p.h; y++ {
		if p.rowBeside(x, y, reach, right, left, s, must) {
			return true
		}
	}
	return false
}

// rowBeside is beside in one row.
func (p *plotter) rowBeside(x, y, reach int, right, left string, s style, must bool) bool {
	w := textWidth(right)
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
	return false
}

// marks draws where a person changed something: first every line, then the
// texts, the newest first.
func (p *plotter) marks() {
	at := func(m *engine.Mark) int {
		if p.win.byRun {
			return p.win.column(m.Run)
		}
		return p.win.column(m.AtUS)
	}
	for i := range p.f.st.Marks {
		x := at(&p.f.st.Marks[i])
		for y := range p.h {
			if c := p.at(x, y); c != nil && (c.s == plain || c.s == areaInUse || c.s == barKept) {
				p.set(x, y, p.f.g.mark, switchMark)
			}
		}
	}
	for i := len(p.f.st.Marks) - 1; i >= 0; i-- {
		m := &p.f.st.Marks[i]
		x := at(m)
		if x < 0 || x >= p.w {
			continue
		}
		text := fmt.Sprintf("%s @run %d", m.Text, m.Run)
		_ = p.beside(x, 0, tight, " "+text, text+" ", switchText, false) ||
			p.beside(x, 0, near, " "+text, text+" ", switchText, false) ||
			p.beside(x, 0, near, " "+text, text+" ", switchText, true)
	}
}
