package engine

import (
	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// Follower is told what a Live plays, in batches and in order. Its methods are
// called by the goroutine that plays and must not wait for anything.
type Follower interface {
	// Begin tells that a workload begins with empty books. Sessions that are
	// started beside it are not followed.
	Begin(b Beginning)
	// Played hands a batch over for good. Where it answers false it is told of
	// nothing until the next repetition begins; that it does with a batch that
	// is Fresh.
	Played(b *Batch) bool
	// Batch is an empty one to fill.
	Batch() *Batch
	// Idle tells, some times a second, that the workload waits for the time of
	// its next run.
	Idle()
}

// Beginning is how a workload begins.
type Beginning struct {
	Trace   *workload.Trace
	Config  cachemodes.Config
	Sharing cachemodes.Sharing
	Capture bool
}

// Batch is a stretch of what was played: events, and then at most one change.
type Batch struct {
	// Fresh tells that something before it was left out, from somewhere in a
	// repetition to its end, and others after it.
	Fresh  bool
	Events []*workload.Event // not to be written
	// Runs are those that end in Events, if the device has times.
	Runs []Ran
	// After the events:
	Usage   cachemodes.Usage
	Setting *cachemodes.Setting // of Usage comes into force
	// Boundary tells that repetition Pass, from 0, begins now: what is out was
	// made before the first one and stays out through all.
	Boundary bool
	Pass     int64
}

// Ran is what a run took on the device.
type Ran struct {
	US      int64 // microseconds
	Creates int64 // of everything held
}

// batchEvents is how many events a batch has at most: some tens of
// microseconds' worth, so that followers are close behind, and handing over
// costs little beside them.
const batchEvents = 2048

// tap fills batches for a follower.
type tap struct {
	to    Follower // nil: nobody follows
	batch *Batch   // nil while the follower is behind
	fresh bool     // the next batch comes after a gap
}

func (t *tap) begin(b Beginning) {
	if t.to == nil {
		return
	}
	t.to.Begin(b)
	t.fresh = false
	t.batch = t.to.Batch()
}

// played notes events that were played; ran is the run that ends in them, nil on a
// device without times.
func (t *tap) played(events []workload.Event, ran *Ran) {
	if t.to == nil {
		return
	}
	for i := range events {
		if t.batch == nil {
			return
		}
		t.batch.Events = append(t.batch.Events, &events[i])
		if events[i].Op == workload.RunEnd && ran != nil {
			t.batch.Runs = append(t.batch.Runs, *ran)
		}
		if len(t.batch.Events) >= batchEvents {
			t.hand()
		}
	}
}

// set notes a setting that came into force. A follower that is behind is told
// of the settings in force when it goes on.
func (t *tap) set(u cachemodes.Usage, s cachemodes.Setting) {
	if t.batch == nil {
		return
	}
	t.batch.Usage, t.batch.Setting = u, &s
	t.hand()
}

// pass notes that a repetition begins, under a config.
func (t *tap) pass(n int64, cfg cachemodes.Config) {
	switch {
	case t.to == nil:
	case t.batch != nil:
		t.batch.Boundary, t.batch.Pass = true, n
		t.hand()
	default:
		t.fresh = true
		t.batch = t.to.Batch()
		for u := range cfg { // what was changed meanwhile
			t.set(cachemodes.Usage(u), cfg[u])
		}
		if t.batch != nil {
			t.batch.Boundary, t.batch.Pass = true, n
			t.hand()
		}
	}
}

// idle tells that the workload waits.
func (t *tap) idle() {
	if t.to != nil {
		t.to.Idle()
	}
}

// flush hands over what there is.
func (t *tap) flush() {
	if t.batch != nil && len(t.batch.Events) > 0 {
		t.hand()
	}
}

func (t *tap) hand() {
	b := t.batch
	b.Fresh, t.fresh = t.fresh, false
	if !t.to.Played(b) {
		t.batch, t.fresh = nil, false
		return
	}
	t.batch = t.to.Batch()
}
