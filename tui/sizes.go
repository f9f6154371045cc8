package tui

import "time"

// Every delay and size of the screen, in one place.

// DefaultFPS is how often the screen loads the state of the engine, per
// second, while the workload runs.
const DefaultFPS = 12

const (
	maxFPS = 60
	// rendererFPS is how often Bubble Tea writes what changed: often enough
	// that a key is answered at once.
	rendererFPS = 30
	// idleEvery is how often the state is loaded while the workload is paused
	// or stopped: only a driver's reading can still change.
	idleEvery = 400 * time.Millisecond
	// soon is when the state is loaded after a command was given: the engine
	// takes it between two events.
	soon = 25 * time.Millisecond
	// heatFor is how long a bucket keeps its place in the table after it cost
	// most, and adviseEvery how long a piece of advice stands, both on the
	// profile's clock.
	heatFor     = 10 * time.Second
	adviseEvery = 2 * time.Second
	// workEvery is when a screen goes on with work that it has left, while the
	// workload does not run.
	workEvery = 100 * time.Millisecond
	// suspendWithin bounds the wait for the end of a run before ctrl+z stops
	// the program.
	suspendWithin = time.Second
	// compareEvery is how often a stretch that goes on is compared anew.
	compareEvery = time.Second
	// noticeFor is how long a notice that is no error stays.
	noticeFor = 5 * time.Second
)

// recentRuns is how many of the last runs a recent figure is over.
const recentRuns = 8

// The least sizes of the layouts, columns and rows.
const (
	fullW, fullH         = 120, 32
	standardW, standardH = 72, 20
	compactW, compactH   = 48, 12
)

// comparedRuns is how many runs of a stretch are compared at least, its last
// ones.
const comparedRuns = 2048

// keptSims is how many simulations are remembered.
const keptSims = 64

// maxInput bounds a line that is typed, in characters.
const maxInput = 400

// maxSide bounds what a terminal may say of its size.
const maxSide = 4096

// zooms are the windows of the graph; 0 is all of the history.
var zooms = []time.Duration{
	5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 0,
}

// runZooms are the same by run: runs, 0 for all of the log.
var runZooms = []int64{16, 32, 64, 128, 256, 512, 1024, 0}

// pointPage is how many columns a page moves the cursor of a graph.
const pointPage = 10

// mapZooms are how many runs a column of the map of keys has.
var mapZooms = []int64{1, 2, 4, 8, 16, 32}

// defaultZoom is the index of the window at the start.
const defaultZoom = 3

// paces are the steps of the pace, runs per second; after the last comes flat
// out.
var paces = []float64{0.5, 1, 2, 4, 8, 15, 30, 60, 125, 250, 500, 1000}

// The bounds of the event log. Reading an entry of the history takes one or two
// tenths of a microsecond: a tick reads for two or three milliseconds.
const (
	// entriesPerTick is how many entries are looked at per tick, and
	// entriesIdle while the workload is paused: a screen that nobody touches
	// takes no more than a few hundredths of a core.
	entriesPerTick, entriesIdle = 20_000, 9_000
	// blockEntries is how many events are counted together: those of two chunks
	// of the journal, which can be read without reading others.
	blockEntries = 1 << 16
	// keptRows is how many rows of a block are kept, its last ones, so that a
	// list of rare events needs not read it again.
	keptRows = 256
	// windowRows is how many rows are made on each side of the one that is
	// marked, and windowLeft how few may be left before more are made.
	windowRows, windowLeft = 192, 64
	// searchBlocks is how many blocks a key press may read to find an event.
	searchBlocks = 2
)
