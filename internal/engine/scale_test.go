package engine

import (
	"fmt"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// BenchmarkManySessions is what an event costs with so many sessions on one device,
// by who shares free buffers.
//
//	go test ./internal/engine -run '^$' -bench ManySessions
func BenchmarkManySessions(b *testing.B) {
	for _, scope := range cachemodes.Scopes() {
		for _, n := range []int{1, 10, 100, 1_000} {
			b.Run(fmt.Sprintf("scope=%s/sessions=%d", scope, n), func(b *testing.B) {
				t := small(1, 1)
				var traces []*workload.Trace
				for range n {
					traces = append(traces, t)
				}
				events := 0
				for b.Loop() {
					res, err := ProfileAll(b.Context(), traces, device.NewHost(), Options{
						Config: cachemodes.DefaultConfig(), Weights: MakeWeights, Sharing: cachemodes.Sharing{Scope: scope}, Seed: 1,
					})
					if err != nil {
						b.Fatal(err)
					}
					events += int(res.Events)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			})
		}
	}
}

// manySizes is a trace that asks for so many distinct sizes, each some times,
// two of them out at a time.
func manySizes(sizes int) *workload.Trace {
	t := &workload.Trace{Name: fmt.Sprintf("%d sizes", sizes), Slots: 2}
	add := func(e workload.Event) { t.Events = append(t.Events, e) }
	t.Sessions = []workload.Session{{Model: "m"}}
	add(workload.Event{Op: workload.SessionCreate, Run: workload.NoRun})
	add(workload.Event{Op: workload.SessionReady, Run: workload.NoRun})
	const perRun = 1_000
	for pass := range 4 {
		for first := 0; first < sizes; first += perRun {
			run := int32(len(t.Runs))
			t.Runs = append(t.Runs, workload.Run{ID: int64(run), Label: fmt.Sprintf("pass %d", pass)})
			add(workload.Event{Op: workload.RunStart, Run: run})
			for i := first; i < min(first+perRun, sizes); i++ {
				slot := int32(i % 2)
				add(workload.Event{Op: workload.Request, Run: run, Usage: cachemodes.Storage, Bytes: 16 * int64(1+i*7919%sizes), Buf: slot})
				add(workload.Event{Op: workload.Release, Run: run, Usage: cachemodes.Storage, Buf: slot})
				if i%50 == 0 {
					add(workload.Event{Op: workload.Submit, Run: run})
				}
			}
			add(workload.Event{Op: workload.RunEnd, Run: run})
		}
	}
	return t
}

// BenchmarkManySizes is what an event costs with so many distinct sizes.
//
//	go test ./internal/engine -run '^$' -bench ManySizes
func BenchmarkManySizes(b *testing.B) {
	for _, m := range cachemodes.Modes() {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("mode=%s/sizes=%d", m.Name, n), func(b *testing.B) {
				t := manySizes(n)
				events := 0
				for b.Loop() {
					res, err := Profile(b.Context(), t, device.NewHost(), Options{Config: config(m.ID), Weights: MakeWeights})
					if err != nil {
						b.Fatal(err)
					}
					events += int(res.Events)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			})
		}
	}
}
