package engine

import (
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// BenchmarkReplay is the speed of the whole way through on the host device:
// policy and ledger, on one core. An operation is one event of the loop of
// phi3-mini-4k/grow, so that 100 ns/op are 10 million events a second, and
// allocs/op must be 0.
func BenchmarkReplay(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for _, mode := range cachemodes.Modes() {
		b.Run(mode.Name, func(b *testing.B) {
			cfg := cachemodes.DefaultConfig()
			cfg[cachemodes.Storage].Mode = mode.ID
			p := newPlayer(tr, cfg, device.NewHost(), MakeWeights, nil)
			play := func(events []workload.Event) {
				for i := range events {
					if err := p.step(&events[i]); err != nil {
						b.Fatal(err)
					}
				}
			}
			play(tr.Prologue())
			loop := tr.Loop()
			play(loop)
			b.ReportAllocs()
			b.ResetTimer()
			for n := b.N; n > 0; n -= len(loop) {
				play(loop[:min(n, len(loop))])
				if n < len(loop) { // the rest keeps the books of the next round whole
					b.StopTimer()
					play(loop[n:])
				}
			}
		})
	}
}
