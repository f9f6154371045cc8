package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// timed is the host device as one whose time counts.
type timed struct{ device.Device }

func (timed) Info() device.Info {
	return device.Info{Kind: device.WebGPU, Name: "none", Backend: "test", Timed: true}
}

func measureOptions(t *testing.T) MeasureOptions {
	return MeasureOptions{
		Workloads: []*workload.Trace{load(t, "unet/varied"), load(t, "bert/varied")},
		Modes:     []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Simple, cachemodes.Watermark},
		Weights:   engine.AccountWeights, Rounds: 2, Driver: "v1", Now: time.Unix(0, 0),
	}
}

// TestMeasureModes: modes are played in turns, every round has every mode, and
// what was measured is written and read.
func TestMeasureModes(t *testing.T) {
	o := measureOptions(t)
	var order []string
	o.Progress = func(_ float64, what string) { order = append(order, what) }
	m, err := MeasureModes(t.Context(), timed{device.NewHost()}, o)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for round := 1; round <= 2; round++ {
		for _, w := range o.Workloads {
			for _, mode := range o.Modes {
				want = append(want, fmt.Sprintf("round %d of 2: %s %s", round, w.Name, mode))
			}
		}
	}
	if !slices.Equal(order, want) {
		t.Errorf("played %q", order)
	}
	for i := range m.Cells {
		c := &m.Cells[i]
		if len(c.Rounds) != 2 || c.Missing != "" || c.Rounds[0].Runs == 0 || c.Rounds[0].MeanUS <= 0 {
			t.Errorf("%+v", c)
		}
		if s := c.MeanUS(); s.Of != 2 || s.Low > s.Median || s.Median > s.High || m.Cell(c.SHA256, c.Mode) != c {
			t.Errorf("%+v", s)
		}
	}
	var text bytes.Buffer
	if err := WriteMeasurements(&text, m); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, MeasurementsSchema, text.Bytes())
	var r Results
	if err := r.Add(&text, "m.json"); err != nil || len(r.Measured) != 1 || r.Measured[0].Cells[3].Rounds[1] != m.Cells[3].Rounds[1] {
		t.Errorf("%v, %+v", err, r.Measured)
	}
}

// TestMeasureModesEnds: what a budget leaves no time for, and what a device has
// no room for, is said to be missing; who gives up gets nothing.
func TestMeasureModesEnds(t *testing.T) {
	o := measureOptions(t)
	o.Budget = time.Nanosecond
	m, err := MeasureModes(t.Context(), timed{device.NewHost()}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cells {
		if len(c.Rounds) != 0 || c.Missing != "not within 1ns" {
			t.Errorf("%+v", c)
		}
	}
	o = measureOptions(t)
	o.Fits = func(traces []*workload.Trace, cfg cachemodes.Config) error {
		if traces[0].Name == "bert/varied" && cfg[cachemodes.Storage].Mode == cachemodes.Simple {
			return errors.New("no room")
		}
		return nil
	}
	m, err = MeasureModes(t.Context(), timed{device.NewHost()}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cells {
		if missing := c.Workload == "bert/varied" && c.Mode == "simple"; missing != (c.Missing == "no room") || missing != (len(c.Rounds) == 0) {
			t.Errorf("%+v", c)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(_ float64, what string) {
		if strings.HasSuffix(what, "watermark") {
			cancel()
		}
	}
	if _, err := MeasureModes(ctx, timed{device.NewHost()}, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := MeasureModes(t.Context(), device.NewHost(), measureOptions(t)); err == nil {
		t.Error("the host device has no time, and was measured")
	}
}

// TestResults: the document has every mode and yardstick of every workload,
// predicted and measured times beside each other, and by how much they differ.
func TestResults(t *testing.T) {
	tr := load(t, "unet/varied")
	p := prices()
	m := &Measurements{Format: MeasurementsFormat, Version: MeasurementsVersion, Adapter: p.Adapter, Made: "2026-01-02T03:04:05Z", Weights: "account"}
	unmeasured := 0.0
	m.Adapter.Driver = "another" // is still the same adapter
	for _, mode := range cachemodes.Modes() {
		res, err := Predict(t.Context(), tr, storageMode(mode.ID), engine.AccountWeights, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		c := Cell{Workload: tr.Name, SHA256: tr.SHA256, Mode: mode.Name}
		switch mode.ID {
		case cachemodes.Graph, cachemodes.LazyRelease:
			unmeasured = MeanUS(res.Runs) // the graph's, which is the last
			c.Missing = "not within 1s"
		default: // predictions are a quarter too high
			us := MeanUS(res.Runs) / 1.25
			c.Rounds = []Round{{Runs: 12, MeanUS: us}, {Runs: 12, MeanUS: us * 2}, {Runs: 12, MeanUS: us / 2}}
			c.Memory = &Memory{HeldBytes: 3 << 20, MadeBytes: 4 << 20, DriverBytes: 5 << 20, Source: "NVML"}
		}
		if mode.ID == cachemodes.Simple {
			c.Memory = &Memory{HeldBytes: 3 << 20, MadeBytes: 4 << 20, NoDriver: "it does not say"}
		}
		m.Cells = append(m.Cells, c)
	}
	other := *p
	other.Adapter = cost.Adapter{Name: "other"}
	other.Rounding, other.RoundingSource = []cost.Block{{Bytes: 12 << 20, Cost: 16 << 20, Buffers: 10}, {Bytes: 16 << 20, Cost: 16 << 20, Buffers: 8}}, "NVML"
	sessions := &Measurements{Format: MeasurementsFormat, Version: MeasurementsVersion, Adapter: p.Adapter, Made: "2026-01-02T03:04:05Z", Cells: []Cell{
		{Workload: tr.Name, SHA256: tr.SHA256, Mode: "bucket", Sessions: 8, Turns: ByThreads, Scope: "session", Rounds: []Round{{MeanUS: 7000, RunsPerSecond: 90}, {MeanUS: 9000, RunsPerSecond: 110}}},
		{Workload: tr.Name, SHA256: tr.SHA256, Mode: "simple", Missing: "not within 2s"}, // another file has it
		{Workload: tr.Name, SHA256: tr.SHA256, Mode: "graph", Missing: "not within 2s"},  // another says why it has not
	}}
	m.Command = "bucketscope results measure --device webgpu"
	costs := &Overheads{Adapter: p.Adapter, Made: "2026-01-03T00:00:00Z", Command: "bucketscope results overhead --device webgpu", Rows: []Overhead{{
		Workload: tr.Name, Mode: "bucket", Off: [][]float64{{1000, 3000}, {1000, 3000}}, On: [][]float64{{1010, 3030}, {1030, 3090}}, WhatIf: [][]float64{{1050, 3150}, {1050, 3150}},
		HostOff: [][]float64{{10, 30}}, HostOn: [][]float64{{12, 33}},
	}}}
	first := &Measurements{Format: MeasurementsFormat, Version: MeasurementsVersion, Adapter: p.Adapter, Made: "2026-01-02T03:04:05Z", Cells: []Cell{
		{Workload: tr.Name, SHA256: tr.SHA256, Mode: "mlx", Missing: "not within 3s"}, // the next has it
	}}
	r := Results{
		Workloads: []*workload.Trace{tr}, Calibrations: []*cost.Calibration{p, &other}, Measured: []*Measurements{first, m, sessions},
		Overheads: []*Overheads{costs},
	}
	plays := 0
	r.Progress = func(done, total int) {
		if plays++; done != plays || total != len(cachemodes.Modes()) {
			t.Errorf("%d of %d", done, total)
		}
	}
	var out bytes.Buffer
	if err := r.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	bucket := modeFigures(t, tr, cachemodes.BucketMode)
	for _, want := range []string{
		"## unet/varied", "On none test:\n\n| mode | predicted | measured | off | scaled | held | made | driver | x made |", "On other:\n\n| mode | predicted |",
		"| none test | " + p.Made + " | 2026-01-02T03:04:05Z | 2 to 3 | 25 % | 25 % | 0 % | 0 % | 1.00 to 1.00 |",
		"| none test | 2026-01-03T00:00:00Z | unet/varied | `bucket` | 2 | 1 | 2.00 | 2.5 us, +0.12 % | +2.0 % (+1.0 to +3.0 %) | +5.0 % (+5.0 to +5.0 %) |",
		"on other\n\nBy its calibration (NVML): of 2 sizes from 12 to 16 MiB", "\n| 12 | 16.000 | 1.33 | 10 |\n\n",
		"| 8 x unet/varied | `bucket` | session | parallel | 100.0 (90.0–110.0) | 8.00 (7.00–9.00) | – | – | – | – |",
		" | 3.0 | 4.0 | 5.0 | 1.250 |", " | 3.0 | 4.0 | – | – |", "| `graph` | " + ms(unmeasured) + " | – | – | – | – | – | – | – |",
		"- unet/varied lazyRelease, graph: not within 1s", "```sh\nbucketscope results measure --device webgpu\nbucketscope results overhead --device webgpu\n```\n",
		fmt.Sprintf("| `bucket` | %s | %.3f | %s | %d | %s |", mib(bucket.Peak), float64(bucket.Peak)/float64(NewStream(tr, cachemodes.DefaultConfig()).Floor),
			mib(bucket.Average), bucket.Creates, mib(bucket.CreateBytes)),
		"| pytorch (simulated only) |", "best 26 keys reserve",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not within 2s") {
		t.Error("what one file has, or says why it has not, is said to be missing by another")
	}
	for _, mode := range cachemodes.Modes() {
		var columns []int
		for _, row := range regexp.MustCompile("(?m)^\\| `"+mode.Name+"` \\|.*$").FindAllString(out.String(), -1) {
			columns = append(columns, strings.Count(row, "|")-1)
		}
		if !slices.Equal(columns, []int{6, 9, 2}) {
			t.Errorf("%s: rows of %d columns", mode.Name, columns)
		}
		unmeasured := mode.ID == cachemodes.Graph || mode.ID == cachemodes.LazyRelease
		if has := regexp.MustCompile("(?m)^\\| `" + mode.Name + "` \\|[^|]*\\| – \\|").MatchString(out.String()); has != unmeasured {
			t.Errorf("%s is measured: %v", mode.Name, !has)
		}
	}

	out.Reset()
	if err := (&Results{Workloads: []*workload.Trace{tr}}).Write(t.Context(), &out); err != nil || !strings.Contains(out.String(), "there are no times") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestRankCorrelation: of a permutation the textbook's 1 - 6 sum(d^2) / (n (n^2 - 1)),
// and what is equal shares its rank.
func TestRankCorrelation(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4}, []float64{10, 20, 30, 99}, 1},
		{[]float64{1, 2, 3, 4}, []float64{9, 3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}, 1 - 6*4.0/120},
		{[]float64{1, 1, 2}, []float64{1, 2, 3}, math.Sqrt(3) / 2},
	} {
		if got := rankCorrelation(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// TestResultsRefuse: a file that is neither is refused, and named.
func TestResultsRefuse(t *testing.T) {
	for text, want := range map[string]string{
		``:                              "neither a calibration nor measurements",
		`{"format": "bucketscope-run"}`: `its format is "bucketscope-run"`,
		`{"format": "bucketscope-measurements", "version": 7}`:                                                                                       "its version is 7; this program reads 1",
		`{"format": "bucketscope-measurements", "version": 1}`:                                                                                       "names no adapter",
		`{"format": "bucketscope-measurements", "version": 1, "adapter": {"name": "x"}, "cells": [{"mode": "nosuch"}]}`:                              "nosuch",
		`{"format": "bucketscope-measurements", "version": 1, "adapter": {"name": "x"}, "cells": [{"mode": "bucket", "rounds": [{"mean_us": -1}]}]}`: "-1 is no time",
		`{"format": "bucketscope-calibration", "version": 1}`:                                                                                        "names no adapter",
	} {
		var r Results
		err := r.Add(strings.NewReader(text), "x.json")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if !errors.As(err, new(*FileError)) && !errors.As(err, new(*cost.FormatError)) {
			t.Errorf("%s: %T is no error of the file's", text, err)
		}
	}
}

// FuzzAdd: whatever a file says, it is refused or the document can be made.
func FuzzAdd(f *testing.F) {
	tr, err := workload.Load("unet/varied")
	if err != nil {
		f.Fatal(err)
	}
	var calibration, measurements bytes.Buffer
	if err := cost.Write(&calibration, prices()); err != nil {
		f.Fatal(err)
	}
	if err := WriteMeasurements(&measurements, &Measurements{
		Format: MeasurementsFormat, Version: MeasurementsVersion, Adapter: prices().Adapter,
		Cells: []Cell{{Workload: tr.Name, SHA256: tr.SHA256, Mode: "bucket", Rounds: []Round{{Runs: 12, MeanUS: 5}}}},
	}); err != nil {
		f.Fatal(err)
	}
	f.Add(calibration.Bytes())
	f.Add(measurements.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r := Results{Workloads: []*workload.Trace{tr}}
		if err := r.Add(bytes.NewReader(text), "fuzz"); err != nil {
			return
		}
		if err := r.Write(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFiles: what stands in docs/results is what its schemas say.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../../docs/results/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var head struct{ Format string }
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		schema, ok := map[string][]byte{cost.Format: cost.Schema, MeasurementsFormat: MeasurementsSchema, OverheadFormat: OverheadSchema}[head.Format]
		if !ok {
			t.Fatalf("%s is of format %q", file, head.Format)
		}
		checkSchema(t, schema, text)
	}
}
