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
			runs.add(info)
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

// A lender names so many; what the others had of it is together, and stays so when
// it is written and read.
func TestLendingOthers(t *testing.T) {
	var l lending
	for to := range int32(100) {
		p := l.pair(7, to)
		p.Count++
		p.Bytes += 10
	}
	l.pair(7, 3).Count++
	all := l.all()
	if len(all) != mostNamed+1 || l.n != len(all) || all[0] != (Loan{7, Others, 100 - mostNamed, 10 * (100 - mostNamed)}) || all[4] != (Loan{7, 3, 2, 10}) {
		t.Errorf("%d pairs, %v", l.n, all)
	}
	var w coder
	l.code(&w)
	r, read := coder{in: w.out, reading: true, version: historyVersion}, lending{}
	if read.code(&r); r.err != nil || !slices.Equal(read.all(), all) {
		t.Errorf("read back: %v, %v", r.err, read.all())
	}
}

// The most since each run's start is what following every run apart says, and
// what is looked at does not grow with the runs.
func TestCrest(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, most := range []int{3, 300} {
		var c crest
		var open openRuns
		want := map[int64]int64{} // by ordinal
		now, ordinal, calls := int64(0), int64(0), int64(0)
		for i := range 20_000 {
			calls++
			now = max(0, now+random.Int64N(21)-10-now/50)
			high := now + random.Int64N(5)
			c.rise(high)
			for o := range want {
				want[o] = max(want[o], high)
			}
			if random.IntN(2*most) >= len(want) {
				ordinal++
				open.add(RunInfo{ID: ordinal}).ordinal = ordinal
				c.start(ordinal, now)
				want[ordinal] = now
			} else {
				o := open.oldest()
				for range random.IntN(len(want)) {
					o = open.at(o.later)
				}
				delete(want, o.ordinal)
				open.remove(o)
				c.trim(&open)
			}
			if i%97 != 0 {
				continue
			}
			for o := open.oldest(); o != nil; o = open.at(o.later) {
				if got := c.since(o.ordinal); got != want[o.ordinal] {
					t.Fatalf("step %d: run %d saw %d, want %d", i, o.ordinal, got, want[o.ordinal])
				}
			}
		}
		if c.taken > 4*calls {
			t.Errorf("%d runs at once: %d steps in %d calls", most, c.taken, calls)
		}
	}
}
