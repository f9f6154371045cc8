package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
	"bucketscope/workload"
)

// unstreamed are the flags of run that want a trace as a whole, or a device that
// one alone can play on, with the reason.
var unstreamed = map[string]string{
	"workload":      "it plays a --trace",
	"session":       "it plays a --trace",
	"sessions":      "the others would want it from its beginning",
	"repeat":        "nothing is kept to repeat; record --repeat writes a longer trace",
	"graph-capture": "which runs can be captured is known at the trace's end",
	"snapshot":      "a snapshot keeps every event",
	"calibration":   "a prediction plays the trace again",
	"metrics":       "it publishes nothing meanwhile",
	"weights":       "the host device makes nothing",
}

// runStream is run of a trace that is played while it is read.
func (a *app) runStream(cmd *cobra.Command, f *playFlags, o runOutput) error {
	for name, why := range unstreamed {
		if cmd.Flags().Changed(name) {
			return usagef("--stream and --%s do not go together: %s", name, why)
		}
	}
	if f.trace == "" {
		return usagef("--stream: want a --trace (- for standard input)")
	}
	if f.device != "auto" && f.device != "host" {
		return usagef("--stream and --device %s do not go together: what a trace needs of a device is known at its end; --stream plays on host", f.device)
	}
	configs, err := f.configs()
	if err != nil {
		return err
	}
	sharings, err := f.sessions.sharings()
	if err != nil {
		return err
	}
	in, name := a.stdin, "stdin"
	if f.trace != "-" {
		name = f.trace
		if in, err = os.Open(f.trace); err != nil {
			return usageError{err}
		}
		defer func() { _ = in.Close() }() // nothing was written
	}
	var options []engine.StreamOptions
	for _, cfg := range configs {
		for _, sharing := range sharings {
			options = append(options, engine.StreamOptions{Config: cfg, Sharing: sharing, Runs: o.json != ""})
		}
	}
	return a.playStream(cmd.Context(), in, name, options, o)
}

// playStream plays what in has under each option, and tells the figures.
func (a *app) playStream(ctx context.Context, in io.Reader, name string, options []engine.StreamOptions, o runOutput) error {
	s, err := workload.NewStream(in, name)
	if err != nil {
		return err
	}
	defer s.Close()
	bar := a.progress()
	results, err := engine.ProfileStream(ctx, s, options, func(done int64) {
		bar.count(fmt.Sprintf("%d million events", done/1e6))
	})
	bar.clear()
	if err != nil {
		return err
	}
	doc := document([]*workload.Trace{s.Trace()}, device.NewHost().Info(), engine.MakeWeights, 1)
	doc.Workload.Events = int(results[0].Events)
	for i, res := range results {
		doc.Results = append(doc.Results, result(device.NewHost().Info(), res, options[i].Sharing, false))
	}
	switch o.json {
	case "":
	case "-":
		return snapshots.WriteRun(a.out, doc)
	default:
		if err := writeFile(o.json, func(w io.Writer) error { return snapshots.WriteRun(w, doc) }); err != nil {
			return err
		}
	}
	return a.printRun(doc, o.si)
}
