package engine

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// TestDay plays a day of a workload, at four runs a second of its own clock,
// and looks at the heap after a tenth of it and at its end: nothing grows but
// the logs, and those stay within MemoryBound.
func TestDay(t *testing.T) {
	const runsPerHour = 4 * 3600
	hours := int64(24)
	if invariants || slower > 1 { // a day would take too long
		hours = 1
	}
	random := rand.New(rand.NewPCG(5, 7))
	var runs [][]int64
	for range 40 {
		sizes := make([]int64, 8)
		for i := range sizes {
			sizes[i] = 1 + random.Int64N(1<<(10+random.IntN(16)))
		}
		runs = append(runs, sizes)
	}
	trace := script(t, runs...)
	before := heap()
	now := int64(0)
	lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(cachemodes.DynamicBucket)}
	lp.load(trace)
	lp.player.clock = func() int64 { return now }
	var last *State
	for run := int64(0); run < hours*runsPerHour; {
		e := &lp.parts[lp.part].events[lp.at]
		if e.Op == workload.RunStart {
			now += 250_000
		}
		e = lp.some()
		if e.Op != workload.RunEnd {
			continue
		}
		run++
		if run%1_000 == 0 { // a person changes something, and the driver says something else
			s := lp.cfg[cachemodes.Storage]
			s.Mode = []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.DynamicBucket, cachemodes.Simple}[run/1_000%3]
			lp.set(cachemodes.Storage, s, "mode")
		}
		if run%200 == 0 {
			lp.player.read(Reading{Bytes: 1<<30 + run<<10, OK: true})
			lp.publish()
			last = lp.live.state.Load()
		}
		if run == hours*runsPerHour/10 || run == hours*runsPerHour {
			if took := heap() - before; took > MemoryBound {
				t.Errorf("after %d runs the profile takes %d MiB, its bound is %d", run, took>>20, MemoryBound>>20)
			} else {
				t.Logf("after %d runs: %d MiB", run, took>>20)
			}
		}
	}
	h := &last.History
	switch {
	case hours == 24 && h.First() == 0:
		t.Errorf("the journal never reached its budget: %d entries", h.End())
	case last.Slots[0].Done[0].AtUS == 0, last.Runs[0].Seq == 0, last.KeyRuns[0].Run == 0:
		t.Errorf("a log forgot nothing: %d slots, %d runs, %d keys of runs", len(last.Slots[0].Done), len(last.Runs), len(last.KeyRuns))
	}
	// The graph of the day has the peak of the day.
	var most int64
	for _, s := range last.Slots {
		for _, p := range s.Done {
			most = max(most, p.MaxHeld)
		}
	}
	if most != last.Total.PeakHeld {
		t.Errorf("the highest in the graph is %d, the peak %d", most, last.Total.PeakHeld)
	}
	runtime.KeepAlive(lp)
}

// TestManySessionsMemory plays a thousand sessions that share a device, by turns,
// until the journal has forgotten something: MemoryBound holds for them, too.
func TestManySessionsMemory(t *testing.T) {
	if invariants || slower > 1 {
		t.Skip("it takes some million events")
	}
	const sessions, turn = 1_000, 48
	trace := load(t, "unet/varied")
	before := heap()
	lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(cachemodes.TVMPooled)}
	lp.load(trace)
	lanes := []*playing{{lane: lp.player.lanes[0], parts: partsOf(trace)}}
	for len(lanes) < sessions {
		lanes = append(lanes, &playing{lane: lp.player.add(trace), parts: partsOf(trace)})
	}
	random := rand.New(rand.NewPCG(5, 7))
	most, forgot := int64(0), false
	for n := 1; !forgot || n%(1<<15) != 1; n++ {
		l := lanes[random.IntN(sessions)]
		for range turn {
			n, err := l.some(1)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				l.at = 0
			}
		}
		if n%1_000 == 0 {
			lp.publish()
			forgot = lp.live.State().History.First() > 0
		}
		if n%(1<<15) == 0 {
			most = max(most, heap()-before)
		}
	}
	if last := lp.live.State(); most > MemoryBound {
		t.Errorf("the profile takes %d MiB, its bound is %d: %d loans, %d of %d entries", most>>20, MemoryBound>>20, len(last.Loans), last.History.End()-last.History.First(), last.History.End())
	} else {
		t.Logf("%d MiB, %d entries", most>>20, last.History.End())
	}
	runtime.KeepAlive(lp)
}

// heap is what is in use on the heap, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
