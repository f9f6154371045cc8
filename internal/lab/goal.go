package lab

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Measure is what a goal minimises or bounds.
type Measure uint8

// The measures. Latency is Cost's estimate, no measurement.
const (
	Peak Measure = iota
	Average
	Creates
	Latency
)

var measureNames = [...]string{"peak", "average", "creates", "latency"}

func (m Measure) String() string { return measureNames[m] }

// ParseMeasure reads a measure's name.
func ParseMeasure(s string) (Measure, error) {
	for i, name := range measureNames {
		if strings.EqualFold(s, name) {
			return Measure(i), nil
		}
	}
	return 0, fmt.Errorf("there is no measure %q; the measures are %s", s, strings.Join(measureNames[:], ", "))
}

// Limit bounds a measure: bytes, creates or microseconds.
type Limit struct {
	Measure Measure
	Max     float64
}

// ParseLimit reads "creates<=100", or "peak<=3000MiB": a number, for bytes with
// KiB, MiB or GiB behind it where wanted.
func ParseLimit(s string) (Limit, error) {
	name, value, ok := strings.Cut(s, "<=")
	if !ok {
		return Limit{}, fmt.Errorf("limit %q: want measure<=number, as in creates<=100", s)
	}
	m, err := ParseMeasure(strings.TrimSpace(name))
	if err != nil {
		return Limit{}, err
	}
	value, unit := strings.TrimSpace(value), 1.0
	if m == Peak || m == Average {
		for i, suffix := range []string{"KiB", "MiB", "GiB"} {
			if number, ok := strings.CutSuffix(value, suffix); ok {
				value, unit = strings.TrimSpace(number), float64(int64(1)<<(10*(i+1)))
			}
		}
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return Limit{}, fmt.Errorf("limit %q: %q is not a number from 0", s, value)
	}
	return Limit{m, n * unit}, nil
}

// Prices say what storage buffers cost in time, in microseconds, by size:
// *cost.Calibration does for an adapter.
type Prices interface {
	// Miss is what one costs that is created, and given up some time; Hit one
	// that is served again.
	Miss(size int64) float64
	Hit(size int64) float64
}

// Cost is prices on a line.
type Cost struct {
	CreateUS       float64 // of each buffer created, microseconds
	CreateUSPerMiB float64 // of its size, its first write included
	ClearUSPerMiB  float64 // of the size of a buffer served from the cache
}

// DefaultCost is a line through what was measured with cogentcore/webgpu on an
// NVIDIA H100 (Vulkan), first write included: 4 MiB created 198 us and reused
// 16, 16 MiB 607 and 19, 64 MiB 2230 and 76; 64 KiB cost the same both ways.
func DefaultCost() Cost { return Cost{CreateUS: 0, CreateUSPerMiB: 35, ClearUSPerMiB: 1.2} }

// Miss is the price of a create.
func (c Cost) Miss(size int64) float64 { return c.CreateUS + c.CreateUSPerMiB*float64(size)/(1<<20) }

// Hit is the price of a clear.
func (c Cost) Hit(size int64) float64 { return c.ClearUSPerMiB * float64(size) / (1 << 20) }

// Goal is what a table is to reach.
type Goal struct {
	// Keys is how many buckets the table may have; ORT's has 26.
	Keys     int
	Minimise Measure
	Limits   []Limit
	// Cost predicts latency; nil is DefaultCost.
	Cost Prices
	// Seed makes the search another one; the same seed finds the same table.
	Seed uint64
	// Replays bounds the search; 0 is as many as take some seconds.
	Replays int
}

// Validate tells what is wrong with g.
func (g *Goal) Validate() error {
	if g.Keys < 1 || g.Keys > 1<<12 {
		return fmt.Errorf("%d keys: want from 1 to %d", g.Keys, 1<<12)
	}
	if g.Replays < 0 {
		return fmt.Errorf("%d replays: want a number from 0, which leaves it open", g.Replays)
	}
	return nil
}

func (g *Goal) value(m Measure, f *Figures) float64 {
	switch m {
	case Peak:
		return float64(f.Peak)
	case Average:
		return float64(f.Average)
	case Creates:
		return float64(f.Creates)
	default:
		return f.US
	}
}

// prices are those of the goal, or else the default.
func (g *Goal) prices() Prices {
	if g.Cost == nil {
		return DefaultCost()
	}
	return g.Cost
}

// Met reports whether figures keep every limit.
func (g *Goal) Met(f *Figures) bool {
	for _, l := range g.Limits {
		if g.value(l.Measure, f) > l.Max {
			return false
		}
	}
	return true
}

// score is lower for the better figures. It is a logarithm, so that a step of
// the search means the same share of any measure; a hundredth above a limit
// costs as much as the measure itself.
func (g *Goal) score(f *Figures) float64 {
	return math.Log1p(g.value(g.Minimise, f)) + 100*g.excess(f)
}

// excess is by how much limits are exceeded, as the sum of logarithms.
func (g *Goal) excess(f *Figures) float64 {
	sum := 0.0
	for _, l := range g.Limits {
		if v := g.value(l.Measure, f); v > l.Max {
			sum += math.Log1p(v) - math.Log1p(l.Max)
		}
	}
	return sum
}

// mean is that of a measure of figures over several workloads.
func mean(all []Figures, of func(f *Figures) float64) float64 {
	sum := 0.0
	for i := range all {
		sum += of(&all[i])
	}
	return sum / float64(len(all))
}

// better compares by the limits, then by score, then by what is worth having
// for nothing. Limits and score are means over workloads.
func (g *Goal) better(p, q *Point) bool {
	if x, y := mean(p.each(), g.excess), mean(q.each(), g.excess); x != y {
		return x < y
	}
	if x, y := mean(p.each(), g.score), mean(q.each(), g.score); x != y {
		return x < y
	}
	a, b := &p.Figures, &q.Figures
	if a.Peak != b.Peak {
		return a.Peak < b.Peak
	}
	if a.Creates != b.Creates {
		return a.Creates < b.Creates
	}
	return a.Average < b.Average
}
