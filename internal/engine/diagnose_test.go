package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// played is the state after so many runs of a recording under a mode.
func played(t *testing.T, trace string, m cachemodes.ModeID, runs int64) *State {
	t.Helper()
	lp := afterRuns(load(t, trace), m, runs)
	lp.publish()
	return lp.live.state.Load()
}

// afterRuns is a profile that has played so many runs under a mode.
func afterRuns(trace *workload.Trace, m cachemodes.ModeID, runs int64) *loop {
	lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(m)}
	lp.load(trace)
	for lp.player.led.Runs() < runs {
		lp.some()
	}
	return lp
}

// TestDiagnose: what recordings are known for is found under the mode that
// shows it, and nothing of it under another.
func TestDiagnose(t *testing.T) {
	for _, c := range []struct {
		trace string
		mode  cachemodes.ModeID
		runs  int64
		want  []Rule
		lacks []Rule
		says  string // of the first wanted
	}{
		{"phi3-mini-4k/grow", cachemodes.BucketMode, 84, []Rule{CapTooLow}, []Rule{NeverLetsGo, MadeEachRun}, "2MiB: 128 wanted, cap 30 → 37.8 made a run since run 76"},
		{"phi3-mini-4k/grow", cachemodes.DynamicBucket, 90, []Rule{MadeEachRun}, []Rule{CapTooLow, SameShape, NeverLetsGo}, "66.2 buffers (282MiB) made in each run: cold"},
		{"phi3-mini-4k/grow", cachemodes.Disabled, 84, []Rule{MadeEachRun}, []Rule{SameShape}, "made in each run: no_cache"},
		{"phi3-mini-4k/grow", cachemodes.Simple, 90, []Rule{NeverLetsGo, UnusedCache}, []Rule{CapTooLow, MadeEachRun}, "nothing destroyed in 32 runs"},
		{"phi3-mini-4k/static", cachemodes.Disabled, 60, []Rule{SameShape}, []Rule{CapTooLow, NeverLetsGo, UnusedCache}, "repeats"},
		{"phi3-mini-4k/static", cachemodes.Simple, 60, nil, []Rule{SameShape, CapTooLow, MadeEachRun}, ""},
		{"unet/varied", cachemodes.BucketMode, 18, []Rule{MuchPadding}, []Rule{NeverLetsGo, RisingFloor}, "keys pad by 51.8%, 10.2MiB; 3.12MiB of it in 8MiB"},
		{"unet/varied", cachemodes.JSEP, 18, []Rule{MuchPadding}, []Rule{NeverLetsGo}, "of it in 8MiB"},
		{"unet/varied", cachemodes.CandlePow2, 18, []Rule{MuchPadding}, nil, "keys pad by"},
		{"unet/varied", cachemodes.Simple, 18, nil, []Rule{MuchPadding, CapTooLow}, ""},
	} {
		st := played(t, c.trace, c.mode, c.runs)
		found := Diagnose(st, false)
		at := func(r Rule) int { return slices.IndexFunc(found, func(f Finding) bool { return f.Rule == r }) }
		for i, r := range c.want {
			if n := at(r); n < 0 {
				t.Errorf("%s under %s: no %q among %+v", c.trace, c.mode, r, found)
			} else if i == 0 && !strings.Contains(found[n].Evidence, c.says) {
				t.Errorf("%s under %s: %q, want %q", c.trace, c.mode, found[n].Evidence, c.says)
			}
		}
		for _, r := range c.lacks {
			if n := at(r); n >= 0 {
				t.Errorf("%s under %s: %q is found: %s", c.trace, c.mode, r, found[n].Evidence)
			}
		}
		if !slices.IsSortedFunc(found, func(a, b Finding) int { return int(b.Cost - a.Cost) }) {
			t.Errorf("%s under %s: not the worst first: %+v", c.trace, c.mode, found)
		}
		for _, f := range found {
			if f.Cost <= 0 || f.Evidence == "" || f.Remedy == "" {
				t.Errorf("%s under %s: %+v", c.trace, c.mode, f)
			}
		}
	}
}

// script is a workload of one session: runs that ask for sizes all at once,
// submit, and give everything back.
func script(t *testing.T, runs ...[]int64) *workload.Trace {
	t.Helper()
	var sb strings.Builder
	sb.WriteString(`{"format":"bucketscope-trace","version":1,"engine":"script","model":"script","pattern":"script"}` + "\n")
	line := func(format string, args ...any) { fmt.Fprintf(&sb, format+"\n", args...) }
	line(`{"op":"session_create","session":0,"model":"script"}`)
	line(`{"op":"session_ready","session":0}`)
	buf := 0
	for run, sizes := range runs {
		line(`{"op":"run_start","session":0,"run":%d,"label":"run %d"}`, run, run)
		first := buf
		for _, n := range sizes {
			line(`{"op":"request","session":0,"run":%d,"buf":%d,"bytes":%d,"usage":"storage","phase":"run"}`, run, buf, n)
			buf++
		}
		line(`{"op":"submit","session":0,"dispatches":1,"copies":0}`)
		for i := first; i < buf; i++ {
			line(`{"op":"release","buf":%d}`, i)
		}
		line(`{"op":"submit","session":0,"dispatches":1,"copies":0}`)
		line(`{"op":"run_end","session":0,"run":%d}`, run)
	}
	tr, err := workload.Read(strings.NewReader(sb.String()), "script")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// repeated are n runs of the same requests: so many of each size.
func repeated(n int, size int64, count int) [][]int64 {
	var runs [][]int64
	for range n {
		runs = append(runs, slices.Repeat([]int64{size}, count))
	}
	return runs
}

// TestDiagnoseGraphs: what a captured graph keeps for its replays is not cached for
// nothing, however long nobody asks for it.
func TestDiagnoseGraphs(t *testing.T) {
	for _, capture := range []bool{false, true} {
		lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights, Capture: capture}, cfg: config(cachemodes.BucketMode)}
		lp.load(script(t, append(repeated(1, 16<<20, 8), repeated(20, 4<<10, 2)...)...))
		for lp.player.led.Runs() < 20 {
			lp.some()
		}
		lp.publish()
		found := slices.ContainsFunc(Diagnose(lp.live.State(), false), func(f Finding) bool { return f.Rule == UnusedCache })
		if found == capture {
			t.Errorf("captured: %t, found: %t", capture, found)
		}
	}
}

// TestReports: what users reported is found, named and ranked as they found it
// out.
func TestReports(t *testing.T) {
	for _, c := range []struct {
		report   string
		trace    func(*testing.T) *workload.Trace
		mode     cachemodes.ModeID
		runs     int64
		first    Rule
		evidence string
		remedy   string
	}{
		{
			"ORT #32017: 64 equal KV tensors of 4 MiB a token against a cap of 20",
			func(t *testing.T) *workload.Trace { return load(t, "llm:phi-4-mini,prompt=1500,tokens=32") },
			cachemodes.BucketMode, 30, CapTooLow,
			"4MiB: 64 wanted, cap 20 → 44 made a run since run 2", "Raise it to 64.",
		},
		{
			"ORT #32017: of 8 MiB against a cap of 10",
			func(t *testing.T) *workload.Trace { return load(t, "llm:phi-4-mini,prompt=2100,tokens=32") },
			cachemodes.BucketMode, 30, CapTooLow,
			"8MiB: 64 wanted, cap 10 → 54 made a run since run 2", "Raise it to 64.",
		},
		{
			"ORT #29016: the same shape again, and the second run creates as the first did",
			func(t *testing.T) *workload.Trace { return script(t, repeated(2, 200<<20, 15)...) },
			cachemodes.BucketMode, 2, SameShape,
			"run 1 repeats 0 but makes 15, 2.93GiB: above_table", "Add a larger key. Or take a mode with exact sizes.",
		},
		{
			"ORT #29016: simple creates nothing in the second run",
			func(t *testing.T) *workload.Trace { return script(t, repeated(2, 200<<20, 15)...) },
			cachemodes.Simple, 2, "", "", "",
		},
		{
			"padding: 9.1 MiB asked of the 12 MiB key",
			func(t *testing.T) *workload.Trace { return script(t, repeated(4, 9_541_000, 6)...) },
			cachemodes.BucketMode, 4, MuchPadding,
			"keys pad by 31.9%, 17.4MiB; 17.4MiB of it in 12MiB", "Add a key at 10MiB. Or take dynamicBucket.",
		},
		{
			"cached and not asked for any more",
			func(t *testing.T) *workload.Trace {
				return script(t, append(repeated(1, 16<<20, 8), repeated(20, 4<<10, 2)...)...)
			},
			cachemodes.BucketMode, 20, UnusedCache,
			"128MiB cached in 1 key, unused for 16 to 19 runs", "Lower the caps. Or take dynamicBucket.",
		},
		{
			"held bytes rise run after run: another size each time, and none is given back",
			func(t *testing.T) *workload.Trace {
				var runs [][]int64
				for i := range int64(60) {
					runs = append(runs, []int64{32<<20 - i<<10, 32<<20 - i<<10, 32<<20 - i<<10})
				}
				return script(t, runs...)
			},
			cachemodes.Simple, 60, NeverLetsGo,
			"nothing destroyed in 32 runs: 5.62GiB cached, 96.0MiB asked", "Take bucket. Or dynamicBucket.",
		},
		{
			"a policy that never lets go: simple, while shapes grow",
			func(t *testing.T) *workload.Trace {
				var runs [][]int64
				for i := range int64(40) {
					runs = append(runs, []int64{(1 + i) << 20, (2 + i) << 20})
				}
				return script(t, runs...)
			},
			cachemodes.Simple, 40, NeverLetsGo,
			"nothing destroyed in 32 runs: 861MiB cached, 81.0MiB asked", "Take bucket. Or dynamicBucket.",
		},
	} {
		lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(c.mode)}
		lp.load(c.trace(t))
		for lp.player.led.Runs() < c.runs {
			lp.some()
		}
		lp.publish()
		found := Diagnose(lp.live.state.Load(), false)
		if c.first == "" {
			if len(found) > 0 {
				t.Errorf("%s: found %+v", c.report, found[0])
			}
			continue
		}
		if len(found) == 0 || found[0].Rule != c.first || found[0].Evidence != c.evidence || found[0].Remedy != c.remedy {
			t.Errorf("%s:\n got %+v\nwant %s: %s. %s", c.report, found, c.first, c.evidence, c.remedy)
		}
	}
}

// TestRisingFloor: what is held after each run rises, and nothing asks for more.
func TestRisingFloor(t *testing.T) {
	var runs [][]int64
	for i := range int64(60) {
		runs = append(runs, slices.Repeat([]int64{32<<20 - i<<10}, 3))
	}
	for mode, want := range map[cachemodes.ModeID]bool{cachemodes.Simple: true, cachemodes.BucketMode: false, cachemodes.DynamicBucket: false} {
		lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(mode)}
		lp.load(script(t, runs...))
		for lp.player.led.Runs() < 60 {
			lp.some()
		}
		lp.publish()
		found := Diagnose(lp.live.state.Load(), false)
		at := slices.IndexFunc(found, func(f Finding) bool { return f.Rule == RisingFloor })
		if (at >= 0) != want || at >= 0 && !strings.Contains(found[at].Evidence, "held after runs rose from 1.22GiB to 4.22GiB in 48 runs, demand did not") {
			t.Errorf("%s: found %+v", mode, found)
		}
	}
}

// TestCapBeforePadding: what a cap that is too low makes anew in each run
// costs more than padding of as many bytes.
func TestCapBeforePadding(t *testing.T) {
	var runs [][]int64
	for range 10 {
		runs = append(runs, append(slices.Repeat([]int64{16 << 20}, 14), slices.Repeat([]int64{33 << 20}, 12)...))
	}
	lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(cachemodes.BucketMode)}
	lp.load(script(t, runs...))
	for lp.player.led.Runs() < 10 {
		lp.some()
	}
	lp.publish()
	found := Diagnose(lp.live.state.Load(), false)
	padding := slices.IndexFunc(found, func(f Finding) bool { return f.Rule == MuchPadding })
	if len(found) < 2 || found[0].Rule != CapTooLow || padding < 0 {
		t.Fatalf("found %+v", found)
	}
	t.Logf("%d made a run, %d held as padding", found[0].Made, found[padding].Held)
}

// TestCapsLetGo: a mode with caps that has had no cause to give anything up yet
// is not one that never lets go; one without caps is.
func TestCapsLetGo(t *testing.T) {
	var runs [][]int64
	for i := range 40 {
		runs = append(runs, slices.Repeat([]int64{1<<20 + 1<<16}, 1+i/2))
	}
	for mode, want := range map[cachemodes.ModeID]bool{cachemodes.BucketMode: false, cachemodes.DynamicBucket: false, cachemodes.Graph: true} {
		lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(mode)}
		lp.load(script(t, runs...))
		for lp.player.led.Runs() < 40 {
			lp.some()
		}
		lp.publish()
		found := Diagnose(lp.live.state.Load(), false)
		if got := slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == NeverLetsGo }); got != want {
			t.Errorf("%s: found %+v", mode, found)
		}
	}
}

// TestDriverDrifts: a reading that leaves the books behind is found, one that
// stands apart is not.
func TestDriverDrifts(t *testing.T) {
	for _, c := range []struct {
		name   string
		beside func(run int64) int64 // what the driver holds beside the books
		want   string
	}{
		{"it leaks", func(run int64) int64 { return 100<<20 + run*run%7<<20 + run*8<<20 }, "the driver is "},
		{"it stands apart", func(run int64) int64 { return 900<<20 + run*run%7<<20 }, ""},
		{"it rose once", func(run int64) int64 { return 100<<20 + min(run, 8)<<26 }, ""},
		{"it is below", func(int64) int64 { return -50 << 20 }, ""},
		{"it falls", func(run int64) int64 { return 900<<20 - run<<22 }, ""},
	} {
		now := int64(0)
		lp := &loop{live: &Live{}, dev: device.NewHost(), opt: LiveOptions{Weights: MakeWeights}, cfg: config(cachemodes.Simple)}
		lp.load(script(t, repeated(2, 8<<20, 4)...))
		lp.player.clock = func() int64 { return now }
		for run := int64(0); run < 60; {
			lp.some()
			now += 40_000
			if n := lp.player.led.Runs(); n > run {
				run = n
				total := lp.player.led.Total()
				lp.reading = Reading{Bytes: total.Held() + c.beside(run), OK: true}
				lp.player.read(lp.reading)
			}
		}
		lp.publish()
		st := *lp.live.state.Load()
		st.Device.Kind = device.WebGPU // a host's reading is of something else
		found := Diagnose(&st, false)
		at := slices.IndexFunc(found, func(f Finding) bool { return f.Rule == DriverDrifts })
		if (at >= 0) != (c.want != "") || at >= 0 && !strings.HasPrefix(found[at].Evidence, c.want) {
			t.Errorf("%s: found %+v", c.name, found)
		}
	}
}

// TestDiagnoseThresholds: the rules that no recording on the host device shows,
// from one that does not, changed by what they look for.
func TestDiagnoseThresholds(t *testing.T) {
	healthy := played(t, "phi3-mini-4k/static", cachemodes.Simple, 60)
	finds := func(st *State, r Rule) bool {
		return slices.ContainsFunc(Diagnose(st, false), func(f Finding) bool { return f.Rule == r })
	}
	held := healthy.Total.Held()
	for _, c := range []struct {
		rule   Rule
		change func(*State)
		want   bool
	}{
		{DriverApart, func(*State) {}, false},
		{DriverApart, func(st *State) { st.Driver = Reading{Bytes: held + held/10, OK: true} }, false},
		{DriverApart, func(st *State) { st.Driver = Reading{Bytes: 2 * held, OK: true} }, true},
		{DriverApart, func(st *State) { st.Driver = Reading{Bytes: 2 * held} }, false},
		{DriverApart, func(st *State) { st.Driver, st.Weights = Reading{Bytes: 2 * held, OK: true}, AccountWeights }, true},
		{DriverApart, func(st *State) {
			st.Driver, st.Weights = Reading{Bytes: st.OnDevice() - st.Usage[cachemodes.Weights].Held(), OK: true}, AccountWeights
		}, false},
		{AboveLimit, func(*State) {}, false},
		{AboveLimit, func(st *State) { st.Device.MaxStorageBinding = 1 << 20 }, true},
		{AboveLimit, func(st *State) { st.Device.MaxBufferSize = 1 << 20 }, true},
		{AboveLimit, func(st *State) { st.Device.MaxStorageBinding = 1 << 40 }, false},
		{RisingFloor, func(*State) {}, false},
		{RisingFloor, func(st *State) { rise(st, 5<<20, 0) }, true},
		{RisingFloor, func(st *State) { rise(st, 5<<20, 5<<20) }, false}, // more is asked for, too
		{RisingFloor, func(st *State) { rise(st, 0, 0) }, false},
	} {
		st := *healthy
		c.change(&st)
		if got := finds(&st, c.rule); got != c.want {
			t.Errorf("%s is found: %t, want %t", c.rule, got, c.want)
		}
	}
}

// rise makes what is held after each run, and what is asked for, grow.
func rise(st *State, held, asked int64) {
	st.Runs = slices.Clone(st.Runs)
	for i := range st.Runs {
		st.Runs[i].Total.EndHeld, st.Runs[i].PeakRequested = 1<<30+int64(i)*held, 1<<30+int64(i)*asked
	}
}

// TestRemedies: no finding advises the mode that is in force, be it that it was
// from the beginning or that others left their buffers to it.
func TestRemedies(t *testing.T) {
	for name, runs := range map[string][][]int64{
		"not asked for any more": append(repeated(1, 16<<20, 8), repeated(20, 4<<10, 2)...),
		"padded":                 repeated(20, 9_541_000, 6),
		"another size each time": func() (runs [][]int64) {
			for i := range int64(60) {
				runs = append(runs, []int64{32<<20 - i<<10, 32<<20 - i<<10})
			}
			return runs
		}(),
	} {
		found := 0
		for _, m := range cachemodes.Modes() {
			for _, before := range []cachemodes.ModeID{m.ID, cachemodes.Simple, cachemodes.BucketMode} {
				lp := afterRuns(script(t, runs...), before, int64(len(runs)))
				lp.set(cachemodes.Storage, config(m.ID)[cachemodes.Storage], "mode")
				lp.publish()
				for _, f := range Diagnose(lp.live.state.Load(), false) {
					found++
					words := strings.FieldsFunc(f.Remedy, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
					if slices.Contains(words, m.Name) {
						t.Errorf("%s, under %s, before %s: %s. %s", name, m.Name, before, f.Evidence, f.Remedy)
					}
				}
			}
		}
		if found < len(cachemodes.Modes())/4 {
			t.Errorf("%s: only %d findings", name, found)
		}
	}
}
