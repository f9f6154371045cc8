package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/internal/units"
	"bucketscope/probe/driver"
	"bucketscope/workload"
)

// defaultWorkload is what is played if nothing is asked for.
const defaultWorkload = "phi3-mini-4k/grow"

// playFlags say what to play, on what and how.
type playFlags struct {
	workload, trace string
	mode            string
	modes           [cachemodes.NumCaches]string // of the other usages
	device          string
	weights         string
	table           string
	round           int64
	adjust          int
	history         int
	refresh         int
	cacheLimit      int64
	fitRatio        int
	calibration     string      // file; empty is the device's own
	named           *pflag.Flag // --workload, to tell whether it was given
	sessions        sessionFlags
}

// sessionFlags say which sessions there are and what they share.
type sessionFlags struct {
	scope       string
	count       int
	mixed       []string
	seed        uint64
	turns       string
	hazard      string
	capture     bool
	generations int
}

func (s *sessionFlags) add(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&s.scope, "scope", cachemodes.ScopeDevice.String(), "`who` shares free buffers: device, session, run or shared-free")
	p.IntVar(&s.count, "sessions", 1, "play the workload in so many `sessions` at the same time on one device")
	p.StringArrayVar(&s.mixed, "session", nil, "play this `workload` in a session; may be given more than once, instead of --workload")
	p.Uint64Var(&s.seed, "seed", 1, "`number` that says how sessions take turns")
	p.StringVar(&s.turns, "turns", turnsEvents, "`how` sessions take turns: events, runs, or parallel for a thread of its own for each")
	p.StringVar(&s.hazard, "hazard", "", "do `wrong` on purpose, to see it found: "+hazardNames())
	p.BoolVar(&s.capture, "graph-capture", false, "capture the first run of a shape as a graph, and replay it afterwards")
	p.IntVar(&s.generations, "session-buffer-pool-generations", cachemodes.DefaultGenerations, "retired `graphs` whose buffers a session keeps for its next one, ORT's sessionBufferPoolGenerations")
	var scopes []string
	for _, scope := range cachemodes.Scopes() {
		scopes = append(scopes, scope.String())
	}
	completeFlag(cmd, "scope", scopes...)
	completeFlag(cmd, "turns", turnsEvents, turnsRuns, turnsParallel)
	completeFlag(cmd, "hazard", strings.Split(hazardNames(), ", ")...)
}

func hazardNames() string {
	var names []string
	for _, h := range cachemodes.Hazards() {
		names = append(names, h.String())
	}
	return strings.Join(names, ", ")
}

// sharings are one for each scope of a list, or for all.
func (s *sessionFlags) sharings() ([]cachemodes.Sharing, error) {
	h, err := cachemodes.LookupHazard(s.hazard)
	if err != nil {
		return nil, usagef("--hazard: %w", err)
	}
	if s.turns != turnsEvents && s.turns != turnsRuns && s.turns != turnsParallel {
		return nil, usagef("--turns %q: want events, runs or parallel", s.turns)
	}
	if s.generations < 0 || s.generations > 1<<10 {
		return nil, usagef("--session-buffer-pool-generations %d: want 0 to 1024", s.generations)
	}
	names := strings.Split(s.scope, ",")
	if strings.EqualFold(s.scope, "all") {
		names = nil
		for _, scope := range cachemodes.Scopes() {
			names = append(names, scope.String())
		}
	}
	var out []cachemodes.Sharing
	for _, name := range names {
		scope, err := cachemodes.LookupScope(strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("--scope: %w", err)
		}
		if h == cachemodes.WrongManager && scope == cachemodes.ScopeDevice && !s.capture {
			return nil, usagef("--hazard %s: there is one cache alone under --scope device; give another --scope, or --graph-capture", h)
		}
		out = append(out, cachemodes.Sharing{Scope: scope, Generations: s.generations, Provoke: h})
	}
	switch {
	case h == cachemodes.GraphLent && !s.capture:
		return nil, usagef("--hazard %s: nothing is captured; give --graph-capture", h)
	case h == cachemodes.CrossSession && s.count < 2 && len(s.mixed) < 2:
		return nil, usagef("--hazard %s: one session is alone; give --sessions 2 or more", h)
	}
	return out, nil
}

// The ways in which sessions take turns.
const (
	turnsEvents   = "events"
	turnsRuns     = "runs"
	turnsParallel = "parallel"
)

// maxSessions bounds how many workloads are played at the same time.
const maxSessions = 1024

// addWorkload adds the flags that say what to play.
func (f *playFlags) addWorkload(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVarP(&f.workload, "workload", "w", defaultWorkload, "`name` of a built-in recording or a generator, see 'bucketscope workloads'")
	p.StringVarP(&f.trace, "trace", "t", "", "trace `file` to play instead (plain, gzip or zstd; - for standard input)")
	var names []string
	for _, w := range workload.Builtin() {
		names = append(names, w.Name)
	}
	for _, p := range workload.Presets() {
		names = append(names, "llm:"+p.Name)
	}
	completeFlag(cmd, "workload", names...)
	f.named = p.Lookup("workload")
}

func (f *playFlags) add(cmd *cobra.Command) {
	f.addWorkload(cmd)
	f.sessions.add(cmd)
	p, d := cmd.Flags(), cachemodes.DefaultConfig()
	p.StringVarP(&f.mode, "mode", "m", d[cachemodes.Storage].Mode.String(), "cache `mode` of storage buffers, ORT's "+cachemodes.Storage.Option())
	for _, u := range []cachemodes.Usage{cachemodes.Uniform, cachemodes.QueryResolve, cachemodes.Default} {
		name := strings.ReplaceAll(u.String(), "_", "-")
		p.StringVar(&f.modes[u], name+"-mode", d[u].Mode.String(), "cache `mode` of "+strings.ReplaceAll(u.String(), "_", " ")+" buffers, ORT's "+u.Option())
	}
	p.StringVarP(&f.device, "device", "d", "auto", "`device` to play on: auto, host, webgpu, webgpu:N or webgpu:NAME")
	p.StringVar(&f.weights, "weights", "", "`how` to treat weights: make them on the device, or account for them only (default account on a software adapter, else make)")
	p.StringVar(&f.table, "table", "", "key:cap `table` of the bucket modes, as in '4194304:64 8388608:32'")
	params := cachemodes.DefaultParams()
	p.Int64Var(&f.round, "round", params.Round, "round storage sizes up to a multiple of so many `bytes`")
	p.IntVar(&f.adjust, "adjust-every", params.AdjustEvery, "dynamicBucket: `runs` between adjustments")
	p.IntVar(&f.history, "history", params.History, "dynamicBucket: adjust `periods` that a key outlives its last use")
	p.IntVar(&f.refresh, "refresh-every", params.RefreshEvery, "look at pending storage buffers every so many `submits`")
	p.Int64Var(&f.cacheLimit, "cache-limit", params.CacheLimit, "mlx: most free `bytes` kept, 0 for no limit")
	p.IntVar(&f.fitRatio, "fit-ratio", params.FitRatio, "ncnnRatio: how much of a larger buffer a request must fill, in 1/256ths; 0 is `any`")
	p.StringVar(&f.calibration, "calibration", "", "`file` from calibrate that predicts run latency (default the device's own, where there is one)")
	var modes []string
	for _, m := range cachemodes.Modes() {
		modes = append(modes, m.Name)
	}
	for _, flag := range []string{"mode", "uniform-mode", "query-resolve-mode", "default-mode"} {
		completeFlag(cmd, flag, modes...)
	}
	completeFlag(cmd, "device", "auto", "host", "webgpu")
	completeFlag(cmd, "weights", "make", "account")
}

// completeWith completes a flag's value with one of words.
func completeWith(words ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// config is the setting of every cache, with storage's mode as given.
func (f *playFlags) config(mode string) (cachemodes.Config, error) {
	cfg := cachemodes.DefaultConfig()
	params := cachemodes.DefaultParams()
	params.Round, params.AdjustEvery, params.History, params.RefreshEvery = f.round, f.adjust, f.history, f.refresh
	params.CacheLimit, params.FitRatio = f.cacheLimit, f.fitRatio
	if f.table != "" {
		table, err := cachemodes.ParseTable(f.table)
		if err != nil {
			return cfg, usagef("--table: %w", err)
		}
		params.Table = table
	}
	if err := params.Validate(); err != nil {
		return cfg, usageError{err}
	}
	m, err := cachemodes.Lookup(mode)
	if err != nil {
		return cfg, usagef("--mode: %w", err)
	}
	cfg[cachemodes.Storage] = cachemodes.Setting{Mode: m.ID, Params: params}
	for u, name := range f.modes {
		if name == "" {
			continue
		}
		m, err := cachemodes.Lookup(name)
		if err != nil {
			return cfg, usagef("--%s-mode: %w", strings.ReplaceAll(cachemodes.Usage(u).String(), "_", "-"), err)
		}
		cfg[u].Mode = m.ID
	}
	return cfg, nil
}

// configs are one config for each mode of a list, or for all.
func (f *playFlags) configs() ([]cachemodes.Config, error) {
	names := strings.Split(f.mode, ",")
	if strings.EqualFold(f.mode, "all") {
		names = nil
		for _, m := range cachemodes.Modes() {
			names = append(names, m.Name)
		}
	}
	var out []cachemodes.Config
	for _, name := range names {
		cfg, err := f.config(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		out = append(out, cfg)
	}
	return out, nil
}

// load reads the workload.
func (f *playFlags) load() (*workload.Trace, error) {
	if f.trace != "" && f.named.Changed {
		return nil, usagef("--workload and --trace both say what to play: give one")
	}
	if f.trace != "" {
		t, err := workload.Open(f.trace)
		var bad *workload.FormatError
		if err != nil && !errors.As(err, &bad) { // a file that is not there is bad use
			return nil, usageError{err}
		}
		return t, err
	}
	return loadNamed(f.workload)
}

// loadAll reads the workloads of all sessions.
func (f *playFlags) loadAll() ([]*workload.Trace, error) {
	s := &f.sessions
	if s.count < 1 || s.count*max(len(s.mixed), 1) > maxSessions {
		return nil, usagef("--sessions %d: want 1 to %d in all", s.count, maxSessions)
	}
	if len(s.mixed) > 0 && (f.trace != "" || f.named.Changed) {
		return nil, usagef("--session and --workload or --trace both say what to play: give one")
	}
	var kinds []*workload.Trace
	for _, name := range s.mixed {
		t, err := loadNamed(name)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, t)
	}
	if len(kinds) == 0 {
		t, err := f.load()
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, t)
	}
	var out []*workload.Trace
	for range s.count {
		out = append(out, kinds...)
	}
	return out, nil
}

func loadNamed(name string) (*workload.Trace, error) {
	t, err := workload.Load(name)
	if err != nil {
		return nil, usageError{err}
	}
	return t, nil
}

// open opens the device that was asked for. The note says what was chosen
// where that needs saying.
func (a *app) open(f *playFlags) (dev device.Device, weights engine.Weights, err error) {
	switch f.weights {
	case "", string(engine.MakeWeights), string(engine.AccountWeights):
	default:
		return nil, "", usagef("--weights %q: want make or account", f.weights)
	}
	// Among no adapters only a name that makes no sense fails for another reason.
	if _, err := device.Choose(nil, f.device); err != nil && !errors.Is(err, device.ErrNoAdapter) {
		return nil, "", usagef("--device: %w", err)
	}
	if f.device != "host" {
		a.capture()
	}
	dev, note, err := device.Open(f.device)
	if err != nil {
		return nil, "", err
	}
	if note != "" {
		a.note(note)
	}
	weights = engine.Weights(f.weights)
	if weights == "" {
		weights = engine.MakeWeights
		if dev.Info().Type == device.CPU {
			weights = engine.AccountWeights
		}
	}
	return dev, weights, nil
}

// note tells the log what a person need not see at once.
func (a *app) note(text string) {
	if log := a.stream.Log(); log != nil {
		fmt.Fprintln(log, text)
	}
}

// fits tells whether a workload fits on a device under a config, before
// anything is made on it.
func fits(ctx context.Context, t *workload.Trace, cfg cachemodes.Config, dev device.Device, weights engine.Weights) error {
	return allFit(ctx, []*workload.Trace{t}, cfg, dev, weights)
}

// allFit is fits of workloads that are played at the same time.
func allFit(ctx context.Context, traces []*workload.Trace, cfg cachemodes.Config, dev device.Device, weights engine.Weights) error {
	info := dev.Info()
	if info.Kind == device.Host {
		return nil
	}
	name := nameOf(traces)
	need, largest, err := engine.NeedAll(ctx, traces, cfg, weights)
	if err != nil {
		return err
	}
	mode := cfg[cachemodes.Storage].Mode
	if info.MaxBufferSize > 0 && largest > info.MaxBufferSize {
		return fmt.Errorf("%s under %s asks for a buffer of %s; %s makes none above %s: choose another --mode or --device",
			name, mode, units.Bytes(largest, false), info.Name, units.Bytes(info.MaxBufferSize, false))
	}
	// Where it is not known how much there is, the doctor says why.
	if have, err := driver.MemoryOf(info); err == nil && need > have.Available {
		return fmt.Errorf("%s under %s needs %s on the device at its peak; %s has %s available of %s (%s): %s",
			name, mode, units.Bytes(need, false), info.Name, units.Bytes(have.Available, false), units.Bytes(have.Total, false), have.Source,
			remedy(ctx, traces, cfg, weights, have.Available))
	}
	return nil
}

// remedy is what would make a workload fit.
func remedy(ctx context.Context, traces []*workload.Trace, cfg cachemodes.Config, weights engine.Weights, available int64) string {
	if weights == engine.MakeWeights {
		if without, _, err := engine.NeedAll(ctx, traces, cfg, engine.AccountWeights); err == nil && without <= available {
			return fmt.Sprintf("--weights account counts the weights without making them, and needs %s", units.Bytes(without, false))
		}
	}
	return "choose another --mode, or --device host"
}

// nameOf names workloads that are played at the same time: "8 x unet/varied",
// "phi3-mini-4k/grow + bert/varied".
func nameOf(traces []*workload.Trace) string {
	var names []string
	count := map[string]int{}
	for _, t := range traces {
		if count[t.Name]++; count[t.Name] == 1 {
			names = append(names, t.Name)
		}
	}
	for i, n := range names {
		if count[n] > 1 {
			names[i] = fmt.Sprintf("%d x %s", count[n], n)
		}
	}
	return strings.Join(names, " + ")
}
