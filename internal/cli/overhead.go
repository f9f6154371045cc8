package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/lab"
	"bucketscope/internal/units"
	"bucketscope/probe/driver"
)

func (a *app) overheadCommand() *cobra.Command {
	var f playFlags
	var out string
	var names []string
	var o lab.OverheadOptions
	cmd := &cobra.Command{
		Use:   "overhead",
		Short: "Measure what profiling adds to run latency, on a device",
		Long: `overhead plays recordings on a device in turns: with the mode and nothing booked,
as in an engine that nobody profiles; as the screen plays them, with books,
journal and driver readings; and with What if besides. Each plays a recording
twice for a round, and the second time counts. It prints by how much longer runs
take, with what that lies in with a probability of 95 %; and what a run waits for,
had from the first two on a device that does nothing. --output writes all that was
measured as a file for results. Weights are counted and not made, unless
--weights make: no run's latency has them in it.`,
		Example: `  bucketscope results overhead --device webgpu
  bucketscope results overhead --device webgpu --workload bert/varied --rounds 50 --budget 5m -o gpu.overhead.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Rounds < 1 {
				return usagef("--rounds %d: want at least 1", o.Rounds)
			}
			if o.Budget < 0 || o.Settle < 0 {
				return usagef("--budget %v, --settle %v: want a time such as 2m, 0 for no limit or none", o.Budget, o.Settle)
			}
			o.Command = commandOf(cmd)
			return a.overhead(cmd.Context(), &f, splitNames(names), o, out)
		},
	}
	p := cmd.Flags()
	p.StringVarP(&f.device, "device", "d", "auto", "`device` to measure: auto, webgpu, webgpu:N or webgpu:NAME")
	p.StringVarP(&out, "output", "o", "", "`file` to write everything to")
	p.StringVarP(&f.mode, "mode", "m", cachemodes.BucketMode.String(), "cache `mode` of storage buffers")
	p.StringArrayVarP(&names, "workload", "w", []string{"phi3-mini-4k/grow", "phi3-mini-4k/static"}, "`names` of workloads, separated by commas or given one by one")
	p.StringVar(&f.weights, "weights", string(engine.AccountWeights), "`how` to treat weights: account or make")
	p.StringVar(&f.calibration, "calibration", "", "`file` from calibrate, by which What if predicts (default the device's own, where there is one)")
	p.IntVar(&o.Rounds, "rounds", 20, "play everything so many `times` at most")
	p.DurationVar(&o.Settle, "settle", settle, "play for so much `time` for nothing first: a GPU may be faster in its first seconds")
	p.DurationVar(&o.Budget, "budget", 2*time.Minute, "stop a workload after so much `time`, 0 for no limit")
	completeFlag(cmd, "device", "auto", "webgpu")
	completeFlag(cmd, "weights", "make", "account")
	return cmd
}

func (a *app) overhead(ctx context.Context, f *playFlags, names []string, o lab.OverheadOptions, out string) (err error) {
	m, err := cachemodes.Lookup(f.mode)
	if err != nil {
		return usagef("--mode: %w", err)
	}
	if o.Workloads, err = recordings(names); err != nil {
		return err
	}
	dev, weights, err := a.open(f)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dev.Close(); err == nil {
			err = cerr
		}
	}()
	info := dev.Info()
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = m.ID
	for _, t := range o.Workloads {
		if err := fits(ctx, t, cfg, dev, weights); err != nil {
			return err
		}
	}
	prices, _, err := loadCalibration(f.calibration, info)
	if err != nil {
		return err
	}
	reader := driver.Open(info)
	defer reader.Close()
	o.Mode, o.Weights, o.Now, o.Driver = m.ID, weights, time.Now(), driverOf(info)
	o.Read = func() engine.Reading { return reading(reader) }
	o.WhatIf = whatIfOptions(prices, info)
	bar := a.progress()
	o.Progress = a.tell(bar)
	res, err := lab.MeasureOverhead(ctx, dev, o)
	bar.clear()
	if err != nil {
		return err
	}
	if out != "" {
		if err := writeFile(out, func(w io.Writer) error { return lab.WriteOverheads(w, res) }); err != nil {
			return err
		}
	}
	return a.printOverhead(info, res)
}

func (a *app) printOverhead(info device.Info, res *lab.Overheads) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Run latency on %s, of each run the median over rounds, with profiling\n\n", info)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "workload\tmode\trounds\toff\ta run waits\ton\tadds\t95 % between\twith What if\tadds\t95 % between\t")
	for i := range res.Rows {
		r := &res.Rows[i]
		off := lab.RunUS(r.Off)
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%.1f us, %+.2f %%", r.Workload, r.Mode, len(r.Off), units.Duration(us(int64(off))), r.HostUS(), 100*r.HostUS()/off)
		for _, arm := range [][][]float64{r.On, r.WhatIf} {
			share, in := r.Share(arm)
			fmt.Fprintf(tw, "\t%s\t%+.1f %%\t%+.1f to %+.1f %%", units.Duration(us(int64(lab.RunUS(arm)))), 100*share, 100*in.Low, 100*in.High)
		}
		fmt.Fprintln(tw, "\t")
	}
	_ = tw.Flush() // into memory
	_, err := a.out.Write(b.Bytes())
	return err
}
