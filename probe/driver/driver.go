// Package driver reads what the operating system and the graphics driver say
// about memory, to be shown beside the program's own ledger: how much this
// process has on the GPU, and how much the GPU has.
//
//	NVIDIA           NVML ───────────────┐
//	other GPUs       DRM fdinfo, sysfs ──┼─► Reading, Memory, or a reason
//	software, host   /proc, cgroup ──────┘
//
// A driver counts in its own way: whole blocks of its allocator, shaders and
// queues, what it has not freed yet. So a reading never equals the ledger, and
// belongs beside it. What cannot be had is absent with a reason, never 0.
package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"bucketscope/internal/device"
)

// Reading is how much memory this process has in use on a device.
type Reading struct {
	Bytes int64
	// OK is false where there is no figure; Bytes is 0 then, Source is empty
	// and Reason says why.
	OK     bool
	Source string // what the figure is and who says so, in a few words
	Reason string
}

// absent is the Reading without a figure.
func absent(format string, args ...any) Reading {
	return Reading{Reason: fmt.Sprintf(format, args...)}
}

// Reader reads one device again and again. It is used by one goroutine at a
// time.
type Reader interface {
	// Read takes a reading: some microseconds of work for a CPU renderer, up
	// to some milliseconds for a GPU. The kind of figure may become better
	// from one reading to the next, and Source says so.
	Read() Reading
	// Close ends the reading. Read is not called after it.
	Close()
}

// Memory is the memory that a device allocates from, in bytes.
type Memory struct {
	Total, Available int64
	Source           string // who says so
}

// Description is what is known about the memory of one device: data for
// "bucketscope doctor".
type Description struct {
	Info device.Info
	// Driver is the driver's name and version, empty where nobody tells.
	Driver string
	// Memory is valid where NoMemory, the reason for its absence, is empty.
	Memory   Memory
	NoMemory string
	// Reading is one reading of now. A GPU on which this process has opened
	// nothing may have none for that reason.
	Reading Reading
}

// Describe asks about each of these devices.
func Describe(infos []device.Info) []Description {
	all := make([]Description, len(infos))
	for n, info := range infos {
		d := Description{Info: info, Driver: info.Driver}
		if d.Driver == "" && info.VendorID == nvidia {
			d.Driver = nvmlDriver()
		}
		memory, err := MemoryOf(info)
		if err != nil {
			d.NoMemory = err.Error()
		} else {
			d.Memory = memory
		}
		r := Open(info)
		d.Reading = r.Read()
		r.Close()
		all[n] = d
	}
	return all
}

// PCI vendors.
const (
	amd    = 0x1002
	nvidia = 0x10de
)

// sameGPU reports whether the GPU with these PCI ids may be the one of info;
// another that is equal may be it as well.
func sameGPU(info device.Info, vendor, dev uint32) bool {
	return vendor != 0 && info.VendorID == vendor && info.DeviceID == dev
}

// Open begins to read a device. It is best called when the device is open and
// holds nothing yet: where a driver does not tell processes apart, readings
// count from here. It always succeeds; a device that cannot be read has
// readings with the reason.
func Open(info device.Info) Reader {
	root := os.DirFS("/")
	switch {
	case info.Kind == device.Host: // what the process has is no buffer's
		return noReader("the host device keeps books only")
	case info.Type == device.CPU: // buffers lie in memory of this process
		return residentReader{root}
	case runtime.GOOS != "linux":
		return noReader(fmt.Sprintf("this program reads no graphics driver on %s", runtime.GOOS))
	case info.VendorID == nvidia:
		r, err := openNVML(info)
		if err == nil {
			return r
		}
		// The free drivers for these GPUs have no NVML.
		return &fdinfoReader{root: root, info: info, also: err.Error()}
	}
	return &fdinfoReader{root: root, info: info}
}

// MemoryOf is how much memory a device has: that of the computer for a software
// adapter and for a GPU without its own. The error says why it is not known.
func MemoryOf(info device.Info) (Memory, error) {
	return memoryOf(os.DirFS("/"), info)
}

func memoryOf(root fs.FS, info device.Info) (Memory, error) {
	switch {
	case info.Kind == device.Host:
		return Memory{}, errors.New("the host device holds no buffers")
	case info.Type == device.CPU || info.Type == device.Integrated:
		return systemMemory(root)
	case runtime.GOOS != "linux":
		return Memory{}, fmt.Errorf("this program reads no graphics driver on %s", runtime.GOOS)
	case info.VendorID == nvidia:
		return nvmlMemory(info)
	case info.VendorID == amd:
		return amdgpuMemory(root, info)
	}
	return Memory{}, fmt.Errorf("the kernel does not tell how much memory %s has", info.Name)
}

// noReader is the Reader of what cannot be read, and its reason.
type noReader string

func (r noReader) Read() Reading { return Reading{Reason: string(r)} }
func (noReader) Close()          {}
