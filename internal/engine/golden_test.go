package engine

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
	"bucketscope/workload/recordings"
)

// traces is a folder of further recordings for TestGolden: NAME.jsonl.gz (or
// .zst, or plain) beside NAME.golden.json.
//
//	go test ./internal/engine -run TestGolden -traces DIR
var traces = flag.String("traces", "", "folder of further recordings and goldens for TestGolden")

// exception is the one run in which the engine's uniforms differ: with caching
// on, ORT submits once more than the recorded stream shows, so that uniforms
// it found settled are still pending here (spec: "4 creates against 0").
type exception struct {
	model, pattern string
	run            int64
	here, ort      int64
}

var uniformException = exception{model: "unet", pattern: "varied", run: 5, here: 4, ort: 0}

// TestGolden holds every mode that ORT has against ORT's own figures, in every
// run of every recording.
func TestGolden(t *testing.T) {
	for _, w := range workload.Builtin() {
		want, err := recordings.Golden(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		testGolden(t, load(t, w.Name), want)
	}
	if *traces == "" {
		return
	}
	goldens, err := filepath.Glob(filepath.Join(*traces, "*.golden.json"))
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no goldens in %s (%v)", *traces, err)
	}
	for _, path := range goldens {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := recordings.Read(f)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		_ = f.Close()
		found, err := filepath.Glob(strings.TrimSuffix(path, "golden.json") + "jsonl*")
		if err != nil || len(found) != 1 {
			t.Fatalf("want one recording beside %s, found %q (%v)", path, found, err)
		}
		tr, err := workload.Open(found[0])
		if err != nil {
			t.Fatal(err)
		}
		testGolden(t, tr, want)
	}
}

// TestGoldenTwoSessions: of two sessions that share the device's cache, as in ORT,
// each run matches ORT's own figures.
func TestGoldenTwoSessions(t *testing.T) {
	found := 0
	for _, w := range workload.Builtin() {
		tr := load(t, w.Name)
		if len(tr.Sessions) < 2 {
			continue
		}
		found++
		want, err := recordings.Golden(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		for mode, runs := range want {
			sessions := map[int64]bool{}
			for i := range runs {
				sessions[runs[i].Session] = true
			}
			if len(sessions) < 2 {
				t.Errorf("%s %s: the golden has runs of %d session", w.Name, mode, len(sessions))
			}
			compareGolden(t, tr, runs, mode, device.NewHost(), MakeWeights)
		}
	}
	if found == 0 {
		t.Error("no recording has two sessions")
	}
}

func testGolden(t *testing.T, tr *workload.Trace, want map[string][]recordings.Run) {
	t.Helper()
	for _, mode := range []string{"disabled", "lazyRelease", "simple", "bucket"} {
		t.Run(tr.Name+" "+mode, func(t *testing.T) {
			t.Parallel()
			compareGolden(t, tr, want[mode], mode, device.NewHost(), MakeWeights)
		})
	}
}

func compareGolden(t *testing.T, tr *workload.Trace, want []recordings.Run, mode string, dev device.Device, weights Weights) {
	t.Helper()
	m, err := cachemodes.Lookup(mode)
	if err != nil {
		t.Fatal(err)
	}
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = m.ID
	res, err := Profile(t.Context(), tr, dev, Options{Config: cfg, Weights: weights})
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || len(res.Runs) != len(want) {
		t.Fatalf("%d runs, the golden has %d", len(res.Runs), len(want))
	}
	for i, w := range want {
		got := goldenOf(&res.Runs[i], tr, w)
		if e := uniformException; tr.Header.Model == e.model && tr.Header.Pattern == e.pattern && w.Run == e.run && w.UniformCreates == e.ort && got.UniformCreates == e.here {
			got.UniformCreates = e.ort
		}
		g, _ := json.Marshal(got)
		if e, _ := json.Marshal(w); string(g) != string(e) {
			t.Errorf("run %d:\n got %s\nwant %s", i, g, e)
		}
	}
}

// goldenOf is a run in the golden's words; destroys only where the golden
// gives them.
func goldenOf(r *probe.Run, tr *workload.Trace, like recordings.Run) recordings.Run {
	s := &r.Usage[cachemodes.Storage]
	g := recordings.Run{
		Session: tr.Sessions[r.Session].ID, Run: r.ID, Label: r.Label,
		Creates: s.Creates, CreateBytes: s.CreateBytes, EndHeldBytes: s.EndHeld,
		UniformCreates: r.Usage[cachemodes.Uniform].Creates,
	}
	if like.Destroys != nil {
		g.Destroys = &s.Destroys
	}
	return g
}
