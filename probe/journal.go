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
//	chunk   checkpoint │ entry entry entry ...   64 Ki entries or more
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
	budget int
	led    *Ledger
	bufs   []Buffer
	config cachemodes.Config
	driver Reading
	made   int64 // buffers ever

	sealed     []*chunk
	sealedSize int
	last       chunk
	prevUS     int64 // time of the last entry
}

// Unbounded is the budget of a journal that forgets nothing.
const Unbounded = math.MaxInt

// chunkEntries is how many entries a chunk holds at least: rebuilding a moment
// reads about so many. A variable for tests.
var chunkEntries = 1 << 16

type chunk struct {
	first int64 // ordinal of its first entry
	n     int64
	start *Moment // before the first entry; never changed
	data  []byte
}

// size is what a chunk takes, in bytes, near enough to budget with.
func (c *chunk) size() int { return len(c.data) + stateSize(c.start.Ledger, c.start.Buffers) }

// full reports whether the next entry belongs into a chunk of its own; state is
// what its checkpoint would take.
func (c *chunk) full(led *Ledger, bufs []Buffer) bool {
	return c.n >= int64(chunkEntries) && len(c.data) >= stateSize(led, bufs)
}

// stateSize is what a checkpoint takes, in bytes, near enough to budget with.
func stateSize(led *Ledger, bufs []Buffer) int {
	const perKey, perBuffer, perSession, perOpenRun = 256, 112, 64, 2560
	return len(led.keys)*perKey + len(bufs)*perBuffer + len(led.sessions)*perSession + len(led.open)*perOpenRun
}

// Moment is everything known at one instant.
type Moment struct {
	Ledger *Ledger
	// Buffers are by BufID; an id that no buffer has is Gone.
	Buffers []Buffer
	Config  cachemodes.Config
	// Driver is what the driver said last.
	Driver Reading
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
	Happened        What = iota // Event, Serial
	RunStarted                  // Run
	RunEnded                    // Ended
	SessionCreated              // Session
	SessionIsReady              // Session
	SessionReleased             // Session
	Submitted                   // Session
	Configured                  // Usage, Setting
	Noted                       // Text
	Abandoned                   // every open run was given up
	DriverRead                  // Driver

	numWhats = int(DriverRead) + 1
)

var whatNames = [numWhats]string{"", "run start", "run end", "session create", "session ready", "session release", "submit", "set", "note", "abandon", "driver"}

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
	Ended   *Run
	Setting cachemodes.Setting
	Text    string
	Driver  Reading
}

// Name is the entry's kind in words.
func (e *Entry) Name() string {
	if e.What == Happened {
		return e.Event.Kind.String()
	}
	return whatNames[e.What]
}

// NewJournal begins a journal of a ledger that has booked nothing, under a
// config; budget bounds it, in bytes.
func NewJournal(led *Ledger, cfg cachemodes.Config, budget int) *Journal {
	j := &Journal{budget: budget, led: led, config: cfg}
	j.last = chunk{start: j.moment(0)}
	return j
}

// moment is the state now.
func (j *Journal) moment(seq int64) *Moment {
	return &Moment{Ledger: j.led.clone(), Buffers: slices.Clone(j.bufs), Config: j.config, Driver: j.driver, Seq: seq, AtUS: j.prevUS, made: j.made}
}

// seal ends a chunk, begins the next one, and forgets the oldest ones that the
// budget has no room for.
func (j *Journal) seal() {
	full := j.last
	j.sealed = append(j.sealed, &full)
	j.sealedSize += full.size()
	for len(j.sealed) > 1 && j.sealedSize > j.budget {
		j.sealedSize -= j.sealed[0].size()
		j.sealed = j.sealed[1:]
	}
	seq := full.first + full.n
	j.last = chunk{first: seq, start: j.moment(seq), data: make([]byte, 0, len(full.data)+len(full.data)/8)}
}

// follow keeps the record of a buffer.
func follow(bufs []Buffer, e *cachemodes.Event, made *int64, atUS, runs int64) []Buffer {
	switch e.Kind {
	case cachemodes.KeyBorn, cachemodes.KeyDropped, cachemodes.Adjust, cachemodes.Switch, cachemodes.Refresh,
		cachemodes.Fail: // it never was
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
			CreatedRun: runs, CreatedUS: atUS, ChangedUS: atUS,
		}
		fallthrough
	case cachemodes.Hit:
		b.State, b.Requested, b.Session, b.Mode = cachemodes.InUse, e.Requested, e.Session, e.Mode
		b.Uses++
		b.UsedRun = runs
	case cachemodes.Keep, cachemodes.Settle:
		b.State, b.Session = cachemodes.Cached, cachemodes.NoSession
	case cachemodes.Pend:
		b.State, b.Session = cachemodes.Pending, cachemodes.NoSession
	case cachemodes.Destroy:
		b.State = cachemodes.Gone
	}
	return bufs
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
	for r.m.Seq < seq {
		if !r.read() {
			panic(fmt.Sprintf("probe: %v", r.err))
		}
		r.apply()
	}
	return r.m
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
		if r.e.Ended != nil {
			f(r.e.Ended)
		}
	})
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
	return &reader{data: c.data, m: c.start.clone()}
}

// clone is a moment of its own with the same state.
func (m *Moment) clone() *Moment {
	c := *m
	c.Ledger = m.Ledger.clone()
	c.Buffers = slices.Clone(m.Buffers)
	return &c
}
