package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/probe/metrics"
	"bucketscope/snapshots"
	"bucketscope/snapshots/export"
)

// exportFormat is what one --format of export writes. Formats that need every
// event take a snapshot, the others a run document, which a snapshot also is.
type exportFormat struct {
	name     string
	binary   bool // not for a terminal
	events   func(io.Writer, *snapshots.Snapshot) error
	document func(w io.Writer, d *snapshots.RunDocument, file string) error
}

// plain is a document's writer that needs no name of the file.
func plain(write func(io.Writer, *snapshots.RunDocument) error) func(io.Writer, *snapshots.RunDocument, string) error {
	return func(w io.Writer, d *snapshots.RunDocument, _ string) error { return write(w, d) }
}

// exportFormats are in the order of the help; ort-csv is two files and stands
// apart.
var exportFormats = []exportFormat{
	{name: "chrome", events: export.Chrome},
	{name: "pprof", binary: true, events: export.PProf},
	{name: "pytorch", binary: true, events: export.PyTorch},
	{name: "benchstat", document: export.Benchstat},
	{name: "csv", events: export.CSV},
	{name: ortCSV},
	{name: "prometheus", events: func(w io.Writer, s *snapshots.Snapshot) error { return metrics.Write(w, sampleOf(s)) }},
	{name: "svg", document: plain(export.SVG)},
	{name: "png", binary: true, document: plain(export.PNG)},
	{name: "html", document: plain(export.HTML)},
	{name: castFormat, events: defaultCast.write},
}

// ortCSV names the format of two files.
const ortCSV = "ort-csv"

func (a *app) exportCommand() *cobra.Command {
	var format, out string
	shot := defaultCast
	var size string
	var names []string
	for _, f := range exportFormats {
		names = append(names, f.name)
	}
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: "Write a snapshot or a run document in the format of another tool",
		Long: `export writes a recording for other tools to read:

  chrome      trace JSON for Perfetto and chrome://tracing
  pprof       a profile for 'go tool pprof'
  pytorch     a memory snapshot for pytorch.org/memory_viz
  benchstat   Go benchmark lines
  csv         the series: held bytes and counts at every run and submit
  ort-csv     the two files of ONNX Runtime PR #25120, with -memory and -sizes
              in their names
  prometheus  metrics in Prometheus's text format
  svg, png    plots of peak, average and creates per run, and of keys
  html        a page with interactive graphs, one file, no network
  asciicast   the Live screen as it would have looked, for 'asciinema play'

benchstat, svg, png and html take a run document (run --json), too; the others
need every event, and so a snapshot (run --snapshot).`,
		Example: `  bucketscope export phi3.snapshot --format chrome -o trace.json
  bucketscope export phi3.snapshot --format pprof -o phi3.pb.gz && go tool pprof -top phi3.pb.gz
  bucketscope export figures.json --format html -o report.html
  bucketscope export phi3.snapshot --format asciicast --size 120x36 --length 30s -o phi3.cast`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("export wants one file, a snapshot or a run document; got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"size", "length"} {
				if format != castFormat && cmd.Flags().Changed(name) {
					return usagef("--%s is of --format %s", name, castFormat)
				}
			}
			if err := shot.sized(size); err != nil {
				return err
			}
			return a.export(cmd.Context(), args[0], format, out, names, shot)
		},
	}
	p := cmd.Flags()
	p.StringVarP(&format, "format", "f", "", "`format` to write: "+strings.Join(names, ", "))
	p.StringVarP(&out, "output", "o", "-", "`file` to write to, - for standard output")
	p.StringVar(&size, "size", fmt.Sprintf("%dx%d", shot.cols, shot.rows), "asciicast: `columns` and rows of the terminal")
	p.DurationVar(&shot.length, "length", 0, "asciicast: how long it plays; 0 for as long as the recording took, but from 10 s to 60 s")
	completeFlag(cmd, "format", names...)
	return cmd
}

func (a *app) export(ctx context.Context, file, format, out string, names []string, shot castShot) error {
	var f exportFormat
	for _, x := range exportFormats {
		if x.name == format {
			f = x
		}
	}
	if f.name == "" {
		return usagef("--format %q: want one of %s", format, strings.Join(names, ", "))
	}
	if out == "-" && f.name == ortCSV {
		return usagef("--format %s writes two files: name them with -o, as in -o out.csv", ortCSV)
	}
	if to, ok := a.out.(*os.File); ok && out == "-" && f.binary && term.IsTerminal(int(to.Fd())) {
		return usagef("--format %s is not for a terminal: name a file with -o", f.name)
	}
	bar := a.progress()
	defer bar.clear()
	d, s, err := readAny(ctx, file, bar)
	if err != nil {
		return err
	}
	if f.name == castFormat {
		shot.look = func(share float64) error {
			bar.show(share, "drawing, ctrl+c gives it up")
			return ctx.Err()
		}
		f.events = shot.write
	}
	to := func(path string, write func(io.Writer) error) error {
		return a.writeOut(path, func(w io.Writer) error { return write(&stoppable{ctx, w}) })
	}
	if f.document != nil {
		return to(out, func(w io.Writer) error { return f.document(w, d, file) })
	}
	if s == nil {
		return usagef("%s is a run document; --format %s needs every event: take a snapshot with 'bucketscope run --snapshot'", file, f.name)
	}
	if f.name == ortCSV {
		if err := to(withWord(out, "memory"), func(w io.Writer) error { return export.ORTMemory(w, s) }); err != nil {
			return err
		}
		return to(withWord(out, "sizes"), func(w io.Writer) error { return export.ORTSizes(w, s) })
	}
	if err := to(out, func(w io.Writer) error { return f.events(w, s) }); err != nil {
		return fmt.Errorf("%s as %s: %w", file, f.name, err)
	}
	return nil
}

// sampleOf are the metrics at the end of a recording.
func sampleOf(s *snapshots.Snapshot) *metrics.Sample {
	m := s.History.At(s.History.End())
	out := &metrics.Sample{
		Workload: s.Workload.Name, Config: m.Config, Total: m.Ledger.Total(), Runs: m.Ledger.Runs(), Adjusts: m.Ledger.Adjusts(),
		Driver: probe.Reading{Bytes: m.Driver.Bytes, OK: m.Driver.OK && s.Device.Kind != string(device.Host)},
	}
	for u := range out.Usage {
		out.Usage[u] = m.Ledger.Usage(cachemodes.Usage(u))
	}
	return out
}
