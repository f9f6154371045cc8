package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bucketscope/internal/device"
	"bucketscope/internal/lab"
	"bucketscope/workload"
)

func (a *app) tuneCommand() *cobra.Command {
	c := lab.Command{Load: loadNamed}
	var minimise, calibration string
	var limits, given, judge []string
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Find a key:cap table for a workload, and judge it on the others",
		Long: `tune searches the key:cap table of the bucket mode that is best for a workload, or
for several at once: keys by dynamic programming, caps by replay, then a search
with a simulator on all cores. It prints the table's figures before and after,
the front of peak against creates with its knee, what the table does to the other
recordings, and the table as --table and as ONNX Runtime's source take it.
Latency is predicted: from --calibration, a file that calibrate wrote, else from
figures published for an NVIDIA H100. It is no measurement.`,
		Example: `  bucketscope tune --workload phi3-mini-4k/grow
  bucketscope tune --workload llama-3.2-1b/grow --minimise creates --subject-to 'peak<=1600MiB'
  bucketscope tune --workload phi3-mini-4k/grow,llama-3.2-1b/grow --minimise latency --calibration gpu.json
  bucketscope tune --workload bert/varied --keys 12 --minimise peak --subject-to 'creates<=100' --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if c.Goal.Minimise, err = lab.ParseMeasure(minimise); err != nil {
				return usagef("--minimise: %w", err)
			}
			for _, text := range limits {
				limit, err := lab.ParseLimit(text)
				if err != nil {
					return usagef("--subject-to: %w", err)
				}
				c.Goal.Limits = append(c.Goal.Limits, limit)
			}
			c.Workloads, c.Judge = splitNames(given), splitNames(judge)
			if err := c.Goal.Validate(); err != nil {
				return usageError{err}
			}
			c.Prices = "figures published for an NVIDIA H100"
			if calibration != "" {
				prices, _, err := loadCalibration(calibration, device.NewHost().Info())
				if err != nil {
					return err
				}
				c.Goal.Cost, c.Prices = prices, "the calibration of "+prices.Adapter.String()
			}
			bar := a.progress()
			c.Progress = func(done, total int) { bar.show(float64(done)/float64(total), fmt.Sprintf("%d replays", done)) }
			report, err := c.Report(cmd.Context())
			bar.clear()
			if err != nil {
				return err
			}
			return c.Write(a.out, report)
		},
	}
	p := cmd.Flags()
	p.StringArrayVarP(&given, "workload", "w", []string{defaultWorkload}, "`names` of built-in recordings or generators, separated by commas or given one by one: one table for all of them")
	p.StringVar(&calibration, "calibration", "", "`file` from calibrate that predicts latency")
	p.IntVar(&c.Goal.Keys, "keys", 26, "`buckets` in the table; ORT's has 26")
	p.StringVar(&minimise, "minimise", "peak", "`measure` to make small: peak, average, creates or latency")
	p.StringArrayVar(&limits, "subject-to", nil, "`limit` to keep, as in creates<=100 or peak<=3GiB; may be given several times")
	p.StringArrayVar(&judge, "judge", nil, "`workloads` to judge the table on too (default every other recording)")
	p.Uint64Var(&c.Goal.Seed, "seed", 0, "`number` that makes the search another one; the same seed finds the same table")
	p.IntVar(&c.Goal.Replays, "replays", 0, "`replays` to search with, 0 for some seconds' worth")
	p.BoolVar(&c.JSON, "json", false, "print JSON instead of tables")
	var names []string
	for _, w := range workload.Builtin() {
		names = append(names, w.Name)
	}
	for flag, words := range map[string][]string{"workload": names, "minimise": {"peak", "average", "creates", "latency"}} {
		if err := cmd.RegisterFlagCompletionFunc(flag, completeWith(words...)); err != nil {
			panic(fmt.Sprintf("cli: completion of --%s: %v", flag, err))
		}
	}
	return cmd
}

// splitNames are the workloads of lists that commas separate. A specification
// has commas of its own, and is given alone.
func splitNames(lists []string) []string {
	var out []string
	for _, list := range lists {
		if strings.HasPrefix(list, "llm:") {
			out = append(out, list)
			continue
		}
		out = append(out, strings.Split(list, ",")...)
	}
	return out
}
