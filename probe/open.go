package probe

import (
	"slices"

	"bucketscope/cachemodes"
)

// openRun is a run going on, with the books as they were at its start.
type openRun struct {
	run               Run
	ordinal           int64 // of its start
	total             Books
	usage             [cachemodes.NumUsages]Books
	adjusts, switches int64
	links
}

// links are the numbers of the runs before and after one in the order of their
// start, and of the one of the same session before it; 0 for none.
type links struct{ self, earlier, later, before int32 }

// openRuns are the runs going on. One begins, is found and ends in a time that
// does not grow with how many there are: a device can have thousands of sessions.
type openRuns struct {
	n           int
	slots       []openRun // by number, less one
	free        []int32   // numbers
	first, last int32
	of          []int32 // the newest of each session, by its index plus one
}

// at is the run of a number, nil for none.
func (r *openRuns) at(number int32) *openRun {
	if number == 0 {
		return nil
	}
	return &r.slots[number-1]
}

// oldest is the run that began first, newest the one that began last.
func (r *openRuns) oldest() *openRun { return r.at(r.first) }
func (r *openRuns) newest() *openRun { return r.at(r.last) }

// newestOf is the run of a session that began last.
func (r *openRuns) newestOf(session int32) *openRun {
	if i := int(session) + 1; i < len(r.of) {
		return r.at(r.of[i])
	}
	return nil
}

// find is the newest run of that session and id.
func (r *openRuns) find(session int32, id int64) *openRun {
	o := r.newestOf(session)
	for o != nil && o.run.ID != id {
		o = r.at(o.before)
	}
	return o
}

// add opens a run. The books that go with it are the caller's to write, where they
// stay: they are some kilobytes.
func (r *openRuns) add(info RunInfo) *openRun {
	if n := int(info.Session) + 2 - len(r.of); n > 0 {
		r.of = append(r.of, make([]int32, n)...)
	}
	of := &r.of[info.Session+1]
	var self int32
	if n := len(r.free) - 1; n >= 0 {
		self, r.free = r.free[n], r.free[:n]
	} else {
		r.slots = append(r.slots, openRun{})
		self = int32(len(r.slots))
	}
	o := r.at(self)
	o.run.RunInfo = info
	o.links = links{self: self, earlier: r.last, before: *of}
	if r.last != 0 {
		r.newest().later = o.self
	} else {
		r.first = o.self
	}
	r.last, *of = o.self, o.self
	r.n++
	return o
}

// remove closes a run.
func (r *openRuns) remove(o *openRun) {
	if o.earlier != 0 {
		r.at(o.earlier).later = o.later
	} else {
		r.first = o.later
	}
	if o.later != 0 {
		r.at(o.later).earlier = o.earlier
	} else {
		r.last = o.earlier
	}
	of := &r.of[o.run.Session+1]
	for *of != o.self {
		of = &r.at(*of).before
	}
	*of = o.before
	r.free = append(r.free, o.self)
	r.n--
}

func (r *openRuns) clone() openRuns {
	c := *r
	c.slots, c.free, c.of = slices.Clone(r.slots), slices.Clone(r.free), slices.Clone(r.of)
	return c
}
