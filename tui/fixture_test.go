package tui

import (
	"errors"
	"fmt"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	sec = 1_000_000 // in microseconds
)

// fixture is a state in which every figure differs from every other, so that a
// figure shown in another's place is seen.
func fixture() *engine.State {
	const now = 47 * sec
	st := &engine.State{
		Workload: engine.Workload{
			Name: "phi3-mini-4k/grow", Model: "phi3-mini-4k", Pattern: "grow", Runs: 94, Sessions: 1, Events: 109862,
			SHA256: "5f1c", Language: true,
		},
		Device: device.Info{Kind: device.WebGPU, Name: "NVIDIA H100", Backend: "vulkan", Type: device.Discrete, Timed: true},
		Config: cachemodes.DefaultConfig(),
		Status: engine.Running, Pace: 4,
		NowUS: now, InRun: true, Events: 51234, Overhead: 0.008,
		Current: probe.RunInfo{Session: 3, ID: 41, Label: "conv1 step19 n=1 total=147", Tokens: 1, Pass: 2},
		Driver:  engine.Reading{Bytes: 2874 * mib, OK: true, Source: "nvml"},
		PeakRun: 127, PeakAtUS: 9_400_000, RunCount: 188,
	}
	st.Config[cachemodes.Uniform].Mode = cachemodes.LazyRelease
	st.Total = books(2415*mib, 90210)
	b := &st.Total
	b.Hits, b.Creates = 84000, 6210
	b.InUse, b.Pending, b.Cached = 2_366*mib, 5*mib, 433*mib
	b.Requested = b.InUse - 118*mib
	b.PeakHeld, b.Floor = 3_492*mib, 2_271*mib
	st.Runs = fixtureRuns()
	setPoints(st, fixturePoints(now))
	st.Marks = []engine.Mark{
		{AtUS: 21 * sec, Run: 169, Text: "mode→bucket"},
		{AtUS: 36 * sec, Run: 182, Text: "uniform→lazyRelease"},
	}
	st.Keys, st.KeyRuns, st.Sizes = fixtureKeys(), fixtureKeyRuns(), fixtureSizes()
	return st
}

// books has so many requests and an average of held bytes, which only a ledger
// can make: of one buffer that is handed out again and again.
func books(average, requests int64) probe.Books {
	var l probe.Ledger
	e := cachemodes.Event{Size: average, Requested: average, Session: cachemodes.NoSession, Last: cachemodes.NoSession}
	apply := func(k cachemodes.Kind) {
		e.Kind = k
		l.Apply(&e)
	}
	apply(cachemodes.Create)
	for range requests - 1 {
		apply(cachemodes.Keep)
		apply(cachemodes.Hit)
	}
	b := l.Total()
	return b.Since(&probe.Books{}) // weighed up to here, whatever is held from here on
}

// setPoints gives a state a graph of fine slots, of which the last goes on.
func setPoints(st *engine.State, points []probe.Point) {
	last := len(points) - 1
	st.Slots[0] = probe.Slots{SlotUS: 20_000, Done: points[:last:last], Now: points[last], Any: true}
}

// fixtureRuns are the runs 164 to 187; every tenth is a prompt.
func fixtureRuns() []probe.Run {
	var runs []probe.Run
	for i := range int64(24) {
		seq := 164 + i
		r := probe.Run{
			RunInfo: probe.RunInfo{Session: 3, ID: 17 + i, Label: fmt.Sprintf("conv1 step%d n=1 total=%d", i, 128+i), Tokens: 1, Pass: 2},
			Seq:     seq, StartUS: 5*sec + i*1_700_000, Mode: cachemodes.BucketMode,
			PeakHeld: (2_900 + 7*i) * mib,
		}
		r.EndUS = r.StartUS + 7_210 + 130*i
		r.Total = probe.Tally{
			Requests: 524 + i, Hits: 480 - i, Creates: 44 + 2*i, CreateBytes: (176 + 9*i) * mib,
			Destroys: 31 + i, DestroyBytes: (97 + i) * mib, EndHeld: (2_700 + 3*i) * mib,
		}
		switch {
		case i%10 == 3:
			r.Prompt, r.Tokens, r.Label = true, 512+i, fmt.Sprintf("conv2 step0 n=%d total=%d", 512+i, 640+i)
		case i < 5:
			r.Mode, r.Adjusts = cachemodes.DynamicBucket, 1
		case i == 5:
			r.Switches = 1
		case i == 18:
			r.Switches = 1
		}
		runs = append(runs, r)
	}
	return runs
}

// fixturePoints is a history that rises in steps and has one peak.
func fixturePoints(now int64) []probe.Point {
	var points []probe.Point
	for at := int64(0); at < now; at += 200_000 {
		held := (2_300 + at/(4*sec)*41) * mib
		if at >= 21*sec {
			held += 260 * mib
		}
		p := probe.Point{
			AtUS: at, Run: 90 + at/sec*4, MinHeld: held - 31*mib, MaxHeld: held, MaxInUse: 2_210*mib + at/sec*4*mib,
			Held: held - 17*mib, InUse: 2_190*mib + at/sec*4*mib,
			Avg: 2_300*mib + at/sec*2*mib, Floor: 2_180*mib + min(at/sec, 20)*4*mib,
			Driver: held + 290*mib, Apart: 290 * mib, Read: at > 3*sec,
		}
		if at == 9_400_000 {
			p.MaxHeld, p.Run = 3_492*mib, 127
		}
		points = append(points, p)
	}
	return points
}

func fixtureKeys() []engine.KeyRow {
	key := func(id cachemodes.KeyID, u cachemodes.Usage, size int64, limit, free int) engine.KeyRow {
		return engine.KeyRow{Free: cachemodes.Free{Key: id, Usage: u, Size: size, IsKey: limit > 0, Cap: limit, Free: free}}
	}
	a := key(0, cachemodes.Storage, 4*mib, 20, 19)
	a.Want, a.InUse, a.Pending, a.LastRequests, a.LastNew, a.Padding, a.Creates, a.Hits = 64, 45, 3, 66, 44, 71*mib, 2811, 3020
	a.Misses[cachemodes.CapFull], a.Misses[cachemodes.Cold] = 2740, 71
	b := key(1, cachemodes.Storage, 8*mib, 10, 8)
	b.Want, b.InUse, b.LastRequests, b.LastNew, b.Padding, b.Creates, b.Hits = 12, 7, 14, 2, 33*mib, 206, 911
	b.Misses[cachemodes.CapFull] = 206
	c := key(2, cachemodes.Storage, 64*kib, 50, 40)
	c.Want, c.LastRequests, c.Creates, c.Hits = 5, 99, 41, 7712
	c.Misses[cachemodes.Cold] = 41
	d := key(3, cachemodes.Storage, 44236800, 2, 1)
	d.Want, d.InUse, d.LastRequests, d.Padding, d.Creates, d.Hits = 2, 1, 1, 9*mib, 6, 87
	d.Misses[cachemodes.Cold] = 6
	e := key(4, cachemodes.Storage, 201*mib, 0, 0)
	e.InUse, e.LastRequests, e.LastNew, e.Creates = 1, 1, 1, 88
	e.Misses[cachemodes.AboveTable] = 88
	idle := key(5, cachemodes.Storage, 256*kib, 50, 0)
	idle.Creates = 4
	u := key(6, cachemodes.Uniform, 160, cachemodes.Uncapped, 30)
	u.Want, u.InUse, u.LastRequests, u.LastNew, u.Creates, u.Hits, u.Padding = 34, 13, 161, 17, 58, 22_400, 400
	u.Misses[cachemodes.StillPending] = 58
	rows := []engine.KeyRow{a, b, c, d, e, idle, u}
	for i := range rows {
		rows[i].MissesSince = rows[i].Misses
		rows[i].PaddingRun = rows[i].Padding + rows[i].Padding/int64(7+i)
	}
	return rows
}

// fixtureKeyRuns are what the runs 164 to 187 asked of the keys: learnt ones
// until run 169 and, from then on, those of a table.
func fixtureKeyRuns() []probe.KeyRun {
	var rows []probe.KeyRun
	for i := range int32(24) {
		row := func(id cachemodes.KeyID, limit, want, requests, creates int32, life probe.KeyLife) {
			rows = append(rows, probe.KeyRun{
				Run: int64(164 + i), Key: id, Cap: limit, Want: want, Requests: requests, Creates: creates, Life: life, Padding: int64(100*id+cachemodes.KeyID(i)) * kib,
			})
		}
		if i < 5 {
			var life probe.KeyLife
			switch i {
			case 0:
				life = probe.Born
			case 2:
				life = probe.Born | probe.Dropped
			case 4:
				life = probe.Dropped
			}
			row(5, cachemodes.Uncapped, 2+i, 3+i, i%2, life)
			row(6, cachemodes.Uncapped, 11+3*i, 90+i, 4-i, 0)
			continue
		}
		row(0, 20, 41+i, 43+i, 21+i, 0)
		if i%3 == 2 {
			row(1, 10, 12-i%2, 37-i, 25-i, 0)
		}
		if i > 8 {
			row(2, 50, 5+(i*7)%40, 76+i, 0, 0)
		}
		if i%4 == 3 {
			row(3, 2, 2, 1, i%8/7, 0)
			row(4, probe.NotKey, 0, 1, 1, 0)
		}
		row(6, cachemodes.Uncapped, 11+i, 138+i, 40-i, 0)
	}
	return rows
}

// fixtureSizes is a histogram of no two equal figures.
func fixtureSizes() (sizes [cachemodes.NumCaches][]int64) {
	for _, c := range []struct {
		u    cachemodes.Usage
		size int64
		n    int64
	}{
		{cachemodes.Storage, 96, 7}, {cachemodes.Storage, 4_000, 311}, {cachemodes.Storage, 61_000, 7_753}, {cachemodes.Storage, 250_000, 45},
		{cachemodes.Storage, 3_100_000, 1_999}, {cachemodes.Storage, 3_900_000, 3_832}, {cachemodes.Storage, 7_000_000, 1_117},
		{cachemodes.Storage, 40_000_000, 93}, {cachemodes.Storage, 201 * mib, 88}, {cachemodes.Uniform, 48, 12_003}, {cachemodes.Uniform, 160, 10_455},
	} {
		for len(sizes[c.u]) <= probe.SizeClass(c.size) {
			sizes[c.u] = append(sizes[c.u], 0)
		}
		sizes[c.u][probe.SizeClass(c.size)] += c.n
	}
	return sizes
}

// The fixture in other circumstances.

func pausedFixture() *engine.State {
	st := fixture()
	st.Status, st.InRun = engine.Paused, false
	return st
}

func failedFixture() *engine.State {
	st := fixture()
	st.Status, st.InRun, st.Total.InUse, st.Total.Requested, st.Total.Pending, st.Total.Cached = engine.Failed, false, 0, 0, 0, 0
	st.Err = &engine.RunError{Run: "run 41 (conv1 step19 n=1 total=147)", Held: 3_492 * mib,
		Cause: &device.OutOfMemoryError{Size: 16 * mib, Usage: cachemodes.Storage, Err: errors.New("vulkan: VK_ERROR_OUT_OF_DEVICE_MEMORY")}}
	st.Marks = append(st.Marks, engine.Mark{AtUS: 46 * sec, Run: 188, Text: "stopped"})
	return st
}

func lostFixture() *engine.State {
	st := failedFixture()
	st.Err = &engine.RunError{Run: "run 41 (conv1 step19 n=1 total=147)", Held: 3_492 * mib, Cause: &device.LostError{Device: st.Device, While: "taking a submission"}}
	return st
}

// emptyFixture is what a screen that was just opened shows.
func emptyFixture() *engine.State {
	st := fixture()
	return &engine.State{Workload: st.Workload, Device: st.Device, Config: cachemodes.DefaultConfig(), Overhead: -1}
}

func hostFixture() *engine.State {
	st := fixture()
	st.Device, st.Overhead = device.NewHost().Info(), -1
	st.Driver = engine.Reading{Reason: "the host device makes no buffers"}
	st.Pace = 0
	return st
}

// hostileFixture has names that no program of ours would give.
func hostileFixture() *engine.State {
	st := fixture()
	st.Workload.Name = "\x1b[2J\x07模型/\u202ename\u0301🧪"
	st.Device.Name = "GPU\r\n\x9b31m 日本"
	st.Current.Label, st.Current.Tokens = "\x1b]0;title\x07 ラベル", 0
	for i := range st.Runs {
		st.Runs[i].Label, st.Runs[i].Tokens = "\tстрока \x00 行"+st.Runs[i].Label, 0
	}
	st.Marks[0].Text = "mode→\x1b[31m模"
	return st
}

// hugeFixture has figures as large as they get.
func hugeFixture() *engine.State {
	st := fixture()
	const top = 1 << 60
	st.RunCount, st.PeakRun, st.Current.Pass, st.NowUS = top, top, top, 47*sec
	st.Total.InUse, st.Total.Pending, st.Total.Cached, st.Total.PeakHeld = top, top-1, top-2, 4*top-1
	st.Driver.Bytes, st.Pace = 3, 123456.7
	for i := range st.Runs {
		r := &st.Runs[i]
		r.Seq = top + int64(i)
		r.Total.Creates, r.Total.CreateBytes, r.PeakHeld = top, top, top
		r.EndUS = r.StartUS + top
	}
	for i := range st.Keys {
		k := &st.Keys[i]
		k.Want, k.InUse, k.LastNew, k.LastRequests, k.Size = top, 3, top, top, 1<<53-16
	}
	for i := range st.Slots[0].Done {
		st.Slots[0].Done[i].MaxHeld = 4*top - 1
	}
	return st
}

// fake is an engine that notes its commands.
type fake struct {
	st     *engine.State
	calls  []string
	params []cachemodes.Params // that it was given
}

func (e *fake) note(format string, args ...any) {
	e.calls = append(e.calls, fmt.Sprintf(format, args...))
}

func (e *fake) State() *engine.State { return e.st }
func (e *fake) SetMode(u cachemodes.Usage, m cachemodes.ModeID) {
	e.note("mode %s %s", u, m)
}
func (e *fake) SetParams(u cachemodes.Usage, p cachemodes.Params, mark string) {
	e.params = append(e.params, p)
	e.note("params %s %s", u, mark)
}
func (e *fake) Note(text string)       { e.note("note %s", text) }
func (e *fake) Pause(p bool)           { e.note("pause %t", p) }
func (e *fake) Step()                  { e.note("step") }
func (e *fake) SetPace(pace float64)   { e.note("pace %v", pace) }
func (e *fake) Load(t *workload.Trace) { e.note("load %s", t.Name) }

func (e *fake) StartSession(t *workload.Trace)     { e.note("start %s", t.Name) }
func (e *fake) StopSession(lane int, stopped bool) { e.note("stop %d %t", lane, stopped) }
func (e *fake) ReleaseSession(lane int)            { e.note("release %d", lane) }
