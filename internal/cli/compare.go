package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bucketscope/internal/units"
	"bucketscope/snapshots"
	"bucketscope/snapshots/compare"
	"bucketscope/snapshots/export"
	"bucketscope/workload"
)

// compareFormats are what --format of compare takes.
var compareFormats = []string{"table", "markdown", "json", "benchstat", "junit"}

func (a *app) compareCommand() *cobra.Command {
	var o compare.Options
	var format, out string
	var failOn []string
	cmd := &cobra.Command{
		Use:   "compare FILE...",
		Short: "Compare snapshots or run documents with the first, and hold them to budgets",
		Long: `compare puts snapshots (run --snapshot) or run documents (run --json) of the same
workload beside each other: totals, keys, and run by run. The first is the
baseline; of a single file with several modes it is the first mode.

--fail-on breaks off a CI job: 'peak_bytes>3GiB' is of the figure itself,
'peak_bytes>+2%' and 'creates>+10' of its change from the baseline. Figures go
by their names in run documents; peak_bytes and avg_bytes are short for those of
held bytes, NAME_per_run is the mean of a figure over runs, max_NAME_per_run its
highest. The exit code is 0 if every budget holds, 1 if one is broken, 2 if the
question makes no sense.`,
		Example: `  bucketscope compare before.json after.json
  bucketscope compare main.snapshot branch.snapshot --warmup 3 --fail-on 'peak_bytes>+2%' --fail-on 'creates_per_run>0'
  bucketscope compare main.json branch.json --format markdown -o comment.md
  bucketscope compare main.json branch.json --fail-on 'peak_bytes>3GiB' --format junit -o budgets.xml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("compare wants the files to compare: snapshots or run documents")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, text := range failOn {
				b, err := compare.ParseBudget(text)
				if err != nil {
					return usagef("--fail-on: %w", err)
				}
				o.Budgets = append(o.Budgets, b)
			}
			return a.compare(cmd.Context(), args, o, format, out)
		},
	}
	p := cmd.Flags()
	p.StringVarP(&format, "format", "f", "table", "`format` of the result: "+strings.Join(compareFormats, ", "))
	p.StringVarP(&out, "output", "o", "-", "`file` to write to, - for standard output")
	p.StringArrayVar(&failOn, "fail-on", nil, "`budget` that must not be broken, as in 'peak_bytes>+2%'; may be given more than once")
	p.IntVar(&o.Warmup, "warmup", 0, "leave so many `runs` out at the beginning of each")
	p.BoolVar(&o.Force, "force", false, "compare recordings of unlike workloads")
	completeFlag(cmd, "format", compareFormats...)
	return cmd
}

// completeFlag lets the shell complete a flag with words.
func completeFlag(cmd *cobra.Command, flag string, words ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, completeWith(words...)); err != nil {
		panic(fmt.Sprintf("cli: completion of --%s: %v", flag, err))
	}
}

// brokenError are the budgets that do not hold.
type brokenError struct{ verdicts []compare.Verdict }

func (e *brokenError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s broken:", units.Plural(len(e.verdicts), "budget"))
	for i := range e.verdicts {
		fmt.Fprintf(&b, "\n  %s", &e.verdicts[i])
	}
	return b.String()
}

func (a *app) compare(ctx context.Context, files []string, o compare.Options, format, out string) error {
	if o.Warmup < 0 {
		return usagef("--warmup %d: want 0 or more runs", o.Warmup)
	}
	if format == "junit" && len(o.Budgets) == 0 {
		return usagef("--format junit reports on budgets: give some with --fail-on")
	}
	var inputs []compare.Input
	bar := a.progress()
	defer bar.clear()
	for _, file := range files {
		d, _, err := readAny(ctx, file, bar)
		if err != nil {
			return err
		}
		inputs = append(inputs, compare.Input{File: file, Doc: d})
	}
	bar.clear()
	if len(inputs) == 1 && len(inputs[0].Doc.Results) == 1 && len(o.Budgets) == 0 {
		return usagef("%s alone, with one mode, leaves nothing to compare: give a second file or a budget (--fail-on)", files[0])
	}
	r, err := compare.New(inputs, o)
	if err != nil {
		return usageError{err}
	}
	write := map[string]func(io.Writer) error{
		"table": r.Table, "markdown": r.Markdown, "json": r.JSON, "junit": r.JUnit,
		"benchstat": func(w io.Writer) error {
			for _, in := range inputs {
				if err := export.Benchstat(w, in.Doc, in.File); err != nil {
					return err
				}
			}
			return nil
		},
	}[format]
	if write == nil {
		return usagef("--format %q: want %s", format, strings.Join(compareFormats, ", "))
	}
	if format == "table" || format == "markdown" {
		beside := a.yardsticksOf(inputs[0].Doc, format == "markdown")
		figures := write
		write = func(w io.Writer) error {
			if err := figures(w); err != nil {
				return err
			}
			_, err := io.WriteString(w, beside)
			return err
		}
	}
	if err := a.writeOut(out, write); err != nil {
		return err
	}
	if broken := r.Broken(); len(broken) > 0 {
		return &brokenError{broken}
	}
	return nil
}

// yardsticksOf are the yardsticks of what a document was made from, where the
// program has it.
func (a *app) yardsticksOf(d *snapshots.RunDocument, markdown bool) string {
	t, err := workload.Load(d.Workload.Name)
	if err != nil || t.SHA256 != d.Workload.SHA256 {
		return "\nNo yardsticks: " + d.Workload.Name + " is no workload that is built in.\n"
	}
	text := yardsticks(t, false)
	if markdown {
		text = "```\n" + text + "```\n"
	}
	return "\n" + text
}

// writeOut writes a file, or to standard output.
func (a *app) writeOut(path string, write func(io.Writer) error) error {
	if path != "-" {
		return writeFile(path, write)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

// readAny reads a snapshot or a run document, with a bar for a long one.
func readAny(ctx context.Context, file string, bar *bar) (*snapshots.RunDocument, *snapshots.Snapshot, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, usageError{err}
	}
	defer func() { _ = f.Close() }() // nothing was written
	d, s, err := snapshots.ReadAny(f, file, readingFile(ctx, file, bar))
	var pathErr *os.PathError
	if errors.As(err, &pathErr) { // a folder
		return nil, nil, usageError{err}
	}
	return d, s, err
}
