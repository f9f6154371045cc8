package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
	"bucketscope/tui"
	"bucketscope/workload"
)

// played is a live profile of some runs with a switch, a note, and workloads that
// are started beside, paused.
func played(t *testing.T, beside ...*workload.Trace) *engine.State {
	t.Helper()
	tr, err := loadNamed("llama-3.2-1b/two")
	if err != nil {
		t.Fatal(err)
	}
	live := engine.StartLive(t.Context(), tr, device.NewHost(), engine.LiveOptions{Config: cachemodes.DefaultConfig(), Weights: engine.MakeWeights})
	t.Cleanup(func() { _ = live.Close() })
	until := func(ok func(*engine.State) bool) *engine.State {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if st := live.State(); ok(st) {
				return st
			}
			if time.Now().After(deadline) {
				t.Fatal("waited in vain")
			}
		}
	}
	until(func(st *engine.State) bool { return st.RunCount > 20 })
	live.SetMode(cachemodes.Storage, cachemodes.DynamicBucket)
	live.Note("more runs from here")
	for _, tr := range beside {
		live.StartSession(tr)
	}
	n := until(func(st *engine.State) bool { return len(st.Marks) == 2+len(beside) }).RunCount
	until(func(st *engine.State) bool { return st.RunCount > n+20 })
	live.Pause(true)
	return until(func(st *engine.State) bool { return st.Status == engine.Paused && !st.InRun })
}

// reopened is a state after it was written and read.
func reopened(t *testing.T, st *engine.State) *engine.State {
	t.Helper()
	var b bytes.Buffer
	if err := snapshots.Write(&b, liveSnapshot(st)); err != nil {
		t.Fatal(err)
	}
	s, err := snapshots.Read(&b, "kept")
	if err != nil {
		t.Fatal(err)
	}
	again, err := engine.Reopen(stateOf(s), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestReopen: a snapshot shows what was shown when it was taken, at its end and
// at any moment before.
func TestReopen(t *testing.T) {
	unet, err := loadNamed("unet/varied")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("one workload", func(t *testing.T) { reopens(t, played(t)) })
	t.Run("several", func(t *testing.T) { reopens(t, played(t, unet, unet)) })
}

func reopens(t *testing.T, st *engine.State) {
	t.Helper()
	for i := range st.Sessions { // of several workloads they are named by their order
		st.Sessions[i].ID = int64(i)
	}
	again := reopened(t, st)
	if again.Status != engine.Recorded {
		t.Errorf("status %d", again.Status)
	}
	same := func(at string, want, got *engine.State) {
		t.Helper()
		for _, c := range []struct {
			name      string
			want, got any
		}{
			{"workload", [2]string{want.Workload.Name, want.Workload.SHA256}, [2]string{got.Workload.Name, got.Workload.SHA256}},
			{"sessions", want.Sessions, got.Sessions}, {"device", want.Device.Name, got.Device.Name}, {"config", want.Config, got.Config},
			{"seq", want.Seq, got.Seq}, {"run", want.Current, got.Current}, {"in run", want.InRun, got.InRun},
			{"total", want.Total, got.Total}, {"usage", want.Usage, got.Usage}, {"run count", want.RunCount, got.RunCount},
			{"runs", want.Runs, got.Runs}, {"adjusts", want.Adjusts, got.Adjusts}, {"marks", want.Marks, got.Marks},
			{"peak run", want.PeakRun, got.PeakRun}, {"peak time", want.PeakAtUS, got.PeakAtUS}, {"keys", want.Keys, got.Keys},
			{"slots", want.Slots, got.Slots}, {"key runs", want.KeyRuns, got.KeyRuns}, {"sizes", want.Sizes, got.Sizes},
			{"sharing", want.Sharing, got.Sharing},
		} {
			if !reflect.DeepEqual(c.want, c.got) {
				t.Errorf("%s: %s is %v, was %v", at, c.name, c.got, c.want)
			}
		}
	}
	h := &st.History
	for _, at := range []int64{h.First() + 1, h.End() / 5, h.End() / 2, h.End() - 1, h.End()} {
		same("a moment of it", engine.StateAt(st, at), engine.StateAt(again, at))
	}
	end := engine.StateAt(st, h.End())
	same("its end", end, again)

	stop := errors.New("stop")
	s := liveSnapshot(st)
	if _, err := engine.Reopen(stateOf(s), func() error { return stop }); st.RunCount > 64 && !errors.Is(err, stop) {
		t.Errorf("given up: %v", err)
	}
}

// TestReadGivenUp: a long recording that is read can be given up.
func TestReadGivenUp(t *testing.T) {
	var b bytes.Buffer
	if err := snapshots.Write(&b, liveSnapshot(played(t))); err != nil {
		t.Fatal(err)
	}
	stop, looks := errors.New("stop"), 0
	_, err := snapshots.ReadLooking(bytes.NewReader(b.Bytes()), "kept", func(share float64) error {
		if looks++; share <= 0 || share >= 1 {
			t.Errorf("%v of it is read", share)
		}
		return stop
	})
	if looks != 1 || !errors.Is(err, stop) {
		t.Errorf("looked %d times: %v", looks, err)
	}
}

// TestKeep: a snapshot and every export get a file each with a name of its own,
// whole; what fails or is given up leaves none and says what to do.
func TestKeep(t *testing.T) {
	st := played(t)
	k := newKeeper(t.TempDir())
	k.now = func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }
	ctx := t.Context()
	for _, want := range []string{"llama-3.2-1b-two-dynamicBucket-20300102-030405.snapshot", "llama-3.2-1b-two-dynamicBucket-20300102-030405-2.snapshot"} {
		path, err := k.save(ctx, st)
		if err != nil || filepath.Base(path) != want {
			t.Fatalf("%s, %v; want %s", path, err, want)
		}
		if d, s, err := readAny(t.Context(), path, &bar{}); err != nil || s == nil || len(d.Results[0].Runs) != int(st.RunCount) || len(s.Marks) != 2 || s.Marks[1].Text != "note: more runs from here" {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, f := range formats() {
		if f.Description == "" {
			t.Errorf("%s has no description", f.Name)
		}
		path, err := k.export(ctx, st, f.Name)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if f.Name == ortCSV {
			path = withWord(path, "memory")
		}
		if i, err := os.Stat(path); err != nil || i.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	files, _ := os.ReadDir(k.folder)
	given, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := k.save(given, st); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if now, _ := os.ReadDir(k.folder); len(now) != len(files) {
		t.Errorf("%d files are left of %d", len(now), len(files))
	}
	k.folder = filepath.Join(k.folder, "nosuch")
	if _, err := k.save(ctx, st); err == nil || !strings.Contains(err.Error(), "cannot write ") || !strings.Contains(err.Error(), "--folder") {
		t.Errorf("no such folder: %v", err)
	}
	st.Workload.Name = "../../etc/passwd\x00"
	if name := filepath.Base(newKeeper(".").name(st, ".x")); strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		t.Errorf("a hostile name becomes %q", name)
	}
}

// TestSimulate: the preview's figures are those of a run, and a suggestion keeps
// what it promises.
func TestSimulate(t *testing.T) {
	k := newKeeper(".")
	cfg := cachemodes.DefaultConfig()
	tr, err := loadNamed("unet/varied")
	if err != nil {
		t.Fatal(err)
	}
	w := engine.Workload{Name: tr.Name, SHA256: tr.SHA256}
	now, err := k.simulate(t.Context(), w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	res, err := engine.Profile(t.Context(), tr, device.NewHost(), engine.Options{Config: cfg, Weights: engine.MakeWeights, Repeat: 1})
	if err != nil {
		t.Fatal(err)
	}
	if now.Peak != res.Total.PeakHeld || now.Creates != res.Usage[cachemodes.Storage].Creates || now.Runs != int64(len(res.Runs)) {
		t.Errorf("simulated %+v", now)
	}
	progressed := false
	goal := tui.SearchGoal{Creates: true, Keys: 26, Now: cfg[cachemodes.Storage].Params.Table, Config: cfg}
	table, err := k.suggest(t.Context(), w, goal, func(done, total int) { progressed = progressed || done > 0 && total >= done })
	if err != nil || !progressed {
		t.Fatalf("progress %t, %v", progressed, err)
	}
	cfg[cachemodes.Storage].Params.Table = table
	then, err := k.simulate(t.Context(), w, cfg)
	if err != nil || then.Peak > now.Peak || then.Creates >= now.Creates {
		t.Errorf("suggested: %+v, was %+v, %v", then, now, err)
	}
	other := w
	other.SHA256 = "another"
	if _, err := k.simulate(t.Context(), other, cfg); err == nil || !strings.Contains(err.Error(), "is not at hand") {
		t.Errorf("another workload: %v", err)
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.suggest(given, w, goal, func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
