//go:build cgo && (amd64 || arm64)

package device

/*
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>

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
typedef void (*work_done_callback)(uint32_t status, void *user);
extern void wgpuQueueOnSubmittedWorkDone(void *queue, work_done_callback, void *user) weak;
extern void wgpuCommandEncoderClearBuffer(void *encoder, void *buffer, uint64_t offset, uint64_t size) weak;
extern void *wgpuDeviceCreateBuffer(void *device, buffer_descriptor const *) weak;
extern void wgpuDeviceReference(void *device) weak;
extern void wgpuBufferRelease(void *buffer) weak;
extern void wgpuDevicePushErrorScope(void *device, uint32_t filter) weak;
extern void wgpuDevicePopErrorScope(void *device, error_callback, void *user) weak;
enum { validation = 0, no_error = 0 };

// escape is where this thread goes on when the library ends the process, with the
// signal of that.
static _Thread_local sigjmp_buf *escape;
static int const fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
static struct sigaction before[NSIG];

// words are what there is to say where the process ends, in what is left of a
// terminal.
static struct {
	volatile sig_atomic_t set;
	int fd, terminal;
	struct termios mode;
	char text[1024];
	size_t length;
} words;

static void last_words(int fd, char const *text, size_t length) {
	words.set = 0;
	words.fd = fd;
	words.terminal = tcgetattr(fd, &words.mode) == 0;
	words.length = length < sizeof words.text ? length : sizeof words.text;
	memcpy(words.text, text, words.length);
	words.set = 1;
}

static void speak(void) {
	if (!words.set) {
		return;
	}
	words.set = 0;
	if (words.terminal) {
		tcsetattr(words.fd, TCSANOW, &words.mode);
	}
	if (write(words.fd, words.text, words.length) < 0) {
		return; // nobody is there to be told
	}
}

extern char const __executable_start, etext;

// is_final tells that a signal is the end: an abort, or a fault in code that is
// not in this program and so not Go's, which has its own way with faults.
static int is_final(int sig, siginfo_t *info, void *context) {
	mcontext_t const *at = &((ucontext_t *)context)->uc_mcontext;
#if defined __x86_64__
	char const *pc = (char const *)at->gregs[REG_RIP];
#else
	char const *pc = (char const *)at->pc;
#endif
	return sig == SIGABRT || (info->si_code > 0 && (pc < &__executable_start || pc >= &etext));
}

static void ended(int sig, siginfo_t *info, void *context) {
	sigjmp_buf *to = escape;
	if (to) {
		escape = NULL;
		siglongjmp(*to, sig);
	}
	if (is_final(sig, info, context)) {
		speak();
	}
	// All else is for whoever had it before, Go's runtime.
	if (before[sig].sa_flags & SA_SIGINFO) {
		before[sig].sa_sigaction(sig, info, context);
	} else if (before[sig].sa_handler == SIG_DFL || before[sig].sa_handler == SIG_IGN) {
		signal(sig, SIG_DFL); // for the instruction that is tried again
	} else {
		before[sig].sa_handler(sig);
	}
}

static void install(void) {
	struct sigaction mine = {.sa_sigaction = ended, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	sigfillset(&mine.sa_mask);
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
		sigaction(fatal[i], &mine, &before[fatal[i]]);
	}
}

static void guard(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, install);
}

// The guarded calls answer the signal that would have ended the process, 0 for
// none.

static int guarded_submit(void *queue, void *commands) {
	sigjmp_buf here;
	int signal = sigsetjmp(here, 1);
	if (signal) {
		return signal;
	}
	escape = &here;
	wgpuQueueSubmitForIndex(queue, 1, &commands);
	escape = NULL;
	return 0;
}

// guarded_poll answers the signal, or minus 1 where the queue is idle.
static int guarded_poll(void *device) {
	sigjmp_buf here;
	int signal = sigsetjmp(here, 1);
	if (signal) {
		return signal;
	}
	escape = &here;
	int idle = wgpuDevicePoll(device, 0, NULL) != 0;
	escape = NULL;
	return -idle;
}

typedef struct {
	atomic_int set;
} flag;

static void work_done(uint32_t status, void *to) {
	(void)status;
	atomic_store(&((flag *)to)->set, 1);
}

static void *when_done(void *queue) {
	flag *f = calloc(1, sizeof *f);
	if (f) {
		wgpuQueueOnSubmittedWorkDone(queue, work_done, f);
	}
	return f;
}

static int is_done(void *f) { return atomic_load(&((flag *)f)->set); }

static void keep(uint32_t type, char const *message, void *to) {
	if (type != no_error) {
		*(char **)to = strdup(message ? message : "");
	}
}

typedef struct {
	void *buffer; // with a reference of its own to the device
	char *error;  // to be freed; NULL for none
	int signal;
} made;

static made guarded_create(void *device, uint32_t usage, uint64_t size) {
	buffer_descriptor descriptor = {.usage = usage, .size = size};
	sigjmp_buf here;
	int signal = sigsetjmp(here, 1);
	if (signal) {
		return (made){.signal = signal};
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
	"syscall"
	"unsafe"

	"github.com/cogentcore/webgpu/wgpu"
)

// Submitting, polling and making a buffer are the calls that meet a GPU that was
// reset, hangs or was taken away, and for an error there the library has no way
// back: it aborts the process. So an abort within these calls, on their thread,
// goes back to the call instead, and so does a crash of the driver. What was
// locked stays locked, so that after one nothing is asked of that device again.
//
// The library also takes such a thread for one that panics for ever, and frees
// nothing on it any more, whatever device it is of: so the goroutine keeps the
// thread to itself, and Go ends the one with the other.

// guard has the end of the process within these calls come back, from here on.
func guard() { C.guard() }

// A wgpu.Queue is the library's pointers of a device and a queue.
type queueRefs struct{ device, queue unsafe.Pointer }

const (
	_ = unsafe.Sizeof(queueRefs{}) - unsafe.Sizeof(wgpu.Queue{})
	_ = unsafe.Sizeof(wgpu.Queue{}) - unsafe.Sizeof(queueRefs{})
)

func queueOf(queue *wgpu.Queue) unsafe.Pointer { return (*queueRefs)(unsafe.Pointer(queue)).queue }

// submit hands commands to a queue, and answers the signal that would have ended
// the process, 0 for none.
func submit(queue *wgpu.Queue, commands *wgpu.CommandBuffer) syscall.Signal {
	// A wgpu.CommandBuffer is the library's pointer and nothing else.
	const _ = unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(*commands)
	const _ = unsafe.Sizeof(*commands) - unsafe.Sizeof(uintptr(0))
	runtime.LockOSThread()
	if sig := C.guarded_submit(queueOf(queue), *(*unsafe.Pointer)(unsafe.Pointer(commands))); sig != 0 {
		return syscall.Signal(sig)
	}
	runtime.UnlockOSThread()
	return 0
}

// poll frees what is done and answers whether the queue is idle, and a signal as
// submit does.
func poll(device *wgpu.Device) (idle bool, sig syscall.Signal) {
	const _ = unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(*device)
	const _ = unsafe.Sizeof(*device) - unsafe.Sizeof(uintptr(0))
	runtime.LockOSThread()
	said := C.guarded_poll(*(*unsafe.Pointer)(unsafe.Pointer(device)))
	if said > 0 {
		return false, syscall.Signal(said)
	}
	runtime.UnlockOSThread()
	return said < 0, 0
}

// clear records a clear without a scope for its errors, of which there are none but
// this program's own: so that it needs no more than its encoder.
func clear(encoder *wgpu.CommandEncoder, buffer *wgpu.Buffer, size uint64) bool {
	// A wgpu.CommandEncoder is the library's pointers of a device and an encoder,
	// a wgpu.Buffer those of a device and a buffer.
	type refs struct{ device, of unsafe.Pointer }
	const _ = unsafe.Sizeof(refs{}) - unsafe.Sizeof(*encoder)
	const _ = unsafe.Sizeof(*encoder) - unsafe.Sizeof(refs{})
	const _ = unsafe.Sizeof(refs{}) - unsafe.Sizeof(*buffer)
	const _ = unsafe.Sizeof(*buffer) - unsafe.Sizeof(refs{})
	C.wgpuCommandEncoderClearBuffer((*refs)(unsafe.Pointer(encoder)).of, (*refs)(unsafe.Pointer(buffer)).of, 0, C.uint64_t(size))
	return true
}

// marker is a point in a queue.
type marker struct{ flag unsafe.Pointer }

// mark is the point that a queue has come to. What the library's own binding has
// for it keeps a pointer that Go may move or free.
func mark(queue *wgpu.Queue) marker { return marker{C.when_done(queueOf(queue))} }

// done reports whether a poll has found everything done that was submitted before
// the mark; after that the marker is void.
func (m *marker) done() bool {
	if m.flag == nil || C.is_done(m.flag) == 0 {
		return false
	}
	C.free(m.flag)
	m.flag = nil
	return true
}

// create makes a buffer, as a wgpu.Device does, and answers a signal as submit
// does.
func create(device *wgpu.Device, usage wgpu.BufferUsage, size uint64) (buffer *wgpu.Buffer, sig syscall.Signal, err error) {
	// A wgpu.Buffer is the library's pointers of a device and a buffer.
	type refs struct{ device, buffer unsafe.Pointer }
	const _ = unsafe.Sizeof(refs{}) - unsafe.Sizeof(*buffer)
	const _ = unsafe.Sizeof(*buffer) - unsafe.Sizeof(refs{})
	of := *(*unsafe.Pointer)(unsafe.Pointer(device))
	runtime.LockOSThread()
	m := C.guarded_create(of, C.uint32_t(usage), C.uint64_t(size))
	if m.signal != 0 {
		return nil, syscall.Signal(m.signal), nil
	}
	runtime.UnlockOSThread()
	if m.error != nil {
		defer C.free(unsafe.Pointer(m.error))
		return nil, 0, errors.New(C.GoString(m.error))
	}
	buffer = new(wgpu.Buffer)
	*(*refs)(unsafe.Pointer(buffer)) = refs{of, m.buffer}
	return buffer, 0, nil
}

// LastWords has a text written to a descriptor where a driver crashes or ends the
// process out of reach of any call of ours, and a terminal there made as it is
// now. It is in the place of the last one.
func LastWords(fd uintptr, text string) {
	if text == "" {
		return
	}
	C.last_words(C.int(fd), (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text)))
}
