package probe

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"bucketscope/cachemodes"
)

// Ledger books every event. It is not safe for concurrent use; Apply and the
// calls around a run allocate nothing once every key and session was seen.
type Ledger struct {
	usage    [cachemodes.NumUsages]Books
	total    Books
	keys     []Key
	none     Key                // in place of the key of an event that has none, in loops
	touched  []cachemodes.KeyID // keys asked for since the last run end
	sessions []Session
	lent     lending
	nobody   Session // of what is cached or pending and whose it was is not known
	hazards  int64
	open     openRuns
	started  int64 // runs, ever
	crests   crests
	runs     int64 // ended
	adjusts  int64
	switches int64

	window Window
	// high is the most since it was folded into the window and the open runs:
	// one peak to follow for all of them.
	high peaks

	// The integral of held bytes over time, in byte-microseconds.
	now      int64
	timed    bool
	wall     float64
	wallTime int64
}

// Key are the books of one bucket: buffers of one usage and size. What every
// request and release changes comes first, so that it is close together.
type Key struct {
	Usage                  cachemodes.Usage
	touched                bool
	Size                   int64 // bytes; 0 in a slot not yet seen
	Requests, Hits         int64
	InUse, Pending, Cached int64 // buffers
	Requested              int64 // bytes asked for, of buffers in use
	PeakInUse              int64 // buffers
	want                   int64
	lost                   int64 // given up at the cap, and no miss explained by it yet

	Creates, Destroys           int64
	Misses                      [cachemodes.NumReasons]int64
	before                      [cachemodes.NumReasons]int64 // misses before the usage's mode or parameters changed last
	lastWant                    int64
	startCreates, startRequests int64
	lastCreates, lastRequests   int64
	lastRun                     int64 // ordinal, from 1, of the last run that asked for it
}

// Padding is what the key adds to what was asked for, of buffers in use, in
// bytes.
func (k *Key) Padding() int64 { return k.InUse*k.Size - k.Requested }

// Want is the most free buffers of this key that there were, or would have
// been without a cap, in the last run and since: the cap that would have
// created none.
func (k *Key) Want() int64 { return max(k.want, k.lastWant) }

// MissesSince are the misses since the mode or the parameters of its usage were
// changed last: what was a reason under another mode is none under this.
func (k *Key) MissesSince() [cachemodes.NumReasons]int64 {
	since := k.Misses
	for r, n := range k.before {
		since[r] -= n
	}
	return since
}

// IdleRuns is how many of so many runs ended since it was asked for last.
func (k *Key) IdleRuns(runs int64) int64 {
	if k.touched {
		return 0
	}
	return runs - k.lastRun
}

// Session are the books of one loaded model.
type Session struct {
	Requests, Hits, Creates, CreateBytes int64
	// InUse is bytes of cached usages in its hands, Weights and User bytes of
	// those; all by real buffer size.
	InUse, Weights, User int64
	Runs                 int64
	// Pending and Cached are bytes that it released last and that were not
	// handed out since; PeakHeld is the most of these, InUse and Weights at once.
	Pending, Cached, PeakHeld int64
	// Lent is how often another session got what it had released, Borrowed how
	// often it got what another had.
	Lent, LentBytes, Borrowed, BorrowedBytes int64
	// Waits is how often it waited for the lock of the caches, WaitUS how long
	// in all, in microseconds; 0 where sessions take turns.
	Waits, WaitUS int64
	// Graphs is how many captured graphs it has, Replays how many runs were
	// replays of one.
	Graphs, Replays int64
	// Hazards is how many it was part of, as the one that a buffer went to.
	Hazards int64
	Life    Life
	staging int64 // bytes in its hands that count nowhere
}

// Held is what exists for its sake, in bytes: weights, what it has in use, and
// what is kept of what it released.
func (s *Session) Held() int64 { return s.InUse + s.Weights + s.Pending + s.Cached }

// Life is how far a session got.
type Life uint8

// The steps of a session's life.
const (
	Unborn Life = iota
	Loading
	Ready
	Gone // released
)

var lifeNames = [...]string{"not loaded", "loading", "ready", "released"}

func (l Life) String() string { return lifeNames[l] }

// Tally is what happened between two moments. Sizes are bytes.
type Tally struct {
	Requests, Hits         int64
	Creates, CreateBytes   int64
	Destroys, DestroyBytes int64
	Misses                 [cachemodes.NumReasons]int64
	// EndHeld is what was held at the second moment.
	EndHeld int64
}

// RunInfo says which run it is.
type RunInfo struct {
	Session int32 // index
	ID      int64 // as the workload numbers it
	Label   string
	// Tokens is how many tokens a language model computes in it, else 0;
	// Prompt whether they are a prompt's.
	Tokens int64
	Prompt bool
	// Pass is which repetition of the workload it belongs to, from 0.
	Pass int64
}

// Run is what happened between a run's start and its end, on the whole device:
// with several runs at once each counts everything between its two ends.
type Run struct {
	RunInfo
	Seq            int64 // ordinal since the ledger began, from 0
	StartUS, EndUS int64
	Mode           cachemodes.ModeID // of storage, at its end
	Total          Tally
	Usage          [cachemodes.NumUsages]Tally
	PeakHeld       int64 // of the total, in between
	AvgHeld        int64
	PeakRequested  int64
	PeakInUse      int64
	Adjusts        int64
	Switches       int64
	Fails          int64
}

// DurationUS is the run's time from start to end, in microseconds.
func (r *Run) DurationUS() int64 { return r.EndUS - r.StartUS }

// RunsPerSecond is all runs by the time in which any of them was going on: of
// several sessions at the same time, what they get done together. It is 0 for
// runs that took no time.
func RunsPerSecond(runs []Run) float64 {
	byStart := slices.Clone(runs)
	slices.SortFunc(byStart, func(a, b Run) int { return cmp.Compare(a.StartUS, b.StartUS) })
	var busy, until int64
	for i := range byStart {
		r := &byStart[i]
		if from := max(r.StartUS, until); from < r.EndUS {
			busy += r.EndUS - from
			until = r.EndUS
		}
	}
	if busy == 0 {
		return 0
	}
	return float64(len(runs)) / (float64(busy) / 1e6)
}

// peaks are the most of what the total had.
type peaks struct{ held, inUse, requested int64 }

// Window is the range of some figures since the window was taken last, so that
// a graph drawn from windows loses no peak.
type Window struct {
	MinHeld, MaxHeld, MaxInUse, MaxRequested int64
}

// Apply books one event. Nearly all are hits and what comes back of them: they
// go straight through the books that they change, without a call, and with the
// sizes in hand, which the compiler must else read anew after every write.
func (l *Ledger) Apply(e *cachemodes.Event) {
	size, requested := e.Size, e.Requested
	switch e.Kind {
	case cachemodes.Hit:
		l.usage[e.Usage].hit(size, requested)
		l.total.hit(size, requested)
		l.rose()
		k := l.key(e)
		k.Requests++
		k.Hits++
		k.Cached--
		k.take(requested)
		if !k.touched {
			l.touch(k, e.Key)
		}
		s := l.session(e.Session)
		s.Requests++
		s.Hits++
		s.InUse += size
		if e.Last == e.Session { // what it holds is the same
			s.Cached -= size
		} else {
			l.handOn(e)
		}
	case cachemodes.Keep:
		l.usage[e.Usage].keep(size, requested)
		l.total.keep(size, requested)
		k := l.key(e)
		k.give(requested)
		k.Cached++
		k.wanted()
		s := l.session(e.Session)
		s.InUse -= size
		s.Cached += size
	case cachemodes.Pend:
		l.usage[e.Usage].pend(size, requested)
		l.total.pend(size, requested)
		k := l.key(e)
		k.give(requested)
		k.Pending++
		if e.Why == cachemodes.CapFull {
			k.lost++
			k.wanted()
		}
		s := l.session(e.Session)
		s.InUse -= size
		s.Pending += size
	case cachemodes.Settle:
		l.usage[e.Usage].settle(size)
		l.total.settle(size)
		k := l.key(e)
		k.Pending--
		k.Cached++
		k.wanted()
		s := l.session(e.Last)
		s.Pending -= size
		s.Cached += size
	case cachemodes.Create:
		l.create(e)
	case cachemodes.Destroy:
		l.destroy(e)
	default:
		l.other(e)
	}
}

// other books an event that moves no buffer.
func (l *Ledger) other(e *cachemodes.Event) {
	switch e.Kind {
	case cachemodes.Fail:
		l.usage[e.Usage].Fails++
		if e.Usage.Held() {
			l.total.Fails++
		}
		if e.Key != cachemodes.NoKey { // its size was asked for, at least
			l.key(e)
		}
	case cachemodes.Adjust:
		l.adjusts++
	case cachemodes.Switch:
		l.switches++
		for i := range l.keys {
			if k := &l.keys[i]; k.Usage == e.Usage {
				k.before = k.Misses
				k.lost = 0 // a cap that is no more in force makes nothing wanted
			}
		}
	}
}

// handOn books a buffer that goes to another session than had it last.
func (l *Ledger) handOn(e *cachemodes.Event) {
	l.session(e.Last).Cached -= e.Size
	if e.Last != cachemodes.NoSession {
		l.loan(e.Last, e.Session, e.Size)
	}
	l.session(e.Session).rose()
}

func (l *Ledger) create(e *cachemodes.Event) {
	l.usage[e.Usage].create(e)
	s := l.session(e.Session)
	if e.Usage.Held() {
		l.total.create(e)
		l.rose()
		l.high.held = max(l.high.held, l.total.Held())
		s.Requests++
		s.Creates++
		s.CreateBytes += e.Size
	}
	*s.part(e.Usage) += e.Size
	s.rose()
	if e.Key == cachemodes.NoKey {
		return
	}
	k := l.key(e)
	k.Requests++
	k.Creates++
	k.Misses[e.Why]++
	if e.Why == cachemodes.CapFull && k.lost > 0 {
		k.lost--
	}
	k.take(e.Requested)
	if !k.touched {
		l.touch(k, e.Key)
	}
}

func (l *Ledger) destroy(e *cachemodes.Event) {
	l.usage[e.Usage].destroy(e)
	if e.Usage.Held() {
		l.total.destroy(e)
		l.window.MinHeld = min(l.window.MinHeld, l.total.Held())
	}
	switch e.From {
	case cachemodes.InUse:
		*l.session(e.Session).part(e.Usage) -= e.Size
	case cachemodes.Pending:
		l.session(e.Last).Pending -= e.Size
	case cachemodes.Cached:
		l.session(e.Last).Cached -= e.Size
	}
	if e.Key == cachemodes.NoKey {
		return
	}
	k := l.key(e)
	k.Destroys++
	switch e.From {
	case cachemodes.InUse:
		k.give(e.Requested)
		if e.Why == cachemodes.CapFull {
			k.lost++
			k.wanted()
		}
	case cachemodes.Pending:
		k.Pending--
	case cachemodes.Cached:
		k.Cached--
	}
}

// rose follows the peaks of the total but that of held bytes, which rise only
// when a buffer is created.
func (l *Ledger) rose() {
	if l.total.InUse > l.high.inUse {
		l.high.inUse = l.total.InUse
	}
	if l.total.Requested > l.high.requested {
		l.high.requested = l.total.Requested
	}
}

// fold brings the window and the open runs up to now.
func (l *Ledger) fold() {
	l.crests.rise(l.high)
	l.window = l.windowNow()
	l.high = l.peaksNow()
}

// peaksNow is the total as it stands.
func (l *Ledger) peaksNow() peaks { return peaks{l.total.Held(), l.total.InUse, l.total.Requested} }

// windowNow is the window up to now.
func (l *Ledger) windowNow() Window {
	w := l.window
	w.MaxHeld = max(w.MaxHeld, l.high.held)
	w.MaxInUse = max(w.MaxInUse, l.high.inUse)
	w.MaxRequested = max(w.MaxRequested, l.high.requested)
	return w
}

// key are the books of the bucket of an event's buffer, to write in.
func (l *Ledger) key(e *cachemodes.Event) *Key {
	if uint(e.Key) < uint(len(l.keys)) {
		if k := &l.keys[e.Key]; k.Size != 0 {
			return k
		}
	}
	return l.newKey(e)
}

func (l *Ledger) newKey(e *cachemodes.Event) *Key {
	for int(e.Key) >= len(l.keys) {
		l.keys = append(l.keys, Key{})
	}
	k := &l.keys[e.Key]
	k.Usage, k.Size = e.Usage, e.Size
	return k
}

// take books a buffer of the key that is handed out.
func (k *Key) take(requested int64) {
	k.InUse++
	k.Requested += requested
	if k.InUse > k.PeakInUse {
		k.PeakInUse = k.InUse
	}
}

// give books a buffer that comes back.
func (k *Key) give(requested int64) {
	k.InUse--
	k.Requested -= requested
}

// touch notes that a key was asked for since the last run end.
func (l *Ledger) touch(k *Key, id cachemodes.KeyID) {
	k.touched = true
	l.touched = append(l.touched, id)
}

// wanted follows how many free buffers there would be without a cap.
func (k *Key) wanted() {
	if n := k.Cached + k.lost; n > k.want {
		k.want = n
	}
}

// Loans are the pairs of sessions between which buffers went, by From, then To: of
// each lender mostNamed, and one for all Others together, at most.
func (l *Ledger) Loans() []Loan { return l.lent.all() }

// loan books a buffer that changed session.
func (l *Ledger) loan(from, to int32, size int64) {
	a := l.session(from)
	a.Lent++
	a.LentBytes += size
	b := l.session(to)
	b.Borrowed++
	b.BorrowedBytes += size
	p := l.lent.pair(from, to)
	p.Count++
	p.Bytes += size
}

// session are a session's books to write in.
func (l *Ledger) session(id int32) *Session {
	if uint(id) < uint(len(l.sessions)) {
		return &l.sessions[id]
	}
	return l.newSession(id)
}

func (l *Ledger) newSession(id int32) *Session {
	if id == cachemodes.NoSession {
		return &l.nobody
	}
	for int(id) >= len(l.sessions) {
		l.sessions = append(l.sessions, Session{})
	}
	return &l.sessions[id]
}

// Step books a step of a session's life, or of a graph of it.
func (l *Ledger) Step(what What, id int32) {
	s := l.session(id)
	switch what {
	case SessionCreated:
		s.Life = Loading
	case SessionIsReady:
		s.Life = Ready
	case SessionReleased:
		s.Life, s.Graphs = Gone, 0
	case GraphCaptured:
		s.Graphs++
	case GraphReplayed:
		s.Replays++
	case GraphReleased:
		s.Graphs--
	case SessionAbandoned:
		for o := l.open.newestOf(id); o != nil; o = l.open.newestOf(id) {
			l.open.remove(o)
		}
		l.crests.trim(&l.open)
	}
}

// Wait books that a session waited for the lock of the caches.
func (l *Ledger) Wait(id int32, w Waits) {
	s := l.session(id)
	s.Waits += w.Count
	s.WaitUS += w.US
}

// Hazard books a hazard that was seen.
func (l *Ledger) Hazard(h *Hazard) {
	l.hazards++
	l.session(h.Second.Session).Hazards++
}

// Hazards is how many were seen.
func (l *Ledger) Hazards() int64 { return l.hazards }

// NumSessions is how many sessions there are books of, by index.
func (l *Ledger) NumSessions() int { return len(l.sessions) }

// OpenRuns are the runs going on, in the order of their start.
func (l *Ledger) OpenRuns() []RunInfo {
	out := make([]RunInfo, 0, l.open.n)
	for o := l.open.oldest(); o != nil; o = l.open.at(o.later) {
		out = append(out, o.run.RunInfo)
	}
	return out
}

// cachedUsages is what is pending and cached together, in bytes.
func (l *Ledger) cachedUsages() (pending, cached int64) {
	for u := range cachemodes.NumCaches {
		pending += l.usage[u].Pending
		cached += l.usage[u].Cached
	}
	return pending, cached
}

// rose follows the peak of what a session holds.
func (s *Session) rose() { s.PeakHeld = max(s.PeakHeld, s.Held()) }

// part is the bytes in a session's hands that a usage counts among; what counts
// among none goes nowhere.
func (s *Session) part(u cachemodes.Usage) *int64 {
	switch {
	case u.Cached():
		return &s.InUse
	case u == cachemodes.Weights:
		return &s.Weights
	case u == cachemodes.User:
		return &s.User
	}
	return &s.staging
}

// Advance tells the time, in microseconds from any beginning; held bytes are
// weighed with the time since the last call. It must not go back.
func (l *Ledger) Advance(nowUS int64) {
	if l.timed {
		d := nowUS - l.now
		l.wall += float64(l.total.Held()) * float64(d)
		l.wallTime += d
	}
	l.now, l.timed = nowUS, true
}

// AvgHeldWall is the mean of held bytes over the time that Advance told of,
// and whether there was any.
func (l *Ledger) AvgHeldWall() (int64, bool) {
	if l.wallTime <= 0 {
		return 0, false
	}
	return int64(l.wall / float64(l.wallTime)), true
}

// StartRun opens a run.
func (l *Ledger) StartRun(info RunInfo, atUS int64) {
	l.fold()
	o := l.begin(info, l.peaksNow())
	o.run.StartUS = atUS
	o.total, o.usage = l.total, l.usage
	o.adjusts, o.switches = l.adjusts, l.switches
}

// begin adds a run to those going on, with the most that it has seen.
func (l *Ledger) begin(info RunInfo, most peaks) *openRun {
	l.started++
	o := l.open.add(info)
	o.ordinal = l.started
	l.crests.start(o.ordinal, most)
	return o
}

// EndRun closes the run of that session and id and answers what happened in
// it. The mode is that of storage now. A run that is not open is a broken
// invariant of the caller's.
func (l *Ledger) EndRun(session int32, id int64, mode cachemodes.ModeID, atUS int64) Run {
	o := l.open.find(session, id)
	if o == nil {
		panic(fmt.Sprintf("probe: EndRun wants an open run; session %d has no run %d", session, id))
	}
	l.fold()
	r := o.run
	r.Seq, r.EndUS, r.Mode = l.runs, atUS, mode
	most := l.crests.since(o.ordinal)
	r.PeakHeld, r.PeakRequested, r.PeakInUse = most.held, most.requested, most.inUse
	r.Adjusts, r.Switches = l.adjusts-o.adjusts, l.switches-o.switches
	r.Fails = l.total.Fails - o.total.Fails
	r.Total.count(&l.total, &o.total)
	for u := range r.Usage {
		r.Usage[u].count(&l.usage[u], &o.usage[u])
	}
	if m := l.total.average().since(o.total.average()); m.n > 0 {
		r.AvgHeld = m.value()
	} else {
		r.AvgHeld = l.total.Held()
	}
	l.open.remove(o)
	l.crests.trim(&l.open)
	l.runs++
	for int(session) >= len(l.sessions) {
		l.sessions = append(l.sessions, Session{})
	}
	l.sessions[session].Runs++
	for _, id := range l.touched {
		k := &l.keys[id]
		k.touched = false
		k.lastRun = l.runs
		k.lastCreates, k.startCreates = k.Creates-k.startCreates, k.Creates
		k.lastRequests, k.startRequests = k.Requests-k.startRequests, k.Requests
		k.lastWant, k.want = k.want, k.Cached+k.lost
	}
	l.touched = l.touched[:0]
	return r
}

// AbandonRuns closes every open run without a record: the workload was
// stopped in the middle of it.
func (l *Ledger) AbandonRuns() { l.open, l.crests = openRuns{}, crests{} }

// count is what happened between two states of the books.
func (t *Tally) count(now, then *Books) {
	t.Requests, t.Hits = now.Requests-then.Requests, now.Hits-then.Hits
	t.Creates, t.CreateBytes = now.Creates-then.Creates, now.CreateBytes-then.CreateBytes
	t.Destroys, t.DestroyBytes = now.Destroys-then.Destroys, now.DestroyBytes-then.DestroyBytes
	t.EndHeld = now.Held()
	for i := range t.Misses {
		t.Misses[i] = now.Misses[i] - then.Misses[i]
	}
}

// Total are the books of everything held: weights, storage, uniform, query
// resolve and default together.
func (l *Ledger) Total() Books { return l.total }

// Usage are the books of one usage.
func (l *Ledger) Usage(u cachemodes.Usage) Books { return l.usage[u] }

// Runs is how many runs have ended.
func (l *Ledger) Runs() int64 { return l.runs }

// Adjusts and Switches count those events since the ledger began.
func (l *Ledger) Adjusts() int64 { return l.adjusts }

// Switches counts changes of mode or parameters.
func (l *Ledger) Switches() int64 { return l.switches }

// Session are the books of a session; empty for one that asked for nothing.
func (l *Ledger) Session(i int32) Session {
	if int(i) >= len(l.sessions) {
		return Session{}
	}
	return l.sessions[i]
}

// Key are the books of a bucket, with how many buffers the device's last run
// asked for and created, what was asked for just before it included; empty for
// a key that was never served.
func (l *Ledger) Key(id cachemodes.KeyID) (k Key, lastRequests, lastCreates int64) {
	if int(id) >= len(l.keys) {
		return Key{}, 0, 0
	}
	k = l.keys[id]
	if k.lastRun == l.runs {
		lastRequests, lastCreates = k.lastRequests, k.lastCreates
	} else { // the last run had no use for it
		k.lastWant = 0
	}
	return k, lastRequests, lastCreates
}

// NumKeys is how many KeyIDs there are books of, from 0.
func (l *Ledger) NumKeys() int { return len(l.keys) }

// Steps counts what was gone through so far to have the peaks of each run. A test
// holds it to the number of runs, as it does cachemodes.Manager.Steps.
func (l *Ledger) Steps() int64 {
	return l.crests.held.taken + l.crests.inUse.taken + l.crests.requested.taken
}

// InRun reports whether a run is going on.
func (l *Ledger) InRun() bool { return l.open.n > 0 }

// Keys are the books of every bucket that was ever served, by usage and size.
func (l *Ledger) Keys() []Key {
	var keys []Key
	for i := range l.keys {
		if l.keys[i].Size > 0 {
			keys = append(keys, l.keys[i])
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Usage, b.Usage), cmp.Compare(a.Size, b.Size))
	})
	return keys
}

// TakeWindow answers the range of figures since it was called last, and begins
// a new window.
func (l *Ledger) TakeWindow() Window {
	l.fold()
	w, held := l.window, l.total.Held()
	l.window = Window{held, held, l.total.InUse, l.total.Requested}
	return w
}

// Check tells where the books do not balance, or do not add up to each other.
func (l *Ledger) Check() error {
	var errs []error
	var sum Books
	for u := range l.usage {
		b := &l.usage[u]
		if err := b.check(cachemodes.Usage(u).String()); err != nil {
			errs = append(errs, err)
		}
		if cachemodes.Usage(u).Held() {
			sum.Requests += b.Requests
			sum.Creates += b.Creates
			sum.Destroys += b.Destroys
			sum.InUse += b.InUse
			sum.Pending += b.Pending
			sum.Cached += b.Cached
			sum.Requested += b.Requested
		}
	}
	t := &l.total
	if err := t.check("total"); err != nil {
		errs = append(errs, err)
	}
	if sum.Requests != t.Requests || sum.Creates != t.Creates || sum.Destroys != t.Destroys ||
		sum.InUse != t.InUse || sum.Pending != t.Pending || sum.Cached != t.Cached || sum.Requested != t.Requested {
		errs = append(errs, fmt.Errorf("the usages do not add up to the total"))
	}
	var keys [cachemodes.NumUsages]struct{ inUse, pending, cached, requests int64 }
	for i := range l.keys {
		k := &l.keys[i]
		if k.Creates != k.InUse+k.Pending+k.Cached+k.Destroys {
			errs = append(errs, fmt.Errorf("key %s %d: created %d != in use %d + pending %d + cached %d + destroyed %d",
				k.Usage, k.Size, k.Creates, k.InUse, k.Pending, k.Cached, k.Destroys))
		}
		s := &keys[k.Usage]
		s.inUse += k.InUse
		s.pending += k.Pending
		s.cached += k.Cached
		s.requests += k.Requests
	}
	for u := range cachemodes.NumCaches {
		b, s := &l.usage[u], keys[u]
		if b.InUseCount != s.inUse || b.PendingCount != s.pending || b.CachedCount != s.cached || b.Requests != s.requests {
			errs = append(errs, fmt.Errorf("the keys of %s do not add up to its books", cachemodes.Usage(u)))
		}
	}
	var inUse int64
	for i := range l.sessions {
		inUse += l.sessions[i].InUse + l.sessions[i].Weights
	}
	pending, cached := l.nobody.Pending, l.nobody.Cached
	for i := range l.sessions {
		pending += l.sessions[i].Pending
		cached += l.sessions[i].Cached
	}
	if p, c := l.cachedUsages(); p != pending || c != cached {
		errs = append(errs, fmt.Errorf("the sessions released %d pending and %d cached bytes, the usages have %d and %d", pending, cached, p, c))
	}
	if inUse != t.InUse {
		errs = append(errs, fmt.Errorf("the sessions hold %d bytes in use, the total says %d", inUse, t.InUse))
	}
	return errors.Join(errs...)
}

// CheckAgainst holds the ledger against what a manager says exists.
func (l *Ledger) CheckAgainst(a cachemodes.Audit) error {
	for u := range l.usage {
		b, n, bytes := &l.usage[u], a.Count[u], a.Bytes[u]
		if b.InUseCount != n.InUse || b.PendingCount != n.Pending || b.CachedCount != n.Cached ||
			b.InUse != bytes.InUse || b.Pending != bytes.Pending || b.Cached != bytes.Cached {
			return fmt.Errorf("%s: the ledger says in use %d, pending %d, cached %d bytes; the manager has %d, %d, %d",
				cachemodes.Usage(u), b.InUse, b.Pending, b.Cached, bytes.InUse, bytes.Pending, bytes.Cached)
		}
	}
	return nil
}

// clone is a ledger of its own with the same books.
func (l *Ledger) clone() *Ledger {
	c := *l
	c.keys = slices.Clone(l.keys)
	c.touched = slices.Clone(l.touched)
	c.sessions = slices.Clone(l.sessions)
	c.lent = l.lent.clone()
	c.open = l.open.clone()
	c.crests = l.crests.clone()
	return &c
}

// onDevice is what exists on the device, in bytes: everything held, staging and
// the application's buffers. A driver's reading moves along with it.
func (l *Ledger) onDevice() int64 {
	return l.total.Held() + l.usage[cachemodes.Staging].Held() + l.usage[cachemodes.User].Held()
}

// Live is how many buffers exist on the device: of every usage, staging and
// the application's included.
func (l *Ledger) Live() int64 {
	var n int64
	for u := range l.usage {
		b := &l.usage[u]
		n += b.InUseCount + b.PendingCount + b.CachedCount
	}
	return n
}
