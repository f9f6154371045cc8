package compare

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"bucketscope/cachemodes"
	"bucketscope/snapshots"
)

// Unit is what a figure counts.
type Unit string

// The units.
const (
	Bytes        Unit = "bytes"
	Count        Unit = "count"
	Microseconds Unit = "us"
	PerSecond    Unit = "per_second"
	Share        Unit = "share"
)

// figure is a number that a result has, by the name that JSON gives it.
type figure struct {
	name string
	unit Unit
	// value is of a subject with its warm-up left out; false if it has none.
	value func(*Subject) (float64, bool)
	// run is what a run contributes; nil where runs do not say.
	run func(*snapshots.RunEntry) int64
}

// aliases are short names of figures.
var aliases = map[string]string{
	"peak_bytes": "peak_held_bytes", "avg_bytes": "avg_held_bytes", "end_bytes": "end_held_bytes",
}

// find is a figure by its name or alias.
func find(name string) (figure, bool) {
	if long, ok := aliases[name]; ok {
		name = long
	}
	for _, f := range figures() {
		if f.name == name {
			return f, true
		}
	}
	return figure{}, false
}

// figures are all of them, in the order in which they are shown: of all that is
// held, per run, of each usage, latency.
var figures = sync.OnceValue(func() []figure {
	fs := totals("", func(r *snapshots.ModeResult) *snapshots.Sums { return &r.Totals.Sums }, runTotals)
	fs = append(fs,
		whole("weights_bytes", Bytes, func(r *snapshots.ModeResult) (int64, bool) { return r.Totals.WeightsBytes, true }),
		whole("user_bytes", Bytes, func(r *snapshots.ModeResult) (int64, bool) { return r.Totals.UserBytes, true }),
		whole("avg_held_wall_bytes", Bytes, func(r *snapshots.ModeResult) (int64, bool) { return deref(r.Totals.AvgHeldWallBytes) }),
	)
	for _, f := range []struct {
		name string
		unit Unit
	}{{"requests", Count}, {"hits", Count}, {"creates", Count}, {"create_bytes", Bytes}, {"destroys", Count}} {
		get := runTotals[f.name]
		fs = append(fs,
			figure{f.name + "_per_run", f.unit, overRuns(get, meanOf), get},
			figure{"max_" + f.name + "_per_run", f.unit, overRuns(get, maxOf), get})
	}
	for u := range cachemodes.NumCaches {
		fs = append(fs, ofUsage(cachemodes.Usage(u).String())...)
	}
	fs = append(fs, ofUsage(cachemodes.Staging.String())...)
	return append(fs, latency()...)
})

// runTotals are the figures of a run, by name.
var runTotals = map[string]func(*snapshots.RunEntry) int64{
	"requests":        func(r *snapshots.RunEntry) int64 { return r.Requests },
	"hits":            func(r *snapshots.RunEntry) int64 { return r.Hits },
	"creates":         func(r *snapshots.RunEntry) int64 { return r.Creates },
	"create_bytes":    func(r *snapshots.RunEntry) int64 { return r.CreateBytes },
	"destroys":        func(r *snapshots.RunEntry) int64 { return r.Destroys },
	"peak_held_bytes": func(r *snapshots.RunEntry) int64 { return r.PeakHeldBytes },
	"avg_held_bytes":  func(r *snapshots.RunEntry) int64 { return r.AvgHeldBytes },
	"end_held_bytes":  func(r *snapshots.RunEntry) int64 { return r.EndHeldBytes },
}

func ofUsage(usage string) []figure {
	of := func(get func(snapshots.RunUsage) int64) func(*snapshots.RunEntry) int64 {
		return func(r *snapshots.RunEntry) int64 { return get(r.Usage[usage]) }
	}
	return totals(usage+".", func(r *snapshots.ModeResult) *snapshots.Sums {
		if s, ok := r.Usage[usage]; ok {
			return &s
		}
		return nil
	}, map[string]func(*snapshots.RunEntry) int64{
		"requests":       of(func(u snapshots.RunUsage) int64 { return u.Requests }),
		"hits":           of(func(u snapshots.RunUsage) int64 { return u.Hits }),
		"creates":        of(func(u snapshots.RunUsage) int64 { return u.Creates }),
		"create_bytes":   of(func(u snapshots.RunUsage) int64 { return u.CreateBytes }),
		"destroys":       of(func(u snapshots.RunUsage) int64 { return u.Destroys }),
		"end_held_bytes": of(func(u snapshots.RunUsage) int64 { return u.EndHeldBytes }),
	})
}

// totals are the figures of Sums. Without a warm-up they are the recording's
// own; with one, they come from the runs that are left, and what runs do not
// say there is not, but for the floor, which no warm-up changes much and no
// policy at all.
func totals(prefix string, sums func(*snapshots.ModeResult) *snapshots.Sums, runs map[string]func(*snapshots.RunEntry) int64) []figure {
	list := []struct {
		name string
		unit Unit
		get  func(*snapshots.Sums) int64
		fold func([]int64) float64 // of the runs' figures
	}{
		{"peak_held_bytes", Bytes, func(s *snapshots.Sums) int64 { return s.PeakHeldBytes }, maxOf},
		{"avg_held_bytes", Bytes, func(s *snapshots.Sums) int64 { return s.AvgHeldBytes }, meanOf},
		{"floor_bytes", Bytes, func(s *snapshots.Sums) int64 { return s.FloorBytes }, nil},
		{"end_held_bytes", Bytes, func(s *snapshots.Sums) int64 { return s.EndHeldBytes }, lastOf},
		{"padding_bytes_peak", Bytes, func(s *snapshots.Sums) int64 { return s.PaddingBytesPeak }, nil},
		{"requests", Count, func(s *snapshots.Sums) int64 { return s.Requests }, sumOf},
		{"hits", Count, func(s *snapshots.Sums) int64 { return s.Hits }, sumOf},
		{"creates", Count, func(s *snapshots.Sums) int64 { return s.Creates }, sumOf},
		{"create_bytes", Bytes, func(s *snapshots.Sums) int64 { return s.CreateBytes }, sumOf},
		{"destroys", Count, func(s *snapshots.Sums) int64 { return s.Destroys }, sumOf},
		{"destroy_bytes", Bytes, func(s *snapshots.Sums) int64 { return s.DestroyBytes }, nil},
	}
	var fs []figure
	for _, f := range list {
		run := runs[f.name]
		fs = append(fs, figure{prefix + f.name, f.unit, func(s *Subject) (float64, bool) {
			books := sums(s.result)
			switch {
			case books == nil:
				return 0, false
			case !s.part || f.name == "floor_bytes":
				return float64(f.get(books)), true
			case run == nil || f.fold == nil:
				return 0, false
			}
			return overRuns(run, f.fold)(s)
		}, run})
	}
	for why := cachemodes.Cold; int(why) < cachemodes.NumReasons; why++ {
		name := why.String()
		var run func(*snapshots.RunEntry) int64
		if prefix == "" {
			run = func(r *snapshots.RunEntry) int64 { return r.Misses[name] }
		}
		fs = append(fs, figure{prefix + "misses." + name, Count, func(s *Subject) (float64, bool) {
			books := sums(s.result)
			switch {
			case books == nil:
				return 0, false
			case !s.part:
				return float64(books.Misses[name]), true
			case run == nil:
				return 0, false
			}
			return overRuns(run, sumOf)(s)
		}, run})
	}
	return fs
}

// latency are the figures of a timed device. With a warm-up, those that need
// to know which runs compute tokens are not there.
func latency() []figure {
	duration := func(r *snapshots.RunEntry) int64 { return r.DurationUS }
	quantile := func(name string, q float64, get func(*snapshots.Latency) int64) figure {
		return figure{name, Microseconds, func(s *Subject) (float64, bool) {
			switch l := s.result.Latency; {
			case l == nil:
				return 0, false
			case !s.part:
				return float64(get(l)), true
			}
			return overRuns(duration, func(v []int64) float64 { return float64(snapshots.Quantile(v, q)) })(s)
		}, duration}
	}
	unwarmed := func(name string, unit Unit, get func(*snapshots.Latency) (float64, bool)) figure {
		return figure{name, unit, func(s *Subject) (float64, bool) {
			if s.result.Latency == nil || s.part {
				return 0, false
			}
			return get(s.result.Latency)
		}, nil}
	}
	return []figure{
		quantile("median_us", 0.5, func(l *snapshots.Latency) int64 { return l.MedianUS }),
		quantile("p99_us", 0.99, func(l *snapshots.Latency) int64 { return l.P99US }),
		unwarmed("runs_per_second", PerSecond, func(l *snapshots.Latency) (float64, bool) { return l.RunsPerSecond, true }),
		unwarmed("prompt_us", Microseconds, func(l *snapshots.Latency) (float64, bool) {
			v, ok := deref(l.PromptUS)
			return float64(v), ok
		}),
		unwarmed("tokens_per_second", PerSecond, func(l *snapshots.Latency) (float64, bool) { return deref(l.TokensPerSecond) }),
		unwarmed("device_share", Share, func(l *snapshots.Latency) (float64, bool) { return l.DeviceShare, true }),
	}
}

// whole is a figure of the whole recording, which no warm-up is left out of.
func whole(name string, unit Unit, get func(*snapshots.ModeResult) (int64, bool)) figure {
	return figure{name, unit, func(s *Subject) (float64, bool) {
		v, ok := get(s.result)
		return float64(v), ok
	}, nil}
}

// overRuns folds what the subject's runs say; there is nothing without a run.
func overRuns(get func(*snapshots.RunEntry) int64, fold func([]int64) float64) func(*Subject) (float64, bool) {
	return func(s *Subject) (float64, bool) {
		if len(s.runs) == 0 {
			return 0, false
		}
		values := make([]int64, len(s.runs))
		for i := range s.runs {
			values[i] = get(&s.runs[i])
		}
		return fold(values), true
	}
}

func sumOf(v []int64) float64 {
	var sum float64
	for _, n := range v {
		sum += float64(n)
	}
	return sum
}

func meanOf(v []int64) float64 { return sumOf(v) / float64(len(v)) }
func maxOf(v []int64) float64  { return float64(slices.Max(v)) }
func lastOf(v []int64) float64 { return float64(v[len(v)-1]) }

func deref[T any](p *T) (T, bool) {
	if p == nil {
		var zero T
		return zero, false
	}
	return *p, true
}

// names lists the figures for a person who got one wrong, those of usages left
// out.
func names() string {
	var out []string
	for _, f := range figures() {
		if !strings.Contains(f.name, ".") {
			out = append(out, f.name)
		}
	}
	for alias := range aliases {
		out = append(out, alias)
	}
	slices.SortFunc(out, cmp.Compare[string])
	return strings.Join(out, ", ") + ", misses.REASON, and storage.creates and the like"
}
