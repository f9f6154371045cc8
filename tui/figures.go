package tui

import (
	"fmt"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// frame is what there is to draw: a state and how to write it. It is made anew
// for every picture and changed by none.
type frame struct {
	st *engine.State
	// latest is the newest state; another one than st while the display is
	// frozen.
	latest *engine.State
	frozen bool
	g      *glyphs
	si     bool
	recent recent
}

func (f *frame) bytes(n int64) string { return units.Bytes(n, f.si) }
func (f *frame) size(n int64) string  { return units.Size(n, f.si) }

// host reports whether the device keeps books only: then no time of its runs
// is anybody's.
func (f *frame) host() bool { return f.st.Device.Kind == device.Host }

// recent are figures of the last runs.
type recent struct {
	runs    int // that they are over
	last    *probe.Run
	hitRate float64
	trend   int     // of the hit rate against the runs before: -1, 0, 1
	creates float64 // per run
	us      float64 // per run
	perSec  float64 // runs per second, 0 where unknown
}

// trendFrom is the least change of the hit rate that is called a trend.
const trendFrom = 0.005

// recentOf looks at the last runs of a log.
func recentOf(runs []probe.Run) recent {
	var r recent
	if len(runs) == 0 {
		return r
	}
	now := runs[max(0, len(runs)-recentRuns):]
	then := runs[max(0, len(runs)-2*recentRuns) : len(runs)-len(now)]
	r.runs, r.last = len(now), &now[len(now)-1]
	var creates, us int64
	for i := range now {
		creates += now[i].Total.Creates
		us += now[i].DurationUS()
	}
	n := float64(len(now))
	r.creates, r.us = float64(creates)/n, float64(us)/n
	r.hitRate = hitRate(now)
	if len(then) > 0 {
		switch d := r.hitRate - hitRate(then); {
		case d >= trendFrom:
			r.trend = 1
		case d <= -trendFrom:
			r.trend = -1
		}
	}
	if d := r.last.EndUS - now[0].EndUS; d > 0 {
		r.perSec = (n - 1) / (float64(d) / 1e6)
	}
	return r
}

func hitRate(runs []probe.Run) float64 {
	var requests, hits int64
	for i := range runs {
		requests += runs[i].Total.Requests
		hits += runs[i].Total.Hits
	}
	if requests == 0 {
		return 0
	}
	return float64(hits) / float64(requests)
}

// ordinal is the number of the run going on, or of the last one; false before
// the first. Runs are numbered from 0 since the workload was loaded, as in
// exports.
func ordinal(st *engine.State) (int64, bool) {
	switch {
	case st.InRun:
		return st.RunCount, true
	case st.RunCount > 0:
		return st.RunCount - 1, true
	}
	return 0, false
}

// phase is what kind of run it is, in a word or two.
func phase(r *probe.RunInfo) string {
	switch {
	case r.Tokens > 0 && r.Prompt:
		return "prompt"
	case r.Tokens > 0:
		return "decode"
	}
	return r.Label
}

// duration is microseconds as people read them.
func duration(us float64) string {
	return units.Duration(time.Duration(us * float64(time.Microsecond)))
}

// reasonWords says why a request was a miss.
var reasonWords = [cachemodes.NumReasons]string{
	cachemodes.Cold:         "cold",
	cachemodes.CapFull:      "cap full",
	cachemodes.AboveTable:   "above table",
	cachemodes.DroppedKey:   "key dropped",
	cachemodes.StillPending: "pending",
	cachemodes.NoCache:      "no cache",
	cachemodes.Switched:     "switched",
	cachemodes.Bypass:       "bypass",
	cachemodes.Evicted:      "evicted",
}

// mainReason is the most frequent reason, the first of equals; none if there
// was no miss.
func mainReason(of *misses) string {
	best := cachemodes.NoReason
	for r := range of {
		if of[r] > of[best] {
			best = cachemodes.Reason(r)
		}
	}
	return reasonWords[best]
}

// usageWords are the names of the usages that have a cache, for people.
var usageWords = [cachemodes.NumCaches]string{"storage", "uniform", "query resolve", "default"}

// capped reports whether a bucket keeps some free buffers, but not any number.
func capped(k *engine.KeyRow) bool { return k.IsKey && k.Cap < cachemodes.Uncapped }

// over reports whether a bucket lost buffers to its cap that it then had to
// make again.
func over(k *engine.KeyRow) bool {
	return capped(k) && k.Want > int64(k.Cap) && k.LastNew > 0
}

// advice is what the bucket that costs most asks for, or nothing.
func advice(f *frame) string {
	var worst *engine.KeyRow
	for i := range f.st.Keys {
		k := &f.st.Keys[i]
		if over(k) && (worst == nil || k.LastNew*k.Size > worst.LastNew*worst.Size) {
			worst = k
		}
	}
	if worst == nil {
		return ""
	}
	return fmt.Sprintf("! %s: %d wanted, cap %d %s %d new in the last run. A cap of %d makes none.",
		f.size(worst.Size), worst.Want, worst.Cap, f.g.arrow, worst.LastNew, worst.Want)
}

// begunAnew reports whether b is not of the same play as a: another workload,
// or the same from its beginning. Numbers of runs and keys start again then.
func begunAnew(a, b *engine.State) bool {
	return a == nil || a.Workload.SHA256 != b.Workload.SHA256 || a.Workload.Name != b.Workload.Name || b.NowUS < a.NowUS
}

// sameFigures reports whether b shows nothing that a does not: the engine
// publishes anew even while nothing happens.
func sameFigures(a, b *engine.State) bool {
	return a == b || a != nil && b != nil &&
		a.Workload == b.Workload && a.Status == b.Status && (a.Err == nil) == (b.Err == nil) && a.Pace == b.Pace &&
		a.NowUS == b.NowUS && a.Events == b.Events && a.InRun == b.InRun && a.RunCount == b.RunCount &&
		len(a.Marks) == len(b.Marks) && a.Driver == b.Driver && a.Total.Held() == b.Total.Held()
}
