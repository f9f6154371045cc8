package cli

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"bucketscope/internal/quiet"
	"bucketscope/snapshots"
)

// TestRecordPlaysTheSame: what a snapshot has seen asked for, played again under
// the same mode and scope, gives the same books, whatever took turns and however
// often.
func TestRecordPlaysTheSame(t *testing.T) {
	for name, how := range map[string]struct{ play, under []string }{
		"bucket":        {[]string{"--workload", "bert/varied"}, []string{"--mode", "bucket"}},
		"dynamicBucket": {[]string{"--workload", "llama-3.2-1b/two"}, []string{"--mode", "dynamicBucket"}},
		"simple, twice": {[]string{"--workload", "bert/varied", "--repeat", "2"}, []string{"--mode", "simple"}},
		"own buffers":   {[]string{"--workload", "llama-3.2-1b/static"}, []string{"--mode", "bucketLegacy"}},
		"two sessions":  {[]string{"--session", "unet/varied", "--session", "bert/varied"}, []string{"--scope", "session"}},
		"three at once": {[]string{"--workload", "unet/varied", "--sessions", "3"}, []string{"--scope", "device"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			snap, trace := filepath.Join(folder, "x.snapshot"), filepath.Join(folder, "x.jsonl.zst")
			first, second := filepath.Join(folder, "1.json"), filepath.Join(folder, "2.json")
			execute(t, append(append([]string{"run", "--device", "host", "--json", first, "--snapshot", snap}, how.play...), how.under...)...)
			execute(t, "record", snap, "-o", trace)
			execute(t, append([]string{"run", "--device", "host", "--json", second, "--trace", trace}, how.under...)...)
			a, b := figuresOf(t, first), figuresOf(t, second)
			if !reflect.DeepEqual(a.Totals, b.Totals) || !reflect.DeepEqual(a.Usage, b.Usage) || len(a.Runs) != len(b.Runs) {
				t.Errorf("%d runs: %+v\nagain %d runs: %+v", len(a.Runs), a.Totals, len(b.Runs), b.Totals)
			}
			for i := range a.Runs {
				if x, y := a.Runs[i], b.Runs[i]; x.Creates != y.Creates || x.Hits != y.Hits || x.PeakHeldBytes != y.PeakHeldBytes || x.Label != y.Label {
					t.Fatalf("run %d is %+v, again %+v", i, x, y)
				}
			}
		})
	}
}

// execute runs a command that must not fail.
func execute(t *testing.T, args ...string) {
	t.Helper()
	a := &app{out: io.Discard, err: io.Discard, stream: quiet.None()}
	cmd := a.root()
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
}

// figuresOf is the only result of a run document.
func figuresOf(t *testing.T, file string) *snapshots.ModeResult {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	d, _, err := snapshots.ReadAny(f, file)
	if err != nil || len(d.Results) != 1 {
		t.Fatalf("%s: %v", file, err)
	}
	return &d.Results[0]
}
