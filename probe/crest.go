package probe

import (
	"cmp"
	"slices"
)

// crest is the most of a figure since the start of each run going on. What an
// earlier run saw is at least what later ones did, so that runs stand in steps:
//
//	since run 3   since run 8   since run 9      run 5 saw 70
//	  70            40            10
//
// A rise flattens the steps below it, from the last one back. However many runs
// are open, each start, rise and end takes a step or two, or is paid for by steps
// that it takes away.
type crest struct {
	steps []step
	taken int64 // steps looked at, ever
}

// step is the most since the run of an ordinal, and since those after it up to
// the next step.
type step struct{ since, most int64 }

// start begins a run, whose ordinal is above those before it, with the figure as
// it stands.
func (c *crest) start(ordinal, now int64) { c.steps = append(c.steps, step{ordinal, now}) }

// rise tells how high the figure was since it was told last.
func (c *crest) rise(high int64) {
	n := len(c.steps)
	for n > 0 && c.steps[n-1].most <= high {
		n--
	}
	c.taken += int64(len(c.steps) - n + 1)
	if n < len(c.steps) {
		c.steps[n].most = high
		c.steps = c.steps[:n+1]
	}
}

// since is the most since a run that is going on.
func (c *crest) since(ordinal int64) int64 {
	i, found := slices.BinarySearchFunc(c.steps, ordinal, func(s step, ordinal int64) int { return cmp.Compare(s.since, ordinal) })
	if !found {
		i--
	}
	return c.steps[i].most
}

// trim forgets steps that no run going on stands on, once they are the most.
func (c *crest) trim(open *openRuns) {
	if len(c.steps) <= 2*open.n+8 {
		return
	}
	c.taken += int64(len(c.steps))
	kept, o := c.steps[:0], open.oldest()
	for i, s := range c.steps {
		for o != nil && o.ordinal < s.since {
			o = open.at(o.later)
		}
		if o != nil && (i+1 == len(c.steps) || o.ordinal < c.steps[i+1].since) {
			kept = append(kept, s)
		}
	}
	c.steps = kept
}

func (c *crest) clone() crest { return crest{slices.Clone(c.steps), c.taken} }

// crests are those of the total.
type crests struct{ held, inUse, requested crest }

// start begins a run with the total as it stands.
func (c *crests) start(ordinal int64, now peaks) {
	c.held.start(ordinal, now.held)
	c.inUse.start(ordinal, now.inUse)
	c.requested.start(ordinal, now.requested)
}

func (c *crests) rise(high peaks) {
	c.held.rise(high.held)
	c.inUse.rise(high.inUse)
	c.requested.rise(high.requested)
}

// since is the most of each since a run that is going on.
func (c *crests) since(ordinal int64) peaks {
	return peaks{c.held.since(ordinal), c.inUse.since(ordinal), c.requested.since(ordinal)}
}

func (c *crests) trim(open *openRuns) {
	c.held.trim(open)
	c.inUse.trim(open)
	c.requested.trim(open)
}

func (c *crests) clone() crests {
	return crests{c.held.clone(), c.inUse.clone(), c.requested.clone()}
}
