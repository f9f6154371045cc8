package lab

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// The name and version of the format that a Report is.
const (
	TuneFormat  = "bucketscope-tune"
	TuneVersion = 1
)

// TuneSchema is the JSON Schema of a Report.
//
//go:embed tune.schema.json
var TuneSchema []byte

// Command is what `bucketscope tune` does: find a table for workloads, and show
// what it does there and elsewhere.
type Command struct {
	// Workloads, as Load takes them, are what the table is for; one table for
	// all of several.
	Workloads []string
	Goal      Goal
	// Judge are the workloads that the table is judged on too; nil is every
	// recording that is built in.
	Judge []string
	// Load finds a workload by its name; nil is workload.Load.
	Load func(name string) (*workload.Trace, error)
	// Prices says in a few words what predicts latency.
	Prices string
	// JSON prints one object in place of tables.
	JSON bool
	// Progress, if set, is told how many of the replays are done.
	Progress func(done, total int)
}

// Judged is what a table does with a workload, and what ORT's does.
type Judged struct {
	Workload string  `json:"workload"`
	Floor    int64   `json:"floor_bytes"`
	Before   Figures `json:"before"`
	After    Figures `json:"after"`
}

// Report is what a Command found.
type Report struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Workloads are those that the table is for; with several, Before, After
	// and Front have sums over them, and Given each by itself.
	Workloads []string `json:"workloads"`
	Goal      string   `json:"goal"`
	Prices    string   `json:"prices"`
	Met       bool     `json:"met"`
	Floor     int64    `json:"floor_bytes"`
	Reserved  int64    `json:"best_keys_reserve_bytes"`
	Plan      int64    `json:"offline_plan_bytes"`
	Before    Point    `json:"before"`
	After     Point    `json:"after"`
	Front     []Point  `json:"front"`
	Knee      int      `json:"knee"`
	Given     []Judged `json:"given"`
	// Elsewhere are the workloads that the table was not tuned on.
	Elsewhere []Judged `json:"elsewhere"`
	Replays   int      `json:"replays"`
}

// Write prints a report as the command was asked to.
func (c *Command) Write(out io.Writer, r *Report) error {
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", " ")
		return enc.Encode(r)
	}
	return r.Print(out, &c.Goal)
}

// Report tunes and judges.
func (c *Command) Report(ctx context.Context) (*Report, error) {
	load := c.Load
	if load == nil {
		load = workload.Load
	}
	r := &Report{Format: TuneFormat, Version: TuneVersion, Goal: c.Goal.String(), Prices: c.Prices, Elsewhere: []Judged{}}
	given := map[string]bool{} // by SHA256
	var traces []*workload.Trace
	for _, name := range c.Workloads {
		tr, err := load(name)
		if err != nil {
			return nil, err
		}
		if !given[tr.SHA256] {
			given[tr.SHA256] = true
			traces, r.Workloads = append(traces, tr), append(r.Workloads, tr.Name)
		}
	}
	names := c.Judge
	if names == nil {
		for _, w := range workload.Builtin() {
			names = append(names, w.Name)
		}
	}
	var others []*workload.Trace // all before the search: a name that is wrong is told at once
	for _, name := range names {
		other, err := load(name)
		if err != nil {
			return nil, err
		}
		if !given[other.SHA256] {
			others = append(others, other)
		}
	}
	var streams []*Stream
	for _, tr := range traces {
		s := NewStream(tr, cachemodes.DefaultConfig())
		streams = append(streams, s)
		r.Floor += s.Floor
		if len(tr.Events) <= planEvents {
			r.Plan += NewPlan(tr).Size
		}
	}
	tuned, err := TuneAll(ctx, streams, c.Goal, c.Progress)
	if err != nil {
		return nil, err
	}
	r.Met, r.Reserved, r.Replays = tuned.Met, tuned.Reserved, tuned.Replays
	r.Before, r.After, r.Front, r.Knee = tuned.Before, tuned.Best, tuned.Front, tuned.Knee
	for _, s := range streams {
		r.Given = append(r.Given, Judge(s, tuned.Best.Table, c.Goal.prices()))
	}
	for _, other := range others {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.Elsewhere = append(r.Elsewhere, Judge(NewStream(other, cachemodes.DefaultConfig()), tuned.Best.Table, c.Goal.prices()))
	}
	return r, nil
}

// Judge replays a stream under ORT's table and under another.
func Judge(s *Stream, t cachemodes.Table, p Prices) Judged {
	r := NewReplayer(s).Price(p)
	return Judged{Workload: s.Name, Floor: s.Floor, Before: r.Replay(cachemodes.DefaultTable()), After: r.Replay(t)}
}

// String is the goal in a line.
func (g *Goal) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "least %s with %d keys", g.Minimise, g.Keys)
	for _, l := range g.Limits {
		switch l.Measure {
		case Peak, Average:
			fmt.Fprintf(&b, ", %s <= %s MiB", l.Measure, mib(int64(l.Max)))
		case Creates:
			fmt.Fprintf(&b, ", %s <= %.0f", l.Measure, l.Max)
		case Latency:
			fmt.Fprintf(&b, ", %s <= %.0f us", l.Measure, l.Max)
		}
	}
	return b.String()
}

// Print writes the report as tables. Latency is what creates and clears are
// predicted to cost over the whole workload.
func (r *Report) Print(out io.Writer, g *Goal) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, f *Figures, note string) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%.1f\t  %s\n", name, mib(f.Peak), mib(f.Average), f.Creates, mib(f.CreateBytes), f.US/1000, note)
	}
	fmt.Fprintf(w, "%s: %s (%d replays)\n\n", strings.Join(r.Workloads, ", "), r.Goal, r.Replays)
	if len(r.Workloads) > 1 {
		fmt.Fprintf(w, "Figures are sums over the %d workloads, each played by itself; limits hold for each.\n\n", len(r.Workloads))
	}
	if !r.Met {
		fmt.Fprintf(w, "No table was found that keeps every limit; this one comes nearest.\n\n")
	}
	const head = "\tpeak MiB\tavg MiB\tcreates\tcreated MiB\test. ms\t  \n"
	fmt.Fprint(w, head)
	row("ORT's table", &r.Before.Figures, "")
	row("tuned", &r.After.Figures, fmt.Sprintf("%d keys", len(r.After.Table)))
	fmt.Fprintf(w, "floor\t%s\t\t\t\t\t  no policy that gives each request a buffer holds less\n", mib(r.Floor))
	fmt.Fprintf(w, "best keys\t%s\t\t\t\t\t  reserved by the best %d keys for storage alone, exactly\n", mib(r.Reserved), g.Keys)
	if r.Plan > 0 {
		fmt.Fprintf(w, "offline plan\t%s\t\t\t\t\t  with the whole workload known in advance\n", mib(r.Plan))
	}
	judged := func(list []Judged) {
		for _, j := range list {
			row(j.Workload, &j.After, fmt.Sprintf("floor %s", mib(j.Floor)))
			row("ORT's", &j.Before, "")
		}
	}
	if len(r.Given) > 1 {
		fmt.Fprintf(w, "\nThe tuned table on each of them, and ORT's:\n\n%s", head)
		judged(r.Given)
	}
	fmt.Fprintf(w, "\nNo table found has less of both peak and creates than one of these:\n\n%s", head)
	for i, p := range thin(r.Front, r.Knee) {
		note := fmt.Sprintf("%d keys", len(p.Table))
		if p.Figures == r.Front[r.Knee].Figures {
			note += ", knee"
		}
		row(fmt.Sprint(i+1), &p.Figures, note)
	}
	if len(r.Elsewhere) > 0 {
		fmt.Fprintf(w, "\nThe tuned table on other workloads, and ORT's:\n\n%s", head)
		judged(r.Elsewhere)
	}
	if r.Prices != "" {
		fmt.Fprintf(w, "\nest. ms is predicted by %s: what creates and clears of storage buffers cost in all, where nothing overlaps.\n", r.Prices)
	}
	fmt.Fprintf(w, "\nFor bucketscope: %s\n\nFor ORT (onnxruntime/core/providers/webgpu/buffer_manager.cc):\n\n", r.After.Table)
	if err := w.Flush(); err != nil {
		return err
	}
	return WriteInitialiser(out, r.After.Table)
}

// frontRows is how many points of a front are printed.
const frontRows = 12

// thin picks points of a front, its ends and the knee among them.
func thin(f []Point, knee int) []Point {
	if len(f) <= frontRows {
		return f
	}
	var out []Point
	next := 0
	for i := range frontRows - 1 {
		at := i * (len(f) - 1) / (frontRows - 2)
		if knee >= next && knee < at {
			out = append(out, f[knee])
		}
		out = append(out, f[at])
		next = at + 1
	}
	return out
}

// WriteInitialiser writes a table as ORT's source has it: the initialiser of
// BucketCacheManager's limits.
func WriteInitialiser(out io.Writer, t cachemodes.Table) error {
	var b strings.Builder
	b.WriteString("{\n")
	for _, k := range t {
		fmt.Fprintf(&b, "    {%d, %d},\n", k.Key, k.Cap)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// mib is bytes in MiB with one decimal.
func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
