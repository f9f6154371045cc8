package export

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"bucketscope/cachemodes"
	"bucketscope/snapshots"
)

// TestBenchstat reads what is written with benchstat's own reader.
func TestBenchstat(t *testing.T) {
	d := &snapshots.RunDocument{
		Workload: snapshots.RunWorkload{Name: "phi3 mini/grow=1", SHA256: "abc"},
		Device:   snapshots.RunDevice{Name: "a GPU\nof two lines"},
		Results: []snapshots.ModeResult{{
			Mode: "bucket", Latency: &snapshots.Latency{},
			Runs: []snapshots.RunEntry{{Creates: 1, DurationUS: 1000}, {Creates: 2, DurationUS: 4000}},
		}},
	}
	d.Results[0].Totals.PeakHeldBytes, d.Results[0].Totals.AvgHeldBytes = 3665040160, 17
	var b bytes.Buffer
	if err := Benchstat(&b, d, "a.json"); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	r := benchfmt.NewReader(&b, "x")
	if !r.Scan() {
		t.Fatalf("no line: %v", r.Err())
	}
	res, ok := r.Result().(*benchfmt.Result)
	if !ok {
		t.Fatalf("%v in\n%s", r.Result(), text)
	}
	if got := res.Name.String(); got != "Workload/trace=phi3_mini_grow_1/mode=bucket" {
		t.Errorf("name %q", got)
	}
	for unit, want := range map[string]float64{"peak-B": 3665040160, "avg-B": 17, "creates/run": 1.5, "ms/run": 2.5} {
		if got, ok := res.Value(unit); !ok || got != want {
			t.Errorf("%s is %v, want %v", unit, got, want)
		}
	}
	if got := res.GetConfig("device"); got != "a GPU of two lines" {
		t.Errorf("device %q", got)
	}
	if r.Scan() {
		t.Errorf("more: %v", r.Result())
	}
}

// TestBenchstatTool asks benchstat what changed between two modes.
func TestBenchstatTool(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for name, mode := range map[string]cachemodes.ModeID{"a.txt": cachemodes.BucketMode, "b.txt": cachemodes.Simple} {
		d := recorded(t, "unet/varied", mode).Document()
		d.Results[0].Mode = "mode" // one row of benchstat's for both
		text := exported(t, func(b *bytes.Buffer) error { return Benchstat(b, d, name) })
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	slices.Sort(files)
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"run", "golang.org/x/perf/cmd/benchstat", "-ignore", "source"}, files...)...).Output()
	if err != nil {
		t.Fatalf("benchstat: %v\n%s", err, out)
	}
	for _, want := range []string{"Workload/trace=unet_varied/mode=mode", "peak-B", "371.8Mi", "667.4Mi", "creates/run", "5.000", "11.250"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
