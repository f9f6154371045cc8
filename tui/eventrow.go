package tui

import (
	"slices"
	"strconv"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// eventRow is one thing that happened, as much of it as a list shows.
type eventRow struct {
	seq, atUS       int64
	size, requested int64 // bytes; 0 where no buffer or key is meant
	serial          int64 // of the buffer; 0 for none
	run             int64 // ordinal of the run that was going on, or would be next
	session         int32
	what            probe.What
	kind            cachemodes.Kind
	usage           cachemodes.Usage
	why             cachemodes.Reason
	read            probe.Reading
	mode            cachemodes.ModeID
	from            cachemodes.State
	phase           string // what kind of run it is
	text            string // of a run its label, of a note the note
	ended           *runSums
}

// runSums are the figures of a run that ended.
type runSums struct {
	hits, creates, createBytes, destroys, peak, us int64
}

// fill makes r the row of an entry that has just taken effect.
func (r *eventRow) fill(m *probe.Moment, e *probe.Entry) {
	*r = eventRow{
		seq: e.Seq, atUS: e.AtUS, serial: e.Serial, run: m.Ledger.Runs(), session: e.Session, what: e.What, usage: e.Usage, text: e.Text,
	}
	switch e.What {
	case probe.Happened:
		ev := &e.Event
		r.kind, r.size, r.why, r.mode, r.from = ev.Kind, ev.Size, ev.Why, ev.Mode, ev.From
		if r.asked() {
			r.requested = ev.Requested
		}
	case probe.RunStarted:
		r.phase, r.text = phase(&e.Run), e.Run.Label
	case probe.RunEnded:
		run := &m.Ended[len(m.Ended)-1]
		r.run, r.phase, r.text = run.Seq, phase(&run.RunInfo), run.Label
	case probe.Configured:
		r.mode = e.Setting.Mode
	case probe.HazardSeen:
		r.size, r.text = e.Hazard.Size, e.Hazard.String()
	case probe.DriverRead:
		r.read = e.Driver
	case probe.Waited:
		r.text = units.Count(e.Waits.Count) + " times, " + duration(float64(e.Waits.US)) + " in all, for the lock of the caches"
	}
}

// keep completes a row that the filter lets through.
func (r *eventRow) keep(m *probe.Moment) {
	if r.what == probe.RunEnded {
		t := &m.Ended[len(m.Ended)-1]
		r.ended = &runSums{t.Total.Hits, t.Total.Creates, t.Total.CreateBytes, t.Total.Destroys, t.PeakHeld, t.DurationUS()}
	}
}

// asked reports whether somebody asked for the buffer, or had.
func (r *eventRow) asked() bool {
	switch r.kind {
	case cachemodes.Hit, cachemodes.Create, cachemodes.Fail, cachemodes.Keep, cachemodes.Pend:
		return true
	case cachemodes.Destroy:
		return r.from == cachemodes.InUse
	}
	return false
}

// The words for what happened. A create that a cache could have spared is a
// miss.
const (
	typeMiss    = "miss"
	typeRelease = "release"
	typeRun     = "run"
	typeSession = "session"
)

var kindTypes = [cachemodes.NumKinds]string{
	cachemodes.Hit: "hit", cachemodes.Create: "create", cachemodes.Keep: "keep", cachemodes.Pend: "pend", cachemodes.Settle: "settle",
	cachemodes.Destroy: "destroy", cachemodes.Fail: "fail", cachemodes.KeyBorn: "born", cachemodes.KeyDropped: "dropped",
	cachemodes.Adjust: "adjust", cachemodes.Switch: "switch", cachemodes.Refresh: "refresh", cachemodes.Move: "move",
}

var whatTypes = map[probe.What]string{
	probe.RunStarted: "start", probe.RunEnded: "end", probe.SessionCreated: "load", probe.SessionIsReady: "ready",
	probe.SessionReleased: "unload", probe.Submitted: "submit", probe.Configured: "set", probe.Noted: "note", probe.Abandoned: "abandon",
	probe.HazardSeen: "hazard", probe.Waited: "wait", probe.GraphCaptured: "capture", probe.GraphReplayed: "replay", probe.GraphReleased: "retire",
	probe.SessionAbandoned: "drop", probe.DriverRead: "driver",
}

// typeWord is what happened, in a word.
func (r *eventRow) typeWord() string {
	switch {
	case r.what != probe.Happened:
		return whatTypes[r.what]
	case r.kind == cachemodes.Create && r.usage.Cached():
		return typeMiss
	}
	return kindTypes[r.kind]
}

// isType reports whether a word is for what happened: its own or that of a
// group.
func (r *eventRow) isType(word string) bool {
	switch word {
	case "create":
		return r.what == probe.Happened && r.kind == cachemodes.Create
	case typeRelease:
		return r.what == probe.Happened && (r.kind == cachemodes.Keep || r.kind == cachemodes.Pend ||
			r.kind == cachemodes.Destroy && r.from == cachemodes.InUse)
	case typeRun:
		return r.what == probe.RunStarted || r.what == probe.RunEnded
	case typeSession:
		return r.what == probe.SessionCreated || r.what == probe.SessionIsReady || r.what == probe.SessionReleased
	case "oom":
		return r.what == probe.Happened && r.kind == cachemodes.Fail
	}
	return r.typeWord() == word
}

// sized reports whether a buffer or a key is meant.
func (r *eventRow) sized() bool {
	return (r.what == probe.Happened || r.what == probe.HazardSeen) && r.size > 0
}

// hasMode reports whether a cache's mode had part in it.
func (r *eventRow) hasMode() bool {
	return r.what == probe.Configured || r.what == probe.Happened && r.kind != cachemodes.Refresh && r.usage.Cached()
}

// hasUsage reports whether it is about buffers of a usage.
func (r *eventRow) hasUsage() bool {
	return r.what == probe.Configured || r.what == probe.Happened && r.kind != cachemodes.Refresh
}

func (r *eventRow) hasReason() bool { return r.what == probe.Happened && r.why != cachemodes.NoReason }

// typeWords are the words of isType, in the order in which help names them.
func typeWords() []string {
	words := []string{typeMiss, typeRelease, typeRun, typeSession, "oom"}
	words = append(words, kindTypes[:]...)
	for w := probe.RunStarted; w <= probe.SessionAbandoned; w++ {
		if word, ok := whatTypes[w]; ok {
			words = append(words, word)
		}
	}
	return words
}

func usageNames() (names []string) {
	for u := range cachemodes.NumUsages {
		names = append(names, cachemodes.Usage(u).String())
	}
	return names
}

func reasonNames() (names []string) {
	for r := range cachemodes.NumReasons {
		if cachemodes.Reason(r) != cachemodes.NoReason {
			names = append(names, cachemodes.Reason(r).String())
		}
	}
	return names
}

func modeNames() (names []string) {
	for _, m := range cachemodes.Modes() {
		names = append(names, m.Name)
	}
	return names
}

// eventLanguage is what a filter may ask of an event.
var eventLanguage = language[eventRow]{
	properties: []property[eventRow]{
		{name: "type", words: typeWords(), is: (*eventRow).isType},
		{name: "size", bytes: true, number: func(r *eventRow) (int64, bool) { return r.size, r.sized() }},
		{name: "asked", bytes: true, number: func(r *eventRow) (int64, bool) { return r.requested, r.requested > 0 }},
		{name: "key", bytes: true, number: func(r *eventRow) (int64, bool) { return r.size, r.sized() && r.usage.Cached() }},
		{name: "run", number: func(r *eventRow) (int64, bool) { return r.run, true }},
		{name: "session", number: func(r *eventRow) (int64, bool) { return int64(r.session), r.session != cachemodes.NoSession }},
		{name: "usage", words: usageNames(), is: func(r *eventRow, w string) bool { return r.hasUsage() && r.usage.String() == w }},
		{name: "reason", words: reasonNames(), is: func(r *eventRow, w string) bool { return r.hasReason() && r.why.String() == w }},
		{name: "mode", words: modeNames(), is: func(r *eventRow, w string) bool { return r.hasMode() && r.mode.String() == w }},
		{name: "buffer", number: func(r *eventRow) (int64, bool) { return r.serial, r.serial > 0 }},
		{name: "event", number: func(r *eventRow) (int64, bool) { return r.seq, true }},
	},
	has: func(r *eventRow, word string) bool {
		return strings.Contains(r.typeWord(), word) || strings.Contains(r.phase, word) ||
			strings.Contains(strings.ToLower(r.text), word) ||
			r.hasUsage() && strings.Contains(r.usage.String(), word) || r.hasReason() && strings.Contains(r.why.String(), word) ||
			r.hasMode() && strings.Contains(strings.ToLower(r.mode.String()), word)
	},
}

// story is the rest of what there is to say of an event.
func (r *eventRow) story(f *frame) (string, style) {
	switch r.what {
	case probe.RunStarted:
		if r.phase == r.text {
			return r.text, plain
		}
		return r.phase + " " + r.text, plain
	case probe.Noted:
		return r.text, plain
	case probe.DriverRead:
		if !r.read.OK {
			return "no reading", faint
		}
		return f.bytes(r.read.Bytes), plain
	case probe.RunEnded:
		return r.endTexts(f)[0], plain
	case probe.SessionCreated:
		return "a model is being loaded", plain
	case probe.SessionIsReady:
		return "its weights are made", plain
	case probe.SessionReleased:
		return "the model is no more", plain
	case probe.Configured:
		return r.usage.String() + f.g.arrow + r.mode.String(), switchMark
	case probe.Abandoned:
		return "the workload stopped; open runs are given up", warning
	case probe.Submitted:
		return "", plain
	case probe.HazardSeen:
		return r.text, failure
	case probe.Waited:
		return r.text, plain
	case probe.GraphCaptured:
		return "the run is a graph now, with buffers of its own", switchMark
	case probe.GraphReplayed:
		return "the run replays a graph and asks for nothing", plain
	case probe.GraphReleased:
		return "a captured graph is no more", switchMark
	case probe.SessionAbandoned:
		return "its open runs are given up", warning
	}
	switch r.kind {
	case cachemodes.Create, cachemodes.Pend, cachemodes.Destroy:
		if r.kind == cachemodes.Create && r.usage.Cached() {
			return reasonWords[r.why], warning
		}
		return reasonWords[r.why], faint
	case cachemodes.Fail:
		return "no memory", failure
	case cachemodes.Adjust:
		return "the keys were renewed", switchMark
	case cachemodes.Switch:
		return f.g.arrow + r.mode.String(), switchMark
	case cachemodes.KeyBorn:
		return "is a key now", switchMark
	case cachemodes.KeyDropped:
		return "is a key no more", switchMark
	}
	return "", plain
}

// endTexts is what a run that ended came to, in fewer and fewer words.
func (r *eventRow) endTexts(f *frame) []string {
	e := r.ended
	made := units.Count(e.creates) + " new"
	if e.creates > 0 {
		made += " (" + f.bytes(e.createBytes) + ")"
	}
	hits, gone, peak := units.Count(e.hits)+" hits, ", units.Count(e.destroys)+" gone", "peak "+f.bytes(e.peak)
	all := hits + made + ", " + gone + ", " + peak
	texts := []string{all, made + ", " + gone + ", " + peak, made + ", " + peak, units.Count(e.creates) + " new, " + peak, units.Count(e.creates) + " new"}
	if f.st.Device.Timed {
		texts = slices.Insert(texts, 0, all+", "+duration(float64(e.us)))
	}
	return texts
}

// drawStory draws what happened, in as many words as there is room for.
func drawStory(v view, f *frame, r *eventRow) {
	text, s := r.story(f)
	if r.what == probe.RunEnded {
		for _, text = range r.endTexts(f) {
			if textWidth(text) <= v.w {
				break
			}
		}
	}
	v.put(0, 0, cut(text, v.w), s)
}

// typeStyle sets apart what costs and what changes.
func (r *eventRow) typeStyle() style {
	switch {
	case r.what == probe.RunStarted || r.what == probe.RunEnded:
		return strong
	case r.what == probe.Configured || r.what == probe.Happened && (r.kind == cachemodes.Switch || r.kind == cachemodes.Adjust ||
		r.kind == cachemodes.KeyBorn || r.kind == cachemodes.KeyDropped):
		return switchMark
	case r.what == probe.Happened && r.kind == cachemodes.Create && r.usage.Cached():
		return warning
	case r.what == probe.Happened && r.kind == cachemodes.Fail, r.what == probe.HazardSeen:
		return failure
	}
	return plain
}

// eventColumns are the columns of the log.
var eventColumns = []column[*eventRow]{
	{title: "event", width: 8, text: func(f *frame, r *eventRow) (string, style) { return tailOf(f, r.seq, 8), faint }},
	{title: "at s", width: 9, rank: 6, text: func(_ *frame, r *eventRow) (string, style) {
		return strconv.FormatFloat(float64(r.atUS)/1e6, 'f', 3, 64), faint
	}},
	{title: "run", width: runWidth, rank: 4, text: func(f *frame, r *eventRow) (string, style) { return tailOf(f, r.run, runWidth), faint }},
	{title: "", width: 1, left: true, rank: 1, text: func(_ *frame, r *eventRow) (string, style) {
		if s := r.typeStyle(); s == warning || s == failure {
			return "!", s
		}
		return "", plain
	}},
	{title: "type", width: 7, left: true, text: func(_ *frame, r *eventRow) (string, style) { return r.typeWord(), r.typeStyle() }},
	{title: "size", width: units.BytesWidth, rank: 1, text: func(f *frame, r *eventRow) (string, style) {
		if !r.sized() {
			return "", plain
		}
		return f.size(r.size), strong
	}},
	{title: "asked", width: units.BytesWidth, rank: 8, text: func(f *frame, r *eventRow) (string, style) {
		if r.requested == 0 {
			return "", plain
		}
		return f.bytes(r.requested), plain
	}},
	{title: "usage", width: 13, left: true, rank: 7, text: func(_ *frame, r *eventRow) (string, style) {
		if !r.hasUsage() {
			return "", plain
		}
		return r.usage.String(), faint
	}},
	{title: "ses", width: 3, rank: 9, text: func(_ *frame, r *eventRow) (string, style) {
		if r.session == cachemodes.NoSession {
			return "", plain
		}
		return strconv.Itoa(int(r.session)), faint
	}},
	{title: "buffer", width: 8, rank: 10, text: func(f *frame, r *eventRow) (string, style) {
		if r.serial == 0 {
			return "", plain
		}
		return tailOf(f, r.serial, 8), faint
	}},
	{title: "mode", width: 13, left: true, rank: 11, text: func(_ *frame, r *eventRow) (string, style) {
		if !r.hasMode() {
			return "", plain
		}
		return r.mode.String(), faint
	}},
	{title: "what", width: 12, left: true, rank: 2, grow: 80, draw: drawStory},
}

// tailOf is a number in w columns; of a longer one its last digits, which tell
// it from the others in sight.
func tailOf(f *frame, n int64, w int) string {
	s := strconv.FormatInt(n, 10)
	if len(s) > w {
		s = f.g.more + s[len(s)-w+1:]
	}
	return s
}

// copyText is the event as a line of text, columns apart by tabs, bytes exact.
func (r *eventRow) copyText(f *frame) string {
	story, _ := r.story(f)
	fields := []string{
		"event " + strconv.FormatInt(r.seq, 10), strconv.FormatFloat(float64(r.atUS)/1e6, 'f', 6, 64) + " s",
		"run " + strconv.FormatInt(r.run, 10), r.typeWord(),
	}
	if r.sized() {
		fields = append(fields, strconv.FormatInt(r.size, 10)+" bytes")
	}
	if r.requested > 0 {
		fields = append(fields, strconv.FormatInt(r.requested, 10)+" asked")
	}
	if r.hasUsage() {
		fields = append(fields, r.usage.String())
	}
	if r.session != cachemodes.NoSession {
		fields = append(fields, "session "+strconv.Itoa(int(r.session)))
	}
	if r.serial > 0 {
		fields = append(fields, "buffer "+strconv.FormatInt(r.serial, 10))
	}
	if r.hasMode() {
		fields = append(fields, r.mode.String())
	}
	if story != "" && !slices.Contains(fields, story) {
		fields = append(fields, story)
	}
	return strings.Join(fields, "\t")
}
