package tui

import "bucketscope/internal/engine"

// diagnosis is the line that says what costs most, and what to do about it. It
// stands for a while on the profile's clock: what changes with every run
// cannot be read.
type diagnosis struct {
	text string
	atUS int64
	past bool // it is of a moment that was gone back to: then it is exact
	seen *engine.State
}

// follow takes in the state to show.
func (d *diagnosis) follow(f *frame) {
	st := f.st
	if d.seen == st {
		return
	}
	if begunAnew(d.seen, st) || d.past || f.past() || st.Status != d.seen.Status || d.text == "" || st.NowUS-d.atUS >= adviseEvery.Microseconds() {
		d.text, d.atUS = advice(f), st.NowUS
	}
	d.seen, d.past = st, f.past()
}
