package workload

import (
	"math"
	"sync"

	"bucketscope/cachemodes"
)

// calls are those of the parts of a trace that were asked for.
type calls struct {
	mu sync.Mutex
	of map[*Event][]cachemodes.Call // by the first event of a part
}

// Calls are the events of a part of the trace as calls of a cache manager, one
// for each: Events, Prologue, Loop or Epilogue, whole. What is no call is
// cachemodes.CallOther. They are made when they are first asked for, some
// nanoseconds and 16 bytes an event, and kept; the slice must not be changed. It
// may be called by several goroutines.
func (t *Trace) Calls(part []Event) []cachemodes.Call {
	if len(part) == 0 {
		return nil
	}
	t.calls.mu.Lock()
	defer t.calls.mu.Unlock()
	if out := t.calls.of[&part[0]]; len(out) >= len(part) { // the Prologue begins where Events do
		return out[:len(part)]
	}
	out := make([]cachemodes.Call, len(part))
	for i := range part {
		out[i] = part[i].Call()
	}
	cachemodes.Pair(out)
	if t.calls.of == nil {
		t.calls.of = map[*Event][]cachemodes.Call{}
	}
	t.calls.of[&part[0]] = out
	return out
}

// Call is the event as a call of a cache manager.
func (e *Event) Call() cachemodes.Call {
	c := cachemodes.Call{Session: uint16(e.Session)}
	if e.Session > math.MaxUint16 {
		return c
	}
	switch e.Op {
	case Request:
		c.Op, c.Bytes, c.Slot, c.Usage = cachemodes.CallRequest, e.Bytes, e.Buf, e.CacheUsage()
	case Release:
		c.Op, c.Slot = cachemodes.CallRelease, e.Buf
	case Submit:
		c.Op = cachemodes.CallRefresh
	}
	return c
}

// CacheUsage is what a cache manager takes the buffer of a Request for: a storage
// buffer made before its session was ready is a weight.
func (e *Event) CacheUsage() cachemodes.Usage {
	if e.Init && e.Usage == cachemodes.Storage {
		return cachemodes.Weights
	}
	return e.Usage
}
