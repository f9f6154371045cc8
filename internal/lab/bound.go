package lab

// boundMoments is how many moments of a trace the bound looks at, at most: more of
// them find a little more.
const boundMoments = 1200

// MinCreates is a number of storage buffers that no policy can create fewer
// than, whatever it knows of the future, if each request has a buffer of its
// own and no more than peak bytes are ever held, others' included.
//
// Let two moments of the trace be v and, later, w. The buffers that exist at v
// hold every request in use there. If, at w, j requests are in use whose buffers
// existed at v already, those buffers could also hold the j smallest requests in
// use at w. To hold both, the k-th largest of them must be as large as the k-th
// largest of either; so all together take at least the sum of those maxima, which
// must not exceed what peak leaves for storage at v. The most j for which it does
// not leaves all other requests at w to buffers created in between. Such stretches
// from v to w that do not overlap add up; the best choice of them is found by
// dynamic programming.
func (s *Stream) MinCreates(peak int64) int64 {
	return s.minCreates(func(int) int64 { return peak })
}

// MinCreatesSoFar is the same for policies that at no moment hold more than
// some thousandths of the floor up to then: what one must do that does not know
// whether more will be asked for. Others' bytes count as they are held.
func (s *Stream) MinCreatesSoFar(thousandths int64) int64 {
	return max(s.MinCreatesByRun(thousandths), s.minCreatesWithin(thousandths, s.floors()))
}

// MinCreatesByRun is the same for policies that may hold so much of the floor up to
// the next end of a run: what one may do that knows, when a run begins, how much
// it will ask for at once, of a shape that it has never seen, too.
func (s *Stream) MinCreatesByRun(thousandths int64) int64 {
	floors := s.floors()
	next := len(floors) - 1
	for i, r := len(floors)-1, len(s.ends)-1; i >= 0; i-- {
		for r >= 0 && s.ends[r] > i {
			next = s.ends[r] - 1
			r--
		}
		floors[i] = floors[next]
	}
	return s.minCreatesWithin(thousandths, floors)
}

func (s *Stream) minCreatesWithin(thousandths int64, floors []int64) int64 {
	return max(s.MinCreates(s.Floor/1000*thousandths),
		s.minCreates(func(op int) int64 { return floors[op] / 1000 * thousandths }))
}

// floors are, by operation, the floor up to then.
func (s *Stream) floors() []int64 {
	out := make([]int64, len(s.ops))
	var inUse, floor int64
	for i := range s.ops {
		o := &s.ops[i]
		switch size := s.Sizes[o.code>>2]; o.code & 3 {
		case take:
			inUse += size
			floor = max(floor, inUse+o.other)
		case give:
			inUse -= size
		}
		out[i] = floor
	}
	return out
}

// minCreates is the bound where limit is what may be held at an operation.
func (s *Stream) minCreates(limit func(op int) int64) int64 {
	moments := s.moments(limit)
	total := int64(0)
	// ended[w] is the most creates in stretches that end at moment w or before it.
	ended := make([]int64, len(moments))
	for w := range moments {
		live := int64(len(moments[w].live))
		ended[w] = live // one stretch from the beginning, where nothing existed
		for v := range w {
			if ended[v]+live > ended[w] { // else it could not be more
				ended[w] = max(ended[w], ended[v]+created(&moments[v], &moments[w]))
			}
		}
		total = max(total, ended[w])
	}
	return total
}

// moment is what storage requests ask for at once, and what their buffers may have.
type moment struct {
	live  []int64 // sizes of the requests in use, descending, bytes
	limit int64   // bytes
}

// moments picks those that tell most: of each of several stretches of the trace
// that with the least bytes to spare, and that with most requests in use.
func (s *Stream) moments(limit func(op int) int64) []moment {
	requests := int64(0)
	for _, n := range s.Requests {
		requests += n
	}
	stretch := max(1, (2*requests+boundMoments-1)/boundMoments)
	counts := make([]int32, len(s.Sizes))
	snapshot := func(limit int64) moment {
		m := moment{limit: limit}
		for x := len(counts) - 1; x >= 0; x-- {
			for range counts[x] {
				m.live = append(m.live, s.Sizes[x])
			}
		}
		return m
	}
	var out []moment
	var tight, full moment
	var tightAt, fullAt int
	var inUse, count, slack, most, seen int64
	for i := range s.ops {
		o := &s.ops[i]
		size := o.code >> 2
		switch o.code & 3 {
		case give:
			counts[size]--
			count--
			inUse -= s.Sizes[size]
			continue
		case refresh:
			continue
		}
		counts[size]++
		count++
		inUse += s.Sizes[size]
		left := limit(i) - o.other
		if seen == 0 || left-inUse < slack {
			slack, tightAt, tight = left-inUse, i, snapshot(left)
		}
		if seen == 0 || count > most {
			most, fullAt, full = count, i, snapshot(left)
		}
		if seen++; seen < stretch {
			continue
		}
		seen = 0
		if fullAt < tightAt {
			out = append(out, full)
		}
		out = append(out, tight)
		if fullAt > tightAt {
			out = append(out, full)
		}
	}
	return out
}

// created is how many buffers are created between two moments at least.
func created(from, to *moment) int64 {
	j := len(to.live)
	if from.holds(to.live) {
		return 0
	}
	least := 0 // the most that are held is at least this, and below j
	for least+1 < j {
		if mid := (least + j) / 2; from.holds(to.live[len(to.live)-mid:]) {
			least = mid
		} else {
			j = mid
		}
	}
	return int64(len(to.live) - least)
}

// holds reports whether buffers that hold what is live at the moment can hold other
// requests as well, sizes descending, within its limit.
func (m *moment) holds(others []int64) bool {
	var sum int64
	for k := range max(len(m.live), len(others)) {
		var size int64
		if k < len(m.live) {
			size = m.live[k]
		}
		if k < len(others) {
			size = max(size, others[k])
		}
		if sum += size; sum > m.limit {
			return false
		}
	}
	return true
}
