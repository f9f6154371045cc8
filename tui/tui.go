package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

// Controller is the part of an engine that the screen shows and commands;
// *engine.Live is one. No call waits for the workload: what came of a command
// shows in the next State.
type Controller interface {
	State() *engine.State
	SetMode(cachemodes.Usage, cachemodes.ModeID)
	SetParams(u cachemodes.Usage, p cachemodes.Params, mark string)
	Note(text string)
	Pause(bool)
	Step()
	SetPace(runsPerSecond float64)
	Load(*workload.Trace)
	// StartSession plays a workload beside, StopSession holds one of those that
	// are played, ReleaseSession ends it; by engine.Session.Lane.
	StartSession(*workload.Trace)
	StopSession(lane int, stopped bool)
	ReleaseSession(lane int)
}

// WorkloadItem is a workload that can be chosen.
type WorkloadItem struct {
	Name, Description      string
	Runs, Events, Sessions int
}

// ExportFormat is a format that a recording can be written in.
type ExportFormat struct{ Name, Description string }

// Simulated are the figures of a workload that was played to its end on no
// device: bytes held, and storage buffers created.
type Simulated struct {
	Peak, Average, Floor int64
	Creates, CreateBytes int64
	Runs                 int64
}

// SearchGoal is what a table is searched for: the least of one figure, where the
// other is no higher than what the table in force gives.
type SearchGoal struct {
	// Creates asks for the fewest creates with no higher peak; else for the
	// lowest peak with no more creates.
	Creates bool
	Keys    int // at most
	Now     cachemodes.Table
	Config  cachemodes.Config // of the other usages
}

// Options say what to show, where and how.
type Options struct {
	Engine    Controller
	Workloads []WorkloadItem
	// LoadWorkload reads a workload. It is called beside the screen and given
	// up when its context ends.
	LoadWorkload func(ctx context.Context, name string) (*workload.Trace, error)
	// WhatIf is what other modes would do with what is played, the same pointer
	// as long as nothing changed; nil where nobody simulates them.
	WhatIf func() *WhatIf

	// Recorded is the file that the engine's state was read from, if nothing is
	// played: then nothing can be commanded.
	Recorded string
	// Record is the recording of a state. It may take long.
	Record func(*engine.State) *snapshots.Snapshot
	// Save writes a snapshot and Export a file in one of the formats; they
	// answer with its name. They are called beside the screen and give up when
	// their context ends, leaving nothing.
	Save    func(context.Context, *engine.State) (string, error)
	Export  func(ctx context.Context, st *engine.State, format string) (string, error)
	Formats []ExportFormat
	// Others are recordings to compare with.
	Others []Recording
	// Simulate answers what a config would cost, from the workload alone.
	Simulate func(context.Context, engine.Workload, cachemodes.Config) (Simulated, error)
	// Suggest searches a table for the workload.
	Suggest func(ctx context.Context, w engine.Workload, goal SearchGoal, progress func(done, total int)) (cachemodes.Table, error)
	// WriteTable writes a table as an engine's source takes it.
	WriteTable func(io.Writer, cachemodes.Table) error

	// Keys are the bindings; nil for those without a config file.
	Keys Keymap
	// Mouse says that it is used from the beginning.
	Mouse bool

	// Input and Output are a terminal: an *os.File each, where it is a real one.
	// Nothing else may write to the terminal meanwhile.
	Input  io.Reader
	Output io.Writer
	// Environ is the environment. NO_COLOR with any value but the empty one
	// turns colour off.
	Environ []string

	Theme   string // one of ThemeNames; auto where empty
	NoColor bool   // as the theme mono
	ASCII   bool   // nothing but ASCII on the screen
	SI      bool   // units of 1000, not of 1024
	FPS     int    // states shown per second; DefaultFPS where 0
}

// colour reports whether there may be any.
func (o *Options) colour() bool {
	if o.NoColor || o.Theme == "mono" {
		return false
	}
	for _, e := range o.Environ {
		if v, ok := strings.CutPrefix(e, "NO_COLOR="); ok && v != "" {
			return false
		}
	}
	return true
}

// ErrScreen is that the screen broke by a fault of its own.
var ErrScreen = errors.New("the screen stopped by a fault of its own; the terminal was restored, the log has the details")

// TakeDown is what a terminal is to be sent where the screen cannot take itself
// down: it leaves modes that the screen sets.
const TakeDown = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[?2026l\x1b[?2027l\x1b[<u\x1b[0m\x1b[2J\x1b[?1049l\x1b[?25h"

// Run shows the screen until the user quits or ctx is done, both of which are
// no error, and leaves the terminal as it was. Signals are the caller's: it
// ends ctx.
func Run(ctx context.Context, o Options) error {
	if o.Theme != "" {
		if err := checkTheme(o.Theme); err != nil {
			return err
		}
	}
	loads, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := []tea.ProgramOption{
		tea.WithoutSignalHandler(), tea.WithEnvironment(o.Environ), tea.WithFPS(rendererFPS),
		tea.WithInput(o.Input), tea.WithOutput(clearing(o.Output)),
	}
	if !o.colour() {
		// The theme has no colour; this keeps it out whatever is drawn.
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	p := tea.NewProgram(newModel(loads, &o), opts...)
	// Quitting rather than killing the program, so that the last picture is
	// taken down in order.
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	_, err := p.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, tea.ErrProgramPanic):
		return ErrScreen
	}
	return fmt.Errorf("the screen stopped: %w", err)
}
