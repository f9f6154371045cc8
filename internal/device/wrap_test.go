package device_test

import (
	"errors"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/device/devicetest"
)

func TestLimit(t *testing.T) {
	limited := func(budget int64) func(*testing.T) device.Device {
		return func(*testing.T) device.Device { return device.Limit(device.NewHost(), budget) }
	}
	t.Run("contract", func(t *testing.T) { devicetest.Run(t, limited(1<<30)) })
	t.Run("budget", func(t *testing.T) { devicetest.RunOutOfMemory(t, 4096, limited(4096)) })
	t.Run("no budget", func(t *testing.T) {
		for _, budget := range []int64{0, -1} {
			var oom *device.OutOfMemoryError
			if err := limited(budget)(t).Create(0, 4, cachemodes.Storage); !errors.As(err, &oom) {
				t.Errorf("a budget of %d: %v, want out of memory", budget, err)
			}
		}
	})
	t.Run("a create that fails below costs nothing", func(t *testing.T) {
		dev := device.Limit(device.FailNth(device.NewHost(), 1), 16)
		if err := dev.Create(0, 16, cachemodes.Storage); err == nil {
			t.Fatal("the first create works, want a failure")
		}
		if err := dev.Create(0, 16, cachemodes.Storage); err != nil {
			t.Errorf("the second create: %v", err)
		}
	})
	t.Run("destroy of none", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		limited(16)(t).Destroy(0)
	})
}

func TestFailNth(t *testing.T) {
	t.Run("contract", func(t *testing.T) {
		devicetest.Run(t, func(*testing.T) device.Device { return device.FailNth(device.NewHost(), 0) })
	})
	dev := device.FailNth(device.NewHost(), 3)
	for n := 1; n <= 5; n++ {
		err := dev.Create(device.ID(n), 64, cachemodes.Uniform)
		var oom *device.OutOfMemoryError
		switch {
		case n != 3 && err != nil:
			t.Errorf("create %d: %v", n, err)
		case n == 3 && !errors.As(err, &oom):
			t.Errorf("create 3: %v, want out of memory", err)
		case n == 3 && (oom.Size != 64 || oom.Usage != cachemodes.Uniform):
			t.Errorf("create 3: %+v, want 64 bytes of uniform", oom)
		}
	}
}

// counting is a host device that counts.
type counting struct {
	device.Device
	live int
}

func (c *counting) LiveBuffers() (int, error) { return c.live, nil }

// A wrapper counts if what it wraps does, and does not claim to otherwise.
func TestWrappersCount(t *testing.T) {
	for name, wrap := range map[string]func(device.Device) device.Device{
		"Limit":   func(d device.Device) device.Device { return device.Limit(d, 16) },
		"FailNth": func(d device.Device) device.Device { return device.FailNth(d, 1) },
	} {
		c, ok := wrap(&counting{device.NewHost(), 7}).(device.Counter)
		if !ok {
			t.Errorf("%s hides the Counter", name)
		} else if n, err := c.LiveBuffers(); n != 7 || err != nil {
			t.Errorf("%s counts %d, %v, want 7", name, n, err)
		}
		if _, ok := wrap(device.NewHost()).(device.Counter); ok {
			t.Errorf("%s of a host claims to count", name)
		}
	}
}
