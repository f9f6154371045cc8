package device

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// openTimeout bounds every talk with a graphics driver before a device is
// open: a driver that hangs must not hang the program without a word. A sound
// one answers in well under a second; waking many GPUs takes some seconds each.
const openTimeout = time.Minute

// Adapters lists the adapters that could become a WebGPU device: those of
// Vulkan, Metal and Direct3D 12, in the order that the index of "webgpu:N"
// counts. A GPU that two of them offer is listed once, so an entry is a GPU. A
// computer without any has an empty list and no error; the error is that of a
// program that cannot look, or of a driver that does not answer.
//
// Drivers may print to standard output and standard error meanwhile.
func Adapters() ([]Info, error) {
	list, err := listWithin(openTimeout)
	if err != nil {
		return nil, err
	}
	defer list.release()
	return list.infos, nil
}

// Try is Adapters, and for each whether a device can be had of it: nil, or a
// *RefusedError. One whose driver does not answer ends it, because it may hold
// up the others: for those the error is that one's.
func Try() (adapters []Info, refused []error, err error) {
	list, err := listWithin(openTimeout)
	if err != nil {
		return nil, nil, err
	}
	var hangs error
	for _, info := range list.infos {
		err := hangs
		if err == nil {
			_, err = within(openTimeout, "opening "+info.String(), func() (struct{}, error) { return struct{}{}, list.try(info.Index) }, func(struct{}) {})
			if err != nil && !errors.As(err, new(*RefusedError)) {
				hangs = err
			}
		}
		refused = append(refused, err)
	}
	if hangs == nil {
		list.release()
	}
	return list.infos, refused, nil
}

// Open opens the device that want names:
//
//	auto         the best discrete, else integrated adapter, else the host device
//	host         the host device
//	webgpu       the best adapter: discrete, integrated, unknown, software
//	webgpu:N     number N of the list of Adapters
//	webgpu:NAME  the best adapter with NAME in its name, in any case: "webgpu:llvmpipe"
//
// auto does not fail for want of a GPU; the note then says why it took the
// host device. The note is empty where there is nothing to explain. An adapter
// that is asked for and not there is an error that wraps ErrNoAdapter.
func Open(want string) (dev Device, note string, err error) {
	if want == "host" {
		return NewHost(), "", nil
	}
	auto := want == "auto"
	list, err := listWithin(openTimeout)
	if err != nil {
		if auto {
			return NewHost(), fmt.Sprintf("auto took the host device: %v", err), nil
		}
		return nil, "", err
	}
	info, err := Choose(list.infos, want)
	if err != nil || info.Kind == Host {
		list.release()
	}
	switch {
	case err != nil:
		return nil, "", err
	case info.Kind == Host:
		return NewHost(), "auto took the host device: " + noGPU(list.infos), nil
	}
	dev, err = within(openTimeout, "opening "+info.String(), func() (Device, error) {
		defer list.release()
		return list.open(info.Index)
	}, func(late Device) { _ = late.Close() })
	if err != nil && auto {
		return NewHost(), fmt.Sprintf("auto took the host device: %v", err), nil
	}
	return dev, "", err
}

// Choose is the entry of adapters that Open opens for want, or the Info of the
// host device. It asks no driver.
func Choose(adapters []Info, want string) (Info, error) {
	kind, which, named := strings.Cut(want, ":")
	switch {
	case want == "host":
		return NewHost().Info(), nil
	case want == "auto":
		if gpu := best(adapters, func(i Info) bool { return i.Type == Discrete || i.Type == Integrated }); gpu != nil {
			return *gpu, nil
		}
		return NewHost().Info(), nil
	case kind != "webgpu" || named && which == "":
		return Info{}, fmt.Errorf("unknown device %q: want auto, host, webgpu, webgpu:N (a number from \"bucketscope doctor\") or webgpu:NAME (a part of its name)", want)
	case len(adapters) == 0:
		return Info{}, fmt.Errorf("%w found: this computer has no working Vulkan, Metal or Direct3D 12 driver; "+
			"see \"bucketscope doctor\", install a driver (package mesa-vulkan-drivers on Debian and Ubuntu has a software adapter), or use --device host", ErrNoAdapter)
	case !named:
		return *best(adapters, func(Info) bool { return true }), nil
	}
	// A number is an index and never a part of a name, or a wrong index would
	// find the software adapter by the version in its name.
	fits := func(i Info) bool { return strings.Contains(strings.ToLower(i.Name), strings.ToLower(which)) }
	if n, err := strconv.Atoi(which); err == nil {
		fits = func(i Info) bool { return i.Index == n }
	}
	if found := best(adapters, fits); found != nil {
		return *found, nil
	}
	return Info{}, fmt.Errorf("%w %q: found %s; choose one of these, see \"bucketscope doctor\", or use --device host",
		ErrNoAdapter, which, nameAll(adapters))
}

// best is the entry that fits and ranks first, the earlier one of equals; nil
// where none fits.
func best(adapters []Info, fits func(Info) bool) *Info {
	rank := func(t Type) int {
		switch t {
		case Discrete:
			return 0
		case Integrated:
			return 1
		case CPU:
			return 3
		}
		return 2
	}
	var found *Info
	for n := range adapters {
		if i := &adapters[n]; fits(*i) && (found == nil || rank(i.Type) < rank(found.Type)) {
			found = i
		}
	}
	return found
}

func noGPU(adapters []Info) string {
	if len(adapters) == 0 {
		return "no WebGPU adapter found"
	}
	return "no discrete or integrated GPU, only " + nameAll(adapters) + "; --device webgpu runs on it"
}

func nameAll(adapters []Info) string {
	names := make([]string, len(adapters))
	for n, i := range adapters {
		names[n] = fmt.Sprintf("%d: %s (%s)", i.Index, i, i.Type)
	}
	return strings.Join(names, ", ")
}

// onePerGPU drops the entries whose GPU an entry of another backend before
// them is already, and numbers the rest. Two entries of one backend are two
// GPUs, however alike. The result tells for each entry kept where it was.
func onePerGPU(all []Info) (kept []Info, from []int) {
	type pci struct{ vendor, device uint32 }
	backend := map[pci]string{}
	for n, i := range all {
		id := pci{i.VendorID, i.DeviceID}
		if first, seen := backend[id]; seen && first != i.Backend && id != (pci{}) {
			continue
		} else if !seen {
			backend[id] = i.Backend
		}
		i.Index = len(kept)
		kept, from = append(kept, i), append(from, n)
	}
	return kept, from
}

func listWithin(d time.Duration) (*adapterList, error) {
	return within(d, "looking for WebGPU adapters", listAdapters, (*adapterList).release)
}

// within runs f and returns its result, or an error when f panics or has not
// returned after d. In the latter case f runs on, its result given to drop if
// it ever comes: a call into a driver cannot be interrupted.
func within[T any](d time.Duration, what string, f func() (T, error), drop func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result)
	gone := make(chan struct{})
	go func() {
		var r result
		func() {
			defer caught(what, &r.err)
			r.value, r.err = f()
		}()
		select {
		case done <- r:
		case <-gone:
			if r.err == nil {
				drop(r.value)
			}
		}
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		close(gone)
		var zero T
		return zero, fmt.Errorf("%s: the graphics driver has not answered for %v; use --device host, or check the driver with another program such as vulkaninfo", what, d)
	}
}

// caught, deferred, turns a panic of the WebGPU library into an error.
func caught(what string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: the WebGPU library gave up: %v", what, r)
	}
}
