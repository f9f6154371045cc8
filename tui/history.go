package tui

import (
	"sort"
	"time"

	"bucketscope/internal/engine"
	"bucketscope/probe"
)

// graphColumn is what happened in the time of one column: the highest values,
// so that no peak is lost however many points a column merges.
type graphColumn struct {
	held, inUse, average, floor float64
	known                       bool
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
		w.carry(before, at)
		w.columns[at].add(p)
		before = p
	}
	if before != nil {
		// Since the last point nothing happened: things stand as they do now.
		w.carry(&probe.Point{
			Run: before.Run, Held: st.Total.Held(), InUse: st.Total.InUse, Avg: st.Total.AvgHeld(), Floor: st.Total.Floor,
		}, min(w.column(st.NowUS)+1, n))
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
	c.known = true
}

// carry fills the columns before column to, back to the last known one, with
// how things stood after a point.
func (w *graphWindow) carry(before *probe.Point, to int) {
	if before == nil {
		return
	}
	for i := to - 1; i >= 0 && !w.columns[i].known; i-- {
		w.columns[i] = graphColumn{
			held: float64(before.Held), inUse: float64(before.InUse), average: float64(before.Avg), floor: float64(before.Floor),
			known: true, run: before.Run,
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
