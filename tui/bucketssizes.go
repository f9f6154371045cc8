package tui

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// sizesPane is the histogram of the sizes that a usage was asked for, with the
// keys in force drawn over it, and what each of them adds to what was asked.
type sizesPane struct{}

// sizeBins are the columns of a histogram: classes of sizes.
type sizeBins struct {
	first, last int // classes
	n           int // columns
	counts      []int64
	most, all   int64
}

// binsOf puts the requests of a usage into at most n columns of equally many
// classes.
func binsOf(sizes []int64, n int) sizeBins {
	b := sizeBins{first: -1}
	for class, count := range sizes {
		if count == 0 {
			continue
		}
		if b.first < 0 {
			b.first = class
		}
		b.last = class
		b.all += count
	}
	if b.first < 0 || n <= 0 {
		b.first = -1
		return b
	}
	b.n = n
	b.counts = make([]int64, n)
	for class := b.first; class <= b.last; class++ {
		from, to := b.columns(class)
		for x := from; x < to; x++ { // a class that takes several columns stands in each
			b.counts[x] += sizes[class]
			b.most = max(b.most, b.counts[x])
		}
	}
	return b
}

// columns are those of a class.
func (b *sizeBins) columns(class int) (from, to int) {
	all := b.last - b.first + 1
	from = (class - b.first) * b.n / all
	return from, max((class-b.first+1)*b.n/all, from+1)
}

// column is where a size stands; those that are larger or smaller than any that
// was asked for stand outside.
func (b *sizeBins) column(size int64) int {
	class := probe.SizeClass(size)
	if class < b.first {
		return -1
	}
	from, to := b.columns(class)
	// Within the columns of its class by its size.
	low, high := probe.SizeFrom(class), probe.SizeFrom(class+1)
	return from + int(float64(to-from)*float64(size-low)/float64(max(high-low, 1)))
}

// keySize is a key; row is nil for one of the table that nothing was asked of.
type keySize struct {
	size int64
	row  *engine.KeyRow
}

// keysInForce are the keys of a usage, sizes ascending: those of the table, or
// those that were learnt or simply seen.
func keysInForce(st *engine.State, u cachemodes.Usage) []keySize {
	var keys []keySize
	for i := range st.Keys {
		if k := &st.Keys[i]; k.Usage == u && k.IsKey {
			keys = append(keys, keySize{k.Size, k})
		}
	}
	s := st.Config[u]
	if reads := s.Mode.Mode().Reads; slices.Contains(reads, "table") {
		limits := s.Limits()
		for _, b := range s.Params.Table {
			if _, isKey := limits.Of(b.Key, false); !isKey {
				continue
			}
			if !slices.ContainsFunc(keys, func(k keySize) bool { return k.size == b.Key }) {
				keys = append(keys, keySize{size: b.Key})
			}
		}
	}
	slices.SortFunc(keys, func(a, b keySize) int { return cmp.Compare(a.size, b.size) })
	return keys
}

// The rows below the bars: keys, their padding, sizes.
const sizesFeet = 3

// draw draws the histogram, keys over it, and, where there is room, those of them
// that pad most. at is the key that is marked, 0 for none.
func (sizesPane) draw(v view, f *frame, u cachemodes.Usage, keys []keySize, at int64) {
	if v.h < 2 || v.w < graphLabels+8 {
		return
	}
	n := v.w - graphLabels
	bins := binsOf(f.st.Sizes[u], n)
	if bins.first < 0 {
		drawEmpty(v, emptyBuckets(f))
		return
	}
	list := 0
	if v.h >= 16 {
		list = min(v.h/2, 14)
	}
	feet := min(sizesFeet, v.h-1)
	bars := v.h - list - feet
	plot := v.sub(graphLabels, 0, n, bars)
	drawBins(plot, f, &bins)
	label := v.sub(0, 0, graphLabels, bars)
	label.right(graphLabels-1, 0, units.Count(bins.most), faint)
	for y := range bars {
		label.set(graphLabels-1, y, f.g.vertical, faint)
	}
	drawKeys(v.sub(0, 0, v.w, bars+feet), f, &bins, keys, at, bars)
	if list > 0 {
		drawPadders(v.sub(0, v.h-list, v.w, list), f, keys)
	}
}

// drawBins draws the bars: the highest is the most, each row of them as much
// more than the one below as that is than its own.
func drawBins(v view, f *frame, b *sizeBins) {
	steps := []rune(f.g.levels)
	top := math.Log1p(float64(b.most))
	for x, count := range b.counts {
		if count == 0 {
			continue
		}
		parts := max(int(math.Round(math.Log1p(float64(count))/top*float64(v.h*len(steps)))), 1)
		for y := v.h - 1; y >= 0 && parts > 0; y-- {
			v.set(x, y, steps[min(parts, len(steps))-1], barKept)
			parts -= len(steps)
		}
	}
}

// drawKeys draws the keys over the bars, and below them their places, what each
// pads, and sizes to read them by.
func drawKeys(v view, f *frame, b *sizeBins, keys []keySize, at int64, bars int) {
	plot := v.sub(graphLabels, 0, b.n, v.h)
	var most int64
	for _, k := range keys {
		if k.row != nil {
			most = max(most, k.row.PaddingRun)
		}
	}
	v.right(graphLabels-1, bars, "keys", faint)
	v.right(graphLabels-1, bars+1, "padding", faint)
	padding := make([]int64, b.n)
	for _, k := range keys {
		x := min(b.column(k.size), b.n-1)
		if x < 0 {
			continue
		}
		for y := range bars {
			if c := plot.at(x, y); c != nil && c.s == plain {
				plot.set(x, y, f.g.mark, border)
			}
		}
		s := faint
		if k.row != nil && k.row.LastRequests > 0 {
			s = strong
		}
		plot.set(x, bars, []rune(f.g.up)[0], s)
		if k.row != nil {
			padding[x] = max(padding[x], k.row.PaddingRun)
		}
	}
	steps := []rune(f.g.levels)
	for x, n := range padding {
		if n > 0 {
			less := bits.Len64(uint64(most)) - bits.Len64(uint64(n))
			plot.set(x, bars+1, steps[max(len(steps)-1-less, 0)], lineFloor)
		}
	}
	if at > 0 {
		if x := b.column(at); x >= 0 {
			plot.sub(min(x, b.n-1), 0, 1, bars+1).mark()
		}
	}
	if bars+2 >= v.h {
		return
	}
	// Powers of two, as many as have room.
	next := 0
	for size := int64(1); size > 0 && size <= probe.SizeFrom(b.last+1); size <<= 1 {
		x, text := b.column(size), f.size(size)
		if x < next || x+textWidth(text) > b.n {
			continue
		}
		plot.put(x, bars+2, text, faint)
		next = x + textWidth(text) + 2
	}
}

// padderColumns are the columns of the list of keys that pad most.
var padderColumns = []column[*engine.KeyRow]{
	{title: "key", width: units.BytesWidth, text: func(f *frame, k *engine.KeyRow) (string, style) { return f.size(k.Size), strong }},
	{title: "padding", width: units.BytesWidth, text: func(f *frame, k *engine.KeyRow) (string, style) { return f.bytes(k.PaddingRun), lineFloor }},
	{title: "now", width: units.BytesWidth, rank: 3, text: func(f *frame, k *engine.KeyRow) (string, style) { return f.bytes(k.Padding), faint }},
	{title: "req/run", width: 7, rank: 1, text: func(_ *frame, k *engine.KeyRow) (string, style) { return units.Count(k.LastRequests), plain }},
	{title: "new/run", width: 7, rank: 2, text: func(_ *frame, k *engine.KeyRow) (string, style) { return units.Count(k.LastNew), plain }},
	{title: "bytes exactly", width: 13, rank: 4, text: func(_ *frame, k *engine.KeyRow) (string, style) {
		return strconv.FormatInt(k.PaddingRun, 10), faint
	}},
}

// drawPadders lists the keys that pad most.
func drawPadders(v view, f *frame, keys []keySize) {
	var rows []*engine.KeyRow
	for _, k := range keys {
		if k.row != nil && k.row.PaddingRun > 0 {
			rows = append(rows, k.row)
		}
	}
	slices.SortStableFunc(rows, func(a, b *engine.KeyRow) int { return cmp.Compare(b.PaddingRun, a.PaddingRun) })
	title := v.row(0)
	x := title.put(1, 0, " padding, at most at once in the last run ", heading)
	for ; x < title.w; x++ {
		title.set(x, 0, f.g.horizontal, border)
	}
	title.set(0, 0, f.g.horizontal, border)
	if len(rows) == 0 {
		v.put(1, 1, "none: keys are what is asked for", faint)
		return
	}
	cols := fitColumns(padderColumns, v.w)
	drawTitles(v.row(1), cols)
	for i := 0; i < len(rows) && i+2 < v.h; i++ {
		drawRow(v.row(i+2), f, cols, rows[i])
	}
}
