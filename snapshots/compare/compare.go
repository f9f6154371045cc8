// Package compare holds recordings of one workload against each other and
// against budgets.
//
//	run documents, snapshots ──► Subject ──► Comparison ──► table, markdown,
//	                                │            │          JSON, JUnit
//	                                └──► Budget ─┘
//
// The first subject is the baseline. Everything is derived from run documents;
// nothing here knows a file, a device or a screen.
package compare

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bucketscope/snapshots"
)

// The name and version of the format that Report is written in as JSON.
const (
	Format  = "bucketscope-compare"
	Version = 1
)

// Schema is the JSON Schema of a Report.
//
//go:embed compare.schema.json
var Schema []byte

// Report is what `bucketscope compare` finds.
type Report struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Warmup is how many runs were left out at the beginning of each.
	Warmup int `json:"warmup"`
	// Unlike says in what the recordings differ that were compared by force.
	Unlike []string `json:"unlike,omitempty"`
	// Notes are differences that do not forbid a comparison, such as of the
	// device.
	Notes       []string     `json:"notes,omitempty"`
	Comparisons []Comparison `json:"comparisons"`
	// Verdicts are one for each budget and each subject that is held to it.
	Verdicts []Verdict `json:"budgets"`
}

// Comparison is of results that belong together: values stand in the order of
// the subjects.
type Comparison struct {
	Subjects []Subject `json:"subjects"`
	Figures  []Row     `json:"figures"`
	Keys     []KeyRow  `json:"keys,omitempty"`
	Runs     []RunRow  `json:"runs"`
}

// Subject is one result of one file.
type Subject struct {
	File string `json:"file"`
	Mode string `json:"mode"`
	// Device it was played on.
	Device string `json:"device"`

	result *snapshots.ModeResult
	runs   []snapshots.RunEntry // without the warm-up
	warmup int
	// part is that the figures come from the runs, which are not all of them.
	part bool
}

// Row is one figure of every subject; nil where a subject has none.
type Row struct {
	Name   string     `json:"name"`
	Unit   Unit       `json:"unit"`
	Values []*float64 `json:"values"`
	// Changes are from the baseline, as shares of it; nil where it is 0 or
	// absent.
	Changes []*float64 `json:"changes"`
}

// KeyRow is one bucket of every subject; 0 where a subject did not serve it.
type KeyRow struct {
	Usage     string  `json:"usage"`
	SizeBytes int64   `json:"size_bytes"`
	Requests  []int64 `json:"requests"`
	Creates   []int64 `json:"creates"`
	PeakInUse []int64 `json:"peak_in_use"`
}

// RunRow is one run of every subject: the nth of each.
type RunRow struct {
	Run           RunName `json:"run"`
	PeakHeldBytes []int64 `json:"peak_held_bytes"`
	AvgHeldBytes  []int64 `json:"avg_held_bytes"`
	Creates       []int64 `json:"creates"`
	CreateBytes   []int64 `json:"create_bytes"`
	DurationUS    []int64 `json:"duration_us"`
}

// RunName says which run it is; Seq is its place in the recording, from 0, with
// the warm-up counted.
type RunName struct {
	Seq     int    `json:"seq"`
	Session int64  `json:"session"`
	Run     int64  `json:"run"`
	Pass    int64  `json:"pass"`
	Label   string `json:"label"`
}

// String is the run as a person would name it.
func (r RunName) String() string {
	text := fmt.Sprintf("run %d", r.Run)
	if r.Session > 0 {
		text = fmt.Sprintf("session %d %s", r.Session, text)
	}
	if r.Pass > 0 {
		text += fmt.Sprintf(" of pass %d", r.Pass)
	}
	if r.Label != "" {
		text += " (" + r.Label + ")"
	}
	return text
}

// Input is a document with the name of its file.
type Input struct {
	File string
	Doc  *snapshots.RunDocument
}

// Options say how to compare.
type Options struct {
	// Warmup leaves so many runs out at the beginning of each result.
	Warmup int
	// Force compares recordings of unlike workloads.
	Force bool
	// FromRuns takes every figure from the runs, as with a warm-up: of
	// documents whose runs were chosen, such as by Match. Buckets are not of
	// those runs alone.
	FromRuns bool
	Budgets  []Budget
}

// UnlikeError says in what recordings differ that cannot be compared.
type UnlikeError struct{ Differences []string }

func (e *UnlikeError) Error() string {
	return "these are not recordings of the same workload: " + strings.Join(e.Differences, "; ") + "; --force compares them all the same"
}

// New compares documents with the first. Results are put beside each other by
// their mode; documents of one result each are compared whatever their modes,
// and so are the results of a single document.
func New(inputs []Input, o Options) (*Report, error) {
	if len(inputs) == 0 {
		return nil, errors.New("there is nothing to compare")
	}
	r := &Report{Format: Format, Version: Version, Warmup: o.Warmup, Comparisons: []Comparison{}, Verdicts: []Verdict{}}
	r.Unlike, r.Notes = differences(inputs)
	if len(r.Unlike) > 0 && !o.Force {
		return nil, &UnlikeError{r.Unlike}
	}
	groups, err := groups(inputs, o)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		r.Comparisons = append(r.Comparisons, compare(g))
		for _, b := range o.Budgets {
			verdicts, err := b.judge(g)
			if err != nil {
				return nil, err
			}
			r.Verdicts = append(r.Verdicts, verdicts...)
		}
	}
	return r, nil
}

// differences are those that forbid a comparison, and those worth a note.
func differences(inputs []Input) (unlike, notes []string) {
	a := inputs[0]
	for _, b := range inputs[1:] {
		if x, y := a.Doc.Workload, b.Doc.Workload; x.SHA256 != y.SHA256 {
			unlike = append(unlike, fmt.Sprintf("%s plays %s (sha256 %.12s), %s plays %s (sha256 %.12s)", a.File, x.Name, x.SHA256, b.File, y.Name, y.SHA256))
		}
		if x, y := a.Doc.Repeat, b.Doc.Repeat; x != y {
			unlike = append(unlike, fmt.Sprintf("%s plays its runs %d times, %s %d times", a.File, x, b.File, y))
		}
		if x, y := a.Doc.Device, b.Doc.Device; x != y {
			notes = append(notes, fmt.Sprintf("%s was played on %s, %s on %s", a.File, deviceText(x), b.File, deviceText(y)))
		}
	}
	return unlike, notes
}

func deviceText(d snapshots.RunDevice) string {
	text := d.Name
	if d.Driver != "" {
		text += ", driver " + d.Driver
	}
	return text + ", weights " + d.Weights
}

// groups are the subjects that belong together.
func groups(inputs []Input, o Options) ([][]Subject, error) {
	of := func(in Input) ([]Subject, error) {
		var out []Subject
		for i := range in.Doc.Results {
			s, err := newSubject(in, &in.Doc.Results[i], o)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("%s has no results", in.File)
		}
		return out, nil
	}
	first, err := of(inputs[0])
	if err != nil {
		return nil, err
	}
	if len(inputs) == 1 {
		return [][]Subject{first}, nil
	}
	out := make([][]Subject, len(first))
	for i := range first {
		out[i] = []Subject{first[i]}
	}
	for _, in := range inputs[1:] {
		subjects, err := of(in)
		if err != nil {
			return nil, err
		}
		if len(subjects) == 1 && len(first) == 1 {
			out[0] = append(out[0], subjects[0])
			continue
		}
		if len(subjects) != len(first) {
			return nil, fmt.Errorf("%s has the modes %s, %s has %s: compare files of the same modes, or of one mode each",
				inputs[0].File, modes(first), in.File, modes(subjects))
		}
		for i := range first {
			at := slices.IndexFunc(subjects, func(s Subject) bool { return s.Mode == first[i].Mode })
			if at < 0 {
				return nil, fmt.Errorf("%s has the modes %s, %s has %s: compare files of the same modes, or of one mode each",
					inputs[0].File, modes(first), in.File, modes(subjects))
			}
			out[i] = append(out[i], subjects[at])
		}
	}
	return out, nil
}

func modes(subjects []Subject) string {
	var names []string
	for _, s := range subjects {
		names = append(names, s.Mode)
	}
	return strings.Join(names, ", ")
}

func newSubject(in Input, r *snapshots.ModeResult, o Options) (Subject, error) {
	warmup := o.Warmup
	if warmup > 0 && warmup >= len(r.Runs) {
		return Subject{}, fmt.Errorf("a warm-up of %d leaves nothing of the %d runs of %s under %s", warmup, len(r.Runs), in.File, r.Mode)
	}
	return Subject{
		File: in.File, Mode: r.Label(), Device: in.Doc.Device.Name, result: r, runs: r.Runs[warmup:], warmup: warmup,
		part: warmup > 0 || o.FromRuns,
	}, nil
}

// runName names the subject's nth run after the warm-up.
func (s *Subject) runName(n int) RunName {
	r := &s.runs[n]
	return RunName{Seq: s.warmup + n, Session: r.Session, Run: r.Run, Pass: r.Pass, Label: r.Label}
}

func compare(subjects []Subject) Comparison {
	return Comparison{Subjects: subjects, Figures: figureRows(subjects), Keys: keyRows(subjects), Runs: runRows(subjects)}
}

func figureRows(subjects []Subject) []Row {
	var rows []Row
	for _, f := range figures() {
		row := Row{Name: f.name, Unit: f.unit, Values: make([]*float64, len(subjects)), Changes: make([]*float64, len(subjects))}
		any := false
		for i := range subjects {
			v, ok := f.value(&subjects[i])
			if !ok {
				continue
			}
			any = true
			row.Values[i] = &v
			if base := row.Values[0]; i > 0 && base != nil && *base != 0 {
				change := (v - *base) / *base
				row.Changes[i] = &change
			}
		}
		if any {
			rows = append(rows, row)
		}
	}
	return rows
}

// keyRows are the buckets of all subjects, by usage and size. Buckets are of
// the whole recording: they know no runs, so with a warm-up there are none.
func keyRows(subjects []Subject) []KeyRow {
	type key struct {
		usage string
		size  int64
	}
	at := map[key]int{}
	var rows []KeyRow
	for i := range subjects {
		if subjects[i].warmup > 0 {
			return nil
		}
		for _, k := range subjects[i].result.Keys {
			n, ok := at[key{k.Usage, k.SizeBytes}]
			if !ok {
				n = len(rows)
				at[key{k.Usage, k.SizeBytes}] = n
				counts := make([]int64, 3*len(subjects))
				c := len(subjects)
				rows = append(rows, KeyRow{
					Usage: k.Usage, SizeBytes: k.SizeBytes, Requests: counts[:c:c], Creates: counts[c : 2*c : 2*c], PeakInUse: counts[2*c:],
				})
			}
			rows[n].Requests[i], rows[n].Creates[i], rows[n].PeakInUse[i] = k.Requests, k.Creates, k.PeakInUse
		}
	}
	slices.SortFunc(rows, func(a, b KeyRow) int {
		return cmp.Or(cmp.Compare(a.Usage, b.Usage), cmp.Compare(a.SizeBytes, b.SizeBytes))
	})
	return rows
}

// runRows puts the nth runs beside each other, as far as every subject has one.
func runRows(subjects []Subject) []RunRow {
	n := len(subjects[0].runs)
	for i := range subjects {
		n = min(n, len(subjects[i].runs))
	}
	rows := make([]RunRow, n)
	for i := range rows {
		row := RunRow{Run: subjects[0].runName(i)}
		for s := range subjects {
			r := &subjects[s].runs[i]
			row.PeakHeldBytes = append(row.PeakHeldBytes, r.PeakHeldBytes)
			row.AvgHeldBytes = append(row.AvgHeldBytes, r.AvgHeldBytes)
			row.Creates = append(row.Creates, r.Creates)
			row.CreateBytes = append(row.CreateBytes, r.CreateBytes)
			row.DurationUS = append(row.DurationUS, r.DurationUS)
		}
		rows[i] = row
	}
	return rows
}
