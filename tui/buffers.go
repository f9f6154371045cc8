package tui

import (
	"cmp"
	"fmt"
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// buffersScreen is every buffer that exists at the shown moment.
type buffersScreen struct {
	scroll
	preset, order int
	turned        bool // the lowest first
	filter        filter[bufferRow]

	moment probe.Cursor
	rows   []bufferRow
	exist  int   // buffers, listed or not
	bytes  int64 // of those listed
	// at is the serial of the marked buffer, 0 for none; a buffer that is gone
	// leaves the mark on its row.
	at   int64
	seen *engine.State
}

func newBuffersScreen() *buffersScreen { return &buffersScreen{scroll: scroll{cursor: -1}} }

// follow takes in the state to show: it goes on from the moment it was at
// before, or from the last checkpoint.
func (s *buffersScreen) follow(f *frame) {
	st := f.st
	if begunAnew(s.seen, st) {
		s.moment, s.at = probe.Cursor{}, 0
	}
	s.seen = st
	s.rows, s.exist, s.bytes = s.rows[:0], 0, 0
	h := &st.History
	if h.End() > h.First() {
		s.list(s.moment.Seek(h, st.Seq), st.NowUS)
	}
	s.sort()
}

// list makes a row of each buffer that the preset and the filter let through.
func (s *buffersScreen) list(m *probe.Moment, nowUS int64) {
	runs := m.Ledger.Runs()
	for i := range m.Buffers {
		b := &m.Buffers[i]
		if b.State == cachemodes.Gone {
			continue
		}
		s.exist++
		r := bufferRow{Buffer: b, ageUS: max(nowUS-b.CreatedUS, 0), idle: runs - b.UsedRun, fresh: runs-b.CreatedRun <= 1}
		if presets[s.preset].keeps(&r) && s.filter.holds(&r) {
			s.rows = append(s.rows, r)
			s.bytes += b.Size
		}
	}
}

// sort sorts the rows, equals by their age, and finds the marked one again.
func (s *buffersScreen) sort() {
	of := orders[s.order].of
	slices.SortFunc(s.rows, func(a, b bufferRow) int {
		c := cmp.Compare(of(&b), of(&a))
		if s.turned {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.Serial, b.Serial))
	})
	if s.at == 0 {
		s.cursor = -1
		return
	}
	if i := slices.IndexFunc(s.rows, func(r bufferRow) bool { return r.Serial == s.at }); i >= 0 {
		s.cursor = i
	}
	s.cursor = min(s.cursor, len(s.rows)-1)
}

func (s *buffersScreen) work(*frame) (changed, more bool) { return false, false }

func (s *buffersScreen) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	switch a {
	case moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		s.move(a, len(s.rows), tablePage(rect{0, 0, w, h}, kind > layoutCompact))
		s.at = 0
		if s.cursor >= 0 {
			s.at = s.rows[s.cursor].Serial
		}
	case sortNext:
		s.order, s.turned = (s.order+1)%len(orders), false
	case sortTurn:
		s.turned = !s.turned
	case presetNext:
		s.preset = (s.preset + 1) % len(presets)
		return true, wish{tell: presets[s.preset].name + ": " + presets[s.preset].meaning}
	case filterList:
		return true, wish{edit: &filterEdit{about: "buffers", text: s.filter.text, set: s.setFilter, words: bufferLanguage.help()}}
	case copyRow:
		if s.cursor < 0 {
			return true, wish{tell: f.say("no buffer is marked: {down} marks one, {copy} copies it")}
		}
		return true, wish{copy: s.rows[s.cursor].copyText(), tell: fmt.Sprintf("buffer %d is copied", s.rows[s.cursor].Serial)}
	case back:
		switch {
		case s.at != 0:
			s.at, s.scroll = 0, scroll{cursor: -1}
		case !s.filter.empty():
			s.filter = filter[bufferRow]{}
		case s.preset != 0:
			s.preset = 0
		default:
			return false, wish{}
		}
	default:
		return false, wish{}
	}
	return true, wish{}
}

// setFilter puts a filter in force.
func (s *buffersScreen) setFilter(f *frame, text string) error {
	parsed, err := bufferLanguage.parse(text)
	if err != nil {
		return err
	}
	s.filter = parsed
	s.follow(f)
	return nil
}

// title says which buffers are listed, how many and how large.
func (s *buffersScreen) title(f *frame) string {
	title := "Buffers, " + presets[s.preset].name + ": " + units.Count(int64(len(s.rows))) + " of " + units.Count(int64(s.exist)) +
		", " + f.bytes(s.bytes)
	if !s.filter.empty() {
		title += ": " + s.filter.text
	}
	return title
}

func (s *buffersScreen) draw(v view, f *frame, kind layoutKind) {
	if kind == layoutLine {
		drawFigures(v, f)
		return
	}
	framed := kind > layoutCompact
	sign := f.g.down
	if s.turned {
		sign = f.g.up
	}
	in := pane(v, f, s.title(f), "by "+orders[s.order].name+" "+sign+f.say(", {sort} {sort-turn} {next-preset} {filter}"), framed, true)
	if in.empty() {
		return
	}
	if len(s.rows) == 0 {
		drawEmpty(in, s.emptyText(f))
		return
	}
	cols := fitColumns(bufferColumns, in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	first := s.first(len(s.rows), body.h)
	for y := 0; y < body.h && first+y < len(s.rows); y++ {
		drawRow(body.row(y), f, cols, &s.rows[first+y])
		if first+y == s.cursor {
			body.row(y).mark()
		}
	}
	if framed {
		drawPosition(v.sub(0, 2, v.w, body.h), f, v.w-1, first, len(s.rows), focused)
	}
}

// emptyText says why there are no rows.
func (s *buffersScreen) emptyText(f *frame) string {
	switch {
	case s.exist == 0:
		return "nothing, because no buffer exists at this moment"
	case !s.filter.empty():
		return f.say("nothing, because no buffer is as the filter wants it; {back} drops it")
	}
	return "nothing, because no buffer is " + presets[s.preset].meaning + f.say("; {next-preset} chooses others")
}
