package engine

import (
	"fmt"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// BenchmarkManySessions is what an event costs with so many sessions on one device,
// by mode and by who shares free buffers.
//
//	go test ./internal/engine -run '^$' -bench ManySessions -benchtime 1x
func BenchmarkManySessions(b *testing.B) {
	t := load(b, "bert/varied")
	for _, m := range cachemodes.Modes() {
		for _, scope := range cachemodes.Scopes() {
			for _, n := range []int{1, 10, 100, 1_000} {
				b.Run(fmt.Sprintf("mode=%s/scope=%s/sessions=%d", m.Name, scope, n), func(b *testing.B) {
					events := 0
					for b.Loop() {
						res, err := ProfileAll(b.Context(), slices.Repeat([]*workload.Trace{t}, n), device.NewHost(), Options{
							Config: storageMode(m.ID), Weights: MakeWeights, Sharing: cachemodes.Sharing{Scope: scope}, Seed: 1,
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
}

// What the manager and the ledger go through for an event does not grow with the
// sessions, in any mode under any scope. Let off where sessions share are bucket and
// graph, of which a request passes over the free buffers that others' unsubmitted
// commands use, as many as a cap allows and as there are of a size; cubeclExclusive,
// which looks for the least idle of all pages; and watermark, which has sizes and
// plans for each session.
func TestManySessionsSteps(t *testing.T) {
	if invariants || slower > 1 {
		t.Skip("steps are counted in a plain build: they are the same in every one that does not look through all books")
	}
	const grows = 1.3 // with sixteen times the sessions
	letOff := []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Graph, cachemodes.CubeCLExclusive, cachemodes.Watermark}
	for _, scope := range cachemodes.Scopes() {
		for _, m := range cachemodes.Modes() {
			t.Run(fmt.Sprintf("%s/%s", scope, m.Name), func(t *testing.T) {
				managerFew, ledgerFew := stepsOf(t, 4, m.ID, scope)
				managerMany, ledgerMany := stepsOf(t, 64, m.ID, scope)
				if ledgerMany > grows*ledgerFew {
					t.Errorf("the ledger takes %.3f steps an event with 4 sessions, %.3f with 64", ledgerFew, ledgerMany)
				}
				if shared := scope == cachemodes.ScopeDevice || scope == cachemodes.ScopeSharedFree; shared && slices.Contains(letOff, m.ID) {
					return
				}
				if managerMany > grows*managerFew {
					t.Errorf("the manager takes %.3f steps an event with 4 sessions, %.3f with 64", managerFew, managerMany)
				}
			})
		}
	}
}

// stepsOf is what an event has the manager and the ledger go through, with so
// many sessions that take turns.
func stepsOf(t *testing.T, sessions int, mode cachemodes.ModeID, scope cachemodes.Scope) (manager, ledger float64) {
	trace := small(3, 6)
	p := begin(device.NewHost(), setup{config: storageMode(mode), sharing: cachemodes.Sharing{Scope: scope}, weights: MakeWeights})
	f := &profile{ctx: t.Context(), o: Options{Seed: 1}, p: p, res: &Result{}}
	for range sessions {
		f.lanes = append(f.lanes, &playing{lane: p.add(trace), parts: schedule(trace, 3)})
	}
	if err := f.play(); err != nil {
		t.Fatal(err)
	}
	return float64(p.mgr.Steps()) / float64(f.done), float64(p.led.Steps()) / float64(f.done)
}

// BenchmarkPublish is what a State costs, with so many sessions in the middle of
// their runs: it is published every publishEvery. snapshot-B/event is what a snapshot
// of the events takes, as far back as the live journal reaches.
//
//	go test ./internal/engine -run '^$' -bench Publish -benchmem
func BenchmarkPublish(b *testing.B) {
	t := load(b, "bert/varied")
	for _, n := range []int{1, 10, 100, 1_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: cachemodes.DefaultConfig()}
			lp.load(t)
			for range n - 1 {
				lp.player.add(t)
			}
			const each, turn = 12_000, 40 // nearly half of the trace, by turns
			for at := 0; at < each; at += turn {
				for _, l := range lp.player.lanes {
					for i := at; i < at+turn; i++ {
						if err := l.step(&t.Events[i]); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				lp.publish()
			}
			s := lp.live.State()
			b.ReportMetric(float64(len(s.Loans)), "loans")
			b.ReportMetric(float64(len(s.History.AppendTo(nil)))/float64(n*each), "snapshot-B/event")
		})
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
	const (
		perRun   = 1_000
		sizeStep = 16 << 10 // most modes round no two of these to the same key
	)
	for pass := range 4 {
		for first := 0; first < sizes; first += perRun {
			run := int32(len(t.Runs))
			t.Runs = append(t.Runs, workload.Run{ID: int64(run), Label: fmt.Sprintf("pass %d", pass)})
			add(workload.Event{Op: workload.RunStart, Run: run})
			for i := first; i < min(first+perRun, sizes); i++ {
				slot := int32(i % 2)
				add(workload.Event{Op: workload.Request, Run: run, Usage: cachemodes.Storage, Bytes: sizeStep * int64(1+i*7919%sizes), Buf: slot})
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
