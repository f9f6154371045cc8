package tui

import (
	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
)

// screenID is one of the numbered screens that there are.
type screenID uint8

const (
	screenLive screenID = iota
	screenBuckets
	screenEvents
	screenBuffers
	screenSessions
	screenCompare
	screenTune

	numScreens = int(screenTune) + 1
)

// tab is how a screen is named and reached.
type tab struct {
	key, name string
	action    action
}

// tabs are the screens, by screenID.
var tabs = [numScreens]tab{
	screenLive:     {"1", "Live", toLive},
	screenBuckets:  {"2", "Buckets", toBuckets},
	screenEvents:   {"3", "Events", toEvents},
	screenBuffers:  {"4", "Buffers", toBuffers},
	screenSessions: {"5", "Sessions", toSessions},
	screenCompare:  {"6", "Compare", toCompare},
	screenTune:     {"7", "Tune", toTune},
}

// tabsWidth is the room for the tabs beside the hints.
const tabsWidth = 24

// hasPanes reports whether a screen has panes to go between.
func hasPanes(id screenID) bool {
	return id == screenLive || id == screenBuckets || id == screenCompare
}

// screenOf is the screen that an action goes to.
func screenOf(a action) (screenID, bool) {
	for id, t := range tabs {
		if t.action == a {
			return screenID(id), true
		}
	}
	return 0, false
}

// tabTexts are the names of the screens as far as w columns have room.
func tabTexts(w int, current screenID) []string {
	all := tabsRoom()
	out := make([]string, len(tabs))
	for id, t := range tabs {
		out[id] = t.key
		if all <= w || screenID(id) == current {
			out[id] += " " + t.name
		}
	}
	return out
}

// tabGap is the room between two of the tabs in w columns.
func tabGap(w int) int {
	if tabsRoom() <= w {
		return 2
	}
	return 0
}

// tabsRoom is the columns that the names of all screens take.
func tabsRoom() int {
	all := 0
	for _, t := range tabs {
		all += textWidth(t.key) + textWidth(t.name) + 4
	}
	return all
}

// drawTabs names the screens, or where there is no room for that only the one
// that is shown, and the numbers of the others.
func drawTabs(v view, f *frame, current screenID) {
	x := 0
	for id, text := range tabTexts(v.w, current) {
		sign, s := " ", faint
		if screenID(id) == current {
			sign, s = f.g.focus, focused
		}
		x = v.put(x, 0, sign+text, s) + tabGap(v.w)
	}
}

// screen is one of the numbered screens: the part between header and hints.
// follow, work and press change it; draw does not.
type screen interface {
	// follow takes in the state that is shown from now on.
	follow(f *frame)
	// work does a part of what takes longer than a picture may, and answers
	// whether anything changed, and whether there is more to do.
	work(f *frame) (changed, more bool)
	// press answers whether the action was one of the screen's, which has a
	// body of w by h, and what it asks of the model.
	press(a action, f *frame, kind layoutKind, w, h int) (bool, wish)
	// draw draws the body.
	draw(v view, f *frame, kind layoutKind)
}

// wish is what a screen asks of the model.
type wish struct {
	// event is one to go back to, if goBack.
	event  int64
	goBack bool
	now    bool   // what goes on now is wanted again
	copy   string // for the clipboard
	tell   string // a notice
	edit   *filterEdit
	over   overlay              // to open
	do     func(*model) tea.Cmd // what else is to be done
	// beside asks for a menu of workloads to play in a session of its own; hold
	// and release are about one that there is.
	beside  bool
	hold    *sessionHold
	release *int // lane
	place   *place
}

// sessionHold holds the sessions of a lane, or lets them go on.
type sessionHold struct {
	lane int
	hold bool
}

// place is something on a screen that another one leads to: a key, or a run, or
// both; -1 for none.
type place struct {
	screen screenID
	key    cachemodes.KeyID
	run    int64
}

// filterEdit is a filter to be typed.
type filterEdit struct {
	about string // what it filters
	text  string // as it is now
	// set puts a filter in force, or tells what is wrong with it.
	set func(f *frame, text string) error
	// words are what may be typed, for a line of help.
	words string
}
