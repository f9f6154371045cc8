package cli

import (
	"sync/atomic"

	"github.com/spf13/cobra"

	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/probe/driver"
	"bucketscope/probe/metrics"
)

func addMetricsFlag(cmd *cobra.Command, addr *string) {
	cmd.Flags().StringVar(addr, "metrics", "", "serve Prometheus metrics on an `address`, as in :9400 (loopback only) or 0.0.0.0:9400")
}

// noServer is what serveMetrics answers where none is wanted.
func noServer() error { return nil }

// serveMetrics begins to serve on an address, if there is one, and answers with
// where and how to stop. An address that makes no sense, or is taken, is bad
// use.
func serveMetrics(addr string, latest func() *metrics.Sample) (url string, stop func() error, err error) {
	if addr == "" {
		return "", noServer, nil
	}
	s, err := metrics.Serve(addr, latest)
	if err != nil {
		return "", nil, usagef("--metrics: %w", err)
	}
	return "http://" + s.Addr + "/metrics", s.Close, nil
}

// gauge keeps the latest metrics of a profile that goes on in another
// goroutine.
type gauge struct {
	latest atomic.Pointer[metrics.Sample]
	name   string // of the workload
	limit  int64
	host   bool
}

// watch takes the figures of a profile.
func (g *gauge) watch(f *engine.Figures) {
	g.latest.Store(&metrics.Sample{
		Workload: g.name, Config: f.Config, Usage: f.Usage, Total: f.Total, Runs: f.Runs, Adjusts: f.Adjusts,
		Driver: deviceReading(f.Driver, g.host), Limit: g.limit,
	})
}

// liveSample are the metrics of a live profile.
func liveSample(s *engine.State, limit int64) *metrics.Sample {
	return &metrics.Sample{
		Workload: s.Workload.Name, Config: s.Config, Usage: s.Usage, Total: s.Total, Runs: s.RunCount, Adjusts: s.Adjusts,
		Driver: deviceReading(s.Driver, s.Device.Kind == device.Host), Limit: limit,
	}
}

// deviceReading is a reading as a metric of the device. What is read beside the
// host device is the program's own memory and no device's.
func deviceReading(r engine.Reading, host bool) probe.Reading {
	return probe.Reading{Bytes: r.Bytes, OK: r.OK && !host}
}

// limitOf is what memory a device has; 0 where that is not known.
func limitOf(info device.Info) int64 {
	m, err := driver.MemoryOf(info)
	if err != nil { // the doctor says why
		return 0
	}
	return m.Total
}
