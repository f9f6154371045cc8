//go:build cgo && linux && (amd64 || arm64)

package device_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/device/badgpu"
)

// TestLost has the driver say, at a submission, at a look at what was submitted
// and at an allocation, that the device is lost, or has no memory, or crash: that
// is an error which names the device and the remedy, and so is every call after it.
// Another device works.
func TestLost(t *testing.T) {
	openWebGPU(t).Close()
	for _, c := range []struct {
		faults, while string
		noMemory      bool
		crash         string
	}{
		{"lost=3", "taking a submission", false, ""},
		{"hang=3", "", false, ""}, // the look at the queue that ends a Submit, or a Wait
		{"gone=4", "making a buffer", false, ""},
		{"nosubmit=3", "taking a submission", true, ""},
		{"crash=3", "taking a submission", false, "segmentation fault"},
	} {
		t.Run(c.faults, func(t *testing.T) {
			badgpu.Set(t, c.faults)
			dev := openWebGPU(t)
			var err error
			var made device.ID
			for ; err == nil && made < 8; made++ {
				if err = dev.Create(made, 64<<20, cachemodes.Storage); err != nil {
					break
				}
				err = errors.Join(dev.Use(0, made, false), dev.Submit(0), dev.Wait())
			}
			var lost *device.LostError
			if !errors.As(err, &lost) || lost.NoMemory != c.noMemory || lost.Crash != c.crash || c.while != "" && lost.While != c.while {
				t.Fatalf("%v: want a device that is lost while %q, for want of memory: %t, by a crash: %q", err, c.while, c.noMemory, c.crash)
			}
			if text := lost.Error(); !strings.Contains(text, dev.Info().String()) || !strings.Contains(text, "--device host") || strings.Contains(text, "\n") {
				t.Errorf("%q: want one line with the device and a remedy", text)
			}
			_, counted := dev.(device.Counter).LiveBuffers()
			for what, err := range map[string]error{
				"Create": dev.Create(made, 16, cachemodes.Storage), "Use": dev.Use(0, 0, true), "Submit": dev.Submit(0), "Wait": dev.Wait(), "LiveBuffers": counted,
			} {
				if !errors.Is(err, lost) {
					t.Errorf("%s afterwards: %v", what, err)
				}
			}
			for id := range made {
				dev.Destroy(id)
			}
			if err := dev.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			t.Setenv("BUCKETSCOPE_BAD_GPU", "")
			other := make(chan error)
			go func() { other <- usable() }()
			if err := <-other; err != nil {
				t.Errorf("another device, in another goroutine: %v", err)
			}
		})
	}
}

// usable opens a device, plays on it, counts what is left, and closes it.
func usable() error {
	dev, _, err := device.Open("webgpu")
	if err != nil {
		return err
	}
	for id := range device.ID(8) {
		if err := errors.Join(dev.Create(id, 1<<20, cachemodes.Storage), dev.Use(0, id, false), dev.Submit(0), dev.Wait()); err != nil {
			return err
		}
		dev.Destroy(id)
	}
	err = dev.Wait()
	live, cerr := dev.(device.Counter).LiveBuffers()
	if live != 0 {
		err = errors.Join(err, fmt.Errorf("%d buffers are left", live))
	}
	return errors.Join(err, cerr, dev.Close())
}

// TestCrashOfOurs: what is no fault of a driver stays with Go.
func TestCrashOfOurs(t *testing.T) {
	dev := openWebGPU(t)
	defer dev.Close()
	defer func() {
		if err, ok := recover().(runtime.Error); !ok || !strings.Contains(err.Error(), "nil pointer") {
			t.Errorf("recovered %v, want a nil pointer", err)
		}
	}()
	none := func() *device.Info { return nil }
	t.Error(none().Name)
}

// TestLostByAnother: one goroutine meets the loss, others with recordings of
// their own are told of it.
func TestLostByAnother(t *testing.T) {
	openWebGPU(t).Close()
	badgpu.Set(t, "lost=20")
	dev := openWebGPU(t)
	ends := make(chan error)
	const sessions = 4
	for s := range device.Recording(sessions) {
		go func() {
			id := device.ID(s)
			err := dev.Create(id, 1<<16, cachemodes.Storage)
			for err == nil {
				err = errors.Join(dev.Use(s, id, true), dev.Submit(s))
			}
			ends <- err
		}()
	}
	for range sessions {
		select {
		case err := <-ends:
			if !errors.As(err, new(*device.LostError)) {
				t.Errorf("%v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("a session does not end")
		}
	}
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}

// TestRefused: an adapter whose driver makes no device is an error that names
// it; one that makes none with all its limits is asked for fewer.
func TestRefused(t *testing.T) {
	openWebGPU(t).Close()
	badgpu.Set(t, "refuse=1")
	dev := openWebGPU(t)
	if err := errors.Join(dev.Create(0, 16, cachemodes.Storage), dev.Close()); err != nil {
		t.Error(err)
	}
	t.Setenv("BUCKETSCOPE_BAD_GPU", "refuse=1000")
	_, _, err := device.Open("webgpu")
	var refused *device.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), refused.Device.Name) || !strings.Contains(err.Error(), "--device host") {
		t.Errorf("%v: want a device that was refused, its name and a remedy", err)
	}
	dev, note, err := device.Open("auto")
	if err != nil || dev.Info().Kind != device.Host || note == "" {
		t.Errorf("auto opens %v, %q, %v: want the host device and why", dev, note, err)
	}
}
