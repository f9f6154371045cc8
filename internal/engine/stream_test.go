package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
)

// TestProfileStream: a trace that is played while it is read gives what it
// gives when it was read before, under every mode and scope.
func TestProfileStream(t *testing.T) {
	for _, name := range []string{"llama-3.2-1b/two", "bert/varied"} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			if err := workload.Write(&text, load(t, name)); err != nil {
				t.Fatal(err)
			}
			var options []StreamOptions
			for _, m := range cachemodes.Modes() {
				options = append(options, StreamOptions{Config: config(m.ID), Runs: true})
			}
			options = append(options, StreamOptions{Config: config(cachemodes.BucketMode), Sharing: cachemodes.Sharing{Scope: cachemodes.ScopeSession}})
			s, err := workload.NewStream(&text, name)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			results, err := ProfileStream(t.Context(), s, options, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range results {
				o := options[i]
				want, err := Profile(t.Context(), load(t, name), device.NewHost(), Options{Config: o.Config, Weights: MakeWeights, Sharing: o.Sharing})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range []*Result{got, want} { // what a clock says
					r.Elapsed = 0
					for j := range r.Runs {
						r.Runs[j].StartUS, r.Runs[j].EndUS = 0, 0
					}
					for j := range r.Sessions {
						r.Sessions[j].Workload = ""
					}
				}
				if !o.Runs {
					if len(got.Runs) != 0 {
						t.Errorf("%d runs were kept", len(got.Runs))
					}
					want.Runs = nil
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s:\n got %+v\nwant %+v", o.Config[cachemodes.Storage].Mode, o.Sharing.Scope, got, want)
				}
			}
		})
	}
}

// TestProfileStreamEnds: bad input ends it with its line, and a cancelled
// context with its error.
func TestProfileStreamEnds(t *testing.T) {
	var text bytes.Buffer
	if err := workload.Write(&text, load(t, "bert/varied")); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(text.String(), "\n")
	lines[1_000] = "nonsense\n"
	s, err := workload.NewStream(strings.NewReader(strings.Join(lines, "")), "x")
	if err != nil {
		t.Fatal(err)
	}
	var bad *workload.FormatError
	if _, err := ProfileStream(t.Context(), s, []StreamOptions{{Config: cachemodes.DefaultConfig()}}, nil); !errors.As(err, &bad) || bad.Line != 1_001 {
		t.Errorf("error %v, want one of line 1001", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if s, err = workload.NewStream(&endless{runs: 1 << 40}, "endless"); err != nil {
		t.Fatal(err)
	}
	if _, err := ProfileStream(ctx, s, []StreamOptions{{Config: cachemodes.DefaultConfig()}}, func(done int64) {
		if done > 10_000 {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
}

// endless is the text of a trace of so many equal runs of 2,000 events, each
// with buffers of many sizes and one that stays out until the next.
type endless struct {
	runs, run int64
	buf       int64
	text      bytes.Buffer
}

const endlessEvents = 2_000

func (c *endless) Read(p []byte) (int, error) {
	if c.text.Len() == 0 {
		switch {
		case c.run == 0:
			fmt.Fprintln(&c.text, `{"format":"bucketscope-trace","version":1}`)
			fmt.Fprintln(&c.text, `{"op":"session_create","session":0,"model":"m"}`)
			fmt.Fprintln(&c.text, `{"op":"session_ready","session":0}`)
		case c.run > c.runs:
			return 0, io.EOF
		}
		c.run++
		fmt.Fprintf(&c.text, `{"op":"run_start","session":0,"run":%d,"label":"x"}`+"\n", c.run)
		for i := range int64(endlessEvents/2 - 1) {
			c.buf++
			fmt.Fprintf(&c.text, `{"op":"request","session":0,"run":%d,"phase":"run","buf":%d,"bytes":%d,"usage":"storage"}`+"\n", c.run, c.buf, 64*(1+i))
			if c.buf > 1 {
				fmt.Fprintf(&c.text, `{"op":"release","buf":%d}`+"\n", c.buf-1)
			}
			if i%100 == 0 {
				fmt.Fprintln(&c.text, `{"op":"submit","session":0,"dispatches":1,"copies":0}`)
			}
		}
		fmt.Fprintf(&c.text, `{"op":"run_end","session":0,"run":%d}`+"\n", c.run)
	}
	return c.text.Read(p)
}

// TestProfileStreamMemory: what is held does not grow with the events, but for
// what the stream keeps of each run.
func TestProfileStreamMemory(t *testing.T) {
	const runs = 400
	s, err := workload.NewStream(&endless{runs: runs}, "endless")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var early, late int64
	var options []StreamOptions
	for _, m := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Simple, cachemodes.DynamicBucket, cachemodes.Watermark} {
		options = append(options, StreamOptions{Config: config(m)})
	}
	results, err := ProfileStream(t.Context(), s, options, func(done int64) {
		switch {
		case early == 0 && done > runs*endlessEvents/8:
			early = heap()
		case late == 0 && done > (runs-1)*endlessEvents:
			late = heap()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := results[0].Events; n < runs*endlessEvents || late == 0 {
		t.Fatalf("%d events", n)
	}
	// A byte of every event would be some 700 KB.
	const perRun = 200
	if grew := late - early; grew > runs*perRun+64<<10 {
		t.Errorf("the heap grew by %d bytes over %d events, from %d", grew, runs*endlessEvents*7/8, early)
	} else {
		t.Logf("the heap grew by %d bytes, from %d", grew, early)
	}
	runtime.KeepAlive(s)
}
