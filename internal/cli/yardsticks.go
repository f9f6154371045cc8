package cli

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"text/tabwriter"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/engine"
	"bucketscope/internal/lab"
	"bucketscope/internal/units"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

// yardsticks is a table of what any mode can be held against on a workload, and
// of the allocators that can only be simulated.
func yardsticks(t *workload.Trace, si bool) string {
	var b bytes.Buffer
	size := func(n int64) string { return units.Bytes(n, si) }
	y := lab.YardsticksOf(t, len(cachemodes.DefaultTable()), false)
	fmt.Fprintf(&b, "Yardsticks, and allocators that are simulated only: they place several requests in one buffer, which WebGPU cannot bind.\n\n")
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tpeak\tavg\tx floor\tcreates\tcreated\t")
	row := func(name string, peak int64, rest string) {
		fmt.Fprintf(tw, "%s\t%s\t%s\t\n", name, size(peak), rest)
	}
	row("floor", y.Floor, "–\t1.00\t–\t–")
	row(fmt.Sprintf("best %d keys, storage alone", y.BestOf), y.BestKeys, "–\t–\t–\t–")
	note := map[string]string{"tfliteGreedy": ", the offline plan"}
	for _, s := range lab.Simulate(t) {
		row(s.Name+note[s.Name]+" (simulated)", s.Peak, fmt.Sprintf("%s\t%.2f\t%d\t%s", size(s.Average), ratio(s.Peak, y.Floor), s.Creates, size(s.CreateBytes)))
	}
	_ = tw.Flush() // into memory
	return b.String()
}

// predict adds to a result how long the runs of workloads should have taken.
func predict(ctx context.Context, traces []*workload.Trace, o engine.Options, c *cost.Calibration, into *snapshots.ModeResult) error {
	p, err := lab.PredictAll(ctx, traces, o, c)
	if err != nil {
		return err
	}
	into.Predicted = &snapshots.Predicted{
		Adapter: c.Adapter.String(), Calibrated: c.Made, MeanUS: math.Round(lab.MeanUS(p.Runs)), MedianUS: math.Round(lab.MedianUS(p.Runs)),
	}
	return nil
}

// predictions is a table of what was predicted beside what was measured; empty
// where nothing was predicted.
func predictions(d *snapshots.RunDocument) string {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	var from *snapshots.Predicted
	var first *snapshots.ModeResult // that was measured
	var scale float64               // what it took by what was predicted
	var scaled []float64            // what the others are off by, scaled by that
	for i := range d.Results {
		r := &d.Results[i]
		p := r.Predicted
		if p == nil {
			continue
		}
		if from == nil {
			from = p
			fmt.Fprintf(&b, "Run latency as predicted by the calibration of %s (%s), and as measured:\n\n", p.Adapter, p.Calibrated)
			fmt.Fprintln(tw, "mode\tmean\tmeasured\toff\tmedian\tmeasured\toff\t")
		}
		fmt.Fprintf(tw, "%s\t%s\t", r.Label(), units.Duration(us(int64(p.MeanUS))))
		if r.Latency == nil {
			fmt.Fprintf(tw, "–\t–\t%s\t–\t–\t\n", units.Duration(us(int64(p.MedianUS))))
			continue
		}
		mean := meanDuration(r.Runs)
		switch {
		case mean <= 0 || p.MeanUS <= 0:
		case first == nil:
			first, scale = r, mean/p.MeanUS
		default:
			scaled = append(scaled, 100*(p.MeanUS*scale/mean-1))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t\n", units.Duration(us(int64(mean))), off(p.MeanUS, mean), units.Duration(us(int64(p.MedianUS))),
			units.Duration(us(r.Latency.MedianUS)), off(p.MedianUS, float64(r.Latency.MedianUS)))
	}
	_ = tw.Flush() // into memory
	if len(scaled) > 0 {
		fmt.Fprintf(&b, "\nScaled by what %s took, as What if does, means are off by %+.0f to %+.0f %%.\n", first.Label(), slices.Min(scaled), slices.Max(scaled))
	}
	return b.String()
}

func meanDuration(runs []snapshots.RunEntry) float64 {
	sum := 0.0
	for i := range runs {
		sum += float64(runs[i].DurationUS)
	}
	return sum / float64(max(len(runs), 1))
}

// off is by how much a prediction is off what was measured.
func off(predicted, measured float64) string {
	if measured <= 0 {
		return "–"
	}
	return fmt.Sprintf("%+.0f %%", 100*(predicted/measured-1))
}
