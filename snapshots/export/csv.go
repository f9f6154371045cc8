package export

import (
	"cmp"
	"encoding/csv"
	"io"
	"slices"
	"strconv"

	"bucketscope/cachemodes"
	"bucketscope/probe"
	"bucketscope/snapshots"
)

var seriesHead = []string{
	"time_us", "event", "session", "run", "runs_ended", "held_bytes", "highest_held_bytes", "in_use_bytes", "pending_bytes", "cached_bytes",
	"requested_bytes", "padding_bytes", "peak_held_bytes", "avg_held_bytes", "floor_bytes", "requests", "hits", "creates", "create_bytes",
	"destroys", "driver_bytes",
}

// CSV writes the series: a row at every start and end of a run, submit and
// change of mode. highest_held_bytes is since the row before, so that no peak
// is lost; the counts are since the beginning. A reading that the driver does
// not give is an empty field.
func CSV(w io.Writer, s *snapshots.Snapshot) error {
	out := csv.NewWriter(w)
	if err := out.Write(seriesHead); err != nil {
		return err
	}
	var err error
	row := make([]string, 0, len(seriesHead))
	s.History.Scan(s.History.First(), func(m *probe.Moment, e *probe.Entry) bool {
		switch e.What {
		case probe.RunStarted, probe.RunEnded, probe.Submitted, probe.Configured:
		default:
			return true
		}
		t, win := m.Ledger.Total(), m.Ledger.TakeWindow()
		row = append(row[:0], strconv.FormatInt(e.AtUS, 10), e.Name(), session(s, e.Session), runField(e))
		for _, n := range []int64{
			m.Ledger.Runs(), t.Held(), max(win.MaxHeld, t.Held()), t.InUse, t.Pending, t.Cached, t.Requested, t.Padding(),
			t.PeakHeld, t.AvgHeld(), t.Floor, t.Requests, t.Hits, t.Creates, t.CreateBytes, t.Destroys,
		} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		driver := ""
		if m.Driver.OK {
			driver = strconv.FormatInt(m.Driver.Bytes, 10)
		}
		err = out.Write(append(row, driver))
		return err == nil
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// session is the workload's number of a session; empty for none.
func session(s *snapshots.Snapshot, i int32) string {
	if i == cachemodes.NoSession {
		return ""
	}
	return strconv.FormatInt(s.Sessions[i].ID, 10)
}

func runField(e *probe.Entry) string {
	if e.What == probe.RunStarted || e.What == probe.RunEnded {
		return strconv.FormatInt(e.Run.ID, 10)
	}
	return ""
}

// mib is what ONNX Runtime PR #25120 calls MB.
func mib(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 2, 64) }

// ORTMemory writes the first of the two files of ONNX Runtime PR #25120: a row
// per run, which it calls a session. As there, the figures are of the storage
// cache, without weights; Timestamp is the run's end, in microseconds since the
// recording began.
func ORTMemory(w io.Writer, s *snapshots.Snapshot) error {
	out := csv.NewWriter(w)
	err := out.Write([]string{"Timestamp", "Session", "TotalMemory(MB)", "PeakMemory(MB)", "ActiveBuffers", "TotalBuffers", "CacheHit(MB)", "CacheMiss(MB)"})
	if err != nil {
		return err
	}
	var hit, miss int64
	s.History.Scan(s.History.First(), func(m *probe.Moment, e *probe.Entry) bool {
		if ev := &e.Event; e.What == probe.Happened && e.Usage == cachemodes.Storage {
			switch ev.Kind {
			case cachemodes.Hit:
				hit += ev.Size
			case cachemodes.Create:
				miss += ev.Size
			}
		}
		if e.What != probe.RunEnded {
			return true
		}
		b := m.Ledger.Usage(cachemodes.Storage)
		err = out.Write([]string{
			strconv.FormatInt(e.AtUS, 10), strconv.FormatInt(m.Ledger.Runs(), 10), mib(b.Held()), mib(b.PeakHeld),
			strconv.FormatInt(b.InUseCount, 10), strconv.FormatInt(b.InUseCount+b.PendingCount+b.CachedCount, 10), mib(hit), mib(miss),
		})
		hit, miss = 0, 0
		return err == nil
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// ORTSizes writes the second file of PR #25120: a row per run and size of
// buffer. Rates are percent.
func ORTSizes(w io.Writer, s *snapshots.Snapshot) error {
	out := csv.NewWriter(w)
	err := out.Write([]string{
		"Session", "BufferSize", "Requests", "TotalRequestedSize", "TotalNormalizedSize",
		"Hits", "HitBytes", "HitRate", "Misses", "MissBytes", "MissRate",
	})
	if err != nil {
		return err
	}
	type sums struct{ size, requests, asked, hits int64 }
	sizes := map[int64]*sums{}
	s.History.Scan(s.History.First(), func(m *probe.Moment, e *probe.Entry) bool {
		ev := &e.Event
		if e.What == probe.Happened && e.Usage == cachemodes.Storage && (ev.Kind == cachemodes.Hit || ev.Kind == cachemodes.Create) {
			x := sizes[ev.Size]
			if x == nil {
				x = &sums{size: ev.Size}
				sizes[ev.Size] = x
			}
			x.requests++
			x.asked += ev.Requested
			if ev.Kind == cachemodes.Hit {
				x.hits++
			}
		}
		if e.What != probe.RunEnded {
			return true
		}
		var sorted []*sums
		for _, x := range sizes {
			sorted = append(sorted, x)
		}
		slices.SortFunc(sorted, func(a, b *sums) int { return cmp.Compare(a.size, b.size) })
		for _, x := range sorted {
			misses := x.requests - x.hits
			rate := func(n int64) string {
				return strconv.FormatFloat(100*float64(n)/float64(x.requests), 'f', 2, 64)
			}
			row := []string{strconv.FormatInt(m.Ledger.Runs(), 10)}
			for _, n := range []int64{x.size, x.requests, x.asked, x.requests * x.size, x.hits, x.hits * x.size} {
				row = append(row, strconv.FormatInt(n, 10))
			}
			row = append(row, rate(x.hits), strconv.FormatInt(misses, 10), strconv.FormatInt(misses*x.size, 10), rate(misses))
			if err = out.Write(row); err != nil {
				return false
			}
		}
		clear(sizes)
		return true
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}
