package tui

import "bucketscope/internal/engine"

// paneID is a pane of the Live screen that keys can move in.
type paneID uint8

const (
	paneBuckets paneID = iota
	paneRuns
	numPanes = iota
)

// live is the first screen: held bytes over time, the buckets and the runs.
type live struct {
	zoom    int // index into zooms
	focus   paneID
	buckets bucketsPane
	runs    runsPane
}

func newLive() *live {
	return &live{zoom: defaultZoom, buckets: bucketsPane{scroll: scroll{cursor: -1}}, runs: runsPane{scroll: scroll{cursor: -1}}}
}

func (l *live) follow(f *frame) {
	l.buckets.follow(f)
	l.runs.follow(f)
}

func (l *live) work(*frame) (changed, more bool) { return false, false }

func (l *live) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	switch a {
	case zoomIn:
		l.zoom = max(l.zoom-1, 0)
	case zoomOut:
		l.zoom = min(l.zoom+1, len(zooms)-1)
	case zoomReset:
		l.zoom = defaultZoom
	case nextPane:
		l.focus = (l.focus + 1) % numPanes
	case prevPane:
		l.focus = (l.focus + numPanes - 1) % numPanes
	case moveLeft:
		l.focus = paneBuckets
	case moveRight:
		l.focus = paneRuns
	case moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		lay := liveLayoutOf(kind, w, h, l.focus)
		if l.focus == paneBuckets {
			l.buckets.press(a, tablePage(lay.buckets, lay.framed))
		} else {
			l.runs.press(a, tablePage(lay.runs, lay.framed))
		}
	case filterList:
		return true, wish{edit: l.edit()}
	case copyRow:
		return true, l.copy(f)
	case back:
		return l.back(), wish{}
	default:
		return false, wish{}
	}
	return true, wish{}
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
	lay := liveLayoutOf(kind, v.w, v.h, l.focus)
	window := zooms[l.zoom]
	if g := v.rect(lay.graph); !g.empty() {
		right := ""
		if g.w >= standardW {
			right = "+ - = zoom"
		}
		in := pane(g, f, graphTitle(window, g.w), right, lay.framed, false)
		drawGraph(in, f, window)
		if lay.framed && hasPoints(f.st) {
			graphLegend(g, 2, g.h-1, f)
		}
	}
	// With one table in sight it has the keys, and there is none to tell it
	// from.
	l.buckets.draw(v.rect(lay.buckets), f, lay.framed, l.focus == paneBuckets)
	l.runs.draw(v.rect(lay.runs), f, lay.framed, l.focus == paneRuns)
}

func hasPoints(st *engine.State) bool { return st.HasPoint || len(st.Points) > 0 }

// drawFigures fills the rows below the one line with more figures, as many as
// there is room for.
func drawFigures(v view, f *frame) {
	x, y := 0, 0
	for _, d := range notEmpty(
		peakField(f), hitField(f), createsField(f), averageField(f), inUseField(f), cachedField(f), pendingField(f),
		paddingField(f), floorField(f), driverField(f), latencyField(f), paceField(f), field{value: f.st.Workload.Name},
		field{value: f.st.Device.String()},
	) {
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
