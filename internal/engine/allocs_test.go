package engine

import (
	"math"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// learn are the allocations that a repetition of phi3-mini-4k/grow may make in
// modes that go on learning from it; in every other mode it makes none.
var learn = map[cachemodes.ModeID]float64{
	cachemodes.DynamicBucket:       200, // a record of each size that becomes a key
	cachemodes.DynamicBucketShared: 200,
	cachemodes.CubeCLExclusive:     50,   // its average page has new sizes for some time
	cachemodes.Watermark:           1000, // a plan for each run that is like none before
}

// TestReplayAllocates: a replay allocates nothing once every size, buffer and
// session was seen, so that its speed does not hang on the garbage collector.
func TestReplayAllocates(t *testing.T) {
	if invariants {
		t.Skip("the checks after every event allocate, and take minutes")
	}
	tr := load(t, "phi3-mini-4k/grow")
	for i, mode := range slices.Concat(cachemodes.Modes(), cachemodes.Modes()) {
		var dev device.Device
		name := mode.Name
		if dev = device.NewHost(); i >= len(cachemodes.Modes()) { // events wait to be booked
			name, dev = name+"/timed", timed{dev}
		}
		t.Run(name, func(t *testing.T) {
			p := newPlayer(tr, storageMode(mode.ID), dev, MakeWeights)
			play := func(events []workload.Event) {
				if err := p.lanes[0].play(events, tr.Calls(events)); err != nil {
					t.Fatal(err)
				}
			}
			play(tr.Prologue())
			loop := tr.Loop()
			for range 3 { // lists reach their length
				play(loop)
			}
			n := math.Inf(1)
			for range 3 { // what the runtime does beside it is counted as well, now and then
				n = min(n, testing.AllocsPerRun(1, func() { play(loop) }))
			}
			if n > learn[mode.ID] {
				t.Errorf("%v allocations in %d events, want at most %v", n, len(loop), learn[mode.ID])
			}
		})
	}
}

// storageMode is the default config with another mode for storage.
func storageMode(id cachemodes.ModeID) cachemodes.Config {
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = id
	return cfg
}
