package tui

import (
	"fmt"
	"math"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// What the filters of the Live screen's lists may ask, and their rows as text.

// cacheNames are the usages that have a cache, as filters spell them.
func cacheNames() []string { return usageNames()[:cachemodes.NumCaches] }

var runLanguage = language[probe.Run]{
	properties: []property[probe.Run]{
		{name: "run", number: func(r *probe.Run) (int64, bool) { return r.Seq, true }},
		{name: "kind", words: []string{"prompt", "decode", "other"}, is: func(r *probe.Run, w string) bool {
			switch {
			case r.Tokens == 0:
				return w == "other"
			case r.Prompt:
				return w == "prompt"
			}
			return w == "decode"
		}},
		{name: "mode", words: modeNames(), is: func(r *probe.Run, w string) bool { return r.Mode.String() == w }},
		{name: "session", number: func(r *probe.Run) (int64, bool) { return int64(r.Session), true }},
		{name: "pass", number: func(r *probe.Run) (int64, bool) { return r.Pass, true }},
		{name: "new", number: func(r *probe.Run) (int64, bool) { return r.Total.Creates, true }},
		{name: "bytes", bytes: true, number: func(r *probe.Run) (int64, bool) { return r.Total.CreateBytes, true }},
		{name: "hits", number: func(r *probe.Run) (int64, bool) { return r.Total.Hits, true }},
		{name: "peak", bytes: true, number: func(r *probe.Run) (int64, bool) { return r.PeakHeld, true }},
	},
	has: func(r *probe.Run, word string) bool {
		return strings.Contains(strings.ToLower(r.Label), word) || strings.Contains(strings.ToLower(r.Mode.String()), word) ||
			strings.Contains(phase(&r.RunInfo), word)
	},
}

var bucketLanguage = language[bucketRow]{
	properties: []property[bucketRow]{
		{name: "key", bytes: true, number: func(r *bucketRow) (int64, bool) { return r.Size, true }},
		{name: "usage", words: cacheNames(), is: func(r *bucketRow, w string) bool { return r.usage.String() == w }},
		{name: "want", number: func(r *bucketRow) (int64, bool) { return r.Want, true }},
		{name: "cap", number: func(r *bucketRow) (int64, bool) { return int64(r.Cap), r.IsKey }},
		{name: "free", number: func(r *bucketRow) (int64, bool) { return int64(r.Free.Free), true }},
		{name: "use", number: func(r *bucketRow) (int64, bool) { return r.InUse, true }},
		{name: "new", number: func(r *bucketRow) (int64, bool) { return r.LastNew, true }},
		{name: "padding", bytes: true, number: func(r *bucketRow) (int64, bool) { return r.Padding, true }},
		{name: "held", bytes: true, number: func(r *bucketRow) (int64, bool) { return heldOf(r.KeyRow), true }},
	},
	has: func(r *bucketRow, word string) bool {
		return strings.Contains(r.usage.String(), word) || strings.Contains(r.why, word)
	},
}

var whatIfLanguage = language[WhatIfRow]{
	properties: []property[WhatIfRow]{
		{name: "peak", bytes: true, number: func(r *WhatIfRow) (int64, bool) { return r.Peak, r.Runs > 0 || r.SimulatedOnly }},
		{name: "avg", bytes: true, number: func(r *WhatIfRow) (int64, bool) { return r.Average, r.Runs > 0 || r.SimulatedOnly }},
		{name: "new", number: func(r *WhatIfRow) (int64, bool) { return int64(math.Ceil(r.NewPerRun)), r.Runs > 0 || r.SimulatedOnly }},
		{name: "kind", words: []string{"mode", "variant", "simulated"}, is: func(r *WhatIfRow, w string) bool {
			switch {
			case r.SimulatedOnly:
				return w == "simulated"
			case r.Variant:
				return w == "variant"
			}
			return w == "mode"
		}},
	},
	has: func(r *WhatIfRow, word string) bool { return strings.Contains(strings.ToLower(r.Name), word) },
}

// edit is the filter of the pane that has the keys, to be typed.
func (l *live) edit() *filterEdit {
	if l.focus == paneWhatIf {
		return &filterEdit{about: "modes", text: l.whatIf.filter.text, words: whatIfLanguage.help(), set: func(f *frame, text string) error {
			parsed, err := whatIfLanguage.parse(text)
			if err == nil {
				l.whatIf.filter = parsed
				l.whatIf.follow(f)
			}
			return err
		}}
	}
	if l.focus == paneRuns {
		return &filterEdit{about: "runs", text: l.runs.filter.text, words: runLanguage.help(), set: func(f *frame, text string) error {
			parsed, err := runLanguage.parse(text)
			if err == nil {
				l.runs.filter = parsed
				l.runs.follow(f)
			}
			return err
		}}
	}
	return &filterEdit{about: "buckets", text: l.buckets.filter.text, words: bucketLanguage.help(), set: func(f *frame, text string) error {
		parsed, err := bucketLanguage.parse(text)
		if err == nil {
			l.buckets.filter = parsed
			l.buckets.follow(f)
		}
		return err
	}}
}

// back drops the marks, or else the filters, and answers whether there were any.
func (l *live) back() bool {
	b, r, w := &l.buckets, &l.runs, &l.whatIf
	switch {
	case b.any || r.any:
		b.drop()
		r.drop()
	case !b.filter.empty() || !r.filter.empty() || !w.filter.empty():
		b.filter, r.filter, w.filter = filter[bucketRow]{}, filter[probe.Run]{}, filter[WhatIfRow]{}
	default:
		return false
	}
	return true
}

// copy is the marked row as a line of text, columns apart by tabs, bytes exact.
func (l *live) copy(f *frame) wish {
	if p := &l.buckets; l.focus == paneBuckets && p.any && p.cursor >= 0 {
		r := p.rows[p.cursor]
		fields := []string{
			fmt.Sprintf("key %d", r.Size), r.usage.String(), fmt.Sprintf("%d wanted", r.Want), "cap " + capText(f, r),
			fmt.Sprintf("%d free", r.Free.Free), fmt.Sprintf("%d in use", r.InUse), fmt.Sprintf("%d new in the last run", r.LastNew),
			fmt.Sprintf("%d bytes of padding", r.Padding),
		}
		return wish{copy: strings.Join(fields, "\t"), tell: f.size(r.Size) + " is copied"}
	}
	if p := &l.runs; l.focus == paneRuns && p.any && p.cursor >= 0 {
		row := p.rows[p.cursor]
		if row.mark != nil {
			return wish{copy: fmt.Sprintf("run %d\t%s", row.mark.Run, row.mark.Text), tell: "the mark is copied"}
		}
		r := row.run
		fields := []string{
			fmt.Sprintf("run %d", r.Seq), r.Label, r.Mode.String(), fmt.Sprintf("%d requests", r.Total.Requests), fmt.Sprintf("%d hits", r.Total.Hits),
			fmt.Sprintf("%d new", r.Total.Creates), fmt.Sprintf("%d bytes new", r.Total.CreateBytes), fmt.Sprintf("peak %d", r.PeakHeld),
			fmt.Sprintf("%d us", r.DurationUS()),
		}
		return wish{copy: strings.Join(fields, "\t"), tell: fmt.Sprintf("run %d is copied", r.Seq)}
	}
	if p := &l.whatIf; l.focus == paneWhatIf && p.any && p.cursor >= 0 {
		r := p.rows[p.cursor]
		return wish{copy: r.copyText(f), tell: strings.TrimSuffix(r.what(f), ",") + " is copied"}
	}
	return wish{tell: f.say("no row is marked: {up} and {down} mark one, {copy} copies it")}
}
