package workload

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"bucketscope/cachemodes"
)

// errorer is what *testing.T and *rapid.T share.
type errorer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// player plays events as an engine does and checks what a Trace promises.
type player struct {
	t       errorer
	trace   *Trace
	out     []bool // by slot
	owner   []Event
	running map[int32]bool
}

func newPlayer(t errorer, trace *Trace) *player {
	return &player{t, trace, make([]bool, trace.Slots), make([]Event, trace.Slots), make(map[int32]bool)}
}

func (p *player) play(events []Event) {
	p.t.Helper()
	for i, e := range events {
		if int(e.Session) >= len(p.trace.Sessions) || e.Session < 0 {
			p.t.Fatalf("event %d: session %d", i, e.Session)
		}
		if e.Run != NoRun {
			if int(e.Run) >= len(p.trace.Runs) || p.trace.Runs[e.Run].Session != e.Session {
				p.t.Fatalf("event %d: run %d of session %d", i, e.Run, e.Session)
			}
		}
		switch e.Op {
		case RunStart:
			if p.running[e.Run] {
				p.t.Fatalf("event %d: run %d starts twice", i, e.Run)
			}
			p.running[e.Run] = true
		case RunEnd:
			if !p.running[e.Run] {
				p.t.Fatalf("event %d: run %d ends and did not start", i, e.Run)
			}
			delete(p.running, e.Run)
		case Request:
			if p.out[e.Buf] || e.Bytes <= 0 || e.Bytes >= 1<<53 {
				p.t.Fatalf("event %d: request of slot %d, %d bytes", i, e.Buf, e.Bytes)
			}
			if e.Run != NoRun && !p.running[e.Run] {
				p.t.Fatalf("event %d: run %d is not running", i, e.Run)
			}
			p.out[e.Buf], p.owner[e.Buf] = true, e
		case Release:
			o := p.owner[e.Buf]
			if !p.out[e.Buf] || o.Session != e.Session || o.Usage != e.Usage {
				p.t.Fatalf("event %d: %+v releases %+v", i, e, o)
			}
			p.out[e.Buf] = false
		}
	}
}

// checkTrace checks everything that a Trace promises.
func checkTrace(t errorer, trace *Trace) {
	t.Helper()
	p := newPlayer(t, trace)
	p.play(trace.Events)
	if len(p.running) > 0 {
		t.Fatalf("runs %v do not end", p.running)
	}
	leaks := 0
	for _, out := range p.out {
		if out {
			leaks++
		}
	}
	if leaks != len(trace.Leaks) {
		t.Fatalf("%d leaks, not %d", len(trace.Leaks), leaks)
	}
	line := 0
	for _, l := range trace.Leaks {
		o := p.owner[l.Slot]
		if !p.out[l.Slot] || l.Bytes != o.Bytes || l.Usage != o.Usage || l.Session != o.Session || l.Line <= line {
			t.Fatalf("leak %+v of %+v", l, o)
		}
		if e := trace.Events[l.Line-2]; e != o {
			t.Fatalf("line %d is %+v, not %+v", l.Line, e, o)
		}
		line = l.Line
	}
	checkLoop(t, trace, p.out)
}

// checkLoop checks what Prologue, Loop and Epilogue promise; out has the slots
// that are out after the Events.
func checkLoop(t errorer, trace *Trace, out []bool) {
	t.Helper()
	prologue, loop, epilogue := trace.Prologue(), trace.Loop(), trace.Epilogue()
	if loop == nil {
		if prologue != nil || epilogue != nil {
			t.Fatalf("a prologue or an epilogue, and no loop")
		}
		return
	}
	// The order is that of the Events up to the last run_end, and there are no
	// others.
	once := slices.Concat(prologue, loop, epilogue)
	end := len(once)
	for once[end-1].Op != RunEnd {
		end--
	}
	if len(once) != len(trace.Events) || !slices.Equal(once[:end], trace.Events[:end]) {
		t.Fatalf("the parts are not the events")
	}
	if end < len(prologue) || end > len(prologue)+len(loop) {
		t.Fatalf("the last run ends outside of the loop")
	}
	order := func(a, b Event) int {
		return slices.Compare([]int64{a.TimeUS, int64(a.Op), int64(a.Buf)}, []int64{b.TimeUS, int64(b.Op), int64(b.Buf)})
	}
	got, want := slices.Clone(once[end:]), slices.Clone(trace.Events[end:])
	slices.SortStableFunc(got, order)
	slices.SortStableFunc(want, order)
	if !slices.Equal(got, want) {
		t.Fatalf("the events after the last run differ")
	}
	if loop[0].Op != RunStart {
		t.Fatalf("the loop starts with %v", loop[0].Op)
	}

	p := newPlayer(t, trace)
	p.play(prologue)
	before := slices.Clone(p.out)
	for range 3 {
		p.play(loop)
		if !slices.Equal(p.out, before) {
			t.Fatalf("the loop does not leave as it finds")
		}
	}
	p.play(epilogue)
	if !slices.Equal(p.out, out) {
		t.Fatalf("other buffers are out than after the events")
	}
}

// checkRoundTrip writes a trace and reads it back.
func checkRoundTrip(t errorer, trace *Trace) {
	t.Helper()
	var text bytes.Buffer
	if err := Write(&text, trace); err != nil {
		t.Fatalf("%v", err)
	}
	again, err := Read(bytes.NewReader(text.Bytes()), trace.Name)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.Bytes())
	}
	again.SHA256 = trace.SHA256
	if !reflect.DeepEqual(again, trace) {
		t.Fatalf("not the same trace: %s", text.Bytes())
	}
}

func TestBuiltin(t *testing.T) {
	eachBuiltin(t, func(t *testing.T, trace *Trace) {
		checkTrace(t, trace)
		if trace.Loop() == nil {
			t.Error("no loop")
		}
		if len(trace.Leaks) > 0 {
			t.Errorf("leaks: %v", trace.Leaks)
		}
		// The recorder writes as Write does, so the text is the same.
		f, err := recordingFiles.Open(recordingPath(trace.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		zr, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		defer zr.Close()
		source, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := Write(&text, trace); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text.Bytes(), source) {
			t.Error("Write does not give the recording back")
		}
		checkRoundTrip(t, trace)
	})
}

// drawTrace draws a valid trace, built as the reader builds it.
func drawTrace(t *rapid.T) *Trace {
	type session struct {
		id    int64
		ready bool
		runs  []int64
	}
	b := newBuilder(Header{
		Format: FormatName, Version: FormatVersion,
		Model: rapid.String().Draw(t, "model"), Note: rapid.String().Draw(t, "note"),
	}, defaultLimits)
	var live []*session
	var out []int64
	nextID := func(what string) int64 { return rapid.Int64Range(-9, 99).Draw(t, what) }
	used := make(map[int64]bool)
	add := func(l line) {
		l.fields |= fieldOp | requiredFields[l.op]
		if rapid.Bool().Draw(t, "has time") {
			l.fields |= fieldTime
			l.timeUS = rapid.Int64().Draw(t, "time")
		}
		if err := b.add(&l); err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
	}
	anySession := func() *session { return rapid.SampledFrom(live).Draw(t, "session") }
	endRun := func(s *session) {
		i := rapid.IntRange(0, len(s.runs)-1).Draw(t, "run")
		add(line{op: RunEnd, session: s.id, run: s.runs[i]})
		s.runs = slices.Delete(s.runs, i, i+1)
	}
	create := func() {
		id := nextID("session")
		if slices.ContainsFunc(live, func(s *session) bool { return s.id == id }) {
			return
		}
		live = append(live, &session{id: id})
		add(line{op: SessionCreate, session: id, model: rapid.String().Draw(t, "model")})
	}
	create()
	for range rapid.IntRange(0, 80).Draw(t, "steps") {
		if len(live) == 0 {
			create()
			continue
		}
		switch op := rapid.SampledFrom([]Op{
			Request, Request, Request, Request, Release, Release, Release,
			RunStart, RunStart, RunEnd, Submit, SessionReady, SessionCreate, SessionRelease,
		}).Draw(t, "op"); op {
		case SessionCreate:
			create()
		case SessionReady:
			if s := anySession(); !s.ready {
				add(line{op: op, session: s.id})
				s.ready = true
			}
		case SessionRelease:
			s := anySession()
			for len(s.runs) > 0 {
				endRun(s)
			}
			add(line{op: op, session: s.id})
			live = slices.DeleteFunc(live, func(x *session) bool { return x == s })
		case RunStart:
			s := anySession()
			if run := nextID("run"); !slices.Contains(s.runs, run) {
				s.runs = append(s.runs, run)
				add(line{op: op, session: s.id, run: run, label: rapid.String().Draw(t, "label")})
			}
		case RunEnd:
			if s := anySession(); len(s.runs) > 0 {
				endRun(s)
			}
		case Request:
			s := anySession()
			l := line{
				op: op, session: s.id, init: !s.ready,
				buf:   rapid.Int64Range(-3, 400).Draw(t, "buf"),
				bytes: rapid.Int64Range(1, maxBytes-1).Draw(t, "bytes"),
				usage: rapid.SampledFrom([]cachemodes.Usage{
					cachemodes.Storage, cachemodes.Uniform, cachemodes.QueryResolve, cachemodes.Staging, cachemodes.User,
				}).Draw(t, "usage"),
			}
			if used[l.buf] {
				continue
			}
			if len(s.runs) > 0 && rapid.Bool().Draw(t, "in run") {
				l.run, l.fields = rapid.SampledFrom(s.runs).Draw(t, "run"), fieldRun
			}
			add(l)
			used[l.buf] = true
			out = append(out, l.buf)
		case Release:
			if len(out) > 0 {
				i := rapid.IntRange(0, len(out)-1).Draw(t, "out")
				add(line{op: op, buf: out[i]})
				out = slices.Delete(out, i, i+1)
			}
		case Submit:
			l := line{op: op, dispatches: rapid.Int64Range(0, 1<<31-1).Draw(t, "dispatches")}
			if rapid.Bool().Draw(t, "names session") {
				l.session, l.fields = anySession().id, fieldSession
			}
			add(l)
		}
	}
	for _, s := range live {
		for len(s.runs) > 0 {
			endRun(s)
		}
	}
	// Some are leaked.
	for _, buf := range out {
		if rapid.IntRange(0, 9).Draw(t, "leak") > 0 {
			add(line{op: Release, buf: buf})
		}
	}
	trace, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestRandomTraces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace := drawTrace(t)
		checkTrace(t, trace)
		checkRoundTrip(t, trace)
	})
}

// TestLoopMovesReleases has the releases that end the loop among others.
func TestLoopMovesReleases(t *testing.T) {
	const request = `{"op":"request","session":0,"run":null,"bytes":16,"usage":"storage","phase":"run","buf":`
	trace, err := Read(bytes.NewReader(packed(t, nil, []string{
		"@loaded",
		request + "1}",
		"@run",
		request + "2}",
		request + "3}",
		request + "4}",
		`{"op":"release","buf":3}`,
		`{"op":"run_end","session":0,"run":0}`,
		`{"op":"release","buf":1}`,
		request + "5}",
		`{"op":"release","buf":4}`,
		`{"op":"release","buf":5}`,
		`{"op":"release","buf":2}`,
		`{"op":"session_release","session":0}`,
	})), "name")
	if err != nil {
		t.Fatal(err)
	}
	checkTrace(t, trace)
	if p, l, e := len(trace.Prologue()), len(trace.Loop()), len(trace.Epilogue()); p != 3 || l != 8 || e != 4 {
		t.Errorf("%d, %d and %d events", p, l, e)
	}
}

// TestNoLoop has what makes a repetition impossible.
func TestNoLoop(t *testing.T) {
	const (
		request  = `{"op":"request","session":0,"run":null,"buf":1,"bytes":16,"usage":"storage","phase":"run"}`
		release  = `{"op":"release","buf":1}`
		runStart = `{"op":"run_start","session":0,"run":1,"label":""}`
		runEnd   = `{"op":"run_end","session":0,"run":1}`
	)
	for name, lines := range map[string][]string{
		"no run":                     {request, release},
		"a session is created":       {runStart, `{"op":"session_create","session":1,"model":"m"}`, runEnd},
		"an old buffer is released":  {request, runStart, release, runEnd},
		"a buffer is never released": {runStart, request, runEnd},
	} {
		trace, err := Read(bytes.NewReader(packed(t, nil, append([]string{"@loaded"}, lines...))), "name")
		if err != nil {
			t.Fatal(err)
		}
		checkTrace(t, trace)
		if trace.Loop() != nil {
			t.Errorf("%s: a loop", name)
		}
	}
}

// failingWriter fails after some bytes.
type failingWriter int

func (w *failingWriter) Write(p []byte) (int, error) {
	if *w -= failingWriter(len(p)); *w < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	trace := loadBuiltin(t, "unet/varied")
	for _, room := range []failingWriter{0, 70_000} {
		if err := Write(&room, trace); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%v", err)
		}
	}
}
