package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// Results make the table of every mode on every workload: what the modes do,
// which is the same on every machine, and how long runs are said to take, and
// took, on some adapters.
type Results struct {
	Workloads []*workload.Trace
	// Files are what other machines told, in the order of their columns.
	Calibrations []*cost.Calibration
	Measured     []*Measurements
	Overheads    []*Overheads
	// Progress, if set, is told how many of the plays are done.
	Progress func(done, total int)
}

// maxFile bounds what Add takes in.
const maxFile = 16 << 20

// Add takes in a file: a calibration, measurements or overheads, told apart by
// the format that it names. Errors are *FileError or *cost.FormatError where the text is at
// fault.
func (r *Results) Add(in io.Reader, name string) error {
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	var head struct {
		Format string `json:"format"`
	}
	if len(text) > maxFile || json.Unmarshal(text, &head) != nil {
		return &FileError{name, "this is neither a calibration nor measurements nor overheads"}
	}
	switch head.Format {
	case cost.Format:
		c, err := cost.Read(bytes.NewReader(text), name)
		if err != nil {
			return err
		}
		r.Calibrations = append(r.Calibrations, c)
	case MeasurementsFormat:
		m, err := parseMeasurements(text, name)
		if err != nil {
			return err
		}
		r.Measured = append(r.Measured, m)
	case OverheadFormat:
		o, err := parseOverheads(text, name)
		if err != nil {
			return err
		}
		r.Overheads = append(r.Overheads, o)
	default:
		return &FileError{name, fmt.Sprintf("its format is %q; want %q, %q or %q", head.Format, cost.Format, MeasurementsFormat, OverheadFormat)}
	}
	return nil
}

// adapter is a column, or two.
type adapter struct {
	about  cost.Adapter
	prices *cost.Calibration // nil for none
	times  []*Measurements   // none, one or several
	errors []float64         // predicted by measured, less 1
	scaled []float64         // the same, scaled by what bucket took
	orders []float64         // by workload: see rankCorrelation
}

// adapters pair calibrations and measurements of the same adapter.
func (r *Results) adapters() []*adapter {
	var out []*adapter
	of := func(about cost.Adapter) *adapter {
		for _, a := range out {
			if a.about.Same(about) {
				return a
			}
		}
		a := &adapter{about: about}
		out = append(out, a)
		return a
	}
	for _, c := range r.Calibrations {
		of(c.Adapter).prices = c
	}
	for _, m := range r.Measured {
		a := of(m.Adapter)
		a.times = append(a.times, m)
	}
	return out
}

// Write plays what is to be played and writes the document.
func (r *Results) Write(ctx context.Context, out io.Writer) error {
	var b bytes.Buffer
	all := r.adapters()
	done, total := 0, len(r.Workloads)*len(cachemodes.Modes())
	b.WriteString(resultsHead)
	var tables bytes.Buffer
	for _, t := range r.Workloads {
		y := YardsticksOf(t, len(cachemodes.DefaultTable()), false)
		fmt.Fprintf(&tables, "\n## %s\n\n%d runs, %d events; floor %s MiB.\n\n| mode | peak | x floor | average | creates | created |\n| --- | ---: | ---: | ---: | ---: | ---: |\n", t.Name, len(t.Runs), len(t.Events), mib(y.Floor))
		row := func(name string, peak, average, creates, created int64) {
			fmt.Fprintf(&tables, "| %s | %s | %.3f | %s | %d | %s |\n", name, mib(peak), float64(peak)/float64(max(y.Floor, 1)), mib(average), creates, mib(created))
		}
		predicted := make([][]float64, len(all)) // by adapter and mode
		for _, m := range cachemodes.Modes() {
			res, err := r.play(ctx, t, m.ID, all, predicted)
			if err != nil {
				return err
			}
			s := &res.Usage[cachemodes.Storage]
			row("`"+m.Name+"`", res.Total.PeakHeld, res.Total.AvgHeld(), s.Creates, s.CreateBytes)
			if done++; r.Progress != nil {
				r.Progress(done, total)
			}
		}
		for _, s := range Simulate(t) {
			name := s.Name
			if name == tflite.Name {
				name += ", the offline plan"
			}
			row(name+" (simulated only)", s.Peak, s.Average, s.Creates, s.CreateBytes)
		}
		fmt.Fprintf(&tables, "| *best %d keys reserve, storage alone* | %s | | | | |\n", y.BestOf, mib(y.BestKeys))
		for i, a := range all {
			a.write(&tables, t, predicted[i])
		}
	}
	r.writeErrors(&b, all)
	r.writeOverheads(&b)
	for _, a := range all {
		a.writeRounding(&b)
	}
	for _, a := range all {
		a.writeSessions(&b)
	}
	b.Write(tables.Bytes())
	_, err := out.Write(b.Bytes())
	return err
}

// resultsHead explains the tables.
const resultsHead = `# Every mode on every recording

Made by one command, ` + "`make results`" + `; a test holds it to what the program does. Sizes are MiB. Peak and average are of
held bytes: weights, storage, uniform and query resolve buffers. The floor is the most that was requested at once: no mode
that gives each request its own buffer can hold less. Creates and created are of storage buffers without weights. Modes
have their default parameters, uniform buffers ` + "`simple`" + `.

Times are milliseconds a run, the mean over the runs of a recording. Predicted is by the cost model from a calibration of
the adapter (` + "`bucketscope calibrate`" + `); measured is the median of several plays of the whole recording, in turns with all
other modes, with their range (` + "`bucketscope results measure`" + `); off is the prediction less that. Scaled is the same of a
prediction times what ` + "`bucket`" + ` took by what it was predicted to take: that is how *What if* says what other modes
would take, while one is measured. Tokens/s are those of decode steps. Weights are made outside of runs and count for no time.
The order of modes is how well predictions tell which mode is faster than which: Spearman's rank correlation of a recording's
modes, 1 for the same order, of all recordings the least and the most.

Held, made and driver are the most at once, in a play of its own. Held is the ledger's, as peak is. Made is what existed on the
adapter by the program's own count: what the caches hold, staging buffers, the application's own, and weights if they were made
there. Driver is the most that the driver said was held beyond what it held when that play began, read before submissions.
What is simulated only places several requests in one allocation, which WebGPU cannot bind.
`

// play is what a mode does with a workload; it adds the times predicted for each
// adapter, 0 for one without prices.
func (r *Results) play(ctx context.Context, t *workload.Trace, mode cachemodes.ModeID, all []*adapter, predicted [][]float64) (*engine.Result, error) {
	var res *engine.Result
	for i, a := range all {
		us := 0.0
		if a.prices != nil {
			p, err := Predict(ctx, t, storageMode(mode), engine.AccountWeights, 1, a.prices)
			if err != nil {
				return nil, err
			}
			res, us = p, MeanUS(p.Runs)
		}
		predicted[i] = append(predicted[i], us)
	}
	if res != nil {
		return res, nil
	}
	return engine.Profile(ctx, t, device.NewHost(), engine.Options{Config: storageMode(mode), Weights: engine.AccountWeights, Repeat: 1})
}

// cell is what was measured of a mode on a workload played alone, in the first
// file that has it; nil where none has.
func (a *adapter) cell(t *workload.Trace, mode string) *Cell {
	for _, m := range a.times {
		if c := m.Cell(t.SHA256, mode); c != nil && len(c.Rounds) > 0 {
			return c
		}
	}
	return nil
}

// column is one of a table: a head, and the text of a mode's row.
type column struct {
	head string
	cell func(mode int, c *Cell) string // c is nil where nothing was measured
}

// write is the table of an adapter's times, with what it has of the workload.
func (a *adapter) write(b *bytes.Buffer, t *workload.Trace, predicted []float64) {
	cells, measured, filled := make([]*Cell, len(predicted)), false, false
	for i, m := range cachemodes.Modes() {
		c := a.cell(t, m.Name)
		cells[i] = c
		measured = measured || c != nil && len(c.Rounds) > 0
		filled = filled || c != nil && c.Memory != nil
	}
	if a.prices == nil && !measured {
		return
	}
	var columns []column
	if a.prices != nil {
		columns = append(columns, column{"predicted", func(mode int, _ *Cell) string { return ms(predicted[mode]) }})
	}
	if measured {
		columns = append(columns, column{"measured", func(_ int, c *Cell) string { return spread(c.MeanUS(), ms) }})
	}
	if a.prices != nil && measured {
		columns = append(columns, column{"off", func(mode int, c *Cell) string {
			s := c.MeanUS()
			if s.Median <= 0 {
				return "–"
			}
			off := predicted[mode]/s.Median - 1
			a.errors = append(a.errors, off)
			return fmt.Sprintf("%+.0f %%", 100*off)
		}})
		if bucket := cells[cachemodes.BucketMode].MeanUS().Median / predicted[cachemodes.BucketMode]; bucket > 0 {
			columns = append(columns, column{"scaled", func(mode int, c *Cell) string {
				s := c.MeanUS()
				if s.Median <= 0 || mode == int(cachemodes.BucketMode) {
					return "–"
				}
				off := predicted[mode]*bucket/s.Median - 1
				a.scaled = append(a.scaled, off)
				return fmt.Sprintf("%+.0f %%", 100*off)
			}})
		}
	}
	if step := tokensPerStep(t); measured && step > 0 {
		columns = append(columns, column{"tokens/s", func(_ int, c *Cell) string {
			return spread(c.TokensPerSecond(step), tenths)
		}})
	}
	if filled {
		columns = append(columns, memoryColumns...)
	}
	fmt.Fprintf(b, "\nOn %s:\n\n| mode |", a.about)
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.head)
	}
	fmt.Fprintf(b, "\n| --- |%s\n", strings.Repeat(" ---: |", len(columns)))
	for i, m := range cachemodes.Modes() {
		fmt.Fprintf(b, "| `%s` |", m.Name)
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", c.cell(i, cells[i]))
		}
		b.WriteString("\n")
	}
	if a.prices != nil && measured {
		a.order(predicted, cells)
	}
}

// order notes how well the order of the modes is predicted.
func (a *adapter) order(predicted []float64, cells []*Cell) {
	var told, was []float64
	for i, c := range cells {
		if us := c.MeanUS().Median; us > 0 {
			told, was = append(told, predicted[i]), append(was, us)
		}
	}
	if len(was) > 2 {
		a.orders = append(a.orders, rankCorrelation(told, was))
	}
}

// rankCorrelation is Spearman's: 1 where both have the same order, 0 where one says
// nothing of the other's.
func rankCorrelation(a, b []float64) float64 {
	ranks := func(all []float64) []float64 {
		out := make([]float64, len(all))
		for i, x := range all {
			for j, y := range all {
				if y < x {
					out[i]++
				} else if y == x && i != j {
					out[i] += 0.5
				}
			}
		}
		return out
	}
	x, y, mean := ranks(a), ranks(b), float64(len(a)-1)/2
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		dx, dy := x[i]-mean, y[i]-mean
		xy, xx, yy = xy+dx*dy, xx+dx*dx, yy+dy*dy
	}
	return xy / math.Sqrt(xx*yy)
}

// memoryColumns say how full the device got.
var memoryColumns = []column{
	{"held", memoryText(func(m *Memory) string { return mib(m.HeldBytes) })},
	{"made", memoryText(func(m *Memory) string { return mib(m.MadeBytes) })},
	{"driver", memoryText(func(m *Memory) string {
		if m.Source == "" {
			return "–"
		}
		return mib(m.DriverBytes)
	})},
	{"x made", memoryText(func(m *Memory) string {
		if m.Source == "" || m.MadeBytes == 0 {
			return "–"
		}
		return fmt.Sprintf("%.3f", float64(m.DriverBytes)/float64(m.MadeBytes))
	})},
}

func memoryText(text func(*Memory) string) func(int, *Cell) string {
	return func(_ int, c *Cell) string {
		if c == nil || c.Memory == nil {
			return "–"
		}
		return text(c.Memory)
	}
}

func tenths(x float64) string { return fmt.Sprintf("%.1f", x) }

// spread is a median with its range, which is left out where it is of one play.
func spread(s Spread, text func(float64) string) string {
	switch s.Of {
	case 0:
		return "–"
	case 1:
		return text(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", text(s.Median), text(s.Low), text(s.High))
}

// tokensPerStep is how many tokens a decode step of a workload computes, in the
// mean; 0 where there are none.
func tokensPerStep(t *workload.Trace) float64 {
	tokens, steps := int64(0), 0
	for i := range t.Runs {
		if r := &t.Runs[i]; r.Kind != workload.Prompt && r.Tokens > 0 {
			tokens += r.Tokens
			steps++
		}
	}
	return float64(tokens) / float64(max(steps, 1))
}

// commands are those that its files were made by.
func (a *adapter) commands() []string {
	var out []string
	if a.prices != nil && a.prices.Command != "" {
		out = append(out, a.prices.Command)
	}
	for _, m := range a.times {
		if m.Command != "" {
			out = append(out, m.Command)
		}
	}
	return out
}

// sizeOf is two columns: how large the median error is, and what 90 % are within.
func sizeOf(errors []float64) string {
	n := len(errors)
	if n == 0 {
		return "– | –"
	}
	off := make([]float64, n)
	for i, e := range errors {
		off[i] = math.Abs(e)
	}
	slices.Sort(off)
	return fmt.Sprintf("%.0f %% | %.0f %%", 100*median(off), 100*off[min(n*9/10, n-1)])
}

// writeErrors says how near predictions come.
func (r *Results) writeErrors(b *bytes.Buffer, all []*adapter) {
	if len(all) == 0 {
		b.WriteString("\nNo calibration and no measurements were given: there are no times.\n")
		return
	}
	b.WriteString("\n| adapter | calibrated | measured | plays of each | predictions off by, median | 90 % within | scaled, median | 90 % within | order of modes |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, a := range all {
		calibrated, made, rounds, order := "–", "–", "–", "–"
		if a.prices != nil {
			calibrated = a.prices.Made
		}
		low, high := math.MaxInt, 0
		for _, m := range a.times {
			for i := range m.Cells {
				c := &m.Cells[i]
				if c.Sessions == 0 {
					made = m.Made
				}
				if n := len(c.Rounds); n > 0 {
					low, high = min(low, n), max(high, n)
				}
			}
			if rounds = fmt.Sprint(high); low < high {
				rounds = fmt.Sprintf("%d to %d", low, high)
			}
		}
		if len(a.orders) > 0 {
			order = fmt.Sprintf("%.2f to %.2f", slices.Min(a.orders), slices.Max(a.orders))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", a.about, calibrated, made, rounds, sizeOf(a.errors), sizeOf(a.scaled), order)
	}
	for _, a := range all {
		commands := a.commands()
		for _, o := range r.Overheads {
			if o.Command != "" && o.Adapter.Same(a.about) {
				commands = append(commands, o.Command)
			}
		}
		if len(commands) > 0 {
			fmt.Fprintf(b, "\nOn %s, by\n\n```sh\n%s\n```\n", a.about, strings.Join(commands, "\n"))
		}
		if list := a.missing(); len(list) > 0 {
			fmt.Fprintf(b, "\nNot measured on %s:\n\n", a.about)
			for _, text := range list {
				fmt.Fprintf(b, "- %s\n", text)
			}
		}
	}
}

// missing names what was not measured by any file and why, once: what differs by the
// mode alone together, what several files lack by the reason of the first.
func (a *adapter) missing() []string {
	known := map[string]bool{}
	for _, m := range a.times {
		for i := range m.Cells {
			if c := &m.Cells[i]; len(c.Rounds) > 0 {
				known[c.String()] = true
			}
		}
	}
	var order []*Cell
	first := map[string]*Cell{} // by all but the mode
	for _, m := range a.times {
		for i := range m.Cells {
			c := m.Cells[i]
			if known[c.String()] {
				continue
			}
			known[c.String()] = true
			key := c
			key.Mode = ""
			if at := first[key.String()+c.Missing]; at != nil {
				at.Mode += ", " + c.Mode
			} else {
				first[key.String()+c.Missing] = &c
				order = append(order, &c)
			}
		}
	}
	out := make([]string, len(order))
	for i, c := range order {
		out[i] = fmt.Sprintf("%s: %s", c, c.Missing)
	}
	return out
}

// writeRounding names the sizes that take more of the device's memory than was
// asked for.
func (a *adapter) writeRounding(b *bytes.Buffer) {
	if a.prices == nil || len(a.prices.Rounding) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## What the driver takes for a buffer, on %s\n\nBy its calibration (%s): of %d sizes from %s to %s MiB, those that take over 5 %% more than was asked for.\n",
		a.about, a.prices.RoundingSource, len(a.prices.Rounding), exactMiB(a.prices.Rounding[0].Bytes), exactMiB(a.prices.Rounding[len(a.prices.Rounding)-1].Bytes))
	rounded := a.prices.Rounded()
	if len(rounded) == 0 {
		b.WriteString("There are none.\n")
		return
	}
	b.WriteString("\n| MiB | takes | x | mean of |\n| ---: | ---: | ---: | ---: |\n")
	for _, r := range rounded {
		fmt.Fprintf(b, "| %s | %.3f | %.2f | %d |\n", exactMiB(r.Bytes), float64(r.Cost)/(1<<20), float64(r.Cost)/float64(r.Bytes), r.Buffers)
	}
}

// exactMiB is a size with all of its digits.
func exactMiB(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', -1, 64) }

// writeSessions is what several sessions at the same time did on an adapter.
func (a *adapter) writeSessions(b *bytes.Buffer) {
	head := false
	for _, m := range a.times {
		for i := range m.Cells {
			c := &m.Cells[i]
			if c.Sessions == 0 || len(c.Rounds) == 0 {
				continue
			}
			if !head {
				head = true
				fmt.Fprintf(b, sessionsHead, a.about)
			}
			fmt.Fprintf(b, "| %d x %s | `%s` | %s | %s | %s | %s |", c.Sessions, c.Workload, c.Mode, c.Scope, c.Turns, spread(c.RunsPerSecond(), tenths), spread(c.MeanUS(), ms))
			for _, column := range memoryColumns {
				fmt.Fprintf(b, " %s |", column.cell(0, c))
			}
			b.WriteString("\n")
		}
	}
}

// sessionsHead explains the table of sessions on an adapter.
const sessionsHead = `
## Sessions at the same time, on %s

By ` + "`bucketscope results measure --sessions 1,8`" + `, with who shares free buffers (` + "`--scope`" + `) and how sessions take turns
(` + "`--turns`" + `; parallel: each in a thread of its own). Runs/s is what all get done together; measured is milliseconds a run.

| sessions | mode | scope | turns | runs/s | measured | held | made | driver | x made |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
`

// writeOverheads says what profiling costs.
func (r *Results) writeOverheads(b *bytes.Buffer) {
	if len(r.Overheads) == 0 {
		return
	}
	b.WriteString(overheadHead)
	for _, file := range r.Overheads {
		for i := range file.Rows {
			o := &file.Rows[i]
			on, onIn := o.Share(o.On)
			with, withIn := o.Share(o.WhatIf)
			off := RunUS(o.Off)
			fmt.Fprintf(b, "| %s | %s | %s | `%s` | %d | %d | %s | %.1f us, %+.2f %% | %s | %s |\n", file.Adapter, file.Made, o.Workload, o.Mode, len(o.Off), max(o.Passes, 1), ms(off), o.HostUS(), 100*o.HostUS()/off, shares(on, onIn), shares(with, withIn))
		}
	}
}

// overheadHead explains the table of overheads.
const overheadHead = `
## What profiling costs

By ` + "`bucketscope results overhead --device webgpu`" + `: the mode and the device, as in an engine that nobody profiles (off), the same with
books, journal, driver readings and what the screen is shown (on), and with What if besides, in turns. Off is milliseconds a run: of
each run the median over rounds, and of these the mean. The last two are by how much longer runs take, of the same medians; in
brackets what that lies in with a probability of 95 %, by drawing rounds anew (bootstrap). A round plays a recording in so many
passes, of which the last counts. What a run waits for is on less off on a device that does nothing, in 60 rounds, and that as a
share of off: what profiling does within a run, without the noise of a device.

| adapter | measured | recording | mode | rounds | passes | off | a run waits | on | with What if |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
`

// shares is a share in percent, with its interval.
func shares(share float64, in Interval) string {
	return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f %%)", 100*share, 100*in.Low, 100*in.High)
}

// ms is a time in milliseconds, with three digits.
func ms(us float64) string {
	switch v := us / 1000; {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}
