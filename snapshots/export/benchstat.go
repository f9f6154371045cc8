package export

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"bucketscope/snapshots"
)

// Benchstat writes a line per result in the Go benchmark format
// (golang.org/design/14313-benchmark-format), which benchstat compares:
//
//	BenchmarkWorkload/trace=phi3-mini-4k_grow/mode=bucket 1 3665040160 peak-B ...
//
// Units ending in -B are bytes. The configuration line "source" tells files
// apart: benchstat -col source. Latency is there only where time means
// something.
func Benchstat(w io.Writer, d *snapshots.RunDocument, source string) error {
	var b bytes.Buffer
	config := func(key, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	config("source", source)
	config("device", d.Device.Name)
	config("driver", d.Device.Driver)
	config("trace-sha256", d.Workload.SHA256)
	for i := range d.Results {
		r := &d.Results[i]
		fmt.Fprintf(&b, "BenchmarkWorkload/trace=%s/mode=%s 1 %d peak-B %d avg-B", benchName(d.Workload.Name), benchName(r.Label()),
			r.Totals.PeakHeldBytes, r.Totals.AvgHeldBytes)
		if n := len(r.Runs); n > 0 {
			var creates, duration int64
			for j := range r.Runs {
				creates += r.Runs[j].Creates
				duration += r.Runs[j].DurationUS
			}
			fmt.Fprintf(&b, " %.6g creates/run", float64(creates)/float64(n))
			if r.Latency != nil {
				fmt.Fprintf(&b, " %.6g ms/run", float64(duration)/float64(n)/1000)
			}
		}
		fmt.Fprintln(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// benchName is a name without what would end it in a benchmark line.
func benchName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' || r == '=' {
			return '_'
		}
		return r
	}, s)
}
