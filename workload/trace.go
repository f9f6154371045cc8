// Package workload holds what an engine asks of its buffer allocator: recorded
// traces, the recordings built into the program, and generators for what
// recordings cannot cover.
//
//	file ──► Read ──► builder (checks every event) ──► Trace ──► engine
//	         LLM ────────┘
//
// A Trace is plain data. It knows the words of cachemodes (Usage) and nothing
// of policies, devices or screens.
package workload

import "bucketscope/cachemodes"

// Op is what an event of a trace does.
type Op uint8

// The operations of trace format version 1.
const (
	SessionCreate  Op = iota // a model starts to load
	SessionReady             // initialised: later requests are no longer weights
	RunStart                 // an inference starts
	Request                  // a buffer is asked for
	Release                  // a buffer is given back
	Submit                   // recorded commands went to the queue: the refresh point
	RunEnd                   // the inference ended
	SessionRelease           // the model is unloaded
)

// Event is one line of a trace, with names replaced by indices so that a
// replay looks nothing up.
type Event struct {
	// TimeUS is microseconds since the trace began, on the recording host; of
	// an event that came without, that of the event before. The order of
	// events is what counts.
	TimeUS int64
	// Bytes is what a Request asks for, before any rounding of ours; above 0.
	Bytes int64
	// Buf names the buffer of a Request or Release: a slot in
	// [0, Trace.Slots), free again after the Release.
	Buf int32
	// Session is an index into Trace.Sessions. A Release carries the session
	// that requested the buffer.
	Session int32
	// Run is an index into Trace.Runs, or NoRun between runs. The lines of a
	// Release and a Submit name no run: they carry the newest open run of
	// their session.
	Run int32
	// Dispatches and Copies are what a Submit sent.
	Dispatches, Copies int32
	Op                 Op
	// Usage of a Request or Release; never Weights or Default: a storage
	// request with Init set is what becomes a weight.
	Usage cachemodes.Usage
	// Init marks a Request made before its session was ready.
	Init bool
}

// NoRun is the Event.Run of events outside every run.
const NoRun = -1

// Session is one loaded model of a trace.
type Session struct {
	ID    int64 // as the trace numbers it
	Model string
}

// Run is one inference of a trace.
type Run struct {
	ID      int64 // as the trace numbers it
	Session int32 // index into Trace.Sessions
	Label   string
	Kind    RunKind
	// Tokens is how many tokens the run computes, 0 where that is not known.
	Tokens int64
}

// RunKind says which phase of a language model a run is.
type RunKind uint8

// The kinds of run. Labels of language models read "... n=N total=T": N above
// one is a prompt pass, one is a decode step.
const (
	Other RunKind = iota
	Prompt
	Decode
)

// Header is the first line of a trace file.
type Header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Engine  string `json:"engine"`
	Model   string `json:"model"`
	Pattern string `json:"pattern"`
	Note    string `json:"note"`
}

// Trace is a whole workload, checked: every Release has its Request, every
// RunEnd its RunStart, slots and indices are in range.
type Trace struct {
	Header Header
	// Name is "model/pattern" for what is built in, else the file's name.
	Name string
	// SHA256 is the hex digest of the uncompressed JSON Lines text, so that
	// the same recording has one identity however it is compressed. For a
	// generated workload it is that of the text it would be written as.
	SHA256   string
	Sessions []Session
	Runs     []Run
	Events   []Event
	// Slots is one more than the highest Event.Buf.
	Slots int
	// Leaks are the buffers still out at the end, in order of their request.
	Leaks []Leak

	prologue, loop, epilogue []Event // see Loop
	calls                    calls   // see Calls
}

// Leak is a buffer that the recorded program never gave back.
type Leak struct {
	Line    int   // of its request in the file; 0 for a generated trace
	Buf     int64 // as the trace names it
	Slot    int32
	Bytes   int64
	Usage   cachemodes.Usage
	Session int32
}
