//go:build cgo && ((darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device

import "github.com/cogentcore/webgpu/wgpu"

// createInstance makes a library instance. It loads every backend whatever is
// asked for, because wgpu.CreateInstance hands the library uninitialised
// memory with a descriptor; on macOS there is but one, on Windows LiveBuffers
// may be out of reach therefore.
func createInstance(wgpu.InstanceBackend) *wgpu.Instance {
	return wgpu.CreateInstance(nil)
}
