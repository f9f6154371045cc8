package tui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/snapshots"
	"bucketscope/snapshots/compare"
)

// compareScreen puts two recordings beside each other: stretches of the one that
// is shown, between two changes, the baseline, files.
//
//	history  │ bucket, runs 0–49 ┊ dynamicBucket, runs 50–93 ┊ 4MiB 20→64, runs 94–… │
//	         mark                mark                        mark                   now
//
// Its figures are those of snapshots/compare. They are made beside the screen:
// an hour's recording takes a second to read.
type compareScreen struct {
	others []subject // the files
	file   string    // that is shown, if nothing is played
	base   *made     // the baseline

	subjects []subject
	sides    [2]string // ids of the subjects that were chosen; empty: left to the screen
	byTime   bool
	pane     comparePane
	scrolls  [numComparePanes]scroll
	filters  compareFilters
	order    int // of keyOrders
	turned   bool

	kept  map[string]*made // stretches that are over, by id
	going *goingStretch    // the one that goes on; nil while it is read
	found *comparison
	asked comparisonKey // what found is of, or is being made
	next  time.Time     // when the stretch that goes on is looked at again
	err   error
	seen  *engine.State
}

// subject is something that can be compared.
type subject struct {
	id   string
	name string // "now", "baseline", "runs 12–50", a file
	// from and to are its entries of the history; to is -1 where it goes on.
	from, to int64
	made     *made // where it is ready
}

// made are the figures of a subject.
type made struct {
	id, name, about string
	doc             *snapshots.RunDocument // with one result
	play            int64                  // that a baseline is of
	starts          []int64                // of its runs, microseconds since it began; nil: not known
	seq             int64                  // entries of the history that had happened at its end
}

// goingStretch is the stretch that goes on.
type goingStretch struct {
	play, from int64
	stretch    *snapshots.Stretch
}

// comparisonKey says what is compared with what.
type comparisonKey struct {
	a, b   string
	byTime bool
	seq    int64 // of the stretch that goes on, if one does
}

// comparison is what was found.
type comparison struct {
	sides [2]*made
	compare.Comparison
	unlike, notes []string
	paired        int // runs that are compared
	span          int64
	keys          []compareKey
}

// compareKey is a bucket of both sides, per run.
type compareKey struct {
	usage            string
	size             int64
	creates, request [2]float64
	inUse            [2]int64
}

func (k *compareKey) change() float64 { return (k.creates[1] - k.creates[0]) * float64(k.size) }

// comparePane is a table of the screen.
type comparePane uint8

const (
	figuresPane comparePane = iota
	keysPane
	runsPanes

	numComparePanes = int(runsPanes) + 1
)

// Recording is a file to compare with.
type Recording struct {
	Name string
	Doc  *snapshots.RunDocument
	// StartUS are the starts of the runs of its one result, in microseconds
	// since it began; nil where the file does not say.
	StartUS []int64
}

func newCompareScreen(o *Options) *compareScreen {
	s := &compareScreen{kept: map[string]*made{}, file: o.Recorded}
	for i, r := range o.Others {
		for j := range r.Doc.Results {
			d := *r.Doc
			d.Results = d.Results[j : j+1]
			m := &made{id: fmt.Sprintf("file %d %d", i, j), name: r.Name, about: d.Results[0].Mode, doc: &d}
			if len(r.Doc.Results) == 1 {
				m.starts = r.StartUS
			}
			s.others = append(s.others, subject{id: m.id, name: r.Name, made: m})
		}
	}
	for i := range s.scrolls {
		s.scrolls[i].cursor = -1
	}
	return s
}

const (
	nowID      = "now"
	baselineID = "baseline"
	allID      = "all"
	momentID   = "moment"
)

// changes reports whether a mark is a change of a mode or its numbers.
func changes(m *engine.Mark) bool {
	return !strings.HasPrefix(m.Text, engine.NotePrefix) && m.Text != "stopped"
}

// lastChange is the entry at which the stretch that goes on at an entry began.
func lastChange(st *engine.State, seq int64) int64 {
	for i := len(st.Marks) - 1; i >= 0; i-- {
		if m := &st.Marks[i]; changes(m) && m.Seq < seq {
			return m.Seq
		}
	}
	return st.History.First()
}

// follow takes in what is shown: what can be compared.
func (s *compareScreen) follow(f *frame) {
	st := f.now
	if begunAnew(s.seen, st) { // the baseline stays
		s.kept, s.going, s.found, s.err, s.asked = map[string]*made{}, nil, nil, nil, comparisonKey{}
	}
	s.seen = st
	s.subjects = s.subjects[:0]
	from, first := st.History.First(), int64(0)
	stretch := func(m *engine.Mark) {
		if m.Run > first {
			id := fmt.Sprintf("stretch %d %d", from, m.Seq)
			s.subjects = append(s.subjects, subject{id: id, name: runsSpan(first, m.Run-1), from: from, to: m.Seq, made: s.kept[id]})
		}
		from, first = m.Seq, m.Run
	}
	for i := range st.Marks {
		if m := &st.Marks[i]; changes(m) {
			stretch(m)
		}
	}
	if s.base != nil && s.base.play == st.Play {
		from = max(from, s.base.seq)
	}
	name := nowID
	if st.Status == engine.Recorded {
		name = s.file
	}
	s.subjects = append(s.subjects, subject{id: nowID, name: name, from: from, to: -1})
	if from > st.History.First() {
		s.subjects = append(s.subjects, subject{id: allID, name: "all of it", from: st.History.First(), to: st.History.End(), made: s.kept[allID]})
	}
	if s.base != nil {
		s.subjects = append(s.subjects, subject{id: baselineID, name: "baseline", made: s.base})
	}
	if f.past() && !begunAnew(f.st, f.now) {
		id := momentID + strconv.FormatInt(f.st.Seq, 10)
		s.subjects = append(s.subjects, subject{
			id: id, name: fmt.Sprintf("up to event %d", f.at()), from: lastChange(st, f.st.Seq), to: f.st.Seq, made: s.kept[id],
		})
	}
	s.subjects = append(s.subjects, s.others...)
}

// runsSpan names runs.
func runsSpan(a, b int64) string {
	if a == b {
		return fmt.Sprintf("run %d", a)
	}
	return fmt.Sprintf("runs %d–%d", a, b)
}

// side is the subject on a side, if there is one: the one that was chosen, else
// what a person most likely means.
func (s *compareScreen) side(i int) (subject, bool) {
	find := func(id string) (subject, bool) {
		for _, x := range s.subjects {
			if x.id == id || id == momentID && strings.HasPrefix(x.id, momentID) {
				return x, true
			}
		}
		return subject{}, false
	}
	if x, ok := find(s.sides[i]); ok {
		return x, true
	}
	now, _ := find(nowID)
	if x, ok := find(baselineID); ok && i == 0 {
		return x, true
	}
	if s.base == nil && len(s.others) > 0 {
		if i == 1 {
			return s.others[0], true
		}
		if x, ok := find(allID); ok {
			return x, true
		}
		return now, true
	}
	if i == 1 {
		return now, true
	}
	for at := len(s.subjects) - 1; at >= 0; at-- { // the stretch before the last change
		if x := s.subjects[at]; strings.HasPrefix(x.id, "stretch ") {
			return x, true
		}
	}
	return subject{}, false
}

func (s *compareScreen) work(*frame) (changed, more bool) { return false, false }

// refresh makes what is compared, beside the screen, where that is due.
func (s *compareScreen) refresh(m *model) tea.Cmd {
	if m.tasks[recordTask].doing != "" || m.o.Record == nil {
		return nil
	}
	a, okA := s.side(0)
	b, okB := s.side(1)
	if !okA || !okB {
		return nil
	}
	st := m.present()
	if st.History.End() == st.History.First() {
		return nil
	}
	key := comparisonKey{a: a.id, b: b.id, byTime: s.byTime}
	goes := a.to < 0 && a.made == nil || b.to < 0 && b.made == nil
	if goes {
		key.seq = st.Seq
	}
	if key == s.asked {
		return nil
	}
	same := key
	same.seq = s.asked.seq
	if same == s.asked && m.now().Before(s.next) { // it only went on
		return nil
	}
	s.asked = key
	going, record, began := s.going, m.o.Record, m.now()
	s.going = nil
	return m.begin(recordTask, "comparing", "cannot compare", func(ctx context.Context, _ *progress) (func(*model) tea.Cmd, error) {
		snap := record(st)
		var sides [2]*made
		var fresh []*made
		for i, x := range []subject{a, b} {
			switch {
			case x.made != nil:
				sides[i] = x.made
			case x.to < 0:
				if going == nil || going.play != st.Play || going.from != x.from {
					going = &goingStretch{st.Play, x.from, newStretch(snap, x.from)}
				}
				going.stretch.Advance(&snap.History, st.Seq)
				sides[i] = madeOf(&x, going.stretch, snap)
			default:
				stretch := newStretch(snap, x.from)
				stretch.Advance(&snap.History, x.to)
				sides[i] = madeOf(&x, stretch, snap)
				fresh = append(fresh, sides[i])
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		found, err := compared(sides, key.byTime)
		return func(m *model) tea.Cmd {
			s.going, s.err = going, err
			if err == nil {
				s.found = found
			}
			for _, x := range fresh {
				if strings.HasPrefix(x.id, momentID) { // one is enough: there are as many as events
					maps.DeleteFunc(s.kept, func(id string, _ *made) bool { return strings.HasPrefix(id, momentID) })
				}
				s.kept[x.id] = x
			}
			s.next = m.now().Add(max(compareEvery, 10*m.now().Sub(began)))
			m.follow()
			return nil
		}, nil
	})
}

// newStretch begins a stretch whose runs are bounded.
func newStretch(snap *snapshots.Snapshot, from int64) *snapshots.Stretch {
	s := snapshots.NewStretch(&snap.History, from)
	s.Keep = comparedRuns
	return s
}

// madeOf are the figures of a stretch.
func madeOf(x *subject, stretch *snapshots.Stretch, snap *snapshots.Snapshot) *made {
	m := &made{id: x.id, name: x.name, doc: stretch.Document(&snap.About), seq: stretch.Seq()}
	m.about = m.doc.Results[0].Mode
	for _, r := range stretch.Runs() {
		m.starts = append(m.starts, r.StartUS-stretch.BeganUS())
	}
	if n := len(m.starts); n > 0 && x.id != baselineID {
		runs := stretch.Runs()
		span := runsSpan(runs[0].Seq, runs[n-1].Seq)
		if m.name != span {
			m.name += ", " + span
		}
	}
	return m
}

// compared compares two sides, by which run of the workload they have in common
// or by the time since each began.
func compared(sides [2]*made, byTime bool) (*comparison, error) {
	a, b := sides[0].doc.Results[0], sides[1].doc.Results[0]
	c := &comparison{sides: sides}
	var figures, rows [2][]int // indices of runs: those that count, and those beside each other
	if byTime {
		if sides[0].starts == nil || sides[1].starts == nil {
			name := sides[0].name
			if sides[0].starts != nil {
				name = sides[1].name
			}
			return nil, fmt.Errorf("%s does not say when its runs began: a snapshot does, a run document (--json) does not", name)
		}
		c.span = min(spanOf(sides[0]), spanOf(sides[1]))
		for i, m := range sides {
			for n, at := range m.starts {
				if at <= c.span {
					figures[i] = append(figures[i], n)
				}
			}
		}
		for _, n := range figures[0] {
			at, _ := slices.BinarySearch(sides[1].starts, sides[0].starts[n]+1)
			if at > 0 {
				rows[0], rows[1] = append(rows[0], n), append(rows[1], at-1)
			}
		}
	} else {
		rows[0], rows[1] = compare.Match(a.Runs, b.Runs)
		for i := range rows { // in the order in which they were played: what is held at the end is that of the last
			figures[i] = slices.Sorted(slices.Values(rows[i]))
		}
	}
	if len(rows[0]) == 0 {
		return nil, errNoRuns{sides, byTime}
	}
	report := func(runs [2][]int) (*compare.Report, error) {
		var in []compare.Input
		for i, m := range sides {
			d := *m.doc
			r := m.doc.Results[0]
			r.Runs = chosen(r.Runs, runs[i])
			d.Results, d.Repeat = []snapshots.ModeResult{r}, 1
			in = append(in, compare.Input{File: string(rune('A' + i)), Doc: &d})
		}
		return compare.New(in, compare.Options{Force: true, FromRuns: true})
	}
	r, err := report(figures)
	if err != nil {
		return nil, err
	}
	c.Comparison, c.unlike, c.notes, c.paired = r.Comparisons[0], r.Unlike, r.Notes, len(figures[0])
	if r, err = report(rows); err != nil {
		return nil, err
	}
	c.Runs = r.Comparisons[0].Runs
	n := [2]float64{float64(max(len(a.Runs), 1)), float64(max(len(b.Runs), 1))}
	for _, k := range c.Keys {
		x := compareKey{usage: k.Usage, size: k.SizeBytes}
		for i := range x.creates {
			x.creates[i], x.request[i], x.inUse[i] = float64(k.Creates[i])/n[i], float64(k.Requests[i])/n[i], k.PeakInUse[i]
		}
		c.keys = append(c.keys, x)
	}
	return c, nil
}

// spanOf is how long a side went on, up to the start of its last run.
func spanOf(m *made) int64 {
	if len(m.starts) == 0 {
		return 0
	}
	return m.starts[len(m.starts)-1]
}

func chosen(runs []snapshots.RunEntry, at []int) []snapshots.RunEntry {
	out := make([]snapshots.RunEntry, len(at))
	for i, n := range at {
		out[i] = runs[n]
	}
	return out
}

// errNoRuns is that nothing can be put beside each other.
type errNoRuns struct {
	sides  [2]*made
	byTime bool
}

func (e errNoRuns) Error() string {
	for _, m := range e.sides {
		if len(m.doc.Results[0].Runs) == 0 {
			return "no run began and ended in " + m.name + " yet"
		}
	}
	if e.byTime {
		return "no runs of both at the same time since they began"
	}
	return "A and B have no run of the workload in common yet"
}

func (s *compareScreen) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	switch a {
	case nextPane:
		s.pane = comparePane((int(s.pane) + 1) % numComparePanes)
	case prevPane:
		s.pane = comparePane((int(s.pane) + numComparePanes - 1) % numComparePanes)
	case moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		lay := compareLayoutOf(kind, w, h, s.pane)
		s.scrolls[s.pane].move(a, s.rows(s.pane), tablePage(lay.tables[s.pane], lay.framed))
	case moveLeft, moveRight:
		side := 0
		if a == moveRight {
			side = 1
		}
		return true, wish{over: newSubjectMenu(s, side)}
	case accept:
		return true, wish{over: newSubjectMenu(s, 0)}
	case presetNext:
		s.byTime = !s.byTime
		if s.byTime {
			return true, wish{tell: "by time: runs that went on as long after the beginning of each"}
		}
		return true, wish{tell: "by run: the same run of the workload in both, the latest of each"}
	case filterList:
		return true, wish{edit: s.edit()}
	case sortNext:
		s.order, s.turned = (s.order+1)%len(keyOrders), false
	case sortTurn:
		s.turned = !s.turned
	case copyRow:
		return true, s.copy(f)
	case back:
		switch {
		case s.scrolls[s.pane].cursor >= 0:
			s.scrolls[s.pane] = scroll{cursor: -1}
		case !s.filters.empty():
			s.filters = compareFilters{}
		default:
			return false, wish{}
		}
	default:
		return false, wish{}
	}
	return true, wish{}
}

// rows is how many rows a table has.
func (s *compareScreen) rows(p comparePane) int {
	if s.found == nil {
		return 0
	}
	switch p {
	case figuresPane:
		return len(s.figures())
	case keysPane:
		return len(s.sortedKeys())
	}
	return len(s.runs())
}

// figures are those that are not 0 on both sides, and that the filter lets
// through.
func (s *compareScreen) figures() []compare.Row {
	var out []compare.Row
	for _, r := range s.found.Figures {
		if s.filters.figures.holds(&r) && len(r.Values) == 2 && (r.Values[0] != nil && *r.Values[0] != 0 || r.Values[1] != nil && *r.Values[1] != 0) {
			out = append(out, r)
		}
	}
	return out
}

// setBaseline keeps the figures since the last change, up to what is shown.
func (m *model) setBaseline() tea.Cmd {
	if m.o.Record == nil {
		m.tell("no baseline can be kept here")
		return nil
	}
	st, record := m.shown(), m.o.Record
	if st.History.End() == st.History.First() || begunAnew(st, m.present()) {
		m.tell("nothing to keep as a baseline, because nothing has happened yet")
		return nil
	}
	now := m.present()
	from := lastChange(now, st.Seq)
	if c := m.compare; c.base != nil && c.base.play == now.Play && c.base.seq > from && c.base.seq < st.Seq {
		from = c.base.seq
	}
	x := subject{id: baselineID, name: "baseline", from: from, to: st.Seq}
	return m.begin(recordTask, "comparing", "cannot compare", func(context.Context, *progress) (func(*model) tea.Cmd, error) {
		snap := record(now)
		stretch := newStretch(snap, x.from)
		stretch.Advance(&snap.History, x.to)
		made := madeOf(&x, stretch, snap)
		runs := stretch.Runs()
		return func(m *model) tea.Cmd {
			if len(runs) == 0 {
				m.tell("no baseline: no run began and ended since the last change")
				return nil
			}
			span := runsSpan(runs[0].Seq, runs[len(runs)-1].Seq)
			made.name, made.play = "baseline, "+span, now.Play
			s := m.compare
			s.base, s.asked = made, comparisonKey{}
			if m.current == screenCompare {
				m.follow()
			}
			m.tell("%s", m.keys.say("the baseline is "+made.about+", "+span+": {difference} shows the difference to it"))
			return nil
		}, nil
	})
}

// showDifference shows the baseline beside what goes on.
func (m *model) showDifference() tea.Cmd {
	if m.compare.base == nil {
		m.tell("%s", m.keys.say("there is no baseline: {baseline} keeps the figures since the last change as one"))
		return nil
	}
	m.compare.sides = [2]string{baselineID, nowID}
	if m.past != nil {
		m.compare.sides[1] = momentID
	}
	return m.goTo(screenCompare)
}

// subjectMenu chooses what stands on a side.
type subjectMenu struct {
	s      *compareScreen
	side   int
	cursor int
}

func newSubjectMenu(s *compareScreen, side int) *subjectMenu {
	m := &subjectMenu{s: s, side: side}
	if x, ok := s.side(side); ok {
		m.cursor = max(slices.IndexFunc(s.subjects, func(y subject) bool { return y.id == x.id }), 0)
	}
	return m
}

func (m *subjectMenu) scope() scope { return inMenus | inTabs }

func (m *subjectMenu) press(a action, _ tea.KeyPressMsg, _ *frame, _, h int) outcome {
	switch a {
	case back:
		return outcome{close: true}
	case accept:
		if m.cursor < len(m.s.subjects) {
			m.s.sides[m.side] = m.s.subjects[m.cursor].id
			if strings.HasPrefix(m.s.sides[m.side], momentID) {
				m.s.sides[m.side] = momentID
			}
		}
		return outcome{close: true}
	case nextTab, prevTab:
		*m = *newSubjectMenu(m.s, 1-m.side)
	case moveUp, moveDown, pageUp, pageDown:
		s := scroll{cursor: m.cursor}
		s.move(a, len(m.s.subjects), max(h-4, 1))
		m.cursor = max(s.cursor, 0)
	}
	return outcome{}
}

// subjectRow is a subject with what is known of it.
type subjectRow struct {
	subject
	mode  string
	what  string
	here  bool
	other bool // it stands on the other side
}

// rowsOf are the subjects with what the log of runs says of them.
func (m *subjectMenu) rowsOf(f *frame) []subjectRow {
	var out []subjectRow
	this, _ := m.s.side(m.side)
	that, _ := m.s.side(1 - m.side)
	for _, x := range m.s.subjects {
		r := subjectRow{subject: x, mode: f.g.none, here: x.id == this.id, other: x.id == that.id}
		switch {
		case x.made != nil:
			r.mode, r.what = x.made.about, fmt.Sprintf("%s, %s", runsText(int64(len(x.made.doc.Results[0].Runs))), x.made.doc.Device.Name)
			r.name = x.made.name
		case x.to < 0:
			r.mode, r.what = f.now.Config[cachemodes.Storage].Mode.String(), "since the last change or the baseline, and going on"
			if f.now.Status == engine.Recorded {
				r.what = "since the last change"
			}
		case x.id == allID:
			r.what = "every stretch together"
		default:
			if run := runAt(f.now, x.to); run != nil {
				r.mode = run.Mode.String()
			}
			r.what = fmt.Sprintf("%d events", x.to-x.from)
		}
		out = append(out, r)
	}
	return out
}

// runAt is the last run that had ended when a mark was made.
func runAt(st *engine.State, seq int64) *probe.Run {
	for i := range st.Marks {
		if st.Marks[i].Seq != seq {
			continue
		}
		for j := range st.Runs {
			if st.Runs[j].Seq == st.Marks[i].Run-1 {
				return &st.Runs[j]
			}
		}
	}
	return nil
}

var subjectColumns = []column[subjectRow]{
	{title: "", width: 1, text: func(f *frame, r subjectRow) (string, style) {
		switch {
		case r.here:
			return f.g.chosen, badgeLive
		case r.other:
			return f.g.arrow, faint
		}
		return "", plain
	}},
	{title: "what", width: 18, left: true, grow: 20, text: func(_ *frame, r subjectRow) (string, style) { return r.name, strong }},
	{title: "mode", width: 15, left: true, text: func(_ *frame, r subjectRow) (string, style) { return r.mode, plain }},
	{title: "", width: 10, left: true, rank: 1, grow: 50, text: func(_ *frame, r subjectRow) (string, style) { return r.what, faint }},
}

func (m *subjectMenu) draw(v view, f *frame) {
	rows := m.rowsOf(f)
	in, edge := dialog(v, f, "Compare: "+string(rune('A'+m.side)), f.say("{menu-accept} chooses, {next-usage} the other side"), 92, len(rows))
	drawList(in, edge, f, subjectColumns, rows, m.cursor, "nothing, because nothing has happened yet")
}
