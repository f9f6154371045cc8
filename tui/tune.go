package tui

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
)

// tuneScreen edits the numbers of a usage's mode.
//
//	in force ──edit──► draft ──accept──► waits for the end of the run ──► in force
//	                     │                                                  │
//	                     └─ preview: the workload played in memory          └─ undo
//
// Nothing that is edited reaches the engine before it is accepted, and nothing
// is accepted that is not valid.
type tuneScreen struct {
	scroll
	usage  cachemodes.Usage
	filter filter[tuneRow]
	placed bool               // on the row that is worth a look first
	draft  *cachemodes.Params // nil: nothing is edited
	sent   *cachemodes.Params // accepted, and not yet in force
	err    error              // what is wrong with the draft

	undo []tuned // what was applied, the last at the end

	sims    map[string]simulation // by what was simulated
	wanted  string                // what is being simulated
	simOf   string                // the workload that they are of
	current tuneConfig
}

// tuneConfig is what the screen last saw in force.
type tuneConfig struct {
	config   cachemodes.Config
	workload engine.Workload
}

// tuned is a change that was applied: what to go back to.
type tuned struct {
	usage  cachemodes.Usage
	before cachemodes.Params
	mark   string
}

// simulation is what a config costs, or why that is not known.
type simulation struct {
	figures Simulated
	err     error
}

func newTuneScreen() *tuneScreen {
	return &tuneScreen{sims: map[string]simulation{}, scroll: scroll{cursor: 0}}
}

// number is one of the numbers of a mode beside its table.
type number struct {
	name  string // as Mode.Reads has it
	shown string
	unit  string
	bytes bool
	step  int64
	get   func(*cachemodes.Params) int64
	set   func(*cachemodes.Params, int64)
	what  string
}

var numbers = []number{
	{"round", "round", "", true, 16, func(p *cachemodes.Params) int64 { return p.Round }, func(p *cachemodes.Params, n int64) { p.Round = n },
		"sizes go up to a multiple of it"},
	{"adjust_every", "adjust every", "runs", false, 1, func(p *cachemodes.Params) int64 { return int64(p.AdjustEvery) }, func(p *cachemodes.Params, n int64) { p.AdjustEvery = toInt(n) },
		"runs of a session between renewals"},
	{"history", "history", "periods", false, 1, func(p *cachemodes.Params) int64 { return int64(p.History) }, func(p *cachemodes.Params, n int64) { p.History = toInt(n) },
		"periods that a key outlives its use"},
	{"refresh_every", "refresh every", "submits", false, 1, func(p *cachemodes.Params) int64 { return int64(p.RefreshEvery) }, func(p *cachemodes.Params, n int64) { p.RefreshEvery = toInt(n) },
		"submits between two looks at pending buffers"},
	{"cache_limit", "cache limit", "", true, 16 << 20, func(p *cachemodes.Params) int64 { return p.CacheLimit }, func(p *cachemodes.Params, n int64) { p.CacheLimit = n },
		"most free bytes kept; 0 is no limit"},
	{"fit_ratio", "fit ratio", "/256", false, 8, func(p *cachemodes.Params) int64 { return int64(p.FitRatio) }, func(p *cachemodes.Params, n int64) { p.FitRatio = toInt(n) },
		"what a request must fill of a buffer"},
}

// toInt keeps what does not fit into an int out of range.
func toInt(n int64) int { return int(min(max(n, math.MinInt32), math.MaxInt32)) }

// follow takes in what is in force.
func (s *tuneScreen) follow(f *frame) {
	st := f.latest
	s.current = tuneConfig{st.Config, st.Workload}
	if s.sent != nil && st.Config[s.usage].Params.Equal(*s.sent) {
		s.sent = nil
	}
	if s.simOf != st.Workload.SHA256 {
		s.simOf, s.wanted = st.Workload.SHA256, ""
		clear(s.sims)
	}
	if !s.placed && len(f.st.Keys) > 0 {
		s.placed = true
		s.place(f.st)
	}
	s.cursor = min(max(s.cursor, 0), max(len(s.rows())-1, 0))
}

func (s *tuneScreen) work(*frame) (changed, more bool) { return false, false }

// place marks the bucket that costs most, for a beginning.
func (s *tuneScreen) place(st *engine.State) {
	most, key := int64(0), int64(0)
	for i := range st.Keys {
		if k := &st.Keys[i]; k.Usage == s.usage && k.Over() && k.LastNew*k.Size > most {
			most, key = k.LastNew*k.Size, k.Size
		}
	}
	s.mark(key)
}

// mode is the mode whose numbers these are.
func (s *tuneScreen) mode() cachemodes.Mode { return s.current.config[s.usage].Mode.Mode() }

// before is what the draft began with: what is in force, or soon will be.
func (s *tuneScreen) before() cachemodes.Params {
	if s.sent != nil {
		return *s.sent
	}
	return s.current.config[s.usage].Params
}

// params is what is shown.
func (s *tuneScreen) params() cachemodes.Params {
	if s.draft != nil {
		return *s.draft
	}
	return s.before()
}

// tuneRow is a bucket of the table, or a number.
type tuneRow struct {
	bucket int // index in the table shown; -1 for a number
	number *number
	key    int64
	now    int64 // value shown: a cap, or the number
	was    int64
	fresh  bool // the bucket is not in force
	gone   bool // the bucket was dropped
}

// edited reports whether the row differs from what is in force.
func (r *tuneRow) edited() bool { return r.fresh || r.gone || r.now != r.was }

// tuneLanguage is what a filter may ask of a row.
var tuneLanguage = language[tuneRow]{
	properties: []property[tuneRow]{
		{name: "key", bytes: true, number: func(r *tuneRow) (int64, bool) { return r.key, r.number == nil }},
		{name: "cap", number: func(r *tuneRow) (int64, bool) { return r.now, r.number == nil }},
		{name: "row", words: []string{"edited", "bucket", "number"}, is: func(r *tuneRow, w string) bool {
			return w == "edited" && r.edited() || w == "bucket" && r.number == nil || w == "number" && r.number != nil
		}},
	},
	has: func(r *tuneRow, word string) bool {
		return r.number != nil && strings.Contains(r.number.shown+" "+r.number.what, word)
	},
}

// rows are those of all that the filter lets through.
func (s *tuneScreen) rows() []tuneRow { return s.filter.chosen(s.all()) }

// all are the buckets, those that were dropped among them, and the numbers that
// the mode reads.
func (s *tuneScreen) all() []tuneRow {
	var out []tuneRow
	mode, now, was := s.mode(), s.params(), s.before()
	if slices.Contains(mode.Reads, "table") {
		j := 0
		for i, b := range now.Table {
			for ; j < len(was.Table) && was.Table[j].Key < b.Key; j++ {
				out = append(out, tuneRow{bucket: -1, key: was.Table[j].Key, was: int64(was.Table[j].Cap), gone: true})
			}
			r := tuneRow{bucket: i, key: b.Key, now: int64(b.Cap), fresh: true}
			if j < len(was.Table) && was.Table[j].Key == b.Key {
				r.was, r.fresh = int64(was.Table[j].Cap), false
				j++
			}
			out = append(out, r)
		}
		for ; j < len(was.Table); j++ {
			out = append(out, tuneRow{bucket: -1, key: was.Table[j].Key, was: int64(was.Table[j].Cap), gone: true})
		}
	}
	for i := range numbers {
		n := &numbers[i]
		if slices.Contains(mode.Reads, n.name) {
			out = append(out, tuneRow{bucket: -1, number: n, now: n.get(&now), was: n.get(&was)})
		}
	}
	return out
}

// change edits the draft.
func (s *tuneScreen) change(edit func(*cachemodes.Params)) {
	p := s.params()
	p.Table = slices.Clone(p.Table)
	edit(&p)
	s.draft, s.err = &p, p.Validate()
	if p.Equal(s.before()) {
		s.draft, s.err = nil, nil
	}
}

// at is the marked row.
func (s *tuneScreen) at() (tuneRow, bool) {
	rows := s.rows()
	if s.cursor < 0 || s.cursor >= len(rows) {
		return tuneRow{}, false
	}
	return rows[s.cursor], true
}

// step makes the marked row more or less.
func (s *tuneScreen) step(r *tuneRow, direction int64) {
	s.change(func(p *cachemodes.Params) {
		switch {
		case r.number != nil:
			r.number.set(p, max(r.now+direction*r.number.step, 0))
		case r.gone:
			s.put(p, r.key, r.was)
		default:
			p.Table[r.bucket].Cap = int(min(max(r.now+direction, 0), cachemodes.Uncapped))
		}
	})
}

// put adds a bucket, or gives the one of its key another cap, and marks it.
func (s *tuneScreen) put(p *cachemodes.Params, key, limit int64) {
	at, found := slices.BinarySearchFunc(p.Table, key, func(b cachemodes.Bucket, key int64) int {
		return int(min(max(b.Key-key, -1), 1))
	})
	b := cachemodes.Bucket{Key: key, Cap: toInt(limit)}
	if found {
		p.Table[at] = b
	} else {
		p.Table = slices.Insert(p.Table, at, b)
	}
}

// mark marks the bucket of a key.
func (s *tuneScreen) mark(key int64) {
	for i, r := range s.rows() {
		if r.number == nil && r.key == key && !r.gone {
			s.cursor = i
		}
	}
}

// parseBucket reads "4MiB:64"; a cap alone keeps the key, if there is one.
func parseBucket(text string, key int64) (b cachemodes.Bucket, err error) {
	k, limit, both := strings.Cut(text, ":")
	if !both {
		if key == 0 {
			return b, fmt.Errorf("%q is no bucket: want its key and its cap, as in 4MiB:64", text)
		}
		k, limit = strconv.FormatInt(key, 10), text
	}
	b.Key, both = parseNumber(strings.TrimSpace(k), true)
	if !both {
		return b, fmt.Errorf("the key %q is no size: want bytes, or as in 4MiB", k)
	}
	limit = strings.TrimSpace(limit)
	n, err := strconv.Atoi(limit)
	switch {
	case limit == "inf" || limit == "∞":
		n = cachemodes.Uncapped
	case err != nil:
		return b, fmt.Errorf("the cap %q is no whole number: want how many free buffers are kept, or inf", limit)
	}
	b.Cap = n
	p := cachemodes.DefaultParams()
	p.Table = cachemodes.Table{b}
	return b, p.Validate()
}

// valueLine is where the value of a row is typed.
func (s *tuneScreen) valueLine(f *frame, r tuneRow) overlay {
	help := f.say("{line-accept} takes it over, {back} leaves; nothing is applied before {accept} on the screen")
	if r.number == nil {
		return &inputLine{
			about: "bucket " + f.size(r.key) + ", cap", words: "a cap, or key:cap to move the bucket, as in 6MiB:20; inf keeps all. " + help,
			check: func(text string) error { _, err := parseBucket(text, r.key); return err },
			done: func(m *model, text string) tea.Cmd {
				b, _ := parseBucket(text, r.key)
				s.change(func(p *cachemodes.Params) {
					if b.Key != r.key && r.bucket >= 0 {
						p.Table = slices.Delete(p.Table, r.bucket, r.bucket+1)
					}
					s.put(p, b.Key, int64(b.Cap))
				})
				s.mark(b.Key)
				return m.tickIn(soon)
			},
		}
	}
	n := r.number
	check := func(text string) error {
		v, ok := parseNumber(text, n.bytes)
		if !ok {
			return fmt.Errorf("%s: %q is no whole number", n.shown, text)
		}
		p := s.params()
		n.set(&p, v)
		return p.Validate()
	}
	return &inputLine{about: n.shown, words: n.what + ". " + help, check: check, done: func(m *model, text string) tea.Cmd {
		v, _ := parseNumber(text, n.bytes)
		s.change(func(p *cachemodes.Params) { n.set(p, v) })
		return m.tickIn(soon)
	}}
}

// bucketLine is where a new bucket is typed.
func (s *tuneScreen) bucketLine(f *frame) overlay {
	return &inputLine{
		about: "new bucket", words: f.say("key:cap, as in 6MiB:20; inf keeps all. {line-accept} takes it over, {back} leaves"),
		check: func(text string) error {
			b, err := parseBucket(text, 0)
			if err == nil && slices.ContainsFunc(s.params().Table, func(o cachemodes.Bucket) bool { return o.Key == b.Key }) {
				err = fmt.Errorf("key %s is in the table: change its cap there", f.size(b.Key))
			}
			return err
		},
		done: func(m *model, text string) tea.Cmd {
			b, _ := parseBucket(text, 0)
			s.change(func(p *cachemodes.Params) { s.put(p, b.Key, int64(b.Cap)) })
			s.mark(b.Key)
			return m.tickIn(soon)
		},
	}
}

func (s *tuneScreen) press(a action, f *frame, kind layoutKind, w, h int) (bool, wish) {
	r, any := s.at()
	hasTable := slices.Contains(s.mode().Reads, "table")
	noTable := wish{tell: s.mode().Name + " reads no table: " + f.say("{mode} chooses a mode that does, such as bucket")}
	switch a {
	case moveUp, moveDown, pageUp, pageDown, toTop, toBottom:
		lay := tuneLayoutOf(kind, w, h)
		s.move(a, len(s.rows()), tablePage(lay.table, lay.framed))
	case moveLeft, moveRight:
		if any {
			direction := int64(1)
			if a == moveLeft {
				direction = -1
			}
			s.step(&r, direction)
		}
	case presetNext:
		s.usage, s.draft, s.sent, s.err, s.scroll = cachemodes.Usage((int(s.usage)+1)%cachemodes.NumCaches), nil, nil, nil, scroll{}
		s.placed = false
		return true, wish{tell: "the numbers of " + usageWords[s.usage] + " buffers"}
	case filterList:
		return true, wish{edit: editOf("numbers", &tuneLanguage, &s.filter)}
	case editValue:
		if any {
			return true, wish{over: s.valueLine(f, r)}
		}
	case addBucket:
		if !hasTable {
			return true, noTable
		}
		return true, wish{over: s.bucketLine(f)}
	case dropBucket:
		switch {
		case r.gone || r.number != nil || !any:
			return true, wish{tell: "no bucket is marked that could be dropped"}
		case len(s.params().Table) == 1:
			return true, wish{tell: "the last bucket stays: a table needs one; add another first"}
		}
		s.change(func(p *cachemodes.Params) { p.Table = slices.Delete(p.Table, r.bucket, r.bucket+1) })
	case accept:
		return true, wish{do: func(m *model) tea.Cmd { return m.applyTuning() }}
	case suggestTable:
		if !hasTable {
			return true, noTable
		}
		return true, wish{over: &goalMenu{}}
	case showTable:
		if !hasTable {
			return true, noTable
		}
		return true, wish{do: func(m *model) tea.Cmd {
			m.over = &textView{title: "The table as ONNX Runtime's source takes it", lines: strings.Split(strings.TrimRight(s.initialiser(m), "\n"), "\n")}
			return nil
		}}
	case copyRow:
		if !hasTable {
			return true, noTable
		}
		return true, wish{do: func(m *model) tea.Cmd {
			m.tell("the table is copied as ONNX Runtime's source takes it, %d buckets", len(s.params().Table))
			return tea.SetClipboard(s.initialiser(m))
		}}
	case back:
		switch {
		case s.draft != nil:
			s.draft, s.err = nil, nil
			return true, wish{tell: "what was edited is dropped"}
		case s.filter.empty():
			return false, wish{}
		}
		s.filter = filter[tuneRow]{}
	default:
		return false, wish{}
	}
	return true, wish{}
}

// initialiser is the table as an engine's source takes it.
func (s *tuneScreen) initialiser(m *model) string {
	if m.o.WriteTable == nil {
		return s.params().Table.String()
	}
	var b strings.Builder
	if err := m.o.WriteTable(&b, s.params().Table); err != nil {
		return err.Error()
	}
	return b.String()
}

// applyTuning hands the draft to the engine.
func (m *model) applyTuning() tea.Cmd {
	s := m.tune
	switch {
	case s.draft == nil:
		m.tell("%s", m.keys.say("nothing to apply: {left} {right} make the marked row less and more, {edit} types its value"))
		return nil
	case s.err != nil:
		m.fail("cannot apply the numbers", s.err)
		return nil
	case m.o.Recorded != "":
		m.tell("%s is a recording: numbers can be tried here, and applied nowhere", m.o.Recorded)
		return nil
	case lost(m.latest):
		m.tell("the device is lost: nothing is applied")
		return nil
	}
	before, after := s.before(), *s.draft
	mark := tuneMark(&before, &after, m.si)
	if s.usage != cachemodes.Storage {
		mark = s.usage.String() + " " + mark
	}
	s.undo = append(s.undo, tuned{s.usage, before, mark})
	s.draft = nil
	return m.send(s.usage, after, mark)
}

// send gives the engine numbers, and tells when they take force.
func (m *model) send(u cachemodes.Usage, p cachemodes.Params, mark string) tea.Cmd {
	if u == m.tune.usage {
		m.tune.sent = &p
	}
	m.engine.SetParams(u, p, mark)
	text := plainText(mark)
	if n, ok := ordinal(m.latest); ok && m.latest.InRun {
		text = fmt.Sprintf("%s: at the end of run %d", text, n)
	}
	if n := len(m.tune.undo); n > 0 {
		what := m.tune.undo[n-1].mark
		if what == mark {
			what = "it"
		}
		text += "; {undo} undoes " + plainText(what)
	}
	m.tell("%s", m.keys.say(text))
	m.follow()
	return m.tickIn(soon)
}

// plainText is a text without the braces that say looks for.
func plainText(text string) string { return strings.NewReplacer("{", "(", "}", ")").Replace(text) }

// undo takes the last change back that Tune applied.
func (m *model) undo() tea.Cmd {
	s := m.tune
	n := len(s.undo)
	if n == 0 {
		m.tell("nothing to undo: Tune has applied nothing")
		return nil
	}
	last := s.undo[n-1]
	s.undo = s.undo[:n-1]
	s.draft, s.err = nil, nil
	return m.send(last.usage, last.before, "undo "+last.mark)
}

// tuneMark names a change: "4MiB cap 20→64", or how many there are.
func tuneMark(a, b *cachemodes.Params, si bool) string {
	var parts []string
	f := &frame{si: si}
	limit := func(n int) string {
		if n >= cachemodes.Uncapped {
			return "inf"
		}
		return strconv.Itoa(n)
	}
	of := map[int64]int{}
	for _, x := range a.Table {
		of[x.Key] = x.Cap
	}
	for _, x := range b.Table {
		was, ok := of[x.Key]
		switch {
		case !ok:
			parts = append(parts, "+"+f.size(x.Key)+":"+limit(x.Cap))
		case was != x.Cap:
			parts = append(parts, f.size(x.Key)+" cap "+limit(was)+"→"+limit(x.Cap))
		}
		delete(of, x.Key)
	}
	for _, x := range a.Table {
		if _, ok := of[x.Key]; ok {
			parts = append(parts, "-"+f.size(x.Key))
		}
	}
	for i := range numbers {
		n := &numbers[i]
		if x, y := n.get(a), n.get(b); x != y {
			parts = append(parts, fmt.Sprintf("%s %d→%d", n.shown, x, y))
		}
	}
	const most = 2
	if len(parts) > most {
		return fmt.Sprintf("%s and %d more", parts[0], len(parts)-1)
	}
	return strings.Join(parts, ", ")
}

// simKey says what a simulation is of.
func simKey(mode cachemodes.ModeID, u cachemodes.Usage, p *cachemodes.Params, cfg *cachemodes.Config) string {
	var b strings.Builder
	for i := range cfg {
		q := cfg[i].Params
		if cachemodes.Usage(i) == u {
			q = *p
		}
		fmt.Fprint(&b, cfg[i].Mode, q, ";")
	}
	return b.String() + mode.String()
}

// sim is the simulation of some numbers in place of those in force, if it is
// there.
func (s *tuneScreen) sim(p *cachemodes.Params) (simulation, bool) {
	x, ok := s.sims[simKey(s.current.config[s.usage].Mode, s.usage, p, &s.current.config)]
	return x, ok
}

// refresh simulates what is shown, beside the screen.
func (s *tuneScreen) refresh(m *model) tea.Cmd {
	if m.o.Simulate == nil || s.err != nil {
		return nil
	}
	now, draft := s.before(), s.params()
	for _, p := range []*cachemodes.Params{&draft, &now} {
		key := simKey(s.current.config[s.usage].Mode, s.usage, p, &s.current.config)
		if _, ok := s.sims[key]; ok {
			continue
		}
		if s.wanted == key && m.tasks[previewTask].doing != "" {
			return nil
		}
		s.wanted = key
		cfg, w, simulate, sha := s.current.config, s.current.workload, m.o.Simulate, s.simOf
		cfg[s.usage].Params = *p
		return m.begin(previewTask, "simulating", "cannot simulate", func(ctx context.Context, _ *progress) (func(*model) tea.Cmd, error) {
			figures, err := simulate(ctx, w, cfg)
			return func(m *model) tea.Cmd {
				if s.simOf != sha {
					return nil
				}
				if len(s.sims) >= keptSims {
					clear(s.sims)
				}
				s.sims[key] = simulation{figures, err}
				return m.tickIn(soon)
			}, nil
		})
	}
	return nil
}

// goalMenu chooses what a table is searched for.
type goalMenu struct{ cursor int }

// goal is what a table can be searched for.
type goal struct {
	text    string
	creates bool // fewest creates; else the lowest peak
}

var goals = []goal{
	{"fewest creates, with a peak no higher than the table in force gives", true},
	{"lowest peak, with no more creates than the table in force gives", false},
}

func (g *goalMenu) scope() scope { return inMenus }

func (g *goalMenu) press(a action, _ tea.KeyPressMsg, _ *frame, _, _ int) outcome {
	switch a {
	case back:
		return outcome{close: true}
	case accept:
		creates := goals[g.cursor].creates
		return outcome{close: true, do: func(m *model) tea.Cmd { return m.suggest(creates) }}
	case moveUp, moveDown, pageUp, pageDown:
		s := scroll{cursor: g.cursor}
		s.move(a, len(goals), len(goals))
		g.cursor = s.cursor
	}
	return outcome{}
}

func (g *goalMenu) draw(v view, f *frame) {
	in, edge := dialog(v, f, "Search a table", f.say("{menu-accept} begins, {back} leaves"), 76, len(goals))
	text := func(_ *frame, r goal) (string, style) { return r.text, plain }
	drawList(in, edge, f, []column[goal]{{width: 20, left: true, grow: 70, text: text}}, goals, g.cursor, "")
}

// suggest searches a table beside the screen. What is found is a draft like one
// that a person edited.
func (m *model) suggest(creates bool) tea.Cmd {
	s := m.tune
	if m.o.Suggest == nil {
		m.tell("no table can be searched here")
		return nil
	}
	aim := SearchGoal{Creates: creates, Keys: len(cachemodes.DefaultTable()), Now: s.before().Table, Config: s.current.config}
	w, search, usage := s.current.workload, m.o.Suggest, s.usage
	return m.begin(searchTask, "searching a table for "+w.Name, "no table was found", func(ctx context.Context, p *progress) (func(*model) tea.Cmd, error) {
		table, err := search(ctx, w, aim, p.report)
		return func(m *model) tea.Cmd {
			if s.usage != usage || s.current.workload.SHA256 != w.SHA256 {
				m.tell("the table that was found is of no use here: it is for %s", w.Name)
				return nil
			}
			s.change(func(p *cachemodes.Params) { p.Table = table })
			if s.draft == nil {
				m.tell("no better table was found than the one in force")
				return nil
			}
			m.tell("%s", m.keys.say(fmt.Sprintf("a table of %d buckets was found, by simulation: {accept} applies it, {back} drops it", len(table))))
			return m.tickIn(soon)
		}, err
	})
}
