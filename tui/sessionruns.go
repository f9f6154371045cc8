package tui

import (
	"fmt"
	"slices"
	"strconv"

	"bucketscope/probe"
)

// sessionRunsFrom is how many rows below the lanes are worth a list of runs: a
// rule, titles, and some runs.
const sessionRunsFrom = 5

// sessionRunsIn is the part of a body below lanes rows that the runs of sessions
// take; empty where that is too little.
func sessionRunsIn(body view, lanes int, kind layoutKind) view {
	if kind <= layoutCompact || body.h-lanes < sessionRunsFrom {
		return view{}
	}
	return body.sub(0, lanes, body.w, body.h-lanes)
}

// sessionRunColumns are those of the log of runs, with whose run it was.
func sessionRunColumns(f *frame) []column[*probe.Run] {
	return slices.Concat([]column[*probe.Run]{{title: "ses", width: 3, text: func(_ *frame, r *probe.Run) (string, style) {
		return strconv.Itoa(int(r.Session)), strong
	}}}, columnsOfRuns(f))
}

// drawSessionRuns draws the last runs of the marked session, or of all where
// none is marked, the newest at the bottom.
func (s *sessionsScreen) drawSessionRuns(v view, f *frame) {
	of := -1
	what := "last runs of all sessions"
	if s.cursor >= 0 {
		of = s.rows[s.cursor].index
		what = fmt.Sprintf("last runs of session %d", of)
	}
	title := v.row(0)
	for x := range title.w {
		title.set(x, 0, f.g.horizontal, border)
	}
	title.put(1, 0, " "+what+" ", heading)
	cols := fitColumns(sessionRunColumns(f), v.w)
	list := v.sub(0, 2, v.w, v.h-2)
	var rows []*probe.Run // the newest first
	for i := len(f.st.Runs) - 1; i >= 0 && len(rows) < list.h; i-- {
		if r := &f.st.Runs[i]; of < 0 || int(r.Session) == of {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		v.put(1, 1, "none yet", faint)
		return
	}
	drawTitles(v.row(1), cols)
	for i, r := range rows {
		drawRow(list.row(len(rows)-1-i), f, cols, r)
	}
}
