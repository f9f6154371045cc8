//go:build cgo && ((darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device

import "github.com/cogentcore/webgpu/wgpu"

// guard does nothing: here a GPU that is lost ends the process, as the library
// has it.
func guard() {}

func submit(queue *wgpu.Queue, commands *wgpu.CommandBuffer) bool {
	queue.Submit(commands)
	return true
}

func poll(device *wgpu.Device) (idle, ok bool) { return device.Poll(false, nil), true }

func create(device *wgpu.Device, usage wgpu.BufferUsage, size uint64) (buffer *wgpu.Buffer, ok bool, err error) {
	buffer, err = device.CreateBuffer(&wgpu.BufferDescriptor{Size: size, Usage: usage})
	return buffer, true, err
}
