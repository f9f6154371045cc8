package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/lab"
	"bucketscope/snapshots"
	"bucketscope/snapshots/export"
	"bucketscope/tui"
	"bucketscope/workload"
)

// keeper is what the screen asks of files and simulations. Its methods are called
// beside the screen, several at once; wait waits for them.
type keeper struct {
	folder string
	now    func() time.Time
	wg     sync.WaitGroup

	mu     sync.Mutex
	traces map[string]*workload.Trace // that were played, by SHA-256
}

func newKeeper(folder string) *keeper {
	return &keeper{folder: folder, now: time.Now, traces: map[string]*workload.Trace{}}
}

// formatText says what an export is for, and how its file ends.
var formatText = map[string]struct{ what, ext string }{
	"chrome":     {"trace JSON for Perfetto and chrome://tracing", ".trace.json"},
	"pprof":      {"a profile for 'go tool pprof'", ".pb.gz"},
	"pytorch":    {"a memory snapshot for pytorch.org/memory_viz", ".pickle"},
	"benchstat":  {"Go benchmark lines", ".txt"},
	"csv":        {"held bytes and counts at every run and submit", ".csv"},
	ortCSV:       {"the two files of ONNX Runtime PR #25120", ".csv"},
	"prometheus": {"metrics in Prometheus's text format", ".prom"},
	"svg":        {"plots of peak, average, creates and keys", ".svg"},
	"png":        {"the same plots as pixels", ".png"},
	"html":       {"a page with interactive graphs, one file, no network", ".html"},
	castFormat:   {"this screen as it looked, for 'asciinema play'", ".cast"},
}

// formats are the exports that the screen offers.
func formats() []tui.ExportFormat {
	var out []tui.ExportFormat
	for _, f := range exportFormats {
		out = append(out, tui.ExportFormat{Name: f.name, Description: formatText[f.name].what})
	}
	return out
}

// save writes everything up to a state into a snapshot with a name of its own,
// and answers that.
func (k *keeper) save(ctx context.Context, st *engine.State) (string, error) {
	k.wg.Add(1)
	defer k.wg.Done()
	path := k.name(st, ".snapshot")
	return path, k.write(ctx, path, func(w io.Writer) error { return snapshots.Write(w, liveSnapshot(st)) })
}

// export writes it in another tool's format.
func (k *keeper) export(ctx context.Context, st *engine.State, format string) (string, error) {
	k.wg.Add(1)
	defer k.wg.Done()
	s := liveSnapshot(st)
	ext := formatText[format].ext
	if ext == "" {
		ext = "." + format
	}
	path := k.name(st, ext)
	for _, f := range exportFormats {
		if f.name != format {
			continue
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		return path, f.write(s, path, func(path string, write func(io.Writer) error) error { return k.write(ctx, path, write) })
	}
	return "", fmt.Errorf("there is no format %q", format)
}

// write writes a recording in the format, to the files that to makes.
func (f *exportFormat) write(s *snapshots.Snapshot, path string, to func(path string, write func(io.Writer) error) error) error {
	switch {
	case f.name == ortCSV:
		if err := to(withWord(path, "memory"), func(w io.Writer) error { return export.ORTMemory(w, s) }); err != nil {
			return err
		}
		return to(withWord(path, "sizes"), func(w io.Writer) error { return export.ORTSizes(w, s) })
	case f.document != nil:
		return to(path, func(w io.Writer) error { return f.document(w, s.Document(), filepath.Base(path)) })
	}
	return to(path, func(w io.Writer) error { return f.events(w, s) })
}

// write writes a file whole or not at all, until ctx is done.
func (k *keeper) write(ctx context.Context, path string, write func(io.Writer) error) error {
	err := writeFile(path, func(w io.Writer) error {
		if err := write(&stoppable{ctx, w}); err != nil {
			return err
		}
		return ctx.Err()
	})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: choose a folder that can be written to with --folder, or in the config file", err)
	}
	return err
}

// stoppable is a writer that stops with its context.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s *stoppable) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

// name is that of a file that is not there yet: what was played, under which
// mode, and when.
func (k *keeper) name(st *engine.State, ext string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.TrimSuffix(filepath.Base(strings.ReplaceAll(st.Workload.Name, "/", "-")), ".jsonl"))
	base := fmt.Sprintf("%s-%s-%s", strings.TrimLeft(plain, ".-"), st.Config[cachemodes.Storage].Mode, k.now().Format("20060102-150405"))
	for n := 1; ; n++ {
		path := filepath.Join(k.folder, base+ext)
		if n > 1 {
			path = filepath.Join(k.folder, fmt.Sprintf("%s-%d%s", base, n, ext))
		}
		if _, err := os.Lstat(path); err != nil {
			return path
		}
	}
}

// wait waits until no file is being written any more.
func (k *keeper) wait() { k.wg.Wait() }

// played remembers a trace for simulations.
func (k *keeper) played(t *workload.Trace) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.traces[t.SHA256] = t
}

// trace is a workload that was played, or one that is built in.
func (k *keeper) trace(w engine.Workload) (*workload.Trace, error) {
	k.mu.Lock()
	t := k.traces[w.SHA256]
	k.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := workload.Load(w.Name)
	if err != nil || t.SHA256 != w.SHA256 {
		return nil, fmt.Errorf("%s is not at hand: only what is played now, and what is built in, can be simulated", w.Name)
	}
	k.played(t)
	return t, nil
}

// simulate plays a workload to its end on no device.
func (k *keeper) simulate(ctx context.Context, w engine.Workload, cfg cachemodes.Config) (tui.Simulated, error) {
	t, err := k.trace(w)
	if err != nil {
		return tui.Simulated{}, err
	}
	res, err := engine.Profile(ctx, t, device.NewHost(), engine.Options{Config: cfg, Weights: engine.MakeWeights, Repeat: 1})
	if err != nil {
		return tui.Simulated{}, err
	}
	storage := &res.Usage[cachemodes.Storage]
	return tui.Simulated{
		Peak: res.Total.PeakHeld, Average: res.Total.AvgHeld(), Floor: res.Total.Floor,
		Creates: storage.Creates, CreateBytes: storage.CreateBytes, Runs: int64(len(res.Runs)),
	}, nil
}

// suggest searches a table that keeps one of its figures where the table in force
// has it, and makes the other small. Where none is found it answers that table.
func (k *keeper) suggest(ctx context.Context, w engine.Workload, g tui.SearchGoal, progress func(done, total int)) (cachemodes.Table, error) {
	t, err := k.trace(w)
	if err != nil {
		return nil, err
	}
	s := lab.NewStream(t, g.Config)
	now := lab.NewReplayer(s).Replay(g.Now)
	goal := lab.Goal{Keys: g.Keys, Cost: lab.DefaultCost(), Minimise: lab.Peak, Limits: []lab.Limit{{Measure: lab.Creates, Max: float64(now.Creates)}}}
	if g.Creates {
		goal.Minimise, goal.Limits = lab.Creates, []lab.Limit{{Measure: lab.Peak, Max: float64(now.Peak)}}
	}
	found, err := lab.Tune(ctx, s, goal, progress)
	if err != nil {
		return nil, err
	}
	f := &found.Best.Figures
	better := f.Peak < now.Peak
	if g.Creates {
		better = f.Creates < now.Creates
	}
	if !found.Met || !better {
		return g.Now, nil
	}
	return found.Best.Table, nil
}
