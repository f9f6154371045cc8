package tui

import (
	"strings"

	"bucketscope/snapshots/compare"
)

// compareFilters are those of the tables of Compare.
type compareFilters struct {
	figures filter[compare.Row]
	keys    filter[compareKey]
	runs    filter[compare.RunRow]
}

func (c *compareFilters) empty() bool { return c.figures.empty() && c.keys.empty() && c.runs.empty() }

// suffix is what a filter adds to the title of its table.
func (f *filter[R]) suffix() string {
	if f.empty() {
		return ""
	}
	return ": " + f.text
}

// chosen are the rows that a filter lets through, in a list of their own.
func (f *filter[R]) chosen(rows []R) []R {
	out := make([]R, 0, len(rows))
	for i := range rows {
		if f.holds(&rows[i]) {
			out = append(out, rows[i])
		}
	}
	return out
}

var figureLanguage = language[compare.Row]{
	properties: []property[compare.Row]{
		{name: "unit", words: []string{"bytes", "count", "us", "per_second", "share"}, is: func(r *compare.Row, w string) bool { return string(r.Unit) == w }},
	},
	has: func(r *compare.Row, word string) bool {
		return strings.Contains(r.Name, word) || strings.Contains(figureName(r.Name), word)
	},
}

var compareKeyLanguage = language[compareKey]{
	properties: []property[compareKey]{
		{name: "key", bytes: true, number: func(k *compareKey) (int64, bool) { return k.size, true }},
		{name: "usage", words: cacheNames(), is: func(k *compareKey, w string) bool { return k.usage == w }},
		{name: "change", bytes: true, number: func(k *compareKey) (int64, bool) { return int64(k.change()), true }},
		{name: "use", number: func(k *compareKey) (int64, bool) { return max(k.inUse[0], k.inUse[1]), true }},
	},
	has: func(k *compareKey, word string) bool { return strings.Contains(k.usage, word) },
}

var compareRunLanguage = language[compare.RunRow]{
	properties: []property[compare.RunRow]{
		{name: "run", number: func(r *compare.RunRow) (int64, bool) { return r.Run.Run, true }},
		{name: "session", number: func(r *compare.RunRow) (int64, bool) { return r.Run.Session, true }},
		{name: "peak", bytes: true, number: func(r *compare.RunRow) (int64, bool) { return max(r.PeakHeldBytes[0], r.PeakHeldBytes[1]), true }},
		{name: "change", bytes: true, number: func(r *compare.RunRow) (int64, bool) { return r.PeakHeldBytes[1] - r.PeakHeldBytes[0], true }},
		{name: "new", number: func(r *compare.RunRow) (int64, bool) { return max(r.Creates[0], r.Creates[1]), true }},
	},
	has: func(r *compare.RunRow, word string) bool { return strings.Contains(strings.ToLower(r.Run.Label), word) },
}

// runs are the pairs of runs that the filter lets through.
func (s *compareScreen) runs() []compare.RunRow { return s.filters.runs.chosen(s.found.Runs) }

// edit is the filter of the table that has the keys, to be typed.
func (s *compareScreen) edit() *filterEdit {
	switch s.pane {
	case figuresPane:
		return editOf("figures", &figureLanguage, &s.filters.figures)
	case keysPane:
		return editOf("keys", &compareKeyLanguage, &s.filters.keys)
	}
	return editOf("runs", &compareRunLanguage, &s.filters.runs)
}

// editOf edits a filter in place.
func editOf[R any](about string, l *language[R], f *filter[R]) *filterEdit {
	return &filterEdit{about: about, text: f.text, words: l.help(), set: func(_ *frame, text string) error {
		parsed, err := l.parse(text)
		if err == nil {
			*f = parsed
		}
		return err
	}}
}
