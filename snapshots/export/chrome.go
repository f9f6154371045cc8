package export

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"bucketscope/cachemodes"
	"bucketscope/probe"
	"bucketscope/snapshots"
)

// chromePID is the only process of a trace: one recording is of one mode.
const chromePID = 1

// chromeEvent is an entry of traceEvents, as the Trace Event Format of
// chrome://tracing has it. Times are microseconds.
type chromeEvent struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	TS    int64          `json:"ts"`
	Dur   *int64         `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid,omitempty"`
	ID    string         `json:"id,omitempty"`
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// Chrome writes Chrome trace JSON, which Perfetto and chrome://tracing open:
// runs as slices with a thread per session (and one more for each run that
// overlaps another of its session), held bytes as counters, changes of mode as
// instants, buffers as asynchronous pairs from create to destroy.
func Chrome(w io.Writer, s *snapshots.Snapshot) error {
	bw := bufio.NewWriter(w)
	c := &chrome{w: bw}
	if _, err := bw.WriteString(`{"displayTimeUnit":"ms","traceEvents":[`); err != nil {
		return err
	}
	c.names(s)
	c.runs(s)
	c.events(s)
	if c.err != nil {
		return c.err
	}
	if _, err := bw.WriteString("\n]}\n"); err != nil {
		return err
	}
	return bw.Flush()
}

// chrome writes events until the first error.
type chrome struct {
	w     *bufio.Writer
	begun bool
	err   error
}

func (c *chrome) add(e chromeEvent) {
	if c.err != nil {
		return
	}
	e.PID = chromePID
	text, err := json.Marshal(e)
	if err != nil {
		c.err = err
		return
	}
	sep := ",\n"
	if !c.begun {
		c.begun, sep = true, "\n"
	}
	if _, c.err = c.w.WriteString(sep); c.err == nil {
		_, c.err = c.w.Write(text)
	}
}

func (c *chrome) names(s *snapshots.Snapshot) {
	mode := s.History.At(s.History.First()).Config[cachemodes.Storage].Mode
	c.add(chromeEvent{Name: "process_name", Phase: "M", Args: map[string]any{"name": fmt.Sprintf("%s on %s, mode %s", s.Workload.Name, s.Device.Name, mode)}})
}

// runs writes the slices. Threads are numbered as they are needed.
func (c *chrome) runs(s *snapshots.Snapshot) {
	lanes := make([][]lane, len(s.Sessions))
	threads := 0
	for _, r := range s.Runs() {
		l := free(lanes[r.Session], r.StartUS)
		if l < 0 {
			threads++
			l = len(lanes[r.Session])
			lanes[r.Session] = append(lanes[r.Session], lane{tid: threads})
			name := fmt.Sprintf("session %d %s", s.Sessions[r.Session].ID, s.Sessions[r.Session].Model)
			c.add(chromeEvent{Name: "thread_name", Phase: "M", TID: threads, Args: map[string]any{"name": name}})
		}
		lanes[r.Session][l].until = r.EndUS
		d := r.DurationUS()
		c.add(chromeEvent{
			Name: runText(&r), Cat: "run", Phase: "X", TS: r.StartUS, Dur: &d, TID: lanes[r.Session][l].tid,
			Args: map[string]any{
				"run": r.ID, "pass": r.Pass, "mode": r.Mode.String(), "peak_held_bytes": r.PeakHeld, "avg_held_bytes": r.AvgHeld,
				"requests": r.Total.Requests, "hits": r.Total.Hits, "creates": r.Total.Creates, "create_bytes": r.Total.CreateBytes,
			},
		})
	}
}

// lane is a thread whose slices do not overlap.
type lane struct {
	tid   int
	until int64
}

// free is a lane that is free at a time; -1 if there is none. Runs come in the
// order of their ends, so one that started before a lane's last end overlaps
// it.
func free(lanes []lane, atUS int64) int {
	for i, l := range lanes {
		if l.until <= atUS {
			return i
		}
	}
	return -1
}

func runText(r *probe.Run) string {
	if r.Label != "" {
		return r.Label
	}
	return fmt.Sprintf("run %d", r.ID)
}

// events writes counters, instants and buffers.
func (c *chrome) events(s *snapshots.Snapshot) {
	first := s.History.At(s.History.First())
	for id := range first.Buffers { // what was there before the history begins
		if b := &first.Buffers[id]; b.State != cachemodes.Gone {
			c.buffer("b", b.Serial, b.Size, b.Usage, first.AtUS)
		}
	}
	var last int64
	s.History.Scan(s.History.First(), func(m *probe.Moment, e *probe.Entry) bool {
		if e.AtUS > m.AtUS {
			c.counters(m)
		}
		last = e.AtUS
		c.entry(m, e)
		return c.err == nil
	})
	end := s.History.At(s.History.End())
	c.counters(end)
	for id := range end.Buffers {
		if b := &end.Buffers[id]; b.State != cachemodes.Gone {
			c.buffer("e", b.Serial, b.Size, b.Usage, last)
		}
	}
}

// counters writes what is held at a moment, and the most that was held since
// the last time this was written: without it the peaks between two times would
// be lost.
func (c *chrome) counters(m *probe.Moment) {
	t, w := m.Ledger.Total(), m.Ledger.TakeWindow()
	c.add(chromeEvent{Name: "held bytes", Phase: "C", TS: m.AtUS, Args: map[string]any{"in_use": t.InUse, "pending": t.Pending, "cached": t.Cached}})
	c.add(chromeEvent{Name: "highest held bytes", Phase: "C", TS: m.AtUS, Args: map[string]any{"held": max(w.MaxHeld, t.Held())}})
	if m.Driver.OK {
		c.add(chromeEvent{Name: "driver bytes", Phase: "C", TS: m.AtUS, Args: map[string]any{"driver": m.Driver.Bytes}})
	}
}

func (c *chrome) entry(m *probe.Moment, e *probe.Entry) {
	instant := func(name, scope string) {
		c.add(chromeEvent{Name: name, Cat: "mark", Phase: "i", TS: e.AtUS, Scope: scope})
	}
	switch e.What {
	case probe.Configured:
		instant(fmt.Sprintf("%s mode %s", e.Usage, e.Setting.Mode), "g")
	case probe.Noted:
		instant(e.Text, "g")
	case probe.Happened:
		switch e.Event.Kind {
		case cachemodes.Create:
			c.buffer("b", e.Serial, e.Event.Size, e.Usage, e.AtUS)
		case cachemodes.Destroy:
			b := &m.Buffers[e.Event.Buf]
			c.buffer("e", b.Serial, b.Size, b.Usage, e.AtUS)
		case cachemodes.Adjust:
			instant(fmt.Sprintf("%s keys adjusted", e.Usage), "p")
		case cachemodes.Fail:
			instant(fmt.Sprintf("out of memory: %s of %d bytes", e.Usage, e.Event.Size), "g")
		}
	}
}

func (c *chrome) buffer(phase string, serial, size int64, u cachemodes.Usage, atUS int64) {
	e := chromeEvent{Name: fmt.Sprintf("%s %d", u, size), Cat: "buffer", Phase: phase, TS: atUS, ID: fmt.Sprint(serial)}
	if phase == "b" {
		e.Args = map[string]any{"bytes": size}
	}
	c.add(e)
}
