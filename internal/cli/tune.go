package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"bucketscope/internal/lab"
	"bucketscope/workload"
)

func (a *app) tuneCommand() *cobra.Command {
	c := lab.Command{Goal: lab.Goal{Cost: lab.DefaultCost()}, Load: loadNamed}
	var minimise string
	var limits []string
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Find a key:cap table for a workload, and judge it on the others",
		Long: `tune searches the key:cap table of the bucket mode that is best for a workload:
keys by dynamic programming, caps by replay, then a search with a simulator on
all cores. It prints the table's figures before and after, the front of peak
against creates with its knee, what the table does to the other recordings, and
the table as --table and as ONNX Runtime's source take it. Latency is an
estimate from a cost model, not a measurement.`,
		Example: `  bucketscope tune --workload phi3-mini-4k/grow
  bucketscope tune --workload llama-3.2-1b/grow --minimise creates --subject-to 'peak<=1600MiB'
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
			if err := c.Goal.Validate(); err != nil {
				return usageError{err}
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
	p.StringVarP(&c.Workload, "workload", "w", defaultWorkload, "`name` of a built-in recording or a generator, see 'bucketscope workloads'")
	p.IntVar(&c.Goal.Keys, "keys", 26, "`buckets` in the table; ORT's has 26")
	p.StringVar(&minimise, "minimise", "peak", "`measure` to make small: peak, average, creates or latency")
	p.StringArrayVar(&limits, "subject-to", nil, "`limit` to keep, as in creates<=100 or peak<=3GiB; may be given several times")
	p.StringSliceVar(&c.Judge, "judge", nil, "`workloads` to judge the table on too (default every other recording)")
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
