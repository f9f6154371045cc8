package cachemodes

import "math"

// Limits answers how many free buffers of a size a setting keeps: what Keys
// tells of a Manager, without one. Of a mode that learns, learnt says whether
// the size is among its keys.
type Limits struct {
	policy Policy
	learns bool
}

// Limits are those of a setting, which must be valid.
func (s Setting) Limits() Limits {
	p := modes[s.Mode].policy(s.Params)
	_, learns := p.(Learner)
	return Limits{p, learns}
}

// Of is a size's cap, and whether a request would be rounded to the size and a
// buffer of it kept.
func (l Limits) Of(size int64, learnt bool) (limit int, isKey bool) {
	limit, _ = l.policy.Cap(size)
	if l.learns && learnt {
		limit = Uncapped
	}
	limit = min(limit, math.MaxInt32)
	return limit, limit > 0 && l.policy.Key(size) == size
}
