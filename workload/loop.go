package workload

import "slices"

// A Trace whose models stay loaded while it runs can be played for as long as
// one likes, without loading them again:
//
//	Prologue  sessions, weights, whatever comes before the first run
//	Loop      the first run_start to the last run_end, and the releases of
//	          what these events requested and had not released by then
//	Epilogue  the rest: releases of what the Prologue requested, sessions
//
// Prologue, Loop once and Epilogue are the Events, each exactly once, and in
// the order of the Events but for the releases of the Loop that come after the
// last run_end, which all come directly after it. So every figure taken up to
// the last run_end is the same either way. The Loop leaves as it finds: the
// slots that it uses are free before and after, so it can follow itself any
// number of times.

// Prologue is what comes before the first Loop; nil where Loop is.
func (t *Trace) Prologue() []Event { return t.prologue }

// Loop is the events of one repetition. It is nil where repeating the whole
// trace is all that makes sense: there is no run; between the first and the
// last run a session is created, becomes ready or is released, or a buffer is
// released that was requested before; or one that was requested there is never
// released. The caller then plays Events. The slice must not be changed.
func (t *Trace) Loop() []Event { return t.loop }

// Epilogue is what comes after the last Loop; nil where Loop is.
func (t *Trace) Epilogue() []Event { return t.epilogue }

// split finds the parts. The three share memory with Events unless the
// releases that end the Loop stand among others.
func (t *Trace) split() {
	first := slices.IndexFunc(t.Events, func(e Event) bool { return e.Op == RunStart })
	if first < 0 {
		return
	}
	end := len(t.Events)
	for t.Events[end-1].Op != RunEnd {
		end--
	}
	body, tail := t.Events[first:end], t.Events[end:]

	// inBody has the slots whose buffer the body requested and has not
	// released yet.
	inBody := make([]bool, t.Slots)
	out := 0
	for _, e := range body {
		switch e.Op {
		case SessionCreate, SessionReady, SessionRelease:
			return
		case Request:
			inBody[e.Buf] = true
			out++
		case Release:
			if !inBody[e.Buf] {
				return
			}
			inBody[e.Buf] = false
			out--
		}
	}
	moved := make([]Event, 0, out)
	rest := make([]Event, 0, len(tail)-min(out, len(tail)))
	contiguous := true
	for _, e := range tail {
		if e.Op == Release && inBody[e.Buf] {
			inBody[e.Buf] = false
			contiguous = contiguous && len(rest) == 0
			moved = append(moved, e)
		} else {
			rest = append(rest, e)
		}
	}
	if len(moved) < out {
		return // a leak
	}

	t.prologue = t.Events[:first:first]
	if contiguous {
		end += len(moved)
		t.loop = t.Events[first:end:end]
		t.epilogue = t.Events[end:]
		return
	}
	t.loop = slices.Concat(body, moved)
	t.epilogue = rest
}
