package snapshots

import (
	"reflect"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// TestStretchWhole: the stretch that is the whole recording has the recording's
// figures, however it went on.
func TestStretchWhole(t *testing.T) {
	for _, name := range []string{"llama-3.2-1b/two", "unet/varied"} {
		s, want := recorded(t, name, cachemodes.DynamicBucket, 2)
		st := NewStretch(&s.History, 0)
		for to := int64(1000); st.Seq() < s.History.End(); to += 7777 {
			st.Advance(&s.History, to)
		}
		doc := st.Document(&s.About)
		got := doc.Results[0]
		want.EventsPerSecond, want.Sessions = 0, nil // what a stretch does not have
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the stretch has %+v\nthe recording %+v", name, got.Totals, want.Totals)
		}
		if doc.Repeat != 2 || doc.Workload != s.Workload || len(st.Runs()) != len(want.Runs) {
			t.Errorf("%s: it is of %+v, %d runs", name, doc.Workload, len(st.Runs()))
		}
	}
}

// TestStretchParts: what happened in two parts adds up to what happened in all,
// the peak is that of one of them, and a run that the border cuts is in neither.
func TestStretchParts(t *testing.T) {
	s, whole := recorded(t, "bert/varied", cachemodes.BucketMode, 2)
	h := &s.History
	cut := h.End() * 2 / 5
	for h.At(cut).Ledger.InRun() == false {
		cut++
	}
	a, b := NewStretch(h, 0), NewStretch(h, cut)
	a.Advance(h, cut)
	b.Advance(h, h.End())
	x, y := a.Document(&s.About).Results[0], b.Document(&s.About).Results[0]
	sum := x.Totals.Sums
	sum.Requests += y.Totals.Requests
	sum.Hits += y.Totals.Hits
	sum.Creates += y.Totals.Creates
	sum.CreateBytes += y.Totals.CreateBytes
	sum.Destroys += y.Totals.Destroys
	sum.DestroyBytes += y.Totals.DestroyBytes
	all := whole.Totals.Sums
	if sum.Requests != all.Requests || sum.Hits != all.Hits || sum.Creates != all.Creates || sum.CreateBytes != all.CreateBytes ||
		sum.Destroys != all.Destroys || sum.DestroyBytes != all.DestroyBytes {
		t.Errorf("the parts add up to %+v, the whole has %+v", sum, all)
	}
	if got := max(x.Totals.PeakHeldBytes, y.Totals.PeakHeldBytes); got != all.PeakHeldBytes {
		t.Errorf("the higher peak is %d, the whole's %d", got, all.PeakHeldBytes)
	}
	if lo, hi := min(x.Totals.AvgHeldBytes, y.Totals.AvgHeldBytes), max(x.Totals.AvgHeldBytes, y.Totals.AvgHeldBytes); all.AvgHeldBytes < lo || all.AvgHeldBytes > hi {
		t.Errorf("the average %d is not between %d and %d", all.AvgHeldBytes, lo, hi)
	}
	if got := len(x.Runs) + len(y.Runs); got != len(whole.Runs)-1 {
		t.Errorf("%d runs in the parts, %d in all, of which one is cut", got, len(whole.Runs))
	}
	creates := map[int64]int64{}
	for _, r := range []ModeResult{x, y} {
		for _, k := range r.Keys {
			if k.Usage == "storage" {
				creates[k.SizeBytes] += k.Creates
			}
		}
	}
	for _, k := range whole.Keys {
		if k.Usage == "storage" && creates[k.SizeBytes] != k.Creates {
			t.Errorf("key %d: %d created in the parts, %d in all", k.SizeBytes, creates[k.SizeBytes], k.Creates)
		}
	}
	// One that keeps few runs has the last of them, and every other figure.
	few := NewStretch(h, cut)
	few.Keep = 3
	few.Advance(h, h.End())
	z := few.Document(&s.About).Results[0]
	if n := len(z.Runs); n < 3 || n >= 6 || !reflect.DeepEqual(z.Runs, y.Runs[len(y.Runs)-n:]) || !reflect.DeepEqual(z.Totals, y.Totals) {
		t.Errorf("of %d runs %d are kept", len(y.Runs), n)
	}
	// The second part says what a replay of it says.
	var peak int64
	h.Scan(cut, func(m *probe.Moment, _ *probe.Entry) bool {
		total := m.Ledger.Total()
		peak = max(peak, total.Held())
		return true
	})
	end := h.At(h.End()).Ledger.Total()
	if peak = max(peak, end.Held()); y.Totals.PeakHeldBytes != peak {
		t.Errorf("the second part peaks at %d, its moments at %d", y.Totals.PeakHeldBytes, peak)
	}
}
