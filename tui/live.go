package tui

import (
	"fmt"
	"strconv"

	"bucketscope/internal/engine"
	"bucketscope/probe"
)

// paneID is a pane of the Live screen that keys can move in.
type paneID uint8

const (
	paneBuckets paneID = iota
	paneWhatIf
	paneRuns
	paneGraph
	numPanes = iota
)

// live is the first screen: held bytes over time, the buckets and the runs.
type live struct {
	zoom    int // index into zooms
	look    graphLook
	focus   paneID
	buckets bucketsPane
	runs    runsPane
	whatIf  whatIfPane
	seen    *engine.State
}

func newLive() *live {
	none := scroll{cursor: -1}
	l := &live{zoom: defaultZoom, buckets: bucketsPane{scroll: none}, runs: runsPane{scroll: none}, whatIf: whatIfPane{scroll: none}}
	l.look.window, l.look.runs = zooms[l.zoom], runZooms[l.zoom]
	return l
}

func (l *live) follow(f *frame) {
	if begunAnew(l.seen, f.st) {
		l.look.pointed = false
	}
	l.seen = f.st
	l.buckets.follow(f)
	l.runs.follow(f)
	l.whatIf.follow(f)
	if l.focus == paneWhatIf && !l.whatIf.there {
		l.focus = paneRuns
	}
}

func (l *live) work(*frame) (changed, more bool) { return false, false }

func (l *live) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	lay := l.layout(kind, w, h)
	switch a {
	case zoomIn:
		l.zoomTo(max(l.zoom-1, 0))
	case zoomOut:
		l.zoomTo(min(l.zoom+1, len(zooms)-1))
	case zoomReset:
		l.zoomTo(defaultZoom)
	case align:
		l.look.byRun, l.look.pointed = !l.look.byRun, false
		if l.look.byRun {
			return true, wish{tell: f.say("the graph has a column for each run; {align}: over time again")}
		}
		return true, wish{tell: f.say("the graph is over time; {align}: by run")}
	case presetNext:
		l.look.tier = (l.look.tier + 1) % graphTier(numTiers)
		if f.g.braille == 0 {
			return true, wish{tell: "ASCII has lines only"}
		}
		return true, wish{tell: "the graph is drawn with " + tierNames[l.look.tier]}
	case nextPane:
		l.focus = l.beside(1)
	case prevPane:
		l.focus = l.beside(numPanes - 1)
	case accept:
		return true, l.accept(f)
	case moveLeft, moveRight, moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		switch {
		case l.focus == paneGraph:
			l.point(a, f, plotWidth(lay.graph.w-2*lay.edge()))
		case a == moveLeft:
			l.focus = paneBuckets
		case a == moveRight && l.focus == paneBuckets && l.whatIf.there:
			l.focus = paneWhatIf
		case a == moveRight:
			l.focus = paneRuns
		case l.focus == paneBuckets:
			l.buckets.press(a, tablePage(lay.buckets, lay.framed))
		case l.focus == paneWhatIf:
			l.whatIf.press(a, tablePage(lay.whatIf, lay.framed))
		default:
			l.runs.press(a, tablePage(lay.runs, lay.framed))
		}
	case filterList:
		return true, wish{edit: l.edit()}
	case copyRow:
		return true, l.copy(f)
	case back:
		if had := l.whatIf.drop(); had || l.look.pointed {
			l.look.pointed = false
			l.buckets.drop()
			l.runs.drop()
			return true, wish{}
		}
		return l.back(), wish{}
	default:
		return false, wish{}
	}
	return true, wish{}
}

// beside is the pane that many further; What if is one only where it is.
func (l *live) beside(n paneID) paneID {
	to := (l.focus + n) % numPanes
	if to == paneWhatIf && !l.whatIf.there {
		to = (to + n) % numPanes
	}
	return to
}

// layout divides the body. Without What if the log of runs has its room.
func (l *live) layout(kind layoutKind, w, h int) liveLayout {
	lay := liveLayoutOf(kind, w, h, l.focus)
	if !l.whatIf.there && lay.whatIf.h > 0 {
		lay.whatIf.h += lay.runs.h
		lay.runs, lay.whatIf = lay.whatIf, rect{}
	}
	return lay
}

func (l *live) zoomTo(zoom int) {
	l.zoom = zoom
	l.look.window, l.look.runs = zooms[zoom], runZooms[zoom]
}

// point moves the cursor of the graph, whose plot has n columns.
func (l *live) point(a action, f *frame, n int) {
	if n <= 0 {
		return
	}
	win := l.look.reduce(f.st, n)
	first, last := -1, -1
	for x := range win.columns {
		if win.columns[x].known {
			if first < 0 {
				first = x
			}
			last = x
		}
	}
	if first < 0 {
		return
	}
	step := max(win.stretch, 1)
	x := last
	if l.look.pointed {
		x = win.column(l.look.cursor)
		switch a {
		case moveLeft:
			x -= step
		case moveRight:
			x += step
		case pageUp:
			x -= pointPage * step
		case pageDown:
			x += pointPage * step
		case toTop:
			x = first
		case toBottom:
			x = last
		}
	}
	l.look.pointed, l.look.cursor = true, win.start(min(max(x, first), last))
}

// accept goes to what is marked: a bucket to its own screen, a run or a point
// of the graph to its moment.
func (l *live) accept(f *frame) wish {
	h := &f.now.History
	switch l.focus {
	case paneBuckets:
		if !l.buckets.any {
			return wish{tell: f.say("no bucket is marked: {down} marks one, {accept} shows its runs")}
		}
		return wish{place: &place{screen: screenBuckets, key: l.buckets.at, run: -1}}
	case paneWhatIf:
		return l.whatIf.accept(f)
	case paneRuns:
		if i := l.runs.cursor; l.runs.any && i >= 0 && i < len(l.runs.rows) {
			if m := l.runs.rows[i].mark; m != nil {
				return wish{goBack: true, event: m.Seq}
			}
			return backToRun(h, l.runs.rows[i].run.Seq)
		}
		return wish{tell: f.say("no run is marked: {up} marks one, {accept} goes back to its end")}
	}
	if !l.look.pointed {
		return wish{tell: f.say("nothing is pointed at: {left} points, {accept} goes back to that moment")}
	}
	if l.look.byRun {
		return backToRun(h, l.look.cursor)
	}
	if seq, ok := h.Before(l.look.cursor); ok {
		return wish{goBack: true, event: seq}
	}
	return wish{tell: "the history does not reach back that far"}
}

// backToRun goes back to the end of a run.
func backToRun(h *probe.History, run int64) wish {
	if seq, ok := h.RunEnd(run); ok {
		return wish{goBack: true, event: seq}
	}
	return wish{tell: "the history does not reach back to run " + strconv.FormatInt(run, 10)}
}

// tablePage is how many rows a table shows in a pane: less than its rows by
// its frame and titles.
func tablePage(r rect, framed bool) int {
	if framed {
		return max(r.h-3, 1)
	}
	return max(r.h-2, 1)
}

func (l *live) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	lay := l.layout(kind, v.w, v.h)
	if g := v.rect(lay.graph); !g.empty() {
		right := ""
		if g.w >= standardW {
			right = reach(f) + f.say("{zoom-in} {zoom-out} {zoom-reset} zoom")
		}
		title := l.look.title(g.w)
		detail := l.detail(f, plotWidth(g.w-2*lay.edge()))
		if !lay.framed && detail != "" {
			title = detail
		}
		in := pane(g, f, title, right, lay.framed, l.focus == paneGraph)
		l.look.draw(in, f)
		switch {
		case !lay.framed || !hasPoints(f.st):
		case detail != "":
			g.put(2, g.h-1, cut(" "+detail+" ", g.w-4), strong)
		default:
			l.look.legend(g, 2, g.h-1, f)
		}
	}
	// With one table in sight it has the keys, and there is none to tell it
	// from.
	l.buckets.draw(v.rect(lay.buckets), f, lay.framed, l.focus == paneBuckets)
	l.runs.draw(v.rect(lay.runs), f, lay.framed, l.focus == paneRuns)
	l.whatIf.draw(v.rect(lay.whatIf), f, lay.framed, l.focus == paneWhatIf)
}

// detail is what the graph shows at its cursor, exactly.
func (l *live) detail(f *frame, n int) string {
	if !l.look.pointed || n <= 0 {
		return ""
	}
	win := l.look.reduce(f.st, n)
	x := win.column(l.look.cursor)
	if x < 0 || x >= n || !win.columns[x].known {
		return ""
	}
	c := &win.columns[x]
	at := fmt.Sprintf("run %d", c.run)
	if win.byRun && win.end(x)-win.start(x) > 1 {
		at = fmt.Sprintf("runs %d to %d, highest in %d", win.start(x), win.end(x)-1, c.run)
	}
	if !win.byRun {
		at = fmt.Sprintf("%.3f s, run %d", float64(win.start(x))/1e6, c.run)
	}
	text := fmt.Sprintf("%s: held %s (%d), in use %s, avg %s, floor %s", at, f.bytes(int64(c.held)), int64(c.held),
		f.bytes(int64(c.inUse)), f.bytes(int64(c.average)), f.bytes(int64(c.floor)))
	if c.read {
		text += ", driver " + f.bytes(int64(c.driver))
	}
	return text
}

// reach says how far back a moment can be gone to.
func reach(f *frame) string {
	h := &f.now.History
	if h.End() == h.First() || h.First() == 0 {
		return ""
	}
	return f.say("{previous-run} {next-run} reach back ") + agoText(f, h.FirstUS()) + ", "
}

func hasPoints(st *engine.State) bool { return st.Slots[0].Any }

// drawFigures fills the rows below the one line with the figures that it has no
// room for, as many as there are rows.
func drawFigures(v view, f *frame) {
	said := map[string]bool{}
	for _, d := range fitFields(lineHeader(f), lineRoom(v.w)) {
		said[d.label+d.value] = true
	}
	x, y := 0, 0
	for _, d := range notEmpty(
		peakField(f), hitField(f), createsField(f), averageField(f), inUseField(f), cachedField(f), pendingField(f),
		paddingField(f), floorField(f), driverField(f), latencyField(f), paceField(f), field{value: f.st.Workload.Name},
		field{value: f.st.Device.String()},
	) {
		if said[d.label+d.value] {
			continue
		}
		if x > 0 && x+d.columns() > v.w {
			x, y = 0, y+1
		}
		if y >= v.h {
			return
		}
		row := v.sub(x, y, v.w-x, 1)
		drawField(row, 0, d)
		x += d.columns() + fieldGap
	}
}
