package lab

import (
	"context"
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/internal/cost"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

// Predict plays a trace under a config as engine.Profile would, on a device
// that only counts what its calls would cost: the durations of the runs are
// predictions, everything else is as on any device.
func Predict(ctx context.Context, t *workload.Trace, cfg cachemodes.Config, weights engine.Weights, repeat int, prices *cost.Calibration) (*engine.Result, error) {
	return PredictAll(ctx, []*workload.Trace{t}, engine.Options{Config: cfg, Weights: weights, Repeat: repeat}, prices)
}

// PredictAll does so with what engine.ProfileAll plays; not with Parallel, where
// the order of events is nobody's.
func PredictAll(ctx context.Context, traces []*workload.Trace, o engine.Options, prices *cost.Calibration) (*engine.Result, error) {
	clock := cost.NewClock(prices)
	o.Clock = clock.NowUS
	return engine.ProfileAll(ctx, traces, clock, o)
}

// MeanUS is the mean duration of runs; 0 for none.
func MeanUS(runs []probe.Run) float64 {
	if len(runs) == 0 {
		return 0
	}
	var sum int64
	for i := range runs {
		sum += runs[i].DurationUS()
	}
	return float64(sum) / float64(len(runs))
}

// MedianUS is their median duration, in microseconds; 0 for none.
func MedianUS(runs []probe.Run) float64 {
	if len(runs) == 0 {
		return 0
	}
	var all []float64
	for i := range runs {
		all = append(all, float64(runs[i].DurationUS()))
	}
	return median(all)
}

// median of at least one number.
func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
