// Package devicetest is the contract of device.Device as one suite of tests
// that every device passes.
package devicetest

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// Run tests the devices that open makes: a fresh one for each test, with a
// budget of at least 1 GiB, which the test closes. A device that is a
// device.Counter must count right as well.
func Run(t *testing.T, open func(t *testing.T) device.Device) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"describes itself", describesItself},
		{"a buffer of each usage", eachUsage},
		{"the smallest buffers", smallest},
		{"a buffer above the default limit", big},
		{"many buffers", many},
		{"destroyed before the submit", destroyBeforeSubmit},
		{"an id is free again", idReuse},
		{"ids with gaps", gaps},
		{"fresh and recycled in turn", inTurn},
		{"submits and waits with nothing to do", nothing},
		{"memory comes back", memoryComesBack},
		{"closed with work recorded", closeWithWork},
		{"closed and opened again", cycles},
		{"waits for what is there alone", waitsForItsOwn},
		{"sessions at the same time", sessions},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, open: open}
			s.begin()
			c.test(s)
			s.end()
		})
	}
}

// suite is a test with a device. Its methods stop the test at any error.
type suite struct {
	*testing.T
	open func(*testing.T) device.Device
	dev  device.Device
	live int // what the device should hold
}

func (s *suite) begin() {
	s.Helper()
	s.dev, s.live = s.open(s.T), 0
}

func (s *suite) end() {
	s.Helper()
	s.ok("Close", s.dev.Close())
}

func (s *suite) ok(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

func (s *suite) create(id device.ID, size int64, usage cachemodes.Usage) {
	s.Helper()
	s.ok(fmt.Sprintf("Create(%d, %d, %s)", id, size, usage), s.dev.Create(id, size, usage))
	s.live++
}

func (s *suite) use(id device.ID, recycled bool) {
	s.Helper()
	s.ok(fmt.Sprintf("Use(%d, %t)", id, recycled), s.dev.Use(0, id, recycled))
}

func (s *suite) destroy(id device.ID) {
	s.dev.Destroy(id)
	s.live--
}

func (s *suite) submit() {
	s.Helper()
	s.ok("Submit", s.dev.Submit(0))
}

// wait waits and checks that the device holds the buffers that it should.
func (s *suite) wait() {
	s.Helper()
	s.ok("Wait", s.dev.Wait())
	c, ok := s.dev.(device.Counter)
	if !ok {
		return
	}
	live, err := c.LiveBuffers()
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	s.ok("LiveBuffers", err)
	if live != s.live {
		s.Fatalf("the device holds %d buffers, want %d", live, s.live)
	}
}

func describesItself(s *suite) {
	info := s.dev.Info()
	if info.Name == "" || info.Kind == "" || info.Type == "" {
		s.Errorf("Info() = %+v, want a kind, a name and a type", info)
	}
	if info.MaxBufferSize < 0 || info.MaxStorageBinding < 0 {
		s.Errorf("Info() = %+v, want limits from 0 on", info)
	}
	if again := s.dev.Info(); again != info {
		s.Errorf("Info() changed from %+v to %+v", info, again)
	}
}

func eachUsage(s *suite) {
	for u := range cachemodes.Usage(cachemodes.NumUsages) {
		s.create(device.ID(u), 4096, u)
		s.use(device.ID(u), false)
	}
	s.submit()
	s.wait()
	for u := range cachemodes.Usage(cachemodes.NumUsages) {
		s.use(device.ID(u), true)
	}
	s.submit()
	for u := range cachemodes.Usage(cachemodes.NumUsages) {
		s.destroy(device.ID(u))
	}
	s.wait()
}

func smallest(s *suite) {
	for id := range device.ID(8) {
		s.create(id, 4*int64(id+1), cachemodes.Storage)
		s.use(id, false)
		s.use(id, true)
	}
	s.submit()
	s.wait()
}

// big is a buffer that WebGPU's default limits would not allow.
func big(s *suite) {
	const size = 300 << 20
	if most := s.dev.Info().MaxBufferSize; most != 0 && most < size {
		s.Skipf("%s makes no buffer above %d bytes", s.dev.Info(), most)
	}
	s.create(0, size, cachemodes.Storage)
	s.use(0, false)
	s.submit()
	s.wait()
	s.use(0, true)
	s.destroy(0)
	s.submit()
	s.wait()
}

func many(s *suite) {
	const n = 4000
	for id := range device.ID(n) {
		s.create(id, 256, cachemodes.Storage)
		s.use(id, false)
		if id%16 == 15 {
			s.submit()
		}
	}
	s.submit()
	s.wait()
	for id := range device.ID(n) {
		if id%2 == 0 {
			s.destroy(id)
		}
	}
	s.wait()
	for id := range device.ID(n) {
		if id%2 == 1 {
			s.use(id, true)
			s.destroy(id)
		}
	}
	s.submit()
	s.wait()
}

// destroyBeforeSubmit is what release "at once" modes do all the time.
func destroyBeforeSubmit(s *suite) {
	s.create(0, 1<<20, cachemodes.Storage)
	s.create(1, 1<<20, cachemodes.Uniform)
	s.use(0, false)
	s.use(1, false)
	s.use(0, true)
	s.destroy(0)
	s.destroy(1)
	s.submit()
	s.wait()
	// Never used, and used in no submission.
	s.create(0, 1<<20, cachemodes.Storage)
	s.destroy(0)
	s.wait()
}

func idReuse(s *suite) {
	for n := range int64(50) {
		s.create(3, 16*(n+1), cachemodes.Storage)
		s.use(3, false)
		if n%3 == 0 {
			s.submit()
		}
		s.destroy(3)
	}
	s.submit()
	s.wait()
}

func gaps(s *suite) {
	for _, id := range []device.ID{1000, 0, 17} {
		s.create(id, 64, cachemodes.Storage)
		s.use(id, false)
	}
	s.destroy(0)
	s.submit()
	s.wait()
	s.create(0, 64, cachemodes.Weights)
	s.wait()
}

// inTurn makes a device switch between dispatches and clears.
func inTurn(s *suite) {
	for id := range device.ID(40) {
		s.create(id, 1024, cachemodes.Storage)
		s.use(id, false)
		s.use(id/2, true)
	}
	s.submit()
	s.wait()
}

func nothing(s *suite) {
	s.submit()
	s.submit()
	s.wait()
	s.create(0, 16, cachemodes.Storage)
	s.submit()
	s.use(0, false)
	s.submit()
	s.submit()
	s.wait()
	s.wait()
}

// memoryComesBack has a few GiB made over time and little at once.
func memoryComesBack(s *suite) {
	for range 16 {
		for id := range device.ID(4) {
			s.create(id, 32<<20, cachemodes.Default)
		}
		s.submit()
		for id := range device.ID(4) {
			s.destroy(id)
		}
	}
	s.wait()
}

func closeWithWork(s *suite) {
	s.create(0, 4096, cachemodes.Storage)
	s.create(1, 4096, cachemodes.Storage)
	s.use(0, false)
	s.submit()
	s.use(1, false)
	s.use(0, true)
	s.use(1, false)
	s.destroy(1)
}

func cycles(s *suite) {
	for range 3 {
		for id := range device.ID(10) {
			s.create(id, 4096, cachemodes.Storage)
			s.use(id, false)
		}
		s.submit()
		s.wait()
		s.end()
		s.begin()
	}
	s.wait()
}

// RunOutOfMemory tests a device that open makes with a budget of budget
// bytes: what is above it is refused with an *device.OutOfMemoryError, and the
// device works on.
func RunOutOfMemory(t *testing.T, budget int64, open func(t *testing.T) device.Device) {
	s := &suite{T: t, open: open}
	s.begin()
	defer s.end()
	refused := func(id device.ID, size int64) {
		s.Helper()
		err := s.dev.Create(id, size, cachemodes.Storage)
		var oom *device.OutOfMemoryError
		if !errors.As(err, &oom) {
			s.Fatalf("Create(%d, %d) = %v, want out of memory", id, size, err)
		}
		if oom.Size != size || oom.Usage != cachemodes.Storage {
			s.Errorf("the error is of %d bytes of %s, want %d of %s", oom.Size, oom.Usage, size, cachemodes.Storage)
		}
	}
	refused(0, budget+4)
	s.create(0, budget, cachemodes.Storage)
	refused(1, 4)
	s.use(0, false)
	s.destroy(0)
	s.create(1, budget-4, cachemodes.Storage)
	s.create(0, 4, cachemodes.Storage)
	refused(2, 4)
	s.submit()
	s.wait()
}

// waitsForItsOwn has one recording submit faster than a slow adapter works, and
// another wait meanwhile. On a fast one the queue is idle at times, and all that is
// seen is that the wait ends.
func waitsForItsOwn(s *suite) {
	const before, most = 2, 400
	s.create(0, 128<<20, cachemodes.Storage)
	s.create(1, 256, cachemodes.Storage)
	other := func() error {
		for range 4 {
			if err := s.dev.Use(1, 0, true); err != nil {
				return err
			}
		}
		return s.dev.Submit(1)
	}
	for range before {
		s.ok("another's submission", other())
	}
	var waited atomic.Bool
	var others sync.WaitGroup
	submitted := 0
	var err error
	others.Go(func() {
		for ; submitted < most && !waited.Load() && err == nil; submitted++ {
			err = other()
			time.Sleep(time.Millisecond) // less than so much is written in
		}
	})
	s.use(1, true)
	s.submit()
	s.ok("Wait", s.dev.Wait())
	waited.Store(true)
	others.Wait()
	s.ok("another's submission", err)
	if submitted == most && runtime.GOOS == "linux" {
		s.Errorf("Wait went on until another had submitted all of %d times", most)
	}
	s.wait()
}

// sessions has several record, submit, wait, make and give up at the same time,
// each in a recording of its own and with buffers of its own.
func sessions(s *suite) {
	const lanes, each, rounds = 4, 6, 20
	errs := make([]error, lanes)
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			rec := device.Recording(lane)
			do := func(err error) { errs[lane] = errors.Join(errs[lane], err) }
			for round := range rounds {
				for i := range each {
					id := device.ID(i*lanes + lane)
					do(s.dev.Create(id, int64(256*(1+i)), cachemodes.Storage))
					do(s.dev.Use(rec, id, false))
					do(s.dev.Use(rec, id, true))
				}
				for i := range each {
					do(s.dev.Use(rec, device.ID(i*lanes+lane), true))
				}
				do(s.dev.Submit(rec))
				if round%2 == 0 {
					do(s.dev.Wait())
				}
				for i := range each {
					s.dev.Destroy(device.ID(i*lanes + lane))
				}
			}
		})
	}
	all.Wait()
	s.ok("a session", errors.Join(errs...))
	s.wait()
}
