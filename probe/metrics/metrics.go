// Package metrics tells Prometheus what a profile holds and does, while it runs
// or of a recording.
//
//	books ──► Sample ──► collector ──► Write  (text, of a recording)
//	                                └► Serve  (HTTP, while it runs)
//
// Names of the device follow OpenTelemetry's (hw.gpu.memory.usage), the others
// are our own.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// Sample is everything that is told, at one moment. Sizes are bytes.
type Sample struct {
	Workload string
	Config   cachemodes.Config
	Usage    [cachemodes.NumUsages]probe.Books
	Total    probe.Books
	Runs     int64 // ended
	Adjusts  int64
	// Driver is what the driver says, Limit what the device has; 0 if unknown.
	Driver probe.Reading
	Limit  int64
}

var (
	bytesDesc = prometheus.NewDesc("gpucache_bytes",
		"Bytes of buffers by state; in_use contains padding, which is what keys add to what was asked for.", []string{"state", "usage", "mode"}, nil)
	eventsDesc = prometheus.NewDesc("gpucache_events_total",
		"Requests served from the cache (hit) or by a new buffer (create), releases, destroyed buffers, renewals of learned keys (adjust).", []string{"event", "usage"}, nil)
	missesDesc  = prometheus.NewDesc("gpucache_misses_total", "New buffers by the reason why none was in the cache.", []string{"reason", "usage"}, nil)
	createdDesc = prometheus.NewDesc("gpucache_created_bytes_total", "Bytes of buffers that were created.", []string{"usage"}, nil)
	peakDesc    = prometheus.NewDesc("gpucache_peak_bytes", "The most that was held at once since the beginning: in use, pending and cached.", nil, nil)
	avgDesc     = prometheus.NewDesc("gpucache_avg_bytes", "Mean of held bytes over request and release events.", nil, nil)
	floorDesc   = prometheus.NewDesc("gpucache_floor_bytes", "Peak of requested bytes, below which no policy can go.", nil, nil)
	runsDesc    = prometheus.NewDesc("gpucache_runs_total", "Runs that have ended.", nil, nil)
	infoDesc    = prometheus.NewDesc("gpucache_workload_info", "What is played.", []string{"workload"}, nil)
	usageDesc   = prometheus.NewDesc("hw_gpu_memory_usage_bytes", "What the driver says that this process has on the device.", nil, nil)
	limitDesc   = prometheus.NewDesc("hw_gpu_memory_limit_bytes", "What the device has.", nil, nil)
)

// collector answers a scrape with the latest sample.
type collector struct{ latest func() *Sample }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bytesDesc, eventsDesc, missesDesc, createdDesc, peakDesc, avgDesc, floorDesc, runsDesc, infoDesc, usageDesc, limitDesc} {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.latest()
	if s == nil { // nothing has happened yet
		return
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(infoDesc, 1, s.Workload)
	for u := range s.Usage {
		usage, b := cachemodes.Usage(u), &s.Usage[u]
		name, mode := usage.String(), "none"
		if usage.Cached() {
			mode = s.Config[u].Mode.String()
		}
		gauge(bytesDesc, b.InUse, "in_use", name, mode)
		gauge(bytesDesc, b.Pending, "pending", name, mode)
		gauge(bytesDesc, b.Cached, "cached", name, mode)
		gauge(bytesDesc, b.Padding(), "padding", name, mode)
		counter(eventsDesc, b.Hits, "hit", name)
		counter(eventsDesc, b.Creates, "create", name)
		counter(eventsDesc, b.Requests-b.InUseCount, "release", name)
		counter(eventsDesc, b.Destroys, "destroy", name)
		counter(createdDesc, b.CreateBytes, name)
		for why := cachemodes.Cold; int(why) < cachemodes.NumReasons; why++ {
			if n := b.Misses[why]; n > 0 {
				counter(missesDesc, n, why.String(), name)
			}
		}
	}
	counter(eventsDesc, s.Adjusts, "adjust", "all")
	gauge(peakDesc, s.Total.PeakHeld)
	gauge(avgDesc, s.Total.AvgHeld())
	gauge(floorDesc, s.Total.Floor)
	counter(runsDesc, s.Runs)
	if s.Driver.OK {
		gauge(usageDesc, s.Driver.Bytes)
	}
	if s.Limit > 0 {
		gauge(limitDesc, s.Limit)
	}
}

func registry(latest func() *Sample) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{latest})
	return r
}

// Write writes a sample in Prometheus's text format.
func Write(w io.Writer, s *Sample) error {
	families, err := registry(func() *Sample { return s }).Gather()
	if err != nil {
		return err
	}
	e := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

// Server serves the metrics of something that runs.
type Server struct {
	// Addr is where it listens, with the port that it got if none was asked
	// for.
	Addr string
	http *http.Server
	done chan struct{}
	err  error // of serving; read after done
}

// Serve begins to answer GET /metrics on addr, "HOST:PORT". Without a host it
// listens on loopback only: figures of a machine are not for its network unless
// someone says so. latest is called from other goroutines; nil is no sample yet.
func Serve(addr string, latest func() *Sample) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: want HOST:PORT, or :PORT for loopback only: %w", addr, err)
	}
	if host == "" {
		host = "localhost"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("cannot serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(latest), promhttp.HandlerOpts{}))
	s := &Server{
		Addr: l.Addr().String(), done: make(chan struct{}),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	}()
	return s, nil
}

// Close stops to serve, and waits for answers that are being given for a second
// at most.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	<-s.done
	return errors.Join(err, s.err)
}
