package tui

import (
	"sort"
	"time"

	"bucketscope/internal/engine"
	"bucketscope/probe"
)

// graphColumn is what happened in the time, or in the runs, of one column: the
// highest values, so that no peak is lost however many points a column merges.
type graphColumn struct {
	held, inUse, average, floor, driver float64
	known                               bool
	read                                bool  // the driver said something
	run                                 int64 // in which held was highest, or nearly
}

// graphWindow is the stretch of time, or of runs, that a graph shows.
type graphWindow struct {
	byRun   bool
	from    int64 // of the first column: microseconds, or a run's ordinal
	width   int64 // of a column, in the same; 0 where a run takes several columns
	stretch int   // columns that a run takes, if width is 0
	columns []graphColumn
}

// column is the index of the column of a time or a run; it may lie outside.
func (w *graphWindow) column(at int64) int {
	switch {
	case at < w.from:
		return -1
	case w.width == 0:
		return int(min(at-w.from, maxSide)) * w.stretch
	}
	return int(min((at-w.from)/w.width, 1<<30))
}

// start is the time or the run that a column begins with, and end the one that
// the next begins with.
func (w *graphWindow) start(x int) int64 {
	if w.width == 0 {
		return w.from + int64(x/w.stretch)
	}
	return w.from + int64(x)*w.width
}

func (w *graphWindow) end(x int) int64 {
	if w.width == 0 {
		return w.start(x) + 1
	}
	return w.start(x + 1)
}

// reduce merges a state's history into n columns over a window, or over all of
// it for a window of 0. Columns begin at whole multiples of their width, so
// that a point stays in its column while the window moves on.
func reduce(st *engine.State, window time.Duration, n int) graphWindow {
	first, any := firstPoint(st)
	if !any {
		first = st.NowUS
	}
	span := window.Microseconds()
	if span == 0 {
		span = max(st.NowUS-first, 1)
	}
	w := graphWindow{width: max(1, (span+int64(n)-1)/int64(n)), columns: make([]graphColumn, n)}
	if window == 0 {
		// A round width keeps the points in their columns while the history
		// grows, too.
		for w.width = roundUS(w.width); ; w.width = roundUS(w.width + 1) {
			w.from = first - first%w.width
			if w.column(st.NowUS) < n {
				break
			}
		}
	} else {
		// The last column is the one that now is in.
		w.from = max(0, (st.NowUS/w.width-int64(n)+1)*w.width)
	}
	// The point before the window says how things stood when it began.
	var before *probe.Point
	pointsFrom(st, w.from, w.width, func(p *probe.Point) {
		at := w.column(p.AtUS)
		if at < 0 || at >= n { // the slot going on may have begun long ago
			before = p
			return
		}
		w.carry(before, at)
		w.columns[at].add(p)
		before = p
	})
	if before != nil {
		// Since the last point nothing happened: things stand as they do now.
		w.carry(&probe.Point{
			Run: before.Run, Held: st.Total.Held(), InUse: st.Total.InUse, Avg: st.Total.AvgHeld(), Floor: st.Total.Floor,
			Driver: before.Driver, Read: before.Read,
		}, min(w.column(st.NowUS)+1, n))
	}
	return w
}

// reduceRuns is the same of the last runs, or of all in the log for 0: of each
// its peak, what it asked for at most as the floor, and its average.
func reduceRuns(st *engine.State, runs int64, n int) graphWindow {
	w := graphWindow{byRun: true, columns: make([]graphColumn, n)}
	if len(st.Runs) == 0 {
		return w
	}
	first, end := st.Runs[0].Seq, st.Runs[len(st.Runs)-1].Seq+1
	if runs == 0 {
		runs = end - first
	}
	if runs <= int64(n) {
		w.stretch = int(int64(n) / runs)
		w.from = max(end-int64(n/w.stretch), 0)
	} else {
		w.width = (runs + int64(n) - 1) / int64(n)
		w.from = max(0, ((end-1)/w.width-int64(n)+1)*w.width)
	}
	readings := readingsOf(st)
	i := sort.Search(len(st.Runs), func(i int) bool { return st.Runs[i].Seq >= w.from })
	for ; i < len(st.Runs); i++ {
		r := &st.Runs[i]
		p := probe.Point{
			Run: r.Seq, MaxHeld: r.PeakHeld, MaxInUse: r.PeakInUse, Avg: r.AvgHeld, Floor: r.PeakRequested,
		}
		p.Driver, p.Read = readings.at(r.EndUS)
		x := w.column(r.Seq)
		for d := range max(w.stretch, 1) {
			if x+d < n {
				w.columns[x+d].add(&p)
			}
		}
	}
	return w
}

// readings are the driver's, by time.
type readings struct{ points []probe.Point }

func readingsOf(st *engine.State) readings {
	for i := range st.Slots {
		if s := &st.Slots[i]; s.Any && (i == len(st.Slots)-1 || len(st.Runs) == 0 || len(s.Done) > 0 && s.Done[0].AtUS <= st.Runs[0].EndUS) {
			return readings{s.Done}
		}
	}
	return readings{}
}

// at is the reading of the slot that a time is in, or of the last one before.
func (r readings) at(us int64) (int64, bool) {
	i := sort.Search(len(r.points), func(i int) bool { return r.points[i].AtUS > us })
	if i == 0 {
		return 0, false
	}
	return r.points[i-1].Driver, r.points[i-1].Read
}

// roundUS is the least 1, 2 or 5 times a power of ten that is at least n.
func roundUS(n int64) int64 { return int64(niceStep(float64(n), true)) }

// add merges a point into a column.
func (c *graphColumn) add(p *probe.Point) {
	if held := float64(p.MaxHeld); !c.known || held > c.held {
		c.held, c.run = held, p.Run
	}
	c.inUse = max(c.inUse, float64(p.MaxInUse))
	c.average, c.floor = float64(p.Avg), max(c.floor, float64(p.Floor))
	if p.Read {
		c.driver, c.read = max(c.driver, float64(p.Driver)), true
	}
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
			driver: float64(before.Driver), read: before.Read, known: true, run: before.Run,
		}
	}
}

// firstPoint is the time that the graph reaches back to: in the widest slots,
// or more exactly where finer ones reach as far.
func firstPoint(st *engine.State) (us int64, any bool) {
	until := int64(1) << 62
	for i := len(st.Slots) - 1; i >= 0; i-- {
		s := &st.Slots[i]
		if !s.Any {
			continue
		}
		if at := slotAt(s, 0).AtUS; !any || at < until {
			us, until, any = at, at+s.SlotUS, true
		}
	}
	return us, any
}

// pointsFrom calls f with the points of a state that the columns from a time on
// need, in the order of their times, after the last one before it. Slots much
// finer than a column are left out where wider ones say the same.
//
//	level 2   ▏       ▏       ▏  │
//	level 1             ▏ ▏ ▏ ▏ ▏│ ▏  from where it reaches back to, and so on:
//	level 0                      │▏▏▏▏▏▏▏
func pointsFrom(st *engine.State, fromUS, columnUS int64, f func(*probe.Point)) {
	finest := 0
	for finest+1 < len(st.Slots) && st.Slots[finest+1].Any && st.Slots[finest+1].SlotUS*slotsPerColumn <= columnUS {
		finest++
	}
	// From fine to coarse: where each level is to begin, and at which slot.
	var first, end [probe.SeriesLevels]int
	coarsest := finest
	until := int64(1) << 62
	for i := finest; i < len(st.Slots); i++ {
		s := &st.Slots[i]
		if !s.Any {
			break
		}
		n := slotCount(s)
		end[i] = sort.Search(n, func(j int) bool { return slotAt(s, j).AtUS >= until })
		// One slot that only begins before the finer ones has nothing to add
		// unless there was more.
		if end[i] == 1 && i > finest && slotAt(s, 0).AtUS+s.SlotUS > until {
			end[i] = 0
		}
		first[i] = max(sort.Search(end[i], func(j int) bool { return slotAt(s, j).AtUS >= fromUS })-1, 0)
		coarsest = i
		if end[i] > 0 {
			until = slotAt(s, 0).AtUS
		}
		if until <= fromUS {
			break
		}
	}
	for i := coarsest; i >= finest; i-- {
		for j := first[i]; j < end[i]; j++ {
			f(slotAt(&st.Slots[i], j))
		}
	}
}

// slotsPerColumn is how many slots a column merges before wider ones serve.
const slotsPerColumn = 16

func slotCount(s *probe.Slots) int {
	if s.Any {
		return len(s.Done) + 1
	}
	return len(s.Done)
}

func slotAt(s *probe.Slots, i int) *probe.Point {
	if i < len(s.Done) {
		return &s.Done[i]
	}
	return &s.Now
}
