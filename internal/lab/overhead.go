package lab

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// The name and version of the file that Overheads are.
const (
	OverheadFormat  = "bucketscope-overhead"
	OverheadVersion = 2
)

// OverheadSchema is the JSON Schema of Overheads.
//
//go:embed overhead.schema.json
var OverheadSchema []byte

// Overheads are how long the runs of workloads took on one adapter without and
// with a profile of them. Times are microseconds.
type Overheads struct {
	Format  string       `json:"format"`
	Version int          `json:"version"`
	Adapter cost.Adapter `json:"adapter"`
	Made    string       `json:"made"` // RFC 3339
	Command string       `json:"command,omitempty"`
	Rows    []Overhead   `json:"rows"`
}

// passes is how often each arm plays a workload for a round, at least. The last
// pass counts: what profiling and What if do at the beginning, a profile that goes
// on does once.
const passes = 2

// Overhead is one workload. Each list has the durations of all of its runs for
// each round; the arms took turns, and who came first changed with each round.
type Overhead struct {
	Workload string `json:"workload"`
	SHA256   string `json:"sha256"`
	Mode     string `json:"mode"`
	// Passes is how often each round plays the workload, of which the last
	// counts; 0 means 1.
	Passes int `json:"passes,omitempty"`
	// Off is an engine without a profiler: the mode decides, the device does, and
	// no book is kept. On is what the screen is shown, without its drawing: books,
	// journal, driver readings and a State now and then. WhatIf plays every other
	// mode meanwhile as well.
	Off    [][]float64 `json:"off_us"`
	On     [][]float64 `json:"on_us"`
	WhatIf [][]float64 `json:"what_if_us"`
	// HostOff and HostOn are the first two on a device that does nothing, in as
	// many rounds as it takes: their difference is what profiling has a run wait
	// for, without the noise of a device, but also without what it costs the
	// device's caches.
	HostOff [][]float64 `json:"host_off_us"`
	HostOn  [][]float64 `json:"host_on_us"`
}

// hostRounds is how often the arms on a device that does nothing take turns: on a
// busy machine the median of so many is good for a tenth of the difference.
const hostRounds = 60

// HostUS is what profiling adds to a run on a device that does nothing, the mean
// over the runs of the differences of their medians, in microseconds.
func (o *Overhead) HostUS() float64 { return RunUS(o.HostOn) - RunUS(o.HostOff) }

// instant is the host device taken for one whose runs have a time.
type instant struct{ device.Device }

func (d instant) Info() device.Info {
	info := d.Device.Info()
	info.Timed = true
	return info
}

// Interval is what a share lies in with a probability of 95 %, as far as the
// rounds that were played tell; Of how many those were, 0 where there were none.
type Interval struct {
	Low, High float64
	Of        int
}

// resamples is how often the rounds are drawn anew for an Interval.
const resamples = 400

// Share is by how much runs take longer in an arm than with profiling off, as a
// share of that: of the sums over all runs of each run's median. A round that
// something else disturbed moves it little. Its interval is had by drawing as
// many rounds as there are, some twice and some not, again and again (the
// bootstrap's percentiles: B. Efron, Annals of Statistics 7, 1979); the arms of a
// round stay together, since a machine is slow for a while. The draws are the
// same ones each time.
func (o *Overhead) Share(arm [][]float64) (float64, Interval) {
	n := min(len(arm), len(o.Off))
	if n == 0 || sum(runMedians(o.Off)) <= 0 {
		return 0, Interval{}
	}
	of := func(round func(int) int) float64 {
		with, off := make([][]float64, n), make([][]float64, n)
		for i := range n {
			with[i], off[i] = arm[round(i)], o.Off[round(i)]
		}
		return sum(runMedians(with))/sum(runMedians(off)) - 1
	}
	share := of(func(i int) int { return i })
	rng := rand.New(rand.NewPCG(uint64(n), resamples))
	shares, drawn := make([]float64, resamples), make([]int, n)
	for i := range shares {
		for j := range drawn {
			drawn[j] = rng.IntN(n)
		}
		shares[i] = of(func(i int) int { return drawn[i] })
	}
	slices.Sort(shares)
	const tail = resamples / 40
	return share, Interval{shares[tail], shares[resamples-1-tail], n}
}

// RunUS is the mean over the runs of each one's median.
func RunUS(arm [][]float64) float64 {
	m := runMedians(arm)
	return sum(m) / float64(max(len(m), 1))
}

func sum(all []float64) float64 {
	s := 0.0
	for _, x := range all {
		s += x
	}
	return s
}

// runMedians is for each run the median over rounds.
func runMedians(rounds [][]float64) []float64 {
	if len(rounds) == 0 {
		return nil
	}
	out, at := make([]float64, len(rounds[0])), make([]float64, len(rounds))
	for run := range out {
		for i := range rounds {
			at[i] = rounds[i][run]
		}
		out[run] = median(at)
	}
	return out
}

// OverheadOptions say what to measure.
type OverheadOptions struct {
	Workloads []*workload.Trace
	Mode      cachemodes.ModeID
	Weights   engine.Weights
	// Rounds is how often each arm plays each workload at most, at least 1; Budget
	// how long a workload may take, 0 for no limit. One round is always played.
	Rounds int
	Budget time.Duration
	// Settle is for how long each workload is played for nothing first.
	Settle time.Duration
	Read   func() engine.Reading
	WhatIf WhatIfOptions
	// Driver, Now and Command are those of MeasureOptions.
	Driver  string
	Now     time.Time
	Command string
	// Progress, if set, is told which share of the rounds is done.
	Progress func(share float64, what string)
}

// MeasureOverhead plays workloads with profiling off, on, and with What if, in
// turns. It leaves the device empty, and stops with ctx's error when ctx is done.
func MeasureOverhead(ctx context.Context, dev device.Device, o OverheadOptions) (*Overheads, error) {
	info := dev.Info()
	if !info.Timed {
		return nil, fmt.Errorf("%s has no time to measure: choose an adapter with --device webgpu", info)
	}
	out := &Overheads{Format: OverheadFormat, Version: OverheadVersion, Adapter: cost.AdapterOf(info, o.Driver), Made: o.Now.UTC().Format(time.RFC3339), Command: o.Command}
	for n, t := range o.Workloads {
		row := Overhead{Workload: t.Name, SHA256: t.SHA256, Mode: o.Mode.String(), Passes: passes}
		off := func(dev device.Device) func() ([]float64, error) {
			return func() ([]float64, error) {
				us, err := playBare(ctx, t, dev, storageMode(o.Mode), o.Weights, passes)
				return us[len(us)-len(us)/passes:], err
			}
		}
		on := func(dev device.Device) func() ([]float64, error) {
			return func() ([]float64, error) { return playLive(ctx, t, dev, o, nil) }
		}
		arms := []arm{
			{&row.Off, off(dev)},
			{&row.On, on(dev)},
			{&row.WhatIf, func() ([]float64, error) {
				w := NewWhatIf(o.WhatIf)
				defer w.Close()
				return playLive(ctx, t, dev, o, w)
			}},
		}
		begin := time.Now()
		for warm := true; warm; warm = time.Since(begin) < o.Settle {
			if _, err := arms[0].play(); err != nil {
				return nil, fmt.Errorf("%s under %s: %w", t.Name, o.Mode, err)
			}
		}
		begin = time.Now()
		for round := range o.Rounds {
			if spent := time.Since(begin); o.Budget > 0 && round > 0 && spent+spent/time.Duration(round) > o.Budget {
				break
			}
			if err := playRound(arms, round, t, o); err != nil {
				return nil, err
			}
			if o.Progress != nil {
				o.Progress((float64(n)+float64(round+1)/float64(o.Rounds))/float64(len(o.Workloads)), fmt.Sprintf("round %d of %d: %s", round+1, o.Rounds, t.Name))
			}
		}
		host := instant{device.NewHost()}
		arms = []arm{{&row.HostOff, off(host)}, {&row.HostOn, on(host)}}
		for round := range hostRounds {
			if err := playRound(arms, round, t, o); err != nil {
				return nil, err
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// arm is a way to play a workload, and where its rounds go.
type arm struct {
	into *[][]float64
	play func() ([]float64, error)
}

// playRound has each arm play once; who comes first changes with the round.
func playRound(arms []arm, round int, t *workload.Trace, o OverheadOptions) error {
	for i := range arms {
		a := &arms[(i+round)%len(arms)]
		us, err := a.play()
		if err != nil {
			return fmt.Errorf("%s under %s: %w", t.Name, o.Mode, err)
		}
		if len(us) != len(t.Runs) {
			return fmt.Errorf("%s: %w", t.Name, errOverlap)
		}
		*a.into = append(*a.into, us)
	}
	return nil
}

// open is a device that stays open.
type open struct{ device.Device }

func (open) Close() error { return nil }

// screenEvery is how often the screen looks.
const screenEvery = 16 * time.Millisecond

// playLive plays a workload as the screen does, and answers the durations of the
// runs of the last pass. Another pass is the last one if What if was still busy
// with its yardsticks, which it measures once, when that one began.
func playLive(ctx context.Context, t *workload.Trace, dev device.Device, o OverheadOptions, w *WhatIf) ([]float64, error) {
	options := engine.LiveOptions{Config: storageMode(o.Mode), Weights: o.Weights, Read: o.Read}
	if w != nil {
		options.Follow = w
	}
	l := engine.StartLive(ctx, t, open{dev}, options)
	look := time.NewTicker(screenEvery)
	defer look.Stop()
	st, runs, last := l.State(), int64(len(t.Runs)), int64(passes-1)
	for st.RunCount < (last+1)*runs && st.Err == nil && ctx.Err() == nil {
		if w != nil && w.State().Yardsticks == nil {
			last = max(last, st.RunCount/runs+1)
		}
		select {
		case <-look.C:
		case <-l.Done():
		}
		st = l.State()
	}
	if err := errors.Join(l.Close(), st.Err, ctx.Err()); err != nil {
		return nil, err
	}
	var us []float64
	for i := range st.Runs {
		if st.Runs[i].Seq/runs == last {
			us = append(us, float64(st.Runs[i].DurationUS()))
		}
	}
	return us, nil
}

// WriteOverheads writes them.
func WriteOverheads(w io.Writer, o *Overheads) error { return json.NewEncoder(w).Encode(o) }

// parseOverheads reads and checks them.
func parseOverheads(text []byte, name string) (*Overheads, error) {
	var o Overheads
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, &FileError{name, "this is no overhead: " + err.Error()}
	}
	if o.Version != OverheadVersion {
		return nil, &FileError{name, fmt.Sprintf("its version is %d; this program reads %d", o.Version, OverheadVersion)}
	}
	if o.Adapter.Name == "" {
		return nil, &FileError{name, "it names no adapter"}
	}
	for i := range o.Rows {
		r := &o.Rows[i]
		if len(r.Off) == 0 {
			return nil, &FileError{name, r.Workload + " has no rounds"}
		}
		for i, arm := range [][][]float64{r.Off, r.On, r.WhatIf, r.HostOff, r.HostOn} {
			if want := len([][][]float64{r.Off, r.HostOff}[i/3]); len(arm) != want {
				return nil, &FileError{name, fmt.Sprintf("%s: an arm has %d rounds, not %d", r.Workload, len(arm), want)}
			}
			for _, runs := range arm {
				if len(runs) != len(r.Off[0]) {
					return nil, &FileError{name, fmt.Sprintf("%s: a round has %d runs, not %d", r.Workload, len(runs), len(r.Off[0]))}
				}
				for _, us := range runs {
					if math.IsNaN(us) || us < 0 || us > 1e12 {
						return nil, &FileError{name, fmt.Sprintf("%s: %v is no time", r.Workload, us)}
					}
				}
			}
		}
	}
	return &o, nil
}
