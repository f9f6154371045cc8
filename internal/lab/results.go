package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
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
	// Progress, if set, is told how many of the plays are done.
	Progress func(done, total int)
}

// maxFile bounds what Add takes in.
const maxFile = 16 << 20

// Add takes in a file: a calibration or measurements, told apart by the format
// that it names. Errors are *FileError or *cost.FormatError where the text is at
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
		return &FileError{name, "this is neither a calibration nor measurements"}
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
	default:
		return &FileError{name, fmt.Sprintf("its format is %q; want %q or %q", head.Format, cost.Format, MeasurementsFormat)}
	}
	return nil
}

// adapter is a column, or two.
type adapter struct {
	about  cost.Adapter
	prices *cost.Calibration // nil for none
	times  *Measurements     // nil for none
	errors []float64         // predicted by measured, less 1
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
		of(m.Adapter).times = m
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
		fmt.Fprintf(&tables, "\n## %s\n\n%d runs, %d events; floor %s MiB.\n\n| mode | peak | x floor | average | creates | created |", t.Name, len(t.Runs), len(t.Events), mib(y.Floor))
		for _, a := range all {
			if a.prices != nil {
				fmt.Fprintf(&tables, " %s predicted |", a.about.Name)
			}
			if a.times != nil {
				fmt.Fprintf(&tables, " %s measured |", a.about.Name)
			}
		}
		columns := strings.Count(tables.String()[strings.LastIndex(tables.String(), "\n")+1:], "|") - 1
		fmt.Fprintf(&tables, "\n| --- |%s\n", strings.Repeat(" ---: |", columns-1))
		row := func(name string, peak, average, creates, created int64, times []string) {
			fmt.Fprintf(&tables, "| %s | %s | %.3f | %s | %d | %s |", name, mib(peak), float64(peak)/float64(max(y.Floor, 1)), mib(average), creates, mib(created))
			for _, s := range times {
				fmt.Fprintf(&tables, " %s |", s)
			}
			tables.WriteString("\n")
		}
		for _, m := range cachemodes.Modes() {
			res, times, err := r.play(ctx, t, m.ID, all)
			if err != nil {
				return err
			}
			s := &res.Usage[cachemodes.Storage]
			row("`"+m.Name+"`", res.Total.PeakHeld, res.Total.AvgHeld(), s.Creates, s.CreateBytes, times)
			if done++; r.Progress != nil {
				r.Progress(done, total)
			}
		}
		blank := strings.Repeat(" |", columns-6)
		for _, s := range Simulate(t) {
			fmt.Fprintf(&tables, "| %s (simulated only) | %s | %.3f | %s | %d | %s |%s\n", s.Name, mib(s.Peak), float64(s.Peak)/float64(max(y.Floor, 1)), mib(s.Average), s.Creates, mib(s.CreateBytes), blank)
		}
		fmt.Fprintf(&tables, "| *best %d keys reserve, storage alone* | %s | | | | |%s\n", y.BestOf, mib(y.BestKeys), blank)
	}
	writeErrors(&b, all)
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
other modes, with their range (` + "`bucketscope results measure`" + `). Weights are made outside of runs and count for no time.
What is simulated only places several requests in one allocation, which WebGPU cannot bind.
`

// play is what a mode does with a workload, and the cells of its times.
func (r *Results) play(ctx context.Context, t *workload.Trace, mode cachemodes.ModeID, all []*adapter) (*engine.Result, []string, error) {
	var res *engine.Result
	var times []string
	for _, a := range all {
		predicted := 0.0
		if a.prices != nil {
			p, err := Predict(ctx, t, storageMode(mode), engine.AccountWeights, 1, a.prices)
			if err != nil {
				return nil, nil, err
			}
			res, predicted = p, MeanUS(p.Runs)
			times = append(times, ms(predicted))
		}
		if a.times == nil {
			continue
		}
		cell := a.times.Cell(t.SHA256, mode.String())
		if cell == nil {
			times = append(times, "–")
			continue
		}
		s, ok := cell.MeanUS()
		if !ok {
			times = append(times, "–")
			continue
		}
		text := ms(s.Median)
		if len(cell.Rounds) > 1 {
			text += fmt.Sprintf(" (%s–%s)", ms(s.Low), ms(s.High))
		}
		times = append(times, text)
		if a.prices != nil && s.Median > 0 {
			a.errors = append(a.errors, predicted/s.Median-1)
		}
	}
	if res == nil {
		var err error
		res, err = engine.Profile(ctx, t, device.NewHost(), engine.Options{Config: storageMode(mode), Weights: engine.AccountWeights, Repeat: 1})
		if err != nil {
			return nil, nil, err
		}
	}
	return res, times, nil
}

// writeErrors says how near predictions come.
func writeErrors(b *bytes.Buffer, all []*adapter) {
	if len(all) == 0 {
		b.WriteString("\nNo calibration and no measurements were given: there are no times.\n")
		return
	}
	b.WriteString("\n| adapter | calibrated | measured | plays of each | predictions off by, median | 90 % within |\n| --- | --- | --- | ---: | ---: | ---: |\n")
	missing := map[string][]string{}
	for _, a := range all {
		calibrated, made, rounds, mid, most := "–", "–", "–", "–", "–"
		if a.prices != nil {
			calibrated = a.prices.Made
		}
		if a.times != nil {
			made = a.times.Made
			low, high := math.MaxInt, 0
			for i := range a.times.Cells {
				c := &a.times.Cells[i]
				if n := len(c.Rounds); n > 0 {
					low, high = min(low, n), max(high, n)
				} else {
					missing[a.about.Name] = append(missing[a.about.Name], fmt.Sprintf("%s %s: %s", c.Workload, c.Mode, c.Missing))
				}
			}
			if rounds = fmt.Sprint(high); low < high {
				rounds = fmt.Sprintf("%d to %d", low, high)
			}
		}
		if n := len(a.errors); n > 0 {
			off := make([]float64, n)
			for i, e := range a.errors {
				off[i] = math.Abs(e)
			}
			slices.Sort(off)
			mid, most = fmt.Sprintf("%.0f %%", 100*median(off)), fmt.Sprintf("%.0f %%", 100*off[min(n*9/10, n-1)])
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", a.about, calibrated, made, rounds, mid, most)
	}
	for _, a := range all {
		if list := missing[a.about.Name]; len(list) > 0 {
			fmt.Fprintf(b, "\nNot measured on %s:\n\n", a.about)
			for _, text := range list {
				fmt.Fprintf(b, "- %s\n", text)
			}
		}
	}
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
