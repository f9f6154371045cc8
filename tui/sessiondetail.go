package tui

import (
	"cmp"
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// holding is what a session holds of one size, or of weights of any: buffers that
// it has in use, and those that wait or are free and that it had last.
type holding struct {
	usage       cachemodes.Usage
	size        int64 // bytes of each; 0 for weights
	inUse, kept int64 // buffers
	bytes       int64
}

// holdingsOf lists what a session holds among buffers, the most bytes first, and
// reuses rows.
func holdingsOf(buffers []probe.Buffer, session int32, rows []holding) []holding {
	type kind struct {
		usage cachemodes.Usage
		size  int64
	}
	rows = rows[:0]
	at := map[kind]int{}
	for i := range buffers {
		b := &buffers[i]
		if b.State == cachemodes.Gone || !b.Usage.Held() {
			continue
		}
		whose := b.Last
		if b.State == cachemodes.InUse {
			whose = b.Session
		}
		if whose != session {
			continue
		}
		k := kind{b.Usage, b.Size}
		if b.Usage == cachemodes.Weights {
			k.size = 0
		}
		n, ok := at[k]
		if !ok {
			n = len(rows)
			at[k] = n
			rows = append(rows, holding{usage: k.usage, size: k.size})
		}
		h := &rows[n]
		h.bytes += b.Size
		if b.State == cachemodes.InUse {
			h.inUse++
		} else {
			h.kept++
		}
	}
	slices.SortFunc(rows, func(a, b holding) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.usage, b.usage), cmp.Compare(b.size, a.size))
	})
	return rows
}

var holdingColumns = []column[*holding]{
	{title: "usage", width: 7, left: true, grow: 6, text: func(_ *frame, h *holding) (string, style) { return h.usage.String(), faint }},
	{title: "size", width: units.BytesWidth, text: func(f *frame, h *holding) (string, style) {
		if h.size == 0 {
			return "any", faint
		}
		return f.size(h.size), strong
	}},
	{title: "in use", width: 6, rank: 2, text: func(_ *frame, h *holding) (string, style) { return units.Count(h.inUse), plain }},
	{title: "kept", width: 5, rank: 1, text: func(f *frame, h *holding) (string, style) {
		if h.usage == cachemodes.Weights {
			return f.g.none, faint
		}
		return units.Count(h.kept), barKept
	}},
	{title: "bytes", width: units.BytesWidth, text: func(f *frame, h *holding) (string, style) { return f.bytes(h.bytes), plain }},
}

// detailRows is the least that is worth showing below the lanes: frame, titles and
// some rows.
const detailRows = 6

// split divides a body of h rows: each session's lane takes so many, the pane of
// the lanes so many in all, and what is left is for the session that is marked.
func (s *sessionsScreen) split(kind layoutKind, h int) (each, lanes int) {
	each = s.height(kind, h)
	lanes = len(s.rows)*each + 3
	if kind <= layoutCompact || len(s.rows) == 0 || h-lanes < detailRows {
		lanes = h
	}
	return each, lanes
}

// detailed is the row of the session that is shown in detail: the marked one, or
// without a mark the first that is not released.
func (s *sessionsScreen) detailed() *sessionRow {
	if s.cursor >= 0 {
		return &s.rows[s.cursor]
	}
	for i := range s.rows {
		if s.rows[i].Books.Life != probe.Gone {
			return &s.rows[i]
		}
	}
	return &s.rows[0]
}

// holdings says what a session holds, in a title: of one that is released, where.
func (r *sessionRow) holdings(f *frame) string {
	name := "Session " + units.Count(int64(r.index))
	held := r.Books.Held()
	switch {
	case r.Books.Life != probe.Gone:
		return name + " holds " + f.bytes(held)
	case held == 0:
		return name + " left nothing"
	case f.st.Sharing.Scope == cachemodes.ScopeSharedFree:
		return name + " left " + f.bytes(held) + " in the pool"
	}
	return name + " left " + f.bytes(held) + " in the device's cache"
}

// drawDetail draws what a session holds, by size, and its last runs.
func (s *sessionsScreen) drawDetail(v view, f *frame) {
	r := s.detailed()
	left := v.w * 44 / 100
	if v.w < fullW {
		left = v.w / 2
	}
	in := pane(v.sub(0, 0, left, v.h), f, r.holdings(f), "", true, false)
	switch {
	case len(s.held) > 0:
		cols := fitColumns(holdingColumns, in.w)
		drawTitles(in.row(0), cols)
		body := in.sub(0, 1, in.w, in.h-1)
		shown := s.held
		if len(shown) > body.h {
			shown = shown[:body.h-1]
			var rest int64
			for i := range s.held[len(shown):] {
				rest += s.held[len(shown)+i].bytes
			}
			body.row(body.h-1).put(0, 0, f.g.more+" "+units.Count(int64(len(s.held)-len(shown)))+" sizes more, "+f.bytes(rest), faint)
		}
		for i := range shown {
			drawRow(body.row(i), f, cols, &shown[i])
		}
	case r.Books.Life == probe.Gone:
		drawEmpty(in, "nothing, because what it had was given up, or is of another session now")
	default:
		drawEmpty(in, "nothing yet, because it is not loaded")
	}

	var runs []*probe.Run
	for i := range f.st.Runs {
		if int(f.st.Runs[i].Session) == r.index {
			runs = append(runs, &f.st.Runs[i])
		}
	}
	right := ""
	if len(s.rows) > 1 {
		right = f.say("{down} marks another")
	}
	in = pane(v.sub(left, 0, v.w-left, v.h), f, "Runs of session "+units.Count(int64(r.index)), right, true, false)
	if in.empty() {
		return
	}
	if len(runs) == 0 {
		drawEmpty(in, "nothing, because none of its runs is among the last "+units.Count(int64(len(f.st.Runs))))
		return
	}
	cols := fitColumns(columnsOfRuns(f), in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	runs = runs[max(len(runs)-body.h, 0):]
	for y, run := range runs {
		drawRow(body.row(y), f, cols, run)
	}
}
