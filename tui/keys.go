package tui

import (
	"slices"
	"strings"
	"sync"
)

// action is what a key does. Keys are translated into actions in one place, so
// that help, hints, the README and the palette all name the same ones.
type action uint8

const (
	noAction action = iota
	quit
	back
	help
	suspend
	freeze
	pause
	step
	chooseMode
	chooseWorkload
	slower
	faster
	zoomIn
	zoomOut
	zoomReset
	nextPane
	prevPane
	moveUp
	moveDown
	moveLeft
	moveRight
	pageUp
	pageDown
	toTop
	toBottom
	accept
	nextTab
	prevTab
	toLive
	toEvents
	toBuffers
	toSessions
	prevEvent
	nextEvent
	prevRun
	nextRun
	firstEvent
	nowAgain
	filterList
	copyRow
	sortNext
	sortTurn
	presetNext
	openPalette
	toCompare
	toTune
	saveSnapshot
	exportAs
	addNote
	setBaseline
	showDifference
	undoTuning
	editValue
	addBucket
	dropBucket
	suggestTable
	showTable
	useMouse
	align
	expand
	toBuckets
	findings
	startSession
	holdSession
	releaseSession

	numActions = int(releaseSession) + 1
)

// actionNames are what a config file calls the actions, by action.
var actionNames = [numActions]string{
	quit: "quit", back: "back", help: "help", suspend: "suspend", freeze: "freeze", pause: "pause", step: "step", chooseMode: "mode",
	chooseWorkload: "workload", slower: "slower", faster: "faster", zoomIn: "zoom-in", zoomOut: "zoom-out", zoomReset: "zoom-reset",
	nextPane: "next-pane", prevPane: "previous-pane", moveUp: "up", moveDown: "down", moveLeft: "left", moveRight: "right",
	pageUp: "page-up", pageDown: "page-down", toTop: "top", toBottom: "bottom", accept: "accept", nextTab: "next-usage",
	prevTab: "previous-usage", toLive: "live", toEvents: "events", toBuffers: "buffers", prevEvent: "previous-event",
	nextEvent: "next-event", prevRun: "previous-run", nextRun: "next-run", firstEvent: "first-event", nowAgain: "now",
	filterList: "filter", copyRow: "copy", sortNext: "sort", sortTurn: "sort-turn", presetNext: "next-preset", openPalette: "palette",
	toCompare: "compare", toTune: "tune", saveSnapshot: "snapshot", exportAs: "export", addNote: "note", setBaseline: "baseline",
	showDifference: "difference", undoTuning: "undo", editValue: "edit", addBucket: "add-bucket", dropBucket: "drop-bucket",
	suggestTable: "suggest", showTable: "show-table", useMouse: "mouse",
	align: "align", expand: "expand", toBuckets: "buckets", findings: "findings", toSessions: "sessions",
	startSession: "start-session", holdSession: "hold-session", releaseSession: "release-session",
}

// scope is where a binding holds.
type scope uint8

const (
	onScreens scope = 1 << iota // the numbered screens
	inHelp
	inMenus // lists that are typed into: letters are text there
	inTabs  // menus with a list for each usage
	inLine  // a line that is typed, beside what it is about
	inList  // lists that are only walked: letters are keys there

	everywhere = onScreens | inHelp | inMenus | inLine | inList
)

// binding ties keys to an action. Order is the order of help.
type binding struct {
	action action
	scope  scope
	keys   []string // as Bubble Tea names them
	shown  string   // as help shows them
	short  string   // in the line of hints; empty where it is not worth its room
	long   string   // in help
	group  string
}

// The groups of help.
const (
	groupProgram  = "Program"
	groupScreens  = "Screens"
	groupHistory  = "History"
	groupLists    = "Lists"
	groupKeep     = "Keep and compare"
	groupTune     = "Tune"
	groupWorkload = "Workload"
	groupDisplay  = "Display"
	groupMove     = "Move"
	groupMenus    = "In menus"
)

// Keymap is every binding there is, in the order of help.
type Keymap []binding

// keymap is the one without a config file.
var keymap = Keymap{
	{freeze, onScreens, []string{"space"}, "space", "freeze", "freeze the display; recording goes on, the badge counts the runs that it is behind", groupDisplay},
	{zoomIn, onScreens, []string{"+"}, "+", "", "shorter window of the graph", groupDisplay},
	{zoomOut, onScreens, []string{"-"}, "-", "", "longer window, up to all of the history", groupDisplay},
	{zoomReset, onScreens, []string{"="}, "=", "", "window of 60 s again", groupDisplay},
	{align, onScreens, []string{"a"}, "a", "", "Live: the graph by run, or over time", groupDisplay},
	{expand, onScreens, []string{"e"}, "e", "", "Buckets: a row for each key instead of two", groupDisplay},
	{findings, onScreens | inList, []string{"f"}, "f", "findings", "everything that the diagnosis found, the dearest first; enter goes where it happened", groupDisplay},
	{pause, onScreens, []string{"p"}, "p", "pause", "pause the workload at the end of its run, or let it go on; after a stop, begin anew", groupWorkload},
	{step, onScreens, []string{"n"}, "n", "step", "play one run, then pause", groupWorkload},
	{slower, onScreens, []string{"<"}, "<", "", "slower: fewer runs per second", groupWorkload},
	{faster, onScreens, []string{">"}, ">", "", "faster, up to flat out", groupWorkload},
	{chooseMode, onScreens, []string{"m"}, "m", "mode", "cache mode of each usage", groupWorkload},
	{chooseWorkload, onScreens, []string{"w"}, "w", "workload", "play another recording", groupWorkload},
	{toLive, onScreens, []string{"1"}, "1", "", "Live: held bytes over time, the buckets, the runs", groupScreens},
	{toBuckets, onScreens, []string{"2"}, "2", "", "Buckets: what each run asked of each key, births and deaths of keys, the sizes asked for", groupScreens},
	{toEvents, onScreens, []string{"3"}, "3", "", "Events: everything that happened, filtered; a marked event takes every pane back to it", groupScreens},
	{toBuffers, onScreens, []string{"4"}, "4", "", "Buffers: every buffer that exists, who has it, how long nobody used it", groupScreens},
	{toSessions, onScreens, []string{"5"}, "5", "", "Sessions: a lane for each session with its runs, what it holds, who gets what it had", groupScreens},
	{toCompare, onScreens, []string{"6"}, "6", "", "Compare: two recordings, stretches of one, or the baseline, side by side", groupScreens},
	{toTune, onScreens, []string{"7", "t"}, "7 t", "", "Tune: keys, caps and the other numbers of the mode, changed while it runs", groupScreens},
	{prevEvent, onScreens, []string{"["}, "[", "", "back by one event, of those that the filter of Events lets through; every pane goes along", groupHistory},
	{nextEvent, onScreens, []string{"]"}, "]", "", "forward by one event", groupHistory},
	{prevRun, onScreens, []string{"{"}, "{", "", "back to the start of a run", groupHistory},
	{nextRun, onScreens, []string{"}"}, "}", "", "forward to the start of a run", groupHistory},
	{firstEvent, onScreens, []string{"home"}, "home", "", "back to the first event that is kept", groupHistory},
	{nowAgain, onScreens, []string{"end"}, "end", "now", "what goes on now; ends freezing, too", groupHistory},
	{filterList, onScreens, []string{"/"}, "/", "filter", "filter of a list: words that must all hold, as type:miss size>=4MiB run=87 !usage:uniform", groupLists},
	{saveSnapshot, onScreens, []string{"s"}, "s", "snapshot", "write everything up to now to a snapshot file", groupKeep},
	{exportAs, onScreens, []string{"x"}, "x", "", "export: write it in the format of another tool", groupKeep},
	{addNote, onScreens, []string{"N", "shift+n"}, "N", "", "write a note: it stands in the graph, in Events and in snapshots", groupKeep},
	{setBaseline, onScreens, []string{"b"}, "b", "", "baseline: keep the figures since the last change, to compare with", groupKeep},
	{showDifference, onScreens, []string{"d"}, "d", "", "difference to the baseline", groupKeep},
	{editValue, onScreens, []string{"c"}, "c", "", "Tune: type the value of the marked row", groupTune},
	{addBucket, onScreens, []string{"A", "shift+a"}, "A", "", "Tune: add a bucket", groupTune},
	{dropBucket, onScreens, []string{"delete", "backspace"}, "delete", "", "Tune: drop the marked bucket", groupTune},
	{undoTuning, onScreens, []string{"z"}, "z", "", "undo the last change that Tune applied, then the one before", groupTune},
	{suggestTable, onScreens, []string{"S", "shift+s"}, "S", "", "Tune: search a table for the workload", groupTune},
	{showTable, onScreens, []string{"i"}, "i", "", "Tune: the table as ONNX Runtime's source takes it", groupTune},
	{sortNext, onScreens, []string{"o"}, "o", "", "sort by the next column", groupLists},
	{sortTurn, onScreens, []string{"O", "shift+o"}, "O", "", "turn the order around", groupLists},
	{presetNext, onScreens, []string{"v"}, "v", "", "Buffers: all, leaks, temporary, stale; Buckets, Tune: the next usage; Compare: by run, by time; Live: the graph in lines, braille or blocks", groupLists},
	{copyRow, onScreens, []string{"y"}, "y", "", "copy the marked row to the clipboard of the terminal", groupLists},
	{startSession, onScreens, []string{"W", "shift+w"}, "W", "", "Sessions: play another recording beside, in sessions of its own", groupLists},
	{holdSession, onScreens, []string{"P", "shift+p"}, "P", "", "Sessions: hold the marked session at the end of its run, or let it go on", groupLists},
	{releaseSession, onScreens, []string{"R", "shift+r"}, "R", "", "Sessions: release the marked session, in the middle of whatever it does", groupLists},
	{useMouse, onScreens, []string{"M", "shift+m"}, "M", "", "mouse on or off: a click marks or points, the wheel scrolls", groupDisplay},
	{nextPane, onScreens, []string{"tab"}, "tab", "pane", "next pane; on a screen with one, the next screen", groupMove},
	{prevPane, onScreens, []string{"shift+tab"}, "shift+tab", "", "previous pane, or screen", groupMove},
	{moveUp, onScreens | inHelp, []string{"up", "k"}, "↑ k", "", "up", groupMove},
	{moveDown, onScreens | inHelp, []string{"down", "j"}, "↓ j", "", "down", groupMove},
	{moveLeft, onScreens, []string{"left", "h"}, "← h", "", "pane to the left; in a graph or a map the cursor; Tune: less; Compare: choose A", groupMove},
	{moveRight, onScreens, []string{"right", "l"}, "→ l", "", "pane to the right; in a graph or a map the cursor; Tune: more; Compare: choose B", groupMove},
	{pageUp, onScreens | inHelp | inMenus, []string{"pgup"}, "pgup", "", "page up", groupMove},
	{pageDown, onScreens | inHelp | inMenus, []string{"pgdown"}, "pgdn", "", "page down", groupMove},
	{toTop, onScreens | inHelp, []string{"g"}, "g", "", "first row", groupMove},
	{toBottom, onScreens | inHelp, []string{"G", "shift+g"}, "G", "", "last row; the log of runs follows again", groupMove},
	{moveUp, inMenus, []string{"up", "ctrl+p"}, "↑", "", "up", groupMenus},
	{moveDown, inMenus, []string{"down", "ctrl+n"}, "↓", "", "down", groupMenus},
	{prevTab, inTabs, []string{"left", "shift+tab"}, "← shift+tab", "", "previous usage, or side", groupMenus},
	{nextTab, inTabs, []string{"right", "tab"}, "→ tab", "next", "next usage, or side", groupMenus},
	{accept, onScreens, []string{"enter"}, "enter", "", "go to what is marked: a bucket's runs, a run's or a point's moment; a mode of What if becomes the real one; Tune: apply at the end of the run", groupMove},
	{accept, inMenus, []string{"enter"}, "enter", "choose", "choose the marked row", groupMenus},
	{accept, inList, []string{"enter"}, "enter", "go there", "go where the finding shows", groupMenus},
	{accept, inLine, []string{"enter"}, "enter", "apply", "apply the filter", groupMenus},
	{help, onScreens | inHelp, []string{"?"}, "?", "help", "this list, and back", groupProgram},
	{openPalette, onScreens, []string{":", "ctrl+p"}, ": ctrl+p", "", "palette: every action by its name", groupProgram},
	{back, everywhere, []string{"esc"}, "esc", "back", "back: to now, without a filter or a marked row, to Live; never quits", groupProgram},
	{quit, onScreens, []string{"q"}, "q", "quit", "quit", groupProgram},
	{back, inHelp, []string{"q"}, "q", "", "in help: leave it", groupProgram},
	{quit, everywhere, []string{"ctrl+c"}, "ctrl+c", "", "quit, from anywhere", groupProgram},
	{suspend, everywhere, []string{"ctrl+z"}, "ctrl+z", "", "suspend to the shell; the workload waits at the end of its run", groupProgram},
}

// actionOf is what a key does in a scope.
func (m Keymap) actionOf(where scope, key string) action {
	for i := range m {
		if b := &m[i]; b.scope&where != 0 && slices.Contains(b.keys, key) {
			return b.action
		}
	}
	return noAction
}

// key is the first key of the ith binding, as people read it; "(no key)" where it
// has none.
func (m Keymap) key(i int) string {
	if len(m[i].keys) == 0 {
		return "(no key)"
	}
	first, _, _ := strings.Cut(m[i].shown, " ")
	return first
}

// bindingNames are the indices of the bindings by the names that a config file
// gives them.
var bindingNames = sync.OnceValue(func() map[string]int {
	out := map[string]int{}
	for i := range keymap {
		out[keymap.name(i)] = i
	}
	return out
})

// say is a text in which names of bindings in braces stand for their keys:
// "{pause} starts it".
func (m Keymap) say(text string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		i, known := bindingNames()[name]
		if !ok || !known {
			panic("tui: a text names {" + name + "}, which is no binding")
		}
		out.WriteString(m.key(i))
		text = after
	}
}

// keyGroup is a part of the key map under one heading.
type keyGroup struct {
	name     string
	bindings []binding
}

// groups are the bindings by group, in the order in which people meet them.
func (m Keymap) groups() []keyGroup {
	var out []keyGroup
	for _, name := range []string{
		groupProgram, groupScreens, groupHistory, groupLists, groupKeep, groupTune, groupDisplay, groupWorkload, groupMove, groupMenus,
	} {
		g := keyGroup{name: name}
		for _, b := range m {
			if b.group == name && len(b.keys) > 0 {
				g.bindings = append(g.bindings, b)
			}
		}
		out = append(out, g)
	}
	return out
}

// KeyTable is the key map as a Markdown table, for the README.
func KeyTable() string {
	var sb strings.Builder
	sb.WriteString("| key | what it does |\n| --- | --- |\n")
	for _, g := range keymap.groups() {
		sb.WriteString("| **" + g.name + "** | |\n")
		for _, b := range g.bindings {
			sb.WriteString("| ")
			for i, k := range strings.Fields(b.shown) {
				if i > 0 {
					sb.WriteByte(' ')
				}
				sb.WriteString("`" + k + "`")
			}
			sb.WriteString(" | " + b.long + " |\n")
		}
	}
	return sb.String()
}
