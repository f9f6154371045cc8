package tui

import (
	"runtime"
	"testing"

	"bucketscope/probe"
)

// memoryBound is the most heap that a screen takes, in bytes, beside the states
// that it shows: the rows of the event log are most of it.
const memoryBound = 24 << 20

// TestScreenDay lets every screen follow a day of a run in two seconds, with a
// filter in force, and looks at the heap after a tenth of it and at its end:
// what the screen keeps does not grow with what it has seen.
func TestScreenDay(t *testing.T) {
	const day = 24 * 3600 / 2
	for _, runs := range []int64{day / 10, day} {
		took := screenTakes(t, runs)
		if took <= 0 || took > memoryBound {
			t.Errorf("after %d runs the screen takes %d bytes, its bound is %d", runs, took, memoryBound)
		}
		t.Logf("after %d runs: %d KiB", runs, took>>10)
	}
}

// screenTakes is what a screen that followed so many runs holds of the heap,
// beside the profile that it shows.
func screenTakes(t *testing.T, runs int64) int64 {
	p := newPlayer()
	sizes := []int64{4 * mib, 61_440, 3 * mib, 190 * kib, 7 * mib, 7 * mib}
	r := newRig(p.state(), Options{})
	r.picture(120, 32)
	r.keys("3", "/", "type:hit", "enter")
	for run := range runs {
		p.at += 2 * sec
		p.run(probe.RunInfo{Session: 3, ID: run, Label: "decode", Tokens: 1}, 3_000, append(sizes, 1+run*4_099%(9*mib))...)
		if run%50 != 0 {
			continue
		}
		st := *r.engine.st
		p.log(&st)
		st.History, st.Seq, st.NowUS, st.Total = p.jrn.History(), p.jrn.End(), p.at, p.led.Total()
		st.Events++
		r.engine.st = &st
		r.ticks(0)
		r.keys([]string{"1", "2", "4", "3"}[run/50%4])
		if r.View().Content == "" {
			t.Fatal("no picture")
		}
	}
	st := r.engine.st
	with := inUse()
	runtime.KeepAlive(r)
	took := with - inUse()
	runtime.KeepAlive(p)
	runtime.KeepAlive(st)
	return took
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
