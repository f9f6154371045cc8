package snapshots

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// document is that of a real profile, on a device that claims to be timed so
// that every field is there.
func document(t *testing.T) *RunDocument {
	t.Helper()
	tr, err := workload.Load("llama-3.2-1b/two")
	if err != nil {
		t.Fatal(err)
	}
	d := &RunDocument{
		Format: RunFormat, Version: RunVersion, Repeat: 1,
		Workload: RunWorkload{Name: tr.Name, Model: tr.Header.Model, SHA256: tr.SHA256, Events: len(tr.Events), Runs: len(tr.Runs), Sessions: 2},
		Device:   RunDevice{Kind: "webgpu", Name: "test", Backend: "vulkan", Type: "cpu", Timed: true, Weights: "make"},
	}
	for _, m := range cachemodes.Modes() {
		cfg := cachemodes.DefaultConfig()
		cfg[cachemodes.Storage].Mode = m.ID
		res, err := engine.Profile(t.Context(), tr, device.NewHost(), engine.Options{Config: cfg, Weights: engine.MakeWeights})
		if err != nil {
			t.Fatal(err)
		}
		for i := range res.Runs { // durations that every machine agrees on
			res.Runs[i].StartUS, res.Runs[i].EndUS = 0, int64(1000*(i+1))
		}
		d.Results = append(d.Results, NewModeResult(Measured{
			Config: cfg, Total: res.Total, Usage: res.Usage, Runs: res.Runs, SessionIDs: []int64{0, 1},
			Events: res.Events, Elapsed: time.Second, DeviceTime: time.Second / 4, Timed: true, AvgHeldWall: 12345, HasWall: true,
		}))
	}
	return d
}

// TestRunDocument: what is written is what the schema says, is read again as
// it was, and adds up.
func TestRunDocument(t *testing.T) {
	d := document(t)
	var text bytes.Buffer
	if err := WriteRun(&text, d); err != nil {
		t.Fatal(err)
	}
	validate(t, text.Bytes())
	again, err := ReadRun(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	if err := WriteRun(&second, again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text.Bytes(), second.Bytes()) {
		t.Error("read and written again, it differs")
	}
	for _, r := range d.Results {
		var misses int64
		for _, n := range r.Totals.Misses {
			misses += n
		}
		if misses != r.Totals.Creates || r.Totals.Hits+r.Totals.Creates != r.Totals.Requests {
			t.Errorf("%s: %d misses with a reason, %d creates, %d hits, %d requests", r.Mode, misses, r.Totals.Creates, r.Totals.Hits, r.Totals.Requests)
		}
		parts := r.Totals.Creates
		for _, name := range []string{"storage", "uniform", "query_resolve", "default"} {
			parts -= r.Usage[name].Creates
		}
		if weights := parts; weights != 398 { // the recording's storage requests before its sessions were ready
			t.Errorf("%s: totals have %d creates beyond the usages', want the 398 of weights", r.Mode, weights)
		}
		if r.Totals.PeakHeldBytes < r.Totals.FloorBytes || r.Totals.AvgHeldBytes > r.Totals.PeakHeldBytes {
			t.Errorf("%s: peak %d, floor %d, average %d", r.Mode, r.Totals.PeakHeldBytes, r.Totals.FloorBytes, r.Totals.AvgHeldBytes)
		}
		if *r.Latency.TokensPerSecond <= 0 || *r.Latency.PromptUS != 1000 || r.Latency.P99US != 36000 || r.Latency.MedianUS != 18000 || r.Latency.DeviceShare != 0.25 {
			t.Errorf("%s: latency %+v", r.Mode, *r.Latency)
		}
	}
}

// validate holds a document against the schema.
func validate(t *testing.T, text []byte) {
	t.Helper()
	if err := compiled(t).Validate(parse(t, text)); err != nil {
		t.Error(err)
	}
}

func parse(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compileSchema(t, RunSchema)
}

// TestSchemaRefuses: a schema that takes anything checks nothing.
func TestSchemaRefuses(t *testing.T) {
	var text bytes.Buffer
	d := document(t)
	d.Results = d.Results[:1]
	d.Results[0].Runs = d.Results[0].Runs[:1]
	if err := WriteRun(&text, d); err != nil {
		t.Fatal(err)
	}
	s := compiled(t)
	for name, change := range map[string]func(map[string]any){
		"another format":     func(m map[string]any) { m["format"] = "x" },
		"a newer version":    func(m map[string]any) { m["version"] = 2 },
		"no results":         func(m map[string]any) { m["results"] = []any{} },
		"an unknown field":   func(m map[string]any) { m["extra"] = 1 },
		"a bad digest":       func(m map[string]any) { m["workload"].(map[string]any)["sha256"] = "abc" },
		"an unknown device":  func(m map[string]any) { m["device"].(map[string]any)["kind"] = "cuda" },
		"a missing peak":     func(m map[string]any) { delete(totals(m), "peak_held_bytes") },
		"a negative count":   func(m map[string]any) { totals(m)["creates"] = -1 },
		"a number with unit": func(m map[string]any) { totals(m)["peak_held_bytes"] = "3GiB" },
		"an unknown reason":  func(m map[string]any) { totals(m)["misses"] = map[string]any{"luck": 1} },
	} {
		var m map[string]any
		if err := json.Unmarshal(text.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		changed, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(parse(t, changed)) == nil {
			t.Errorf("the schema takes %s", name)
		}
	}
}

func totals(m map[string]any) map[string]any {
	return m["results"].([]any)[0].(map[string]any)["totals"].(map[string]any)
}

// TestReadRunRefuses what it cannot understand, and says why.
func TestReadRunRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "not a bucketscope-run document: unexpected end of JSON input",
		"[]":                 "not a bucketscope-run document: json: cannot unmarshal array",
		`{"format":"other"}`: `not a bucketscope-run document: its format is "other"`,
		`{"format":"bucketscope-run","version":2}`:               "bucketscope-run version 2 is newer than this program reads (1)",
		`{"format":"bucketscope-run"}`:                           "bucketscope-run version 0 does not exist",
		`{"format":"bucketscope-run","version":1,"results":"x"}`: "bucketscope-run version 1: json: cannot unmarshal string",
	} {
		if _, err := ReadRun(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestQuantile against its definition.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-50, 50), 1, 40).Draw(t, "values")
		q := rapid.SampledFrom([]float64{0.01, 0.5, 0.9, 0.99, 1}).Draw(t, "q")
		got := Quantile(values, q)
		if !slices.Contains(values, got) {
			t.Fatalf("%d is none of %v", got, values)
		}
		var below, atMost int
		for _, v := range values {
			if v < got {
				below++
			}
			if v <= got {
				atMost++
			}
		}
		if n := q * float64(len(values)); float64(atMost) < n || float64(below) >= n {
			t.Fatalf("%v-quantile of %v is %d: %d below, %d at most", q, values, got, below, atMost)
		}
	})
	if Quantile(nil, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}
