package cost

import (
	"errors"
	"math/rand/v2"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// What the mix is: about what a decode step of the recorded language models asks
// for, 420 writes of buffers that are served again, in 20 submissions.
const (
	mixBuffers = 256 // half of them uniform
	mixSubmits = 20
	mixUses    = 21 // of each submission
	mixSteps   = 16 // of a round, after one that counts for nothing
	// The largest of either kind; sizes are drawn so that each power of two is as
	// likely as another.
	mixUniform = 1 << 10
	mixStorage = 1 << 20
)

// mix is a step as it is in a run: writes of buffers of many sizes, submitted a few
// at a time. What the same calls take in rows of one size, as samples have them, is
// what they take at their best.
type mix struct {
	sizes  []int64
	usages []cachemodes.Usage
	uses   []device.ID
}

// newMix is the same each time, of buffers up to a size, and of so many bytes
// together if that is not 0.
func newMix(most, bytes int64) *mix {
	if bytes > 0 {
		most = max(minSize, min(most, bytes/mixBuffers))
	}
	rng := rand.New(rand.NewPCG(mixBuffers, mixUses))
	x := &mix{}
	for i := range mixBuffers {
		u, to := cachemodes.Uniform, int64(mixUniform)
		if i%2 == 1 {
			u, to = cachemodes.Storage, mixStorage
		}
		list := sizes(min(to, most))
		x.sizes, x.usages = append(x.sizes, list[rng.IntN(len(list))]), append(x.usages, u)
	}
	for range mixSubmits * mixUses {
		x.uses = append(x.uses, device.ID(rng.IntN(mixBuffers)))
	}
	return x
}

// fill has the buffers made, in their order, writes them and waits.
func (x *mix) fill(dev device.Device, create func(size int64, u cachemodes.Usage) error) error {
	for i, size := range x.sizes {
		if err := create(size, x.usages[i]); err != nil {
			return err
		}
		if err := dev.Use(recorded, device.ID(i), false); err != nil {
			return err
		}
	}
	if err := dev.Submit(recorded); err != nil {
		return err
	}
	return dev.Wait()
}

// step is one, from an idle device to the next.
func (x *mix) step(dev device.Device) error {
	for i, id := range x.uses {
		if err := dev.Use(recorded, id, true); err != nil {
			return err
		}
		if (i+1)%mixUses == 0 {
			if err := dev.Submit(recorded); err != nil {
				return err
			}
		}
	}
	return dev.Wait()
}

// predicted is what a calibration says that a step takes, in microseconds.
func (x *mix) predicted(c *Calibration) float64 {
	k, made, at := NewClock(c), device.ID(0), 0.0
	err := x.fill(k, func(size int64, u cachemodes.Usage) error {
		made++
		return k.Create(made-1, size, u)
	})
	for range 2 { // the first finds the device as it is after first writes
		at = k.program
		err = errors.Join(err, x.step(k))
	}
	if err != nil {
		panic("cost: a clock does whatever it is asked for: " + err.Error())
	}
	return k.program - at
}

// mixed measures a step: the median of some.
func (m *measurer) mixed(x *mix) (float64, error) {
	err := x.fill(m.dev, func(size int64, u cachemodes.Usage) error { return m.create(1, size, u) })
	if err != nil {
		return 0, err
	}
	var steps []float64
	for i := range 1 + mixSteps {
		t := time.Now()
		if err := x.step(m.dev); err != nil {
			return 0, err
		}
		if i > 0 {
			steps = append(steps, since(t))
		}
	}
	return median(steps), m.sweep()
}
