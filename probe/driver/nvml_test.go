//go:build linux && cgo && (amd64 || arm64)

package driver

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"bucketscope/internal/device"
)

// The sizes and places that C gives these structures on 64-bit systems.
func TestNVMLLayout(t *testing.T) {
	var pci nvmlPciInfo
	var v2 nvmlMemoryV2
	var process nvmlProcess
	for name, c := range map[string][2]uintptr{
		"nvmlPciInfo_t":               {unsafe.Sizeof(pci), 68},
		"nvmlPciInfo_t.pciDeviceId":   {unsafe.Offsetof(pci.pciDeviceID), 28},
		"nvmlMemory_t":                {unsafe.Sizeof(nvmlMemoryV1{}), 24},
		"nvmlMemory_v2_t":             {unsafe.Sizeof(v2), 40},
		"nvmlMemory_v2_t.total":       {unsafe.Offsetof(v2.total), 8},
		"nvmlMemory_v2_t.used":        {unsafe.Offsetof(v2.used), 32},
		"nvmlMemory_v2":               {uintptr(nvmlMemoryVersion2), 0x02000028},
		"nvmlProcessInfo_v2_t":        {unsafe.Sizeof(process), 24},
		"nvmlProcessInfo_v2_t.memory": {unsafe.Offsetof(process.usedGPUMemory), 8},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %d, want %d", name, c[0], c[1])
		}
	}
}

func TestParsePIDs(t *testing.T) {
	for _, c := range []struct {
		status string
		want   []uint32
	}{
		{"", []uint32{7}},
		{"Name:\tx\nPid:\t7\nNSpid:\t7\n", []uint32{7}},
		{"NStgid:\t1\nNSpid:\t41234\t7\n", []uint32{7, 41234}},
		{"NSpid:\tx\t-1\t99999999999\n", []uint32{7}},
	} {
		if got := parsePIDs(c.status, 7); !slices.Equal(got, c.want) {
			t.Errorf("parsePIDs(%q) = %v, want %v", c.status, got, c.want)
		}
	}
}

// fakeNVML is a library with one GPU, or equal ones, of a made-up driver.
type fakeNVML struct {
	gpus   int
	used   uint64
	memory nvmlReturn           // what asking for memory returns
	lists  [2]map[uint32]uint64 // bytes by process, of those that compute and those that draw
	list   nvmlReturn           // what asking for processes returns
	asked  int                  // how often processes were asked for
}

func (f *fakeNVML) library() *nvml {
	n := &nvml{
		errorString: func(r nvmlReturn) string { return map[nvmlReturn]string{3: "Not Supported", 15: "GPU is lost"}[r] },
		deviceCount: func(count *uint32) nvmlReturn { *count = uint32(f.gpus) + 1; return nvmlSuccess },
		device:      func(i uint32, gpu *uintptr) nvmlReturn { *gpu = uintptr(100 + i); return nvmlSuccess },
		pciInfo: func(gpu uintptr, pci *nvmlPciInfo) nvmlReturn {
			pci.pciDeviceID = 0x2335<<16 | nvidia
			if gpu == uintptr(100+f.gpus) {
				pci.pciDeviceID = 0x1db6<<16 | nvidia // another GPU
			}
			return nvmlSuccess
		},
		memoryV1: func(_ uintptr, m *nvmlMemoryV1) nvmlReturn {
			*m = nvmlMemoryV1{1000, 1000 - f.used, f.used}
			return f.memory
		},
	}
	for kind := range f.lists {
		n.processes[kind] = func(_ uintptr, count *uint32, list *nvmlProcess) nvmlReturn {
			f.asked++
			if f.list != nvmlSuccess {
				return f.list
			}
			room := *count
			*count = uint32(len(f.lists[kind]))
			if *count > room {
				return nvmlInsufficientSize
			}
			into := unsafe.Slice(list, room)
			at := 0
			for pid, used := range f.lists[kind] {
				into[at] = nvmlProcess{pid: pid, usedGPUMemory: used}
				at++
			}
			return nvmlSuccess
		}
	}
	return n
}

func TestNVMLReader(t *testing.T) {
	f := &fakeNVML{gpus: 1, used: 300}
	n := f.library()
	h200 := device.Info{Name: "H200", VendorID: nvidia, DeviceID: 0x2335}
	gpus, err := n.find(h200)
	if err != nil || !slices.Equal(gpus, []uintptr{100}) {
		t.Fatalf("find = %v, %v", gpus, err)
	}
	if _, err := n.find(device.Info{Name: "T4", VendorID: nvidia, DeviceID: 0x1eb8}); err == nil || !strings.Contains(err.Error(), "10de:1eb8") {
		t.Errorf("find of a GPU that is not there: %v", err)
	}
	r := &nvmlReader{nvml: n, gpus: gpus, pids: []uint32{7, 41234}, list: make([]nvmlProcess, 2), began: 300}
	expect := func(what string, want Reading) {
		t.Helper()
		if got := r.Read(); want.OK && got != want || got.OK != want.OK || !strings.Contains(got.Reason, want.Reason) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	const deviceWide, own = "NVML device-wide, since opening", "NVML, this process"
	expect("nothing yet", Reading{0, true, deviceWide, ""})
	f.used = 450
	f.lists[0] = map[uint32]uint64{1: 99, 2: 98}
	expect("others listed", Reading{150, true, deviceWide, ""})
	f.lists[0] = map[uint32]uint64{7: nvmlValueNotAvailable}
	expect("listed without a figure", Reading{150, true, deviceWide, ""})
	f.used = 299
	expect("less than at the beginning", Reading{Reason: "another program"})
	f.memory = 15
	expect("an error", Reading{Reason: "GPU is lost"})
	f.memory, f.list = nvmlSuccess, 3
	f.used = 310
	expect("no list", Reading{10, true, deviceWide, ""})
	f.list = nvmlSuccess

	f.lists[0] = map[uint32]uint64{1: 99, 2: 98, 3: 97, 41234: 40}
	expect("listed by its number outside, among more than there was room for", Reading{40, true, own, ""})
	if len(r.list) < 4 {
		t.Errorf("room for %d processes, want more", len(r.list))
	}
	f.lists[0] = map[uint32]uint64{7: 40}
	f.lists[1] = map[uint32]uint64{7: 41}
	expect("in both lists", Reading{41, true, own, ""})
	f.lists = [2]map[uint32]uint64{}
	expect("gone", Reading{Reason: "no longer"})

	r.list = make([]nvmlProcess, 1)
	f.list = nvmlInsufficientSize
	f.asked = 0
	expect("never room enough", Reading{Reason: "no longer"})
	if f.asked > 6 {
		t.Errorf("asked %d times", f.asked)
	}
	r.nvml.processes = [2]func(uintptr, *uint32, *nvmlProcess) nvmlReturn{}
	r.listed = false
	expect("a driver without lists", Reading{10, true, deviceWide, ""})
}

func TestNVMLMemory(t *testing.T) {
	f := &fakeNVML{gpus: 2, used: 300}
	n := f.library()
	if gpus, err := n.find(device.Info{VendorID: nvidia, DeviceID: 0x2335}); err != nil || len(gpus) != 2 {
		t.Errorf("find = %v, %v, want both equal ones", gpus, err)
	}
	if total, free, used, err := n.memory(100); total != 1000 || free != 700 || used != 300 || err != nil {
		t.Errorf("memory = %d, %d, %d, %v", total, free, used, err)
	}
	n.memoryV2 = func(_ uintptr, m *nvmlMemoryV2) nvmlReturn {
		if m.version != nvmlMemoryVersion2 {
			return 25
		}
		m.total, m.reserved, m.free, m.used = 1000, 50, 700, 250
		return nvmlSuccess
	}
	if _, _, used, err := n.memory(100); used != 250 || err != nil {
		t.Errorf("memory of version 2: %d used, %v", used, err)
	}
	n.memoryV2 = func(uintptr, *nvmlMemoryV2) nvmlReturn { return 3 }
	if _, _, used, err := n.memory(100); used != 300 || err != nil {
		t.Errorf("memory where version 2 is refused: %d used, %v", used, err)
	}
	f.memory = 15
	if _, _, _, err := n.memory(100); err == nil || !strings.Contains(err.Error(), "GPU is lost") {
		t.Errorf("memory of a lost GPU: %v", err)
	}
}
