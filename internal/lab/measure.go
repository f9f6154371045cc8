package lab

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

// The name and version of the file that Measurements are.
const (
	MeasurementsFormat  = "bucketscope-measurements"
	MeasurementsVersion = 1
)

// MeasurementsSchema is the JSON Schema of Measurements.
//
//go:embed measurements.schema.json
var MeasurementsSchema []byte

// Measurements are how long the runs of workloads took on one adapter under
// modes, and how full it got. Times are microseconds.
type Measurements struct {
	Format  string       `json:"format"`
	Version int          `json:"version"`
	Adapter cost.Adapter `json:"adapter"`
	Made    string       `json:"made"` // RFC 3339
	Command string       `json:"command,omitempty"`
	// Weights says what was done with them; they are made outside of runs.
	Weights string `json:"weights"`
	Cells   []Cell `json:"cells"`
}

// Cell is one mode on one workload, or on so many of it at the same time.
type Cell struct {
	Workload string `json:"workload"`
	SHA256   string `json:"sha256"`
	Mode     string `json:"mode"`
	// Sessions is how many were played at the same time, who took turns by Turns
	// and shared free buffers by Scope; 0 where the workload was played alone and
	// that was no question.
	Sessions int    `json:"sessions,omitempty"`
	Turns    Turns  `json:"turns,omitempty"`
	Scope    string `json:"scope,omitempty"`
	// Rounds are the plays of the whole workload, in the order in which they
	// were made; between two of them every other mode was played once.
	Rounds []Round `json:"rounds"`
	// Memory is how full the device got in a play of its own; nil where none was
	// made.
	Memory *Memory `json:"memory,omitempty"`
	// Missing says why there are no rounds.
	Missing string `json:"missing,omitempty"`
}

// Turns is how sessions take turns.
type Turns string

// The ways to take turns.
const (
	ByRuns    Turns = "runs"     // between runs
	ByThreads Turns = "parallel" // each in a thread of its own
)

// Memory is the most bytes that there were at once: that the ledger held, and of
// engine.Filled that existed on the device, by the program's count and by the
// driver's.
type Memory struct {
	HeldBytes   int64  `json:"held_bytes"`
	MadeBytes   int64  `json:"made_bytes"`
	DriverBytes int64  `json:"driver_bytes,omitempty"`
	Source      string `json:"source,omitempty"`
	NoDriver    string `json:"no_driver,omitempty"`
}

// Round is one play of a workload: over its runs.
type Round struct {
	Runs     int     `json:"runs"`
	MeanUS   float64 `json:"mean_us"`
	MedianUS float64 `json:"median_us"`
	// PromptUS is the mean of prompt passes, DecodeUS that of decode steps; 0
	// where there are none.
	PromptUS float64 `json:"prompt_us,omitempty"`
	DecodeUS float64 `json:"decode_us,omitempty"`
	// RunsPerSecond is all runs by the time in which any was going on.
	RunsPerSecond float64 `json:"runs_per_second,omitempty"`
}

// Spread is the median of so many rounds, and their range.
type Spread struct {
	Median, Low, High float64
	Of                int // 0 where there is nothing
}

// MeanUS is the spread of the mean time of a run.
func (c *Cell) MeanUS() Spread { return c.spread(func(r *Round) float64 { return r.MeanUS }) }

// TokensPerSecond is that of the speed of decode steps of so many tokens each.
func (c *Cell) TokensPerSecond(step float64) Spread {
	return c.spread(func(r *Round) float64 {
		if r.DecodeUS <= 0 {
			return 0
		}
		return step / (r.DecodeUS / 1e6)
	})
}

// RunsPerSecond is the spread of what all sessions get done together.
func (c *Cell) RunsPerSecond() Spread {
	return c.spread(func(r *Round) float64 { return r.RunsPerSecond })
}

// spread is that of a figure, where it is not 0; c may be nil.
func (c *Cell) spread(of func(*Round) float64) Spread {
	var all []float64
	for i := 0; c != nil && i < len(c.Rounds); i++ {
		if x := of(&c.Rounds[i]); x > 0 {
			all = append(all, x)
		}
	}
	if len(all) == 0 {
		return Spread{}
	}
	return Spread{median(all), slices.Min(all), slices.Max(all), len(all)}
}

// Cell finds one of a workload that was played alone; nil where there is none.
func (m *Measurements) Cell(sha256, mode string) *Cell {
	for i := range m.Cells {
		if c := &m.Cells[i]; c.SHA256 == sha256 && c.Mode == mode && c.Sessions == 0 {
			return c
		}
	}
	return nil
}

// MeasureOptions say what to measure.
type MeasureOptions struct {
	// Workloads are played in this order, shortest first where the budget may
	// not reach.
	Workloads []*workload.Trace
	Modes     []cachemodes.ModeID
	Weights   engine.Weights
	// Sessions are how many of a workload to play at the same time, each number
	// with every scope (one session with the first alone); empty for the workload
	// alone.
	Sessions []int
	Turns    Turns
	Scopes   []cachemodes.Scope
	// Rounds is how often everything is played at most, Budget how long it may
	// all take; 0 is no limit. What did not fit into the budget is missing.
	Rounds int
	Budget time.Duration
	// Fits tells what keeps a workload from the device; nil where anything fits.
	Fits func(traces []*workload.Trace, cfg cachemodes.Config) error
	// Read asks the driver what is held; with it every workload is played under
	// every mode once more, after the first round, to see how full the device
	// gets.
	Read func() engine.Reading
	// Driver is the driver's name and version, where the device does not tell;
	// Now and Command are what Made and Command say.
	Driver  string
	Now     time.Time
	Command string
	// Progress, if set, is told which share of the budget, or of the plays, is
	// gone.
	Progress func(share float64, what string)
}

// MeasureModes plays every workload under every mode, in rounds: mode after mode,
// then again, so that a device that gets slower or faster does so for all. A
// workload's first play is for the device to warm up and counts for nothing. It
// leaves the device empty. It stops with ctx's error when ctx is done.
func MeasureModes(ctx context.Context, dev device.Device, o MeasureOptions) (*Measurements, error) {
	info := dev.Info()
	if !info.Timed {
		return nil, fmt.Errorf("%s has no time to measure: choose an adapter with --device webgpu", info)
	}
	m := &Measurements{
		Format: MeasurementsFormat, Version: MeasurementsVersion, Adapter: cost.AdapterOf(info, o.Driver),
		Made: o.Now.UTC().Format(time.RFC3339), Command: o.Command, Weights: string(o.Weights),
	}
	begin := time.Now()
	limited := ctx
	if o.Budget > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, o.Budget)
		defer cancel()
	}
	plan := o.plan()
	m.Cells = make([]Cell, len(plan))
	for i := range plan {
		m.Cells[i] = plan[i].cell
		if o.Fits != nil {
			if err := o.Fits(plan[i].traces, plan[i].o.Config); err != nil {
				m.Cells[i].Missing = err.Error()
			}
		}
	}
	if err := warm(limited, dev, o); err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil && limited.Err() == nil {
		return nil, err
	}
	took, done := make([]time.Duration, len(plan)), 0
	for round := range o.Rounds {
		for i := range plan {
			p, c := &plan[i], &m.Cells[i]
			done++
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			late := o.Budget > 0 && time.Since(begin)+took[i] > o.Budget
			if c.Missing != "" || late {
				continue
			}
			if o.Progress != nil {
				share := float64(done) / float64(o.Rounds*len(plan))
				if o.Budget > 0 {
					share = max(share, time.Since(begin).Seconds()/o.Budget.Seconds())
				}
				o.Progress(share, fmt.Sprintf("round %d of %d: %s", round+1, o.Rounds, c))
			}
			start := time.Now()
			res, err := engine.ProfileAll(limited, p.traces, dev, p.o)
			took[i] = time.Since(start)
			if err == nil {
				c.Rounds = append(c.Rounds, roundOf(res.Runs))
				if round == 0 && o.Read != nil {
					c.Memory, err = p.fill(limited, dev, o.Read)
				}
			}
			switch {
			case err == nil:
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case limited.Err() != nil: // the budget ended in the middle
			case errors.As(err, new(*device.OutOfMemoryError)):
				c.Missing = err.Error()
			default:
				return nil, fmt.Errorf("%s: %w", c, err)
			}
		}
	}
	for i := range m.Cells {
		if c := &m.Cells[i]; len(c.Rounds) == 0 && c.Missing == "" {
			c.Missing = fmt.Sprintf("not within %v", o.Budget)
		}
	}
	return m, nil
}

// String names what is played.
func (c *Cell) String() string {
	s := c.Workload + " " + c.Mode
	if c.Sessions > 0 {
		s = fmt.Sprintf("%d x %s, %s %s", c.Sessions, s, c.Turns, c.Scope)
	}
	return s
}

// planned is a cell, and how it is played.
type planned struct {
	cell   Cell
	traces []*workload.Trace
	o      engine.Options
}

// plan is everything to play in a round.
func (o *MeasureOptions) plan() []planned {
	var out []planned
	for _, t := range o.Workloads {
		for _, mode := range o.Modes {
			p := planned{
				Cell{Workload: t.Name, SHA256: t.SHA256, Mode: mode.String()}, []*workload.Trace{t},
				engine.Options{Config: storageMode(mode), Weights: o.Weights, Repeat: 1, Seed: 1, WholeRuns: o.Turns == ByRuns, Parallel: o.Turns == ByThreads},
			}
			if len(o.Sessions) == 0 {
				out = append(out, p)
			}
			for _, n := range o.Sessions {
				p.cell.Sessions, p.cell.Turns, p.traces = n, o.Turns, slices.Repeat([]*workload.Trace{t}, n)
				for _, scope := range o.Scopes {
					p.cell.Scope, p.o.Sharing = scope.String(), cachemodes.Sharing{Scope: scope, Generations: cachemodes.DefaultGenerations}
					out = append(out, p)
					if n == 1 {
						break
					}
				}
			}
		}
	}
	return out
}

// storageMode is ORT's config with another mode of storage buffers.
func storageMode(m cachemodes.ModeID) cachemodes.Config {
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = m
	return cfg
}

// fill plays it once to see how full the device gets.
func (p *planned) fill(ctx context.Context, dev device.Device, read func() engine.Reading) (*Memory, error) {
	meter := engine.NewMeter(dev, read)
	res, err := engine.ProfileAll(ctx, p.traces, meter, p.o)
	if err != nil {
		return nil, err
	}
	f := meter.Filled()
	return &Memory{HeldBytes: res.Total.PeakHeld, MadeBytes: f.Made, DriverBytes: f.Driver, Source: f.Source, NoDriver: f.Reason}, nil
}

// warm plays the workload with the fewest events once.
func warm(ctx context.Context, dev device.Device, o MeasureOptions) error {
	var least *workload.Trace
	for _, t := range o.Workloads {
		if least == nil || len(t.Events) < len(least.Events) {
			least = t
		}
	}
	cfg := cachemodes.DefaultConfig()
	if fits := least != nil && (o.Fits == nil || o.Fits([]*workload.Trace{least}, cfg) == nil); !fits {
		return nil
	}
	_, err := engine.Profile(ctx, least, dev, engine.Options{Config: cfg, Weights: o.Weights, Repeat: 1})
	return err
}

// roundOf sums a play up.
func roundOf(runs []probe.Run) Round {
	var prompts, decodes []probe.Run
	for i := range runs {
		switch r := &runs[i]; {
		case r.Tokens == 0:
		case r.Prompt:
			prompts = append(prompts, *r)
		default:
			decodes = append(decodes, *r)
		}
	}
	return Round{Runs: len(runs), MeanUS: MeanUS(runs), MedianUS: MedianUS(runs), PromptUS: MeanUS(prompts), DecodeUS: MeanUS(decodes), RunsPerSecond: probe.RunsPerSecond(runs)}
}

// WriteMeasurements writes them.
func WriteMeasurements(w io.Writer, m *Measurements) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(m)
}

// FileError is a file of measurements, or of a calibration, that cannot be
// used.
type FileError struct{ File, Reason string }

func (e *FileError) Error() string { return e.File + ": " + e.Reason }

// maxMemory is more than a device has, in bytes.
const maxMemory = 1 << 50

// parseMeasurements reads and checks them.
func parseMeasurements(text []byte, name string) (*Measurements, error) {
	var m Measurements
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, &FileError{name, "these are no measurements: " + err.Error()}
	}
	if m.Version != MeasurementsVersion {
		return nil, &FileError{name, fmt.Sprintf("its version is %d; this program reads %d", m.Version, MeasurementsVersion)}
	}
	if m.Adapter.Name == "" {
		return nil, &FileError{name, "it names no adapter"}
	}
	for i := range m.Cells {
		c := &m.Cells[i]
		if _, err := cachemodes.Lookup(c.Mode); err != nil {
			return nil, &FileError{name, err.Error()}
		}
		if c.Sessions < 0 || c.Sessions > 1<<16 {
			return nil, &FileError{name, fmt.Sprintf("%s: %d sessions", c.Workload, c.Sessions)}
		}
		if m := c.Memory; m != nil && (min(m.HeldBytes, m.MadeBytes, m.DriverBytes) < 0 || max(m.HeldBytes, m.MadeBytes, m.DriverBytes) > maxMemory) {
			return nil, &FileError{name, fmt.Sprintf("%s under %s: %d, %d or %d bytes are no device's memory", c.Workload, c.Mode, m.HeldBytes, m.MadeBytes, m.DriverBytes)}
		}
		for _, r := range c.Rounds {
			for _, us := range []float64{r.MeanUS, r.MedianUS, r.PromptUS, r.DecodeUS, r.RunsPerSecond} {
				if math.IsNaN(us) || us < 0 || us > 1e12 {
					return nil, &FileError{name, fmt.Sprintf("%s under %s: %v is no time", c.Workload, c.Mode, us)}
				}
			}
		}
	}
	return &m, nil
}
