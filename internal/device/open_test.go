package device_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"bucketscope/internal/device"
)

// adapters of a computer that has one of each kind, the weak ones first.
var (
	lavapipe   = device.Info{Kind: device.WebGPU, Index: 0, Name: "llvmpipe (LLVM 15.0.6, 256 bits)", Backend: "vulkan", Type: device.CPU}
	virtio     = device.Info{Kind: device.WebGPU, Index: 1, Name: "Virtio-GPU 3090", Backend: "vulkan", Type: device.Unknown}
	iris       = device.Info{Kind: device.WebGPU, Index: 2, Name: "Intel(R) Iris(R) Xe Graphics", Backend: "vulkan", Type: device.Integrated}
	geforce    = device.Info{Kind: device.WebGPU, Index: 3, Name: "NVIDIA GeForce RTX 4090", Backend: "vulkan", Type: device.Discrete}
	geforce2   = device.Info{Kind: device.WebGPU, Index: 4, Name: "NVIDIA GeForce RTX 4090", Backend: "vulkan", Type: device.Discrete}
	everything = []device.Info{lavapipe, virtio, iris, geforce, geforce2}
)

func TestChoose(t *testing.T) {
	host := device.NewHost().Info()
	for _, c := range []struct {
		adapters []device.Info
		want     string
		choice   device.Info
		err      string // part of it
	}{
		{everything, "host", host, ""},
		{nil, "host", host, ""},

		{everything, "auto", geforce, ""},
		{everything[:3], "auto", iris, ""},
		{everything[:2], "auto", host, ""}, // neither is surely a GPU
		{everything[:1], "auto", host, ""},
		{nil, "auto", host, ""},

		{everything, "webgpu", geforce, ""},
		{everything[:3], "webgpu", iris, ""},
		{everything[:2], "webgpu", virtio, ""},
		{everything[:1], "webgpu", lavapipe, ""},
		{nil, "webgpu", device.Info{}, "mesa-vulkan-drivers"},
		{nil, "webgpu", device.Info{}, "--device host"},

		{everything, "webgpu:0", lavapipe, ""},
		{everything, "webgpu:4", geforce2, ""},
		{everything, "webgpu:5", device.Info{}, "bucketscope doctor"},
		{everything, "webgpu:-1", device.Info{}, "0: llvmpipe (LLVM 15.0.6, 256 bits) vulkan (cpu), 1: Virtio"},
		{everything, "webgpu:4090", device.Info{}, "4: NVIDIA GeForce RTX 4090"}, // a number is an index
		{everything, "webgpu:RTX 4090", geforce, ""},
		{nil, "webgpu:0", device.Info{}, "bucketscope doctor"},

		{everything, "webgpu:LLVMpipe", lavapipe, ""},
		{everything, "webgpu:nvidia", geforce, ""},
		{everything, "webgpu:i", geforce, ""}, // in all names: the best of them
		{everything, "webgpu:radeon", device.Info{}, "\"radeon\""},

		{everything, "webgpu:", device.Info{}, "unknown device"},
		{everything, "", device.Info{}, "unknown device"},
		{everything, "Host", device.Info{}, "unknown device"},
		{everything, "vulkan", device.Info{}, "webgpu:NAME"},
		{everything, "auto:1", device.Info{}, "unknown device"},
		{nil, "host:1", device.Info{}, "unknown device"},
	} {
		choice, err := device.Choose(c.adapters, c.want)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("Choose(%d adapters, %q): %v", len(c.adapters), c.want, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("Choose(%d adapters, %q): error %v, want one with %q", len(c.adapters), c.want, err, c.err)
		case choice != c.choice:
			t.Errorf("Choose(%d adapters, %q) = %v, want %v", len(c.adapters), c.want, choice, c.choice)
		}
		if missing := strings.HasPrefix(c.want, "webgpu") && c.want != "webgpu:" && c.err != ""; missing != errors.Is(err, device.ErrNoAdapter) {
			t.Errorf("Choose(%d adapters, %q): error %v, is ErrNoAdapter: want %t", len(c.adapters), c.want, err, missing)
		}
	}
}

func TestOnePerGPU(t *testing.T) {
	gpu := func(backend string, vendor, dev uint32) device.Info {
		return device.Info{Backend: backend, VendorID: vendor, DeviceID: dev}
	}
	for _, c := range []struct {
		name string
		all  []device.Info
		from []int
	}{
		{"none", nil, nil},
		{"one", []device.Info{gpu("vulkan", 0x10de, 1)}, []int{0}},
		{"two alike", []device.Info{gpu("vulkan", 0x10de, 1), gpu("vulkan", 0x10de, 1)}, []int{0, 1}},
		{"over two backends", []device.Info{
			gpu("vulkan", 0x10de, 1), gpu("vulkan", 0x8086, 1), gpu("dx12", 0x10de, 1), gpu("dx12", 0x8086, 1), gpu("dx12", 0x1414, 0x8c),
		}, []int{0, 1, 4}},
		{"two alike over two backends", []device.Info{
			gpu("vulkan", 0x10de, 1), gpu("vulkan", 0x10de, 1), gpu("dx12", 0x10de, 1), gpu("dx12", 0x10de, 1),
		}, []int{0, 1}},
		{"no ids", []device.Info{gpu("vulkan", 0, 0), gpu("metal", 0, 0)}, []int{0, 1}},
	} {
		kept, from := device.OnePerGPU(c.all)
		if !reflect.DeepEqual(from, c.from) {
			t.Errorf("%s: kept %v, want %v", c.name, from, c.from)
		}
		for n, i := range kept {
			if want := c.all[from[n]]; i.Index != n || i.Backend != want.Backend || i.VendorID != want.VendorID {
				t.Errorf("%s: entry %d is %+v, want that of %+v", c.name, n, i, want)
			}
		}
	}
}

func TestWithin(t *testing.T) {
	never := func(string) { t.Error("dropped a result that came in time") }
	if v, err := device.Within(time.Minute, "a test", func() (string, error) { return "done", nil }, never); v != "done" || err != nil {
		t.Errorf("Within = %q, %v", v, err)
	}
	if _, err := device.Within(time.Minute, "a test", func() (string, error) { return "", errors.New("no") }, never); err == nil || err.Error() != "no" {
		t.Errorf("Within = %v, want the error", err)
	}
	_, err := device.Within(time.Minute, "a test", func() (string, error) { panic("no instance") }, never)
	if err == nil || !strings.Contains(err.Error(), "a test") || !strings.Contains(err.Error(), "no instance") {
		t.Errorf("Within = %v, want what the panic said", err)
	}

	hang, dropped := make(chan struct{}), make(chan string)
	_, err = device.Within(time.Millisecond, "a test", func() (string, error) { <-hang; return "late", nil }, func(s string) { dropped <- s })
	if err == nil || !strings.Contains(err.Error(), "a test") || !strings.Contains(err.Error(), "--device host") {
		t.Errorf("Within = %v, want what hangs and the remedy", err)
	}
	close(hang)
	if late := <-dropped; late != "late" {
		t.Errorf("dropped %q, want what came late", late)
	}
}

// TestOpen asks for what every computer can do.
func TestOpen(t *testing.T) {
	dev, note, err := device.Open("host")
	if err != nil || note != "" || dev.Info().Kind != device.Host {
		t.Errorf("Open(host) = %v, %q, %v", dev, note, err)
	}
	dev, note, err = device.Open("auto")
	if err != nil {
		t.Fatalf("Open(auto): %v", err)
	}
	if explained := note != ""; explained != (dev.Info().Kind == device.Host) {
		t.Errorf("Open(auto) = %v with the note %q, want a note for the host device alone", dev.Info(), note)
	}
	if err := dev.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, _, err := device.Open("toaster"); err == nil {
		t.Error("Open(toaster) works")
	}
	if _, _, err := device.Open("webgpu:no such adapter"); err == nil {
		t.Error("Open(webgpu:no such adapter) works")
	}
}
