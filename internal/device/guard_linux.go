//go:build cgo && (amd64 || arm64)

package device

/*
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// What wgpu.h and webgpu.h of wgpu-native 22 declare; weak as in
// instance_linux.go.
#define weak __attribute__((weak))
typedef struct {
	void const *next;
	char const *label;
	uint32_t usage;
	uint64_t size;
	uint32_t mapped;
} buffer_descriptor;
typedef void (*error_callback)(uint32_t type, char const *message, void *user);
extern uint64_t wgpuQueueSubmitForIndex(void *queue, size_t n, void *const *commands) weak;
extern uint32_t wgpuDevicePoll(void *device, uint32_t wait, void const *index) weak;
extern void *wgpuDeviceCreateBuffer(void *device, buffer_descriptor const *) weak;
extern void wgpuDeviceReference(void *device) weak;
extern void wgpuBufferRelease(void *buffer) weak;
extern void wgpuDevicePushErrorScope(void *device, uint32_t filter) weak;
extern void wgpuDevicePopErrorScope(void *device, error_callback, void *user) weak;
enum { validation = 0, no_error = 0 };

// escape is where this thread goes on when the library ends the process.
static _Thread_local sigjmp_buf *escape;
static struct sigaction before;

static void aborted(int sig, siginfo_t *info, void *context) {
	sigjmp_buf *to = escape;
	if (to) {
		escape = NULL;
		siglongjmp(*to, 1);
	}
	// Somebody else's abort is for whoever had it before, Go's runtime.
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(sig, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(sig);
	}
	// Back in abort(), which ends the process.
}

static void install(void) {
	struct sigaction mine = {.sa_sigaction = aborted, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	sigfillset(&mine.sa_mask);
	sigaction(SIGABRT, &mine, &before);
}

static void guard(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, install);
}

// guarded_submit answers 0 where the library gave up.
static int guarded_submit(void *queue, void *commands) {
	sigjmp_buf here;
	if (sigsetjmp(here, 1)) {
		return 0;
	}
	escape = &here;
	wgpuQueueSubmitForIndex(queue, 1, &commands);
	escape = NULL;
	return 1;
}

// guarded_poll answers whether the queue is idle, -1 where the library gave up.
static int guarded_poll(void *device) {
	sigjmp_buf here;
	if (sigsetjmp(here, 1)) {
		return -1;
	}
	escape = &here;
	int idle = wgpuDevicePoll(device, 0, NULL) != 0;
	escape = NULL;
	return idle;
}

static void keep(uint32_t type, char const *message, void *to) {
	if (type != no_error) {
		*(char **)to = strdup(message ? message : "");
	}
}

typedef struct {
	void *buffer; // with a reference of its own to the device
	char *error;  // to be freed; NULL for none
	int gave_up;
} made;

static made guarded_create(void *device, uint32_t usage, uint64_t size) {
	buffer_descriptor descriptor = {.usage = usage, .size = size};
	sigjmp_buf here;
	if (sigsetjmp(here, 1)) {
		return (made){.gave_up = 1};
	}
	made m = {0};
	escape = &here;
	wgpuDevicePushErrorScope(device, validation);
	m.buffer = wgpuDeviceCreateBuffer(device, &descriptor);
	wgpuDevicePopErrorScope(device, keep, &m.error);
	escape = NULL;
	if (m.error) {
		wgpuBufferRelease(m.buffer);
	} else {
		wgpuDeviceReference(device);
	}
	return m;
}
*/
import "C"

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"
)

// Submitting, polling and making a buffer are the calls that meet a GPU that was
// reset, hangs or was taken away, and for an error there the library has no way
// back: it aborts the process. So an abort within these calls, on their thread,
// goes back to the call instead. What the library had locked stays locked, so
// that after one nothing is asked of that device again.
//
// The library also takes such a thread for one that panics for ever, and frees
// nothing on it any more, whatever device it is of: so the goroutine keeps the
// thread to itself, and Go ends the one with the other.

// guard has an abort within these calls come back, from here on.
func guard() { C.guard() }

// submit hands commands to a queue; false is that the library gave up.
func submit(queue *wgpu.Queue, commands *wgpu.CommandBuffer) bool {
	// A wgpu.Queue is the library's pointers of a device and a queue, a
	// wgpu.CommandBuffer its pointer and nothing else.
	type refs struct{ device, queue unsafe.Pointer }
	const _ = unsafe.Sizeof(refs{}) - unsafe.Sizeof(*queue)
	const _ = unsafe.Sizeof(*queue) - unsafe.Sizeof(refs{})
	const _ = unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(*commands)
	const _ = unsafe.Sizeof(*commands) - unsafe.Sizeof(uintptr(0))
	runtime.LockOSThread()
	if C.guarded_submit((*refs)(unsafe.Pointer(queue)).queue, *(*unsafe.Pointer)(unsafe.Pointer(commands))) == 0 {
		return false
	}
	runtime.UnlockOSThread()
	return true
}

// poll frees what is done and answers whether the queue is idle; not ok is that
// the library gave up.
func poll(device *wgpu.Device) (idle, ok bool) {
	const _ = unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(*device)
	const _ = unsafe.Sizeof(*device) - unsafe.Sizeof(uintptr(0))
	runtime.LockOSThread()
	said := C.guarded_poll(*(*unsafe.Pointer)(unsafe.Pointer(device)))
	if said < 0 {
		return false, false
	}
	runtime.UnlockOSThread()
	return said > 0, true
}

// create makes a buffer, as a wgpu.Device does; not ok is that the library gave
// up.
func create(device *wgpu.Device, usage wgpu.BufferUsage, size uint64) (buffer *wgpu.Buffer, ok bool, err error) {
	// A wgpu.Buffer is the library's pointers of a device and a buffer.
	type refs struct{ device, buffer unsafe.Pointer }
	const _ = unsafe.Sizeof(refs{}) - unsafe.Sizeof(*buffer)
	const _ = unsafe.Sizeof(*buffer) - unsafe.Sizeof(refs{})
	of := *(*unsafe.Pointer)(unsafe.Pointer(device))
	runtime.LockOSThread()
	m := C.guarded_create(of, C.uint32_t(usage), C.uint64_t(size))
	if m.gave_up != 0 {
		return nil, false, nil
	}
	runtime.UnlockOSThread()
	if m.error != nil {
		defer C.free(unsafe.Pointer(m.error))
		return nil, true, errors.New(C.GoString(m.error))
	}
	buffer = new(wgpu.Buffer)
	*(*refs)(unsafe.Pointer(buffer)) = refs{of, m.buffer}
	return buffer, true, nil
}
