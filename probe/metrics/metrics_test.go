package metrics

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

func sample() *Sample {
	s := &Sample{Workload: "phi3", Config: cachemodes.DefaultConfig(), Runs: 3, Adjusts: 2, Driver: probe.Reading{Bytes: 77, OK: true}, Limit: 99}
	b := &s.Usage[cachemodes.Storage]
	b.Requests, b.Hits, b.Creates, b.InUseCount, b.InUse, b.Requested, b.Cached, b.Pending = 10, 7, 3, 2, 64, 60, 32, 16
	b.Misses[cachemodes.CapFull] = 3
	s.Total.PeakHeld, s.Total.Floor = 112, 60
	return s
}

// parsed reads text with Prometheus's own parser: "name{label="value",...}" to
// values.
func parsed(t *testing.T, text io.Reader) map[string]float64 {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(text)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			v := m.GetGauge().GetValue()
			if f.GetType() == dto.MetricType_COUNTER {
				v = m.GetCounter().GetValue()
			}
			out[name+"{"+strings.Join(labels, ",")+"}"] = v
		}
	}
	return out
}

func check(t *testing.T, got map[string]float64) {
	t.Helper()
	for name, want := range map[string]float64{
		"gpucache_bytes{mode=bucket,state=in_use,usage=storage}":  64,
		"gpucache_bytes{mode=bucket,state=padding,usage=storage}": 4,
		"gpucache_bytes{mode=bucket,state=cached,usage=storage}":  32,
		"gpucache_bytes{mode=bucket,state=pending,usage=storage}": 16,
		"gpucache_bytes{mode=simple,state=cached,usage=uniform}":  0,
		"gpucache_bytes{mode=none,state=in_use,usage=weights}":    0,
		"gpucache_events_total{event=hit,usage=storage}":          7,
		"gpucache_events_total{event=create,usage=storage}":       3,
		"gpucache_events_total{event=release,usage=storage}":      8,
		"gpucache_events_total{event=adjust,usage=all}":           2,
		"gpucache_misses_total{reason=cap_full,usage=storage}":    3,
		"gpucache_peak_bytes{}":                                   112,
		"gpucache_runs_total{}":                                   3,
		"hw_gpu_memory_usage_bytes{}":                             77,
		"hw_gpu_memory_limit_bytes{}":                             99,
		"gpucache_workload_info{workload=phi3}":                   1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
}

// TestWrite reads the text with Prometheus's parser.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, sample()); err != nil {
		t.Fatal(err)
	}
	check(t, parsed(t, &b))
	unknown := sample()
	unknown.Driver.OK, unknown.Limit = false, 0
	b.Reset()
	if err := Write(&b, unknown); err != nil || strings.Contains(b.String(), "hw_gpu") {
		t.Errorf("a reading that nobody gave is told: %v\n%s", err, &b)
	}
}

// TestServe: on loopback unless told otherwise; nothing before the first
// sample; no address, no server.
func TestServe(t *testing.T) {
	var now *Sample
	s, err := Serve(":0", func() *Sample { return now })
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Errorf("it listens on %s", s.Addr)
	}
	get := func() map[string]float64 {
		r, err := http.Get("http://" + s.Addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return parsed(t, r.Body)
	}
	if got := get(); len(got) != 0 {
		t.Errorf("before the first sample: %v", got)
	}
	now = sample()
	check(t, get())
	if _, err := Serve(s.Addr, nil); err == nil || !strings.Contains(err.Error(), "cannot serve metrics") {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, addr := range []string{"", "x", "9090", "localhost:99999"} {
		if _, err := Serve(addr, nil); err == nil {
			t.Errorf("%q is an address", addr)
		}
	}
}
