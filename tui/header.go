package tui

import (
	"fmt"
	"strconv"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe"
)

// field is one figure of the header. A field with a width keeps it, so that
// the ones after it stay where they are.
type field struct {
	label string
	value string
	width int // least columns of value
	left  bool
	style style
	// rank says what gives way first where room is short: the highest; 0 gives
	// way last.
	rank int
}

const fieldGap = 2

func (d *field) columns() int {
	n := max(textWidth(d.value), d.width)
	if d.label != "" {
		n += textWidth(d.label) + 1
	}
	return n
}

// fitFields drops the fields of the highest rank, the last of equals first,
// until the others fit into w columns; one field stays.
func fitFields(fields []field, w int) []field {
	total := -fieldGap
	for i := range fields {
		total += fields[i].columns() + fieldGap
	}
	for total > w && len(fields) > 1 {
		drop := len(fields) - 1
		for i := drop; i >= 0; i-- {
			if fields[i].rank > fields[drop].rank {
				drop = i
			}
		}
		total -= fields[drop].columns() + fieldGap
		fields = append(fields[:drop], fields[drop+1:]...)
	}
	return fields
}

// lineRoom is the columns of a row of w that fields may take.
func lineRoom(w int) int {
	if w < compactW {
		return w
	}
	return w - 1
}

// drawFields draws fields in one row.
func drawFields(v view, fields []field) {
	x := v.w - lineRoom(v.w)
	for _, d := range fitFields(fields, v.w-x) {
		x = drawField(v, x, d) + fieldGap
	}
}

// drawField draws a field from column x and answers the column after it.
func drawField(v view, x int, d field) int {
	if d.label != "" {
		x = v.put(x, 0, d.label, label) + 1
	}
	pad := max(d.width-textWidth(d.value), 0)
	at := x
	if !d.left {
		at += pad
	}
	v.put(at, 0, d.value, d.style)
	return x + pad + textWidth(d.value)
}

// badge is the one word for what goes on; in short, a frozen one has but the
// number of runs that it is behind.
func badge(f *frame, short bool) field {
	g := f.g
	switch {
	case f.past():
		return pastBadge(f, short)
	case f.frozen:
		behind := f.latest.RunCount - f.st.RunCount
		text := fmt.Sprintf("%s FROZEN (%s behind)", g.frozen, runsText(behind))
		switch {
		case begunAnew(f.st, f.latest): // its runs are counted from 0 again
			text = g.frozen + " FROZEN (begun anew since)"
		case short:
			return field{value: g.frozen + " FROZEN -" + units.Count(behind), style: badgeFrozen}
		}
		switch f.latest.Status {
		case engine.Paused:
			text += ", workload paused"
		case engine.Failed:
			text += ", workload stopped"
		}
		return field{value: text, style: badgeFrozen}
	case f.st.Status == engine.Paused:
		return field{value: g.paused + " PAUSED", style: badgePaused}
	case f.st.Status == engine.Failed:
		return field{value: g.stopped + " STOPPED", style: badgeStopped}
	case f.st.Status == engine.Recorded:
		return field{value: g.stopped + " SNAPSHOT", style: badgePast}
	}
	if nobodyPlays(f.st.Sessions) {
		return field{value: g.stopped + " NO SESSION", style: badgePaused}
	}
	return field{value: g.live + " LIVE", style: badgeLive}
}

// nobodyPlays reports whether there were sessions and each was released.
func nobodyPlays(sessions []engine.Session) bool {
	for i := range sessions {
		if sessions[i].Books.Life != probe.Gone {
			return false
		}
	}
	return len(sessions) > 0
}

func runsText(n int64) string {
	if n == 1 {
		return "1 run"
	}
	return units.Count(n) + " runs"
}

// modeFields are the mode of storage and those of other usages that are not
// ORT's default.
func modeFields(f *frame) []field {
	fields := []field{{value: "mode:" + f.st.Config[cachemodes.Storage].Mode.String(), style: strong}}
	usual := cachemodes.DefaultConfig()
	for u := cachemodes.Uniform; int(u) < cachemodes.NumCaches; u++ {
		if m := f.st.Config[u].Mode; m != usual[u].Mode {
			fields = append(fields, field{value: u.String() + ":" + m.String(), style: strong, rank: 4})
		}
	}
	return fields
}

// runText is where the workload is: session, run and phase.
func runText(f *frame) string {
	n, any := ordinal(f.st)
	if !any {
		return "loading"
	}
	r := numbered(f.st)
	return fmt.Sprintf("s%d run %d %s", r.Session, n, phase(r))
}

// numbered is the run that ordinal numbers: between two, the last that ended,
// which one that began after it and was given up is not.
func numbered(st *engine.State) *probe.RunInfo {
	if last := len(st.Runs) - 1; !st.InRun && last >= 0 {
		return &st.Runs[last].RunInfo
	}
	return &st.Current
}

// The figures, each answering one question.

func heldField(f *frame) field {
	return field{label: "held", value: f.bytes(f.st.Total.Held()), width: units.BytesWidth, style: strong}
}

// What is held is the sum of three: the labels say so.

func inUseField(f *frame) field {
	return field{label: "= in use", value: f.bytes(f.st.Total.InUse), width: units.BytesWidth}
}

func cachedField(f *frame) field {
	return field{label: "+ cached", value: f.bytes(f.st.Total.Cached), width: units.BytesWidth}
}

func pendingField(f *frame) field {
	return field{label: "+ pending", value: f.bytes(f.st.Total.Pending), width: units.BytesWidth}
}

func paddingField(f *frame) field {
	t := &f.st.Total
	text := f.bytes(t.Padding())
	share := 0.0
	if t.InUse > 0 {
		share = float64(t.Padding()) / float64(t.InUse)
	}
	return field{label: "padding", value: fmt.Sprintf("%*s %5s", units.BytesWidth, text, units.Percent(share)), width: units.BytesWidth + 6}
}

func peakField(f *frame) field {
	text := f.bytes(f.st.Total.PeakHeld)
	if f.st.Total.PeakHeld > 0 {
		text += "@" + strconv.FormatInt(f.st.PeakRun, 10)
	}
	return field{label: "peak", value: text, width: units.BytesWidth + 3, left: true, style: strong}
}

func averageField(f *frame) field {
	return field{label: "avg", value: f.bytes(f.st.Total.AvgHeld()), width: units.BytesWidth}
}

func floorField(f *frame) field {
	return field{label: "floor", value: f.bytes(f.st.Total.Floor), width: units.BytesWidth}
}

// driverField is what the driver says, and how much more that is than the
// books say is on the device: what lies below the cache. The host device has no driver to ask.
func driverField(f *frame) field {
	d := f.st.Driver
	switch {
	case f.host():
		return field{label: "driver", value: f.g.none + " host: books only"}
	case !d.OK:
		return field{label: "driver", value: f.g.none}
	}
	diff := d.Bytes - f.st.OnDevice()
	sign := ""
	if diff >= 0 {
		sign = "+"
	}
	return field{label: "driver", value: fmt.Sprintf("%s (%s%s)", f.bytes(d.Bytes), sign, f.bytes(diff)), width: 2*units.BytesWidth + 4, left: true}
}

// driverReasonField tells why there is no reading.
func driverReasonField(f *frame) field {
	if d := f.st.Driver; !f.host() && !d.OK && d.Reason != "" {
		return field{value: "(" + d.Reason + ")", style: faint}
	}
	return field{}
}

func hitField(f *frame) field {
	r := &f.recent
	text := f.g.none
	if r.asked {
		trend := " "
		switch {
		case r.trend > 0:
			trend = f.g.up
		case r.trend < 0:
			trend = f.g.down
		}
		text = units.Percent(r.hitRate) + trend
	}
	return field{label: "hit", value: text, width: 6, style: strong}
}

func createsField(f *frame) field {
	r := &f.recent
	if r.runs == 0 {
		return field{label: "creates", value: f.g.none, width: 8, left: true}
	}
	return field{label: "creates", value: fmt.Sprintf("%4s/run", units.Count(r.last.Total.Creates)), width: 8, style: strong}
}

func createsMeanField(f *frame) field {
	r := &f.recent
	if r.runs == 0 {
		return field{}
	}
	return field{label: "mean", value: units.Rate(r.creates), width: 4}
}

// latencyField is the time of a run where that is a GPU's: a host's is never
// shown as one.
func latencyField(f *frame) field {
	r := &f.recent
	switch {
	case !f.st.Device.Timed:
		return field{label: "time", value: f.g.none}
	case r.runs == 0:
		return field{label: "time", value: f.g.none, width: 10, left: true}
	}
	return field{label: "time", value: fmt.Sprintf("%6s/run", duration(float64(r.last.DurationUS()))), width: 10}
}

func latencyMeanField(f *frame) field {
	r := &f.recent
	if !f.st.Device.Timed || r.runs == 0 {
		return field{}
	}
	return field{label: "mean", value: duration(r.us), width: 6}
}

func paceField(f *frame) field {
	if f.past() || f.st.Status == engine.Recorded { // no entry of the history tells
		return field{}
	}
	if f.st.Pace > 0 {
		return field{label: "pace", value: units.Rate(f.st.Pace) + "/s", width: 5}
	}
	text := "flat out"
	if f.st.Status == engine.Running && f.recent.perSec > 0 {
		text += " " + units.Rate(f.recent.perSec) + "/s"
	}
	return field{label: "pace", value: text, width: 13, left: true}
}

func overheadField(f *frame) field {
	if f.st.Overhead < 0 {
		return field{}
	}
	return field{label: "overhead", value: units.Percent(f.st.Overhead), width: 5}
}

// ranked is a field that gives way at rank.
func ranked(d field, rank int) field {
	d.rank = rank
	return d
}

// notEmpty drops the fields that have nothing to say.
func notEmpty(fields ...field) []field {
	out := fields[:0]
	for _, d := range fields {
		if d.value != "" {
			out = append(out, d)
		}
	}
	return out
}

// headerLines is how many rows the header of a layout takes.
func headerLines(l layoutKind) int {
	switch l {
	case layoutLine:
		return 1
	case layoutCompact:
		return 2
	}
	return 4
}

// drawHeader draws what is read first: what goes on, how much, how high, reuse
// or churn.
func drawHeader(v view, f *frame, l layoutKind) {
	switch l {
	case layoutLine:
		drawFields(v.row(0), lineHeader(f))
		return
	case layoutCompact:
		drawFields(v.row(0), compactHeader(f, v.w-1))
		drawFields(v.row(1), []field{
			heldField(f), {label: "peak", value: f.bytes(f.st.Total.PeakHeld), width: units.BytesWidth, style: strong},
			ranked(hitField(f), 2), ranked(unlabelled(createsField(f)), 1), ranked(averageField(f), 3),
		})
		return
	}
	first := append([]field{
		{value: "bucketscope", style: heading, rank: 6},
		badge(f, false),
		{value: cut(f.st.Device.String(), max(16, v.w/4)), rank: 5},
		{value: cut(f.st.Workload.Name, max(24, v.w/4)), rank: 1},
	}, modeFields(f)...)
	first = append(first, field{value: cut(runText(f), max(20, v.w/4)), width: 16, left: true, rank: 3})
	if pass := numbered(f.st).Pass; pass > 0 {
		first = append(first, field{label: "pass", value: strconv.FormatInt(pass, 10), rank: 7})
	}
	drawFields(v.row(0), first)
	drawFields(v.row(1), notEmpty(
		heldField(f), inUseField(f), ranked(cachedField(f), 1), ranked(pendingField(f), 2), ranked(floorField(f), 3),
	))
	drawFields(v.row(2), notEmpty(
		peakField(f), ranked(averageField(f), 1), ranked(paddingField(f), 2), ranked(driverField(f), 3),
		ranked(driverReasonField(f), 4),
	))
	drawFields(v.row(3), notEmpty(
		hitField(f), ranked(createsField(f), 1), ranked(createsMeanField(f), 4), ranked(latencyField(f), 2),
		ranked(latencyMeanField(f), 5), ranked(paceField(f), 3), ranked(overheadField(f), 6),
	))
}

// unlabelled is a field whose value says enough.
func unlabelled(d field) field {
	d.label, d.width, d.value = "", 7, strings.TrimSpace(d.value)
	return d
}

// compactHeader is the first row where rows are few: the workload's name takes
// what the rest leaves.
func compactHeader(f *frame, w int) []field {
	fields := append([]field{badge(f, true)}, modeFields(f)...)
	if n, any := ordinal(f.st); any {
		fields = append(fields, field{label: "run", value: strconv.FormatInt(n, 10), width: 3, left: true, rank: 1})
	}
	fields = fitFields(fields, w)
	for i := range fields {
		w -= fields[i].columns() + fieldGap
	}
	if w >= 8 {
		fields = append(fields, field{value: cut(f.st.Workload.Name, w), rank: 2})
	}
	return fields
}

// lineHeader is everything in one row, the most wanted first.
func lineHeader(f *frame) []field {
	return append([]field{badge(f, true), heldField(f), ranked(peakField(f), 2)}, notEmpty(
		field{value: f.st.Config[cachemodes.Storage].Mode.String(), style: strong, rank: 1},
		ranked(hitField(f), 3), ranked(createsField(f), 4), field{value: f.st.Workload.Name, rank: 5},
		ranked(averageField(f), 6),
	)...)
}
