package workload

import (
	"testing"

	"bucketscope/cachemodes"
)

// TestCalls: each event is the call that it says, weights apart, and the parts
// that share events share calls.
func TestCalls(t *testing.T) {
	tr := &Trace{Events: []Event{
		{Op: SessionCreate},
		{Op: Request, Buf: 3, Bytes: 100, Usage: cachemodes.Storage, Init: true},
		{Op: Request, Buf: 4, Bytes: 64, Usage: cachemodes.Uniform, Init: true, Session: 2},
		{Op: Submit, Session: 2},
		{Op: Release, Buf: 4, Usage: cachemodes.Uniform, Session: 2},
		{Op: RunStart},
		{Op: Release, Buf: 3, Session: 1 << 16},
		{Op: Request, Buf: 5, Bytes: 16, Usage: cachemodes.Uniform},
		{Op: Release, Buf: 5, Usage: cachemodes.Uniform},
		{Op: Request, Buf: 5, Bytes: 16, Usage: cachemodes.Uniform},
		{Op: Release, Buf: 4, Usage: cachemodes.Uniform},
	}}
	want := []cachemodes.Call{
		{},
		{Op: cachemodes.CallRequest, Slot: 3, Bytes: 100, Usage: cachemodes.Weights},
		{Op: cachemodes.CallRequest, Slot: 4, Bytes: 64, Usage: cachemodes.Uniform, Session: 2},
		{Op: cachemodes.CallRefresh, Session: 2},
		{Op: cachemodes.CallRelease, Slot: 4, Session: 2},
		{},
		{}, // of a session that a call has no number for
		{Op: cachemodes.CallBrief, Slot: 5, Bytes: 16, Usage: cachemodes.Uniform},
		{Op: cachemodes.CallRelease, Slot: 5},
		{Op: cachemodes.CallRequest, Slot: 5, Bytes: 16, Usage: cachemodes.Uniform},
		{Op: cachemodes.CallRelease, Slot: 4},
	}
	first := tr.Calls(tr.Events[:3])
	got := tr.Calls(tr.Events)
	if len(first) != 3 || len(got) != len(want) {
		t.Fatalf("%d and %d calls, want 3 and %d", len(first), len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	if again := tr.Calls(tr.Events); &again[0] != &got[0] {
		t.Error("the calls were made twice")
	}
	if tr.Calls(nil) != nil {
		t.Error("no events have calls")
	}
}
