package export

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/google/pprof/profile"

	"bucketscope/cachemodes"
	"bucketscope/probe"
	"bucketscope/snapshots"
)

// PProf writes a profile for `go tool pprof`. Its stacks are made up, from leaf
// to root: what was asked for, the key that served it, the usage, the session.
// alloc_* are the buffers that were created, in use is what existed at the
// moment when most was held: handed out, pending and cached. Labels are the
// mode and usage, and as numbers the buffer's bytes and the run (how many had
// ended) that it was created in.
func PProf(w io.Writer, s *snapshots.Snapshot) error {
	b := pprofBuilder{
		snapshot: s, samples: map[pprofKey]*[4]int64{}, functions: map[string]*profile.Location{},
		profile: &profile.Profile{
			SampleType: []*profile.ValueType{
				{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"},
				{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"},
			},
			DefaultSampleType: "inuse_space",
			PeriodType:        &profile.ValueType{Type: "space", Unit: "bytes"},
			Period:            1,
			DurationNanos:     s.ElapsedUS * 1000,
			Comments: []string{
				fmt.Sprintf("%s on %s, trace sha256 %s", s.Workload.Name, s.Device.Name, s.Workload.SHA256),
				"alloc: buffers created; inuse: buffers that existed when most was held",
			},
		},
	}
	b.count()
	if err := b.build().CheckValid(); err != nil {
		return err
	}
	return b.profile.Write(w)
}

// pprofKey is what samples are summed by.
type pprofKey struct {
	session         int32
	usage           cachemodes.Usage
	mode            cachemodes.ModeID
	size, requested int64
	run             int64
}

type pprofBuilder struct {
	snapshot  *snapshots.Snapshot
	samples   map[pprofKey]*[4]int64
	functions map[string]*profile.Location
	profile   *profile.Profile
}

func (b *pprofBuilder) add(k pprofKey, objects int) {
	v := b.samples[k]
	if v == nil {
		v = &[4]int64{}
		b.samples[k] = v
	}
	v[objects]++
	v[objects+1] += k.size
}

// count sums up what was created, and what existed at the peak.
func (b *pprofBuilder) count() {
	h := &b.snapshot.History
	// A buffer in a cache has no session; it counts for the last that had it.
	owners := map[int64]int32{} // by serial
	end := h.At(h.End()).Ledger.Total()
	reached := false
	h.Scan(h.First(), func(m *probe.Moment, e *probe.Entry) bool {
		if t := m.Ledger.Total(); !reached && t.PeakHeld == end.PeakHeld {
			reached = true
			b.existing(m, owners)
		}
		if ev := &e.Event; e.What == probe.Happened {
			switch ev.Kind {
			case cachemodes.Create:
				b.add(pprofKey{ev.Session, ev.Usage, ev.Mode, ev.Size, ev.Requested, m.Ledger.Runs()}, 0)
				owners[e.Serial] = ev.Session
			case cachemodes.Hit:
				owners[e.Serial] = ev.Session
			}
		}
		return true
	})
	if !reached { // the peak was the last thing that happened
		b.existing(h.At(h.End()), owners)
	}
}

// existing counts the buffers of a moment.
func (b *pprofBuilder) existing(m *probe.Moment, owners map[int64]int32) {
	for id := range m.Buffers {
		x := &m.Buffers[id]
		if x.State == cachemodes.Gone || !x.Usage.Held() {
			continue
		}
		session, ok := owners[x.Serial]
		if !ok {
			session = x.Session
		}
		b.add(pprofKey{session, x.Usage, x.Mode, x.Size, x.Requested, x.CreatedRun}, 2)
	}
}

func (b *pprofBuilder) build() *profile.Profile {
	keys := make([]pprofKey, 0, len(b.samples))
	for k := range b.samples {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y pprofKey) int {
		return cmp.Or(cmp.Compare(x.session, y.session), cmp.Compare(x.usage, y.usage), cmp.Compare(x.mode, y.mode),
			cmp.Compare(x.size, y.size), cmp.Compare(x.requested, y.requested), cmp.Compare(x.run, y.run))
	})
	for _, k := range keys {
		session := "no session"
		if k.session != cachemodes.NoSession {
			session = fmt.Sprintf("session %d %s", b.snapshot.Sessions[k.session].ID, b.snapshot.Sessions[k.session].Model)
		}
		b.profile.Sample = append(b.profile.Sample, &profile.Sample{
			Location: []*profile.Location{
				b.location(fmt.Sprintf("requested %d", k.requested)), b.location(fmt.Sprintf("key %d", k.size)),
				b.location(k.usage.String()), b.location(session),
			},
			Value:    b.samples[k][:],
			Label:    map[string][]string{"mode": {k.mode.String()}, "usage": {k.usage.String()}},
			NumLabel: map[string][]int64{"bytes": {k.size}, "run": {k.run}},
			NumUnit:  map[string][]string{"bytes": {"bytes"}, "run": {"count"}},
		})
	}
	return b.profile
}

// location is the frame of a made-up function.
func (b *pprofBuilder) location(name string) *profile.Location {
	if l := b.functions[name]; l != nil {
		return l
	}
	id := uint64(len(b.functions) + 1)
	f := &profile.Function{ID: id, Name: name, SystemName: name}
	l := &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
	b.profile.Function = append(b.profile.Function, f)
	b.profile.Location = append(b.profile.Location, l)
	b.functions[name] = l
	return l
}
