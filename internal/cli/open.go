package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
	"bucketscope/tui"
	"bucketscope/workload"
)

func (a *app) openCommand() *cobra.Command {
	var s screenFlags
	cmd := &cobra.Command{
		Use:   "open SNAPSHOT [FILE...]",
		Short: "Look at a snapshot on the screen: every moment of it, as if it were live",
		Long: `open shows a snapshot on the same screen that watches a workload, from its end
back to any event: [ ] go by event, { } by run. Nothing is played, so what would
command a workload says so instead.

Further files, snapshots or run documents (run --json), stand beside it on the
Compare screen (6). A snapshot is written by s on the screen, and by
'bucketscope run --snapshot'.`,
		Example: `  bucketscope run --snapshot phi3.snapshot && bucketscope open phi3.snapshot
  bucketscope open before.snapshot after.snapshot
  bucketscope open phi3.snapshot figures.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("open wants a snapshot: s on the screen writes one, and 'bucketscope run --snapshot FILE'")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.openFiles(cmd, &s, args) },
	}
	s.addLook(cmd)
	return cmd
}

// openFiles shows the first file, and puts the others beside it.
func (a *app) openFiles(cmd *cobra.Command, s *screenFlags, files []string) error {
	ctx := cmd.Context()
	keys, err := s.settle(cmd)
	if err != nil {
		return err
	}
	bar := a.progress()
	defer bar.clear()
	snap, err := a.readSnapshot(ctx, files[0], bar)
	if err != nil {
		return err
	}
	st, err := engine.Reopen(stateOf(snap), ctx.Err)
	if err != nil {
		return err
	}
	var others []tui.Recording
	for _, file := range files[1:] {
		r, err := a.readRecording(ctx, file, bar)
		if err != nil {
			return err
		}
		others = append(others, r)
	}
	bar.clear()
	if err := a.terminal(); err != nil {
		return err
	}
	a.capture()
	k := newKeeper(s.folder)
	o := tui.Options{
		Engine: recording{st}, Recorded: files[0], Others: others,
		Record: func(*engine.State) *snapshots.Snapshot { return snap },
		Export: func(ctx context.Context, _ *engine.State, format string) (string, error) {
			return k.export(ctx, st, format)
		},
	}
	a.look(&o, s, keys, k, a.out.(*os.File))
	uiCtx, stop := context.WithCancel(ctx)
	err = tui.Run(uiCtx, o)
	stop()
	k.wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// readSnapshot reads a snapshot, with a bar for a long one.
func (a *app) readSnapshot(ctx context.Context, file string, bar *bar) (*snapshots.Snapshot, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usageError{err}
	}
	defer func() { _ = f.Close() }() // nothing was written
	s, err := snapshots.ReadLooking(f, file, readingFile(ctx, file, bar))
	var pathErr *os.PathError
	var bad *snapshots.FormatError
	switch {
	case errors.As(err, &pathErr): // a folder
		return nil, usageError{err}
	case errors.As(err, &bad) && isRunDocument(ctx, file, bar):
		return nil, usagef("%s is a run document, which has figures but no events to look at: open a snapshot, and give it after that to compare", file)
	}
	return s, err
}

// readingFile shows how much of a file is read, until ctx is done.
func readingFile(ctx context.Context, file string, bar *bar) func(share float64) error {
	return func(share float64) error {
		bar.show(share, "reading "+file+", ctrl+c gives it up")
		return ctx.Err()
	}
}

func isRunDocument(ctx context.Context, file string, bar *bar) bool {
	d, s, err := readAny(ctx, file, bar)
	return err == nil && s == nil && d != nil
}

// readRecording reads a file to compare with.
func (a *app) readRecording(ctx context.Context, file string, bar *bar) (tui.Recording, error) {
	if isSnapshotFile(file) {
		s, err := a.readSnapshot(ctx, file, bar)
		if err != nil {
			return tui.Recording{}, err
		}
		stretch := snapshots.NewStretch(&s.History, s.History.First())
		stretch.Advance(&s.History, s.History.End())
		r := tui.Recording{Name: file, Doc: s.Document(), StartUS: []int64{}}
		for _, run := range s.Runs() {
			r.StartUS = append(r.StartUS, run.StartUS-stretch.BeganUS())
		}
		return r, nil
	}
	d, _, err := readAny(ctx, file, bar)
	return tui.Recording{Name: file, Doc: d}, err
}

func isSnapshotFile(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // nothing was written
	beginning := make([]byte, len(snapshots.SnapshotFormat))
	n, _ := f.Read(beginning)
	return snapshots.IsSnapshot(beginning[:n])
}

// stateOf is what a snapshot says of itself, for engine.Reopen.
func stateOf(s *snapshots.Snapshot) engine.State {
	w := s.Workload
	st := engine.State{
		Workload: engine.Workload{
			Name: w.Name, Model: w.Model, Pattern: w.Pattern, Runs: w.Runs, Sessions: w.Sessions, Events: w.Events, SHA256: w.SHA256,
			Leaks: w.Leaks, LeakBytes: w.LeakBytes,
		},
		Device: device.Info{
			Kind: device.Kind(s.Device.Kind), Name: s.Device.Name, Backend: s.Device.Backend, Type: device.Type(s.Device.Type),
			Driver: s.Device.Driver, Timed: s.Device.Timed,
		},
		Weights: engine.Weights(s.Device.Weights), Events: s.Events, DeviceUS: s.DeviceUS, History: s.History,
		Driver: engine.Reading{Source: s.Driver.Source, Reason: s.Driver.Reason},
	}
	type lane struct {
		name  string
		since int64
	}
	lanes := map[lane]int{}
	for _, x := range s.Sessions {
		name := x.Workload
		if name == "" {
			name = w.Name
		}
		l := lane{name, x.Since}
		if _, ok := lanes[l]; !ok {
			lanes[l] = len(lanes)
		}
		st.Sessions = append(st.Sessions, engine.Session{Session: workload.Session{ID: x.ID, Model: x.Model}, Workload: name, Lane: lanes[l], Since: x.Since})
	}
	// A scope that no program of ours wrote is shown as the usual one.
	st.Sharing.Scope, _ = cachemodes.LookupScope(s.Scope)
	st.Sharing.Generations, st.Capture = s.Generations, s.GraphCapture
	for _, m := range s.Marks {
		st.Marks = append(st.Marks, engine.Mark(m))
	}
	return st
}

// recording is an engine that plays nothing: the screen refuses what would
// command it, and says why.
type recording struct{ st *engine.State }

func (r recording) State() *engine.State                                { return r.st }
func (recording) SetMode(cachemodes.Usage, cachemodes.ModeID)           {}
func (recording) SetParams(cachemodes.Usage, cachemodes.Params, string) {}
func (recording) Note(string)                                           {}
func (recording) Pause(bool)                                            {}
func (recording) Step()                                                 {}
func (recording) SetPace(float64)                                       {}
func (recording) Load(*workload.Trace)                                  {}

func (recording) StartSession(*workload.Trace) {}
func (recording) StopSession(int, bool)        {}
func (recording) ReleaseSession(int)           {}

var _ tui.Controller = recording{}
