package compare

import (
	"cmp"
	"slices"

	"bucketscope/snapshots"
)

// Match pairs the runs of two recordings that are the same run of the workload:
// of one session, under one number. Where a recording played a run several
// times, its last goes with the other's last, the one before with the one
// before. The answer are indices, pair by pair: the runs as the workload numbers
// them, once for each time that both played them.
func Match(a, b []snapshots.RunEntry) (ai, bi []int) {
	type run struct{ session, id int64 }
	of := map[run][]int{}
	for i := range a {
		r := run{a[i].Session, a[i].Run}
		of[r] = append(of[r], i)
	}
	type pair struct {
		a, b, time int // time: 0 is the last
	}
	var pairs []pair
	times := map[run]int{}
	for i := len(b) - 1; i >= 0; i-- {
		r := run{b[i].Session, b[i].Run}
		if left := of[r]; len(left) > 0 {
			pairs = append(pairs, pair{left[len(left)-1], i, times[r]})
			of[r] = left[:len(left)-1]
			times[r]++
		}
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		return cmp.Or(cmp.Compare(y.time, x.time), cmp.Compare(b[x.b].Run, b[y.b].Run), cmp.Compare(b[x.b].Session, b[y.b].Session))
	})
	for _, p := range pairs {
		ai, bi = append(ai, p.a), append(bi, p.b)
	}
	return ai, bi
}
