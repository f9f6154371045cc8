package device

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"bucketscope/cachemodes"
)

// Limit is dev with a memory budget of so many bytes: a Create that would take
// the buffers held beyond it is refused with an *OutOfMemoryError and does not
// reach dev. A buffer counts from its Create to its Destroy, although a real
// device frees it only when its commands are done. The result is a Counter if
// dev is one, and closing it closes dev.
func Limit(dev Device, bytes int64) Device {
	return alsoCounter(&limited{Device: dev, left: bytes}, dev)
}

type limited struct {
	Device
	mu    sync.Mutex
	left  int64   // of the budget; below 0 for a budget below 0
	sizes []int64 // by ID, 0 where free
}

func (l *limited) Create(id ID, size int64, usage cachemodes.Usage) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size > l.left {
		return &OutOfMemoryError{size, usage, fmt.Errorf("a budget is set, and %d bytes of it are left", max(l.left, 0))}
	}
	if err := l.Device.Create(id, size, usage); err != nil {
		return err
	}
	for int(id) >= len(l.sizes) {
		l.sizes = append(l.sizes, 0)
	}
	l.sizes[id] = size
	l.left -= size
	return nil
}

func (l *limited) Destroy(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(id) >= len(l.sizes) || l.sizes[id] == 0 {
		panic(fmt.Sprintf("device: Destroy(%d): expected a buffer that Create made", id))
	}
	l.left += l.sizes[id]
	l.sizes[id] = 0
	l.Device.Destroy(id)
}

// FailNth is dev whose n-th Create, counted from 1, fails with an
// *OutOfMemoryError and does not reach dev; all others pass. It lets a test
// place a failure exactly. The result is a Counter if dev is one, and closing
// it closes dev.
func FailNth(dev Device, n int) Device {
	f := &failing{Device: dev}
	f.after.Store(int64(n))
	return alsoCounter(f, dev)
}

type failing struct {
	Device
	after atomic.Int64
}

var errInjected = errors.New("a failure that the test asked for")

func (f *failing) Create(id ID, size int64, usage cachemodes.Usage) error {
	if f.after.Add(-1) == 0 {
		return &OutOfMemoryError{size, usage, errInjected}
	}
	return f.Device.Create(id, size, usage)
}

// alsoCounter is outer with the LiveBuffers of inner, where inner has it, so
// that a wrapper hides no ability and claims none.
func alsoCounter(outer, inner Device) Device {
	if c, ok := inner.(Counter); ok {
		return struct {
			Device
			Counter
		}{outer, c}
	}
	return outer
}
