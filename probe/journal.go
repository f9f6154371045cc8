package probe

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"bucketscope/cachemodes"
)

// Journal keeps what happened, bounded, so that the state at any moment it
// reaches back to can be had again, exactly.
//
//	chunk   checkpoint │ entry entry entry ...   64 Ki entries
//	chunk   checkpoint │ entry entry ...         the last one is written to
//
// An entry is some five bytes: a buffer's number and what no earlier entry of
// it says. So entries are read from a checkpoint on, while the state is
// rebuilt along with them, at some tens of nanoseconds each. When entries and
// checkpoints outgrow the budget, the oldest chunk is forgotten.
//
// It is told of everything just before the Ledger is, by one goroutine. Any
// goroutine may read a History, which does not change.
type Journal struct {
	budget  int
	led     *Ledger
	bufs    []Buffer
	config  cachemodes.Config
	made    int64 // buffers ever
	learnt  []bool
	current RunInfo
	track   Track

	sealed     []*chunk
	sealedSize int
	last       chunk
	prevUS     int64 // time of the last entry
}

// chunkEntries is how many entries a chunk holds: rebuilding a moment reads at
// most so many. A variable for tests.
var chunkEntries = 1 << 16

type chunk struct {
	first    int64 // ordinal of its first entry
	n        int64
	start    *Moment // before the first entry; never changed
	data     []byte
	texts    []string
	runs     []RunInfo
	runAt    []int64 // ordinals of the entries that start them
	settings []cachemodes.Setting
}

// size is what a chunk takes, in bytes, near enough to budget with.
func (c *chunk) size() int {
	const perKey, perBuffer, perText = 400, 112, 64
	return len(c.data) + len(c.start.Ledger.keys)*perKey + len(c.start.Buffers)*perBuffer + (len(c.texts)+2*len(c.runs))*perText
}

// Moment is everything known at one instant.
type Moment struct {
	Ledger *Ledger
	// Buffers are by BufID; an id that no buffer has is Gone.
	Buffers []Buffer
	Config  cachemodes.Config
	// Learnt says, by KeyID, what is a key of a learning mode.
	Learnt []bool
	// Current is the run that started last.
	Current RunInfo
	// Track is the graph up to here; of the slots that are over it has those
	// since the checkpoint.
	Track Track
	// Ended are the runs that ended since the checkpoint where History.At made
	// the moment, else the last of them.
	Ended []Run
	// Seq is how many entries had happened; AtUS the time of the last.
	Seq  int64
	AtUS int64
	made int64
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
	RunEnded                    // Run: its session and id
	SessionCreated              // Session
	SessionIsReady              // Session
	SessionReleased             // Session
	Submitted                   // Session
	Configured                  // Usage, Setting
	Noted                       // Text
	Abandoned                   // every open run was given up

	numWhats = int(Abandoned) + 1
)

var whatNames = [numWhats]string{"", "run start", "run end", "session create", "session ready", "session release", "submit", "set", "note", "abandon"}

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
}

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

// NewJournal begins a journal of a ledger that has booked nothing, under a
// config; budget bounds it, in bytes. Its graph is kept in a series.
func NewJournal(led *Ledger, cfg cachemodes.Config, budget int, graph *Series) *Journal {
	j := &Journal{budget: budget, led: led, config: cfg, track: Track{Series: graph}}
	j.last = chunk{start: j.moment(0)}
	return j
}

// moment is the state now.
func (j *Journal) moment(seq int64) *Moment {
	return &Moment{
		Ledger: j.led.clone(), Buffers: slices.Clone(j.bufs), Config: j.config, Learnt: slices.Clone(j.learnt),
		Current: j.current, Track: j.track.fork(), Seq: seq, AtUS: j.prevUS, made: j.made,
	}
}

// Track is the graph up to now.
func (j *Journal) Track() *Track { return &j.track }

// End is one more than the ordinal of the newest entry.
func (j *Journal) End() int64 { return j.last.first + j.last.n }

// An entry begins with a tag: what it is, or for an event its kind after the
// whats, and a bit that says that time has passed, which then follows.
const timePassed = 0x80

// begin writes an entry's tag and time.
func (j *Journal) begin(atUS int64, tag byte) {
	if j.last.n >= int64(chunkEntries) {
		j.seal()
	}
	j.last.n++
	if atUS == j.prevUS {
		j.last.data = append(j.last.data, tag)
		return
	}
	j.last.data = append(j.last.data, tag|timePassed)
	j.number(atUS - j.prevUS)
	j.prevUS = atUS
}

func (j *Journal) number(n int64) { j.last.data = binary.AppendVarint(j.last.data, n) }

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

// Event notes an event of the manager.
func (j *Journal) Event(atUS int64, e *cachemodes.Event) {
	j.begin(atUS, byte(numWhats)+byte(e.Kind))
	if e.Kind == cachemodes.Refresh {
		j.track.sample(j.led, atUS)
	}
	j.learnt = learn(j.learnt, e, j.led, &j.config)
	switch e.Kind {
	case cachemodes.Create, cachemodes.Fail:
		j.number(int64(e.Buf))
		j.last.data = append(j.last.data, byte(e.Usage), byte(e.Why))
		j.number(int64(e.Key))
		j.number(e.Size)
		j.number(e.Requested)
		j.number(int64(e.Session))
	case cachemodes.Hit:
		j.number(int64(e.Buf))
		j.number(e.Requested)
		j.number(int64(e.Session))
	case cachemodes.Pend, cachemodes.Destroy:
		j.number(int64(e.Buf))
		j.last.data = append(j.last.data, byte(e.Why))
	case cachemodes.Keep, cachemodes.Settle:
		j.number(int64(e.Buf))
	case cachemodes.KeyBorn, cachemodes.KeyDropped:
		j.last.data = append(j.last.data, byte(e.Usage))
		j.number(int64(e.Key))
		j.number(e.Size)
		j.number(int64(e.Session))
	case cachemodes.Adjust, cachemodes.Switch, cachemodes.Refresh:
		j.last.data = append(j.last.data, byte(e.Usage))
		j.number(int64(e.Session))
	}
	j.bufs = follow(j.bufs, e, &j.made, atUS, j.led.runs)
}

// StartRun notes that a run starts.
func (j *Journal) StartRun(atUS int64, info RunInfo) {
	j.begin(atUS, byte(RunStarted))
	j.track.sample(j.led, atUS)
	j.number(int64(len(j.last.runs)))
	j.last.runs = append(j.last.runs, info)
	j.last.runAt = append(j.last.runAt, j.End()-1)
	j.current = info
}

// EndRun notes that it ends.
func (j *Journal) EndRun(atUS int64, session int32, id int64) {
	j.begin(atUS, byte(RunEnded))
	j.track.sample(j.led, atUS)
	j.number(int64(session))
	j.number(id)
}

// Session notes a step of a session's life, or a submit of it.
func (j *Journal) Session(atUS int64, what What, session int32) {
	switch what {
	case SessionCreated, SessionIsReady, SessionReleased, Submitted:
	default:
		panic(fmt.Sprintf("probe: Journal.Session wants a step of a session, got %q", whatNames[what]))
	}
	j.begin(atUS, byte(what))
	j.number(int64(session))
}

// Configure notes that a setting comes into force, before its events.
func (j *Journal) Configure(atUS int64, u cachemodes.Usage, s cachemodes.Setting) {
	j.begin(atUS, byte(Configured))
	j.track.sample(j.led, atUS)
	j.last.data = append(j.last.data, byte(u))
	j.number(int64(len(j.last.settings)))
	j.last.settings = append(j.last.settings, s)
	j.config[u] = s
}

// Note notes a remark.
func (j *Journal) Note(atUS int64, text string) {
	j.begin(atUS, byte(Noted))
	j.number(int64(len(j.last.texts)))
	j.last.texts = append(j.last.texts, text)
}

// AbandonRuns notes that open runs are given up.
func (j *Journal) AbandonRuns(atUS int64) { j.begin(atUS, byte(Abandoned)) }

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
		r.next()
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
	if c.r == nil || c.r.c.first != at.first || c.r.m.Seq > seq {
		c.r = h.reader(seq)
	}
	c.r.c = *at
	for c.r.m.Seq < seq {
		c.r.next()
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
	r := h.reader(seq)
	for r.m.Seq < h.End() {
		if !r.read() {
			r = h.reader(r.m.Seq)
			continue
		}
		if r.e.Seq >= seq && !f(r.m, &r.e) {
			return
		}
		r.apply()
	}
}

// reader begins to read at the checkpoint before seq.
func (h *History) reader(seq int64) *reader {
	c := h.chunkAt(seq)
	m := *c.start
	m.Ledger = m.Ledger.clone()
	m.Buffers = slices.Clone(m.Buffers)
	m.Learnt = slices.Clone(m.Learnt)
	m.Track = m.Track.fork()
	return &reader{c: *c, m: &m}
}

// reader reads entries of one chunk and follows the state.
type reader struct {
	c  chunk // a copy: a History is a value, and may be another one later
	at int   // in c.data
	m  *Moment
	e  Entry
	// keepRuns is that m.Ended is to have them all.
	keepRuns bool
}

func (r *reader) byte() byte {
	b := r.c.data[r.at]
	r.at++
	return b
}

func (r *reader) number() int64 {
	n, size := binary.Varint(r.c.data[r.at:])
	if size <= 0 {
		panic(fmt.Sprintf("probe: a journal's entry at byte %d of its chunk is cut", r.at))
	}
	r.at += size
	return n
}

// next reads an entry and lets it take effect; false at the end of the chunk.
func (r *reader) next() bool {
	if !r.read() {
		return false
	}
	r.apply()
	return true
}

// read reads the next entry into e, with what the state says of its buffer.
func (r *reader) read() bool {
	if r.at == len(r.c.data) {
		return false
	}
	e, m := &r.e, r.m
	*e = Entry{Seq: m.Seq, AtUS: m.AtUS, Session: cachemodes.NoSession}
	tag := r.byte()
	if tag&timePassed != 0 {
		e.AtUS += r.number()
	}
	tag &^= timePassed
	if int(tag) >= numWhats {
		r.event(cachemodes.Kind(int(tag) - numWhats))
		return true
	}
	e.What = What(tag)
	switch e.What {
	case RunStarted:
		e.Run = r.c.runs[r.number()]
		e.Session = e.Run.Session
	case RunEnded:
		e.Session = int32(r.number())
		e.Run.Session, e.Run.ID = e.Session, r.number()
	case SessionCreated, SessionIsReady, SessionReleased, Submitted:
		e.Session = int32(r.number())
	case Configured:
		e.Usage = cachemodes.Usage(r.byte())
		e.Setting = r.c.settings[r.number()]
	case Noted:
		e.Text = r.c.texts[r.number()]
	}
	return true
}

// event reads an event of a kind.
func (r *reader) event(k cachemodes.Kind) {
	e, m := &r.e, r.m
	ev := &e.Event
	ev.Kind = k
	switch k {
	case cachemodes.Create, cachemodes.Fail:
		ev.Buf = cachemodes.BufID(r.number())
		ev.Usage, ev.Why = cachemodes.Usage(r.byte()), cachemodes.Reason(r.byte())
		ev.Key = cachemodes.KeyID(r.number())
		ev.Size = r.number()
		ev.Requested = r.number()
		ev.Session = int32(r.number())
		ev.Mode = m.mode(ev.Usage)
		if k == cachemodes.Create {
			e.Serial = m.made + 1
		}
	case cachemodes.KeyBorn, cachemodes.KeyDropped:
		ev.Usage = cachemodes.Usage(r.byte())
		ev.Key = cachemodes.KeyID(r.number())
		ev.Size = r.number()
		ev.Session = int32(r.number())
		ev.Mode = m.mode(ev.Usage)
	case cachemodes.Adjust, cachemodes.Switch, cachemodes.Refresh:
		ev.Usage = cachemodes.Usage(r.byte())
		ev.Session = int32(r.number())
		ev.Key = cachemodes.NoKey
		if k != cachemodes.Refresh {
			ev.Mode = m.mode(ev.Usage)
		}
	default:
		ev.Buf = cachemodes.BufID(r.number())
		b := &m.Buffers[ev.Buf]
		ev.Size, ev.Requested, ev.Key, ev.Session, ev.Usage, ev.Mode = b.Size, b.Requested, b.Key, b.Session, b.Usage, b.Mode
		e.Serial = b.Serial
		switch k {
		case cachemodes.Hit:
			ev.Requested = r.number()
			ev.Session = int32(r.number())
			ev.Mode = m.mode(ev.Usage)
		case cachemodes.Pend:
			ev.Why = cachemodes.Reason(r.byte())
		case cachemodes.Destroy:
			ev.Why = cachemodes.Reason(r.byte())
			ev.From = b.State
		}
	}
	e.Usage, e.Session = ev.Usage, ev.Session
}

// mode is the one in force for a usage; the zero mode for one without a cache.
func (m *Moment) mode(u cachemodes.Usage) cachemodes.ModeID {
	if u.Cached() {
		return m.Config[u].Mode
	}
	return 0
}

// apply lets the entry that was read take effect.
func (r *reader) apply() {
	e, m := &r.e, r.m
	if m.Ledger.timed {
		m.Ledger.Advance(e.AtUS)
	}
	if e.sampled() {
		m.Track.sample(m.Ledger, e.AtUS)
	}
	switch e.What {
	case Happened:
		m.Learnt = learn(m.Learnt, &e.Event, m.Ledger, &m.Config)
		m.Ledger.Apply(&e.Event)
		m.Buffers = follow(m.Buffers, &e.Event, &m.made, e.AtUS, m.Ledger.runs)
	case RunStarted:
		m.Ledger.StartRun(e.Run, e.AtUS)
		m.Current = e.Run
	case RunEnded:
		if !r.keepRuns {
			m.Ended = m.Ended[:0]
		}
		m.Ended = append(m.Ended, m.Ledger.EndRun(e.Run.Session, e.Run.ID, m.Config[cachemodes.Storage].Mode, e.AtUS))
	case Configured:
		m.Config[e.Usage] = e.Setting
	case Abandoned:
		m.Ledger.AbandonRuns()
	}
	m.Seq, m.AtUS = e.Seq+1, e.AtUS
}
