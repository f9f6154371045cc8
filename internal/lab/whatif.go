package lab

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

// How what-if works, in numbers.
const (
	// A repetition is followed if no more than so much of one, and so many
	// events, wait when it begins: so what is followed is followed whole.
	waitingShare, waitingEvents = 4, 1 << 13
	// queueEvents bounds what waits if a repetition has no end: 32 MiB.
	queueEvents = 1 << 22
	// recentRuns is over how many runs the figures per run are taken.
	recentRuns = 16
	// whatIfEvery is how stale its state may get while it works.
	whatIfEvery = 50 * time.Millisecond
	// crowded is the share of one core's time that it takes where no core is
	// spare: 4 %, so that the rest of its cost fits into 5 %.
	crowded = 0.04
	// idleFor is how long a workload that waited once is taken to do so, and
	// idleRests how long it rests meanwhile for each time that it works.
	idleFor   = time.Second
	idleRests = 1
	// leastRest is what a timer is good for.
	leastRest = 5 * time.Millisecond
	// planEvents bounds the traces whose offline plan is made: it takes time
	// quadratic in what lives at once.
	planEvents = 400_000
)

// Row is what one mode would do with the requests that are being played; all of
// it is simulated.
type Row struct {
	// Name is the mode's; of a variant of the current setting, what is changed.
	Name    string
	Setting cachemodes.Setting // of storage
	Current bool               // it is what drives the device
	Variant bool               // of the current setting, played since FromPass
	// SimulatedOnly rows place several requests in one allocation, which no
	// WebGPU engine can: there is no Setting to choose.
	SimulatedOnly bool
	FromPass      int64
	// Peak and Average are of held bytes; Creates of everything held, since
	// FromPass.
	Peak, Average, Creates int64
	Runs                   int64
	// NewPerRun and RunUS are means over the last runs; RunUS is predicted, and
	// negative where there is no calibration.
	NewPerRun, RunUS float64
	// Figures are the whole books; nil for rows that are simulated only.
	Figures *engine.Figures
}

// Yardsticks are what any mode can be held against. Sizes are bytes.
type Yardsticks struct {
	// Floor is the most requested at once.
	Floor int64
	// BestKeys is what the best BestOf keys reserve for storage buffers, which
	// is more than the peak of everything; Plan is the size of the offline plan
	// of everything held, 0 where none was made.
	BestKeys int64
	BestOf   int
	Plan     int64
}

// YardsticksOf measures a trace, with an offline plan if that is wanted and the
// trace is none that takes long.
func YardsticksOf(t *workload.Trace, keys int, plan bool) Yardsticks {
	s := NewStream(t, cachemodes.DefaultConfig())
	y := Yardsticks{Floor: s.Floor, BestOf: keys}
	_, y.BestKeys = s.Keys(keys)
	if plan && len(t.Events) <= planEvents {
		y.Plan = NewPlan(t).Size
	}
	return y
}

// WhatIfState is how things stand. It does not change.
type WhatIfState struct {
	// Rows are the current mode and its variants, the other modes, and what is
	// simulated only.
	Rows []Row
	// Yardsticks are those of the workload; nil until they were computed.
	Yardsticks *Yardsticks
	// Behind tells that it could not keep up and leaves the repetition going on
	// out; Followed and Skipped count those that are over.
	Behind            bool
	Followed, Skipped int64
	// Lost tells that it fell behind while the models were loaded and can only
	// go on when the workload begins anew.
	Lost bool
	// Prices names the adapter that times are predicted for; empty for none.
	Prices string
	// Scale is what the last runs took on the device, as a multiple of what was
	// predicted for them; RunUS times it is what a run of a Row should take there.
	// 0 where no run was measured.
	Scale float64

	played int64 // batches
}

// WhatIfOptions say how much it may take.
type WhatIfOptions struct {
	// Prices predict latency; nil for none.
	Prices *cost.Calibration
	// Crowded tells that the device itself works on the cores: then, and where
	// there are fewer than four, it takes a twenty-fifth of one; in the latter
	// case half of one while the workload waits between its runs. Else it takes
	// up to a quarter of them: two may be halves of one, and a driver works on
	// some.
	Crowded bool
}

// WhatIf plays what a Live plays, under every other mode and variants of the
// current setting, on spare cores.
//
//	Live ─ batches ─► queue ─► each mode's Shadow, on all spare cores ─► State
//
// The Live never waits for it. Where it cannot keep up it leaves repetitions of
// the workload out, whole ones: its figures are then exactly those of a run that
// did not play them. State may be called from any goroutine.
type WhatIf struct {
	o     WhatIfOptions
	cores int
	rests float64 // for as many times the time that it works
	state atomic.Pointer[WhatIfState]
	idle  atomic.Int64 // when the workload waited last, in ns since 1970
	stop  chan struct{}
	done  chan struct{}
	wake  chan struct{}

	mu     sync.Mutex
	queue  []item
	queued int // events
	room   int // how many may wait when a repetition begins
	handed int64
	behind bool
	spare  []*engine.Batch

	// The goroutine's own.
	began      engine.Beginning
	trace      *workload.Trace
	cfg        cachemodes.Config
	all        []*shadow
	keep       []bool // slots that are out at every boundary; nil before the first
	lost       bool
	pass       int64
	partial    bool // what is played of the repetition going on has a gap
	played     int64
	followed   int64
	skipped    int64
	driven     driven
	yardsticks chan *Yardsticks
	measured   *Yardsticks
	published  time.Time
}

// driven are the last runs on the device, each under what drove it then.
type driven struct {
	runs                int64
	tookUS, predictedUS [recentRuns]int64
}

func (d *driven) add(tookUS, predictedUS int64) {
	at := d.runs % recentRuns
	d.tookUS[at], d.predictedUS[at] = tookUS, predictedUS
	d.runs++
}

// scale is WhatIfState.Scale.
func (d *driven) scale() float64 {
	var took, predicted int64
	for i := range min(d.runs, recentRuns) {
		took += d.tookUS[i]
		predicted += d.predictedUS[i]
	}
	if took <= 0 || predicted <= 0 {
		return 0
	}
	return float64(took) / float64(predicted)
}

// item is a batch, or the beginning of a workload.
type item struct {
	batch *engine.Batch
	begin *engine.Beginning
}

// NewWhatIf waits for a workload to follow. It must be closed.
func NewWhatIf(o WhatIfOptions) *WhatIf {
	w := newWhatIf(o)
	w.cores = runtime.GOMAXPROCS(0) / 4
	if w.cores < 1 || o.Crowded {
		w.cores, w.rests = 1, 1/crowded-1
	}
	return w
}

// newWhatIf has one core to itself.
func newWhatIf(o WhatIfOptions) *WhatIf {
	w := &WhatIf{o: o, cores: 1, stop: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	w.state.Store(&WhatIfState{})
	go w.run()
	return w
}

// State is the latest; never nil.
func (w *WhatIf) State() *WhatIfState { return w.state.Load() }

// Close ends it. The Live must have ended before.
func (w *WhatIf) Close() {
	close(w.stop)
	<-w.done
}

// Begin is a Follower's.
func (w *WhatIf) Begin(b engine.Beginning) {
	w.mu.Lock()
	w.queue, w.queued, w.behind = append(w.queue[:0], item{begin: &b}), 0, false
	w.room = max(len(b.Trace.Events)/waitingShare, waitingEvents)
	w.mu.Unlock()
	w.nudge()
}

// Played is a Follower's.
func (w *WhatIf) Played(b *engine.Batch) bool {
	w.mu.Lock()
	if b.Fresh && w.queued > w.room {
		w.recycle(b)
		w.mu.Unlock()
		return false
	}
	w.behind = b.Boundary && w.queued > w.room || w.queued > queueEvents
	more := !w.behind
	w.queue = append(w.queue, item{batch: b})
	w.queued += len(b.Events) + 1
	w.handed++
	w.mu.Unlock()
	w.nudge()
	return more
}

// Batch is a Follower's.
func (w *WhatIf) Batch() *engine.Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.spare); n > 0 {
		b := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return b
	}
	return &engine.Batch{}
}

// Idle is a Follower's.
func (w *WhatIf) Idle() { w.idle.Store(time.Now().UnixNano()) }

// restsFor is how long it rests for each time that it works: less where the
// workload leaves time.
func (w *WhatIf) restsFor() float64 {
	if !w.o.Crowded && time.Since(time.Unix(0, w.idle.Load())) < idleFor {
		return min(w.rests, idleRests)
	}
	return w.rests
}

// recycle keeps a batch for Batch; the lock is held.
func (w *WhatIf) recycle(b *engine.Batch) {
	*b = engine.Batch{Events: b.Events[:0], Runs: b.Runs[:0]}
	w.spare = append(w.spare, b)
}

func (w *WhatIf) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest item; false where there is none.
func (w *WhatIf) next() (item, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return item{}, false
	}
	i := w.queue[0]
	w.queue = slices.Delete(w.queue, 0, 1)
	if i.batch != nil {
		w.queued -= len(i.batch.Events) + 1
	}
	return i, true
}

func (w *WhatIf) run() {
	defer close(w.done)
	var owed time.Duration // rest
	for {
		select {
		case <-w.stop:
			return
		case y := <-w.yardsticks:
			w.measured, w.yardsticks = y, nil
			w.publish()
			continue
		default:
		}
		i, ok := w.next()
		if !ok {
			w.publish()
			select {
			case <-w.stop:
				return
			case <-w.wake:
			case y := <-w.yardsticks:
				w.measured, w.yardsticks = y, nil
			}
			continue
		}
		begin := time.Now()
		w.take(i)
		if i.batch != nil {
			w.played++
			w.mu.Lock()
			w.recycle(i.batch)
			w.mu.Unlock()
		}
		if time.Since(w.published) >= whatIfEvery {
			w.publish()
		}
		owed += time.Duration(float64(time.Since(begin)) * w.restsFor())
		if owed >= leastRest {
			if !w.rest(owed) {
				return
			}
			owed = 0
		}
	}
}

// rest leaves the core to others for d; false where it is to end.
func (w *WhatIf) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.stop:
		return false
	case <-timer.C:
		return true
	}
}

// take plays an item.
func (w *WhatIf) take(i item) {
	if i.begin != nil {
		w.begin(*i.begin)
		return
	}
	b := i.batch
	if b.Fresh {
		w.lost = w.lost || w.keep == nil
		w.partial = true
		if !w.lost {
			w.each(func(s *shadow) { s.cut(w.keep) })
		}
	}
	if w.lost {
		return
	}
	if len(b.Events) > 0 {
		w.each(func(s *shadow) { s.play(b.Events) })
		w.compare(b.Runs)
	}
	if b.Setting != nil {
		w.set(b.Usage, *b.Setting)
	}
	if b.Boundary {
		w.boundary(b.Pass)
	}
}

// compare holds what runs took on the device, which all played, to what is predicted
// for what drove it: of those in which that made as many buffers. After a switch of
// modes it makes some that its shadow has.
func (w *WhatIf) compare(runs []engine.Ran) {
	runs = runs[max(0, len(runs)-recentRuns):]
	for _, s := range w.all {
		if s.clock == nil || s.variant || s.setting.Mode != w.cfg[cachemodes.Storage].Mode {
			continue
		}
		for i, r := range runs {
			at := (s.runs - int64(len(runs)-i)) % recentRuns
			if r.Creates == s.creates[at] {
				w.driven.add(r.US, s.us[at])
			}
		}
	}
}

// each calls f with every shadow that plays, on all spare cores.
func (w *WhatIf) each(f func(*shadow)) {
	if w.cores == 1 {
		for _, s := range w.all {
			if s.playing {
				f(s)
			}
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(w.cores, len(w.all)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(w.all) {
					return
				}
				if w.all[i].playing {
					f(w.all[i])
				}
			}
		}()
	}
	wg.Wait()
}

// begin follows another workload.
func (w *WhatIf) begin(b engine.Beginning) {
	t, cfg := b.Trace, b.Config
	w.began, w.trace, w.cfg, w.keep, w.lost, w.partial, w.all = b, t, cfg, nil, false, false, nil
	w.pass, w.followed, w.skipped, w.measured, w.driven = 0, 0, 0, nil, driven{}
	w.addVariants(true)
	for _, m := range cachemodes.Modes() {
		s := cfg[cachemodes.Storage]
		s.Mode = m.ID
		w.all = append(w.all, w.shadow(m.Name, s, false))
	}
	w.all = append(w.all, newSplit(pytorch, newPyTorch(), t), newSplit(tensorflow, newBFC(), t))
	ready := make(chan *Yardsticks, 1)
	w.yardsticks = ready
	go func() {
		y := YardsticksOf(t, len(cachemodes.DefaultTable()), true)
		ready <- &y
	}()
}

// shadow is one of a setting, which plays from now on.
func (w *WhatIf) shadow(name string, s cachemodes.Setting, variant bool) *shadow {
	b := w.began
	b.Config = w.cfg
	b.Config[cachemodes.Storage] = s
	return newShadow(name, b, w.o.Prices, variant)
}

// addVariants puts variants of the current setting in front. Those that come
// later than the workload begin with its next repetition.
func (w *WhatIf) addVariants(now bool) {
	w.all = slices.DeleteFunc(w.all, func(s *shadow) bool { return s.variant })
	var out []*shadow
	for _, v := range Variants(w.cfg[cachemodes.Storage]) {
		s := w.shadow(v.Name, v.Setting, true)
		s.playing = now
		out = append(out, s)
	}
	w.all = append(out, w.all...)
}

// set changes a setting as the Live did.
func (w *WhatIf) set(u cachemodes.Usage, s cachemodes.Setting) {
	if old := w.cfg[u]; old.Mode == s.Mode && old.Params.Equal(s.Params) {
		return
	}
	w.cfg[u] = s
	if u != cachemodes.Storage {
		w.each(func(sh *shadow) { sh.set(u, s) })
		return
	}
	w.addVariants(false)
	w.each(func(sh *shadow) {
		own := s
		own.Mode = sh.setting.Mode
		sh.set(u, own)
	})
}

// boundary begins a repetition: of what was played there is no gap from here,
// and variants that wait can join.
func (w *WhatIf) boundary(pass int64) {
	if w.keep == nil {
		w.keep = make([]bool, w.trace.Slots)
		for _, s := range w.all {
			if s.engine != nil && s.playing {
				s.engine.Outstanding(w.keep)
				break
			}
		}
	} else if pass > w.pass {
		if !w.partial {
			w.followed++
		}
		w.skipped = pass - w.followed
	}
	w.pass, w.partial = pass, false
	for _, s := range w.all {
		if !s.playing {
			s.join(w.trace, pass)
		}
		s.pass(pass)
	}
}

func (w *WhatIf) publish() {
	w.published = time.Now()
	w.mu.Lock()
	behind := w.behind
	w.mu.Unlock()
	st := &WhatIfState{Behind: behind, Followed: w.followed, Skipped: w.skipped, Lost: w.lost, Yardsticks: w.measured, played: w.played}
	if w.o.Prices != nil {
		st.Prices, st.Scale = w.o.Prices.Adapter.String(), w.driven.scale()
	}
	now := w.cfg[cachemodes.Storage]
	for _, s := range w.all {
		r := s.row()
		r.Current = !r.SimulatedOnly && !r.Variant && r.Setting.Mode == now.Mode
		if r.Current { // first, with its variants behind it
			st.Rows = slices.Insert(st.Rows, 0, r)
			continue
		}
		st.Rows = append(st.Rows, r)
	}
	if w.measured != nil && w.measured.Plan > 0 {
		st.Rows = append(st.Rows, Row{
			Name: tflite.Name, SimulatedOnly: true, Peak: w.measured.Plan, Average: w.measured.Plan, Creates: 1, RunUS: -1,
		})
	}
	w.state.Store(st)
}

// shadow is a mode, a variant or an allocator that splits, and its last runs.
type shadow struct {
	name     string
	setting  cachemodes.Setting // of storage
	variant  bool
	playing  bool
	from     int64
	engine   *engine.Shadow // nil for what splits
	split    *splitting
	clock    *cost.Clock // nil where there are no prices
	runs     int64
	creates  [recentRuns]int64
	us       [recentRuns]int64
	reserved int64 // pieces of a splitting one when its last run ended
}

func newShadow(name string, b engine.Beginning, prices *cost.Calibration, variant bool) *shadow {
	s := &shadow{name: name, setting: b.Config[cachemodes.Storage], variant: variant, playing: true}
	onRun := func(r *probe.Run) { s.ended(r.Total.Creates, r.DurationUS()) }
	if prices == nil {
		s.engine = engine.NewShadow(b, device.NewHost(), func() int64 { return 0 }, onRun)
		return s
	}
	s.clock = cost.NewClock(prices)
	s.engine = engine.NewShadow(b, s.clock, s.clock.NowUS, onRun)
	return s
}

func newSplit(about Simulated, a allocator, t *workload.Trace) *shadow {
	return &shadow{name: about.Name, playing: true, split: &splitting{a: a, out: make([]*block, t.Slots)}}
}

// ended notes a run.
func (s *shadow) ended(creates, us int64) {
	at := s.runs % recentRuns
	s.creates[at], s.us[at] = creates, us
	s.runs++
}

func (s *shadow) play(events []*workload.Event) {
	if s.engine != nil {
		s.engine.Play(events)
		return
	}
	for _, e := range events {
		s.split.play(e)
		if e.Op == workload.RunEnd {
			_, pieces := s.split.a.reserved()
			s.ended(pieces-s.reserved, 0)
			s.reserved = pieces
		}
	}
}

func (s *shadow) cut(keep []bool) {
	if s.engine != nil {
		s.engine.Cut(keep)
		return
	}
	for slot, b := range s.split.out {
		if b != nil && !keep[slot] {
			s.split.a.free(b)
			s.split.out[slot] = nil
		}
	}
}

func (s *shadow) set(u cachemodes.Usage, to cachemodes.Setting) {
	if s.engine == nil {
		return
	}
	s.engine.Set(u, to)
	if u == cachemodes.Storage {
		s.setting = to
	}
}

func (s *shadow) pass(n int64) {
	if s.engine != nil {
		s.engine.Pass(n)
	}
}

// join catches up with a workload whose models are loaded.
func (s *shadow) join(t *workload.Trace, pass int64) {
	s.playing, s.from = true, pass
	loaded := t.Prologue()
	events := make([]*workload.Event, len(loaded))
	for i := range loaded {
		events[i] = &loaded[i]
	}
	s.play(events)
}

func (s *shadow) row() Row {
	r := Row{Name: s.name, Setting: s.setting, Variant: s.variant, SimulatedOnly: s.engine == nil, FromPass: s.from, Runs: s.runs, RunUS: -1}
	if s.engine != nil {
		f := s.engine.Figures()
		r.Figures, r.Peak, r.Average, r.Creates = f, f.Total.PeakHeld, f.Total.AvgHeld(), f.Total.Creates
	} else {
		r.Peak, r.Creates = s.split.a.reserved()
		r.Average = s.split.average()
	}
	n := min(s.runs, recentRuns)
	if n == 0 {
		return r
	}
	var creates, us int64
	for i := range n {
		creates += s.creates[i]
		us += s.us[i]
	}
	r.NewPerRun = float64(creates) / float64(n)
	if s.clock != nil {
		r.RunUS = float64(us) / float64(n)
	}
	return r
}

// Variant is a setting near another one.
type Variant struct {
	Name    string
	Setting cachemodes.Setting
}

// Variants are what a person would try next with a setting: changes of one
// number that its mode reads.
func Variants(s cachemodes.Setting) []Variant {
	var out []Variant
	add := func(name string, change func(p *cachemodes.Params)) {
		v := Variant{Name: name, Setting: s}
		v.Setting.Params.Table = slices.Clone(s.Params.Table)
		change(&v.Setting.Params)
		if !v.Setting.Params.Equal(s.Params) && v.Setting.Params.Validate() == nil {
			out = append(out, v)
		}
	}
	caps := func(f func(int) int) func(p *cachemodes.Params) {
		return func(p *cachemodes.Params) {
			for i := range p.Table {
				p.Table[i].Cap = f(p.Table[i].Cap)
			}
		}
	}
	for _, reads := range s.Mode.Mode().Reads {
		switch reads {
		case "table":
			if s.Mode == cachemodes.Graph { // it has no caps
				continue
			}
			add("caps x4", caps(func(n int) int { return min(4*n, cachemodes.Uncapped) }))
			add("caps /4", caps(func(n int) int { return n / 4 }))
			add("no caps", caps(func(int) int { return cachemodes.Uncapped }))
		case "round":
			add("round 4096", func(p *cachemodes.Params) { p.Round = 4096 })
		case "adjust_every":
			add("adjust x4", func(p *cachemodes.Params) { p.AdjustEvery *= 4 })
		case "history":
			add("history x4", func(p *cachemodes.Params) { p.History *= 4 })
		case "refresh_every":
			add("refresh x4", func(p *cachemodes.Params) { p.RefreshEvery *= 4 })
		case "fit_ratio":
			add("fit 1/2", func(p *cachemodes.Params) { p.FitRatio = 128 })
		}
	}
	return out
}
