package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bucketscope/internal/engine"
	"bucketscope/internal/lab"
	"bucketscope/probe/driver"
	"bucketscope/probe/metrics"
	"bucketscope/snapshots"
	"bucketscope/tui"
	"bucketscope/workload"
)

// defaultPace is watchable: a run every quarter of a second.
const defaultPace = 4

// garbage is how much of the heap may be garbage, in percent of what is in use:
// the history is large, but there are few pointers in it to follow.
const garbage = 50

// screenFlags are the terminal interface's own.
type screenFlags struct {
	pace   float64
	paused bool
	theme  string
	ascii  bool
	si     bool
	fps    int
	// snapshot is the file that the recording is written to at the end.
	snapshot string
	// folder is where snapshots and exports go.
	folder string
	mouse  bool
	// metrics is the address to serve them on; empty for none.
	metrics string
	// whatIf tells to play other modes in memory meanwhile.
	whatIf bool
}

func (s *screenFlags) add(cmd *cobra.Command) {
	p := cmd.Flags()
	p.Float64VarP(&s.pace, "pace", "p", defaultPace, "`runs` per second, 0 for flat out")
	p.BoolVar(&s.paused, "paused", false, "begin paused; p goes on, n steps one run")
	p.BoolVar(&s.whatIf, "what-if", true, "play every other mode in memory meanwhile, on spare cores")
	addMetricsFlag(cmd, &s.metrics)
	addSnapshotFlag(cmd, &s.snapshot)
	s.addLook(cmd)
}

// addLook adds what open has, too.
func (s *screenFlags) addLook(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&s.folder, "folder", ".", "`folder` that the screen's snapshots and exports go to")
	p.BoolVar(&s.mouse, "mouse", false, "begin with the mouse on, as M turns it on")
	p.StringVar(&s.theme, "theme", "auto", "`colours`: auto, dark, light or mono; NO_COLOR in the environment is respected")
	p.BoolVar(&s.ascii, "ascii", false, "plain ASCII glyphs")
	p.BoolVar(&s.si, "si", false, "units of 1000 (GB) instead of 1024 (GiB)")
	p.IntVar(&s.fps, "fps", tui.DefaultFPS, "`updates` of the screen per second, 1 to 60")
	if err := cmd.RegisterFlagCompletionFunc("theme", completeWith("auto", "dark", "light", "mono")); err != nil {
		panic("cli: completion of --theme: " + err.Error())
	}
}

// terminal tells why there is none to draw the screen on.
func (a *app) terminal() error {
	out, ok := a.out.(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) || !term.IsTerminal(int(a.stdin.Fd())) {
		return usagef("the screen needs a terminal on standard input and output; 'bucketscope run' prints figures without one")
	}
	if os.Getenv("TERM") == "dumb" {
		return usagef("TERM=dumb cannot show the screen; 'bucketscope run' prints figures without one")
	}
	return nil
}

// look completes the options with what every screen has.
func (a *app) look(o *tui.Options, s *screenFlags, keys tui.Keymap, k *keeper, out *os.File) {
	o.Formats, o.Simulate, o.Suggest, o.WriteTable = formats(), k.simulate, k.suggest, lab.WriteInitialiser
	o.Keys, o.Mouse = keys, s.mouse
	o.Input, o.Output, o.Environ = a.stdin, out, os.Environ()
	o.Theme, o.ASCII, o.SI, o.FPS = s.theme, s.ascii, s.si, s.fps
}

// screen opens the terminal interface.
func (a *app) screen(cmd *cobra.Command, f *playFlags, s *screenFlags) (err error) {
	ctx := cmd.Context()
	keys, err := s.settle(cmd)
	if err != nil {
		return err
	}
	if strings.Contains(f.mode, ",") || strings.EqualFold(f.mode, "all") {
		return usagef("--mode %s: the screen plays one mode and m picks another; 'bucketscope run' compares several", f.mode)
	}
	cfg, err := f.config(f.mode)
	if err != nil {
		return err
	}
	if f.trace == "-" {
		return usagef("--trace -: standard input is the keyboard; give a file, or use 'bucketscope run --trace -'")
	}
	if err := a.terminal(); err != nil {
		return err
	}
	sharings, err := f.sessions.sharings()
	if err != nil {
		return err
	}
	if len(sharings) > 1 {
		return usagef("--scope %s: the screen plays under one scope; 'bucketscope run' compares several", f.sessions.scope)
	}
	traces, err := f.loadAll()
	if err != nil {
		return err
	}
	dev, weights, err := a.open(f)
	if err != nil {
		return err
	}
	if err := allFit(ctx, traces, cfg, dev, weights); err != nil {
		_ = dev.Close()
		return err
	}
	a.capture()
	debug.SetGCPercent(garbage)
	reader := driver.Open(dev.Info())
	defer reader.Close()
	options := engine.LiveOptions{
		Config: cfg, Weights: weights, Pace: s.pace, Paused: s.paused,
		Sharing: sharings[0], Capture: f.sessions.capture, Others: traces[1:],
		Read: func() engine.Reading { return reading(reader) },
	}
	var others func() *tui.WhatIf
	if s.whatIf {
		w, show, err := whatIf(f.calibration, dev.Info())
		if err != nil {
			_ = dev.Close() // what is wrong with the calibration explains
			return err
		}
		defer w.Close() // after the workload's end
		options.Follow, others = w, show
	}
	live := engine.StartLive(ctx, traces[0], dev, options)
	limit := limitOf(dev.Info())
	url, stopMetrics, err := serveMetrics(s.metrics, func() *metrics.Sample { return liveSample(live.State(), limit) })
	if err != nil {
		_ = live.Close() // what is wrong with the address explains
		return err
	}
	if url != "" {
		a.note("metrics: " + url)
	}
	defer func() {
		if cerr := stopMetrics(); err == nil {
			err = cerr
		}
	}()
	uiCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() { // a profile that breaks must not leave a screen that looks alive
		<-live.Done()
		stop(live.Err())
	}()
	var items []tui.WorkloadItem
	for _, w := range workload.Builtin() {
		items = append(items, tui.WorkloadItem{Name: w.Name, Description: w.Description, Runs: w.Runs, Events: w.Events, Sessions: w.Sessions})
	}
	k := newKeeper(s.folder)
	k.played(traces[0])
	o := tui.Options{
		Engine: live, Workloads: items, WhatIf: others,
		LoadWorkload: func(ctx context.Context, name string) (*workload.Trace, error) {
			t, err := loadNamed(name)
			if err == nil {
				err = fits(ctx, t, live.State().Config, dev, weights)
			}
			if err == nil {
				k.played(t)
			}
			return t, err
		},
		Record: liveSnapshot, Save: k.save, Export: k.export,
	}
	a.look(&o, s, keys, k, a.out.(*os.File))
	a.lastWords(tui.TakeDown)
	err = tui.Run(uiCtx, o)
	a.lastWords("")
	stop(nil)
	k.wait()
	if s.snapshot != "" {
		state := live.State()
		if werr := writeFile(s.snapshot, func(w io.Writer) error { return snapshots.Write(w, liveSnapshot(state)) }); err == nil {
			err = werr
		}
	}
	cerr := a.end(ctx, live)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil {
		err = cerr
	}
	return err
}

// end closes a profile whose screen is gone. It does not wait for a device that
// takes too long, nor once a signal comes.
func (a *app) end(ctx context.Context, live *engine.Live) error {
	if ctx.Err() != nil { // whoever took the signal waits no longer than that
		return live.Close()
	}
	go func() { _ = live.Close() }() // Err answers it
	if !a.overSoon(live.Done(), ctx.Done()) {
		return errors.New("the device was in the middle of a call that did not end")
	}
	return live.Err()
}
