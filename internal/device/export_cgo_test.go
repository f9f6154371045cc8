//go:build cgo && ((linux && (amd64 || arm64)) || (darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device

import (
	"fmt"

	"github.com/cogentcore/webgpu/wgpu"
)

// FirstWord is what a dispatch writes at the start of a fresh buffer.
const FirstWord = firstWord

// Contents reads a buffer of dev back, which must be made to be copied from.
// It submits what is recorded.
func Contents(dev Device, id ID) (contents []byte, err error) {
	g := dev.(*gpu)
	b := g.held(id, "Contents")
	if err := g.Submit(0); err != nil {
		return nil, err
	}
	to, err := g.device.CreateBuffer(&wgpu.BufferDescriptor{Size: b.size, Usage: wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst})
	if err != nil {
		return nil, err
	}
	defer to.Release()
	if g.recording(0).encoder, err = g.device.CreateCommandEncoder(nil); err != nil {
		return nil, err
	}
	if err := g.recording(0).encoder.CopyBufferToBuffer(b.ref, 0, to, 0, b.size); err != nil {
		return nil, err
	}
	if err := g.Submit(0); err != nil {
		return nil, err
	}
	status := wgpu.BufferMapAsyncStatus(99)
	if err := to.MapAsync(wgpu.MapModeRead, 0, b.size, func(s wgpu.BufferMapAsyncStatus) { status = s }); err != nil {
		return nil, err
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if status != wgpu.BufferMapAsyncStatusSuccess {
		return nil, fmt.Errorf("mapping: %v", status)
	}
	contents = append(contents, to.GetMappedRange(0, uint(b.size))...)
	return contents, to.Unmap()
}

// Unlimited makes dev forget the largest size of a buffer, so that it is the
// library that refuses one.
func Unlimited(dev Device) { dev.(*gpu).info.MaxBufferSize = 0 }

// Plain is plain.
var Plain = plain
