//go:build cgo && ((linux && (amd64 || arm64)) || (darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cogentcore/webgpu/wgpu"

	"bucketscope/cachemodes"
)

// How the WebGPU library (wgpu-native behind github.com/cogentcore/webgpu)
// behaves, and what follows for this file:
//
//   - Its calls that can fail do so in an error scope and return an error, out
//     of memory included. A few have no scope: Queue.Submit, Device.Poll,
//     SetPipeline, SetBindGroup, DispatchWorkgroups. An error there aborts the
//     process with a message on standard error; nothing in Go can catch it. So
//     nothing unchecked is given to them; what remains is a GPU that is lost or
//     out of memory in the middle of a submission. Neither has CreateBuffer an
//     error for one that is lost, but aborts. For both see guard.
//   - Buffer.Destroy would make recorded commands that use the buffer invalid,
//     and submitting those ends the process. Buffer.Release does not: the
//     library holds the memory until they are done.
//   - A fresh buffer is zeroed by the library, over the range that is bound, in
//     the first submission that reads or binds it; a clear counts as zeroing.
//   - Device.Poll that waits ends after five seconds and takes the work for
//     done, whatever the GPU says: what a slow adapter still uses is freed.
//   - It gives a device the limits that were asked for, else WebGPU's defaults,
//     with no buffer above 256 MiB. A requested limit of all ones means "the
//     default". The push constant size that it reports for an adapter is
//     uninitialised memory and must not be asked for.
//   - Its device-lost callback is handed a dangling pointer, so none is set. When
//     a driver says that the device is lost it is not called, either.
//   - Its sub-allocator asks the driver for memory in blocks and gives a block
//     back when the last buffer in it goes. Mappable memory has blocks of its
//     own, which staging buffers empty several times a run: see keeper.

// adapterList is the adapters of one library instance.
type adapterList struct {
	instance *wgpu.Instance
	refs     []*wgpu.Adapter // as the library lists them
	infos    []Info          // one for each GPU; Index counts them
	from     []int           // index into refs of each of infos
	shared   bool            // a device took the instance over
}

func listAdapters() (*adapterList, error) {
	wgpu.SetLogLevel(wgpu.LogLevelOff) // it would log to standard error
	// Vulkan, Metal, Direct3D 12. Not OpenGL: it offers the same GPUs once more,
	// and the library ends the process where libEGL is installed without a
	// driver.
	const backends = wgpu.InstanceBackendPrimary
	guard()
	list := &adapterList{instance: createInstance(backends)}
	list.refs = list.instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: backends})
	all := make([]Info, len(list.refs))
	for n, ref := range list.refs {
		all[n] = describe(ref)
	}
	list.infos, list.from = onePerGPU(all)
	return list, nil
}

// release gives the adapters up, and the instance unless a device lives on it.
func (l *adapterList) release() {
	for _, ref := range l.refs {
		ref.Release()
	}
	if !l.shared {
		l.instance.Release()
	}
}

// describe is what the library says about an adapter; Index is not known here.
func describe(adapter *wgpu.Adapter) Info {
	said := adapter.GetInfo()
	limits := adapter.GetLimits().Limits
	info := Info{
		Kind:              WebGPU,
		Name:              said.Name,
		Backend:           backendName(said.BackendType),
		Type:              typeOf(said.AdapterType),
		Driver:            strings.TrimSpace(said.VendorName + " " + said.DriverDescription),
		VendorID:          said.VendorId,
		DeviceID:          said.DeviceId,
		MaxBufferSize:     limit(limits.MaxBufferSize),
		MaxStorageBinding: limit(limits.MaxStorageBufferBindingSize),
		Timed:             true,
	}
	if strings.HasPrefix(said.Name, "0x") {
		// This version of the library gives the PCI ids in hex as vendor and
		// name, the name as description, and nothing about the driver.
		info.Name, info.Driver = said.DriverDescription, ""
	}
	return info
}

// limit is a WebGPU limit as Info words it: 0 where it limits nothing.
func limit(n uint64) int64 {
	if n > math.MaxInt64/2 {
		return 0
	}
	return int64(n)
}

func backendName(b wgpu.BackendType) string {
	switch b {
	case wgpu.BackendTypeVulkan:
		return "vulkan"
	case wgpu.BackendTypeMetal:
		return "metal"
	case wgpu.BackendTypeD3D12:
		return "dx12"
	}
	return b.String()
}

func typeOf(t wgpu.AdapterType) Type {
	switch t {
	case wgpu.AdapterTypeDiscreteGPU:
		return Discrete
	case wgpu.AdapterTypeIntegratedGPU:
		return Integrated
	case wgpu.AdapterTypeCPU:
		return CPU
	}
	return Unknown
}

// bufferUsage is what buffers are made for. Storage, uniform and staging have
// the flags that ORT gives them; query-resolve and default buffers can be
// copied into as well, so that Use can write them. A trace does not say which
// way a staging buffer goes: it is made for reading back.
var bufferUsage = [cachemodes.NumUsages]wgpu.BufferUsage{
	cachemodes.Storage:      storageUsage,
	cachemodes.Uniform:      wgpu.BufferUsageUniform | wgpu.BufferUsageCopyDst,
	cachemodes.QueryResolve: wgpu.BufferUsageQueryResolve | wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst,
	cachemodes.Default:      wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst,
	cachemodes.Weights:      storageUsage,
	cachemodes.Staging:      wgpu.BufferUsageMapRead | wgpu.BufferUsageCopyDst,
	cachemodes.User:         storageUsage,
}

const storageUsage = wgpu.BufferUsageStorage | wgpu.BufferUsageCopySrc | wgpu.BufferUsageCopyDst | wgpu.BufferUsageIndirect

// firstWord is what the shader writes at the start of a fresh buffer.
const firstWord = 0xb0c4e75c

// shader writes one word, because that is enough: it binds the whole buffer,
// and the library zeroes what a first binding covers. So the cost of a fresh
// buffer is that of its memory and one write of all of it, as in ORT, and a
// shader that wrote everything again would count that write twice.
var shader = fmt.Sprintf(`
@group(0) @binding(0) var<storage, read_write> buffer: array<u32>;
@compute @workgroup_size(1)
fn first_use() { buffer[0] = %du; }
`, uint32(firstWord))

// gpu is a Device and Counter on a WebGPU adapter.
//
//	Use ──► encoder of its recording: [pass: dispatch dispatch] clear [pass: dispatch] ──Submit──► queue
//
// Commands are recorded at once and in order, dispatches in a row into one
// compute pass, because a clear cannot be recorded inside a pass.
type gpu struct {
	info     Info
	instance *wgpu.Instance
	device   *wgpu.Device
	queue    *wgpu.Queue
	layout   *wgpu.BindGroupLayout
	pipeline *wgpu.ComputePipeline
	// keeper is a small mappable buffer that nobody uses, so that the block it
	// lies in stays. A program has some mapped buffer at any time; a replay has
	// none between two downloads, and would pay for a block each time: on an
	// NVIDIA H200 under Vulkan 5 to 15 ms for each staging buffer, whatever the
	// cache mode (a run of phi3-mini-4k/static 40 ms; with it 2.5).
	keeper *wgpu.Buffer

	// mu guards what follows, and calls of the library, whose error scopes are
	// one stack for the whole device.
	mu sync.Mutex
	// table is held with mu to change buffers, recs and lost, and without it to
	// look them up. What a recording has is for the goroutine of its session.
	table   sync.RWMutex
	buffers []buffer     // by ID
	recs    []*recording // by Recording

	// asking is held by who polls while others only wait.
	asking sync.Mutex

	// failed counts the creates that the library refused; it goes on counting
	// each of them as a buffer.
	failed int

	// lost is why nothing is asked of the library any more, once it is so.
	lost *LostError

	// newGroup is reused from call to call.
	newGroup wgpu.BindGroupDescriptor
}

// recording is the commands of one session that are not submitted.
type recording struct {
	encoder *wgpu.CommandEncoder     // nil while nothing is recorded
	pass    *wgpu.ComputePassEncoder // nil while no pass is open; needs encoder
	groups  []*wgpu.BindGroup        // of the open pass
}

type buffer struct {
	ref  *wgpu.Buffer // nil where the ID is free
	size uint64
	// bindable tells that a shader can bind the whole buffer for writing.
	bindable bool
}

// keeperSize is any size that shares a block.
const keeperSize = 64

// open makes a device of the entry of infos with that index. The instance is
// the device's from then on, so that its counts are those of this device alone.
func (l *adapterList) open(index int) (Device, error) {
	info := l.infos[index]
	g := &gpu{info: info, instance: l.instance}
	l.shared = true
	var err error
	if g.device, err = requestDevice(l.refs[l.from[index]]); err != nil {
		g.release()
		return nil, &RefusedError{info, "making a device", err}
	}
	limits := g.device.GetLimits().Limits
	g.info.MaxBufferSize = limit(limits.MaxBufferSize)
	g.info.MaxStorageBinding = limit(limits.MaxStorageBufferBindingSize)
	g.queue = g.device.GetQueue()
	if err := g.compile(); err != nil {
		g.release()
		return nil, &RefusedError{info, "compiling bucketscope's shader", plain(err)}
	}
	if g.keeper, err = g.device.CreateBuffer(&wgpu.BufferDescriptor{Size: keeperSize, Usage: bufferUsage[cachemodes.Staging]}); err != nil {
		g.release()
		return nil, &RefusedError{info, "making a first buffer", plain(err)}
	}
	g.newGroup = wgpu.BindGroupDescriptor{Layout: g.layout, Entries: make([]wgpu.BindGroupEntry, 1)}
	return g, nil
}

// try makes a device of the entry of infos with that index, and gives it up.
func (l *adapterList) try(index int) error {
	device, err := requestDevice(l.refs[l.from[index]])
	if err != nil {
		return &RefusedError{l.infos[index], "making a device", err}
	}
	device.Release()
	return nil
}

// requestDevice asks for everything that the adapter can do, and where that is
// refused for what every adapter can.
func requestDevice(adapter *wgpu.Adapter) (*wgpu.Device, error) {
	limits := adapter.GetLimits().Limits
	limits.MaxPushConstantSize = 0
	limits.MaxBufferSize = min(limits.MaxBufferSize, wgpu.LimitU64Undefined-1)
	limits.MaxStorageBufferBindingSize = min(limits.MaxStorageBufferBindingSize, wgpu.LimitU64Undefined-1)
	// An empty descriptor is not none: with none the library ends the process
	// when the device is lost.
	device, err := adapter.RequestDevice(&wgpu.DeviceDescriptor{RequiredLimits: &wgpu.RequiredLimits{Limits: limits}})
	if err != nil {
		device, err = adapter.RequestDevice(&wgpu.DeviceDescriptor{})
	}
	return device, err
}

// compile makes layout and pipeline.
func (g *gpu) compile() error {
	module, err := g.device.CreateShaderModule(&wgpu.ShaderModuleDescriptor{
		WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: shader},
	})
	if err != nil {
		return err
	}
	defer module.Release()
	g.layout, err = g.device.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{
		Entries: []wgpu.BindGroupLayoutEntry{{
			Visibility: wgpu.ShaderStageCompute,
			Buffer:     wgpu.BufferBindingLayout{Type: wgpu.BufferBindingTypeStorage},
		}},
	})
	if err != nil {
		return err
	}
	layout, err := g.device.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{
		BindGroupLayouts: []*wgpu.BindGroupLayout{g.layout},
	})
	if err != nil {
		return err
	}
	defer layout.Release()
	g.pipeline, err = g.device.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Layout:  layout,
		Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: "first_use"},
	})
	return err
}

func (g *gpu) Info() Info { return g.info }

func (g *gpu) Create(id ID, size int64, usage cachemodes.Usage) error {
	if id < 0 || size <= 0 || size%4 != 0 {
		panic(fmt.Sprintf("device: Create(%d, %d): expected an id from 0 on and a size above 0 that is a multiple of 4", id, size))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil {
		return g.lost
	}
	if int(id) < len(g.buffers) && g.buffers[id].ref != nil {
		panic(fmt.Sprintf("device: Create(%d): expected an id that is free", id))
	}
	if most := g.info.MaxBufferSize; most > 0 && size > most {
		return fmt.Errorf("a %s buffer of %d bytes is above the limit of %s, which makes none above %d", usage, size, g.info, most)
	}
	ref, sig, err := create(g.device, bufferUsage[usage], uint64(size))
	if sig != 0 {
		return g.lose("making a buffer", sig)
	}
	if err != nil {
		g.failed++
		err = plain(err)
		if strings.Contains(err.Error(), "Not enough memory left") {
			return &OutOfMemoryError{size, usage, err}
		}
		return fmt.Errorf("creating a %s buffer of %d bytes on %s: %w", usage, size, g.info, err)
	}
	most := g.info.MaxStorageBinding
	g.table.Lock()
	defer g.table.Unlock()
	for int(id) >= len(g.buffers) {
		g.buffers = append(g.buffers, buffer{})
	}
	g.buffers[id] = buffer{
		ref:      ref,
		size:     uint64(size),
		bindable: bufferUsage[usage]&wgpu.BufferUsageStorage != 0 && (most == 0 || size <= most),
	}
	return nil
}

// Use records, for a fresh buffer that a shader can bind, a dispatch on it (see
// shader), and for every other case a clear of the whole of it: a recycled
// buffer is cleared by ORT too; a uniform, query-resolve, default or staging
// buffer is no shader's to write; one above the largest binding cannot be bound
// whole. A clear is the first write of a fresh buffer as much as a binding is:
// the library does not zero it once more.
func (g *gpu) Use(r Recording, id ID, recycled bool) error {
	if g.clearAlone(r, id, recycled) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	rec := g.recording(r)
	b := g.held(id, "Use")
	if g.lost != nil {
		return g.lost
	}
	if rec.encoder == nil {
		encoder, err := g.device.CreateCommandEncoder(nil)
		if err != nil {
			return fmt.Errorf("recording commands on %s: %w", g.info, plain(err))
		}
		rec.encoder = encoder
	}
	var err error
	if b.bindable && !recycled {
		err = g.dispatch(rec, b)
	} else {
		err = rec.clear(b)
	}
	if err != nil {
		return fmt.Errorf("recording a write of %d bytes on %s: %w", b.size, g.info, plain(err))
	}
	return nil
}

// clearAlone records a clear into commands that were begun, which needs nothing
// that sessions share; most of a workload is that. Dawn's lock of a device leaves
// recording out as well (its feature ImplicitDeviceSynchronization). It answers
// false where it did not.
func (g *gpu) clearAlone(r Recording, id ID, recycled bool) bool {
	g.table.RLock()
	if g.lost != nil || int(r) >= len(g.recs) || id < 0 || int(id) >= len(g.buffers) {
		g.table.RUnlock()
		return false
	}
	rec, b := g.recs[r], g.buffers[id]
	g.table.RUnlock()
	if rec.encoder == nil || rec.pass != nil || b.ref == nil || b.bindable && !recycled {
		return false
	}
	return clear(rec.encoder, b.ref, b.size)
}

func (g *gpu) dispatch(rec *recording, b *buffer) error {
	g.newGroup.Entries[0].Buffer, g.newGroup.Entries[0].Size = b.ref, b.size
	group, err := g.device.CreateBindGroup(&g.newGroup)
	if err != nil {
		return err
	}
	// Released when the pass ends: the library looks it up only then, by a
	// number that a release makes invalid. The group keeps the buffer.
	rec.groups = append(rec.groups, group)
	if err := rec.beginPass(g.pipeline); err != nil {
		return err
	}
	rec.pass.SetBindGroup(0, group, nil)
	rec.pass.DispatchWorkgroups(1, 1, 1)
	return nil
}

func (rec *recording) clear(b *buffer) error {
	if err := rec.endPass(); err != nil {
		return err
	}
	return rec.encoder.ClearBuffer(b.ref, 0, b.size)
}

// beginPass sees to an open pass with the pipeline set.
func (rec *recording) beginPass(pipeline *wgpu.ComputePipeline) (err error) {
	if rec.pass != nil {
		return nil
	}
	defer caught("beginning a compute pass", &err)
	rec.pass = rec.encoder.BeginComputePass(nil)
	rec.pass.SetPipeline(pipeline)
	return nil
}

func (rec *recording) endPass() error {
	if rec.pass == nil {
		return nil
	}
	err := rec.pass.End()
	rec.pass.Release()
	rec.pass = nil
	for _, group := range rec.groups {
		group.Release()
	}
	rec.groups = rec.groups[:0]
	return err
}

// Destroy releases the library's buffer and does not destroy it: commands that
// were recorded with it stay valid, and its memory is freed at the first Submit
// or Wait that finds them done.
func (g *gpu) Destroy(id ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.held(id, "Destroy")
	if g.lost == nil {
		b.ref.Release()
	}
	g.table.Lock()
	*b = buffer{}
	g.table.Unlock()
}

// held is the buffer that a caller's ID names.
func (g *gpu) held(id ID, by string) *buffer {
	if id < 0 || int(id) >= len(g.buffers) || g.buffers[id].ref == nil {
		panic(fmt.Sprintf("device: %s(%d): expected a buffer that Create made", by, id))
	}
	return &g.buffers[id]
}

// Submit with nothing recorded sends nothing. Every Submit frees the memory of
// buffers destroyed earlier whose commands are done; it does not wait.
func (g *gpu) Submit(r Recording) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil {
		return g.lost
	}
	if rec := g.recording(r); rec.encoder != nil {
		commands, err := rec.finish()
		if err != nil {
			return fmt.Errorf("submitting to %s: %w", g.info, plain(err))
		}
		if sig := submit(g.queue, commands); sig != 0 {
			return g.lose("taking a submission", sig)
		}
		commands.Release()
	}
	_, err := g.poll()
	return err
}

func (g *gpu) isLost() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost != nil
}

// lose ends the use of a device on which the library gave up, or whose driver
// crashed. A queue that can be looked at afterwards is of a device that is there,
// and had no memory. The look may not come back, see guard, and is not waited for
// then. The caller has the lock.
func (g *gpu) lose(while string, sig syscall.Signal) error {
	lost := &LostError{Device: g.info, While: while}
	g.table.Lock()
	g.lost = lost
	g.table.Unlock()
	if sig != aborted {
		lost.Crash = sig.String()
		return lost
	}
	lost.NoMemory, _ = within(lookAtMost, "looking at "+g.info.String(), func() (bool, error) {
		_, sig := poll(g.device)
		return sig == 0, nil
	}, func(bool) {})
	return lost
}

// aborted is how the library gives up.
const aborted = syscall.Signal(6)

// poll frees what is done, and answers whether the queue is idle. The caller has
// the lock.
func (g *gpu) poll() (idle bool, err error) {
	if g.lost != nil {
		return false, g.lost
	}
	idle, sig := poll(g.device)
	if sig != 0 {
		return false, g.lose("it worked", sig)
	}
	return idle, nil
}

// recording is one by its number.
func (g *gpu) recording(r Recording) *recording {
	if int(r) >= len(g.recs) {
		g.table.Lock()
		defer g.table.Unlock()
		for int(r) >= len(g.recs) {
			g.recs = append(g.recs, &recording{})
		}
	}
	return g.recs[r]
}

// finish ends the recording, which is over whether that succeeds or not.
func (rec *recording) finish() (*wgpu.CommandBuffer, error) {
	passErr := rec.endPass()
	commands, err := rec.encoder.Finish(nil)
	rec.encoder.Release()
	rec.encoder = nil
	if passErr != nil {
		if err == nil {
			commands.Release()
		}
		return nil, passErr
	}
	return commands, err
}

// How long Wait looks at the queue without a pause, how its pauses grow, and
// when it gives the device up; and for how long one that is lost is looked at.
const (
	waitSpins   = 2 * time.Millisecond
	waitFirst   = 20 * time.Microsecond
	waitLongest = time.Millisecond
	waitAtMost  = 10 * time.Minute
	lookAtMost  = time.Second
)

// Wait asks the library again and again and does not let it wait: its own wait
// ends after five seconds and then takes the work for done, so that it frees
// memory that a slow adapter is still writing to. A software adapter under
// load needs longer for gigabytes. Where several wait, one asks for all.
func (g *gpu) Wait() error {
	at, idle, err := g.mark()
	if idle || err != nil {
		return err
	}
	begin, pause := time.Now(), waitFirst
	for !at.done() {
		if g.asking.TryLock() {
			idle, err := g.look()
			g.asking.Unlock()
			if idle || err != nil {
				at.done() // an idle queue has come to every mark: this frees it
				return err
			}
		}
		switch d := time.Since(begin); {
		case d < waitSpins:
			runtime.Gosched()
		case d > waitAtMost:
			return fmt.Errorf("%s has not finished its work after %v: the GPU or its driver hangs; end the program, or use --device host", g.info, waitAtMost)
		default:
			time.Sleep(pause)
			pause = min(2*pause, waitLongest)
		}
	}
	return nil
}

// mark is the end of what was submitted, if the queue is not idle.
func (g *gpu) mark() (at marker, idle bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if idle, err = g.poll(); !idle && err == nil {
		at = mark(g.queue)
	}
	return at, idle, err
}

// look is poll with the lock.
func (g *gpu) look() (idle bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.poll()
}

// LiveBuffers counts the buffers made whose memory exists: those not destroyed, and
// those destroyed that commands under way still use. After Wait there are none
// of the latter.
//
// The error wraps errors.ErrUnsupported: the library reports on one backend,
// which on Windows is not always the device's.
func (g *gpu) LiveBuffers() (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil {
		return 0, g.lost
	}
	report := g.instance.GenerateReport()
	hub := map[string]*wgpu.HubReport{
		"vulkan": report.Vulkan,
		"metal":  report.Metal,
		"dx12":   report.Dx12,
	}[g.info.Backend]
	if hub == nil {
		return 0, fmt.Errorf("counting the buffers of %s: %w by the WebGPU library on this system", g.info, errors.ErrUnsupported)
	}
	return int(hub.Buffers.NumAllocated) - g.failed - 1, nil // without the keeper
}

// Close drops what is recorded and not submitted, waits for the rest, and
// frees everything, or nothing where the wait fails: freeing a device that
// hangs would hang as well, and so may one that is lost. A second Close does
// nothing, and neither does the first of a device that is known to be lost.
func (g *gpu) Close() error {
	if g.device == nil || g.isLost() {
		return nil
	}
	var err error
	for _, rec := range g.recs {
		if rec.encoder == nil {
			continue
		}
		commands, ferr := rec.finish()
		if ferr == nil {
			commands.Release()
		} else if err == nil {
			err = ferr
		}
	}
	for n := range g.buffers {
		if b := &g.buffers[n]; b.ref != nil {
			b.ref.Release()
		}
	}
	g.buffers = nil
	if hang := g.Wait(); hang != nil {
		return hang
	}
	g.release()
	return err
}

// release gives up what open made.
func (g *gpu) release() {
	if g.keeper != nil {
		g.keeper.Release()
	}
	if g.pipeline != nil {
		g.pipeline.Release()
	}
	if g.layout != nil {
		g.layout.Release()
	}
	if g.queue != nil {
		g.queue.Release()
	}
	if g.device != nil {
		g.device.Release()
	}
	g.instance.Release()
	g.instance, g.device, g.queue, g.layout, g.pipeline, g.keeper, g.buffers, g.recs = nil, nil, nil, nil, nil, nil, nil, nil
}

// plain is the cause of an error of the library in one line. The library
// writes the call, "Validation Error", a blank line, "Caused by:", and then the
// causes on lines of their own, the first of which names the call again.
func plain(err error) error {
	var causes []string
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		if line == "" || line == "Caused by:" || strings.HasPrefix(line, "In wgpu") || strings.HasSuffix(line, "Validation Error") {
			continue
		}
		causes = append(causes, strings.TrimSuffix(line, "."))
	}
	if len(causes) == 0 {
		return err
	}
	return errors.New(strings.Join(causes, ": "))
}
