package probe

import (
	"encoding/binary"
	"fmt"

	"bucketscope/cachemodes"
)

// This file is the encoding of a journal's entries. Snapshots keep it, so it is
// a format: a change that an older reader would misread needs a new
// snapshots.SnapshotVersion.
//
//	tag       1 byte: a What, or eventTag and a cachemodes.Kind; bit 7 says
//	          that time has passed since the entry before
//	time      if it has: microseconds
//	the rest  by tag, as written below; what earlier entries say of a buffer
//	          is left out
//
// Numbers are the signed varints of encoding/binary, texts a length and bytes.
const (
	eventTag   = 0x20
	timePassed = 0x80
)

// begin writes an entry's tag and time.
func (j *Journal) begin(atUS int64, tag byte) {
	if j.last.full(j.led, j.bufs) {
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

func (j *Journal) byte(b byte) { j.last.data = append(j.last.data, b) }

// Event notes an event of the manager.
func (j *Journal) Event(atUS int64, e *cachemodes.Event) {
	j.begin(atUS, eventTag+byte(e.Kind))
	if e.Kind == cachemodes.Refresh {
		j.track.sample(j.led, j.driver, atUS)
	}
	j.learnt = learn(j.learnt, e, j.led, &j.config)
	j.demand.event(j.led, e)
	switch e.Kind {
	case cachemodes.Create, cachemodes.Fail:
		j.number(int64(e.Buf))
		j.byte(byte(e.Usage))
		j.byte(byte(e.Why))
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
		j.byte(byte(e.Why))
	case cachemodes.Keep, cachemodes.Settle:
		j.number(int64(e.Buf))
	case cachemodes.KeyBorn, cachemodes.KeyDropped:
		j.byte(byte(e.Usage))
		j.number(int64(e.Key))
		j.number(e.Size)
		j.number(int64(e.Session))
	case cachemodes.Adjust, cachemodes.Switch, cachemodes.Refresh:
		j.byte(byte(e.Usage))
		j.number(int64(e.Session))
	case cachemodes.Move:
		panic("probe: Journal.Event wants no Move: whose cache a buffer is in is not kept")
	}
	j.bufs = follow(j.bufs, e, &j.made, atUS, j.led.runs)
}

// StartRun notes that a run starts.
func (j *Journal) StartRun(atUS int64, info RunInfo) {
	j.begin(atUS, byte(RunStarted))
	j.track.sample(j.led, j.driver, atUS)
	j.last.runAt = append(j.last.runAt, j.End()-1)
	j.current = info
	c := coder{out: j.last.data}
	info.code(&c)
	j.last.data = c.out
}

// EndRun notes that it ends.
func (j *Journal) EndRun(atUS int64, session int32, id int64) {
	j.begin(atUS, byte(RunEnded))
	j.track.sample(j.led, j.driver, atUS)
	j.demand.runEnd(j.led, j.learnt)
	j.number(int64(session))
	j.number(id)
}

// Session notes a step of a session's life, or a submit of it.
func (j *Journal) Session(atUS int64, what What, session int32) {
	switch what {
	case SessionCreated, SessionIsReady, SessionReleased, Submitted, GraphCaptured, GraphReplayed, GraphReleased, SessionAbandoned:
	default:
		panic(fmt.Sprintf("probe: Journal.Session wants a step of a session, got %q", whatNames[what]))
	}
	j.begin(atUS, byte(what))
	j.number(int64(session))
}

// Hazard notes a hazard that was seen.
func (j *Journal) Hazard(atUS int64, h *Hazard) {
	j.begin(atUS, byte(HazardSeen))
	c := coder{out: j.last.data}
	h.code(&c)
	j.last.data = c.out
}

// Wait notes that a session waited for the lock of the caches.
func (j *Journal) Wait(atUS int64, session int32, w Waits) {
	j.begin(atUS, byte(Waited))
	j.number(int64(session))
	j.number(w.Count)
	j.number(w.US)
}

// Configure notes that a setting comes into force, before its events.
func (j *Journal) Configure(atUS int64, u cachemodes.Usage, s cachemodes.Setting) {
	j.begin(atUS, byte(Configured))
	j.track.sample(j.led, j.driver, atUS)
	j.byte(byte(u))
	c := coder{out: j.last.data}
	codeSetting(&c, &s)
	j.last.data = c.out
	j.config[u] = s
	j.demand.set(u, &s)
}

// Note notes a remark.
func (j *Journal) Note(atUS int64, text string) {
	j.begin(atUS, byte(Noted))
	c := coder{out: j.last.data}
	c.text(&text)
	j.last.data = c.out
}

// AbandonRuns notes that open runs are given up.
func (j *Journal) AbandonRuns(atUS int64) { j.begin(atUS, byte(Abandoned)) }

// ReadDriver notes what the driver said, if that is new.
func (j *Journal) ReadDriver(atUS int64, r Reading) {
	if r == j.driver {
		return
	}
	j.begin(atUS, byte(DriverRead))
	c := coder{out: j.last.data}
	r.code(&c)
	j.last.data = c.out
	j.driver = r
}

// reader reads entries and follows the state. After a read that answered false
// err tells whether the data ended (nil) or is damaged.
type reader struct {
	first int64 // ordinal of the first entry of data's chunk
	data  []byte
	at    int // in data
	m     *Moment
	e     Entry
	err   error
	// keepRuns is that m.Ended is to have them all.
	keepRuns bool
}

// next reads an entry and lets it take effect; false at the end of the data, or
// where it is damaged.
func (r *reader) next() bool {
	if !r.read() {
		return false
	}
	r.apply()
	return true
}

func (r *reader) byte() byte {
	if r.at >= len(r.data) {
		r.damaged("is cut")
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

func (r *reader) number() int64 {
	if r.at < len(r.data) { // nearly every number is one byte
		if b := r.data[r.at]; b < 0x80 {
			r.at++
			return int64(b>>1) ^ -int64(b&1)
		}
	}
	n, size := binary.Varint(r.data[r.at:])
	if size <= 0 {
		r.damaged("is cut")
		return 0
	}
	r.at += size
	return n
}

// below is a number from 0 to one less than limit.
func (r *reader) below(limit int, what string) int64 {
	n := r.number()
	if n < 0 || n >= int64(limit) {
		r.damaged("names %s %d of %d", what, n, limit)
		return 0
	}
	return n
}

// session is a session's index, or NoSession.
func (r *reader) session() int32 {
	n := r.number()
	if n < int64(cachemodes.NoSession) || n >= maxSessions {
		r.damaged("names session %d", n)
		return 0
	}
	return int32(n)
}

// usage is one below limit: of every usage or of those with a cache.
func (r *reader) usage(limit int) cachemodes.Usage {
	b := r.byte()
	if int(b) >= limit {
		r.damaged("names usage %d", b)
		return 0
	}
	return cachemodes.Usage(b)
}

func (r *reader) reason() cachemodes.Reason {
	b := r.byte()
	if int(b) >= cachemodes.NumReasons {
		r.damaged("names reason %d", b)
		return 0
	}
	return cachemodes.Reason(b)
}

// damaged notes the first thing that is wrong.
func (r *reader) damaged(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("entry %d, near byte %d, %s", r.m.Seq, r.at, fmt.Sprintf(format, args...))
	}
}

// coded reads what a coder wrote.
func (r *reader) coded(code func(*coder)) {
	c := coder{in: r.data[r.at:], reading: true}
	code(&c)
	r.at = len(r.data) - len(c.in)
	if c.err != nil {
		r.damaged("%v", c.err)
	}
}

// read reads the next entry into e, with what the state says of its buffer. It
// answers false at the end of the data, or where it is damaged.
func (r *reader) read() bool {
	if r.at == len(r.data) {
		return false
	}
	e, m := &r.e, r.m
	*e = Entry{Seq: m.Seq, AtUS: m.AtUS, Session: cachemodes.NoSession}
	tag := r.byte()
	if tag&timePassed != 0 {
		e.AtUS += r.number()
	}
	tag &^= timePassed
	if tag >= eventTag {
		r.event(cachemodes.Kind(tag - eventTag))
		return r.err == nil
	}
	e.What = What(tag)
	switch e.What {
	case RunStarted:
		r.coded(e.Run.code)
		e.Session = e.Run.Session
	case RunEnded:
		e.Session = r.session()
		e.Run.Session, e.Run.ID = e.Session, r.number()
	case SessionCreated, SessionIsReady, SessionReleased, Submitted, GraphCaptured, GraphReplayed, GraphReleased, SessionAbandoned:
		e.Session = r.session()
	case HazardSeen:
		r.coded(e.Hazard.code)
		e.Session, e.Usage, e.Serial = e.Hazard.Second.Session, e.Hazard.Usage, e.Hazard.Serial
	case Waited:
		e.Session = r.session()
		e.Waits = Waits{Count: r.number(), US: r.number()}
	case Configured:
		e.Usage = r.usage(cachemodes.NumCaches)
		r.coded(func(c *coder) { codeSetting(c, &e.Setting) })
	case Noted:
		r.coded(func(c *coder) { c.text(&e.Text) })
	case Abandoned:
	case DriverRead:
		r.coded(e.Driver.code)
	default:
		r.damaged("is of no known kind (%d)", tag)
	}
	return r.err == nil
}

// event reads an event of a kind.
func (r *reader) event(k cachemodes.Kind) {
	e, m := &r.e, r.m
	ev := &e.Event
	ev.Kind, ev.Last = k, cachemodes.NoSession
	switch k {
	case cachemodes.Create, cachemodes.Fail:
		ev.Buf = cachemodes.BufID(r.below(len(m.Buffers)+spareBuffers, "buffer"))
		ev.Usage, ev.Why = r.usage(cachemodes.NumUsages), r.reason()
		ev.Key = cachemodes.KeyID(r.number())
		ev.Size = r.number()
		ev.Requested = r.number()
		ev.Session = r.session()
		ev.Mode = m.mode(ev.Usage)
		if k == cachemodes.Create {
			e.Serial = m.made + 1
		}
	case cachemodes.KeyBorn, cachemodes.KeyDropped:
		ev.Usage = r.usage(cachemodes.NumCaches)
		ev.Key = cachemodes.KeyID(r.number())
		ev.Size = r.number()
		ev.Session = r.session()
		ev.Mode = m.mode(ev.Usage)
	case cachemodes.Adjust, cachemodes.Switch, cachemodes.Refresh:
		ev.Usage = r.usage(cachemodes.NumCaches)
		ev.Session = r.session()
		ev.Key = cachemodes.NoKey
		if k != cachemodes.Refresh {
			ev.Mode = m.mode(ev.Usage)
		}
	case cachemodes.Hit, cachemodes.Keep, cachemodes.Pend, cachemodes.Settle, cachemodes.Destroy:
		ev.Buf = cachemodes.BufID(r.below(len(m.Buffers), "buffer"))
		if r.err != nil {
			return
		}
		b := &m.Buffers[ev.Buf]
		ev.Size, ev.Requested, ev.Key, ev.Session, ev.Usage, ev.Mode = b.Size, b.Requested, b.Key, b.Session, b.Usage, b.Mode
		e.Serial = b.Serial
		ev.Last = b.Last
		switch k {
		case cachemodes.Hit:
			ev.Requested = r.number()
			ev.Session = r.session()
			ev.Mode = m.mode(ev.Usage)
		case cachemodes.Keep:
			ev.Last = ev.Session
		case cachemodes.Pend:
			ev.Last = ev.Session
			ev.Why = r.reason()
		case cachemodes.Destroy:
			ev.Why = r.reason()
			if ev.From = b.State; ev.From == cachemodes.InUse && ev.Usage.Cached() {
				ev.Last = ev.Session
			}
		}
	default:
		r.damaged("is of no known kind of event (%d)", k)
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
		m.Track.sample(m.Ledger, m.Driver, e.AtUS)
	}
	switch e.What {
	case Happened:
		m.Learnt = learn(m.Learnt, &e.Event, m.Ledger, &m.Config)
		m.Demand.event(m.Ledger, &e.Event)
		m.Ledger.Apply(&e.Event)
		m.Buffers = follow(m.Buffers, &e.Event, &m.made, e.AtUS, m.Ledger.runs)
	case RunStarted:
		m.Ledger.StartRun(e.Run, e.AtUS)
		m.Current = e.Run
	case RunEnded:
		m.Demand.runEnd(m.Ledger, m.Learnt)
		if !r.keepRuns {
			m.Ended = m.Ended[:0]
		}
		m.Ended = append(m.Ended, m.Ledger.EndRun(e.Run.Session, e.Run.ID, m.Config[cachemodes.Storage].Mode, e.AtUS))
	case Configured:
		m.Config[e.Usage] = e.Setting
		m.Demand.set(e.Usage, &e.Setting)
	case Abandoned:
		m.Ledger.AbandonRuns()
	case DriverRead:
		m.Driver = e.Driver
	case SessionCreated, SessionIsReady, SessionReleased, GraphCaptured, GraphReplayed, GraphReleased, SessionAbandoned:
		m.Ledger.Step(e.What, e.Session)
	case HazardSeen:
		m.Ledger.Hazard(&e.Hazard)
	case Waited:
		m.Ledger.Wait(e.Session, e.Waits)
	}
	m.Seq, m.AtUS = e.Seq+1, e.AtUS
}
