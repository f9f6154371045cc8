package probe

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"bucketscope/cachemodes"
)

// Journal keeps what happened, bounded, so that the state at any moment it
// reaches back to can be had again, exactly.
//
//	chunk   checkpoint │ entry entry entry ...   32 Ki entries or more
//	chunk   checkpoint │ entry entry ...         the last one is written to
//
// An entry is some five bytes: a buffer's number and what no earlier entry of
// it says (entry.go). So entries are read from a checkpoint on, while the state
// is rebuilt along with them, at some tens of nanoseconds each. A chunk is at
// least as large as the checkpoint that follows it, so that checkpoints never
// take more than entries do. When both outgrow the budget, the oldest chunk is
// forgotten.
//
// It is told of everything just before the Ledger is, by one goroutine. Any
// goroutine may read a History, which does not change.
type Journal struct {
	budget  int
	led     *Ledger
	bufs    []Buffer
	config  cachemodes.Config
	driver  Reading
	made    int64 // buffers ever
	learnt  []bool
	current RunInfo
	track   Track
	demand  Demand

	sealed     []*chunk
	sealedSize int
	last       chunk
	prevUS     int64 // time of the last entry
}

// Unbounded is the budget of a journal that forgets nothing.
const Unbounded = math.MaxInt

// chunkEntries is how many entries a chunk holds at least: rebuilding a moment
// reads about so many. A variable for tests.
var chunkEntries = 1 << 15

type chunk struct {
	first int64 // ordinal of its first entry
	n     int64
	start *Moment // before the first entry; never changed
	data  []byte
	runAt []int64 // ordinals of the entries that start runs
}

// size is what a chunk takes, in bytes, near enough to budget with.
func (c *chunk) size() int {
	const perRun = 8
	return cap(c.data) + stateSize(c.start.Ledger, c.start.Buffers) + c.start.Demand.size() + perRun*len(c.runAt)
}

// full reports whether the next entry belongs into a chunk of its own; state is
// what its checkpoint would take.
func (c *chunk) full(led *Ledger, bufs []Buffer) bool {
	return c.n >= int64(chunkEntries) && len(c.data) >= stateSize(led, bufs)
}

// stateSize is what a checkpoint takes, in bytes, near enough to budget with.
func stateSize(led *Ledger, bufs []Buffer) int {
	const perKey, perBuffer, perSession, perLoan, perOpenRun = 400, 120, 168, 24, 2560
	return len(led.keys)*perKey + len(bufs)*perBuffer + len(led.sessions)*perSession + led.lent.n*perLoan + led.open.n*perOpenRun
}

// Moment is everything known at one instant.
type Moment struct {
	Ledger *Ledger
	// Buffers are by BufID; an id that no buffer has is Gone.
	Buffers []Buffer
	Config  cachemodes.Config
	// Driver is what the driver said last.
	Driver Reading
	// Learnt says, by KeyID, what is a key of a learning mode.
	Learnt []bool
	// Current is the run that started last.
	Current RunInfo
	// Track is the graph up to here; of the slots that are over it has those
	// since the checkpoint.
	Track Track
	// Demand is that of every key up to here; of the runs that ended it has
	// those since the checkpoint.
	Demand Demand
	// Ended are the runs that ended since the checkpoint where History.At made
	// the moment, else the last of them.
	Ended []Run
	// Seq is how many entries had happened; AtUS the time of the last.
	Seq  int64
	AtUS int64
	made int64
}

// Reading is what a driver said that the process holds on the device, in bytes;
// OK is false where it could not say.
type Reading struct {
	Bytes int64
	OK    bool
}

// Buffer is one GPU buffer. Sizes are bytes, times microseconds.
type Buffer struct {
	// Serial numbers buffers in the order of their creation, from 1. A BufID
	// is used again, a Serial is not.
	Serial    int64
	Size      int64
	Requested int64 // by its holder, or its last one
	Key       cachemodes.KeyID
	Session   int32 // its holder; NoSession in a cache
	Last      int32 // who released it last; NoSession before that
	Usage     cachemodes.Usage
	Mode      cachemodes.ModeID // under which it was acquired
	State     cachemodes.State
	Uses      int64 // times handed out
	// CreatedRun and UsedRun are how many runs had ended when it was made, and
	// when it was handed out last.
	CreatedRun, UsedRun  int64
	CreatedUS, ChangedUS int64
}

// What says what an Entry is.
type What uint8

// The kinds of entry.
const (
	Happened         What = iota // Event, Serial
	RunStarted                   // Run
	RunEnded                     // Run: its session and id
	SessionCreated               // Session
	SessionIsReady               // Session
	SessionReleased              // Session
	Submitted                    // Session
	Configured                   // Usage, Setting
	Noted                        // Text
	Abandoned                    // every open run was given up
	DriverRead                   // Driver
	HazardSeen                   // Hazard
	Waited                       // Session, Waits: for the lock of the caches
	GraphCaptured                // Session
	GraphReplayed                // Session
	GraphReleased                // Session
	SessionAbandoned             // Session: its open runs were given up

	numWhats = int(SessionAbandoned) + 1
)

var whatNames = [numWhats]string{"", "run start", "run end", "session create", "session ready", "session release", "submit", "set", "note", "abandon", "driver", "hazard", "lock wait", "graph capture", "graph replay", "graph release", "drop"}

// Entry is one thing that happened; What says which fields count.
type Entry struct {
	Seq     int64 // ordinal, from 0
	AtUS    int64
	What    What
	Usage   cachemodes.Usage
	Session int32
	Event   cachemodes.Event
	Serial  int64
	Run     RunInfo
	Setting cachemodes.Setting
	Text    string
	Driver  Reading
	Hazard  Hazard
	Waits   Waits
}

// Waits are how often a session waited for the lock of the caches, and how long
// in all, in microseconds.
type Waits struct{ Count, US int64 }

// sampled reports whether the graph has a point at the entry: at both ends of a
// run, after a refresh, and before a setting changes.
func (e *Entry) sampled() bool {
	switch e.What {
	case RunStarted, RunEnded, Configured:
		return true
	case Happened:
		return e.Event.Kind == cachemodes.Refresh
	}
	return false
}

// Name is the entry's kind in words.
func (e *Entry) Name() string {
	if e.What == Happened {
		return e.Event.Kind.String()
	}
	return whatNames[e.What]
}

// Graph is the graph up to the moment.
func (m *Moment) Graph() Graph { return m.Track.graph(m.Ledger, m.Driver, m.AtUS) }

// NewJournal begins a journal of a ledger that has booked nothing, under a
// config; budget bounds it, in bytes. Its graph is kept in a series.
func NewJournal(led *Ledger, cfg cachemodes.Config, budget int, graph *Series) *Journal {
	j := &Journal{budget: budget, led: led, config: cfg, track: Track{Series: graph}, demand: newDemand(&cfg)}
	j.last = chunk{start: j.moment(0)}
	return j
}

// moment is the state now.
func (j *Journal) moment(seq int64) *Moment {
	return &Moment{
		Ledger: j.led.clone(), Buffers: slices.Clone(j.bufs), Config: j.config, Driver: j.driver, Learnt: slices.Clone(j.learnt),
		Current: j.current, Track: j.track.fork(), Demand: j.demand.fork(), Seq: seq, AtUS: j.prevUS, made: j.made,
	}
}

// Graph is the graph up to now.
func (j *Journal) Graph() Graph { return j.track.graph(j.led, j.driver, j.prevUS) }

// Demand is that of every key up to now.
func (j *Journal) Demand() *Demand { return &j.demand }

// Current is the run that started last.
func (j *Journal) Current() RunInfo { return j.current }

// End is one more than the ordinal of the newest entry.
func (j *Journal) End() int64 { return j.last.first + j.last.n }

// seal ends a chunk, begins the next one, and forgets the oldest ones that the
// budget has no room for.
func (j *Journal) seal() {
	full := j.last
	j.sealed = append(j.sealed, &full)
	j.sealedSize += full.size()
	gone := 0
	next := 2 * stateSize(j.led, j.bufs) // a checkpoint, and entries that take as much
	for gone < len(j.sealed)-1 && j.sealedSize > j.budget-next {
		j.sealedSize -= j.sealed[gone].size()
		gone++
	}
	if gone > 0 { // a list that only began later would hold on to what it forgot
		j.sealed = slices.Clone(j.sealed[gone:])
	}
	seq := full.first + full.n
	j.last = chunk{first: seq, start: j.moment(seq), data: make([]byte, 0, len(full.data)+len(full.data)/8)}
}

// follow keeps the record of a buffer.
func follow(bufs []Buffer, e *cachemodes.Event, made *int64, atUS, runs int64) []Buffer {
	switch e.Kind {
	case cachemodes.KeyBorn, cachemodes.KeyDropped, cachemodes.Adjust, cachemodes.Switch, cachemodes.Refresh,
		cachemodes.Move, cachemodes.Fail: // it never was
		return bufs
	}
	for int(e.Buf) >= len(bufs) {
		bufs = append(bufs, Buffer{})
	}
	b := &bufs[e.Buf]
	b.ChangedUS = atUS
	switch e.Kind {
	case cachemodes.Create:
		*made++
		*b = Buffer{
			Serial: *made, Size: e.Size, Key: e.Key, Usage: e.Usage,
			CreatedRun: runs, CreatedUS: atUS, ChangedUS: atUS, Last: cachemodes.NoSession,
		}
		fallthrough
	case cachemodes.Hit:
		b.State, b.Requested, b.Session, b.Mode = cachemodes.InUse, e.Requested, e.Session, e.Mode
		b.Uses++
		b.UsedRun = runs
	case cachemodes.Keep:
		b.State, b.Session, b.Last = cachemodes.Cached, cachemodes.NoSession, e.Session
	case cachemodes.Settle:
		b.State = cachemodes.Cached
	case cachemodes.Pend:
		b.State, b.Session, b.Last = cachemodes.Pending, cachemodes.NoSession, e.Session
	case cachemodes.Destroy:
		b.State = cachemodes.Gone
	}
	return bufs
}

// learn keeps what is a key of a learning mode, by KeyID. When such a mode is
// chosen, the sizes that are in the cache are: see cachemodes.Learner.Adopt.
func learn(learnt []bool, e *cachemodes.Event, led *Ledger, cfg *cachemodes.Config) []bool {
	switch e.Kind {
	case cachemodes.KeyBorn, cachemodes.KeyDropped:
		for int(e.Key) >= len(learnt) {
			learnt = append(learnt, false)
		}
		learnt[e.Key] = e.Kind == cachemodes.KeyBorn
	case cachemodes.Switch:
		learns := cfg[e.Usage].Mode.Mode().Learns
		for i := range led.keys {
			for i >= len(learnt) {
				learnt = append(learnt, false)
			}
			if k := &led.keys[i]; k.Usage == e.Usage && k.Size > 0 {
				learnt[i] = learns && k.Cached > 0
			}
		}
	}
	return learnt
}

// History is a journal up to a moment: immutable, for any goroutine.
type History struct {
	sealed []*chunk
	last   chunk
}

// History is what the journal holds now.
func (j *Journal) History() History {
	h := History{sealed: j.sealed[:len(j.sealed):len(j.sealed)], last: j.last}
	h.last.data = h.last.data[:len(h.last.data):len(h.last.data)]
	return h
}

// First is the ordinal of the oldest entry that is kept.
func (h *History) First() int64 {
	if len(h.sealed) > 0 {
		return h.sealed[0].first
	}
	return h.last.first
}

// End is one more than the ordinal of the newest entry.
func (h *History) End() int64 { return h.last.first + h.last.n }

// FirstUS is how far back the history reaches, in the journal's time.
func (h *History) FirstUS() int64 {
	if len(h.sealed) > 0 {
		return h.sealed[0].start.AtUS
	}
	if h.last.start == nil {
		return 0
	}
	return h.last.start.AtUS
}

// RunBefore is the ordinal of the last entry before seq that starts a run, and
// RunAfter of the first one from seq on; false where the history has none.
func (h *History) RunBefore(seq int64) (int64, bool) {
	best, ok := int64(0), false
	h.chunks(func(c *chunk) bool {
		if n, _ := slices.BinarySearch(c.runAt, seq); n > 0 {
			best, ok = c.runAt[n-1], true
		}
		return c.first < seq
	})
	return best, ok
}

// RunAfter is described at RunBefore.
func (h *History) RunAfter(seq int64) (best int64, ok bool) {
	h.chunks(func(c *chunk) bool {
		if n, _ := slices.BinarySearch(c.runAt, seq); n < len(c.runAt) {
			best, ok = c.runAt[n], true
		}
		return !ok
	})
	return best, ok
}

// RunEnd is the ordinal of the entry that ended a run; false where the history
// has none. It reads a chunk or two.
func (h *History) RunEnd(run int64) (seq int64, ok bool) {
	h.scan(h.checkpoint(func(m *Moment) bool { return m.Ledger.runs > run }), func(r *reader) bool {
		if r.e.What == RunEnded && r.m.Ledger.runs == run {
			seq, ok = r.e.Seq, true
		}
		return !ok
	}, func(*reader) {})
	return seq, ok
}

// Before is the ordinal of the last entry up to a time; false where all are
// later. It reads a chunk or two.
func (h *History) Before(us int64) (seq int64, ok bool) {
	late := func(m *Moment) bool { return m.AtUS > us }
	from := h.checkpoint(late)
	seq, ok = from-1, from > h.First() // the last one before the checkpoint
	h.scan(from, func(r *reader) bool {
		if r.e.AtUS > us {
			return false
		}
		seq, ok = r.e.Seq, true
		return true
	}, func(*reader) {})
	return seq, ok
}

// checkpoint is the ordinal of the first entry after the last checkpoint that is
// not too late, or of the first one of all.
func (h *History) checkpoint(late func(*Moment) bool) int64 {
	n := sort.Search(len(h.sealed), func(i int) bool { return late(h.sealed[i].start) })
	if n == len(h.sealed) && (n == 0 || !late(h.last.start)) {
		return h.last.first
	}
	return h.sealed[max(n-1, 0)].first
}

// chunks calls f with the chunks in order, until it answers false.
func (h *History) chunks(f func(*chunk) bool) {
	for _, c := range h.sealed {
		if !f(c) {
			return
		}
	}
	f(&h.last)
}

// chunkAt is the chunk that holds the entry after seq entries, or the last.
func (h *History) chunkAt(seq int64) *chunk {
	i := sort.Search(len(h.sealed), func(i int) bool { return h.sealed[i].first+h.sealed[i].n > seq })
	if i < len(h.sealed) {
		return h.sealed[i]
	}
	return &h.last
}

// At is the state after seq entries, which the history must reach.
func (h *History) At(seq int64) *Moment {
	seq = min(max(seq, h.First()), h.End())
	r := h.reader(seq)
	r.keepRuns = true
	for r.m.Seq < seq {
		if !r.read() {
			panic(fmt.Sprintf("probe: %v", r.err))
		}
		r.apply()
	}
	return r.m
}

// Cursor is a moment that goes on through a history, or through later ones of
// the same journal: on its way it reads only what lies between. The zero
// Cursor stands nowhere yet.
type Cursor struct{ r *reader }

// Seek goes to the moment after seq entries, which h must reach: on from where
// it stands, or from the last checkpoint before seq.
func (c *Cursor) Seek(h *History, seq int64) *Moment {
	seq = min(max(seq, h.First()), h.End())
	at := h.chunkAt(seq)
	if c.r == nil || c.r.first != at.first || c.r.m.Seq > seq {
		c.r = h.reader(seq)
	}
	c.r.data = at.data
	for c.r.m.Seq < seq {
		if !c.r.next() {
			panic(fmt.Sprintf("probe: a history ends before entry %d: %v", seq, c.r.err))
		}
	}
	return c.r.m
}

// Scan goes on to the moment after seq entries and calls f with each entry on
// the way, once it took effect, until f answers false. Both belong to the
// cursor: they change with the next entry.
func (c *Cursor) Scan(h *History, seq int64, f func(m *Moment, e *Entry) bool) {
	seq = min(seq, h.End())
	for c.r.m.Seq < seq {
		if !c.r.next() {
			c.Seek(h, c.r.m.Seq)
			continue
		}
		if !f(c.r.m, &c.r.e) {
			return
		}
	}
}

// Seq is how many entries had happened where it stands; -1 nowhere.
func (c *Cursor) Seq() int64 {
	if c.r == nil {
		return -1
	}
	return c.r.m.Seq
}

// Scan calls f with the entries from seq on, each before it takes effect on m,
// until f answers false or the history ends. Both belong to the scan: they
// change with the next entry.
func (h *History) Scan(seq int64, f func(m *Moment, e *Entry) bool) {
	seq = max(seq, h.First())
	h.scan(seq, func(r *reader) bool { return r.e.Seq < seq || f(r.m, &r.e) }, func(*reader) {})
}

// Runs calls f with every run whose end the history has.
func (h *History) Runs(f func(*Run)) {
	h.scan(h.First(), func(*reader) bool { return true }, func(r *reader) {
		if r.e.What == RunEnded {
			f(&r.m.Ended[len(r.m.Ended)-1])
		}
	})
}

// Replay is the state at the end, made from the oldest entry on, so that what a
// Moment has since its checkpoint it has of all that is kept: the graph. It calls
// f with every run whose end the history has, until f answers false; then there
// is no Moment.
func (h *History) Replay(f func(*Run) bool) *Moment {
	m, going := h.reader(h.First()).m, true
	h.scan(h.First(), func(r *reader) bool {
		m = r.m
		return going
	}, func(r *reader) {
		if r.e.What == RunEnded {
			going = f(&r.m.Ended[len(r.m.Ended)-1])
		}
	})
	if !going {
		return nil
	}
	return m
}

// scan reads from the checkpoint before seq on, and calls before and after with
// every entry, until before answers false.
func (h *History) scan(seq int64, before func(*reader) bool, after func(*reader)) {
	r := h.reader(seq)
	for r.m.Seq < h.End() {
		if !r.read() {
			if r.err != nil {
				panic(fmt.Sprintf("probe: %v", r.err))
			}
			r.data, r.at = h.chunkAt(r.m.Seq).data, 0
			continue
		}
		if !before(r) {
			return
		}
		r.apply()
		after(r)
	}
}

// reader begins to read at the checkpoint before seq.
func (h *History) reader(seq int64) *reader {
	c := h.chunkAt(seq)
	return &reader{first: c.first, data: c.data, m: c.start.clone()}
}

// clone is a moment of its own with the same state.
func (m *Moment) clone() *Moment {
	c := *m
	c.Ledger = m.Ledger.clone()
	c.Buffers = slices.Clone(m.Buffers)
	c.Learnt = slices.Clone(m.Learnt)
	c.Track = m.Track.fork()
	c.Demand = m.Demand.fork()
	c.Ended = nil
	return &c
}
