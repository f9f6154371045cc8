package engine

import (
	"errors"
	"os"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/workload"
	"bucketscope/workload/recordings"
)

// requireWebGPU is set where a missing adapter is a failure: in CI, which
// installs one.
const requireWebGPU = "BUCKETSCOPE_REQUIRE_WEBGPU"

// openWebGPU opens whatever adapter there is.
func openWebGPU(t *testing.T) device.Device {
	t.Helper()
	dev, _, err := device.Open("webgpu")
	if errors.Is(err, device.ErrNoAdapter) && os.Getenv(requireWebGPU) == "" {
		t.Skipf("%v; Debian's mesa-vulkan-drivers has a software one, and %s=1 makes this a failure", err, requireWebGPU)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return dev
}

// TestGoldenWebGPU is TestGolden with real buffers: the shortest recordings,
// so that a software adapter plays them in seconds.
func TestGoldenWebGPU(t *testing.T) {
	for _, name := range []string{"unet/varied", "bert/varied"} {
		golden, err := recordings.Golden(name)
		if err != nil {
			t.Fatal(err)
		}
		tr := load(t, name)
		for _, mode := range []string{"disabled", "lazyRelease", "simple", "bucket"} {
			t.Run(name+" "+mode, func(t *testing.T) {
				dev := openWebGPU(t)
				compareGolden(t, tr, golden[mode], mode, dev, AccountWeights)
				if n := live(t, dev); n != 0 {
					t.Errorf("%d buffers are left on the device", n)
				}
			})
		}
	}
}

// live counts the buffers on a device, once what was given up is really gone.
func live(t *testing.T, dev device.Device) int {
	t.Helper()
	if err := dev.Wait(); err != nil {
		t.Fatal(err)
	}
	n, err := dev.(device.Counter).LiveBuffers()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// spy notes the order of what a run asks of a device.
type spy struct {
	device.Device
	calls []string
}

func (s *spy) Use(r device.Recording, id device.ID, recycled bool) error {
	s.calls = append(s.calls, "use")
	return s.Device.Use(r, id, recycled)
}

func (s *spy) Submit(r device.Recording) error {
	s.calls = append(s.calls, "submit")
	return s.Device.Submit(r)
}

func (s *spy) Wait() error {
	s.calls = append(s.calls, "wait")
	return s.Device.Wait()
}

// TestRunsAreTheirOwn: a run begins and ends with an idle queue, so that its
// latency is its own; commands go to the queue where the recording sent them.
func TestRunsAreTheirOwn(t *testing.T) {
	tr := load(t, "unet/varied")
	dev := &spy{Device: device.NewHost()}
	p := newPlayer(tr, cachemodes.DefaultConfig(), dev, MakeWeights)
	for i := range tr.Events {
		e := &tr.Events[i]
		before := len(dev.calls)
		if err := p.step(e); err != nil {
			t.Fatal(err)
		}
		got, want := dev.calls[before:], []string(nil)
		switch e.Op {
		case workload.RunStart:
			want = []string{"submit", "wait"}
		case workload.RunEnd:
			want = []string{"wait"}
		case workload.Submit:
			want = []string{"submit"}
		case workload.Request:
			want = []string{"use"}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("event %d (%s): the device is asked for %q, want %q", i, e.Op, got, want)
		}
	}
}

// TestLedgerAgainstDevice counts the buffers that the GPU library really has
// against the ledger at the end of every run.
func TestLedgerAgainstDevice(t *testing.T) {
	dev := openWebGPU(t)
	tr := load(t, "unet/varied")
	for _, mode := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.DynamicBucket} {
		p := newPlayer(tr, config(mode), dev, MakeWeights)
		runs := 0
		for i := range tr.Events {
			if err := p.step(&tr.Events[i]); err != nil {
				t.Fatal(err)
			}
			if p.led.Runs() > int64(runs) {
				runs++
				if got, want := live(t, dev), p.led.Live(); int64(got) != want {
					t.Fatalf("%s, after run %d: the device has %d buffers, the ledger %d", mode, runs, got, want)
				}
			}
		}
		if runs != len(tr.Runs) {
			t.Errorf("%d runs, want %d", runs, len(tr.Runs))
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSessionsWebGPU plays sessions at the same time on real buffers, each with
// a recording of its own: the runs are those of the host, and nothing is left.
func TestSessionsWebGPU(t *testing.T) {
	for _, scope := range cachemodes.Scopes() {
		t.Run(scope.String(), func(t *testing.T) {
			dev := openWebGPU(t)
			var traces []*workload.Trace
			for range 3 {
				traces = append(traces, load(t, "unet/varied"))
			}
			res, err := ProfileAll(t.Context(), traces, dev, Options{
				Config: cachemodes.DefaultConfig(), Weights: AccountWeights, Sharing: cachemodes.Sharing{Scope: scope}, Parallel: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Runs) != 36 || res.HazardCount != 0 {
				t.Errorf("%d runs, hazards %v", len(res.Runs), res.Hazards)
			}
			if n := live(t, dev); n != 0 {
				t.Errorf("%d buffers are left on the device", n)
			}
		})
	}
}
