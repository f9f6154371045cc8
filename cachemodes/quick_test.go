package cachemodes

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQuick: what takes the short way leads to the same events as the long way,
// in every mode and scope, with sessions that come and go and modes that are
// switched, and leaves the same behind; one by one, in stretches, and in stretches
// of what is plain.
func TestQuick(t *testing.T) {
	const steps = 600
	quickHits, quickReleases, stretches, plain, briefs, settles := 0, 0, 0, 0, 0, 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 0))
		mode := func() ModeID { return ModeID(rng.IntN(numModes)) }
		sharing := Sharing{}
		if rng.IntN(4) == 0 {
			sharing.Scope = Scopes()[rng.IntN(numScopes)]
		}
		if rng.IntN(8) == 0 {
			sharing.Provoke = Hazards()[rng.IntN(len(Hazards()))]
		}
		cfg := DefaultConfig()
		cfg[Storage].Mode, cfg[Uniform].Mode = mode(), mode()
		short, long := NewSharing(cfg, sharing), NewSharing(cfg, sharing)
		same := func(what string, got, want []Event) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s\n%+v, want\n%+v", seed, what, got, want)
			}
		}
		// What has been called for the long way, and not yet for the short one.
		var calls []Call
		var want []Event
		slots, others := make([]BufID, steps), make([]BufID, steps)
		for i := range slots {
			slots[i], others[i] = NoBuf, NoBuf
		}
		var out []int32 // slots that have a buffer
		catchUp := func() {
			t.Helper()
			var got []Event
			Pair(calls)
			for at := 0; at < len(calls); stretches++ {
				if rng.IntN(2) == 0 {
					n, played := short.PlayPlain(0, calls[at:], slots, nil)
					if len(played.Plain) != n {
						t.Fatalf("seed %d: %d plain calls led to %d events", seed, n, len(played.Plain))
					}
					got, plain = short.Expand(&played, got), plain+n
					if at += n; at == len(calls) {
						break
					}
				}
				n, played := short.Play(0, calls[at:], slots)
				if n == 0 {
					t.Fatalf("seed %d: nothing was played of %+v", seed, calls[at:])
				}
				at += n
				got = short.Expand(&played, got)
				settles += len(played.Settled)
				for _, e := range played.Plain {
					if e.Kind == Hit && e.Brief {
						briefs++
					}
				}
			}
			same("stretch", got, want)
			if !slices.Equal(slots, others) {
				t.Fatalf("seed %d: buffers %v, want %v", seed, slots, others)
			}
			calls, want = calls[:0], want[:0]
		}
		// alone is a call that is made at once, and by the short way if that takes it.
		alone := func(call Call) bool {
			catchUp()
			s := short.plain(int32(call.Session))
			short.events, short.played, short.told = short.events[:0], short.played[:0], 0
			if s == nil || short.shorts(s, []Call{call}, slots) == 0 {
				return false
			}
			short.events = short.Expand(&Played{Session: int32(call.Session), Plain: short.played}, short.events)
			return true
		}
		sizes := []int64{4, 16, 100, 4096, 5000, 1 << 20, 1 << 29}
		gather := rng.IntN(4) > 0
		for slot := range int32(steps) {
			s := int32(rng.IntN(4) / 3) // mostly the first
			long.events = long.events[:0]
			call := Call{Session: uint16(s)}
			n := rng.IntN(100)
			brief := len(out) > 0 && out[len(out)-1] == slot-1 && rng.IntN(3) == 0
			if brief { // what was asked for last comes back
				n = 50
			}
			switch {
			case n < 45:
				u := []Usage{Storage, Storage, Uniform, Uniform, QueryResolve, Weights, Staging}[rng.IntN(7)]
				call.Op, call.Slot, call.Usage, call.Bytes = CallRequest, slot, u, sizes[rng.IntN(len(sizes))]
				quick := !gather && alone(call)
				others[slot] = long.request(s, u, call.Bytes)
				out = append(out, slot)
				if quick {
					quickHits++
					same("hit", short.events, long.events)
					continue
				}
			case n < 88:
				if len(out) == 0 {
					continue
				}
				i := rng.IntN(len(out))
				if brief {
					i = len(out) - 1
				}
				call.Op, call.Slot = CallRelease, out[i]
				id := others[call.Slot]
				call.Session = uint16(long.bufs[id].session)
				out = slices.Delete(out, i, i+1)
				quick := !gather && alone(call)
				others[call.Slot] = NoBuf
				long.release(id)
				if quick {
					quickReleases++
					same("release", short.events, long.events)
					continue
				}
			case n < 93:
				call.Op = CallRefresh
				long.refresh(s)
			default:
				catchUp()
				switch {
				case n < 95:
					same("run start", short.RunStart(s), long.RunStart(s))
				case n < 97:
					same("run end", short.RunEnd(s), long.RunEnd(s))
				case n < 98:
					same("session release", short.SessionRelease(s), long.SessionRelease(s))
				case n < 99:
					setting := Setting{mode(), DefaultParams()}
					got, err := short.Set(Storage, setting)
					want, other := long.Set(Storage, setting)
					if err != nil || other != nil {
						t.Fatal(err, other)
					}
					same("switch", got, want)
				default:
					if len(out) == 0 {
						continue
					}
					i := rng.IntN(len(out))
					slot := out[i]
					out = slices.Delete(out, i, i+1)
					got := short.Release(slots[slot])
					long.release(others[slot])
					slots[slot], others[slot] = NoBuf, NoBuf
					same("one release", got, long.events)
				}
			}
			if call.Op != CallOther {
				calls = append(calls, call)
				want = append(want, long.events...)
				if gather && rng.IntN(100) > 0 {
					continue
				}
				catchUp()
			}
			got, err := short.Audit()
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if want, _ := long.Audit(); got != want || short.requested != long.requested {
				t.Fatalf("seed %d: %+v, want %+v", seed, got, want)
			}
		}
	}
	t.Logf("%d hits and %d releases took the short way alone; %d stretches; %d plain calls; %d brief; %d settled together",
		quickHits, quickReleases, stretches, plain, briefs, settles)
	if min(quickHits, quickReleases, plain, briefs, settles) < 500 || stretches < 1000 {
		t.Error("these are too few")
	}
}

// TestRecents: two sizes that belong in one place are both found, whichever was
// asked for first; what is forgotten is found to be nothing else.
func TestRecents(t *testing.T) {
	bks := make([]bucket, 3)
	alike := []int64{32}
	for n := int64(48); len(alike) < 3; n += 16 {
		if recentSlot(n) == recentSlot(32) {
			alike = append(alike, n)
		}
	}
	var r recents
	r.put(alike[0], &bks[0])
	r.put(alike[1], &bks[1])
	for range 3 {
		for i := range 2 {
			if got := r.find(alike[i]); got != &bks[i] {
				t.Fatalf("%d has another bucket", alike[i])
			}
		}
	}
	r.put(alike[2], &bks[2])
	for i, n := range alike {
		if got := r.find(n); got != &bks[i] && (got != nil || i == 2) {
			t.Errorf("%d has the bucket of another, or none", n)
		}
	}
	beside := int64(16)
	for recentSlot(beside) != recentSlot(32)^1 || slices.Contains(alike, beside) {
		beside += 16
	}
	r = recents{}
	r.put(32, &bks[0])
	r.put(beside, &bks[1])
	if r.find(32) != &bks[0] || r.find(beside) != &bks[1] {
		t.Error("a size pushed out one that was beside its place, with room for both")
	}
}
