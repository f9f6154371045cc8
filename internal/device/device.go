// Package device runs what a cache policy decided: it makes buffers, lets the
// GPU write them, submits, and gives them up.
//
//	engine ──► Device: host (books only) | webgpu (real buffers on an adapter)
//
// A Device sees no policy, ledger, file or screen. Several sessions may use it at
// once, each from a goroutine of its own and with a recording of its own; about
// one buffer, one goroutine at a time.
package device

import (
	"errors"
	"fmt"

	"bucketscope/cachemodes"
)

// ID names a buffer. The caller chooses it: a small number, dense, free for
// another buffer after Destroy, so that a device can index a slice with it.
type ID int32

// Recording numbers the commands of one session, from 0: they are recorded and
// submitted apart from those of others.
type Recording int32

// Device is what a workload runs on.
type Device interface {
	// Info describes the device; it does not change.
	Info() Info
	// Create makes buffer id of size bytes (a multiple of 4). Out of memory is
	// an *OutOfMemoryError; a size above Info.MaxBufferSize is another error,
	// which freeing memory does not help. id is free again after any error.
	Create(id ID, size int64, usage cachemodes.Usage) error
	// Use records, in a recording, commands that write the whole of buffer id: a
	// compute dispatch for a fresh buffer, a clear for a recycled one (what ORT 1.30
	// does when it hands a cached buffer out again).
	Use(r Recording, id ID, recycled bool) error
	// Destroy gives buffer id up. Commands recorded with it, submitted or not,
	// stay valid: the memory is freed when they are done.
	Destroy(id ID)
	// Submit sends what Use recorded in a recording since its last Submit to the
	// queue; nothing is sent where nothing was recorded. It does not wait.
	Submit(r Recording) error
	// Wait returns when everything that was submitted before it is done. What
	// others submit meanwhile is not waited for (on macOS and Windows it is).
	Wait() error
	// Close frees the device and everything on it.
	Close() error
}

// Counter is a Device that can say how many buffers it really holds, to
// cross-check a ledger.
type Counter interface {
	// LiveBuffers counts the buffers made by Create and still existing: after
	// Wait, those not destroyed. The error wraps errors.ErrUnsupported where a
	// device of this kind cannot count on this system.
	LiveBuffers() (int, error)
}

// Idle is a Device whose calls do nothing and never fail, so that they need not
// be made. A Device around one is none, unless it says so itself.
type Idle interface{ Idle() }

// Kind tells the implementations apart.
type Kind string

// The kinds of device.
const (
	Host   Kind = "host"
	WebGPU Kind = "webgpu"
)

// Type is the class of hardware behind a device, in WebGPU's words.
type Type string

// The types. None is the host device's: there is no adapter.
const (
	None       Type = "none"
	Discrete   Type = "discrete"
	Integrated Type = "integrated"
	CPU        Type = "cpu" // a software adapter, such as llvmpipe
	Unknown    Type = "unknown"
)

// Info describes a device or an adapter that could become one.
type Info struct {
	Kind Kind
	Name string // as the driver says: "NVIDIA H100", "llvmpipe (LLVM 15.0.6, 256 bits)"
	// Index of the adapter in the list of Adapters.
	Index   int
	Backend string // "vulkan", "metal", "dx12"; empty on host
	Type    Type
	Driver  string // driver name and version as the driver words it; empty where not told
	// VendorID and DeviceID are the PCI ids, 0 where unknown.
	VendorID, DeviceID uint32
	// MaxBufferSize and MaxStorageBinding are limits in bytes; 0 is no limit.
	MaxBufferSize, MaxStorageBinding int64
	// Timed reports whether a run's duration on this device is that of a GPU
	// (or of a software adapter doing a GPU's work) and may be shown as such.
	Timed bool
}

// String is the device in a few words, for headers.
func (i Info) String() string {
	if i.Backend == "" {
		return i.Name
	}
	return i.Name + " " + i.Backend
}

// OutOfMemoryError is a buffer that the device could not make.
type OutOfMemoryError struct {
	Size  int64
	Usage cachemodes.Usage
	Err   error
}

func (e *OutOfMemoryError) Error() string {
	return fmt.Sprintf("the device has no memory for a %s buffer of %d bytes: %v", e.Usage, e.Size, e.Err)
}

func (e *OutOfMemoryError) Unwrap() error { return e.Err }

// LostError is a device that can do nothing any more: every call answers it, and
// what it held is gone.
type LostError struct {
	Device Info
	While  string // what it was in the middle of
	// NoMemory is that it had no memory to go on with, and no fault else.
	NoMemory bool
	// Crash is how its driver crashed: "segmentation fault"; empty if it did not.
	Crash string
}

func (e *LostError) Error() string {
	if e.NoMemory {
		return fmt.Sprintf("%s gave up while %s: it has no memory to go on with; "+
			"choose another --mode that holds less, close what else is on the GPU, or use --device host", e.Device, e.While)
	}
	if e.Crash != "" {
		return fmt.Sprintf("%s is lost: while %s, its driver crashed (%s); "+
			"start again, with another driver or adapter (see \"bucketscope doctor\") or --device host if it happens again", e.Device, e.While, e.Crash)
	}
	return fmt.Sprintf("%s is lost: while %s, its driver said that the GPU was reset, hangs or is gone; "+
		"start again, with another adapter (see \"bucketscope doctor\") or --device host if it happens again", e.Device, e.While)
}

// RefusedError is an adapter that is there, of which its driver makes no device.
type RefusedError struct {
	Device Info
	Doing  string // what was refused: "making a device"
	Err    error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s cannot be used: its driver refused %s (%v); %s; choose another adapter with --device (see \"bucketscope doctor\") or use --device host",
		e.Device, e.Doing, e.Err, e.Remedy())
}

// Remedy is what may make the adapter usable.
func (e *RefusedError) Remedy() string {
	return "end what else uses the GPU, or check the driver with another program such as vulkaninfo"
}

func (e *RefusedError) Unwrap() error { return e.Err }

// ErrNoAdapter is that no adapter fits what was asked for.
var ErrNoAdapter = errors.New("no WebGPU adapter")
