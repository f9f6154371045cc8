package probe

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
)

// TestBooksBalance plays random calls, mode switches among them, and holds the
// ledger against the manager's own records and against sums made another way.
func TestBooksBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := cachemodes.NewManager(cachemodes.DefaultConfig())
		l := &Ledger{}
		var out []cachemodes.BufID
		var held, peak, requested, floor, samples, sum int64
		asked := map[cachemodes.BufID]int64{}
		book := func(events []cachemodes.Event) {
			for i := range events {
				e := &events[i]
				l.Apply(e)
				if !e.Usage.Held() {
					continue
				}
				switch e.Kind {
				case cachemodes.Create:
					held += e.Size
				case cachemodes.Destroy:
					held -= e.Size
				}
				switch {
				case e.Kind == cachemodes.Create || e.Kind == cachemodes.Hit:
					asked[e.Buf] = e.Requested
					requested += e.Requested
				case e.Kind == cachemodes.Keep || e.Kind == cachemodes.Pend || e.Kind == cachemodes.Destroy && e.From == cachemodes.InUse:
					requested -= asked[e.Buf]
				default:
					continue
				}
				samples++
				sum += held
				peak, floor = max(peak, held), max(floor, requested)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				u := cachemodes.Usage(rapid.IntRange(0, cachemodes.NumUsages-1).Draw(t, "usage"))
				id, events := m.Request(int32(rapid.IntRange(0, 2).Draw(t, "session")), u, rapid.Int64Range(1, 1<<20).Draw(t, "bytes"))
				book(events)
				out = append(out, id)
			},
			"release": func(t *rapid.T) {
				if len(out) == 0 {
					t.Skip("nothing is out")
				}
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				book(m.Release(out[i]))
				out = append(out[:i], out[i+1:]...)
			},
			"submit": func(*rapid.T) { book(m.Refresh(0)) },
			"switch": func(t *rapid.T) {
				mode := cachemodes.ModeID(rapid.IntRange(0, len(cachemodes.Modes())-1).Draw(t, "mode"))
				events, err := m.Set(cachemodes.Storage, cachemodes.Setting{Mode: mode, Params: cachemodes.DefaultParams()})
				if err != nil {
					t.Fatal(err)
				}
				book(events)
			},
			"": func(t *rapid.T) {
				audit, err := m.Audit()
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Check(); err != nil {
					t.Fatal(err)
				}
				if err := l.CheckAgainst(audit); err != nil {
					t.Fatal(err)
				}
				total := l.Total()
				if total.Held() != held || total.PeakHeld != peak || total.Floor != floor || total.Requested != requested {
					t.Fatalf("held %d peak %d floor %d requested %d; want %d %d %d %d",
						total.Held(), total.PeakHeld, total.Floor, total.Requested, held, peak, floor, requested)
				}
				if samples > 0 && total.AvgHeld() != sum/samples {
					t.Fatalf("average %d, want %d", total.AvgHeld(), sum/samples)
				}
			},
		})
	})
}

// TestCheckFinds plants a fault in each kind of book; a check that finds
// nothing checks nothing.
func TestCheckFinds(t *testing.T) {
	for name, plant := range map[string]func(*Ledger){
		"a lost buffer":           func(l *Ledger) { l.usage[cachemodes.Storage].InUseCount-- },
		"lost bytes":              func(l *Ledger) { l.usage[cachemodes.Storage].InUse -= 64 },
		"a request too many":      func(l *Ledger) { l.usage[cachemodes.Uniform].Requests++ },
		"a miss without a reason": func(l *Ledger) { l.total.Misses[cachemodes.Cold]-- },
		"a negative":              func(l *Ledger) { l.total.Cached, l.total.Pending = -64, 64 },
		"more asked than held":    func(l *Ledger) { l.total.Requested += 1 << 30 },
		"a peak too low":          func(l *Ledger) { l.total.PeakHeld = 1 },
		"a total apart":           func(l *Ledger) { l.total.Requests++; l.total.Hits++ },
		"a key apart":             func(l *Ledger) { l.keys[0].InUse++; l.keys[0].Creates++ },
		"a key that lost one":     func(l *Ledger) { l.keys[0].Creates++ },
		"a session apart":         func(l *Ledger) { l.sessions[0].InUse++ },
	} {
		t.Run(name, func(t *testing.T) {
			l := booked(t)
			if err := l.Check(); err != nil {
				t.Fatalf("before the fault: %v", err)
			}
			plant(l)
			if err := l.Check(); err == nil {
				t.Error("the fault was not found")
			} else {
				t.Log(err)
			}
		})
	}
	t.Run("a manager apart", func(t *testing.T) {
		l := booked(t)
		if err := l.CheckAgainst(cachemodes.Audit{}); err == nil {
			t.Error("the fault was not found")
		}
	})
}

// booked is a ledger with a storage and a uniform buffer in use.
func booked(t *testing.T) *Ledger {
	t.Helper()
	m, l := cachemodes.NewManager(cachemodes.DefaultConfig()), &Ledger{}
	for _, u := range []cachemodes.Usage{cachemodes.Storage, cachemodes.Uniform} {
		_, events := m.Request(0, u, 1000)
		for i := range events {
			l.Apply(&events[i])
		}
	}
	return l
}

// TestRun is what a run's record holds, on a small story: two runs, the second
// with a mode switch, a cap that costs creates, and a release between runs.
func TestRun(t *testing.T) {
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Params.Table = cachemodes.Table{{Key: 1024, Cap: 1}}
	m, l := cachemodes.NewManager(cfg), &Ledger{}
	book := func(events []cachemodes.Event) {
		for i := range events {
			l.Apply(&events[i])
		}
	}
	get := func(n int64) cachemodes.BufID {
		id, events := m.Request(0, cachemodes.Storage, n)
		book(events)
		return id
	}
	l.StartRun(RunInfo{Session: 0, ID: 7, Label: "first"}, 100)
	a, b := get(1000), get(1024)
	book(m.Release(a))
	book(m.Release(b)) // over the cap
	book(m.Refresh(0))
	first := l.EndRun(0, 7, m.Mode(cachemodes.Storage), 250)
	c, d := get(1), get(1) // between runs: a hit, and a miss that the cap costs
	l.StartRun(RunInfo{Session: 0, ID: 8, Label: "second"}, 300)
	book(m.Release(c))
	s := cfg[cachemodes.Storage]
	s.Mode = cachemodes.Simple
	events, err := m.Set(cachemodes.Storage, s)
	if err != nil {
		t.Fatal(err)
	}
	book(events)
	book(m.Release(d))
	second := l.EndRun(0, 8, m.Mode(cachemodes.Storage), 1300)

	got := fmt.Sprintf("%s %dus peak %d avg %d end %d requests %d creates %d destroys %d misses %v mode %s switches %d\n", first.Label, first.DurationUS(),
		first.PeakHeld, first.AvgHeld, first.Total.EndHeld, first.Total.Requests, first.Total.Creates, first.Total.Destroys, first.Total.Misses, first.Mode, first.Switches)
	got += fmt.Sprintf("%s %dus peak %d avg %d end %d requests %d creates %d destroys %d misses %v mode %s switches %d\n", second.Label, second.DurationUS(),
		second.PeakHeld, second.AvgHeld, second.Total.EndHeld, second.Total.Requests, second.Total.Creates, second.Total.Destroys, second.Total.Misses, second.Mode, second.Switches)
	want := "first 150us peak 2048 avg 1792 end 1024 requests 2 creates 2 destroys 1 misses [0 2 0 0 0 0 0 0 0 0 0 0] mode bucket switches 0\n" +
		"second 1000us peak 2048 avg 2048 end 2048 requests 0 creates 0 destroys 0 misses [0 0 0 0 0 0 0 0 0 0 0 0] mode simple switches 1\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	k, _, created := l.Key(0)
	if k.Want() != 2 || created != 1 || k.Misses[cachemodes.CapFull] != 1 {
		t.Errorf("key: want %d, created %d, misses %v; it wanted 2 free buffers, and one miss is the cap's", k.Want(), created, k.Misses)
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("ending a run that is not open did not stop the program")
		}
	}()
	l.EndRun(0, 9, 0, 0)
}

// TestWall is the average over time: 1000 bytes for a second, 3000 for three.
func TestWall(t *testing.T) {
	m, l := cachemodes.NewManager(cachemodes.DefaultConfig()), &Ledger{}
	if _, ok := l.AvgHeldWall(); ok {
		t.Error("an average over no time")
	}
	get := func(n int64) {
		_, events := m.Request(0, cachemodes.Weights, n)
		l.Apply(&events[0])
	}
	get(1600)
	l.Advance(0)
	l.Advance(1_000_000)
	get(1600)
	l.Advance(4_000_000)
	if got, ok := l.AvgHeldWall(); !ok || got != 2800 {
		t.Errorf("average over time %d, %v; want 2800", got, ok)
	}
}

// TestMean sums more than 64 bits hold.
func TestMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m, then mean
		sum, since := new(big.Int), new(big.Int)
		var n, late uint64
		values := rapid.SliceOfN(rapid.Int64Range(math.MaxInt64/2, math.MaxInt64), 1, 50).Draw(t, "values")
		half := len(values) / 2
		for i, v := range values {
			if i == half {
				then = m
			}
			times := rapid.Uint64Range(1, 1000).Draw(t, "times")
			m.add(v, times)
			all := new(big.Int).Mul(big.NewInt(v), new(big.Int).SetUint64(times))
			sum.Add(sum, all)
			n += times
			if i >= half {
				since.Add(since, all)
				late += times
			}
		}
		if want := new(big.Int).Div(sum, new(big.Int).SetUint64(n)).Int64(); m.value() != want {
			t.Fatalf("mean %d, want %d", m.value(), want)
		}
		if want := new(big.Int).Div(since, new(big.Int).SetUint64(late)).Int64(); m.since(then).value() != want {
			t.Fatalf("mean since %d, want %d", m.since(then).value(), want)
		}
	})
}

// TestTail: what a reader holds never changes, and the last Keep are there.
func TestTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tail := Tail[int]{Keep: rapid.IntRange(1, 8).Draw(t, "keep")}
		type view struct{ slice, copy []int }
		var views []view
		n := rapid.IntRange(0, 60).Draw(t, "n")
		for i := range n {
			tail.Add(i)
			all := tail.All()
			views = append(views, view{all, append([]int(nil), all...)})
			if int64(i) != tail.Gone()+int64(len(all))-1 || len(all) < min(i+1, tail.Keep) || len(all) > 2*tail.Keep {
				t.Fatalf("after %d values: %d kept, %d gone", i+1, len(all), tail.Gone())
			}
			for j, v := range all {
				if v != int(tail.Gone())+j {
					t.Fatalf("kept %v, %d gone", all, tail.Gone())
				}
			}
		}
		for _, v := range views {
			if fmt.Sprint(v.slice) != fmt.Sprint(v.copy) {
				t.Fatalf("a reader's slice changed from %v to %v", v.copy, v.slice)
			}
		}
	})
}

// TestSeries: at no width do slots lose a peak, a trough or a reading.
func TestSeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewSeries(10, 1000)
		var at, peak, driver int64
		low := int64(math.MaxInt64)
		for range rapid.IntRange(1, 100).Draw(t, "n") {
			at += rapid.Int64Range(0, 15).Draw(t, "dt")
			v := rapid.Int64Range(0, 1000).Draw(t, "held")
			p := Point{AtUS: at, MinHeld: v, MaxHeld: v, Held: v}
			if p.Read = rapid.Bool().Draw(t, "read"); p.Read {
				p.Driver, p.Apart = v+100, 100
				driver = max(driver, p.Driver)
			}
			s.Add(p)
			peak, low = max(peak, v), min(low, v)
		}
		slotUS := int64(10)
		for i := range SeriesLevels {
			slots := s.Slots(i)
			if !slots.Any || slots.SlotUS != slotUS {
				t.Fatalf("level %d has slots of %d us, want %d", i, slots.SlotUS, slotUS)
			}
			var gotPeak, gotDriver, last int64 = 0, 0, -1
			gotLow := int64(math.MaxInt64)
			for _, p := range append(slots.Done, slots.Now) {
				if p.AtUS <= last || p.AtUS%slotUS != 0 {
					t.Fatalf("level %d: slot at %d after %d", i, p.AtUS, last)
				}
				last = p.AtUS
				gotPeak, gotLow = max(gotPeak, p.MaxHeld), min(gotLow, p.MinHeld)
				if p.Read {
					gotDriver = max(gotDriver, p.Driver)
				}
			}
			if gotPeak != peak || gotLow != low || gotDriver != driver {
				t.Fatalf("level %d: range %d to %d, driver %d; want %d to %d, %d", i, gotLow, gotPeak, gotDriver, low, peak, driver)
			}
			slotUS *= SlotsMerged
		}
	})
}

// TestWantSince: what was given up at a cap that is no more in force makes
// nothing wanted.
func TestWantSince(t *testing.T) {
	m, l := cachemodes.NewManager(cachemodes.DefaultConfig()), &Ledger{}
	book := func(events []cachemodes.Event) {
		for i := range events {
			l.Apply(&events[i])
		}
	}
	set := func(limit int) {
		p := cachemodes.DefaultParams()
		p.Table = cachemodes.Table{{Key: 64, Cap: limit}}
		events, err := m.Set(cachemodes.Storage, cachemodes.Setting{Mode: cachemodes.BucketMode, Params: p})
		if err != nil {
			t.Fatal(err)
		}
		book(events)
	}
	run := func(id int64) {
		l.StartRun(RunInfo{ID: id}, id)
		var held [3]cachemodes.BufID
		for i := range held {
			b, events := m.Request(0, cachemodes.Storage, 64)
			book(events)
			held[i] = b
		}
		for _, b := range held {
			book(m.Release(b))
		}
		book(m.Refresh(0))
		l.EndRun(0, id, cachemodes.BucketMode, id)
	}
	for _, step := range []struct {
		limit int
		want  int64
	}{{1, 3}, {8, 3}, {8, 3}, {2, 3}, {2, 3}} {
		set(step.limit)
		run(1)
		run(2)
		if k, _, _ := l.Key(0); k.Want() != step.want {
			t.Errorf("with a cap of %d %d are wanted, want %d", step.limit, k.Want(), step.want)
		}
	}
}

// TestMissesSince: the reasons of misses are told of the mode in force, of each
// usage by itself.
func TestMissesSince(t *testing.T) {
	m, l := cachemodes.NewManager(cachemodes.DefaultConfig()), &Ledger{}
	book := func(events []cachemodes.Event) {
		for i := range events {
			l.Apply(&events[i])
		}
	}
	ask := func(u cachemodes.Usage) {
		id, events := m.Request(0, u, 64)
		book(events)
		book(m.Release(id))
		book(m.Refresh(0))
	}
	set := func(u cachemodes.Usage, mode cachemodes.ModeID) {
		events, err := m.Set(u, cachemodes.Setting{Mode: mode, Params: cachemodes.DefaultParams()})
		if err != nil {
			t.Fatal(err)
		}
		book(events)
	}
	check := func(key cachemodes.KeyID, reason cachemodes.Reason, all, since int64) {
		t.Helper()
		k, _, _ := l.Key(key)
		if got := k.MissesSince(); k.Misses[reason] != all || got[reason] != since {
			t.Errorf("key %d: %d %s, %d since, want %d and %d", key, k.Misses[reason], reason, got[reason], all, since)
		}
	}
	ask(cachemodes.Storage)
	ask(cachemodes.Uniform)
	check(0, cachemodes.Cold, 1, 1)
	set(cachemodes.Storage, cachemodes.Disabled)
	check(0, cachemodes.Cold, 1, 0)
	check(1, cachemodes.Cold, 1, 1)
	ask(cachemodes.Storage)
	ask(cachemodes.Storage)
	check(0, cachemodes.Switched, 1, 1)
	check(0, cachemodes.NoCache, 1, 1)
	set(cachemodes.Uniform, cachemodes.LazyRelease)
	check(0, cachemodes.NoCache, 1, 1)
	check(1, cachemodes.Cold, 1, 0)
}

// TestRunsPerSecond: runs at the same time get done together, and what is
// between runs counts for nothing.
func TestRunsPerSecond(t *testing.T) {
	for name, x := range map[string]struct {
		runs [][2]int64 // start and end, in ms
		want float64
	}{
		"one after the other":     {[][2]int64{{0, 100}, {100, 200}}, 10},
		"with a pause in between": {[][2]int64{{0, 100}, {700, 800}}, 10},
		"at the same time":        {[][2]int64{{0, 100}, {0, 100}, {0, 100}}, 30},
		"by half, not in order":   {[][2]int64{{50, 150}, {0, 100}}, 2 / 0.15},
		"none":                    {nil, 0},
		"one inside the other":    {[][2]int64{{0, 400}, {100, 200}, {300, 500}}, 6},
	} {
		var runs []Run
		for _, r := range x.runs {
			runs = append(runs, Run{StartUS: r[0] * 1000, EndUS: r[1] * 1000})
		}
		if got := RunsPerSecond(runs); math.Abs(got-x.want) > 1e-9 {
			t.Errorf("%s: %v runs/s, want %v", name, got, x.want)
		}
	}
}
