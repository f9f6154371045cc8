package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"bucketscope/workload"
)

// tape writes the lines of a trace as a source is read. Sources name memory by
// something of theirs (an address, an id); a name is free again after its
// release, as addresses are.
type tape struct {
	w      *bufio.Writer
	begun  bool
	ready  bool
	inRun  bool
	model  string
	format string
	at     int64 // microseconds
	run    int64 // of the next run
	next   int64 // buf
	live   map[string]int64
	unsaid []string
	drop   []dropped
	err    error
}

// maxReasons bounds the list of dropped.
const maxReasons = 20

// dropped counts lines of a source that are of no use, by the reason why.
type dropped struct {
	why string
	n   int64
}

func newTape(w io.Writer, name, format string) *tape {
	return &tape{w: bufio.NewWriterSize(w, 64<<10), model: name, format: format, live: map[string]int64{}}
}

// assume notes what the source does not say. It must come before the first
// event: the trace's header says it, too.
func (t *tape) assume(text string) { t.unsaid = append(t.unsaid, text) }

// leave counts something that is left out.
func (t *tape) leave(why string) {
	for i := range t.drop {
		if t.drop[i].why == why {
			t.drop[i].n++
			return
		}
	}
	if len(t.drop) >= maxReasons {
		t.drop[maxReasons-1] = dropped{"left out for other reasons", t.drop[maxReasons-1].n + 1}
		return
	}
	t.drop = append(t.drop, dropped{why, 1})
}

func (t *tape) drops() []string {
	var out []string
	for _, d := range t.drop {
		out = append(out, fmt.Sprintf("%d: %s", d.n, d.why))
	}
	return out
}

// line writes one; the first error stays.
func (t *tape) line(v any) {
	if t.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err == nil {
		_, err = t.w.Write(append(text, '\n'))
	}
	t.err = err
}

type object map[string]any

// begin writes the header and loads the only session.
func (t *tape) begin() {
	if t.begun {
		return
	}
	t.begun = true
	t.line(workload.Header{
		Format: workload.FormatName, Version: workload.FormatVersion, Engine: "imported from " + t.format,
		Model: t.model, Pattern: "imported", Note: strings.Join(t.unsaid, "; "),
	})
	t.line(object{"op": "session_create", "t_us": t.at, "session": 0, "model": t.model})
}

// weights requests memory that is never part of a run.
func (t *tape) weights(name string, bytes int64) {
	t.begin()
	t.next++
	t.live[name] = t.next
	t.line(object{"op": "request", "t_us": t.at, "session": 0, "run": nil, "buf": t.next, "bytes": bytes, "usage": "storage", "phase": "init"})
}

// runStart begins a run; what comes before the first one is no weight.
func (t *tape) runStart(label string) {
	t.prepare()
	t.line(object{"op": "run_start", "t_us": t.at, "session": 0, "run": t.run, "label": label})
	t.inRun = true
}

func (t *tape) runEnd() {
	t.line(object{"op": "run_end", "t_us": t.at, "session": 0, "run": t.run})
	t.run++
	t.inRun = false
}

func (t *tape) submit() {
	t.prepare()
	t.line(object{"op": "submit", "t_us": t.at, "session": 0, "dispatches": 1, "copies": 0})
}

// prepare makes the session ready.
func (t *tape) prepare() {
	t.begin()
	if !t.ready {
		t.ready = true
		t.line(object{"op": "session_ready", "t_us": t.at, "session": 0})
	}
}

// request asks for memory under a name that must be free.
func (t *tape) request(name string, bytes int64, usage string) error {
	if _, out := t.live[name]; out {
		return fmt.Errorf("%s is allocated again while it is out", name)
	}
	if bytes == 0 {
		t.leave("requests of 0 bytes")
		return nil
	}
	t.prepare()
	t.next++
	t.live[name] = t.next
	line := object{"op": "request", "t_us": t.at, "session": 0, "run": nil, "buf": t.next, "bytes": bytes, "usage": usage, "phase": "run"}
	if t.inRun {
		line["run"] = t.run
	}
	t.line(line)
	return t.err
}

// release gives back what has the name, if the log saw its request.
func (t *tape) release(name string) {
	buf, out := t.live[name]
	if !out {
		t.leave("releases of memory whose request is not in the log")
		return
	}
	delete(t.live, name)
	t.line(object{"op": "release", "t_us": t.at, "buf": buf})
}

// end ends the run that is open, and the tape.
func (t *tape) end() error {
	if t.inRun {
		t.runEnd()
	}
	if t.err != nil {
		return t.err
	}
	if !t.begun {
		return fmt.Errorf("nothing in it asks for memory")
	}
	return t.w.Flush()
}
