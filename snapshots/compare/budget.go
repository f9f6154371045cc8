package compare

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"bucketscope/internal/units"
)

// Budget is a bound on a figure; what --fail-on takes says when it is broken:
//
//	peak_bytes>3GiB      the figure itself
//	peak_bytes>+2%       its change from the baseline, as a share
//	creates>+10          its change from the baseline
type Budget struct {
	Text     string
	figure   figure
	op       string // the relation that breaks it
	limit    float64
	relative bool // the change counts
	share    bool // ... as a share of the baseline
}

var expression = regexp.MustCompile(`^\s*([a-z0-9_.]+)\s*(>=|<=|>|<)\s*([+-]?)([0-9]+(?:\.[0-9]+)?)\s*(%|[A-Za-zµ]*)\s*$`)

// scales are the units that a bound may be given in.
var scales = map[Unit]map[string]float64{
	Bytes: {
		"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	},
	Microseconds: {"": 1, "us": 1, "µs": 1, "ms": 1e3, "s": 1e6},
	Count:        {"": 1},
	PerSecond:    {"": 1},
	Share:        {"": 1},
}

// ParseBudget reads an expression.
func ParseBudget(text string) (Budget, error) {
	m := expression.FindStringSubmatch(text)
	if m == nil {
		return Budget{}, fmt.Errorf("%q: want a figure, one of > >= < <=, and a bound, as in peak_bytes>+2%%, creates_per_run>0 or peak_bytes>3GiB", text)
	}
	f, ok := find(m[1])
	if !ok {
		return Budget{}, fmt.Errorf("%q: there is no figure %q; the figures are %s", text, m[1], names())
	}
	b := Budget{Text: text, figure: f, op: m[2], relative: m[3] != ""}
	value, err := strconv.ParseFloat(m[4], 64)
	if err != nil {
		return Budget{}, fmt.Errorf("%q: %w", text, err)
	}
	if m[3] == "-" {
		value = -value
	}
	if m[5] == "%" {
		if !b.relative {
			return Budget{}, fmt.Errorf("%q: a share is of the baseline, so it needs a sign, as in %s%s+%s%%", text, m[1], m[2], m[4])
		}
		b.share, b.limit = true, value/100
		return b, nil
	}
	scale, ok := scales[f.unit][m[5]]
	if !ok {
		return Budget{}, fmt.Errorf("%q: %s is in %s, which %q is no unit of", text, f.name, f.unit, m[5])
	}
	if b.limit = value * scale; math.IsInf(b.limit, 0) {
		return Budget{}, fmt.Errorf("%q: the bound is out of range", text)
	}
	return b, nil
}

// Verdict says whether a subject keeps to a budget.
type Verdict struct {
	Budget string `json:"budget"`
	Figure string `json:"figure"`
	Unit   Unit   `json:"unit"`
	File   string `json:"file"`
	Mode   string `json:"mode"`
	Holds  bool   `json:"holds"`
	// Value is the subject's figure, Baseline the first subject's where the
	// budget is of the change.
	Value    float64  `json:"value"`
	Baseline *float64 `json:"baseline,omitempty"`
	// Limit is what the figure may be at most (or at least), Excess how far
	// beyond it is; 0 if it holds.
	Limit  float64 `json:"limit"`
	Excess float64 `json:"excess"`
	// Run is the one that is worst in this figure, where runs say it.
	Run      *RunName `json:"run,omitempty"`
	RunValue float64  `json:"run_value,omitempty"`
}

// judge holds subjects to the budget: all but the baseline, or that alone.
func (b Budget) judge(subjects []Subject) ([]Verdict, error) {
	base := &subjects[0]
	held := subjects[1:]
	if len(held) == 0 {
		if b.relative {
			return nil, fmt.Errorf("%q is of the change from a baseline: give a second file", b.Text)
		}
		held = subjects
	}
	var out []Verdict
	for i := range held {
		s := &held[i]
		value, ok := b.figure.value(s)
		if !ok {
			return nil, b.absent(s)
		}
		v := Verdict{Budget: b.Text, Figure: b.figure.name, Unit: b.figure.unit, File: s.File, Mode: s.Mode, Value: value, Limit: b.limit}
		if b.relative {
			was, ok := b.figure.value(base)
			if !ok {
				return nil, b.absent(base)
			}
			v.Baseline = &was
			if v.Limit = was + b.limit; b.share {
				v.Limit = was * (1 + b.limit)
			}
		}
		if v.Holds = !broken(b.op, value, v.Limit); !v.Holds {
			v.Excess = math.Abs(value - v.Limit)
			b.blame(&v, s, base)
		}
		out = append(out, v)
	}
	return out, nil
}

func (b Budget) absent(s *Subject) error {
	why := "which the recording does not have"
	switch {
	case s.result.Latency == nil && (b.figure.unit == Microseconds || b.figure.unit == PerSecond || b.figure.unit == Share):
		why = "which only a device with timing has; this was played on " + s.Device
	case s.part:
		why = "which runs do not say, so that no warm-up can be left out of it"
	}
	return fmt.Errorf("%q is on %s of %s under %s, %s", b.Text, b.figure.name, s.File, s.Mode, why)
}

func broken(op string, value, limit float64) bool {
	switch op {
	case ">":
		return value > limit
	case ">=":
		return value >= limit
	case "<":
		return value < limit
	default:
		return value <= limit
	}
}

// blame finds the run that contributes most to the break: to a figure that must
// not be low, the one with the least; of a change, the one that changed most.
func (b Budget) blame(v *Verdict, s, base *Subject) {
	if b.figure.run == nil || len(s.runs) == 0 {
		return
	}
	sign := 1.0
	if b.op[0] == '<' {
		sign = -1
	}
	worst, most := 0, math.Inf(-1)
	for i := range s.runs {
		x := float64(b.figure.run(&s.runs[i]))
		if b.relative && i < len(base.runs) {
			x -= float64(b.figure.run(&base.runs[i]))
		}
		if x *= sign; x > most {
			worst, most = i, x
		}
	}
	name := s.runName(worst)
	v.Run, v.RunValue = &name, float64(b.figure.run(&s.runs[worst]))
}

// String is the verdict in a line.
func (v *Verdict) String() string {
	text := fmt.Sprintf("%s: %s of %s under %s is %s", v.Budget, v.Figure, v.File, v.Mode, number(v.Value, v.Unit))
	if v.Baseline != nil {
		text += fmt.Sprintf(", was %s", number(*v.Baseline, v.Unit))
		if *v.Baseline != 0 {
			text += fmt.Sprintf(" (%s)", percent(v.Value / *v.Baseline - 1))
		}
	}
	if v.Holds {
		return text
	}
	text += fmt.Sprintf(": %s beyond %s", number(v.Excess, v.Unit), number(v.Limit, v.Unit))
	if v.Run != nil {
		text += fmt.Sprintf("; worst in %s with %s", v.Run, number(v.RunValue, v.Unit))
	}
	return text
}

// number is a value for a person.
func number(v float64, u Unit) string {
	switch u {
	case Bytes:
		return units.Bytes(int64(math.Round(v)), false)
	case Microseconds:
		return units.Duration(microseconds(v))
	case Share:
		return units.Percent(v)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// percent is a change for a person.
func percent(share float64) string {
	if share == 0 {
		return "="
	}
	return fmt.Sprintf("%+.2f%%", share*100)
}
