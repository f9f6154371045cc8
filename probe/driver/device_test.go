//go:build cgo && ((linux && (amd64 || arm64)) || (darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package driver_test

import (
	"errors"
	"os"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe/driver"
)

// TestReadingFollowsDevice makes and destroys buffers on the adapter of this
// computer and looks whether the driver's figure goes with them.
func TestReadingFollowsDevice(t *testing.T) {
	lacks := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("BUCKETSCOPE_REQUIRE_WEBGPU") == "1" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format+" (BUCKETSCOPE_REQUIRE_WEBGPU=1 makes this a failure)", args...)
	}
	dev, _, err := device.Open("webgpu")
	if err != nil {
		lacks("%v", err)
	}
	defer dev.Close()
	for _, d := range driver.Describe([]device.Info{dev.Info()}) {
		t.Logf("%+v", d)
	}
	r := driver.Open(dev.Info())
	defer r.Close()
	read := func() driver.Reading {
		t.Helper()
		reading := r.Read()
		if !reading.OK {
			lacks("no reading of %s: %s", dev.Info(), reading.Reason)
		}
		t.Logf("%d MiB, %s", reading.Bytes>>20, reading.Source)
		return reading
	}
	const buffers, size = 4, 64 << 20
	before := read()
	for id := range device.ID(buffers) {
		if err := errors.Join(dev.Create(id, size, cachemodes.Storage), dev.Use(0, id, false)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(dev.Submit(0), dev.Wait()); err != nil {
		t.Fatal(err)
	}
	full := read()
	for id := range device.ID(buffers) {
		dev.Destroy(id)
	}
	if err := errors.Join(dev.Submit(0), dev.Wait()); err != nil {
		t.Fatal(err)
	}
	empty := read()
	if full.Source != before.Source {
		lacks("the reading is of %s, and was of %s", full.Source, before.Source)
	}
	if grown := full.Bytes - before.Bytes; grown < buffers*size*9/10 {
		t.Errorf("%d MiB of buffers, and the reading grows by %d MiB", buffers*size>>20, grown>>20)
	}
	if fell := full.Bytes - empty.Bytes; fell < buffers*size/2 {
		t.Errorf("%d MiB of buffers destroyed, and the reading falls by %d MiB", buffers*size>>20, fell>>20)
	}
}

// BenchmarkReadDevice is what a reading of the adapter of this computer costs
// while its device is open.
func BenchmarkReadDevice(b *testing.B) {
	dev, _, err := device.Open("webgpu")
	if err != nil {
		b.Skip(err)
	}
	defer dev.Close()
	r := driver.Open(dev.Info())
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		r.Read()
	}
	b.Log(r.Read())
}
