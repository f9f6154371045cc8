package compare

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bucketscope/snapshots"
)

// doc is a document with one result per mode and a run for each peak.
func doc(sha string, modes []string, peaks ...int64) *snapshots.RunDocument {
	d := &snapshots.RunDocument{
		Format: snapshots.RunFormat, Version: snapshots.RunVersion, Repeat: 1,
		Workload: snapshots.RunWorkload{Name: "w", SHA256: strings.Repeat(sha, 64)},
		Device:   snapshots.RunDevice{Kind: "host", Name: "host", Weights: "make"},
	}
	for _, m := range modes {
		r := snapshots.ModeResult{Mode: m}
		r.Totals.PeakHeldBytes, r.Totals.AvgHeldBytes, r.Totals.Creates = slices.Max(peaks), 100, int64(len(peaks))
		r.Keys = []snapshots.KeyEntry{{Usage: "storage", SizeBytes: 64, Creates: int64(len(m)), Requests: 9}}
		for i, p := range peaks {
			r.Runs = append(r.Runs, snapshots.RunEntry{Run: int64(i), Label: fmt.Sprintf("step%d", i), PeakHeldBytes: p, AvgHeldBytes: p / 2, Creates: int64(i), Requests: 10})
		}
		d.Results = append(d.Results, r)
	}
	return d
}

var bucket = []string{"bucket"}

func inputs(docs ...*snapshots.RunDocument) []Input {
	var in []Input
	for i, d := range docs {
		in = append(in, Input{File: fmt.Sprintf("%c.json", 'a'+i), Doc: d})
	}
	return in
}

func budgets(t *testing.T, texts ...string) []Budget {
	t.Helper()
	var out []Budget
	for _, text := range texts {
		b, err := ParseBudget(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestBudgets: which hold, by how much the others are broken, and where.
func TestBudgets(t *testing.T) {
	a, b := doc("a", bucket, 1000, 1000, 1000), doc("a", bucket, 1000, 1100, 1030)
	for _, c := range []struct {
		budget string
		warmup int
		want   string // "holds", or the verdict
	}{
		{"peak_bytes>+2%", 0, "peak_bytes>+2%: peak_held_bytes of b.json under bucket is 1.07KiB, was 1000B (+10.00%): 80B beyond 1020B; worst in run 1 (step1) with 1.07KiB"},
		{"peak_bytes>+2%", 2, "peak_bytes>+2%: peak_held_bytes of b.json under bucket is 1.01KiB, was 1000B (+3.00%): 10B beyond 1020B; worst in run 2 (step2) with 1.01KiB"},
		{"peak_bytes>+10%", 0, "holds"},
		{"peak_bytes>=+10%", 0, "peak_bytes>=+10%: peak_held_bytes of b.json under bucket is 1.07KiB, was 1000B (+10.00%): 0B beyond 1.07KiB; worst in run 1 (step1) with 1.07KiB"},
		{"peak_held_bytes > 1.1kB", 0, "holds"},
		{"peak_bytes>1KiB", 0, "peak_bytes>1KiB: peak_held_bytes of b.json under bucket is 1.07KiB: 76B beyond 1.00KiB; worst in run 1 (step1) with 1.07KiB"},
		{"peak_bytes>+100B", 0, "holds"},
		{"peak_bytes>+99", 0, "peak_bytes>+99: peak_held_bytes of b.json under bucket is 1.07KiB, was 1000B (+10.00%): 1B beyond 1.07KiB; worst in run 1 (step1) with 1.07KiB"},
		{"creates_per_run>0", 0, "creates_per_run>0: creates_per_run of b.json under bucket is 1: 1 beyond 0; worst in run 2 (step2) with 2"},
		{"creates_per_run>+0%", 0, "holds"},
		{"max_creates_per_run>1", 0, "max_creates_per_run>1: max_creates_per_run of b.json under bucket is 2: 1 beyond 1; worst in run 2 (step2) with 2"},
		{"hits_per_run<1", 0, "hits_per_run<1: hits_per_run of b.json under bucket is 0: 1 beyond 1; worst in run 0 (step0) with 0"},
		{"requests_per_run<=-5%", 0, "holds"},
		{"misses.cold>0", 0, "holds"},
	} {
		r, err := New(inputs(a, b), Options{Warmup: c.warmup, Budgets: budgets(t, c.budget)})
		if err != nil {
			t.Errorf("%s: %v", c.budget, err)
			continue
		}
		got := "holds"
		if broken := r.Broken(); len(broken) > 0 {
			got = broken[0].String()
		}
		if got != c.want {
			t.Errorf("%s, warm-up %d:\n got %s\nwant %s", c.budget, c.warmup, got, c.want)
		}
	}
}

// TestParseBudgetRefuses what makes no sense, and says how it is meant.
func TestParseBudgetRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "want a figure",
		"peak_bytes":          "want a figure",
		"peak_bytes=3":        "want a figure",
		"peak>3":              `there is no figure "peak"; the figures are avg_bytes, `,
		"peak_bytes>3%":       "it needs a sign, as in peak_bytes>+3%",
		"peak_bytes>3parsecs": `peak_held_bytes is in bytes, which "parsecs" is no unit of`,
		"creates>3MiB":        "creates is in count",
		"median_us>3MiB":      "median_us is in us",
	} {
		if _, err := ParseBudget(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestNewRefuses what cannot be compared.
func TestNewRefuses(t *testing.T) {
	a := doc("a", bucket, 1, 2)
	three := doc("a", bucket, 1, 2)
	three.Repeat = 3
	for _, c := range []struct {
		in   []Input
		o    Options
		want string
	}{
		{nil, Options{}, "nothing to compare"},
		{inputs(a, doc("b", bucket, 1, 2)), Options{}, "not recordings of the same workload: a.json plays w (sha256 aaaaaaaaaaaa), b.json plays w (sha256 bbbbbbbbbbbb); --force"},
		{inputs(a, three), Options{}, "a.json plays its runs 1 times, b.json 3 times"},
		{inputs(a, doc("a", []string{"bucket", "simple"}, 1)), Options{}, "a.json has the modes bucket, b.json has bucket, simple"},
		{inputs(doc("a", []string{"bucket", "graph"}, 1), doc("a", []string{"bucket", "simple"}, 1)), Options{}, "compare files of the same modes"},
		{inputs(a, a), Options{Warmup: 2}, "a warm-up of 2 leaves nothing of the 2 runs of a.json under bucket"},
		{inputs(a), Options{Budgets: budgets(t, "peak_bytes>+2%")}, "give a second file"},
		{inputs(a, a), Options{Budgets: budgets(t, "median_us>1ms")}, "only a device with timing has; this was played on host"},
		{inputs(a, a), Options{Warmup: 1, Budgets: budgets(t, "destroy_bytes>1")}, "no warm-up can be left out of it"},
	} {
		if _, err := New(c.in, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	r, err := New(inputs(a, doc("b", bucket, 1, 2)), Options{Force: true})
	if err != nil || len(r.Unlike) != 1 {
		t.Errorf("by force: %v, %v", r, err)
	}
}

// TestNew: results are put beside each other by mode, runs by their place.
func TestNew(t *testing.T) {
	two := []string{"bucket", "simple"}
	r, err := New(inputs(doc("a", two, 10, 20), doc("a", []string{"simple", "bucket"}, 10, 30)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Comparisons) != 2 {
		t.Fatalf("%d comparisons, want one for each mode", len(r.Comparisons))
	}
	for i, c := range r.Comparisons {
		if c.Subjects[0].Mode != two[i] || c.Subjects[1].Mode != two[i] {
			t.Errorf("%+v are compared under %s", c.Subjects, two[i])
		}
		if got := c.Runs[1].PeakHeldBytes; !slices.Equal(got, []int64{20, 30}) {
			t.Errorf("run 1: %v", got)
		}
		at := slices.IndexFunc(c.Figures, func(r Row) bool { return r.Name == "peak_held_bytes" })
		if f := c.Figures[at]; *f.Values[1] != 30 || math.Abs(*f.Changes[1]-0.5) > 1e-12 || f.Changes[0] != nil {
			t.Errorf("%+v", f)
		}
		if c.Keys[0].SizeBytes != 64 || len(c.Keys) != 1 {
			t.Errorf("keys %+v", c.Keys)
		}
	}
	r, err = New(inputs(doc("a", []string{"bucket", "simple", "graph"}, 10)), Options{})
	if err != nil || len(r.Comparisons) != 1 || len(r.Comparisons[0].Subjects) != 3 {
		t.Errorf("one file of three modes: %+v, %v", r, err)
	}
}

// TestFormats: each format is read by what reads such formats.
func TestFormats(t *testing.T) {
	a, b := doc("a", bucket, 1000, 1000), doc("a", bucket, 1000, 1100)
	b.Device.Name = "other"
	b.Workload.SHA256 = strings.Repeat("b", 64)
	r, err := New(inputs(a, b, a), Options{Force: true, Budgets: budgets(t, "peak_bytes>+2%", "creates_per_run>5")})
	if err != nil {
		t.Fatal(err)
	}
	out := func(write func(*Report, *bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := write(r, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	validate(t, out(func(r *Report, b *bytes.Buffer) error { return r.JSON(b) }))

	var suite struct {
		XMLName         xml.Name `xml:"testsuite"`
		Tests, Failures int      `xml:",attr"`
		Cases           []struct {
			Name    string `xml:"name,attr"`
			Class   string `xml:"classname,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	junit := out(func(r *Report, b *bytes.Buffer) error { return r.JUnit(b) })
	d := xml.NewDecoder(bytes.NewReader(bytes.ReplaceAll(bytes.ReplaceAll(junit, []byte("tests="), []byte("Tests=")), []byte("failures="), []byte("Failures="))))
	if err := d.Decode(&suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 4 || suite.Failures != 1 || len(suite.Cases) != 4 || suite.Cases[0].Failure == nil || suite.Cases[0].Name != "peak_bytes>+2%" ||
		!strings.Contains(suite.Cases[0].Failure.Message, "worst in run 1") || suite.Cases[1].Failure != nil {
		t.Errorf("%s", junit)
	}

	table := string(out(func(r *Report, b *bytes.Buffer) error { return r.Table(b) }))
	markdown := string(out(func(r *Report, b *bytes.Buffer) error { return r.Markdown(b) }))
	for _, want := range []string{"! compared by force", "Note: a.json was played on host", "BROKEN peak_bytes>+2%", "holds  creates_per_run>5", "+10.00%"} {
		if !strings.Contains(table, want) || !strings.Contains(markdown, want) {
			t.Errorf("%q is missing in one of:\n%s\n%s", want, table, markdown)
		}
	}
	cells := 0
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		if n := strings.Count(line, "|"); cells == 0 {
			cells = n
		} else if n != cells {
			t.Errorf("a row of another length: %s", line)
		}
	}
}

func validate(t *testing.T, text []byte) {
	t.Helper()
	parse := func(text []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parse(Schema)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(parse(text)); err != nil {
		t.Error(err)
	}
}

// FuzzParseBudget: no text makes the parser panic, and what it takes is a bound.
func FuzzParseBudget(f *testing.F) {
	f.Add("peak_bytes>+2%")
	f.Add("creates_per_run >= 0.5")
	f.Add("median_us<-3ms")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := ParseBudget(text); err == nil && (math.IsNaN(b.limit) || math.IsInf(b.limit, 0)) {
			t.Errorf("%q is the bound %v", text, b.limit)
		}
	})
}

// FuzzCompare: whatever document stands beside a sound one, it is refused or every
// format of the comparison can be written.
func FuzzCompare(f *testing.F) {
	const sound = `{"format":"bucketscope-run","version":1,"workload":{"sha256":"x"},"results":[{"mode":"bucket","totals":{"peak_held_bytes":5},"runs":[{"creates":1}]}]}`
	f.Add(sound)
	f.Add(`{"format":"bucketscope-run","version":1,"results":[{"mode":"simple","runs":[{"creates":-9223372036854775808}]},{"mode":"simple"}]}`)
	budget, err := ParseBudget("peak_bytes>+2%")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var in []Input
		for i, doc := range []string{sound, text} {
			d, _, err := snapshots.ReadAny(strings.NewReader(doc), "file", nil)
			if err != nil {
				if i == 0 {
					t.Fatal(err)
				}
				return
			}
			in = append(in, Input{File: "file", Doc: d})
		}
		r, err := New(in, Options{Force: true, Budgets: []Budget{budget}})
		if err != nil {
			return
		}
		for _, write := range []func(io.Writer) error{r.Table, r.Markdown, r.JUnit, r.JSON} {
			if err := write(io.Discard); err != nil {
				t.Error(err)
			}
		}
	})
}
