package tui

import (
	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
)

// overlay is what lies over a screen and has the keys until it closes.
type overlay interface {
	// scope says how keys are translated for it.
	scope() scope
	// press takes a key, with the action that it stands for, if any, and
	// answers what the model is to do. The overlay lies over w by h cells.
	press(a action, key tea.KeyPressMsg, f *frame, w, h int) outcome
	draw(v view, f *frame)
}

// outcome is what an overlay asks for.
type outcome struct {
	close bool
	// setMode, if set, is the mode to put in force.
	setMode *modeChoice
	// load is the workload to play, if not empty.
	load string
	// beside is that it is to be played beside what is.
	beside bool
	// act is what to do as if its key had been pressed.
	act action
	// do is what else is to be done.
	do func(*model) tea.Cmd
	// show is a place to go to.
	show *place
}

type modeChoice struct {
	usage cachemodes.Usage
	mode  cachemodes.ModeID
}

// dialog draws the frame of an overlay of at most w by h in the middle of v,
// over what is there, and answers what is inside of it, and its right edge.
// Where there is no room for a frame there is none.
func dialog(v view, f *frame, title, right string, w, h int) (inside, edge view) {
	if !framed(v.w, v.h) {
		v.blank()
		return v, v.sub(0, 0, 0, 0)
	}
	w, h = min(w+4, v.w), min(h+2, v.h)
	box := v.sub((v.w-w)/2, (v.h-h)/2, w, h)
	box.blank()
	in := pane(box, f, title, right, true, true)
	return in.sub(1, 0, in.w-2, in.h), box.sub(w-1, 1, 1, h-2)
}

// below is what a dialog has for its list below its first rows. In a single row
// the list stands behind the x columns that are taken, or where that leaves too
// little, in their place: what is marked counts more than what was typed.
func below(in view, rows, x int) view {
	if list := in.sub(0, rows, in.w, in.h-rows); !list.empty() {
		return list
	}
	const least = 16
	last := in.row(in.h - 1)
	if list := last.sub(x+1, 0, in.w-x-1, 1); list.w >= least {
		return list
	}
	last.blank()
	return last
}

// framed reports whether a dialog in w by h has a frame.
func framed(w, h int) bool { return w >= 24 && h >= 5 }
