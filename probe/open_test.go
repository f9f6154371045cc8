package probe

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Runs that begin and end in any order, of sessions with several at once, are
// those that a plain list has, in its order; so are those of a copy made before.
func TestOpenRuns(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var runs openRuns
	var want []RunInfo
	have := func(r *openRuns) (out []RunInfo) {
		for o := r.oldest(); o != nil; o = r.at(o.later) {
			out = append(out, o.run.RunInfo)
		}
		return out
	}
	var copied openRuns
	var copiedWant []RunInfo
	for i := range 5000 {
		if len(want) == 0 || random.IntN(20) >= len(want) {
			info := RunInfo{Session: random.Int32N(6), ID: random.Int64N(4)}
			runs.add(openRun{run: Run{RunInfo: info}})
			want = append(want, info)
		} else {
			gone := want[random.IntN(len(want))]
			at := len(want) - 1 // of equals the newest ends first
			for want[at] != gone {
				at--
			}
			runs.remove(runs.find(gone.Session, gone.ID))
			want = slices.Delete(want, at, at+1)
		}
		if got := have(&runs); !slices.Equal(got, want) || runs.n != len(want) {
			t.Fatalf("step %d: %d runs %v, want %v", i, runs.n, got, want)
		}
		if runs.find(6, 0) != nil || runs.find(0, 4) != nil {
			t.Fatalf("step %d: a run was found that never was", i)
		}
		if got := have(&copied); !slices.Equal(got, copiedWant) {
			t.Fatalf("step %d: the copy has %v, want %v", i, got, copiedWant)
		}
		if i%100 == 0 {
			copied, copiedWant = runs.clone(), slices.Clone(want)
		}
	}
}

// Pairs are sorted however they come, and a copy goes its own way.
func TestLending(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var l lending
	for range 300 {
		l.pair(random.Int32N(20), random.Int32N(20)).Count++
	}
	c := l.clone()
	before := c.all()
	for range 300 {
		l.pair(random.Int32N(30), random.Int32N(30)).Count++
	}
	if !slices.Equal(c.all(), before) {
		t.Error("a copy changed with what it was made from")
	}
	for range 300 {
		c.pair(random.Int32N(30), random.Int32N(30)).Count++
	}
	for _, l := range []*lending{&l, &c} {
		all := l.all()
		if len(all) != l.n || !slices.IsSortedFunc(all, func(a, b Loan) int { return int(a.From-b.From)*100 + int(a.To-b.To) }) {
			t.Errorf("%d pairs, %v", l.n, all)
		}
		var sum int64
		for _, p := range all {
			sum += p.Count
		}
		if sum != 600 {
			t.Errorf("%d loans, want 600", sum)
		}
	}
}
