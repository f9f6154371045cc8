package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"bucketscope/internal/units"
	"bucketscope/snapshots"
	"bucketscope/snapshots/export"
	"bucketscope/workload"
	"bucketscope/workload/importer"
)

func (a *app) importCommand() *cobra.Command {
	var format, out string
	formats := append([]string{importer.Auto}, importer.Formats()...)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a trace of what another tool logged",
		Long: `import makes a trace, which --trace plays, of:

  rmm         the CSV log of the RAPIDS Memory Manager
  minimalloc  intervals: id,lower,upper,size
  pytorch     a memory snapshot (torch.cuda.memory._dump_snapshot)
  ort-csv     the file of ONNX Runtime PR #25120 with a row per buffer size
  jsonl       JSON Lines of WebGPU calls: createBuffer, destroy, submit

It tells what the source does not say, and what was assumed in its place.`,
		Example: `  bucketscope import rmm.log -o mine.jsonl.zst && bucketscope run --trace mine.jsonl.zst --mode all
  bucketscope import snapshot.pickle --format pytorch -o torch.jsonl.gz`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("import wants one file (- for standard input); got %d", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.importTrace(args[0], format, out) },
	}
	cmd.Flags().StringVarP(&format, "format", "f", importer.Auto, "`format` of the file: "+strings.Join(formats, ", "))
	addTraceOutput(cmd, &out)
	completeFlag(cmd, "format", formats...)
	return cmd
}

func (a *app) recordCommand() *cobra.Command {
	var f playFlags
	var out string
	var repeat int
	cmd := &cobra.Command{
		Use:   "record [SNAPSHOT]",
		Short: "Write a workload, or what was watched, as a trace file",
		Long: `record writes a trace file: to edit it, to play it elsewhere, or to keep it. What it
writes is a generator, a recording that is built in, another trace, or what a
snapshot has seen asked for: a live run, with every session that was begun by
hand and for as long as it was watched. Played again under the snapshot's mode it
does the same.

Of a snapshot it tells what it does not say, and what was assumed in its place.`,
		Example: `  bucketscope record --workload llm:phi-4-mini,prompt=512,tokens=64 -o phi4.jsonl.zst
  bucketscope --snapshot live.snapshot && bucketscope record live.snapshot -o live.jsonl.zst
  bucketscope record --repeat 100 | bucketscope run --stream --trace - --mode all`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("record wants one snapshot, or none; got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if repeat < 1 {
				return usagef("--repeat %d: want at least 1", repeat)
			}
			if len(args) == 1 {
				if f.trace != "" || f.named.Changed || repeat > 1 {
					return usagef("a snapshot says all that is to be recorded: leave --workload, --trace and --repeat away")
				}
				return a.recordSnapshot(cmd.Context(), args[0], out)
			}
			t, err := f.load()
			if err != nil {
				return err
			}
			return a.writeTrace(a.err, out, t, repeat)
		},
	}
	f.addWorkload(cmd)
	cmd.Flags().IntVarP(&repeat, "repeat", "n", 1, "write the workload's runs so many `times`, with the models loaded once")
	addTraceOutput(cmd, &out)
	return cmd
}

// recordSnapshot writes what a snapshot's workload asked for.
func (a *app) recordSnapshot(ctx context.Context, file, out string) error {
	bar := a.progress()
	defer bar.clear()
	s, err := a.readSnapshot(ctx, file, bar)
	if err != nil {
		return err
	}
	t, unsaid, err := traceOf(s, file)
	if err != nil {
		return err
	}
	bar.clear()
	if err := a.writeTrace(a.err, out, t, 1); err != nil {
		return err
	}
	for _, u := range unsaid {
		fmt.Fprintf(a.err, "- %s does not say %s\n", file, u)
	}
	return nil
}

// traceOf is what a recording's workload asked for, checked as every trace is,
// and what the recording does not say of it.
func traceOf(s *snapshots.Snapshot, file string) (*workload.Trace, []string, error) {
	r, w := io.Pipe()
	var unsaid []string
	written := make(chan error, 1)
	go func() {
		var err error
		unsaid, err = export.Trace(w, s)
		_ = w.CloseWithError(err) // a pipe's never fails
		written <- err
	}()
	t, err := workload.Read(r, file)
	_ = r.Close() // lets a writer that nobody reads end
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		return nil, nil, usagef("%s makes no trace: %w", file, werr)
	}
	return t, unsaid, err
}

func addTraceOutput(cmd *cobra.Command, out *string) {
	cmd.Flags().StringVarP(out, "output", "o", "-", "trace `file` to write, compressed if it ends in .gz or .zst; - for standard output")
}

func (a *app) importTrace(file, format, out string) error {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	}
	res, err := importer.Read(in, file, format)
	var pathErr *os.PathError
	if errors.As(err, &pathErr) { // a folder
		return usageError{err}
	}
	if err != nil {
		return err
	}
	res.Trace.Name = filepath.Base(file)
	if err := a.writeTrace(a.err, out, res.Trace, 1); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "Read as %s.\n", res.Format)
	for _, s := range res.Unsaid {
		fmt.Fprintf(a.err, "- %s\n", s)
	}
	for _, s := range res.Dropped {
		fmt.Fprintf(a.err, "! left out: %s\n", s)
	}
	return nil
}

// writeTrace writes a trace file with its runs so many times, compressed as its
// name says, and tells to notes what is in it.
func (a *app) writeTrace(notes io.Writer, out string, t *workload.Trace, repeat int) error {
	write := workload.Write
	runs, events := len(t.Runs), len(t.Events)
	if repeat > 1 {
		if t.Loop() == nil {
			return usagef("--repeat: %s: %w", t.Name, workload.ErrNoLoop)
		}
		write = func(w io.Writer, t *workload.Trace) error { return workload.WriteRepeated(w, t, repeat) }
		runs, events = runs*repeat, events+len(t.Loop())*(repeat-1)
	}
	if out == "-" { // as it comes: it may be longer than what memory holds
		return write(a.out, t)
	}
	err := writeFile(out, func(w io.Writer) error {
		var z io.WriteCloser
		switch filepath.Ext(out) {
		case ".gz":
			z = gzip.NewWriter(w)
		case ".zst":
			var err error
			if z, err = zstd.NewWriter(w); err != nil {
				return err
			}
		default:
			return write(w, t)
		}
		if err := write(z, t); err != nil {
			return err
		}
		return z.Close()
	})
	if err == nil {
		leaks := ""
		if len(t.Leaks) > 0 {
			leaks = fmt.Sprintf(", %s never released", units.Plural(len(t.Leaks), "buffer"))
		}
		fmt.Fprintf(notes, "%s: %s, %s, %d events%s\n", out, units.Plural(runs, "run"), units.Plural(len(t.Sessions), "session"), events, leaks)
	}
	return err
}
