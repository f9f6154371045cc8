package cachemodes

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// learned is the keys that a session has now, wherever they are learned.
func learned(m *Manager, session int32) []int64 {
	sizes := map[int64]bool{}
	for _, d := range m.domains {
		if d == nil {
			continue
		}
		var p *dynamic
		switch policy := d.caches[Storage].policy.(type) {
		case *dynamic:
			p = policy
		case *dynamicShared:
			p, session = policy.dynamic, everyone
		}
		if pattern := p.sessions[session]; pattern != nil {
			for size := range pattern.sizes {
				sizes[size] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(sizes))
}

// TestLearnsPerSession: whoever shares buffers, dynamicBucket learns from each
// session what it would learn from it alone, however others' runs come between.
// Under dynamicBucketShared it does not, with caches of their own neither, since
// one counter counts the runs of all: that is its fault.
func TestLearnsPerSession(t *testing.T) {
	const runs = 12
	type call func(m *Manager)
	// calls are a session's own: they depend on nothing that others do.
	calls := func(seed uint64, session int32, after func(*Manager)) (out []call) {
		random := rand.New(rand.NewPCG(seed, uint64(session)))
		for range runs {
			out = append(out, func(m *Manager) { m.RunStart(session) })
			for range 1 + random.IntN(6) {
				n := 16 * (1 + random.Int64N(8))
				out = append(out, func(m *Manager) { id, _ := m.Request(session, Storage, n); m.Release(id) })
			}
			out = append(out, func(m *Manager) { m.Refresh(session); m.RunEnd(session); after(m) })
		}
		return out
	}
	for _, mode := range []ModeID{DynamicBucket, DynamicBucketShared} {
		for _, scope := range Scopes() {
			t.Run(fmt.Sprintf("%s %s", mode, scope), func(t *testing.T) {
				cfg := DefaultConfig()
				cfg[Storage].Mode = mode
				wrong := 0
				for seed := range uint64(200) {
					var got [2][]string
					note := func(session int32) func(*Manager) {
						return func(m *Manager) { got[session] = append(got[session], fmt.Sprint(learned(m, session))) }
					}
					queues := [2][]call{calls(seed, 0, note(0)), calls(seed, 1, note(1))}
					for s := range queues { // each alone
						m := NewSharing(cfg, Sharing{Scope: scope})
						for _, c := range queues[s] {
							c(m)
						}
					}
					alone := got
					got = [2][]string{}
					m := NewSharing(cfg, Sharing{Scope: scope})
					random := rand.New(rand.NewPCG(seed, 2))
					for len(queues[0])+len(queues[1]) > 0 {
						s := random.IntN(2)
						if len(queues[s]) == 0 {
							s = 1 - s
						}
						queues[s][0](m)
						queues[s] = queues[s][1:]
					}
					for s := range got {
						if !slices.Equal(got[s], alone[s]) {
							wrong++
						}
					}
				}
				if fault := mode == DynamicBucketShared; (wrong > 0) != fault {
					t.Errorf("in %d of 400 cases a session's keys are not those that it has alone", wrong)
				}
			})
		}
	}
}
