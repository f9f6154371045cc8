package tui

import (
	"slices"
	"strconv"

	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// runsPane is the log of runs and of what a person changed between them, the
// newest at the bottom.
type runsPane struct {
	scroll
	filter filter[probe.Run]
	rows   []logRow
	// at is the row that is marked; the log follows the newest while there is
	// none.
	at   logID
	any  bool
	seen *engine.State
}

// logRow is a run or a mark; one of both is nil.
type logRow struct {
	run  *probe.Run
	mark *engine.Mark
}

// logID names a row while others come and go.
type logID struct {
	seq  int64 // of the run, or of the run that the mark was made in
	atUS int64 // of a mark; -1 for a run
}

func (r logRow) id() logID {
	if r.mark != nil {
		return logID{r.mark.Run, r.mark.AtUS}
	}
	return logID{r.run.Seq, -1}
}

// follow takes in the state to show.
func (p *runsPane) follow(f *frame) {
	st := f.st
	if begunAnew(p.seen, st) {
		*p = runsPane{scroll: scroll{cursor: -1}, rows: p.rows, filter: p.filter}
	}
	p.seen = st
	p.rows = p.rows[:0]
	marks := st.Marks
	if len(st.Runs) > 0 { // marks older than the log are of no use in it
		for len(marks) > 0 && marks[0].Run < st.Runs[0].Seq {
			marks = marks[1:]
		}
	}
	for i := range st.Runs {
		r := &st.Runs[i]
		for len(marks) > 0 && marks[0].Run <= r.Seq {
			p.rows = append(p.rows, logRow{mark: &marks[0]})
			marks = marks[1:]
		}
		if p.filter.holds(r) {
			p.rows = append(p.rows, logRow{run: r})
		}
	}
	for i := range marks {
		p.rows = append(p.rows, logRow{mark: &marks[i]})
	}
	p.cursor = -1
	if p.any {
		p.cursor = 0 // it fell off the log: the oldest there is
		for i, r := range p.rows {
			if r.id() == p.at {
				p.cursor = i
			}
		}
	}
}

// press moves the mark; at the last row the log follows again.
func (p *runsPane) press(a action, page int) {
	if !p.any {
		p.cursor = len(p.rows) - 1
		p.top = len(p.rows) - page
	}
	p.move(a, len(p.rows), page)
	p.markRow(p.cursor)
}

// markRow marks a row; the last one lets the log follow.
func (p *runsPane) markRow(row int) {
	p.cursor = row
	p.any = row >= 0 && row < len(p.rows)-1
	if p.any {
		p.at = p.rows[row].id()
	}
}

// drop lets the log follow again.
func (p *runsPane) drop() { p.any, p.scroll = false, scroll{cursor: -1} }

const (
	runWidth  = 5
	timeTitle = "time"
)

// runColumns are the columns of the log.
var runColumns = []column[*probe.Run]{
	{title: "run", width: runWidth, text: func(f *frame, r *probe.Run) (string, style) {
		n := strconv.FormatInt(r.Seq, 10)
		if len(n) > runWidth { // its last digits tell it from the others in sight
			n = f.g.more + n[len(n)-runWidth+1:]
		}
		return n, faint
	}},
	{title: "", width: 1, left: true, rank: 4, text: runSign},
	{title: "kind", width: 6, left: true, rank: 3, grow: 8, text: func(_ *frame, r *probe.Run) (string, style) {
		return phase(&r.RunInfo), plain
	}},
	{title: "label", width: 12, left: true, rank: 14, grow: 18, text: func(_ *frame, r *probe.Run) (string, style) {
		return r.Label, faint
	}},
	{title: "mode", width: 13, left: true, rank: 13, text: func(_ *frame, r *probe.Run) (string, style) {
		return r.Mode.String(), faint
	}},
	{title: "req", width: 5, rank: 8, text: runCount(func(r *probe.Run) int64 { return r.Total.Requests })},
	{title: "hits", width: 5, rank: 7, text: runCount(func(r *probe.Run) int64 { return r.Total.Hits })},
	{title: "new", width: 5, rank: 0, text: func(_ *frame, r *probe.Run) (string, style) {
		s := plain
		if r.Total.Creates > 0 {
			s = strong
		}
		return units.Count(r.Total.Creates), s
	}},
	{title: "bytes", width: units.BytesWidth, rank: 5, text: func(f *frame, r *probe.Run) (string, style) {
		if r.Total.Creates == 0 {
			return "", plain
		}
		return f.bytes(r.Total.CreateBytes), plain
	}},
	{title: "gone", width: 5, rank: 6, text: runCount(func(r *probe.Run) int64 { return r.Total.Destroys })},
	{title: "peak", width: units.BytesWidth, rank: 1, text: func(f *frame, r *probe.Run) (string, style) {
		return f.bytes(r.PeakHeld), lineHeld
	}},
	{title: "end", width: units.BytesWidth, rank: 9, text: func(f *frame, r *probe.Run) (string, style) {
		return f.bytes(r.Total.EndHeld), plain
	}},
	{title: timeTitle, width: 6, rank: 2, text: func(f *frame, r *probe.Run) (string, style) {
		if !f.st.Device.Timed {
			return f.g.none, faint
		}
		return duration(float64(r.DurationUS())), plain
	}},
}

func runCount(n func(*probe.Run) int64) func(*frame, *probe.Run) (string, style) {
	return func(_ *frame, r *probe.Run) (string, style) { return units.Count(n(r)), plain }
}

// runSign tells what else happened in a run.
func runSign(f *frame, r *probe.Run) (string, style) {
	switch {
	case r.Fails > 0:
		return "!", warning
	case r.Switches > 0:
		return f.g.arrow, switchMark
	case r.Adjusts > 0:
		return "~", faint
	}
	return "", plain
}

// columnsOfRuns are the columns of the log, of which the time of runs is worth
// least where it is nobody's.
func columnsOfRuns(f *frame) []column[*probe.Run] {
	if f.st.Device.Timed {
		return runColumns
	}
	cols := slices.Clone(runColumns)
	for i := range cols {
		if cols[i].title == timeTitle {
			cols[i].rank = len(cols) + 1
		}
	}
	return cols
}

// draw draws the log.
func (p *runsPane) draw(v view, f *frame, framed, focus bool) {
	right := ""
	switch {
	case p.any:
		right = f.say("{bottom} follows")
	case f.st.Status == engine.Running && f.recent.perSec > 0:
		right = units.Rate(f.recent.perSec) + "/s"
	}
	title := "Runs"
	if !p.filter.empty() {
		title += ": " + p.filter.text
	}
	in := pane(v, f, title, right, framed, focus)
	if in.empty() {
		return
	}
	if len(p.rows) == 0 {
		drawEmpty(in, p.emptyText(f))
		return
	}
	cols := fitColumns(columnsOfRuns(f), in.w)
	drawTitles(in.row(0), cols)
	body := in.sub(0, 1, in.w, in.h-1)
	first := max(len(p.rows)-body.h, 0)
	if p.any {
		first = p.first(len(p.rows), body.h)
	}
	for y := 0; y < body.h && first+y < len(p.rows); y++ {
		r, row := p.rows[first+y], body.row(y)
		if r.mark != nil {
			x := row.put(0, 0, string(f.g.horizontal)+" "+cut(r.mark.Text, row.w-4)+" ", switchMark)
			for ; x < row.w; x++ {
				row.set(x, 0, f.g.horizontal, border)
			}
		} else {
			drawRow(row, f, cols, r.run)
		}
		if first+y == p.cursor && focus {
			row.mark()
		}
	}
	if framed {
		drawPosition(v.sub(0, 2, v.w, body.h), f, v.w-1, first, len(p.rows), heading)
	}
}

// emptyText says why there are none in the list.
func (p *runsPane) emptyText(f *frame) string {
	if len(f.st.Runs) > 0 {
		return f.say("nothing, because no run is as the filter wants it; {back} drops it")
	}
	return emptyRuns(f)
}

// emptyRuns says why there are no runs.
func emptyRuns(f *frame) string {
	st := f.st
	switch {
	case st.Status == engine.Paused:
		return f.say("nothing yet, because the workload is paused: {pause} starts it")
	case st.Status == engine.Failed:
		return "nothing, because the workload stopped in its first run"
	case st.InRun:
		return "nothing yet, because the first run is not over"
	}
	return "nothing yet, because the model is being loaded"
}
