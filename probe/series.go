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
}

// merge widens p by a later point.
func (p *Point) merge(q Point) {
	if q.MaxHeld > p.MaxHeld {
		p.MaxHeld, p.Run = q.MaxHeld, q.Run
	}
	p.MinHeld = min(p.MinHeld, q.MinHeld)
	p.MaxInUse = max(p.MaxInUse, q.MaxInUse)
	p.Held, p.InUse, p.Avg, p.Floor = q.Held, q.InUse, q.Avg, q.Floor
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

// Series is the history of a ledger for graphs, bounded: points of SlotUS
// microseconds each, as many as its Tail keeps.
type Series struct {
	SlotUS int64
	points Tail[Point]
	last   Point
	any    bool
}

// NewSeries keeps at least keep slots of slotUS microseconds that saw a change.
func NewSeries(slotUS int64, keep int) *Series {
	return &Series{SlotUS: slotUS, points: Tail[Point]{Keep: keep}}
}

// Add notes what happened up to p.AtUS; times must not go back.
func (s *Series) Add(p Point) {
	p.AtUS -= p.AtUS % s.SlotUS
	if s.any && p.AtUS <= s.last.AtUS {
		s.last.merge(p)
		return
	}
	if s.any {
		s.points.Add(s.last)
	}
	s.last, s.any = p, true
}

// Points are the slots that are over, oldest first, and the one going on, if
// any was begun. The slice stays as it is while the series goes on.
func (s *Series) Points() (done []Point, now Point, any bool) {
	return s.points.All(), s.last, s.any
}
