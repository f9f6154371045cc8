package cli

import (
	"bytes"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

// TestLiveSnapshot: what a live profile showed is what its snapshot says.
func TestLiveSnapshot(t *testing.T) {
	tr, err := workload.Load("bert/varied")
	if err != nil {
		t.Fatal(err)
	}
	live := engine.StartLive(t.Context(), tr, device.NewHost(), engine.LiveOptions{
		Config: cachemodes.DefaultConfig(), Weights: engine.MakeWeights,
		Read: func() engine.Reading { return engine.Reading{Bytes: 12345, OK: true, Source: "a test"} },
	})
	until := func(what string, ok func(*engine.State) bool) *engine.State {
		for range 1000 {
			if st := live.State(); ok(st) {
				return st
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("%s never came", what)
		return nil
	}
	until("run 30", func(s *engine.State) bool { return s.RunCount > 30 })
	live.SetMode(cachemodes.Storage, cachemodes.DynamicBucket)
	st := until("a mark and 30 runs", func(s *engine.State) bool { return len(s.Marks) == 1 && s.RunCount > s.Marks[0].Run+30 })

	var b bytes.Buffer
	if err := snapshots.Write(&b, liveSnapshot(st)); err != nil {
		t.Fatal(err)
	}
	s, err := snapshots.Read(&b, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	end := s.History.At(s.History.End())
	if end.Ledger.Total() != st.Total || end.Ledger.Runs() != st.RunCount || end.Config[cachemodes.Storage].Mode != cachemodes.DynamicBucket {
		t.Errorf("the snapshot ends with %+v,\nthe screen showed %+v", end.Ledger.Total(), st.Total)
	}
	if r := s.Result(); r.Mode != "dynamicBucket" || int64(len(r.Runs)) != st.RunCount || r.Totals.PeakHeldBytes != st.Total.PeakHeld {
		t.Errorf("%s, %d runs, peak %d; want dynamicBucket, %d, %d", r.Mode, len(r.Runs), r.Totals.PeakHeldBytes, st.RunCount, st.Total.PeakHeld)
	}
	if end.Driver.Bytes != 12345 || s.Driver.Source != "a test" {
		t.Errorf("the driver said %+v, %+v", end.Driver, s.Driver)
	}
	if len(s.Marks) != 1 || s.Marks[0].Text != "mode→dynamicBucket" || s.Workload.SHA256 != tr.SHA256 || s.Repeat != 0 {
		t.Errorf("%+v", s.About)
	}
}
