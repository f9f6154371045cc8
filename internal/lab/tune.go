package lab

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"bucketscope/cachemodes"
)

// The search, in one place.
const (
	// chains walk apart from each other, so that their number, not that of the
	// cores, decides what is found.
	chains = 8
	// searchSteps bounds the operations replayed where Goal.Replays does not:
	// three seconds or so on two cores.
	searchSteps = 1_000_000_000
	// minReplays and maxReplays bound that again.
	minReplays, maxReplays = 2000, 120_000
	// hot and cold are how much worse a step may be at the beginning and at the
	// end to be taken with a chance of 1/e, as a share of the measure.
	hot, cold = 0.03, 0.0003
	// every how many replays a chain reports and looks whether to stop.
	reportEvery = 128
)

// Point is a table and what it does.
type Point struct {
	Table cachemodes.Table `json:"table"`
	// Figures are of the workload, or the sums over several.
	Figures Figures `json:"figures"`
	// Each are those of each of several workloads; nil for one.
	Each []Figures `json:"each,omitempty"`
}

// each are the figures of every workload.
func (p *Point) each() []Figures {
	if p.Each == nil {
		return []Figures{p.Figures}
	}
	return p.Each
}

// Tuned is what Tune found.
type Tuned struct {
	Best Point
	// Met reports whether Best keeps every limit of the goal on every workload.
	Met bool
	// Before is ORT's table.
	Before Point
	// Front are the tables of which none beats another in both peak and
	// creates, peaks ascending; Knee is the index of the one farthest from the
	// line between the ends.
	Front []Point
	Knee  int
	// Reserved is what the best Goal.Keys keys reserve, exactly; see
	// Stream.Keys. Of several workloads it is the sum of what each one's best do.
	Reserved int64
	Replays  int
}

// Tune searches for the table that reaches a goal on a stream. It begins with
// ORT's table and with the exact answers (Keys, Waste, Caps), and from each walks
// on by simulated annealing: a key moved, added or dropped, a cap changed. Half
// of the chains follow the goal, half a mean of peak and creates, for the
// front. progress, if set, is called by one goroutine at a time. Tune stops
// with ctx's error.
func Tune(ctx context.Context, s *Stream, g Goal, progress func(done, total int)) (*Tuned, error) {
	return TuneAll(ctx, []*Stream{s}, g, progress)
}

// TuneAll is Tune for several workloads at once, each played by itself. A share
// less of one's measure is worth as much as the same share of another's; limits
// hold for each.
func TuneAll(ctx context.Context, all []*Stream, g Goal, progress func(done, total int)) (*Tuned, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	ops := 0
	for _, s := range all {
		ops += len(s.ops)
	}
	total := g.Replays
	if total == 0 {
		total = min(max(searchSteps/max(ops, 1), minReplays), maxReplays)
	}
	j := newJoint(all, &g)
	result := &Tuned{Before: j.play(cachemodes.DefaultTable()), Replays: total}
	if len(j.sizes) == 0 {
		result.Best, result.Front, result.Met = result.Before, []Point{result.Before}, j.met(&result.Before)
		return result, nil
	}
	var starts []cachemodes.Table
	starts, result.Reserved = j.starts(g.Keys)

	walks := make([]*chain, chains)
	for i := range walks {
		walks[i] = &chain{
			joint: newJoint(all, &g), keys: g.Keys, replays: total/chains + 1,
			rand: rand.New(rand.NewPCG(g.Seed, uint64(i))),
		}
		if i%2 == 1 {
			// From nearly nothing but the peak to nearly as much for creates.
			walks[i].creates = 0.01 * math.Pow(4, float64(i/2))
		}
		walks[i].start = starts[i/2%len(starts)]
		if i == chains-2 {
			walks[i].start = starts[len(starts)-1] // ORT's
		}
	}
	if err := walk(ctx, walks, progress); err != nil {
		return nil, err
	}

	var f front
	first := true
	for _, c := range walks {
		for _, p := range append(c.found, c.best) {
			f.add(p)
			if first || g.better(&p, &result.Best) {
				result.Best, first = p, false
			}
		}
	}
	result.Best.Table = j.tidy(result.Best.Table)
	result.Met = j.met(&result.Best)
	for i := range f {
		f[i].Table = j.tidy(f[i].Table)
	}
	result.Front, result.Knee = f, f.knee()
	return result, nil
}

// joint plays tables on several streams. It is used by one goroutine.
type joint struct {
	goal      *Goal
	replayers []*Replayer
	sizes     []int64 // of all, ascending
}

func newJoint(all []*Stream, g *Goal) *joint {
	j := &joint{goal: g}
	for _, s := range all {
		j.replayers = append(j.replayers, NewReplayer(s).Price(g.prices()))
		j.sizes = append(j.sizes, s.Sizes...)
	}
	slices.Sort(j.sizes)
	j.sizes = slices.Compact(j.sizes)
	return j
}

func (j *joint) play(t cachemodes.Table) Point {
	p := Point{Table: t}
	for _, r := range j.replayers {
		f := r.Replay(t)
		p.Figures.add(&f)
		if len(j.replayers) > 1 {
			p.Each = append(p.Each, f)
		}
	}
	return p
}

func (j *joint) met(p *Point) bool {
	return !slices.ContainsFunc(p.each(), func(f Figures) bool { return !j.goal.Met(&f) })
}

// tidy is a table that does what t does, in fewer words; see Replayer.Tidy.
func (j *joint) tidy(t cachemodes.Table) cachemodes.Table {
	return j.merge(func(r *Replayer) cachemodes.Table { return r.Tidy(t) })
}

// caps are the least with which no create of any stream is a cap's fault.
func (j *joint) caps(keys []int64) cachemodes.Table {
	return j.merge(func(r *Replayer) cachemodes.Table { return r.Caps(keys) })
}

// merge is every stream's table, each key with its largest cap.
func (j *joint) merge(of func(*Replayer) cachemodes.Table) cachemodes.Table {
	var out cachemodes.Table
	for _, r := range j.replayers {
		for _, b := range of(r) {
			if !insert(&out, b) {
				i := slices.IndexFunc(out, func(o cachemodes.Bucket) bool { return o.Key == b.Key })
				out[i].Cap = max(out[i].Cap, b.Cap)
			}
		}
	}
	return out
}

// starts are tables of at most k keys to begin with, and what the best keys
// reserve.
func (j *joint) starts(k int) ([]cachemodes.Table, int64) {
	ort := j.tidy(cachemodes.DefaultTable())
	if len(ort) > k {
		ort = ort[len(ort)-k:]
	}
	// What all streams ask for, as one: its waste is theirs together, exactly.
	one := &Stream{Sizes: j.sizes, Requests: make([]int64, len(j.sizes))}
	var best, half []int64
	reserved := int64(0)
	for _, r := range j.replayers {
		for i, size := range r.s.Sizes {
			at, _ := slices.BinarySearch(j.sizes, size)
			one.Requests[at] += r.s.Requests[i]
		}
		share := max(k/len(j.replayers), 1)
		own, n := r.s.Keys(k)
		reserved += n
		if len(j.replayers) > 1 {
			own, _ = r.s.Keys(share)
		}
		best = append(best, own...)
		less, _ := r.s.Keys((share + 1) / 2)
		half = append(half, less...)
	}
	least, _ := one.Waste(k)
	cut := func(keys []int64) []int64 { // the largest k of them
		slices.Sort(keys)
		keys = slices.Compact(keys)
		return keys[max(len(keys)-k, 0):]
	}
	// Without caps for nothing in between: the peak of this one is the least.
	bare := j.caps(least)
	for i := range bare {
		bare[i].Cap = 0
	}
	tables := []cachemodes.Table{j.caps(cut(best)), bare, j.caps(least), j.caps(cut(half))}
	if len(ort) > 0 {
		tables = append(tables, ort)
	}
	return tables, reserved
}

// walk runs the chains on all cores.
func walk(ctx context.Context, all []*chain, progress func(done, total int)) error {
	var (
		wg          sync.WaitGroup
		mu          sync.Mutex
		done, total int
	)
	for _, c := range all {
		total += c.replays
	}
	report := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if done += n; progress != nil {
			progress(done, total)
		}
	}
	work := make(chan *chain)
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for c := range work {
				c.run(ctx, report)
			}
		}()
	}
	for _, c := range all {
		work <- c
	}
	close(work)
	wg.Wait()
	return ctx.Err()
}

// chain is one walk.
type chain struct {
	*joint
	creates float64 // weight of creates beside the peak; 0 follows the goal
	keys    int
	replays int
	rand    *rand.Rand
	start   cachemodes.Table
	best    Point // by the goal
	found   front
}

func (c *chain) score(p *Point) float64 {
	of := c.goal.score
	if c.creates > 0 {
		of = func(f *Figures) float64 {
			return math.Log1p(float64(f.Peak)) + c.creates*math.Log1p(float64(f.Creates))
		}
	}
	return mean(p.each(), of)
}

func (c *chain) run(ctx context.Context, report func(n int)) {
	now := slices.Clone(c.start)
	here := c.play(now)
	at := c.score(&here)
	c.best = Point{slices.Clone(now), here.Figures, here.Each}
	c.found.add(c.best)
	var next cachemodes.Table
	for i := 1; i <= c.replays; i++ {
		if i%reportEvery == 0 {
			if ctx.Err() != nil {
				return
			}
			report(reportEvery)
		}
		next = append(next[:0], now...)
		if !c.step(&next) {
			continue
		}
		p := c.play(next)
		score := c.score(&p)
		heat := hot * math.Pow(cold/hot, float64(i)/float64(c.replays))
		if score > at && c.rand.Float64() >= math.Exp((at-score)/heat) {
			continue
		}
		now, next, at = next, now, score
		p.Table = now
		c.found.add(p)
		if c.goal.better(&p, &c.best) {
			c.best = p
			c.best.Table = slices.Clone(now)
		}
	}
	report(c.replays % reportEvery)
}

// step changes a table a little, and answers whether it did.
func (c *chain) step(t *cachemodes.Table) bool {
	sizes, n := c.sizes, len(*t)
	i := c.rand.IntN(n)
	b := &(*t)[i]
	switch what := c.rand.IntN(10); {
	case what < 4: // another cap
		limit := b.Cap
		switch c.rand.IntN(6) {
		case 0:
			limit--
		case 1:
			limit++
		case 2:
			limit /= 2
		case 3:
			limit = min(2*limit, cachemodes.Uncapped/2)
		case 4:
			limit = 0
		case 5:
			limit = cachemodes.Uncapped
		}
		if limit < 0 || limit > cachemodes.Uncapped || limit == b.Cap {
			return false
		}
		b.Cap = limit
		return true
	case what < 8: // another key, near or anywhere
		at, _ := slices.BinarySearch(sizes, b.Key)
		if c.rand.IntN(4) > 0 {
			at += c.rand.IntN(7) - 3
		} else {
			at = c.rand.IntN(len(sizes))
		}
		if at < 0 || at >= len(sizes) {
			return false
		}
		moved := cachemodes.Bucket{Key: sizes[at], Cap: b.Cap}
		*t = slices.Delete(*t, i, i+1)
		return insert(t, moved)
	case what == 8:
		if n == c.keys {
			return false
		}
		return insert(t, cachemodes.Bucket{Key: sizes[c.rand.IntN(len(sizes))], Cap: b.Cap})
	default:
		if n == 1 {
			return false
		}
		*t = slices.Delete(*t, i, i+1)
		return true
	}
}

// insert adds a bucket, unless its key is there.
func insert(t *cachemodes.Table, b cachemodes.Bucket) bool {
	at, found := slices.BinarySearchFunc(*t, b.Key, func(b cachemodes.Bucket, key int64) int {
		switch {
		case b.Key < key:
			return -1
		case b.Key > key:
			return 1
		}
		return 0
	})
	if found {
		return false
	}
	*t = slices.Insert(*t, at, b)
	return true
}

// front are points of which none is at least as good as another in both peak
// and creates: peaks ascend, creates descend.
type front []Point

// add takes a point up, if no other is as good, and drops those that it beats.
// It copies the table.
func (f *front) add(p Point) {
	i, _ := slices.BinarySearchFunc(*f, p.Figures.Peak, func(q Point, peak int64) int {
		if q.Figures.Peak <= peak {
			return -1
		}
		return 1
	})
	// Those before i have no higher peak: the last of them the fewest creates.
	if i > 0 && (*f)[i-1].Figures.Creates <= p.Figures.Creates {
		return
	}
	from, to := i, i
	if i > 0 && (*f)[i-1].Figures.Peak == p.Figures.Peak {
		from--
	}
	for to < len(*f) && (*f)[to].Figures.Creates >= p.Figures.Creates {
		to++
	}
	p.Table = slices.Clone(p.Table)
	*f = slices.Replace(*f, from, to, p)
}

// knee is the point farthest below the line between the ends, both measures
// scaled to their range; 0 for fewer than three points.
func (f front) knee() int {
	last := len(f) - 1
	if last < 2 {
		return 0
	}
	a, z := &f[0].Figures, &f[last].Figures
	best, far := 0, 0.0
	for i := range f {
		p := &f[i].Figures
		x := float64(p.Peak-a.Peak) / float64(z.Peak-a.Peak)
		y := float64(p.Creates-z.Creates) / float64(a.Creates-z.Creates)
		if d := 1 - x - y; d > far {
			best, far = i, d
		}
	}
	return best
}
