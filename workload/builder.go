package workload

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bucketscope/cachemodes"
)

// maxBytes is the first size that is not accepted: above it JSON numbers of
// most programs lose whole numbers.
const maxBytes = 1 << 53

// limits bound what one trace may make the program hold, whatever the input
// claims.
type limits struct {
	events int // events of one trace; below 2^31
	text   int // bytes of all labels and model names together
}

// defaultLimits let through some six hundred times the longest recording that
// is built in, and keep a Trace to a few GB.
var defaultLimits = limits{events: 1 << 26, text: 1 << 28}

// builder puts a Trace together event by event and refuses every event that
// does not follow from those before it. The reader and the generators both
// build with it, so no Trace exists that was not checked.
type builder struct {
	t      *Trace
	limits limits
	text   int // bytes of labels and model names so far

	newest  map[int64]int32  // the newest session of each id
	state   []sessionState   // one for each of t.Sessions
	running map[runKey]int32 // the runs that are open
	bufs    map[int64]int32  // the slots of the bufs that are out
	seen    idSet            // every buf ever requested
	slots   []slotLife       // the last life of each slot
	free    []int32          // slots that are not out; the last is reused first
	events  int64            // so far
	timeUS  int64            // of the last event that gave one
	session int32            // of the last event; -1 before the first
}

// sessionState is what the checks need to know of a session.
type sessionState struct {
	live, ready bool
	runs        []int32 // open runs, the newest last
}

// runKey names a run: engines number runs per session or throughout.
type runKey struct {
	session int32
	id      int64
}

// slotLife is the last buffer of a slot.
type slotLife struct {
	buf, bytes int64
	event      int64 // of the request
	session    int32
	usage      cachemodes.Usage
	out        bool
}

func newBuilder(h Header, l limits) *builder {
	return &builder{
		t:       &Trace{Header: h},
		limits:  l,
		newest:  make(map[int64]int32),
		running: make(map[runKey]int32),
		bufs:    make(map[int64]int32),
		seen:    newIDSet(),
		session: -1,
	}
}

// lineOf is the line of the event with index i: the header is line 1.
func lineOf(i int64) int { return int(i) + 2 }

// add checks one event and appends it to the trace.
func (b *builder) add(l *line) error {
	if len(b.t.Events) >= b.limits.events {
		return fmt.Errorf("more than %d events", b.limits.events)
	}
	e, err := b.next(l)
	if err == nil {
		b.t.Events = append(b.t.Events, e)
	}
	return err
}

// next checks one event. Its errors say what is wrong without naming the
// place.
func (b *builder) next(l *line) (Event, error) {
	if !l.has(fieldOp) {
		if l.has(fieldFormat) {
			return Event{}, errors.New("a second header")
		}
		return Event{}, errors.New(`missing field "op"`)
	}
	if missing := requiredFields[l.op] &^ l.fields; missing != 0 {
		return Event{}, fmt.Errorf("%v: missing field %q", l.op, missing.first())
	}
	if l.has(fieldTime) {
		b.timeUS = l.timeUS
	}
	e := Event{TimeUS: b.timeUS, Op: l.op, Run: NoRun}
	var err error
	switch l.op {
	case SessionCreate:
		err = b.sessionCreate(l, &e)
	case SessionReady:
		err = b.sessionReady(l, &e)
	case SessionRelease:
		err = b.sessionRelease(l, &e)
	case RunStart:
		err = b.runStart(l, &e)
	case RunEnd:
		err = b.runEnd(l, &e)
	case Request:
		err = b.request(l, &e)
	case Release:
		err = b.release(l, &e)
	case Submit:
		err = b.submit(l, &e)
	}
	if err != nil {
		return Event{}, err
	}
	b.session = e.Session
	b.events++
	return e, nil
}

// live finds the session that a line names, which must not be released.
func (b *builder) live(l *line) (int32, error) {
	s, ok := b.newest[l.session]
	switch {
	case !ok:
		return 0, fmt.Errorf("%v: session %d does not exist", l.op, l.session)
	case !b.state[s].live:
		return 0, fmt.Errorf("%v: session %d was released", l.op, l.session)
	}
	return s, nil
}

// current is the newest open run of a session. Releases and submits do not
// name their run.
func (b *builder) current(session int32) int32 {
	if runs := b.state[session].runs; len(runs) > 0 {
		return runs[len(runs)-1]
	}
	return NoRun
}

// keep counts text that the trace keeps.
func (b *builder) keep(s string) error {
	if b.text += len(s); b.text > b.limits.text {
		return fmt.Errorf("labels and model names of more than %d bytes", b.limits.text)
	}
	return nil
}

func (b *builder) sessionCreate(l *line, e *Event) error {
	if s, ok := b.newest[l.session]; ok && b.state[s].live {
		return fmt.Errorf("session_create: session %d is already loaded", l.session)
	}
	if err := b.keep(l.model); err != nil {
		return err
	}
	e.Session = int32(len(b.t.Sessions))
	b.newest[l.session] = e.Session
	b.state = append(b.state, sessionState{live: true})
	b.t.Sessions = append(b.t.Sessions, Session{ID: l.session, Model: l.model})
	return nil
}

func (b *builder) sessionReady(l *line, e *Event) (err error) {
	if e.Session, err = b.live(l); err != nil {
		return err
	}
	if b.state[e.Session].ready {
		return fmt.Errorf("session_ready: session %d is already ready", l.session)
	}
	b.state[e.Session].ready = true
	return nil
}

func (b *builder) sessionRelease(l *line, e *Event) (err error) {
	if e.Session, err = b.live(l); err != nil {
		return err
	}
	if r := b.current(e.Session); r != NoRun {
		return fmt.Errorf("session_release: run %d of session %d has not ended", b.t.Runs[r].ID, l.session)
	}
	b.state[e.Session].live = false
	return nil
}

func (b *builder) runStart(l *line, e *Event) (err error) {
	if e.Session, err = b.live(l); err != nil {
		return err
	}
	key := runKey{e.Session, l.run}
	if _, ok := b.running[key]; ok {
		return fmt.Errorf("run_start: run %d of session %d is already running", l.run, l.session)
	}
	if err := b.keep(l.label); err != nil {
		return err
	}
	run := Run{ID: l.run, Session: e.Session, Label: l.label}
	run.Kind, run.Tokens = parseLabel(l.label)
	e.Run = int32(len(b.t.Runs))
	b.t.Runs = append(b.t.Runs, run)
	b.running[key] = e.Run
	b.state[e.Session].runs = append(b.state[e.Session].runs, e.Run)
	return nil
}

func (b *builder) runEnd(l *line, e *Event) (err error) {
	if e.Session, err = b.live(l); err != nil {
		return err
	}
	key := runKey{e.Session, l.run}
	run, ok := b.running[key]
	if !ok {
		return fmt.Errorf("run_end without run_start: run %d of session %d is not running", l.run, l.session)
	}
	e.Run = run
	delete(b.running, key)
	s := &b.state[e.Session]
	i := slices.Index(s.runs, run)
	s.runs = slices.Delete(s.runs, i, i+1)
	return nil
}

func (b *builder) request(l *line, e *Event) (err error) {
	if e.Session, err = b.live(l); err != nil {
		return err
	}
	if l.bytes <= 0 || l.bytes >= maxBytes {
		return fmt.Errorf("request: bytes %d is not in 1..2^53-1", l.bytes)
	}
	if l.init && b.state[e.Session].ready {
		return fmt.Errorf("request: phase init after session_ready of session %d", l.session)
	}
	if !l.init && !b.state[e.Session].ready {
		return fmt.Errorf("request: phase run before session_ready of session %d", l.session)
	}
	if l.has(fieldRun) {
		run, ok := b.running[runKey{e.Session, l.run}]
		if !ok {
			return fmt.Errorf("request: run %d of session %d is not running", l.run, l.session)
		}
		e.Run = run
	}
	if slot, ok := b.bufs[l.buf]; ok {
		return fmt.Errorf("request: buf %d is out since line %d", l.buf, lineOf(b.slots[slot].event))
	}
	if b.seen.has(l.buf) {
		return fmt.Errorf("request: buf %d was used before", l.buf)
	}

	if n := len(b.free); n > 0 {
		e.Buf = b.free[n-1]
		b.free = b.free[:n-1]
	} else {
		e.Buf = int32(len(b.slots))
		b.slots = append(b.slots, slotLife{})
	}
	e.Bytes, e.Usage, e.Init = l.bytes, l.usage, l.init
	b.bufs[l.buf] = e.Buf
	b.seen.add(l.buf)
	b.slots[e.Buf] = slotLife{
		buf: l.buf, bytes: l.bytes, session: e.Session, event: b.events, usage: l.usage, out: true,
	}
	return nil
}

func (b *builder) release(l *line, e *Event) error {
	id, ok := b.bufs[l.buf]
	switch {
	case !ok && b.seen.has(l.buf):
		return fmt.Errorf("release: buf %d was already released", l.buf)
	case !ok:
		return fmt.Errorf("release: buf %d was never requested", l.buf)
	}
	slot := &b.slots[id]
	slot.out = false
	e.Buf, e.Session, e.Usage = id, slot.session, slot.usage
	e.Run = b.current(e.Session)
	delete(b.bufs, l.buf)
	b.free = append(b.free, e.Buf)
	return nil
}

// submit may leave its session out: it is then that of the event before. It
// may come after the session's release: what is left of its commands still
// goes to the queue.
func (b *builder) submit(l *line, e *Event) error {
	id := l.session
	if !l.has(fieldSession) {
		if b.session < 0 {
			return errors.New("submit: before any session_create")
		}
		id = b.t.Sessions[b.session].ID
	}
	s, ok := b.newest[id]
	if !ok {
		return fmt.Errorf("submit: session %d does not exist", id)
	}
	e.Session = s
	if l.dispatches < 0 || l.dispatches > math.MaxInt32 {
		return fmt.Errorf("submit: dispatches %d is not in 0..2^31-1", l.dispatches)
	}
	if l.copies < 0 || l.copies > math.MaxInt32 {
		return fmt.Errorf("submit: copies %d is not in 0..2^31-1", l.copies)
	}
	e.Dispatches, e.Copies = int32(l.dispatches), int32(l.copies)
	e.Run = b.current(e.Session)
	return nil
}

// finish makes the checks that need the end of the trace and returns it.
func (b *builder) finish() (*Trace, error) {
	if err := b.end(); err != nil {
		return nil, err
	}
	b.t.split()
	return b.t, nil
}

// end makes those checks and fills in what only the end tells; whether the
// trace can be played in a loop takes its Events.
func (b *builder) end() error {
	t := b.t
	if b.events == 0 {
		return errors.New("no events after the header")
	}
	for s := range b.state {
		if r := b.current(int32(s)); r != NoRun {
			return fmt.Errorf("the recording was cut: run %d of session %d (%q) has no run_end",
				t.Runs[r].ID, t.Sessions[s].ID, t.Runs[r].Label)
		}
	}
	t.Slots = len(b.slots)
	for i, s := range b.slots {
		if s.out {
			t.Leaks = append(t.Leaks, Leak{
				Line: lineOf(s.event), Buf: s.buf, Slot: int32(i),
				Bytes: s.bytes, Usage: s.usage, Session: s.session,
			})
		}
	}
	slices.SortFunc(t.Leaks, func(a, b Leak) int { return cmp.Compare(a.Line, b.Line) })
	return nil
}

// parseLabel reads what the labels of language models say of a run: the words
// n=N and total=T.
func parseLabel(label string) (RunKind, int64) {
	var n, total int64
	for word := range strings.FieldsSeq(label) {
		if v, ok := strings.CutPrefix(word, "n="); ok {
			n = parseCount(v)
		} else if v, ok := strings.CutPrefix(word, "total="); ok {
			total = parseCount(v)
		}
	}
	switch {
	case n < 1 || total < n:
		return Other, 0
	case n == 1:
		return Decode, 1
	default:
		return Prompt, n
	}
}

// parseCount is 0 for what is no count of tokens.
func parseCount(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return int64(n)
}
