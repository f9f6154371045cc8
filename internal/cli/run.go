package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"charm.land/bubbles/v2/progress"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
	"bucketscope/probe/driver"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

func (a *app) runCommand() *cobra.Command {
	var f playFlags
	var o runOutput
	var repeat int
	var stream bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Play a workload to its end, under one or more modes, and print the figures",
		Long: `run plays a workload to its end without a screen and prints, per mode, the peak
and average of held bytes, the floor that no policy can go below, hits, creates
and destroys, and, on a device where time means something, latency.`,
		Example: `  bucketscope run --mode all
  bucketscope run --workload bert/varied --mode bucket,dynamicBucket --json figures.json
  bucketscope run --trace mine.jsonl.zst --device webgpu --repeat 5
  bucketscope run --mode bucket --table '4194304:64 8388608:64 16777216:10' --json -
  bucketscope run --mode bucket --snapshot phi3.snapshot
  bucketscope run --workload unet/varied --sessions 8 --scope all --mode bucket
  bucketscope run --session phi3-mini-4k/grow --session bert/varied --seed 7
  bucketscope run --workload llama-3.2-1b/static --graph-capture --mode bucket
  bucketscope run --stream --trace huge.jsonl.zst --mode all`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if repeat < 1 {
				return usagef("--repeat %d: want at least 1", repeat)
			}
			if stream {
				return a.runStream(cmd, &f, o)
			}
			return a.run(cmd.Context(), &f, o, repeat)
		},
	}
	f.add(cmd)
	addMetricsFlag(cmd, &o.metrics)
	cmd.Flags().Lookup("mode").Usage = "cache `modes` of storage buffers, separated by commas, or all"
	cmd.Flags().Lookup("scope").Usage = "`who` shares free buffers: device, session, run, shared-free, several separated by commas, or all"
	cmd.Flags().StringVar(&o.json, "json", "", "write the figures as JSON to a `file` (- for standard output, instead of the table)")
	addSnapshotFlag(cmd, &o.snapshot)
	cmd.Flags().IntVarP(&repeat, "repeat", "n", 1, "play the workload's runs so many `times`, with the models loaded once")
	cmd.Flags().BoolVar(&o.memory, "driver-peak", false, "ask the driver at submissions how much is held, for its peak beside the ledger's; takes time in runs")
	cmd.Flags().BoolVar(&stream, "stream", false, "play a --trace while it is read, all modes at once on the host device: memory does not grow with its length")
	cmd.Flags().BoolVar(&o.si, "si", false, "units of 1000 (GB) instead of 1024 (GiB)")
	return cmd
}

// runOutput says where figures go.
type runOutput struct {
	json, snapshot string
	metrics        string // address
	si             bool
	memory         bool // driver's peak
}

func (a *app) run(ctx context.Context, f *playFlags, o runOutput, repeat int) (err error) {
	configs, err := f.configs()
	if err != nil {
		return err
	}
	sharings, err := f.sessions.sharings()
	if err != nil {
		return err
	}
	traces, err := f.loadAll()
	if err != nil {
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
	for _, cfg := range configs {
		if err := allFit(ctx, traces, cfg, dev, weights); err != nil {
			return err
		}
	}
	prices, unpriced, err := loadCalibration(f.calibration, dev.Info())
	if err != nil {
		return err
	}
	doc := document(traces, dev.Info(), weights, repeat)
	if len(traces) > 1 {
		doc.Concurrency = concurrency(traces, &f.sessions)
	}
	var read func() engine.Reading
	if o.snapshot != "" || o.metrics != "" || o.memory {
		reader := driver.Open(dev.Info())
		defer reader.Close()
		read = func() engine.Reading { return reading(reader) }
	}
	g := &gauge{name: doc.Workload.Name, limit: limitOf(dev.Info()), host: dev.Info().Kind == device.Host}
	url, stop, err := serveMetrics(o.metrics, g.latest.Load)
	if err != nil {
		return err
	}
	if url != "" {
		fmt.Fprintf(a.err, "metrics: %s\n", url)
	}
	defer func() {
		if cerr := stop(); err == nil {
			err = cerr
		}
	}()
	bar := a.progress()
	plays := len(configs) * len(sharings)
	for i := range plays {
		cfg, sharing := configs[i/len(sharings)], sharings[i%len(sharings)]
		on, meter := dev, (*engine.Meter)(nil)
		if o.memory {
			meter = engine.NewMeter(dev, read)
			on = meter
		}
		res, err := engine.ProfileAll(ctx, traces, on, engine.Options{
			Config: cfg, Weights: weights, Repeat: repeat, Record: o.snapshot != "", Read: read, Watch: g.watch,
			Sharing: sharing, Capture: f.sessions.capture, Seed: f.sessions.seed, Parallel: f.sessions.turns == turnsParallel, WholeRuns: f.sessions.turns == turnsRuns,
			Progress: func(done, total int64) {
				bar.show((float64(i)+float64(done)/float64(total))/float64(plays),
					fmt.Sprintf("%s  %d of %d", cfg[cachemodes.Storage].Mode, i+1, plays))
			},
		})
		if err != nil {
			bar.clear()
			return fmt.Errorf("%s under %s: %w", doc.Workload.Name, cfg[cachemodes.Storage].Mode, err)
		}
		doc.Results = append(doc.Results, result(dev.Info(), res, sharing, f.sessions.capture))
		if meter != nil {
			full := meter.Filled()
			doc.Results[i].Memory = &snapshots.DeviceMemory{MadeBytes: full.Made, DriverBytes: full.Driver, Source: full.Source, NoDriver: full.Reason}
		}
		if prices != nil && f.sessions.turns != turnsParallel {
			if err := predict(ctx, traces, engine.Options{
				Config: cfg, Weights: weights, Repeat: repeat, Sharing: sharing, Capture: f.sessions.capture, Seed: f.sessions.seed,
				WholeRuns: f.sessions.turns == turnsRuns,
			}, prices, &doc.Results[i]); err != nil {
				bar.clear()
				return err
			}
		}
		if o.snapshot == "" {
			continue
		}
		path := o.snapshot
		if len(configs) > 1 {
			path = withWord(path, cfg[cachemodes.Storage].Mode.String())
		}
		if len(sharings) > 1 {
			path = withWord(path, sharing.Scope.String())
		}
		if err := writeFile(path, func(w io.Writer) error { return snapshots.Write(w, runSnapshot(doc, res, sharing, f.sessions.capture)) }); err != nil {
			bar.clear()
			return err
		}
	}
	bar.clear()
	if o.json == "-" {
		return snapshots.WriteRun(a.out, doc)
	}
	if o.json != "" {
		if err := writeFile(o.json, func(w io.Writer) error { return snapshots.WriteRun(w, doc) }); err != nil {
			return err
		}
	}
	if err := a.printRun(doc, o.si); err != nil {
		return err
	}
	var more []string
	if text := predictions(doc); text != "" {
		if note := calibrationNote(prices, dev.Info()); note != "" {
			text += "! " + note + "\n"
		}
		more = append(more, text)
	} else if dev.Info().Timed {
		if prices != nil {
			unpriced = "which of several threads comes first cannot be predicted"
		}
		more = append(more, "No latency was predicted: "+unpriced+".\n")
	}
	if len(configs) > 1 && len(traces) == 1 {
		more = append(more, yardsticks(traces[0], o.si))
	}
	for _, text := range more {
		if _, err := fmt.Fprintf(a.out, "\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// document is the head of a result.
func document(traces []*workload.Trace, info device.Info, weights engine.Weights, repeat int) *snapshots.RunDocument {
	d := &snapshots.RunDocument{
		Format: snapshots.RunFormat, Version: snapshots.RunVersion, Repeat: repeat,
		Workload: runWorkload(traces), Device: runDevice(info, weights),
	}
	return d
}

// runWorkload says which requests are played. Several workloads have the digest
// of theirs, one after the other.
func runWorkload(traces []*workload.Trace) snapshots.RunWorkload {
	t := traces[0]
	w := snapshots.RunWorkload{Name: nameOf(traces), Model: t.Header.Model, Pattern: t.Header.Pattern, SHA256: t.SHA256}
	if len(traces) > 1 {
		sum := sha256.New()
		for _, t := range traces {
			fmt.Fprintln(sum, t.SHA256)
		}
		w.Model, w.Pattern, w.SHA256 = "several", "several", hex.EncodeToString(sum.Sum(nil))
	}
	for _, t := range traces {
		w.Events += len(t.Events)
		w.Runs += len(t.Runs)
		w.Sessions += len(t.Sessions)
		w.Leaks += len(t.Leaks)
		for _, l := range t.Leaks {
			w.LeakBytes += l.Bytes
		}
	}
	return w
}

// concurrency says how several workloads take turns.
func concurrency(traces []*workload.Trace, s *sessionFlags) *snapshots.Concurrency {
	c := &snapshots.Concurrency{Interleaving: s.turns, Seed: &s.seed}
	if s.turns == turnsParallel {
		c.Seed = nil
	}
	for _, t := range traces {
		c.Workloads = append(c.Workloads, t.Name)
	}
	return c
}

func result(info device.Info, res *engine.Result, sharing cachemodes.Sharing, capture bool) snapshots.ModeResult {
	m := snapshots.Measured{
		Config: res.Config, Total: res.Total, Usage: res.Usage, Runs: res.Runs, Keys: res.Keys,
		Events: res.Events, Elapsed: res.Elapsed, DeviceTime: res.DeviceTime,
		Timed: info.Timed, AvgHeldWall: res.AvgHeldWall, HasWall: res.HasWall,
		Sharing: sharing, Capture: capture, PeakKept: &res.PeakKept, HazardCount: res.HazardCount, Hazards: res.Hazards,
	}
	for i, s := range sessionNames(res.Sessions) {
		m.SessionIDs = append(m.SessionIDs, s.ID)
		m.Sessions = append(m.Sessions, snapshots.MeasuredSession{Model: s.Model, Workload: res.Sessions[i].Workload, Books: res.Sessions[i].Books})
	}
	return snapshots.NewModeResult(m)
}

// reading asks a driver on behalf of the engine.
func reading(r driver.Reader) engine.Reading {
	v := r.Read()
	return engine.Reading{Bytes: v.Bytes, OK: v.OK, Source: v.Source, Reason: v.Reason}
}

// printRun prints the table of a document.
func (a *app) printRun(d *snapshots.RunDocument, si bool) error {
	var b bytes.Buffer
	size := func(n int64) string { return units.Bytes(n, si) }
	w := d.Workload
	fmt.Fprintf(&b, "%s: %s, %s, %d events, played %s on %s\n", w.Name, units.Plural(w.Runs, "run"), units.Plural(w.Sessions, "session"), w.Events, units.Times(d.Repeat), d.Device.Name)
	if c := d.Concurrency; c != nil && c.Seed != nil {
		fmt.Fprintf(&b, "at the same time, their %s taking turns by seed %d\n", c.Interleaving, *c.Seed)
	} else if c != nil {
		fmt.Fprintln(&b, "at the same time, each in a thread of its own")
	}
	if w.Leaks > 0 {
		fmt.Fprintf(&b, "! leaked by the recorded program, which never releases them: %s, %s\n", units.Plural(w.Leaks, "buffer"), size(w.LeakBytes))
	}
	language := false
	for i := range d.Results {
		if l := d.Results[i].Latency; l != nil && l.TokensPerSecond != nil {
			language = true
		}
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for i := range d.Results {
		width = max(width, len(d.Results[i].Label()))
	}
	fmt.Fprintf(tw, "\n%-*s\tpeak\tavg\tfloor\tx floor\thits\tcreates\tcreated\tdestroys\tmedian\tp99\truns/s\t", width, "mode")
	if language {
		fmt.Fprint(tw, "prompt\ttokens/s\t")
	}
	fmt.Fprintln(tw)
	for i := range d.Results {
		r := &d.Results[i]
		s := r.Usage[cachemodes.Storage.String()]
		fmt.Fprintf(tw, "%-*s\t%s\t%s\t%s\t%.2f\t%d\t%d\t%s\t%d\t", width, r.Label(), size(r.Totals.PeakHeldBytes), size(r.Totals.AvgHeldBytes),
			size(r.Totals.FloorBytes), ratio(r.Totals.PeakHeldBytes, r.Totals.FloorBytes), s.Hits, s.Creates, size(s.CreateBytes), s.Destroys)
		if l := r.Latency; l != nil {
			fmt.Fprintf(tw, "%s\t%s\t%.1f\t", units.Duration(us(l.MedianUS)), units.Duration(us(l.P99US)), l.RunsPerSecond)
			if language {
				fmt.Fprintf(tw, "%s\t%s\t", optional(l.PromptUS, func(n int64) string { return units.Duration(us(n)) }),
					optional(l.TokensPerSecond, func(x float64) string { return fmt.Sprintf("%.1f", x) }))
			}
		} else {
			fmt.Fprint(tw, "–\t–\t–\t")
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if w.Sessions > 1 {
		if err := printSessions(&b, d, size); err != nil {
			return err
		}
	}
	printMemory(&b, d, size)
	printHazards(&b, d, size)
	fmt.Fprintf(&b, "\nPeak, avg and floor are of held bytes: weights, storage, uniform (%s) and query resolve buffers.\n"+
		"Hits to destroys are of storage buffers without weights; --json has every usage, run and reason.\n", d.Results[0].UniformMode)
	if !d.Device.Timed {
		fmt.Fprintf(&b, "The host device keeps books only: no GPU works, so there is no latency to show.\n")
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

// printSessions prints the books of each session, and what stays of it; and how
// fast they were played, to compare one goroutine with several.
func printSessions(b *bytes.Buffer, d *snapshots.RunDocument, size func(int64) string) error {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	waits := d.Concurrency != nil && d.Concurrency.Seed == nil
	fmt.Fprintln(tw, "\nmode\tkept between runs, at most\tstays after the last release\tevents/s\t  scope")
	for i := range d.Results {
		r := &d.Results[i]
		scope, err := cachemodes.LookupScope(r.Scope)
		if err != nil {
			return err
		}
		stays := "–"
		if !slices.ContainsFunc(r.Sessions, func(s snapshots.SessionEntry) bool { return s.State != probe.Gone.String() }) {
			stays = size(r.Totals.EndHeldBytes)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t  %s\n",
			r.Label(), optional(r.Totals.PeakKeptBytes, size), stays, units.Count(int64(r.EventsPerSecond)), scope.Explain())
	}
	fmt.Fprint(tw, "\nmode\tsession\tworkload\truns\thits\tcreates\tpeak\tkept\tborrowed\tlent\t")
	if waits {
		fmt.Fprint(tw, "lock waits\twaited\t")
	}
	fmt.Fprintln(tw)
	for i := range d.Results {
		r := &d.Results[i]
		for j := range r.Sessions {
			s := &r.Sessions[j]
			fmt.Fprintf(tw, "%s\t%d\t%s\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t", r.Label(), s.Session, s.Workload, s.Runs, s.Hits, s.Creates,
				size(s.PeakHeldBytes), size(s.EndKeptBytes), s.Borrowed, s.Lent)
			if waits {
				fmt.Fprintf(tw, "%d\t%s\t", s.LockWaits, units.Duration(us(s.LockWaitUS)))
			}
			fmt.Fprintln(tw)
		}
	}
	return tw.Flush()
}

// printMemory prints how full the device got, where that was asked for.
func printMemory(b *bytes.Buffer, d *snapshots.RunDocument, size func(int64) string) {
	if d.Results[0].Memory == nil {
		return
	}
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\nmode\tmade on the device, at most\tby the driver\tx made\t  who says so")
	for i := range d.Results {
		r := &d.Results[i]
		m := r.Memory
		if m.Source == "" {
			fmt.Fprintf(tw, "%s\t%s\t–\t–\t  %s\n", r.Label(), size(m.MadeBytes), m.NoDriver)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.3f\t  %s\n", r.Label(), size(m.MadeBytes), size(m.DriverBytes), ratio(m.DriverBytes, m.MadeBytes), m.Source)
	}
	_ = tw.Flush() // into memory
}

// printedHazards is how many hazards are told of each kind of figures.
const printedHazards = 5

func printHazards(b *bytes.Buffer, d *snapshots.RunDocument, size func(int64) string) {
	use := func(u *snapshots.UsedEntry) string {
		run := "between runs"
		if u.Run != nil {
			run = fmt.Sprintf("run %d", *u.Run)
		}
		return fmt.Sprintf("session %d, %s, %s", u.Session, run, size(u.RequestedBytes))
	}
	for i := range d.Results {
		r := &d.Results[i]
		if r.HazardCount == 0 {
			continue
		}
		fmt.Fprintf(b, "\n! %s: %s seen\n", r.Label(), units.Plural(int(r.HazardCount), "hazard"))
		for j := range r.Hazards[:min(len(r.Hazards), printedHazards)] {
			h := &r.Hazards[j]
			fmt.Fprintf(b, "  %s: %s buffer %d of %s; first %s; then %s\n", h.Hazard, h.Usage, h.Buffer, size(h.SizeBytes), use(&h.First), use(&h.Second))
		}
		kind, err := cachemodes.LookupHazard(r.Hazards[0].Hazard)
		if err == nil {
			fmt.Fprintf(b, "  %s: %s\n", kind, kind.Explain())
		}
	}
}

func us(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func optional[T any](v *T, f func(T) string) string {
	if v == nil {
		return "–"
	}
	return f(*v)
}

// progressEvery is how often a progress bar moves, and how long work may take
// before there is one.
const progressEvery = 100 * time.Millisecond

// bar is a progress bar on a terminal, or nothing.
type bar struct {
	to    io.Writer
	model progress.Model
	last  time.Time
	drawn bool
}

// progress makes a bar on standard error if that is a terminal.
func (a *app) progress() *bar {
	f, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	return &bar{to: f, model: progress.New(progress.WithWidth(40)), last: time.Now()}
}

func (b *bar) show(share float64, text string) {
	if b.to == nil || time.Since(b.last) < progressEvery {
		return
	}
	b.last, b.drawn = time.Now(), true
	fmt.Fprintf(b.to, "\r%s  %s\x1b[K", b.model.ViewAs(share), text)
}

// count shows how far work is whose end is not known.
func (b *bar) count(text string) {
	if b.to == nil || time.Since(b.last) < progressEvery {
		return
	}
	b.last, b.drawn = time.Now(), true
	fmt.Fprintf(b.to, "\r%s\x1b[K", text)
}

func (b *bar) clear() {
	if b.drawn {
		fmt.Fprint(b.to, "\r\x1b[K")
		b.drawn = false
	}
}
