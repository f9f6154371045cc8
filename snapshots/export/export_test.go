package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/tooltest"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

// recorded is a snapshot of a recording that is built in.
func recorded(t *testing.T, name string, mode cachemodes.ModeID) *snapshots.Snapshot {
	t.Helper()
	tr, err := workload.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = mode
	res, err := engine.Profile(t.Context(), tr, device.NewHost(), engine.Options{Config: cfg, Weights: engine.MakeWeights, Record: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &snapshots.Snapshot{
		About: snapshots.About{
			Workload: snapshots.RunWorkload{Name: tr.Name, SHA256: tr.SHA256, Runs: len(tr.Runs)},
			Device:   snapshots.RunDevice{Kind: "host", Name: "host", Type: "none", Weights: "make"},
			Repeat:   1, Events: res.Events, ElapsedUS: res.Elapsed.Microseconds(),
		},
		History: res.History,
	}
	for _, x := range tr.Sessions {
		s.Sessions = append(s.Sessions, snapshots.SessionName{ID: x.ID, Model: x.Model})
	}
	return s
}

func exported(t *testing.T, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestChromeSchema holds a trace to what chrome://tracing and Perfetto take: of
// each phase the fields that the Trace Event Format asks for, and no others.
func TestChromeSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/chrome.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := recorded(t, "llama-3.2-1b/two", cachemodes.DynamicBucket)
	trace, err := jsonschema.UnmarshalJSON(bytes.NewReader(exported(t, func(b *bytes.Buffer) error { return Chrome(b, s) })))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(trace); err != nil {
		t.Error(err)
	}
	// The schema itself tells a trace that is wrong.
	events := trace.(map[string]any)["traceEvents"].([]any)
	for _, e := range events {
		if e := e.(map[string]any); e["ph"] == "X" {
			delete(e, "dur")
			break
		}
	}
	if schema.Validate(trace) == nil {
		t.Error("a slice without a duration passes")
	}
}

// TestChrome: slices of a thread nest, every buffer's end follows its
// beginning, and the counters never exceed the peak, which they show.
func TestChrome(t *testing.T) {
	s := recorded(t, "llama-3.2-1b/two", cachemodes.BucketMode)
	totals := s.Result().Totals
	var trace struct {
		DisplayTimeUnit string
		TraceEvents     []struct {
			Name, Cat, Ph, ID, S string
			TS, Dur              int64
			PID, TID             int
			Args                 map[string]any
		}
	}
	d := json.NewDecoder(bytes.NewReader(exported(t, func(b *bytes.Buffer) error { return Chrome(b, s) })))
	if err := d.Decode(&trace); err != nil {
		t.Fatal(err)
	}
	until := map[int]int64{}
	open := map[string]bool{}
	var runs, begun, highest int64
	for _, e := range trace.TraceEvents {
		switch e.Ph {
		case "X":
			runs++
			if e.TS < until[e.TID] {
				t.Errorf("slice %q at %d overlaps one until %d", e.Name, e.TS, until[e.TID])
			}
			until[e.TID] = e.TS + e.Dur
		case "b":
			begun++
			if open[e.ID] {
				t.Errorf("buffer %s begins twice", e.ID)
			}
			open[e.ID] = true
		case "e":
			if !open[e.ID] {
				t.Errorf("buffer %s ends and never began", e.ID)
			}
			open[e.ID] = false
		case "C":
			if e.Name == "highest held bytes" {
				highest = max(highest, int64(e.Args["held"].(float64)))
			}
		case "i":
			if !slices.Contains([]string{"g", "p", "t"}, e.S) {
				t.Errorf("instant %q has scope %q", e.Name, e.S)
			}
		case "M":
		default:
			t.Errorf("phase %q", e.Ph)
		}
	}
	staging := s.Result().Usage["staging"].Creates
	if runs != 36 || begun != totals.Creates+staging || highest != totals.PeakHeldBytes || trace.DisplayTimeUnit != "ms" {
		t.Errorf("%d runs, %d buffers, highest %d; want 36, %d, %d", runs, begun, highest, totals.Creates+staging, totals.PeakHeldBytes)
	}
	for id, yes := range open {
		if yes {
			t.Errorf("buffer %s never ends", id)
		}
	}
}

// TestPProf asks the tool that reads profiles.
func TestPProf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.pb.gz")
	other := filepath.Join(t.TempDir(), "other.pb.gz")
	for name, mode := range map[string]cachemodes.ModeID{file: cachemodes.BucketMode, other: cachemodes.Simple} {
		s := recorded(t, "unet/varied", mode)
		data := exported(t, func(b *bytes.Buffer) error { return PProf(b, s) })
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		// 389812336 bytes is the peak: 371.75 MB.
		{[]string{"-top"}, []string{"Type: inuse_space", "371.75MB", "session 0", "requested "}},
		{[]string{"-top", "-sample_index=alloc_objects"}, []string{"storage"}},
		{[]string{"-tags"}, []string{"mode: Total 371.75MB", "usage: Total", "bucket"}},
		{[]string{"-top", "-diff_base", other}, []string{"Showing nodes"}},
	} {
		cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"tool", "pprof"}, c.args...), file)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.args, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%v: %q is missing in\n%s", c.args, want, out)
			}
		}
	}
}

// readsPickle is what Python says of a snapshot.
const readsPickle = `
import json, pickle, sys
s = pickle.load(sys.stdin.buffer)
live, most, ops = {}, 0, {}
for e in s["device_traces"][0]:
    a = e["action"]
    ops[a] = ops.get(a, 0) + 1
    assert 0 <= e["addr"] < 2**53 and isinstance(e["frames"], list)
    if a == "segment_alloc":
        assert e["addr"] not in live
        live[e["addr"]] = e["size"]
        most = max(most, sum(live.values()))
    if a == "segment_free":
        del live[e["addr"]]
for x in s["segments"]:
    assert live.pop(x["address"]) == x["total_size"] == sum(b["size"] for b in x["blocks"])
    assert x["segment_pool_id"] == (0, 0) and x["is_expandable"] is False
assert not live
json.dump({"ops": ops, "most": most, "segments": len(s["segments"])}, sys.stdout)
`

// TestPyTorch: Python's pickle module reads the snapshot, and its segments and
// trace agree.
func TestPyTorch(t *testing.T) {
	s := recorded(t, "unet/varied", cachemodes.BucketMode)
	data := exported(t, func(b *bytes.Buffer) error { return PyTorch(b, s) })
	if !bytes.HasPrefix(data, []byte{0x80, 2, '}'}) || data[len(data)-1] != '.' {
		t.Fatal("no pickle of protocol 2")
	}
	cmd := exec.CommandContext(t.Context(), tooltest.Find(t, "python3"), "-c", readsPickle)
	cmd.Stdin = bytes.NewReader(data)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaint)
	}
	var got struct {
		Ops            map[string]int64
		Most, Segments int64
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	res := s.Result()
	creates := res.Totals.Creates + res.Usage["staging"].Creates
	destroys := res.Totals.Destroys + res.Usage["staging"].Destroys
	if got.Ops["segment_alloc"] != creates || got.Ops["segment_free"] != destroys || got.Segments != creates-destroys ||
		got.Ops["alloc"] != creates+res.Totals.Hits || got.Ops["free_requested"] != got.Ops["free_completed"] {
		t.Errorf("%+v; want %d created, %d destroyed, %d hits", got, creates, destroys, res.Totals.Hits)
	}
}

// TestCSV: the series' highest is the peak; the two files of PR #25120 add up
// to the storage cache's books.
func TestCSV(t *testing.T) {
	s := recorded(t, "bert/varied", cachemodes.BucketMode)
	res := s.Result()
	table := func(write func(*bytes.Buffer) error) (head []string, rows [][]string) {
		all, err := csv.NewReader(bytes.NewReader(exported(t, write))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return all[0], all[1:]
	}
	sum := func(head []string, rows [][]string, name string, fold func(a, b float64) float64) float64 {
		at := slices.Index(head, name)
		var out float64
		for _, r := range rows {
			v, err := strconv.ParseFloat(r[at], 64)
			if err != nil {
				t.Fatal(err)
			}
			out = fold(out, v)
		}
		return out
	}
	add := func(a, b float64) float64 { return a + b }
	most := func(a, b float64) float64 { return max(a, b) }

	head, rows := table(func(b *bytes.Buffer) error { return CSV(b, s) })
	if got := sum(head, rows, "highest_held_bytes", most); got != float64(res.Totals.PeakHeldBytes) {
		t.Errorf("highest %v, the peak is %d", got, res.Totals.PeakHeldBytes)
	}
	head, rows = table(func(b *bytes.Buffer) error { return ORTMemory(b, s) })
	if len(rows) != len(res.Runs) || head[2] != "TotalMemory(MB)" {
		t.Errorf("%d rows for %d runs", len(rows), len(res.Runs))
	}
	if got, want := sum(head, rows, "PeakMemory(MB)", most), float64(res.Usage["storage"].PeakHeldBytes)/(1<<20); got < want-0.01 || got > want+0.01 {
		t.Errorf("peak of storage %v MiB, want %v", got, want)
	}
	head, rows = table(func(b *bytes.Buffer) error { return ORTSizes(b, s) })
	for name, want := range map[string]int64{
		"Requests": res.Usage["storage"].Requests, "Hits": res.Usage["storage"].Hits,
		"Misses": res.Usage["storage"].Creates, "MissBytes": res.Usage["storage"].CreateBytes,
	} {
		if got := sum(head, rows, name, add); got != float64(want) {
			t.Errorf("%s add up to %v, want %d", name, got, want)
		}
	}
}
