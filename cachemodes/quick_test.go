package cachemodes

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQuick: what takes the short way leads to the same events as the long way,
// in every mode and scope, with sessions that come and go and modes that are
// switched, and leaves the same behind.
func TestQuick(t *testing.T) {
	const steps = 600
	quickHits, quickReleases := 0, 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		mode := func() ModeID { return ModeID(rng.IntN(numModes)) }
		sharing := Sharing{}
		if rng.IntN(4) == 0 {
			sharing.Scope = Scopes()[rng.IntN(numScopes)]
		}
		cfg := DefaultConfig()
		cfg[Storage].Mode, cfg[Uniform].Mode = mode(), mode()
		short, long := NewSharing(cfg, sharing), NewSharing(cfg, sharing)
		var out []BufID
		same := func(what string, got, want []Event) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s\n%+v, want\n%+v", seed, what, got, want)
			}
		}
		sizes := []int64{4, 16, 100, 4096, 5000, 1 << 20, 1 << 29}
		for range steps {
			s := int32(rng.IntN(4) / 3) // mostly the first
			switch n := rng.IntN(100); {
			case n < 45:
				u := []Usage{Storage, Storage, Uniform, Uniform, QueryResolve, Weights, Staging}[rng.IntN(7)]
				bytes := sizes[rng.IntN(len(sizes))]
				id, got := short.Request(s, u, bytes)
				other, want := long.request(s, u, bytes)
				if id != other {
					t.Fatalf("seed %d: buffer %d, want %d", seed, id, other)
				}
				same("request", got, want)
				if &got[0] == &short.bufs[id].told[0] {
					quickHits++
				}
				out = append(out, id)
			case n < 88:
				if len(out) == 0 {
					continue
				}
				i := rng.IntN(len(out))
				id := out[i]
				out = slices.Delete(out, i, i+1)
				got := short.Release(id)
				same("release", got, long.release(id))
				if len(got) > 0 && &got[0] == &short.bufs[id].told[0] {
					quickReleases++
				}
			case n < 93:
				same("submit", short.Refresh(s), long.Refresh(s))
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
	t.Logf("%d hits and %d releases took the short way", quickHits, quickReleases)
	if quickHits < 1000 || quickReleases < 1000 {
		t.Errorf("only %d hits and %d releases of %d steps took the short way", quickHits, quickReleases, 200*steps)
	}
}
