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
)

// bucketsPane is the table of buckets: which key costs.
type bucketsPane struct {
	scroll
	filter filter[bucketRow]
	rows   []bucketRow
	// at is the key of the marked row: the mark stays with it when rows move.
	at    cachemodes.KeyID
	any   bool   // whether a row is marked
	heats []heat // by KeyID
	seen  *engine.State
}

type misses = [cachemodes.NumReasons]int64

// bucketRow is a bucket, or the heading of the buckets of a usage.
type bucketRow struct {
	*engine.KeyRow
	usage cachemodes.Usage
	why   string // the main reason of its misses
	// How warm it is; see heat.
	created, padding, held int
}

// heat is what a bucket cost of late, as powers of two of bytes: the highest
// of the last heatFor on the profile's clock. Figures change with every run; a
// table whose rows changed places as often could not be read.
type heat struct{ created, padding, held warmth }

type warmth struct {
	class int
	atUS  int64
}

// warm takes in a cost and answers how warm that leaves it.
func (w *warmth) warm(bytes, nowUS int64) int {
	class := bits.Len64(uint64(max(bytes, 0)))
	if class >= w.class || nowUS-w.atUS >= heatFor.Microseconds() {
		*w = warmth{class, nowUS}
	}
	return w.class
}

// follow takes in the state to show: the rows by usage, and then by what costs
// most: bytes created in a run, then padding, then bytes held.
func (p *bucketsPane) follow(f *frame) {
	st := f.st
	fresh := begunAnew(p.seen, st)
	if fresh {
		*p = bucketsPane{scroll: scroll{cursor: -1}, rows: p.rows, filter: p.filter}
	}
	if !fresh && st.NowUS < p.seen.NowUS { // a moment of the past: what was hot later is not yet
		p.heats = p.heats[:0]
	}
	p.seen = st
	p.rows = p.rows[:0]
	for i := range st.Keys {
		k := &st.Keys[i]
		for int(k.Key) >= len(p.heats) {
			p.heats = append(p.heats, heat{})
		}
		h := &p.heats[k.Key]
		r := bucketRow{
			KeyRow: k, usage: k.Usage, why: mainReason(&k.MissesSince), created: h.created.warm(k.LastNew*k.Size, st.NowUS),
			padding: h.padding.warm(k.Padding, st.NowUS), held: h.held.warm(heldOf(k), st.NowUS),
		}
		if !idle(k) && p.filter.holds(&r) {
			p.rows = append(p.rows, r)
		}
	}
	slices.SortFunc(p.rows, func(a, b bucketRow) int {
		return cmp.Or(cmp.Compare(a.usage, b.usage), cmp.Compare(b.created, a.created), cmp.Compare(b.padding, a.padding),
			cmp.Compare(b.held, a.held), cmp.Compare(a.Size, b.Size))
	})
	// A heading before each usage but the first: storage needs none.
	for i := 0; i < len(p.rows); i++ {
		u := p.rows[i].usage
		if u != cachemodes.Storage && (i == 0 || p.rows[i-1].usage != u) {
			p.rows = slices.Insert(p.rows, i, bucketRow{usage: u})
			i++
		}
	}
	p.cursor = -1
	if p.any {
		for i, r := range p.rows {
			if r.KeyRow != nil && r.Key == p.at {
				p.cursor = i
			}
		}
	}
}

// heldOf is the bytes that a bucket holds.
func heldOf(k *engine.KeyRow) int64 { return (k.InUse + k.Pending + int64(k.Free.Free)) * k.Size }

// idle reports whether a bucket holds nothing and served nothing in the last
// run. Modes with exact sizes leave hundreds of these behind.
func idle(k *engine.KeyRow) bool {
	return k.InUse == 0 && k.Pending == 0 && k.Free.Free == 0 && k.LastRequests == 0
}

// press moves the mark.
func (p *bucketsPane) press(a action, page int) {
	p.move(a, len(p.rows), page)
	if p.cursor >= 0 && p.rows[p.cursor].KeyRow == nil { // a heading is no row to stand on
		switch {
		case (a == moveUp || a == pageUp || a == toTop) && p.cursor > 0:
			p.cursor--
		case p.cursor+1 < len(p.rows):
			p.cursor++
		}
	}
	p.markRow(p.cursor)
}

// markRow marks the row of a bucket.
func (p *bucketsPane) markRow(row int) {
	if row >= 0 && p.rows[row].KeyRow == nil {
		return
	}
	p.cursor = row
	if p.any = row >= 0; p.any {
		p.at = p.rows[row].Key
	}
}

// drop takes the mark away and shows the first rows again.
func (p *bucketsPane) drop() { p.any, p.scroll = false, scroll{cursor: -1} }

// barTitle is the title of the bars, which are left out where no bucket has a
// cap.
const barTitle = "want of cap"

// bucketColumns are the columns of the table; those of low rank are always
// there.
var bucketColumns = []column[bucketRow]{
	{title: "key", width: units.BytesWidth, text: func(f *frame, r bucketRow) (string, style) {
		return f.size(r.Size), strong
	}},
	{title: barTitle, width: 9, left: true, grow: 12, rank: 1, draw: drawBar},
	{title: "want/cap", width: 8, rank: 0, text: func(f *frame, r bucketRow) (string, style) {
		if !r.IsKey && r.Want == 0 {
			return f.g.none, plain
		}
		return units.Count(r.Want) + "/" + capText(f, r), plain
	}},
	{title: "free", width: 5, rank: 3, text: countColumn(func(r bucketRow) int64 { return int64(r.Free.Free) })},
	{title: "use", width: 5, rank: 4, text: countColumn(func(r bucketRow) int64 { return r.InUse })},
	{title: "pend", width: 5, rank: 8, text: countColumn(func(r bucketRow) int64 { return r.Pending })},
	{title: "req/run", width: 7, rank: 9, text: countColumn(func(r bucketRow) int64 { return r.LastRequests })},
	{title: "new/run", width: 7, rank: 2, text: func(_ *frame, r bucketRow) (string, style) {
		s := plain
		if r.Over() {
			s = warning
		}
		return units.Count(r.LastNew), s
	}},
	{title: "why", width: 11, left: true, rank: 5, text: func(_ *frame, r bucketRow) (string, style) {
		return r.why, faint
	}},
	{title: "padding", width: units.BytesWidth, rank: 6, text: func(f *frame, r bucketRow) (string, style) {
		return f.bytes(r.Padding), plain
	}},
	{title: "held", width: units.BytesWidth, rank: 7, text: func(f *frame, r bucketRow) (string, style) {
		return f.bytes(heldOf(r.KeyRow)), plain
	}},
	{title: "hits", width: 5, rank: 10, text: countColumn(func(r bucketRow) int64 { return r.Hits })},
	{title: "created", width: 7, rank: 11, text: countColumn(func(r bucketRow) int64 { return r.Creates })},
}

func countColumn(n func(bucketRow) int64) func(*frame, bucketRow) (string, style) {
	return func(_ *frame, r bucketRow) (string, style) { return units.Count(n(r)), plain }
}

// capText is how many free buffers the bucket keeps.
func capText(f *frame, r bucketRow) string {
	switch {
	case !r.IsKey:
		return f.g.none
	case r.Cap >= cachemodes.Uncapped:
		return f.g.uncapped
	}
	return strconv.Itoa(r.Cap)
}

// drawBar draws what is wanted of a cap: the cells are the cap, the filled
// ones what is wanted of it. Where more is wanted, the cells are what is
// wanted, the filled ones the part that the cap keeps; and '!' where that
// costs creates.
func drawBar(v view, f *frame, r bucketRow) {
	if !capped(r.KeyRow) {
		return
	}
	w := v.w - 1
	kept := []rune(f.g.kept)
	full := kept[len(kept)-1]
	rest, restStyle, share := f.g.room, border, float64(r.Want)/float64(r.Cap)
	if share > 1 {
		// Whole cells only: in a cell that is part kept, part lost, neither
		// could be seen.
		rest, restStyle, share = f.g.lost, barLost, math.Round(float64(w)/share)/float64(w)
	}
	parts := int(math.Ceil(share * float64(w*len(kept))))
	for x := range w {
		switch n := parts - x*len(kept); {
		case n >= len(kept):
			v.set(x, 0, full, barKept)
		case n > 0:
			v.set(x, 0, kept[n-1], barKept)
		default:
			v.set(x, 0, rest, restStyle)
		}
	}
	if r.Over() {
		v.set(w, 0, '!', warning)
	}
}

// columns are those that have something to show.
func (p *bucketsPane) columns() []column[bucketRow] {
	for _, r := range p.rows {
		if r.KeyRow != nil && capped(r.KeyRow) {
			return bucketColumns
		}
	}
	return slices.DeleteFunc(slices.Clone(bucketColumns), func(c column[bucketRow]) bool { return c.title == barTitle })
}

// draw draws the table.
func (p *bucketsPane) draw(v view, f *frame, framed, focus bool) {
	mode := f.st.Config[cachemodes.Storage].Mode.String()
	right := ""
	if n := len(f.st.Keys); n > 0 {
		right = strconv.Itoa(n) + " sizes seen"
	}
	title := "Buckets, storage: " + mode
	if !p.filter.empty() {
		title = "Buckets: " + p.filter.text
	}
	in := pane(v, f, title, right, framed, focus)
	if in.empty() {
		return
	}
	if len(p.rows) == 0 {
		drawEmpty(in, p.emptyText(f))
		return
	}
	cols := fitColumns(p.columns(), in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	first := p.first(len(p.rows), body.h)
	for y := 0; y < body.h && first+y < len(p.rows); y++ {
		r, row := p.rows[first+y], body.row(y)
		if r.KeyRow == nil {
			x := row.put(0, 0, usageWords[r.usage]+": "+f.st.Config[r.usage].Mode.String()+" ", heading)
			for ; x < row.w; x++ {
				row.set(x, 0, f.g.horizontal, border)
			}
			continue
		}
		drawRow(row, f, cols, r)
		if first+y == p.cursor && focus {
			row.mark()
		}
	}
	if framed {
		drawPosition(v.sub(0, 2, v.w, body.h), f, v.w-1, first, len(p.rows), heading)
	}
}

// emptyText says why there are none in the table.
func (p *bucketsPane) emptyText(f *frame) string {
	if !p.filter.empty() && len(f.st.Keys) > 0 {
		return f.say("nothing, because no bucket is as the filter wants it; {back} drops it")
	}
	return emptyBuckets(f)
}

// emptyBuckets says why there are none.
func emptyBuckets(f *frame) string {
	st := f.st
	if st.Status == engine.Paused && st.Events == 0 {
		return f.say("nothing yet, because the workload is paused: {pause} starts it")
	}
	return "nothing yet, because no buffer was asked of a cache"
}
