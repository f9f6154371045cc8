package export

import (
	"bytes"
	"testing"

	"golang.org/x/perf/benchfmt"

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
