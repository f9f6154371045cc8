package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// tuneLayout divides the body: the numbers, what they would cost and, where there
// is room, the sizes that they are for.
type tuneLayout struct {
	table, preview, sizes rect
	framed                bool
}

func tuneLayoutOf(kind layoutKind, w, h int) tuneLayout {
	l := tuneLayout{framed: kind > layoutCompact}
	const rows, side = 5, 50
	const tall, advice = 36, 17
	switch {
	case kind == layoutLine:
	case kind == layoutFull && h >= tall:
		side := max(side, w*36/100)
		l.table, l.preview = rect{0, 0, w - side, h}, rect{w - side, 0, side, advice}
		l.sizes = rect{w - side, advice, side, h - advice}
	case kind == layoutFull:
		l.table, l.preview = rect{0, 0, w - side, h}, rect{w - side, 0, side, h}
	case l.framed:
		l.table, l.preview = rect{0, 0, w, h - rows - 1}, rect{0, h - rows - 1, w, rows + 1}
	default:
		l.table, l.preview = rect{0, 0, w, h - 4}, rect{0, h - 4, w, 4}
	}
	return l
}

// tuneView is a row with the bucket that it is about, as it stands.
type tuneView struct {
	tuneRow
	bucket *engine.KeyRow // nil where nothing was asked of it
}

// valueText is a row's value, and what it was.
func (r *tuneView) valueText(f *frame) string {
	text := func(n int64) string {
		switch {
		case r.number == nil && n >= cachemodes.Uncapped:
			return f.g.uncapped
		case r.number != nil && r.number.bytes:
			return f.size(n)
		}
		return units.Count(n)
	}
	switch {
	case r.gone:
		return text(r.was) + f.g.arrow + f.g.none
	case r.fresh:
		return f.g.none + f.g.arrow + text(r.now)
	case r.now != r.was:
		return text(r.was) + f.g.arrow + text(r.now)
	}
	return text(r.now)
}

func keyFigure(of func(*engine.KeyRow) int64) func(*frame, tuneView) (string, style) {
	return func(f *frame, r tuneView) (string, style) {
		switch {
		case r.number != nil:
			return "", plain
		case r.bucket == nil:
			return f.g.none, faint
		}
		return units.Count(of(r.bucket)), plain
	}
}

var tuneColumns = []column[tuneView]{
	{title: "", width: 1, text: func(_ *frame, r tuneView) (string, style) {
		if r.edited() {
			return "*", switchMark
		}
		return "", plain
	}},
	{title: "number", width: 13, left: true, text: func(f *frame, r tuneView) (string, style) {
		if r.number != nil {
			return r.number.shown, strong
		}
		return f.size(r.key), strong
	}},
	{title: "value", width: 14, text: func(f *frame, r tuneView) (string, style) {
		s := plain
		if r.edited() {
			s = switchMark
		}
		return r.valueText(f), s
	}},
	{title: "", width: 7, left: true, rank: 2, text: func(_ *frame, r tuneView) (string, style) {
		if r.number != nil {
			if r.now == 1 {
				return strings.TrimSuffix(r.number.unit, "s"), faint
			}
			return r.number.unit, faint
		}
		return "cap", faint
	}},
	{title: "want", width: 5, rank: 1, text: keyFigure(func(k *engine.KeyRow) int64 { return k.Want })},
	{title: "new/run", width: 7, rank: 1, text: func(f *frame, r tuneView) (string, style) {
		text, s := keyFigure(func(k *engine.KeyRow) int64 { return k.LastNew })(f, r)
		if r.bucket != nil && r.bucket.Over() {
			text, s = "!"+text, warning
		}
		return text, s
	}},
	{title: "free", width: 5, rank: 3, text: keyFigure(func(k *engine.KeyRow) int64 { return int64(k.Free.Free) })},
	{title: "padding", width: units.BytesWidth, rank: 4, text: func(f *frame, r tuneView) (string, style) {
		switch {
		case r.number != nil:
			return "", plain
		case r.bucket == nil:
			return f.g.none, faint
		}
		return f.bytes(r.bucket.Padding), plain
	}},
	{title: "", width: 8, left: true, rank: 5, grow: 60, text: func(_ *frame, r tuneView) (string, style) {
		switch {
		case r.number != nil:
			return r.number.what, faint
		case r.gone:
			return "dropped", switchMark
		case r.bucket != nil:
			return mainReason(&r.bucket.MissesSince), faint
		}
		return "", plain
	}},
}

// numberColumns are those of a mode that has no buckets to tune: what a number is
// takes the room of their figures.
func numberColumns() []column[tuneView] {
	const first = 4
	return append(slices.Clone(tuneColumns[:first]), tuneColumns[len(tuneColumns)-1])
}

func (s *tuneScreen) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	lay := tuneLayoutOf(kind, v.w, v.h)
	title := "Tune, " + usageWords[s.usage] + ": " + s.mode().Name + s.filter.suffix()
	right := f.say("{left} {right} change, {edit} types, {accept} applies")
	switch {
	case f.latest.Waiting > 0:
		right = "applied at the end of the run"
	case len(s.undo) > 0:
		right = f.say(fmt.Sprintf("{undo} undoes %d", len(s.undo)))
	}
	var rows []tuneView
	for _, r := range s.rows() {
		x := tuneView{tuneRow: r}
		if r.number == nil {
			for i := range f.st.Keys {
				if k := &f.st.Keys[i]; k.Usage == s.usage && k.Size == r.key {
					x.bucket = k
				}
			}
		}
		rows = append(rows, x)
	}
	none := s.mode().Name + " reads no numbers: nothing to tune. " + f.say("{mode} chooses another mode, {next-preset} another usage")
	if !s.filter.empty() {
		none = f.say("nothing, because no row is as the filter wants it; {back} drops it")
	}
	cols := tuneColumns
	if !slices.ContainsFunc(rows, func(r tuneView) bool { return r.number == nil }) {
		cols = numberColumns()
	}
	drawTable(v.rect(lay.table), f, title, right, lay.framed, true, &s.scroll, cols, rows, none)
	if p := v.rect(lay.preview); !p.empty() {
		s.drawPreview(pane(p, f, "Simulated: one pass of the workload, no device", "", lay.framed, false), f)
	}
	if z := v.rect(lay.sizes); !z.empty() {
		title := "Sizes asked for, " + usageWords[s.usage]
		if s.draft != nil {
			title += ", with the keys as edited"
		}
		var at int64
		if s.cursor >= 0 && s.cursor < len(rows) && rows[s.cursor].number == nil {
			at = rows[s.cursor].key
		}
		in := pane(z, f, title, units.Count(sum(f.st.Sizes[s.usage]))+" requests, log", lay.framed, false)
		sizesPane{}.draw(in, f, s.usage, s.keys(f.st), at)
	}
}

// keys are those in force, but those of the table as it is edited.
func (s *tuneScreen) keys(st *engine.State) []keySize {
	in := func(table cachemodes.Table, size int64) bool {
		return slices.ContainsFunc(table, func(b cachemodes.Bucket) bool { return b.Key == size })
	}
	keys := keysInForce(st, s.usage)
	if s.draft == nil || !slices.Contains(s.mode().Reads, "table") {
		return keys
	}
	before := s.before()
	keys = slices.DeleteFunc(keys, func(k keySize) bool { return in(before.Table, k.size) && !in(s.draft.Table, k.size) })
	for _, b := range s.draft.Table {
		if !in(before.Table, b.Key) {
			keys = append(keys, keySize{size: b.Key})
		}
	}
	slices.SortFunc(keys, func(a, b keySize) int { return cmp.Compare(a.size, b.size) })
	return keys
}

// previewRow is a line of the preview.
type previewRow struct {
	name string
	of   *Simulated
	from *Simulated // what it changed from
}

func previewFigure(of func(*Simulated) int64, bytes bool) func(*frame, previewRow) (string, style) {
	return func(f *frame, r previewRow) (string, style) {
		switch {
		case r.of == nil:
			return f.g.more, faint
		case r.from != nil:
			return changeText(f, float64(of(r.from)), float64(of(r.of)))
		case bytes:
			return f.bytes(of(r.of)), plain
		}
		return units.Count(of(r.of)), plain
	}
}

var previewColumns = []column[previewRow]{
	{title: "", width: 8, left: true, text: func(_ *frame, r previewRow) (string, style) { return r.name, strong }},
	{title: "peak", width: 9, text: previewFigure(func(s *Simulated) int64 { return s.Peak }, true)},
	{title: "avg", width: 9, rank: 1, text: previewFigure(func(s *Simulated) int64 { return s.Average }, true)},
	{title: "creates", width: 9, text: previewFigure(func(s *Simulated) int64 { return s.Creates }, false)},
	{title: "created", width: 9, rank: 2, text: previewFigure(func(s *Simulated) int64 { return s.CreateBytes }, true)},
}

// drawPreview shows what the numbers in force and those that were edited would
// cost.
func (s *tuneScreen) drawPreview(v view, f *frame) {
	if v.empty() {
		return
	}
	now, draft := s.before(), s.params()
	a, okA := s.sim(&now)
	b, okB := s.sim(&draft)
	if s.err != nil {
		drawLines(v, wrap("! "+s.err.Error(), max(v.w-2, 1), v.h), warning)
		return
	}
	if err := firstError(a.err, b.err); err != nil {
		drawLines(v, wrap("no figures: "+err.Error(), max(v.w-2, 1), v.h), faint)
		return
	}
	rows := []previewRow{{name: "in force"}}
	if okA {
		rows[0].of = &a.figures
	}
	if s.draft != nil {
		r := previewRow{name: "edited"}
		if okB {
			r.of = &b.figures
		}
		rows = append(rows, r)
		if okA && okB {
			rows = append(rows, previewRow{name: "change", of: &b.figures, from: &a.figures})
		}
	}
	cols := fitColumns(previewColumns, v.w)
	drawTitles(v.row(0), cols)
	y := 1
	for _, r := range rows {
		drawRow(v.row(y), f, cols, r)
		y++
	}
	rest := v.sub(0, y+1, v.w, v.h-y-1)
	if rest.h < 3 {
		if okA && y < v.h {
			v.put(0, y, "floor "+f.bytes(a.figures.Floor), faint)
		}
		return
	}
	s.drawAdvice(rest, f, okA, &a.figures)
}

// drawAdvice fills the rest of a tall preview: the floor, what the mode does
// not read, and the table as a flag takes it.
func (s *tuneScreen) drawAdvice(v view, f *frame, known bool, now *Simulated) {
	var lines []string
	add := func(text string) { lines = append(lines, wrap(text, max(v.w-1, 1), 8)...) }
	if known {
		add("floor " + f.bytes(now.Floor) + ": no policy that gives each request a buffer of its own holds less")
	}
	var unread []string
	if !slices.Contains(s.mode().Reads, "table") {
		unread = append(unread, "the table")
	}
	for i := range numbers {
		if !slices.Contains(s.mode().Reads, numbers[i].name) {
			unread = append(unread, numbers[i].shown)
		}
	}
	if len(unread) > 0 {
		add("not read by " + s.mode().Name + ": " + strings.Join(unread, ", "))
	}
	add("")
	lines = append(lines, wrap(f.say("{add-bucket} adds a bucket, {drop-bucket} drops the marked one, {suggest} searches a table, {show-table} shows it as ONNX Runtime's source takes it, {copy} copies that, {next-preset} another usage, {back} drops what was edited"), max(v.w-1, 1), 8)...)
	for y, l := range lines {
		v.put(0, y, l, faint)
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// textView shows text that can be scrolled.
type textView struct {
	title string
	lines []string
	top   int
}

func (t *textView) scope() scope { return inHelp }

func (t *textView) press(a action, _ tea.KeyPressMsg, _ *frame, w, h int) outcome {
	page := h
	if framed(w, h) {
		page -= 2
	}
	switch a {
	case back, help:
		return outcome{close: true}
	case moveUp:
		t.top--
	case moveDown:
		t.top++
	case pageUp:
		t.top -= page
	case pageDown:
		t.top += page
	case toTop:
		t.top = 0
	case toBottom:
		t.top = len(t.lines)
	}
	t.top = min(max(t.top, 0), max(len(t.lines)-page, 0))
	return outcome{}
}

func (t *textView) draw(v view, f *frame) {
	in, edge := dialog(v, f, t.title, f.say("{back} leaves, {copy} on the screen copies it"), 84, len(t.lines))
	for y := 0; y < in.h && t.top+y < len(t.lines); y++ {
		in.put(0, y, t.lines[t.top+y], plain)
	}
	drawPosition(edge, f, 0, t.top, len(t.lines), focused)
}
