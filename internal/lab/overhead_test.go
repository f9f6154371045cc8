package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// call is one of a device's: 'c'reate, 'u'se, 'd'estroy, 's'ubmit, 'w'ait.
type call struct {
	what      byte
	recycled  bool
	usage     cachemodes.Usage
	id        device.ID
	recording device.Recording
	size      int64
}

// logged is a timed device that writes down what it is asked for.
type logged struct {
	device.Device
	live map[device.ID]bool
	log  []call
}

func (d *logged) Info() device.Info { return timed{}.Info() }

func (d *logged) Create(id device.ID, size int64, u cachemodes.Usage) error {
	d.log = append(d.log, call{what: 'c', id: id, size: size, usage: u})
	err := d.Device.Create(id, size, u)
	if err == nil {
		d.live[id] = true
	}
	return err
}

func (d *logged) Use(r device.Recording, id device.ID, recycled bool) error {
	d.log = append(d.log, call{what: 'u', id: id, recording: r, recycled: recycled})
	if !d.live[id] {
		return fmt.Errorf("there is no buffer %d", id)
	}
	return d.Device.Use(r, id, recycled)
}

func (d *logged) Destroy(id device.ID) {
	d.log = append(d.log, call{what: 'd', id: id})
	delete(d.live, id)
	d.Device.Destroy(id)
}

func (d *logged) Submit(r device.Recording) error {
	d.log = append(d.log, call{what: 's', recording: r})
	return d.Device.Submit(r)
}

func (d *logged) Wait() error {
	d.log = append(d.log, call{what: 'w'})
	return d.Device.Wait()
}

func overheadOptions(t *testing.T) OverheadOptions {
	return OverheadOptions{
		Workloads: []*workload.Trace{load(t, "unet/varied")}, Mode: cachemodes.BucketMode, Weights: engine.AccountWeights,
		Rounds: 2, Now: time.Unix(0, 0),
	}
}

// TestMeasureOverhead: every arm has the durations of every run for every round,
// and what is measured is written and read.
func TestMeasureOverhead(t *testing.T) {
	o := overheadOptions(t)
	reads := 0
	o.Read = func() engine.Reading {
		reads++
		return engine.Reading{Bytes: 1, OK: true, Source: "a test"}
	}
	dev := &logged{Device: device.NewHost(), live: map[device.ID]bool{}}
	got, err := MeasureOverhead(t.Context(), dev, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(dev.live) != 0 {
		t.Errorf("%d buffers are left", len(dev.live))
	}
	if reads == 0 {
		t.Error("no arm asked the driver")
	}
	row := &got.Rows[0]
	for i, arm := range [][][]float64{row.Off, row.On, row.WhatIf, row.HostOff, row.HostOn} {
		want := 2
		if i > 2 {
			want = hostRounds
		}
		if len(arm) != want || len(arm[0]) != 12 || len(arm[1]) != 12 {
			t.Errorf("arm %d: %v", i, arm)
		}
	}
	if off := RunUS(row.HostOff); off <= 0 || row.HostUS() <= -off {
		t.Errorf("on a device that does nothing a run takes %v us without profiling, and %v more with it", off, row.HostUS())
	}
	var text bytes.Buffer
	if err := WriteOverheads(&text, got); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, OverheadSchema, text.Bytes())
	var r Results
	if err := r.Add(&text, "o.json"); err != nil || len(r.Overheads) != 1 || !slices.Equal(r.Overheads[0].Rows[0].On[1], row.On[1]) {
		t.Errorf("%v, %+v", err, r.Overheads)
	}
}

// TestOverheadCalls: with profiling off a device is asked for exactly what it is
// asked for with it, in the same order.
func TestOverheadCalls(t *testing.T) {
	for _, name := range []string{"unet/varied", "llama-3.2-1b/static", "llama-3.2-1b/two"} {
		for _, mode := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Disabled, cachemodes.Simple, cachemodes.Watermark} {
			for _, weights := range []engine.Weights{engine.MakeWeights, engine.AccountWeights} {
				tr := load(t, name)
				on := &logged{Device: device.NewHost(), live: map[device.ID]bool{}}
				res, err := engine.Profile(t.Context(), tr, on, engine.Options{Config: storageMode(mode), Weights: weights, Repeat: passes})
				if err != nil {
					t.Fatal(err)
				}
				off := &logged{Device: device.NewHost(), live: map[device.ID]bool{}}
				runs, err := playBare(t.Context(), tr, off, storageMode(mode), weights, passes)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(on.log, off.log) {
					t.Errorf("%s under %s, weights %s: %d calls with profiling, %d without", name, mode, weights, len(on.log), len(off.log))
				}
				if len(runs) != len(res.Runs) || len(off.live) != 0 {
					t.Errorf("%s: %d durations of %d runs, %d buffers left", name, len(runs), len(res.Runs), len(off.live))
				}
			}
		}
	}
}

// TestOverheadRuns: a run's duration has the wait at its end in it.
func TestOverheadRuns(t *testing.T) {
	const takes = 3 * time.Millisecond
	runs, err := playBare(t.Context(), load(t, "unet/varied"), slowWait{device.NewHost(), takes}, storageMode(cachemodes.BucketMode), engine.AccountWeights, 1)
	if err != nil || len(runs) != 12 || slices.Min(runs) < float64(takes.Microseconds()) {
		t.Errorf("%v, %v", runs, err)
	}
}

type slowWait struct {
	device.Device
	takes time.Duration
}

func (d slowWait) Wait() error {
	time.Sleep(d.takes)
	return nil
}

// TestMeasureOverheadEnds: who gives up, or whose device fails, gets nothing and
// leaves nothing behind.
func TestMeasureOverheadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := overheadOptions(t)
	o.Progress = func(float64, string) { cancel() }
	dev := &logged{Device: device.NewHost(), live: map[device.ID]bool{}}
	if _, err := MeasureOverhead(ctx, dev, o); !errors.Is(err, context.Canceled) || len(dev.live) != 0 {
		t.Errorf("%v, %d buffers are left", err, len(dev.live))
	}
	for _, n := range []int{1, 30, 70, 100} { // in the arm alone, and in Live
		dev := &logged{Device: device.FailNth(device.NewHost(), n), live: map[device.ID]bool{}}
		if _, err := MeasureOverhead(t.Context(), dev, overheadOptions(t)); !errors.As(err, new(*device.OutOfMemoryError)) || len(dev.live) != 0 {
			t.Errorf("create %d fails: %v, %d buffers are left", n, err, len(dev.live))
		}
	}
	if _, err := MeasureOverhead(t.Context(), device.NewHost(), overheadOptions(t)); err == nil {
		t.Error("the host device has no time, and was measured")
	}
}

// TestShare: one round that something disturbed moves the share little.
func TestShare(t *testing.T) {
	o := &Overhead{
		Off: [][]float64{{100, 300}, {100, 300}, {102, 302}},
		On:  [][]float64{{101, 303}, {900, 303}, {101, 303}},
	}
	share, in := o.Share(o.On)
	if math.Abs(share-0.01) > 1e-9 || in.Of != 3 || in.Low > share || in.High < share || RunUS(o.Off) != 200 {
		t.Errorf("%v, %+v, %v", share, in, RunUS(o.Off))
	}
	if share, in := (&Overhead{}).Share(nil); share != 0 || in.Of != 0 {
		t.Errorf("%v, %+v", share, in)
	}
}

// TestShareInterval: of measurements of a known share, each with noise far greater
// than it, that lies in nearly all intervals; and more rounds make them narrower.
func TestShareInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	measured := func(rounds int) *Overhead {
		o := &Overhead{}
		for range rounds {
			slow := 1 + 0.2*rng.Float64() // the machine's, in all arms of a round
			arm := func(by float64) []float64 {
				us := make([]float64, 5)
				for i := range us {
					us[i] = 1000 * slow * by * (1 + 0.1*rng.Float64())
				}
				return us
			}
			o.Off, o.On = append(o.Off, arm(1)), append(o.On, arm(1.02))
		}
		return o
	}
	const times = 30
	inside, width, wide := 0, 0.0, 0.0
	for range times {
		o := measured(40)
		_, in := o.Share(o.On)
		if in.Low <= 0.02 && 0.02 <= in.High {
			inside++
		}
		width += in.High - in.Low
		o = measured(8)
		_, in = o.Share(o.On)
		wide += in.High - in.Low
	}
	if inside < 25 {
		t.Errorf("the share is in %d of %d intervals", inside, times)
	}
	if width >= wide {
		t.Errorf("intervals of 40 rounds are %v wide, of 8 rounds %v", width/times, wide/times)
	}
}

// TestOverheadRefuse: a file that makes no sense is refused.
func TestOverheadRefuse(t *testing.T) {
	for rows, want := range map[string]string{
		`[{"workload": "x"}]`:                  "x has no rounds",
		`[{"workload": "x", "off_us": [[1]]}]`: "an arm has 0 rounds, not 1",
		`[{"workload": "x", "off_us": [[-1]], "on_us": [[1]], "what_if_us": [[1]]}]`:   "-1 is no time",
		`[{"workload": "x", "off_us": [[1]], "on_us": [[1, 2]], "what_if_us": [[1]]}]`: "a round has 2 runs, not 1",
	} {
		var r Results
		err := r.Add(strings.NewReader(`{"format": "bucketscope-overhead", "version": 2, "adapter": {"name": "x"}, "rows": `+rows+`}`), "x.json")
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, new(*FileError)) {
			t.Errorf("%s: %v, want %q", rows, err, want)
		}
	}
}
