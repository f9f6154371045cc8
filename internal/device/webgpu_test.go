//go:build cgo && ((linux && (amd64 || arm64)) || (darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device_test

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/device/devicetest"
)

// openWebGPU opens the best adapter of this computer. Where there is none the
// test is skipped, or fails if BUCKETSCOPE_REQUIRE_WEBGPU=1 says that there
// must be one.
func openWebGPU(t testing.TB) device.Device {
	t.Helper()
	dev, _, err := device.Open("webgpu")
	if errors.Is(err, device.ErrNoAdapter) && os.Getenv("BUCKETSCOPE_REQUIRE_WEBGPU") != "1" {
		t.Skipf("%v (BUCKETSCOPE_REQUIRE_WEBGPU=1 makes this a failure)", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

func TestWebGPU(t *testing.T) {
	devicetest.Run(t, func(t *testing.T) device.Device { return openWebGPU(t) })
}

func TestWebGPUWithLimit(t *testing.T) {
	const budget = 1 << 20
	devicetest.RunOutOfMemory(t, budget, func(t *testing.T) device.Device { return device.Limit(openWebGPU(t), budget) })
}

// TestWebGPUWrites reads back what Use writes: a word and zeros by a dispatch,
// zeros by a clear.
func TestWebGPUWrites(t *testing.T) {
	dev := openWebGPU(t)
	defer dev.Close()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(id device.ID, first uint32) {
		t.Helper()
		contents, err := device.Contents(dev, id)
		do(err)
		if word := binary.LittleEndian.Uint32(contents); word != first {
			t.Errorf("buffer %d of %d bytes begins with %#x, want %#x", id, len(contents), word, first)
		}
		for n, b := range contents[4:] {
			if b != 0 {
				t.Fatalf("byte %d of buffer %d is %#x, want 0", n+4, id, b)
			}
		}
	}
	for n, size := range []int64{4, 8, 1 << 20} {
		id := device.ID(n)
		do(dev.Create(id, size, cachemodes.Storage))
		expect(id, 0) // as WebGPU promises
		for range 2 {
			do(dev.Use(0, id, false))
			expect(id, device.FirstWord)
			do(dev.Use(0, id, true))
			expect(id, 0)
		}
	}
	// Within a submission the order of commands decides.
	do(errors.Join(dev.Use(0, 0, false), dev.Use(0, 1, true), dev.Use(0, 0, true), dev.Use(0, 1, false)))
	expect(0, 0)
	expect(1, device.FirstWord)
	// A buffer that no shader can bind whole is cleared.
	info := dev.Info()
	if big := info.MaxStorageBinding + 4; big > 4 && big <= 256<<20 && (info.MaxBufferSize == 0 || big <= info.MaxBufferSize) {
		do(dev.Create(9, big, cachemodes.Storage))
		do(dev.Use(0, 9, false))
		expect(9, 0)
	}
}

func TestWebGPULimits(t *testing.T) {
	dev := openWebGPU(t)
	defer dev.Close()
	most := dev.Info().MaxBufferSize
	if most == 0 {
		t.Skipf("%s has no limit", dev.Info())
	}
	err := dev.Create(0, most/4*4+4, cachemodes.Storage)
	if err == nil || !strings.Contains(err.Error(), strconv.FormatInt(most, 10)) {
		t.Errorf("a buffer above the limit: %v, want an error with the limit %d", err, most)
	}
	var oom *device.OutOfMemoryError
	if errors.As(err, &oom) {
		t.Errorf("a buffer above the limit is out of memory: %v", err)
	}
	if err := dev.Create(0, 16, cachemodes.Storage); err != nil {
		t.Errorf("the id is not free after the error: %v", err)
	}
}

// TestWebGPURefusal has the library refuse a buffer. It is not the adapter's
// memory that is short, so the error must not say so, and the count of live
// buffers must not take the failure for one.
func TestWebGPURefusal(t *testing.T) {
	dev := openWebGPU(t)
	defer dev.Close()
	most := dev.Info().MaxBufferSize
	if most == 0 {
		t.Skipf("%s has no limit", dev.Info())
	}
	device.Unlimited(dev)
	if err := dev.Create(0, 16, cachemodes.Storage); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := dev.Create(1, most/4*4+4, cachemodes.Storage)
		var oom *device.OutOfMemoryError
		if err == nil || errors.As(err, &oom) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "greater than the maximum") {
			t.Errorf("a buffer above the limit: %v, want the library's cause in one line", err)
		}
	}
	if err := errors.Join(dev.Use(0, 0, false), dev.Submit(0), dev.Wait()); err != nil {
		t.Error(err)
	}
	if live, err := dev.(device.Counter).LiveBuffers(); err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && live != 1 {
		t.Errorf("LiveBuffers = %d, %v, want 1", live, err)
	}
}

func TestPlain(t *testing.T) {
	for _, c := range []struct{ long, short string }{
		{"wgpu.(*Device).CreateBuffer(): Validation Error\n\nCaused by:\n    In wgpuDeviceCreateBuffer\n    Not enough memory left.\n", "Not enough memory left"},
		{"wgpu.(*X).Y(): Validation Error\n\nCaused by:\n  In wgpuY\n    The first cause\n      The second cause\n", "The first cause: The second cause"},
		{"wgpu.(*X).Y(): Validation Error", "wgpu.(*X).Y(): Validation Error"},
		{"failed to request device", "failed to request device"},
	} {
		if got := device.Plain(errors.New(c.long)); got.Error() != c.short {
			t.Errorf("Plain(%q) = %q, want %q", c.long, got, c.short)
		}
	}
}

func TestWebGPUMisuse(t *testing.T) {
	dev := openWebGPU(t)
	defer dev.Close()
	if err := dev.Create(1, 16, cachemodes.Storage); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"an id in use":        func() { dev.Create(1, 16, cachemodes.Storage) },
		"a size of 6":         func() { dev.Create(0, 6, cachemodes.Storage) },
		"a size of 0":         func() { dev.Create(0, 0, cachemodes.Storage) },
		"an id below 0":       func() { dev.Create(-1, 16, cachemodes.Storage) },
		"use of no buffer":    func() { dev.Use(0, 0, true) },
		"destroy of none":     func() { dev.Destroy(0) },
		"destroy far outside": func() { dev.Destroy(100) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(r.(string), "expected") {
					t.Errorf("recovered %v, want a panic that says what was expected", r)
				}
			}()
			f()
		})
	}
}

// TestWebGPUMemoryIsFreed runs 3 GiB through a software adapter, 64 MiB at a
// time, and looks at the memory of this process: releasing must free, during
// the run and after it.
func TestWebGPUMemoryIsFreed(t *testing.T) {
	dev := openWebGPU(t)
	defer dev.Close()
	if dev.Info().Type != device.CPU || runtime.GOOS != "linux" {
		t.Skipf("%s keeps buffers where this test cannot see them", dev.Info())
	}
	const size = 64 << 20
	before := resident(t)
	for n := range 24 {
		// Destroyed after the submit, and before it.
		if err := errors.Join(dev.Create(0, size, cachemodes.Storage), dev.Use(0, 0, false)); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			dev.Destroy(0)
		}
		if err := dev.Submit(0); err != nil {
			t.Fatal(err)
		}
		if n%2 == 1 {
			dev.Destroy(0)
		}
		if err := dev.Wait(); err != nil {
			t.Fatal(err)
		}
		if grown := resident(t) - before; grown > 4*size {
			t.Fatalf("after %d buffers the process has grown by %d bytes: memory of destroyed buffers is not freed", n+1, grown)
		}
	}
	if grown := resident(t) - before; grown > 2*size {
		t.Errorf("after the run the process is %d bytes larger", grown)
	}
}

func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func BenchmarkCreate(b *testing.B) {
	dev := openWebGPU(b)
	defer dev.Close()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := dev.Create(0, 4096, cachemodes.Storage); err != nil {
			b.Fatal(err)
		}
		dev.Destroy(0)
	}
}

func BenchmarkUse(b *testing.B) {
	for _, c := range []struct {
		name     string
		recycled bool
	}{{"fresh", false}, {"recycled", true}} {
		b.Run(c.name, func(b *testing.B) {
			dev := openWebGPU(b)
			defer dev.Close()
			const buffers = 64
			for id := range device.ID(buffers) {
				if err := dev.Create(id, 4096, cachemodes.Storage); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if err := dev.Use(0, device.ID(n%buffers), c.recycled); err != nil {
					b.Fatal(err)
				}
				if n%1024 == 1023 {
					b.StopTimer()
					if err := errors.Join(dev.Submit(0), dev.Wait()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

func BenchmarkSubmit(b *testing.B) {
	dev := openWebGPU(b)
	defer dev.Close()
	for id := range device.ID(16) {
		if err := dev.Create(id, 4096, cachemodes.Storage); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for id := range device.ID(16) {
			if err := dev.Use(0, id, id%2 == 0); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if err := dev.Submit(0); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := dev.Wait(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
