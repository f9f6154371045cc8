package tui

import (
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
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
// which a run of a hundred more has happened; and, as back, what a key that
// goes back costs.
func BenchmarkHistory(b *testing.B) {
	p := newPlayer()
	var sizes []int64
	for i := range int64(48) {
		sizes = append(sizes, 64*kib*(1+i%13))
	}
	run := func(id int64) {
		p.at += 20_000
		p.run(probe.RunInfo{Session: 3, ID: id, Label: "decode", Tokens: 1}, 3_000, sizes...)
	}
	for id := int64(0); p.jrn.End() < 1_000_000; id++ {
		run(id)
	}
	base := p.state()
	for _, c := range []struct {
		name string
		keys []string
		each []string // pressed in every tick
	}{
		{"events", []string{"3"}, nil},
		{"filter", []string{"3", "/", "type:miss", "enter"}, nil},
		{"dense", []string{"3", "/", "type:hit", "enter"}, nil},
		{"rare", []string{"3", "/", "type:oom", "enter"}, nil},
		{"buffers", []string{"4"}, nil},
		{"keys", []string{"2"}, nil},
		{"keys-all", []string{"2", "-", "-", "-", "-", "-"}, nil},
		{"braille", []string{"v"}, nil},
		{"by-run", []string{"a", "-", "-", "-", "-"}, nil},
		{"back", []string{"3", "k"}, []string{"k"}},
		{"back-live", nil, []string{"{"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(base, Options{})
			r.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
			r.keys(c.keys...)
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
