package tui

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
)

// keyMap is what the last runs asked of the keys of a usage: a column for so
// many runs each, a row for each key that they asked for, or that holds
// buffers.
type keyMap struct {
	from int64 // run of the first column
	per  int64 // runs a column
	n    int   // columns
	end  int64 // the run after the last
	rows []mapRow
	// created is the most bytes that a key had created in a run of the map: the
	// measure of the signs.
	created int64
	marks   []mapMark
	cells   []mapCell // of the rows that fill was asked for, one after the other
}

// mapRow is a key, with what it comes to in the runs of the map.
type mapRow struct {
	*engine.KeyRow
	asked, news int64
	want        int32 // at most
	padding     int64 // at most at once
	last        int64 // run that asked for it
	cap         int32 // before the map's first run
}

// mapMark is what else happened in the runs of a column.
type mapMark struct{ adjusted, switched, failed bool }

// mapCell is what the runs of a column asked of a key.
type mapCell struct {
	share    float64 // of the cap that was wanted; of an uncapped key, of the most in its row
	over     bool    // more was wanted than the cap, or it is no key
	asked    bool
	key      bool // it was one, if not asked for, at the end of the column
	life     probe.KeyLife
	created  int64 // bytes in a run, at most
	wanted   int64 // figures of the runs together, but for what is the most
	requests int64
	news     int64
	padding  int64
	cap      int32
	told     bool // there was a row for it
}

// mapOf is the map of a usage's keys in n columns of so many runs; the last run
// is in the last column, unless first says which run the first has.
func (m *keyMap) of(st *engine.State, u cachemodes.Usage, n int, per, first int64) {
	*m = keyMap{per: per, n: n, end: st.RunCount, rows: m.rows[:0], marks: m.marks[:0], cells: m.cells[:0]}
	if len(st.KeyRuns) == 0 || n <= 0 {
		return
	}
	if m.from = first; first < 0 {
		m.from = max(((m.end-1)/per-int64(n)+1)*per, 0)
	}
	index := make([]int32, 1+maxKey(st))
	for i := range index {
		index[i] = -1
	}
	for i := range st.Keys {
		k := &st.Keys[i]
		if k.Usage != u {
			continue
		}
		index[k.Key] = int32(len(m.rows))
		m.rows = append(m.rows, mapRow{KeyRow: k, cap: probe.NotKey, last: -1})
	}
	until := m.from + int64(n)*per
	for i := range st.KeyRuns {
		c := &st.KeyRuns[i]
		if c.Run >= until {
			break
		}
		at := index[c.Key]
		if at < 0 {
			continue
		}
		r := &m.rows[at]
		if c.Run < m.from {
			r.cap = c.Cap
			continue
		}
		r.asked += int64(c.Requests)
		r.news += int64(c.Creates)
		r.want, r.padding = max(r.want, c.Want), max(r.padding, c.Padding)
		if c.Requests > 0 || c.Life != 0 {
			r.last = c.Run
		}
		m.created = max(m.created, int64(c.Creates)*r.Size)
	}
	m.rows = slices.DeleteFunc(m.rows, func(r mapRow) bool { return r.last < 0 && (heldOf(r.KeyRow) == 0 || until < m.end) })
	for range n {
		m.marks = append(m.marks, mapMark{})
	}
	for i := sort.Search(len(st.Runs), func(i int) bool { return st.Runs[i].Seq >= m.from }); i < len(st.Runs); i++ {
		r := &st.Runs[i]
		if x := m.column(r.Seq); x < n {
			k := &m.marks[x]
			k.adjusted, k.switched, k.failed = k.adjusted || r.Adjusts > 0, k.switched || r.Switches > 0, k.failed || r.Fails > 0
		}
	}
}

func maxKey(st *engine.State) (id cachemodes.KeyID) {
	for i := range st.Keys {
		id = max(id, st.Keys[i].Key)
	}
	for i := range st.KeyRuns {
		id = max(id, st.KeyRuns[i].Key)
	}
	return id
}

// column is the column of a run of the map.
func (m *keyMap) column(run int64) int { return int((run - m.from) / m.per) }

// runs are the runs of a column: from the first to before the second.
func (m *keyMap) runs(x int) (from, to int64) {
	from = m.from + int64(x)*m.per
	return from, min(from+m.per, m.end)
}

// fill makes the cells of some rows.
func (m *keyMap) fill(st *engine.State, rows []mapRow) {
	n := len(rows) * m.n
	m.cells = slices.Grow(m.cells[:0], n)[:n]
	clear(m.cells)
	index := map[cachemodes.KeyID]int{}
	for i := range rows {
		index[rows[i].Key] = i
	}
	for i := sort.Search(len(st.KeyRuns), func(i int) bool { return st.KeyRuns[i].Run >= m.from }); i < len(st.KeyRuns); i++ {
		k := &st.KeyRuns[i]
		x := m.column(k.Run)
		if x >= m.n {
			break
		}
		if at, ok := index[k.Key]; ok {
			m.cells[at*m.n+x].add(k, &rows[at])
		}
	}
	ended := min(m.column(max(m.end-1, m.from))+1, m.n)
	for i := range rows {
		cap := rows[i].cap
		for x := range ended {
			c := &m.cells[i*m.n+x]
			if c.told {
				cap = c.cap
			} else {
				c.cap = cap
			}
			c.key = cap >= 0
		}
	}
}

// row are the cells of a row that was filled.
func (m *keyMap) row(i int) []mapCell { return m.cells[i*m.n : (i+1)*m.n] }

// add takes in what a run asked of the key of a row.
func (c *mapCell) add(k *probe.KeyRun, r *mapRow) {
	c.told = true
	c.cap = k.Cap
	c.life |= k.Life
	c.asked = c.asked || k.Requests > 0
	c.requests += int64(k.Requests)
	c.news += int64(k.Creates)
	c.wanted, c.padding = max(c.wanted, int64(k.Want)), max(c.padding, k.Padding)
	c.created = max(c.created, int64(k.Creates)*r.Size)
	share, over := 0.0, false
	switch {
	case k.Requests == 0:
	case k.Cap == cachemodes.Uncapped:
		share = float64(k.Want) / float64(max(r.want, 1))
	case k.Cap <= 0:
		// A learning mode's key that this run's end dropped kept all it could
		// until then.
		over = k.Life&probe.Dropped == 0
	default:
		share, over = float64(k.Want)/float64(k.Cap), k.Want > k.Cap
	}
	c.share, c.over = max(c.share, share), c.over || over
}

// demand is the sign of what was wanted: of a key that was born or dropped, of
// that.
func (c *mapCell) demand(g *glyphs) (rune, style) {
	steps := []rune(g.levels)
	switch {
	case c.life == probe.Born|probe.Dropped:
		return g.bornDropped, switchText
	case c.life == probe.Born:
		return g.born, switchText
	case c.life == probe.Dropped:
		return g.dropped, switchText
	case c.over:
		return g.lost, barLost
	case c.asked:
		n := int(math.Ceil(c.share * float64(len(steps))))
		return steps[min(max(n, 1), len(steps))-1], barKept
	case c.key:
		return g.room, border
	}
	return ' ', plain
}

// madeSign is the sign of created bytes: the highest is the most of the map,
// each one below it half as much.
func (c *mapCell) madeSign(g *glyphs, most int64) (rune, style) {
	if c.created == 0 {
		return ' ', plain
	}
	steps := []rune(g.levels)
	less := bits.Len64(uint64(most)) - bits.Len64(uint64(c.created))
	return steps[min(max(len(steps)-1-less, 0), len(steps)-1)], lineHeld
}

// sign is what else happened in a column.
func (k mapMark) sign(g *glyphs) (rune, style) {
	switch {
	case k.failed:
		return '!', warning
	case k.switched:
		return []rune(g.arrow)[0], switchMark
	case k.adjusted:
		return '~', switchText
	}
	return ' ', plain
}

// mapOrder is a way to sort the keys of a map, the highest first.
type mapOrder struct {
	name string
	of   func(*mapRow) int64
}

var mapOrders = []mapOrder{
	{"cost", (*mapRow).cost},
	{"size", func(r *mapRow) int64 { return r.Size }},
	{"padding", func(r *mapRow) int64 { return r.padding }},
	{"requests", func(r *mapRow) int64 { return r.asked }},
	{"last run", func(r *mapRow) int64 { return r.last }},
}

// cost is the bytes that a key made in the runs of the map as a power of two,
// then those that it padded, then whether it was asked for at all: rough, so
// that rows keep their places while runs go by.
func (r *mapRow) cost() int64 {
	const classes = 64
	asked := int64(0)
	if r.asked > 0 {
		asked = 1
	}
	return (int64(bits.Len64(uint64(r.news*r.Size)))*classes+int64(bits.Len64(uint64(r.padding))))*2 + asked
}

// sort sorts the rows; equals by size.
func (m *keyMap) sort(o mapOrder, turned bool) {
	slices.SortFunc(m.rows, func(a, b mapRow) int {
		c := cmp.Compare(o.of(&b), o.of(&a))
		if turned {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(b.Size, a.Size))
	})
}

// keyLanguage is what a filter may ask of a key.
var keyLanguage = language[mapRow]{
	properties: []property[mapRow]{
		{name: "size", bytes: true, number: func(r *mapRow) (int64, bool) { return r.Size, true }},
		{name: "want", number: func(r *mapRow) (int64, bool) { return int64(r.want), true }},
		{name: "cap", number: func(r *mapRow) (int64, bool) { return int64(r.Cap), capped(r.KeyRow) }},
		{name: "asked", number: func(r *mapRow) (int64, bool) { return r.asked, true }},
		{name: "new", number: func(r *mapRow) (int64, bool) { return r.news, true }},
		{name: "padding", bytes: true, number: func(r *mapRow) (int64, bool) { return r.padding, true }},
		{name: "idle", number: func(r *mapRow) (int64, bool) { return r.IdleRuns, true }},
		{name: "is", words: []string{"key", "capped", "over"}, is: func(r *mapRow, w string) bool {
			switch w {
			case "key":
				return r.IsKey
			case "capped":
				return capped(r.KeyRow)
			}
			return r.Over()
		}},
	},
	has: func(r *mapRow, word string) bool { return strings.Contains(mainReason(&r.MissesSince), word) },
}
