//go:build cgo && ((darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device

import (
	"syscall"

	"github.com/cogentcore/webgpu/wgpu"
)

// guard does nothing: here a GPU that is lost ends the process, as the library
// has it.
func guard() {}

func submit(queue *wgpu.Queue, commands *wgpu.CommandBuffer) syscall.Signal {
	queue.Submit(commands)
	return 0
}

func poll(device *wgpu.Device) (idle bool, sig syscall.Signal) { return device.Poll(false, nil), 0 }

// clear does nothing here: the library's binding has a scope for the errors of each
// call, of which a device has one stack.
func clear(*wgpu.CommandEncoder, *wgpu.Buffer, uint64) bool { return false }

// marker tells nothing here: the library's binding keeps a pointer, for what it
// would take, that Go may move or free. Only an idle queue is done.
type marker struct{}

func mark(*wgpu.Queue) marker { return marker{} }

func (*marker) done() bool { return false }

func create(device *wgpu.Device, usage wgpu.BufferUsage, size uint64) (buffer *wgpu.Buffer, sig syscall.Signal, err error) {
	buffer, err = device.CreateBuffer(&wgpu.BufferDescriptor{Size: size, Usage: usage})
	return buffer, 0, err
}
