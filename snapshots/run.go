// Package snapshots writes and reads what a profile found: figures as data,
// each format with a name, a version and a JSON Schema beside it.
//
// It knows the books of probe and the identity of a workload, and no device or
// screen.
package snapshots

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// The name and version of the format that RunDocument is.
const (
	RunFormat  = "bucketscope-run"
	RunVersion = 1
)

// RunSchema is the JSON Schema of a RunDocument.
//
//go:embed run.schema.json
var RunSchema []byte

// RunDocument is the result of `bucketscope run`: one workload on one device
// under one or more modes. Sizes are bytes, times microseconds.
type RunDocument struct {
	Format   string      `json:"format"`
	Version  int         `json:"version"`
	Workload RunWorkload `json:"workload"`
	Device   RunDevice   `json:"device"`
	Repeat   int         `json:"repeat"`
	// Concurrency is there where several workloads were played at the same time.
	Concurrency *Concurrency `json:"concurrency,omitempty"`
	Results     []ModeResult `json:"results"`
}

// Concurrency says how workloads took turns.
type Concurrency struct {
	Workloads []string `json:"workloads"`
	// Interleaving is "events" where their events take turns as Seed says, the same
	// way each time, "runs" where their runs do, or "parallel" where each has a
	// thread of its own.
	Interleaving string  `json:"interleaving"`
	Seed         *uint64 `json:"seed,omitempty"`
}

// RunWorkload says which requests were played.
type RunWorkload struct {
	Name     string `json:"name"`
	Model    string `json:"model"`
	Pattern  string `json:"pattern"`
	SHA256   string `json:"sha256"`
	Events   int    `json:"events"`
	Runs     int    `json:"runs"`
	Sessions int    `json:"sessions"`
	// Leaks are the buffers that the recorded program never gave back.
	Leaks     int   `json:"leaks"`
	LeakBytes int64 `json:"leak_bytes"`
}

// RunDevice says what they were played on.
type RunDevice struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Backend string `json:"backend,omitempty"`
	Type    string `json:"type"`
	Driver  string `json:"driver,omitempty"`
	// Timed tells whether durations are those of a GPU's work. Where false,
	// they are of the replay and say nothing about a device.
	Timed   bool   `json:"timed"`
	Weights string `json:"weights"`
}

// ModeResult is what one mode did.
type ModeResult struct {
	Mode             string `json:"mode"`
	UniformMode      string `json:"uniform_mode"`
	QueryResolveMode string `json:"query_resolve_mode"`
	DefaultMode      string `json:"default_mode"`
	// Scope says who shares free buffers; absent in documents of old, where it
	// was device.
	Scope string `json:"scope,omitempty"`
	// GraphCapture tells that runs were captured and replayed; Generations how
	// many retired graphs' buffers a session kept.
	GraphCapture bool `json:"graph_capture,omitempty"`
	Generations  int  `json:"generations,omitempty"`
	// Params are those of the storage mode that it reads.
	Params          ModeParams      `json:"params"`
	EventsPerSecond float64         `json:"events_per_second"`
	Totals          Totals          `json:"totals"`
	Usage           map[string]Sums `json:"usage"`
	// Latency is absent on a device without timing.
	Latency *Latency `json:"latency,omitempty"`
	// Predicted is what a calibration says of the runs; absent without one.
	Predicted *Predicted `json:"predicted,omitempty"`
	// Memory is how full the device got; absent where that was not asked for.
	Memory *DeviceMemory `json:"device_memory,omitempty"`
	// Keys are the buckets that were served, by usage and size.
	Keys []KeyEntry `json:"keys,omitempty"`
	// Sessions are the books of every session, by its number in runs.
	Sessions []SessionEntry `json:"sessions,omitempty"`
	// HazardCount is how many hazards were seen, Hazards the first of them.
	HazardCount int64         `json:"hazard_count,omitempty"`
	Hazards     []HazardEntry `json:"hazards,omitempty"`
	Runs        []RunEntry    `json:"runs"`
}

// Label is the mode, with the scope where that is not the usual one.
func (r *ModeResult) Label() string {
	if r.Scope == "" || r.Scope == cachemodes.ScopeDevice.String() {
		return r.Mode
	}
	return r.Mode + "@" + r.Scope
}

// SessionEntry are the books of one session. Sizes are bytes.
type SessionEntry struct {
	Session     int64  `json:"session"`
	Model       string `json:"model"`
	Workload    string `json:"workload"`
	State       string `json:"state"` // at the end: ready, released
	Runs        int64  `json:"runs"`
	Requests    int64  `json:"requests"`
	Hits        int64  `json:"hits"`
	Creates     int64  `json:"creates"`
	CreateBytes int64  `json:"create_bytes"`
	// PeakHeldBytes is the most of its weights, what it had in use and what was
	// kept of what it released, at once; the peaks of sessions do not add up.
	PeakHeldBytes int64 `json:"peak_held_bytes"`
	// EndKeptBytes is what is kept at the end of what it released last.
	EndKeptBytes  int64 `json:"end_kept_bytes"`
	Lent          int64 `json:"lent"` // buffers that it had and another session got
	LentBytes     int64 `json:"lent_bytes"`
	Borrowed      int64 `json:"borrowed"`
	BorrowedBytes int64 `json:"borrowed_bytes"`
	LockWaits     int64 `json:"lock_waits"`
	LockWaitUS    int64 `json:"lock_wait_us"`
	Replays       int64 `json:"replays"` // runs that replayed a captured graph
}

// HazardEntry is a hazard that was seen: two uses of one buffer's memory.
type HazardEntry struct {
	Hazard    string    `json:"hazard"`
	Usage     string    `json:"usage"`
	Buffer    int64     `json:"buffer"` // in the order of creation, from 1
	SizeBytes int64     `json:"size_bytes"`
	First     UsedEntry `json:"first"`
	Second    UsedEntry `json:"second"`
}

// UsedEntry is a buffer in the hands of a session.
type UsedEntry struct {
	Session        int64  `json:"session"`
	Run            *int64 `json:"run"` // null between runs
	RequestedBytes int64  `json:"requested_bytes"`
}

// KeyEntry are the books of one bucket: buffers of one usage and size.
type KeyEntry struct {
	Usage     string `json:"usage"`
	SizeBytes int64  `json:"size_bytes"`
	Requests  int64  `json:"requests"`
	Hits      int64  `json:"hits"`
	Creates   int64  `json:"creates"`
	Destroys  int64  `json:"destroys"`
	// PeakInUse is the most buffers in use at once, EndCached the free ones at
	// the end.
	PeakInUse int64            `json:"peak_in_use"`
	EndCached int64            `json:"end_cached"`
	Misses    map[string]int64 `json:"misses"`
}

// Sums are the books of a usage, or of all, over the whole workload.
type Sums struct {
	Requests         int64            `json:"requests"`
	Hits             int64            `json:"hits"`
	Creates          int64            `json:"creates"`
	CreateBytes      int64            `json:"create_bytes"`
	Destroys         int64            `json:"destroys"`
	DestroyBytes     int64            `json:"destroy_bytes"`
	PeakHeldBytes    int64            `json:"peak_held_bytes"`
	AvgHeldBytes     int64            `json:"avg_held_bytes"`
	EndHeldBytes     int64            `json:"end_held_bytes"`
	FloorBytes       int64            `json:"floor_bytes"`
	PaddingBytesPeak int64            `json:"padding_bytes_peak"`
	Misses           map[string]int64 `json:"misses"`
}

// Totals are weights, storage, uniform, query resolve and default together.
type Totals struct {
	Sums
	// WeightsBytes and UserBytes are the most held at once of each.
	WeightsBytes int64 `json:"weights_bytes"`
	UserBytes    int64 `json:"user_bytes"`
	// AvgHeldWallBytes is the mean over time, on a timed device.
	AvgHeldWallBytes *int64 `json:"avg_held_wall_bytes,omitempty"`
	// PeakKeptBytes is the most that was pending and cached at the end of a run:
	// what idle sessions cost. Absent where it was not measured.
	PeakKeptBytes *int64 `json:"peak_kept_bytes,omitempty"`
}

// Latency sums up the durations of the runs.
type Latency struct {
	MedianUS int64 `json:"median_us"`
	P99US    int64 `json:"p99_us"`
	// RunsPerSecond is all runs by the time in which any of them was going on:
	// of several sessions at the same time, what they get done together.
	RunsPerSecond float64 `json:"runs_per_second"`
	// PromptUS is the median of prompt passes; TokensPerSecond of decode
	// steps, as one session sees them. Absent where no run computes tokens.
	PromptUS        *int64   `json:"prompt_us,omitempty"`
	TokensPerSecond *float64 `json:"tokens_per_second,omitempty"`
	// DeviceShare is the part of the time spent in device calls, 0 to 1.
	DeviceShare float64 `json:"device_share"`
}

// Predicted is the latency of runs as predicted from a calibration.
type Predicted struct {
	Adapter    string  `json:"adapter"`    // that was calibrated
	Calibrated string  `json:"calibrated"` // when, as RFC 3339
	MeanUS     float64 `json:"mean_us"`
	MedianUS   float64 `json:"median_us"`
}

// DeviceMemory is the most bytes that existed on the device at once: weights if
// they were made there, all buffers of the caches, staging buffers and the
// application's own.
type DeviceMemory struct {
	MadeBytes int64 `json:"made_bytes"` // by the program's own count
	// DriverBytes is by the driver, beyond what was held at the beginning, and
	// Source what says so; without a figure NoDriver tells why.
	DriverBytes int64  `json:"driver_bytes,omitempty"`
	Source      string `json:"source,omitempty"`
	NoDriver    string `json:"no_driver,omitempty"`
}

// RunEntry is what happened between a run's start and its end.
type RunEntry struct {
	Session       int64               `json:"session"`
	Run           int64               `json:"run"`
	Pass          int64               `json:"pass"`
	Label         string              `json:"label"`
	DurationUS    int64               `json:"duration_us"`
	Requests      int64               `json:"requests"`
	Hits          int64               `json:"hits"`
	Creates       int64               `json:"creates"`
	CreateBytes   int64               `json:"create_bytes"`
	Destroys      int64               `json:"destroys"`
	PeakHeldBytes int64               `json:"peak_held_bytes"`
	AvgHeldBytes  int64               `json:"avg_held_bytes"`
	EndHeldBytes  int64               `json:"end_held_bytes"`
	Misses        map[string]int64    `json:"misses"`
	Usage         map[string]RunUsage `json:"usage"`
}

// RunUsage is a run's share of one usage.
type RunUsage struct {
	Requests     int64 `json:"requests"`
	Hits         int64 `json:"hits"`
	Creates      int64 `json:"creates"`
	CreateBytes  int64 `json:"create_bytes"`
	Destroys     int64 `json:"destroys"`
	EndHeldBytes int64 `json:"end_held_bytes"`
}

// Measured is what a ModeResult is made from.
type Measured struct {
	Config      cachemodes.Config
	Total       probe.Books
	Usage       [cachemodes.NumUsages]probe.Books
	Runs        []probe.Run
	Keys        []probe.Key
	SessionIDs  []int64 // by session index, as the workload numbers them
	Sharing     cachemodes.Sharing
	Capture     bool
	Sessions    []MeasuredSession
	PeakKept    *int64
	HazardCount int64
	Hazards     []probe.Hazard
	Events      int64
	Elapsed     time.Duration
	DeviceTime  time.Duration
	Timed       bool
	AvgHeldWall int64
	HasWall     bool
}

// MeasuredSession is what a SessionEntry is made from.
type MeasuredSession struct {
	Model, Workload string
	Books           probe.Session
}

// reported are the usages that a ModeResult tells apart.
var reported = []cachemodes.Usage{cachemodes.Storage, cachemodes.Uniform, cachemodes.QueryResolve, cachemodes.Default, cachemodes.Staging}

// NewModeResult derives a result's figures.
func NewModeResult(m Measured) ModeResult {
	r := ModeResult{
		Mode:             m.Config[cachemodes.Storage].Mode.String(),
		UniformMode:      m.Config[cachemodes.Uniform].Mode.String(),
		QueryResolveMode: m.Config[cachemodes.QueryResolve].Mode.String(),
		DefaultMode:      m.Config[cachemodes.Default].Mode.String(),
		Scope:            m.Sharing.Scope.String(),
		GraphCapture:     m.Capture,
		HazardCount:      m.HazardCount,
		Params:           params(m.Config[cachemodes.Storage]),
		EventsPerSecond:  perSecond(m.Events, m.Elapsed),
		Totals: Totals{
			Sums:         sums(&m.Total),
			WeightsBytes: m.Usage[cachemodes.Weights].PeakHeld,
			UserBytes:    m.Usage[cachemodes.User].PeakHeld, PeakKeptBytes: m.PeakKept,
		},
		Usage: map[string]Sums{},
		Runs:  make([]RunEntry, 0, len(m.Runs)),
	}
	if m.Timed && m.HasWall {
		r.Totals.AvgHeldWallBytes = &m.AvgHeldWall
	}
	for _, u := range reported {
		r.Usage[u.String()] = sums(&m.Usage[u])
	}
	for i := range m.Keys {
		k := &m.Keys[i]
		r.Keys = append(r.Keys, KeyEntry{
			Usage: k.Usage.String(), SizeBytes: k.Size, Requests: k.Requests, Hits: k.Hits, Creates: k.Creates,
			Destroys: k.Destroys, PeakInUse: k.PeakInUse, EndCached: k.Cached, Misses: misses(&k.Misses),
		})
	}
	if m.Capture {
		r.Generations = m.Sharing.Generations
	}
	for i := range m.Sessions {
		r.Sessions = append(r.Sessions, sessionEntry(m.SessionIDs[i], &m.Sessions[i]))
	}
	for i := range m.Hazards {
		r.Hazards = append(r.Hazards, hazardEntry(&m.Hazards[i], m.SessionIDs))
	}
	for i := range m.Runs {
		r.Runs = append(r.Runs, runEntry(&m.Runs[i], m.SessionIDs))
	}
	if m.Timed && len(m.Runs) > 0 {
		r.Latency = latency(m)
	}
	return r
}

func sessionEntry(id int64, s *MeasuredSession) SessionEntry {
	b := &s.Books
	return SessionEntry{
		Session: id, Model: s.Model, Workload: s.Workload, State: b.Life.String(), Runs: b.Runs,
		Requests: b.Requests, Hits: b.Hits, Creates: b.Creates, CreateBytes: b.CreateBytes, PeakHeldBytes: b.PeakHeld,
		EndKeptBytes: b.Pending + b.Cached, Lent: b.Lent, LentBytes: b.LentBytes, Borrowed: b.Borrowed, BorrowedBytes: b.BorrowedBytes,
		LockWaits: b.Waits, LockWaitUS: b.WaitUS, Replays: b.Replays,
	}
}

func hazardEntry(h *probe.Hazard, ids []int64) HazardEntry {
	use := func(u probe.Use) UsedEntry {
		e := UsedEntry{Session: ids[u.Session], RequestedBytes: u.Requested}
		if u.Run != probe.NoRun {
			e.Run = &u.Run
		}
		return e
	}
	return HazardEntry{
		Hazard: h.Kind.String(), Usage: h.Usage.String(), Buffer: h.Serial, SizeBytes: h.Size, First: use(h.First), Second: use(h.Second),
	}
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return math.Round(float64(n) / d.Seconds())
}

// ModeParams are the numbers that a mode reads; 0 is not read.
type ModeParams struct {
	Table        cachemodes.Table `json:"table,omitempty"`
	Round        int64            `json:"round,omitempty"`
	AdjustEvery  int              `json:"adjust_every,omitempty"`
	History      int              `json:"history,omitempty"`
	RefreshEvery int              `json:"refresh_every,omitempty"`
	CacheLimit   int64            `json:"cache_limit,omitempty"`
	FitRatio     int              `json:"fit_ratio,omitempty"`
}

func params(s cachemodes.Setting) ModeParams {
	var p ModeParams
	for _, name := range s.Mode.Mode().Reads {
		switch name {
		case "table":
			p.Table = s.Params.Table
		case "round":
			p.Round = s.Params.Round
		case "adjust_every":
			p.AdjustEvery = s.Params.AdjustEvery
		case "history":
			p.History = s.Params.History
		case "refresh_every":
			p.RefreshEvery = s.Params.RefreshEvery
		case "cache_limit":
			p.CacheLimit = s.Params.CacheLimit
		case "fit_ratio":
			p.FitRatio = s.Params.FitRatio
		default:
			panic(fmt.Sprintf("snapshots: mode %s reads %q, which no field of ModeParams is", s.Mode, name))
		}
	}
	return p
}

func sums(b *probe.Books) Sums {
	return Sums{
		Requests: b.Requests, Hits: b.Hits, Creates: b.Creates, CreateBytes: b.CreateBytes,
		Destroys: b.Destroys, DestroyBytes: b.DestroyBytes,
		PeakHeldBytes: b.PeakHeld, AvgHeldBytes: b.AvgHeld(), EndHeldBytes: b.Held(),
		FloorBytes: b.Floor, PaddingBytesPeak: b.PeakPadding, Misses: misses(&b.Misses),
	}
}

// misses names the reasons that occurred.
func misses(n *[cachemodes.NumReasons]int64) map[string]int64 {
	out := map[string]int64{}
	for why, count := range n {
		if count > 0 {
			out[cachemodes.Reason(why).String()] = count
		}
	}
	return out
}

func runEntry(r *probe.Run, ids []int64) RunEntry {
	e := RunEntry{
		Session: ids[r.Session], Run: r.ID, Pass: r.Pass, Label: r.Label, DurationUS: r.DurationUS(),
		Requests: r.Total.Requests, Hits: r.Total.Hits, Creates: r.Total.Creates, CreateBytes: r.Total.CreateBytes,
		Destroys: r.Total.Destroys, PeakHeldBytes: r.PeakHeld, AvgHeldBytes: r.AvgHeld, EndHeldBytes: r.Total.EndHeld,
		Misses: misses(&r.Total.Misses), Usage: map[string]RunUsage{},
	}
	for _, u := range reported {
		t := &r.Usage[u]
		if u != cachemodes.Storage && u != cachemodes.Uniform && t.Requests == 0 && t.EndHeld == 0 {
			continue
		}
		e.Usage[u.String()] = RunUsage{
			Requests: t.Requests, Hits: t.Hits, Creates: t.Creates, CreateBytes: t.CreateBytes,
			Destroys: t.Destroys, EndHeldBytes: t.EndHeld,
		}
	}
	return e
}

func latency(m Measured) *Latency {
	var all, prompts, decodes []int64
	var tokens int64
	for i := range m.Runs {
		r := &m.Runs[i]
		d := r.DurationUS()
		all = append(all, d)
		switch {
		case r.Tokens == 0:
		case r.Prompt:
			prompts = append(prompts, d)
		default:
			decodes = append(decodes, d)
			tokens += r.Tokens
		}
	}
	l := &Latency{MedianUS: Quantile(all, 0.5), P99US: Quantile(all, 0.99), RunsPerSecond: probe.RunsPerSecond(m.Runs)}
	if m.Elapsed > 0 {
		l.DeviceShare = min(1, float64(m.DeviceTime)/float64(m.Elapsed))
	}
	if len(prompts) > 0 {
		p := Quantile(prompts, 0.5)
		l.PromptUS = &p
	}
	var decode int64
	for _, d := range decodes {
		decode += d
	}
	if decode > 0 {
		t := float64(tokens) / (float64(decode) / 1e6)
		l.TokensPerSecond = &t
	}
	return l
}

// Quantile is the smallest value that at least the share q of values does not
// exceed (nearest rank); 0 for none.
func Quantile(values []int64, q float64) int64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	i := int(math.Ceil(q*float64(len(s)))) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// WriteRun writes a document as indented JSON.
func WriteRun(w io.Writer, d *RunDocument) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(d)
}

// maxDocument bounds what ReadRun reads, in bytes: some half a million runs.
const maxDocument = 256 << 20

// ReadRun reads a document and refuses what it cannot understand.
func ReadRun(r io.Reader) (*RunDocument, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("not a %s document: it has more than %d bytes", RunFormat, maxDocument)
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not a %s document: %w", RunFormat, err)
	}
	switch {
	case head.Format != RunFormat:
		return nil, fmt.Errorf("not a %s document: its format is %q", RunFormat, head.Format)
	case head.Version > RunVersion:
		return nil, fmt.Errorf("%s version %d is newer than this program reads (%d): open it with a newer bucketscope", RunFormat, head.Version, RunVersion)
	case head.Version < 1:
		return nil, fmt.Errorf("%s version %d does not exist", RunFormat, head.Version)
	}
	var d RunDocument
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%s version %d: %w", RunFormat, head.Version, err)
	}
	return &d, nil
}
