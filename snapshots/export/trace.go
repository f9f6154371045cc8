package export

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"bucketscope/cachemodes"
	"bucketscope/probe"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

// Trace writes what a recording's workload asked for as a trace, which can be
// played under any mode: docs/trace-format.md. It answers what the recording does
// not say and what was assumed in its place.
//
// Runs are numbered anew, since repetitions of a workload number theirs alike. A
// recording whose beginning was dropped, or in which captured graphs were
// replayed, which ask for nothing, makes no trace.
func Trace(w io.Writer, s *snapshots.Snapshot) (unsaid []string, err error) {
	if s.History.First() > 0 {
		return nil, fmt.Errorf("its first %d events were dropped, so that what they asked for is not known: record less at a time", s.History.First())
	}
	if s.GraphCapture {
		return nil, errors.New("graphs were captured in it, and a graph that is replayed asks for nothing: record without --graph-capture")
	}
	t := &tracer{s: s, out: bufio.NewWriter(w), bufs: map[cachemodes.BufID]int64{}, sessions: make([]tracedSession, len(s.Sessions))}
	unsaid = []string{
		"how many dispatches and copies a submit had: each is taken for one dispatch",
		"the application's own buffers, which no cache has",
	}
	t.line(workload.Header{
		Format: workload.FormatName, Version: workload.FormatVersion, Engine: s.Program, Model: s.Workload.Model,
		Pattern: s.Workload.Pattern, Note: "from a recording of " + s.Workload.Name,
	})
	s.History.Scan(0, func(_ *probe.Moment, e *probe.Entry) bool {
		t.entry(e)
		return t.err == nil
	})
	for i := range t.sessions {
		if n := len(t.sessions[i].runs); n > 0 {
			unsaid = append(unsaid, fmt.Sprintf("the rest of the run of session %d that was going on: it is cut at the end of the recording", s.Sessions[i].ID))
			t.endRuns(int32(i))
		}
	}
	if t.failed > 0 {
		unsaid = append(unsaid, fmt.Sprintf("what would have been asked for after %d requests that failed, which are left out", t.failed))
	}
	if t.err != nil {
		return nil, t.err
	}
	return unsaid, t.out.Flush()
}

// tracer writes lines until the first error.
type tracer struct {
	s        *snapshots.Snapshot
	out      *bufio.Writer
	bufs     map[cachemodes.BufID]int64 // the names of what is out
	sessions []tracedSession
	next     int64 // name of a buffer
	nextRun  int64
	atUS     int64
	failed   int
	err      error
}

type tracedSession struct {
	ready bool
	runs  []tracedRun // that are open, the newest last
}

// tracedRun is a run as the recording and as the trace numbers it.
type tracedRun struct{ from, to int64 }

// object is a line of the trace.
type object map[string]any

func (t *tracer) line(v any) {
	if t.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err == nil {
		_, err = t.out.Write(append(text, '\n'))
	}
	t.err = err
}

func (t *tracer) say(op string, session int32, more object) {
	o := object{"op": op, "t_us": t.atUS, "session": session}
	for k, v := range more {
		o[k] = v
	}
	t.line(o)
}

func (t *tracer) entry(e *probe.Entry) {
	t.atUS = e.AtUS
	switch e.What {
	case probe.Happened:
		t.event(e)
	case probe.RunStarted:
		r := tracedRun{e.Run.ID, t.nextRun}
		t.nextRun++
		x := &t.sessions[e.Session]
		x.runs = append(x.runs, r)
		t.say("run_start", e.Session, object{"run": r.to, "label": e.Run.Label})
	case probe.RunEnded:
		x := &t.sessions[e.Session]
		for i, r := range x.runs {
			if r.from == e.Run.ID {
				x.runs = append(x.runs[:i:i], x.runs[i+1:]...)
				t.say("run_end", e.Session, object{"run": r.to})
				return
			}
		}
	case probe.SessionCreated:
		t.say("session_create", e.Session, object{"model": t.s.Sessions[e.Session].Model})
	case probe.SessionIsReady:
		t.sessions[e.Session].ready = true
		t.say("session_ready", e.Session, nil)
	case probe.SessionReleased:
		t.endRuns(e.Session)
		t.say("session_release", e.Session, nil)
	case probe.Submitted:
		t.say("submit", e.Session, object{"dispatches": 1, "copies": 0})
	case probe.SessionAbandoned:
		t.endRuns(e.Session)
	case probe.Abandoned:
		for i := range t.sessions {
			t.endRuns(int32(i))
		}
	}
}

func (t *tracer) endRuns(session int32) {
	for _, r := range t.sessions[session].runs {
		t.say("run_end", session, object{"run": r.to})
	}
	t.sessions[session].runs = nil
}

// event writes a request or a release; what else a cache does is its own affair.
func (t *tracer) event(e *probe.Entry) {
	ev := &e.Event
	switch {
	case ev.Kind == cachemodes.Create || ev.Kind == cachemodes.Hit:
		t.next++
		t.bufs[ev.Buf] = t.next
		x := &t.sessions[ev.Session]
		o := object{"run": nil, "buf": t.next, "bytes": ev.Requested, "usage": ev.Usage.String(), "phase": "run"}
		if ev.Usage == cachemodes.Weights {
			o["usage"] = cachemodes.Storage.String()
		}
		if !x.ready {
			o["phase"] = "init"
		}
		if n := len(x.runs); n > 0 {
			o["run"] = x.runs[n-1].to
		}
		t.say("request", ev.Session, o)
	case ev.Kind == cachemodes.Keep, ev.Kind == cachemodes.Pend, ev.Kind == cachemodes.Destroy && ev.From == cachemodes.InUse:
		t.line(object{"op": "release", "t_us": t.atUS, "buf": t.bufs[ev.Buf]})
		delete(t.bufs, ev.Buf)
	case ev.Kind == cachemodes.Fail:
		t.failed++
	}
}
