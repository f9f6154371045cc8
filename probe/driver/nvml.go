//go:build linux && cgo && (amd64 || arm64)

package driver

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"bucketscope/internal/device"
)

// The structures of NVIDIA's nvml.h that are used here, by their C names.
type (
	nvmlPciInfo struct {
		_           [16]byte  // busIdLegacy
		_           [3]uint32 // domain, bus, device
		pciDeviceID uint32
		_           uint32   // pciSubSystemId
		_           [32]byte // busId
	}
	nvmlMemoryV1 struct{ total, free, used uint64 }
	nvmlMemoryV2 struct {
		version                     uint32
		total, reserved, free, used uint64
	}
	// nvmlProcess is nvmlProcessInfo_v2_t, of the calls _v2 and _v3.
	nvmlProcess struct {
		pid           uint32
		usedGPUMemory uint64
		_             [2]uint32 // gpuInstanceId, computeInstanceId
	}
	nvmlReturn uint32
)

const (
	nvmlSuccess           nvmlReturn = 0
	nvmlInsufficientSize  nvmlReturn = 7
	nvmlVersionLength                = 80
	nvmlMemoryVersion2               = uint32(unsafe.Sizeof(nvmlMemoryV2{})) | 2<<24
	nvmlValueNotAvailable            = ^uint64(0)
)

// nvml is the library. Calls that it may lack are nil.
type nvml struct {
	errorString   func(nvmlReturn) string
	deviceCount   func(*uint32) nvmlReturn
	device        func(uint32, *uintptr) nvmlReturn
	pciInfo       func(uintptr, *nvmlPciInfo) nvmlReturn
	driverVersion func(*byte, uint32) nvmlReturn
	memoryV1      func(uintptr, *nvmlMemoryV1) nvmlReturn
	memoryV2      func(uintptr, *nvmlMemoryV2) nvmlReturn
	// processes that compute, and that draw; Vulkan's may be either.
	processes [2]func(uintptr, *uint32, *nvmlProcess) nvmlReturn
}

// loadNVML loads and initialises the library once, for as long as the process
// lives.
var loadNVML = sync.OnceValues(func() (*nvml, error) {
	const name = "libnvidia-ml.so.1"
	library, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("NVML is not there: %w (it comes with NVIDIA's driver; in a container, enable the \"utility\" driver capability)", err)
	}
	// bind gives a function variable the first of these symbols that exists.
	bind := func(function any, symbols ...string) bool {
		for _, symbol := range symbols {
			if address, err := purego.Dlsym(library, symbol); err == nil {
				purego.RegisterFunc(function, address)
				return true
			}
		}
		return false
	}
	var n nvml
	var initialise func() nvmlReturn
	for symbol, function := range map[string]any{
		"nvmlInit_v2":                   &initialise,
		"nvmlErrorString":               &n.errorString,
		"nvmlDeviceGetCount_v2":         &n.deviceCount,
		"nvmlDeviceGetHandleByIndex_v2": &n.device,
		"nvmlDeviceGetPciInfo_v3":       &n.pciInfo,
		"nvmlSystemGetDriverVersion":    &n.driverVersion,
		"nvmlDeviceGetMemoryInfo":       &n.memoryV1,
	} {
		if !bind(function, symbol) {
			return nil, fmt.Errorf("%s lacks %s: NVIDIA's driver is too old", name, symbol)
		}
	}
	bind(&n.memoryV2, "nvmlDeviceGetMemoryInfo_v2")
	bind(&n.processes[0], "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")
	bind(&n.processes[1], "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2")
	if err := n.check("nvmlInit", initialise()); err != nil {
		return nil, err
	}
	return &n, nil
})

// check is the error of a call, or nil.
func (n *nvml) check(call string, r nvmlReturn) error {
	if r == nvmlSuccess {
		return nil
	}
	return fmt.Errorf("NVML: %s: %s", call, n.errorString(r))
}

// find is the GPUs with the PCI ids of info: several where equal ones are
// built in, as nothing tells which of them an adapter is.
func (n *nvml) find(info device.Info) ([]uintptr, error) {
	var count uint32
	if err := n.check("nvmlDeviceGetCount", n.deviceCount(&count)); err != nil {
		return nil, err
	}
	var gpus []uintptr
	for i := range count {
		var gpu uintptr
		var pci nvmlPciInfo
		if n.device(i, &gpu) != nvmlSuccess || n.pciInfo(gpu, &pci) != nvmlSuccess {
			continue // one that this process may not use
		}
		if sameGPU(info, pci.pciDeviceID&0xffff, pci.pciDeviceID>>16) {
			gpus = append(gpus, gpu)
		}
	}
	if len(gpus) == 0 {
		return nil, fmt.Errorf("NVML lists %d GPUs, and none is %s with the PCI id %04x:%04x", count, info.Name, info.VendorID, info.DeviceID)
	}
	return gpus, nil
}

// memory is that of one GPU. What the driver keeps for itself is in none of
// used and free where the driver is new enough to tell it apart.
func (n *nvml) memory(gpu uintptr) (total, free, used uint64, err error) {
	if n.memoryV2 != nil {
		m := nvmlMemoryV2{version: nvmlMemoryVersion2}
		if n.memoryV2(gpu, &m) == nvmlSuccess {
			return m.total, m.free, m.used, nil
		}
	}
	var m nvmlMemoryV1
	err = n.check("nvmlDeviceGetMemoryInfo", n.memoryV1(gpu, &m))
	return m.total, m.free, m.used, err
}

// nvmlDriver is the driver's name and version, empty where it is not known.
func nvmlDriver() string {
	n, err := loadNVML()
	if err != nil {
		return ""
	}
	var version [nvmlVersionLength]byte
	if n.driverVersion(&version[0], nvmlVersionLength) != nvmlSuccess {
		return ""
	}
	text, _, _ := bytes.Cut(version[:], []byte{0})
	return "NVIDIA " + string(text)
}

// nvmlMemory is the memory of the GPU of info, or of the fullest of equal
// ones, which promises nothing that another would not keep.
func nvmlMemory(info device.Info) (Memory, error) {
	n, err := loadNVML()
	if err != nil {
		return Memory{}, err
	}
	gpus, err := n.find(info)
	if err != nil {
		return Memory{}, err
	}
	least := Memory{Available: -1}
	for _, gpu := range gpus {
		total, free, _, err := n.memory(gpu)
		if err != nil {
			return Memory{}, err
		}
		if least.Available < 0 || int64(free) < least.Available {
			least = Memory{Total: int64(total), Available: int64(free), Source: "NVML"}
		}
	}
	return least, nil
}

// nvmlReader reads the memory of this process on the GPUs that may be the one
// meant. NVML lists processes by number; in a container it may list them by
// their numbers outside, or not at all. Until this process is in the list, the
// reading is how much more of the GPU is in use than at the beginning,
// whoever uses it.
type nvmlReader struct {
	nvml  *nvml
	gpus  []uintptr
	pids  []uint32 // the numbers that this process has
	began int64    // bytes in use at the beginning, by everyone
	// listed is set once this process was seen in the list: from then on
	// another kind of figure would not continue the first.
	listed bool
	list   []nvmlProcess // reused
}

func openNVML(info device.Info) (Reader, error) {
	n, err := loadNVML()
	if err != nil {
		return nil, err
	}
	gpus, err := n.find(info)
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		status = nil // without it there is the one number that every process has
	}
	r := &nvmlReader{
		nvml: n,
		gpus: gpus,
		pids: parsePIDs(string(status), os.Getpid()),
		list: make([]nvmlProcess, 64),
	}
	if r.began, err = r.used(); err != nil {
		return nil, err
	}
	return r, nil
}

// used is the bytes in use by all processes.
func (r *nvmlReader) used() (int64, error) {
	var all int64
	for _, gpu := range r.gpus {
		_, _, used, err := r.nvml.memory(gpu)
		if err != nil {
			return 0, err
		}
		all += int64(used)
	}
	return all, nil
}

// own is the bytes in use by this process; not ok where NVML does not say.
func (r *nvmlReader) own() (own int64, ok bool) {
	for _, gpu := range r.gpus {
		// A process that both computes and draws is in both lists, with all
		// its memory in each.
		var most uint64
		for _, processes := range r.nvml.processes {
			if processes == nil {
				continue
			}
			for _, p := range r.processes(gpu, processes) {
				if p.usedGPUMemory != nvmlValueNotAvailable && slices.Contains(r.pids, p.pid) {
					most, ok = max(most, p.usedGPUMemory), true
				}
			}
		}
		own += int64(most)
	}
	return own, ok
}

// processes is a list of NVML's, empty where it gives none.
func (r *nvmlReader) processes(gpu uintptr, get func(uintptr, *uint32, *nvmlProcess) nvmlReturn) []nvmlProcess {
	for range 3 {
		count := uint32(len(r.list))
		switch get(gpu, &count, &r.list[0]) {
		case nvmlSuccess:
			return r.list[:min(int(count), len(r.list))]
		case nvmlInsufficientSize:
			// More may start until the next try.
			r.list = make([]nvmlProcess, int(count)+64)
		default:
			return nil
		}
	}
	return nil
}

func (r *nvmlReader) Read() Reading {
	if own, ok := r.own(); ok {
		r.listed = true
		return Reading{Bytes: own, OK: true, Source: "NVML, this process"}
	}
	if r.listed {
		return absent("NVML no longer lists this process")
	}
	used, err := r.used()
	if err != nil {
		return absent("%v", err)
	}
	if used < r.began {
		return absent("NVML does not list this process, and less of the GPU is in use than at the beginning: another program gave memory back")
	}
	return Reading{Bytes: used - r.began, OK: true, Source: "NVML device-wide, since opening"}
}

func (*nvmlReader) Close() {}

// parsePIDs is the numbers of the process with this /proc/PID/status: its own,
// and those in the namespaces around it that the system lets it see.
func parsePIDs(status string, own int) []uint32 {
	pids := []uint32{uint32(own)}
	for line := range strings.Lines(status) {
		list, found := strings.CutPrefix(line, "NSpid:")
		if !found {
			continue
		}
		for _, field := range strings.Fields(list) {
			if pid, err := strconv.ParseUint(field, 10, 32); err == nil && !slices.Contains(pids, uint32(pid)) {
				pids = append(pids, uint32(pid))
			}
		}
	}
	return pids
}
