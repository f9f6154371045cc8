package engine

import (
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// TestMeter: what was made is what Need says, and the driver is asked before
// what was destroyed is freed, so that its most is seen.
func TestMeter(t *testing.T) {
	tr := load(t, "unet/varied")
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = cachemodes.Disabled // which destroys before submissions
	need, _, err := Need(t.Context(), tr, cfg, AccountWeights)
	if err != nil {
		t.Fatal(err)
	}
	// A driver that has some of its own, and frees at submissions.
	inner := &freesLate{gauge: gauge{made: map[device.ID]int64{}}}
	const own = 1000
	m := NewMeter(inner, func() Reading { return Reading{Bytes: own + inner.has, OK: true, Source: "a test"} })
	if _, err := Profile(t.Context(), tr, m, Options{Config: cfg, Weights: AccountWeights, Repeat: 1}); err != nil {
		t.Fatal(err)
	}
	got := m.Filled()
	if got.Made != need || got.Source != "a test" || got.Reason != "" {
		t.Errorf("%+v, want %d made", got, need)
	}
	// A 256th more is asked for at once, less than that now and then.
	if got.Driver > inner.most || got.Driver < inner.most-inner.most>>8 {
		t.Errorf("the driver had %d at most, and was seen to have %d", inner.most, got.Driver)
	}
	if inner.most <= need {
		t.Errorf("the driver had %d at most, no more than the %d made: nothing was freed late", inner.most, need)
	}
}

// freesLate is a device that has what was destroyed until the next submission.
type freesLate struct {
	gauge
	has, most int64
	late      int64 // of has
}

func (d *freesLate) Create(id device.ID, size int64, u cachemodes.Usage) error {
	d.has += size
	d.most = max(d.most, d.has)
	return d.gauge.Create(id, size, u)
}

func (d *freesLate) Destroy(id device.ID) {
	d.late += d.made[id]
	d.gauge.Destroy(id)
}

func (d *freesLate) Submit(device.Recording) error {
	d.has -= d.late
	d.late = 0
	return nil
}

// TestMeterReadings: without a figure there is a reason, and figures of two
// kinds are not compared.
func TestMeterReadings(t *testing.T) {
	say := func(readings ...Reading) Filled {
		i := 0
		m := NewMeter(device.NewHost(), func() Reading {
			i++
			return readings[i-1]
		})
		for n := range len(readings) - 1 {
			if err := m.Create(device.ID(n), 1<<n, cachemodes.Storage); err != nil {
				t.Fatal(err)
			}
			if err := m.Submit(0); err != nil {
				t.Fatal(err)
			}
		}
		return m.Filled()
	}
	ok := func(n int64, source string) Reading { return Reading{Bytes: n, OK: true, Source: source} }
	for name, x := range map[string]struct {
		readings []Reading
		want     Filled
	}{
		"up and down":       {[]Reading{ok(10, "x"), ok(15, "x"), ok(12, "x")}, Filled{Made: 3, Driver: 5, Source: "x"}},
		"less than before":  {[]Reading{ok(10, "x"), ok(7, "x")}, Filled{Made: 1, Source: "x"}},
		"none":              {[]Reading{{Reason: "no"}}, Filled{Reason: "no"}},
		"no more":           {[]Reading{ok(10, "x"), ok(15, "x"), {Reason: "gone"}}, Filled{Made: 3, Reason: "gone"}},
		"of another kind":   {[]Reading{ok(10, "x"), ok(15, "y")}, Filled{Made: 1, Reason: "the reading became another in between: x, then y"}},
		"none for a moment": {[]Reading{ok(10, "x"), {Reason: "gone"}}, Filled{Made: 1, Reason: "gone"}},
	} {
		if got := say(x.readings...); got != x.want {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
	}
	m := NewMeter(device.NewHost(), nil)
	if got := m.Filled(); got.Reason == "" {
		t.Errorf("%+v", got)
	}
}
