package importer

import (
	"bufio"
	"errors"
	"strconv"
)

// PyTorch: a memory snapshot as torch.cuda.memory._dump_snapshot writes it.
func isPickle(b []byte) bool { return len(b) > 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5 }

func playPyTorch(r *bufio.Reader, t *tape) error {
	v, err := unpickle(r)
	if err != nil {
		return err
	}
	top, ok := v.(*pyDict)
	if !ok {
		return errors.New("no memory snapshot: the pickle is no dictionary with device_traces")
	}
	trace := busiest(top.list("device_traces"))
	if len(trace) == 0 {
		return errors.New("the snapshot has no trace of events (device_traces): record one with torch.cuda.memory._record_memory_history()")
	}
	t.assume(noUsage)
	t.assume(noRuns)
	t.assume(noSubmit)
	t.assume("sizes are PyTorch's, rounded up to 512 bytes; streams are left out; of several devices the one with most events is taken")
	t.assume("what exists at the end and was allocated before the trace is taken for weights")
	for _, b := range before(top, trace) {
		t.weights(b.name, b.size)
	}
	t.runStart("PyTorch trace")
	var begin int64
	for _, x := range trace {
		e, ok := x.(*pyDict)
		if !ok {
			return errors.New("an event of the trace is no dictionary")
		}
		if at := e.int("time_us"); at > 0 {
			if begin == 0 {
				begin = at
			}
			t.at = max(t.at, at-begin)
		}
		name := address(e.int("addr"))
		switch e.text("action") {
		case "alloc":
			if _, out := t.live[name]; out { // the trace lost its release
				t.leave("releases that the trace lost: the address was allocated again")
				t.release(name)
			}
			if err := t.request(name, max(e.int("size"), 0), "storage"); err != nil {
				return err
			}
		case "free_requested":
			t.release(name)
		case "free_completed", "segment_alloc", "segment_free", "segment_map", "segment_unmap", "snapshot":
			// what the allocator below makes of it
		case "oom":
			t.leave("allocations that failed")
		default:
			t.leave("events of the action " + quoted(e.text("action")))
		}
	}
	return t.err
}

func address(n int64) string { return strconv.FormatInt(n, 16) }

// busiest is the trace of the device with most events.
func busiest(devices []any) []any {
	var most []any
	for _, d := range devices {
		if l, ok := d.(*pyList); ok && len(l.items) > len(most) {
			most = l.items
		}
	}
	return most
}

// block is memory that is out.
type block struct {
	name string
	size int64
}

// before lists what is out at the end without having been allocated in the
// trace, in the order of the segments.
func before(top *pyDict, trace []any) []block {
	allocated := map[int64]bool{}
	for _, x := range trace {
		if e, ok := x.(*pyDict); ok && e.text("action") == "alloc" {
			allocated[e.int("addr")] = true
		}
	}
	var out []block
	for _, x := range top.list("segments") {
		s, ok := x.(*pyDict)
		if !ok {
			continue
		}
		at := s.int("address")
		for _, y := range s.list("blocks") {
			b, ok := y.(*pyDict)
			if !ok {
				continue
			}
			if a := b.int("address"); a != 0 { // older snapshots leave it out
				at = a
			}
			if size := b.int("size"); b.text("state") == "active_allocated" && size > 0 && !allocated[at] {
				allocated[at] = true
				out = append(out, block{address(at), size})
			}
			at += b.int("size")
		}
	}
	return out
}
