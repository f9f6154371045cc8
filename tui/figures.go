package tui

import (
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
	// now is the state whose history can be gone back in; another one than st
	// while a past moment is shown.
	now *engine.State
	// latest is the newest state; another one than now while the display is
	// frozen.
	latest *engine.State
	frozen bool
	g      *glyphs
	si     bool
	recent recent
	keys   Keymap  // nil: keymap
	whatIf *WhatIf // nil: there is none
	// recorded is the file that is shown, where nothing is played.
	recorded string
}

// keymap is the bindings in force.
func (f *frame) keymap() Keymap {
	if f.keys == nil {
		return keymap
	}
	return f.keys
}

// say is a text with keys for the names of actions in it; see Keymap.say.
func (f *frame) say(text string) string { return f.keymap().say(text) }

// past reports whether a moment of the history is shown.
func (f *frame) past() bool { return f.st != f.now }

// at is the ordinal of the event that is shown as the last that happened: the
// newest one unless a past moment is shown.
func (f *frame) at() int64 { return f.st.Seq - 1 }

func (f *frame) bytes(n int64) string { return units.Bytes(n, f.si) }
func (f *frame) size(n int64) string  { return units.Size(n, f.si) }

// host reports whether the device keeps books only: then no time of its runs
// is anybody's.
func (f *frame) host() bool { return f.st.Device.Kind == device.Host }

// recent are figures of the last runs.
type recent struct {
	runs    int // that they are over
	last    *probe.Run
	asked   bool    // any of them asked for a buffer: a replayed graph does not
	hitRate float64 // if so
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
	r.hitRate, r.asked = hitRate(now)
	if before, asked := hitRate(then); asked && r.asked {
		switch d := r.hitRate - before; {
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

// hitRate is the share of hits; false where nothing was asked for.
func hitRate(runs []probe.Run) (rate float64, asked bool) {
	var requests, hits int64
	for i := range runs {
		requests += runs[i].Total.Requests
		hits += runs[i].Total.Hits
	}
	if requests == 0 {
		return 0, false
	}
	return float64(hits) / float64(requests), true
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
	cachemodes.Unsubmitted:  "unsubmitted",
	cachemodes.OwnerGone:    "owner gone",
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

// begunAnew reports whether b is not of the same play as a: another workload,
// or the same from its beginning. Numbers of runs and keys start again then.
func begunAnew(a, b *engine.State) bool {
	return a == nil || a.Play != b.Play || a.Workload.SHA256 != b.Workload.SHA256 || a.Workload.Name != b.Workload.Name
}

// sameFigures reports whether b shows nothing that a does not: the engine
// publishes anew even while nothing happens.
func sameFigures(a, b *engine.State) bool {
	return a == b || a != nil && b != nil &&
		a.Workload == b.Workload && a.Status == b.Status && (a.Err == nil) == (b.Err == nil) && a.Pace == b.Pace &&
		a.NowUS == b.NowUS && a.Events == b.Events && a.InRun == b.InRun && a.RunCount == b.RunCount &&
		len(a.Marks) == len(b.Marks) && a.Driver == b.Driver && a.Total.Held() == b.Total.Held()
}
