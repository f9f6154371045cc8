//go:build cgo && (amd64 || arm64)

package device

/*
#include <stddef.h>
#include <stdint.h>

// What wgpu.h and webgpu.h of wgpu-native 22 declare, as far as it is used
// here; those headers are out of reach of this package.
typedef struct {
	void const *next;
	uint32_t type;
} chained;

typedef struct {
	chained chain;
	uint32_t backends, flags, dx12_shader_compiler, gles3_minor_version;
	char const *dxil_path, *dxc_path;
} instance_extras;

typedef struct {
	void const *next;
} instance_descriptor;

// Weak, because it is defined in what another package links, which cgo does
// not see while it builds this one.
extern void *wgpuCreateInstance(instance_descriptor const *) __attribute__((weak));

static void *create_instance(uint32_t backends) {
	instance_extras extras = {.chain = {NULL, 0x00030006}, .backends = backends};
	instance_descriptor descriptor = {&extras};
	return wgpuCreateInstance ? wgpuCreateInstance(&descriptor) : NULL;
}
*/
import "C"

import (
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"
)

// createInstance makes a library instance that loads these backends alone. It
// does not ask wgpu.CreateInstance for that: with a descriptor, version 0.23
// of it hands the library uninitialised memory, which ends the process
// whenever that memory held something before; without one, every backend is
// loaded: OpenGL's search for a window system prints, ends the process where
// libEGL has no driver, and takes the place of the device's backend in the
// library's report.
func createInstance(backends wgpu.InstanceBackend) *wgpu.Instance {
	ref := C.create_instance(C.uint32_t(backends))
	if ref == nil {
		panic("it made no instance")
	}
	// A wgpu.Instance is the library's pointer and nothing else.
	instance := new(wgpu.Instance)
	const _ = unsafe.Sizeof(ref) - unsafe.Sizeof(*instance)
	const _ = unsafe.Sizeof(*instance) - unsafe.Sizeof(ref)
	*(*unsafe.Pointer)(unsafe.Pointer(instance)) = ref
	return instance
}
