package tui

import (
	"io"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

// longFixture is a profile that has run for long: as much history as an engine
// keeps.
func longFixture() *engine.State {
	st := fixture()
	const slots = 1 << 16
	st.NowUS = slots * 20_000
	series := probe.NewSeries(20_000, 1<<13)
	for i := range int64(slots) {
		series.Add(probe.Point{
			AtUS: i * 20_000, Run: i / 4, MinHeld: 2 * gib, MaxHeld: 2*gib + i*7919%gib, MaxInUse: 2*gib + i*104729%(gib/2), Held: 2 * gib, InUse: 2 * gib,
			Avg: 2*gib + i*1000, Floor: 2 * gib, Driver: 3*gib + i*911%gib, Read: true,
		})
	}
	for i := range st.Slots {
		st.Slots[i] = series.Slots(i)
	}
	runs := fixtureRuns()
	st.Runs = st.Runs[:0]
	for i := range int64(4096) {
		r := runs[i%24]
		r.Seq = i
		st.Runs = append(st.Runs, r)
	}
	st.RunCount = 4096
	keys := st.Keys
	st.Keys = nil
	for i := range 600 {
		k := keys[i%len(keys)]
		k.Key, k.Size = cachemodes.KeyID(i), k.Size+int64(i)*16
		st.Keys = append(st.Keys, k)
	}
	return st
}

// BenchmarkFrame is a new state and its picture at 200x60: what a tick costs.
func BenchmarkFrame(b *testing.B) {
	for _, c := range []struct {
		name string
		st   *engine.State
		keys []string
	}{
		{"short", fixture(), nil},
		{"long", longFixture(), nil},
		{"long-all", longFixture(), []string{"-", "-", "-", "-"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			states := [2]*engine.State{c.st, nil}
			other := *c.st
			other.Events++
			states[1] = &other
			r := newRig(states[0], Options{})
			r.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
			r.keys(c.keys...)
			times := make([]time.Duration, 0, 1<<16)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				r.engine.st = states[i&1]
				r.see(r.engine.st)
				if r.View().Content == "" {
					b.Fatal("no picture")
				}
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkUnchanged is a tick that finds nothing new.
func BenchmarkUnchanged(b *testing.B) {
	r := newRig(longFixture(), Options{})
	r.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	r.View()
	b.ReportAllocs()
	for b.Loop() {
		r.see(r.engine.st)
		r.View()
	}
}

// BenchmarkHistory is what a tick costs with a million events behind it, in
// which a run of a hundred more has happened, on every screen; and, as back,
// what a key that goes back costs.
func BenchmarkHistory(b *testing.B) {
	benchmarkScreens(b, 20_000, func(p *player) bool { return p.jrn.End() < 1_000_000 })
}

// BenchmarkHours is that after ten hours of four runs a second: more than the
// journal keeps.
func BenchmarkHours(b *testing.B) {
	const hours = 10
	benchmarkScreens(b, 250_000, func(p *player) bool { return p.at < hours*3600*1_000_000 })
}

// benchmarkScreens shows a profile with a run every so many microseconds, after
// as many runs as are wanted.
func benchmarkScreens(b *testing.B, everyUS int64, wanted func(*player) bool) {
	p := newPlayer()
	var sizes []int64
	for i := range int64(48) {
		sizes = append(sizes, 64*kib*(1+i%13))
	}
	run := func(id int64) {
		p.at += everyUS
		p.run(probe.RunInfo{Session: 3, ID: id, Label: "decode", Tokens: 1}, 3_000, sizes...)
	}
	p.set(cachemodes.DynamicBucket)
	for id := int64(0); wanted(p); id++ {
		if id == 4_000 { // two stretches to compare
			p.set(cachemodes.BucketMode)
		}
		run(id)
	}
	base := p.state()
	whatIf := whatIfFixture()
	o := tuneOptions()
	o.Theme, o.Record, o.WhatIf = "dark", record, func() *WhatIf { return whatIf }
	for _, c := range []struct {
		name string
		keys []string
		each []string // pressed in every tick
	}{
		{"live", nil, nil},
		{"events", []string{"3"}, nil},
		{"filter", []string{"3", "/", "type:miss", "enter"}, nil},
		{"dense", []string{"3", "/", "type:hit", "enter"}, nil},
		{"rare", []string{"3", "/", "type:oom", "enter"}, nil},
		{"buffers", []string{"4"}, nil},
		{"keys", []string{"2"}, nil},
		{"keys-all", []string{"2", "-", "-", "-", "-", "-"}, nil},
		{"sessions", []string{"5"}, nil},
		{"compare", []string{"6"}, nil},
		{"tune", []string{"7"}, nil},
		{"findings", []string{"f"}, nil},
		{"braille", []string{"v"}, nil},
		{"by-run", []string{"a", "-", "-", "-", "-"}, nil},
		{"back", []string{"3", "k"}, []string{"k"}},
		{"back-live", nil, []string{"{"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(base, o)
			r.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
			r.keys(c.keys...)
			r.made() // what Compare and Tune show
			times := make([]time.Duration, 0, 1<<16)
			b.ReportAllocs()
			for i := int64(0); b.Loop(); i++ {
				run(i)
				st := *base
				p.log(&st)
				st.History, st.Seq, st.NowUS, st.Events = p.jrn.History(), p.jrn.End(), p.at, i+1
				r.engine.st = &st
				began := time.Now()
				r.ticks(0)
				r.keys(c.each...)
				if r.View().Content == "" {
					b.Fatal("no picture")
				}
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
		})
	}
}

// BenchmarkThroughput is how fast a workload is played flat out with the screen
// on and without it, on the same machine in turns: an operation is a stretch of
// each. on/off is the median of their ratios; 0.95 and more is wanted.
func BenchmarkThroughput(b *testing.B) {
	for _, c := range []struct {
		name string
		keys []string
	}{
		{"live", nil}, {"buckets", []string{"2"}}, {"events", []string{"3", "/", "type:miss", "enter"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr, err := workload.Load("phi3-mini-4k/grow")
			if err != nil {
				b.Fatal(err)
			}
			live := engine.StartLive(b.Context(), tr, device.NewHost(), engine.LiveOptions{Config: cachemodes.DefaultConfig(), Weights: engine.MakeWeights})
			defer live.Close()
			speed := func() float64 {
				const stretch = 500 * time.Millisecond
				from := live.State()
				time.Sleep(stretch)
				to := live.State()
				return float64(to.Events-from.Events) / float64(to.NowUS-from.NowUS)
			}
			speed()
			var ratios []float64
			for b.Loop() {
				off := speed()
				stop := watch(b, live, c.keys)
				on := speed()
				stop()
				ratios = append(ratios, on/off)
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "on/off")
		})
	}
}

// watch shows a live profile at 200x60, until it is told to stop.
func watch(b *testing.B, live *engine.Live, keys []string) (stop func()) {
	b.Helper()
	in, keyboard := io.Pipe()
	o := Options{Engine: live}
	p := tea.NewProgram(newModel(b.Context(), &o), tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithoutSignalHandler(),
		tea.WithEnvironment([]string{"TERM=xterm-256color", "COLORTERM=truecolor"}), tea.WithFPS(rendererFPS))
	done := make(chan error, 1)
	go func() {
		_, err := p.Run()
		done <- err
	}()
	p.Send(tea.WindowSizeMsg{Width: 200, Height: 60})
	for _, k := range keys {
		if len(k) > 1 && k != "enter" { // text for the line that is open
			for _, r := range k {
				p.Send(keyPress(string(r)))
			}
			continue
		}
		p.Send(keyPress(k))
	}
	return func() {
		p.Quit()
		keyboard.Close()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}
