package tui

import (
	"fmt"
	"strconv"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// bufferRow is a buffer that exists at the shown moment.
type bufferRow struct {
	*probe.Buffer
	ageUS int64
	// idle is how many runs ended since it was handed out last.
	idle int64
	// fresh is that it was made in the run going on, or the one before.
	fresh bool
}

func (r *bufferRow) padding() int64 {
	if r.State != cachemodes.InUse {
		return 0
	}
	return r.Size - r.Requested
}

// own reports whether the caches are answerable for it: weights and the
// application's buffers stay in use for as long as there is a model.
func (r *bufferRow) own() bool { return r.Usage.Cached() }

// preset is a choice among the buffers that answers a question.
type preset struct {
	name, meaning string
	keeps         func(*bufferRow) bool
}

// The presets. A buffer that nobody used for recentRuns runs is stale if it is
// in a cache, and a suspect if somebody still has it.
var presets = []preset{
	{"all", "every buffer", func(*bufferRow) bool { return true }},
	{"leaks", fmt.Sprintf("in use, but handed out %d runs ago or earlier; weights left out", recentRuns), func(r *bufferRow) bool {
		return r.own() && r.State == cachemodes.InUse && r.idle >= recentRuns
	}},
	{"temporary", "made in this run or the last, and used once", func(r *bufferRow) bool {
		return r.own() && r.fresh && r.Uses == 1
	}},
	{"stale", fmt.Sprintf("cached, and not used for %d runs or more", recentRuns), func(r *bufferRow) bool {
		return r.State == cachemodes.Cached && r.idle >= recentRuns
	}},
}

// order is a way to sort buffers: the highest first.
type order struct {
	name string
	of   func(*bufferRow) int64
}

var orders = []order{
	{"size", func(r *bufferRow) int64 { return r.Size }},
	{"idle runs", func(r *bufferRow) int64 { return r.idle }},
	{"padding", (*bufferRow).padding},
	{"uses", func(r *bufferRow) int64 { return r.Uses }},
	{"age", func(r *bufferRow) int64 { return r.ageUS }},
	{"buffer", func(r *bufferRow) int64 { return r.Serial }},
}

// bufferLanguage is what a filter may ask of a buffer.
var bufferLanguage = language[bufferRow]{
	properties: []property[bufferRow]{
		{name: "state", words: []string{"in_use", "pending", "cached"}, is: func(r *bufferRow, w string) bool { return stateWord(r.State) == w }},
		{name: "size", bytes: true, number: func(r *bufferRow) (int64, bool) { return r.Size, true }},
		{name: "asked", bytes: true, number: func(r *bufferRow) (int64, bool) { return r.Requested, r.State == cachemodes.InUse }},
		{name: "padding", bytes: true, number: func(r *bufferRow) (int64, bool) { return r.padding(), r.State == cachemodes.InUse }},
		{name: "key", bytes: true, number: func(r *bufferRow) (int64, bool) { return r.Size, r.own() }},
		{name: "usage", words: usageNames(), is: func(r *bufferRow, w string) bool { return r.Usage.String() == w }},
		{name: "mode", words: modeNames(), is: func(r *bufferRow, w string) bool { return r.own() && r.Mode.String() == w }},
		{name: "session", number: func(r *bufferRow) (int64, bool) { return int64(r.Session), r.Session != cachemodes.NoSession }},
		{name: "idle", number: func(r *bufferRow) (int64, bool) { return r.idle, true }},
		{name: "uses", number: func(r *bufferRow) (int64, bool) { return r.Uses, true }},
		{name: "run", number: func(r *bufferRow) (int64, bool) { return r.CreatedRun, true }},
		{name: "buffer", number: func(r *bufferRow) (int64, bool) { return r.Serial, true }},
	},
	has: func(r *bufferRow, word string) bool {
		return strings.Contains(stateWord(r.State), word) || strings.Contains(r.Usage.String(), word) ||
			r.own() && strings.Contains(strings.ToLower(r.Mode.String()), word)
	},
}

// stateWord is a buffer's state as filters spell it.
func stateWord(s cachemodes.State) string { return strings.ReplaceAll(s.String(), " ", "_") }

// bufferColumns are the columns of the table.
var bufferColumns = []column[*bufferRow]{
	{title: "buffer", width: 7, text: func(f *frame, r *bufferRow) (string, style) { return tailOf(f, r.Serial, 7), faint }},
	{title: "size", width: units.BytesWidth, text: func(f *frame, r *bufferRow) (string, style) { return f.size(r.Size), strong }},
	{title: "asked", width: units.BytesWidth, rank: 6, text: func(f *frame, r *bufferRow) (string, style) {
		if r.State != cachemodes.InUse {
			return f.g.none, faint
		}
		return f.bytes(r.Requested), plain
	}},
	{title: "padding", width: units.BytesWidth, rank: 4, text: func(f *frame, r *bufferRow) (string, style) {
		if r.State != cachemodes.InUse {
			return f.g.none, faint
		}
		return f.bytes(r.padding()), plain
	}},
	{title: "state", width: 7, left: true, text: func(_ *frame, r *bufferRow) (string, style) {
		switch r.State {
		case cachemodes.InUse:
			return r.State.String(), strong
		case cachemodes.Cached:
			return r.State.String(), barKept
		}
		return r.State.String(), switchMark
	}},
	{title: "usage", width: 13, left: true, rank: 5, text: func(_ *frame, r *bufferRow) (string, style) { return r.Usage.String(), faint }},
	{title: "ses", width: 3, rank: 7, text: func(f *frame, r *bufferRow) (string, style) {
		if r.Session == cachemodes.NoSession {
			return f.g.none, faint
		}
		return strconv.Itoa(int(r.Session)), plain
	}},
	{title: "idle", width: 5, rank: 1, text: func(_ *frame, r *bufferRow) (string, style) { return units.Count(r.idle), plain }},
	{title: "uses", width: 5, rank: 2, text: func(_ *frame, r *bufferRow) (string, style) { return units.Count(r.Uses), plain }},
	{title: "age", width: 6, rank: 3, text: func(_ *frame, r *bufferRow) (string, style) { return duration(float64(r.ageUS)), plain }},
	{title: "made", width: runWidth, rank: 8, text: func(f *frame, r *bufferRow) (string, style) { return tailOf(f, r.CreatedRun, runWidth), faint }},
	{title: "mode", width: 13, left: true, rank: 9, text: func(f *frame, r *bufferRow) (string, style) {
		if !r.own() {
			return f.g.none, faint
		}
		return r.Mode.String(), faint
	}},
}

// copyText is the buffer as a line of text, columns apart by tabs, bytes exact.
func (r *bufferRow) copyText() string {
	fields := []string{
		fmt.Sprintf("buffer %d", r.Serial), fmt.Sprintf("%d bytes", r.Size), fmt.Sprintf("%d asked", r.Requested), r.State.String(),
		r.Usage.String(), fmt.Sprintf("made in run %d", r.CreatedRun), fmt.Sprintf("used %d times, last in run %d", r.Uses, r.UsedRun),
	}
	if r.Session != cachemodes.NoSession {
		fields = append(fields, fmt.Sprintf("session %d", r.Session))
	}
	if r.own() {
		fields = append(fields, r.Mode.String())
	}
	return strings.Join(fields, "\t")
}
