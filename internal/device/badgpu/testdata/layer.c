// A Vulkan layer that makes a driver fail as it is told to, so that what lies
// above meets a fault where a real one would come from. The doc comment of the
// package has the words of BUCKETSCOPE_BAD_GPU.
//
// The interface is Vulkan's and its loader's (vk_layer.h), as far as it is used
// here, so that no headers of theirs are needed.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

typedef int32_t result;
typedef void (*function)(void);
typedef function (*get_proc)(void *, const char *);

enum { SUCCESS = 0, NO_MEMORY = -2, FAILED = -3, LOST = -4 };
enum { INSTANCE_LINK = 47, DEVICE_LINK = 48 };

typedef struct link {
	struct link *next;
	get_proc instance_proc, other_proc; // of an instance: of physical devices; of a device: its own
} link_info;

typedef struct chained {
	int32_t type;
	const struct chained *next;
	int32_t what; // 0: a link
	link_info *link;
} chained;

typedef struct {
	int32_t type;
	const void *next;
} create_info;

typedef struct {
	int32_t type;
	void *next;
	uint32_t version;
	get_proc instance_proc, device_proc, physical_proc;
} negotiate;

static void *instance;
static get_proc next_instance, next_device;
static long refuse, refused; // devices of the instance
static long lost_at, lost_after, no_submit, crash, thread_crash, thread_abort, submissions, memory_at, lost_made, allocations, create_ms, submit_ms; // of the device
static int is_lost;

static void told(void) {
	refuse = lost_at = lost_after = no_submit = crash = thread_crash = thread_abort = submissions = memory_at = lost_made = allocations = create_ms = submit_ms = is_lost = 0;
	const char *all = getenv("BUCKETSCOPE_BAD_GPU");
	long n;
	for (const char *at = all; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (sscanf(at, "lost=%ld", &n) == 1) lost_at = n;
		if (sscanf(at, "hang=%ld", &n) == 1) lost_after = n;
		if (sscanf(at, "nosubmit=%ld", &n) == 1) no_submit = n;
		if (sscanf(at, "crash=%ld", &n) == 1) crash = n;
		if (sscanf(at, "thread-crash=%ld", &n) == 1) thread_crash = n;
		if (sscanf(at, "thread-abort=%ld", &n) == 1) thread_abort = n;
		if (sscanf(at, "create=%ld", &n) == 1) create_ms = n;
		if (sscanf(at, "submit=%ld", &n) == 1) submit_ms = n;
		if (sscanf(at, "memory=%ld", &n) == 1) memory_at = n;
		if (sscanf(at, "gone=%ld", &n) == 1) lost_made = n;
		if (sscanf(at, "refuse=%ld", &n) == 1) refuse = n;
	}
}

// pause_ms is slow, and leaves a sign of that.
static void pause_ms(long ms) {
	const char *sign = getenv("BUCKETSCOPE_BAD_GPU_SLOW");
	FILE *f = ms > 0 && sign ? fopen(sign, "w") : NULL;
	if (f) fclose(f);
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	while (ms > 0 && nanosleep(&t, &t) != 0) {}
}

// forward defines a function that fails once the device is lost, and else is
// the driver's.
#define forward(name, params, args) \
	static result (*next_##name) params; \
	static result my_##name params { return is_lost ? LOST : next_##name args; }

forward(GetFenceStatus, (void *d, uint64_t f), (d, f))
forward(GetSemaphoreCounterValue, (void *d, uint64_t s, uint64_t *v), (d, s, v))
forward(WaitForFences, (void *d, uint32_t n, const uint64_t *f, uint32_t all, uint64_t ns), (d, n, f, all, ns))
forward(WaitSemaphores, (void *d, const void *i, uint64_t ns), (d, i, ns))
forward(QueueWaitIdle, (void *q), (q))
forward(DeviceWaitIdle, (void *d), (d))

static result (*next_AllocateMemory)(void *, const void *, const void *, uint64_t *);
static result my_AllocateMemory(void *d, const void *i, const void *a, uint64_t *m) {
	allocations++;
	if (allocations == lost_made) is_lost = 1;
	if (is_lost) return LOST;
	if (memory_at > 0 && allocations >= memory_at) return NO_MEMORY;
	return next_AllocateMemory(d, i, a, m);
}

static result (*next_CreateBuffer)(void *, const void *, const void *, uint64_t *);
static result my_CreateBuffer(void *d, const void *i, const void *a, uint64_t *b) {
	pause_ms(create_ms);
	return next_CreateBuffer(d, i, a, b);
}

static void *crashes(void *unused) {
	*(volatile int *)8 = 0;
	return unused;
}

static void *aborts(void *unused) {
	(void)unused;
	abort();
}

static void in_thread(void *(*does)(void *)) {
	pthread_t t;
	if (pthread_create(&t, NULL, does, NULL) == 0) pthread_join(t, NULL);
}

static result (*next_QueueSubmit)(void *, uint32_t, const void *, uint64_t);
static result my_QueueSubmit(void *q, uint32_t n, const void *s, uint64_t f) {
	pause_ms(submit_ms);
	submissions++;
	if (submissions == no_submit) return NO_MEMORY;
	if (submissions == crash) crashes(NULL);
	if (submissions == thread_crash) in_thread(crashes);
	if (submissions == thread_abort) in_thread(aborts);
	if (lost_at > 0 && submissions >= lost_at) is_lost = 1;
	result r = is_lost ? LOST : next_QueueSubmit(q, n, s, f);
	if (submissions == lost_after) is_lost = 1;
	return r;
}

static function device_proc(void *device, const char *name);

#define is(n) (strcmp(name, "vk" #n) == 0 || strcmp(name, "vk" #n "KHR") == 0)
#define mine(n) \
	if (is(n)) { \
		function f = next_device(device, name); \
		if (!f) return NULL; \
		next_##n = (void *)f; \
		return (function)my_##n; \
	}

static function device_proc(void *device, const char *name) {
	if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (function)device_proc;
	mine(GetFenceStatus)
	mine(GetSemaphoreCounterValue)
	mine(WaitForFences)
	mine(WaitSemaphores)
	mine(QueueWaitIdle)
	mine(DeviceWaitIdle)
	mine(AllocateMemory)
	mine(CreateBuffer)
	mine(QueueSubmit)
	return next_device(device, name);
}

static chained *link_of(const create_info *info, int32_t type) {
	chained *c = (chained *)info->next;
	while (c && !(c->type == type && c->what == 0)) c = (chained *)c->next;
	return c;
}

static result create_device(void *physical, const create_info *info, const void *allocator, void **device) {
	chained *c = link_of(info, DEVICE_LINK);
	if (!c) return FAILED;
	told();
	if (refused < refuse) {
		refused++;
		return FAILED;
	}
	get_proc instance_proc = c->link->instance_proc;
	next_device = c->link->other_proc;
	c->link = c->link->next;
	result (*create)(void *, const void *, const void *, void **) = (void *)instance_proc(instance, "vkCreateDevice");
	return create ? create(physical, info, allocator, device) : FAILED;
}

static result create_instance(const create_info *info, const void *allocator, void **made) {
	chained *c = link_of(info, INSTANCE_LINK);
	if (!c) return FAILED;
	refused = 0;
	next_instance = c->link->instance_proc;
	c->link = c->link->next;
	result (*create)(const void *, const void *, void **) = (void *)next_instance(NULL, "vkCreateInstance");
	result r = create ? create(info, allocator, made) : FAILED;
	if (r == SUCCESS) instance = *made;
	return r;
}

static function instance_proc(void *of, const char *name) {
	if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (function)instance_proc;
	if (strcmp(name, "vkCreateInstance") == 0) return (function)create_instance;
	if (strcmp(name, "vkCreateDevice") == 0) return (function)create_device;
	if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (function)device_proc;
	return next_instance ? next_instance(of, name) : NULL;
}

EXPORT result vkNegotiateLoaderLayerInterfaceVersion(negotiate *n) {
	if (n->version > 2) n->version = 2;
	n->instance_proc = instance_proc;
	n->device_proc = device_proc;
	n->physical_proc = NULL;
	return SUCCESS;
}
