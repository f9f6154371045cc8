package compare

import "bucketscope/snapshots"

// Match pairs the runs of two recordings that are the same run of the workload:
// of one session, under one number. Where a recording played a run several
// times, its last goes with the other's last, the one before with the one
// before. The answer are indices, pair by pair, in the order of b.
func Match(a, b []snapshots.RunEntry) (ai, bi []int) {
	type run struct{ session, id int64 }
	of := map[run][]int{}
	for i := range a {
		r := run{a[i].Session, a[i].Run}
		of[r] = append(of[r], i)
	}
	for i := len(b) - 1; i >= 0; i-- {
		r := run{b[i].Session, b[i].Run}
		left := of[r]
		if len(left) == 0 {
			continue
		}
		ai, bi = append(ai, left[len(left)-1]), append(bi, i)
		of[r] = left[:len(left)-1]
	}
	for i, j := 0, len(ai)-1; i < j; i, j = i+1, j-1 {
		ai[i], ai[j], bi[i], bi[j] = ai[j], ai[i], bi[j], bi[i]
	}
	return ai, bi
}
