package probe

// Point is what a graph shows of one slot of time: ranges, so that no peak is
// lost however the slots are merged, and how things stood at its end, which is
// how they stood until the next one. Sizes are bytes.
type Point struct {
	AtUS             int64 // start of the slot
	Run              int64 // ordinal of the run in which MaxHeld was reached
	MinHeld, MaxHeld int64
	MaxInUse         int64
	Held, InUse      int64 // at the slot's end
	Avg              int64 // of held bytes since the ledger began, at the slot's end
	Floor            int64 // since the ledger began, at the slot's end
	// Driver is the most that the driver said, and Apart the least by which it
	// exceeded what the ledger says is on the device; if Read.
	Driver, Apart int64
	Read          bool
}

// merge widens p by a later point.
func (p *Point) merge(q Point) {
	if q.MaxHeld > p.MaxHeld {
		p.MaxHeld, p.Run = q.MaxHeld, q.Run
	}
	p.MinHeld = min(p.MinHeld, q.MinHeld)
	p.MaxInUse = max(p.MaxInUse, q.MaxInUse)
	p.Held, p.InUse, p.Avg, p.Floor = q.Held, q.InUse, q.Avg, q.Floor
	switch {
	case q.Read && p.Read:
		p.Driver, p.Apart = max(p.Driver, q.Driver), min(p.Apart, q.Apart)
	case q.Read:
		p.Driver, p.Apart, p.Read = q.Driver, q.Apart, true
	}
}

// Tail is an append-only list that keeps its last Keep values. A slice that
// All answered stays as it was: later values never overwrite it, so a reader
// may hold it while the writer goes on.
type Tail[T any] struct {
	Keep int
	list []T
	gone int64
}

// Add appends v and forgets what is older than the last Keep values.
func (t *Tail[T]) Add(v T) {
	if len(t.list) >= 2*t.Keep {
		fresh := make([]T, t.Keep, 2*t.Keep)
		t.gone += int64(len(t.list) - t.Keep)
		copy(fresh, t.list[len(t.list)-t.Keep:])
		t.list = fresh
	}
	t.list = append(t.list, v)
}

// All are the values kept, oldest first: at least the last Keep, if there were
// as many.
func (t *Tail[T]) All() []T { return t.list[:len(t.list):len(t.list)] }

// Gone is how many values came before the first of All.
func (t *Tail[T]) Gone() int64 { return t.gone }

// Series is the history of a ledger for graphs, bounded. It keeps it at several
// widths of slots, each SlotsMerged times as wide as the one before, so that the
// last minutes are had in fine slots and the last weeks in coarse ones, with
// every peak in each.
//
//	         now ─┐
//	level 0  ▏▏▏▏▏▏   SlotUS wide
//	level 1  ▏ ▏ ▏ ▏ ▏ ▏ ▏
//	level 2  ▏       ▏       ▏       ▏       ▏
type Series struct {
	SlotUS int64
	levels [SeriesLevels]level
}

// The shape of a Series. With slots of 20 ms and 8192 of them kept, level 0
// reaches back 2.7 minutes of change and the last one 62 days.
const (
	SeriesLevels = 6
	SlotsMerged  = 8
)

// level is slots of one width: those that are over, and the one going on.
type level struct {
	slotUS int64
	points Tail[Point]
	last   Point
	any    bool
}

// Slots are a Series at one width of slots: what is over, oldest first, and the
// slot going on, if any was begun.
type Slots struct {
	SlotUS int64
	Done   []Point
	Now    Point
	Any    bool
}

// NewSeries keeps at least keep slots of slotUS microseconds that saw a change,
// and as many of each other width.
func NewSeries(slotUS int64, keep int) *Series {
	s := &Series{SlotUS: slotUS}
	for i := range s.levels {
		s.levels[i] = level{slotUS: slotUS, points: Tail[Point]{Keep: keep}}
		slotUS *= SlotsMerged
	}
	return s
}

// Add notes what happened up to p.AtUS; times must not go back.
func (s *Series) Add(p Point) {
	for i := range s.levels {
		s.levels[i].add(p)
	}
}

func (l *level) add(p Point) {
	p.AtUS -= p.AtUS % l.slotUS
	if l.any && p.AtUS <= l.last.AtUS {
		l.last.merge(p)
		return
	}
	if l.any {
		l.points.Add(l.last)
	}
	l.last, l.any = p, true
}

// Slots are the series at the width of a level, 0 the finest. What they hold
// stays as it is while the series goes on.
func (s *Series) Slots(i int) Slots {
	l := &s.levels[i]
	return Slots{l.slotUS, l.points.All(), l.last, l.any}
}

// fork is a series that goes on from s with the slots going on alone.
func (s *Series) fork() *Series {
	f := *s
	for i := range f.levels {
		f.levels[i].points = Tail[Point]{Keep: s.levels[i].points.Keep}
	}
	return &f
}

// Track is what a graph needs of a ledger: its figures over time, and where
// the peak was. A journal samples it at entries of its own, so that it is the
// same when it is rebuilt from them.
type Track struct {
	*Series
	PeakRun, PeakUS int64 // of held bytes; a run's ordinal, and a time
	peak            int64
}

// sample adds what happened since the last sample.
func (t *Track) sample(l *Ledger, driver Reading, atUS int64) {
	t.notePeak(l, atUS)
	t.Add(pointOf(l.TakeWindow(), l, driver, atUS))
}

// notePeak follows where the peak was.
func (t *Track) notePeak(l *Ledger, atUS int64) {
	if l.total.PeakHeld > t.peak {
		t.peak, t.PeakRun, t.PeakUS = l.total.PeakHeld, l.runs, atUS
	}
}

// pointOf is what happened in a window of a ledger.
func pointOf(w Window, l *Ledger, driver Reading, atUS int64) Point {
	p := Point{
		AtUS: atUS, Run: l.runs, MinHeld: w.MinHeld, MaxHeld: w.MaxHeld, MaxInUse: w.MaxInUse,
		Held: l.total.Held(), InUse: l.total.InUse, Avg: l.total.AvgHeld(), Floor: l.total.Floor,
	}
	if driver.OK {
		p.Driver, p.Apart, p.Read = driver.Bytes, driver.Bytes-l.onDevice(), true
	}
	return p
}

// Graph is a track as it is to be drawn: with what happened since the last
// sample, too, so that it shows every peak that the ledger knows of.
type Graph struct {
	Slots           [SeriesLevels]Slots // the finest first
	PeakRun, PeakUS int64               // of held bytes; a run's ordinal, and a time
}

// graph is the track with what the ledger's window has since the last sample.
func (t *Track) graph(l *Ledger, driver Reading, atUS int64) Graph {
	late := *t
	late.notePeak(l, atUS)
	g := Graph{PeakRun: late.PeakRun, PeakUS: late.PeakUS}
	p := pointOf(l.windowNow(), l, driver, atUS)
	for i := range g.Slots {
		s := t.Slots(i)
		if s.Any {
			s.Now.merge(p)
		} else {
			s.Now, s.Any = p, l.total.Requests > 0
			s.Now.AtUS -= atUS % s.SlotUS
		}
		g.Slots[i] = s
	}
	return g
}

// fork is a track that goes on from t with the slot going on alone.
func (t *Track) fork() Track {
	f := *t
	f.Series = t.Series.fork()
	return f
}
