package cachemodes

// exact is the family that rounds a size and nothing more: disabled,
// lazyRelease, simple and graphSimple of ORT (buffer_manager.cc).
type exact struct {
	round   int64
	cap     int
	reuse   When
	discard When
}

func (e exact) Key(n int64) int64 { return roundUp(n, e.round) }

func (e exact) Cap(int64) (int, Reason) {
	if e.cap == 0 {
		return 0, NoCache
	}
	return e.cap, NoReason
}

func (e exact) Reuse() When   { return e.reuse }
func (e exact) Discard() When { return e.discard }
