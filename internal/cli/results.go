package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/lab"
	"bucketscope/probe/driver"
	"bucketscope/workload"
)

func (a *app) resultsCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "results [FILE...]",
		Short: "Make the document of every mode on every recording",
		Long: `results plays every built-in recording under every mode, in memory, and writes the
figures as a Markdown document: peak, ratio to the floor, average, creates and
created bytes. Each FILE is a calibration (from calibrate), measurements (from
results measure) or overheads (from results overhead), of this or another machine:
the document then has the latency that is predicted and that was measured there,
by how much both differ, how full the device got and what profiling costs.`,
		Example: `  bucketscope results docs/results/*.json -o docs/results.md
  bucketscope results measure --device webgpu --budget 8m -o gpu.measurements.json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, files []string) error { return a.results(cmd.Context(), files, out) },
	}
	cmd.Flags().StringVarP(&out, "output", "o", "-", "`file` to write to, - for standard output")
	cmd.AddCommand(a.measureCommand(), a.overheadCommand())
	return cmd
}

func (a *app) results(ctx context.Context, files []string, out string) error {
	var r lab.Results
	for _, file := range files {
		if err := addResults(&r, file); err != nil {
			return err
		}
	}
	var err error
	if r.Workloads, err = recordings(nil); err != nil {
		return err
	}
	bar := a.progress()
	defer bar.clear()
	r.Progress = func(done, total int) { bar.show(float64(done)/float64(total), fmt.Sprintf("%d of %d", done, total)) }
	return a.writeOut(out, func(w io.Writer) error { return r.Write(ctx, w) })
}

func addResults(r *lab.Results, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return usageError{err}
	}
	defer func() { _ = f.Close() }() // nothing was written
	return r.Add(f, file)
}

// recordings reads workloads by name, with none all that are built in, those
// with the fewest events first.
func recordings(names []string) ([]*workload.Trace, error) {
	if len(names) == 0 {
		for _, w := range workload.Builtin() {
			names = append(names, w.Name)
		}
	}
	var out []*workload.Trace
	for _, name := range names {
		t, err := loadNamed(name)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (a *app) measureCommand() *cobra.Command {
	var f playFlags
	var out, modes string
	var names []string
	o, s := lab.MeasureOptions{}, sessionFlags{}
	cmd := &cobra.Command{
		Use:   "measure",
		Short: "Measure run latency of every mode on every recording, on a device",
		Long: `measure plays the recordings on a device, mode after mode and then again, so that
a device that changes its speed does so for every mode, and writes how long runs
took as a file for results. After the first round it plays everything once more to
see how full the device gets, and asks the driver. It stops in time for --budget;
what did not fit is missing in the file, and said to be. Weights are counted and not made, unless
--weights make: no run's latency has them in it.`,
		Example: `  bucketscope results measure --device webgpu --budget 8m -o gpu.measurements.json
  bucketscope results measure --device webgpu:llvmpipe --workload bert/varied,unet/varied --mode bucket,simple --rounds 5
  bucketscope results measure --device webgpu --workload llama-3.2-1b/grow --mode bucket --sessions 1,8 --turns parallel --scope all`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Rounds < 1 {
				return usagef("--rounds %d: want at least 1", o.Rounds)
			}
			if o.Budget < 0 {
				return usagef("--budget %v: want a time such as 8m, 0 for no limit", o.Budget)
			}
			if s.turns != turnsRuns && s.turns != turnsParallel {
				return usagef("--turns %q: want runs or parallel", s.turns)
			}
			for _, n := range o.Sessions {
				if n < 1 || n > maxSessions {
					return usagef("--sessions %d: want 1 to %d", n, maxSessions)
				}
			}
			sharings, err := s.sharings()
			if err != nil {
				return err
			}
			for _, sharing := range sharings {
				o.Scopes = append(o.Scopes, sharing.Scope)
			}
			o.Turns = lab.Turns(s.turns)
			f.mode, o.Command = modes, commandOf(cmd)
			return a.measure(cmd.Context(), &f, splitNames(names), o, out)
		},
	}
	p := cmd.Flags()
	p.StringVarP(&f.device, "device", "d", "auto", "`device` to measure: auto, webgpu, webgpu:N or webgpu:NAME")
	p.StringVarP(&out, "output", "o", "-", "`file` to write to, - for standard output")
	p.StringVarP(&modes, "mode", "m", "all", "cache `modes` of storage buffers, separated by commas, or all")
	p.StringArrayVarP(&names, "workload", "w", nil, "`names` of workloads, separated by commas or given one by one (default every recording)")
	p.StringVar(&f.weights, "weights", string(engine.AccountWeights), "`how` to treat weights: account or make")
	p.IntVar(&o.Rounds, "rounds", 5, "play everything so many `times` at most")
	p.DurationVar(&o.Budget, "budget", 8*time.Minute, "stop after so much `time`, 0 for no limit")
	p.IntSliceVar(&o.Sessions, "sessions", nil, "play each workload in so many `sessions` at the same time, several numbers separated by commas; runs/s are what they get done together")
	p.StringVar(&s.scope, "scope", cachemodes.ScopeDevice.String(), "with --sessions: `who` shares free buffers: device, session, run, shared-free, several separated by commas, or all")
	p.StringVar(&s.turns, "turns", turnsRuns, "with --sessions: `how` they take turns: runs, or parallel for a thread of its own for each")
	completeFlag(cmd, "device", "auto", "webgpu")
	completeFlag(cmd, "weights", "make", "account")
	completeFlag(cmd, "turns", turnsRuns, turnsParallel)
	return cmd
}

func (a *app) measure(ctx context.Context, f *playFlags, names []string, o lab.MeasureOptions, out string) (err error) {
	for _, name := range strings.Split(f.mode, ",") {
		if strings.EqualFold(f.mode, "all") {
			break
		}
		m, err := cachemodes.Lookup(strings.TrimSpace(name))
		if err != nil {
			return usagef("--mode: %w", err)
		}
		o.Modes = append(o.Modes, m.ID)
	}
	if o.Modes == nil {
		for _, m := range cachemodes.Modes() {
			o.Modes = append(o.Modes, m.ID)
		}
	}
	if o.Workloads, err = recordings(names); err != nil {
		return err
	}
	slices.SortStableFunc(o.Workloads, func(x, y *workload.Trace) int { return cmp.Compare(len(x.Events), len(y.Events)) })
	dev, weights, err := a.open(f)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dev.Close(); err == nil {
			err = cerr
		}
	}()
	o.Weights, o.Now, o.Driver = weights, time.Now(), driverOf(dev.Info())
	reader := driver.Open(dev.Info())
	defer reader.Close()
	o.Read = func() engine.Reading { return reading(reader) }
	o.Fits = func(traces []*workload.Trace, cfg cachemodes.Config) error {
		return allFit(ctx, traces, cfg, dev, weights)
	}
	bar := a.progress()
	o.Progress = a.tell(bar)
	m, err := lab.MeasureModes(ctx, dev, o)
	bar.clear()
	if err != nil {
		return err
	}
	return a.writeOut(out, func(w io.Writer) error { return lab.WriteMeasurements(w, m) })
}

// tell shows progress on a bar, or where there is no terminal in lines.
func (a *app) tell(bar *bar) func(share float64, what string) {
	last := time.Now()
	return func(share float64, what string) {
		bar.show(share, what)
		if bar.to == nil && time.Since(last) >= plainProgressEvery {
			last = time.Now()
			fmt.Fprintf(a.err, "%3.0f %%  %s\n", 100*share, what)
		}
	}
}

// plainProgressEvery is how often progress is told where there is no bar.
const plainProgressEvery = 10 * time.Second
