package cost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// What a measurement does, in one place.
const (
	minSize = 256
	// uniformMost bounds the sizes of buffers that no shader writes: the
	// recordings have none above.
	uniformMost = 64 << 10
	// A sample is of at most so many buffers, of so many bytes together, and of
	// at least minBatch whatever the bytes.
	maxBatch, minBatch = 64, 2
	batchBytes         = 256 << 20
	// stagingMost bounds the sizes of buffers that the program maps, and alone is
	// how often one is made by itself in a sample.
	stagingMost = 64 << 20
	alone       = 4
	// nearSize are the buffers of a set that is cleared again and again, at least
	// nearBytes of them together each time.
	nearSize  = 1 << 20
	nearBytes = 64 << 20
	// crowd is how many buffers there are when submissions are timed again.
	crowd = 4096
	// submits are timed one by one, and as many commands together.
	submits = 32
	// chains is how often as many commands are made to wait for each other.
	chains = 8
	// roundingBytes is how much is made of a size to see what it costs, in at
	// most roundingMost buffers, and from which size on.
	roundingBytes = 128 << 20
	roundingMost  = 512
	roundingFrom  = 64 << 10
	roundingTo    = 64 << 20
	// recorded is the one recording that there is.
	recorded device.Recording = 0
)

// Reading is what a driver says is held, in bytes; OK is false where it cannot
// say, and Reason then tells why.
type Reading struct {
	Bytes          int64
	OK             bool
	Source, Reason string
}

// Options say how to measure.
type Options struct {
	// Settle is for how long everything is measured for nothing, once at least: a
	// GPU may be several times as fast in its first seconds as it is under the
	// light load of a replay.
	Settle time.Duration
	// Rounds is how often everything is measured, one after the other, so that
	// a device that gets slower does so for all sizes; at least 1.
	Rounds int
	// MaxSize is the largest buffer made; at least 1 KiB.
	MaxSize int64
	// MaxBytes bounds what is held at once; 0 is no limit.
	MaxBytes int64
	// Driver is the driver's name and version, where the device does not tell.
	Driver string
	// Read asks the driver; nil where there is none to ask.
	Read func() Reading
	// Progress, if set, is told how much is done.
	Progress func(done, total int, what string)
	// Now and Command are what Made and Command say.
	Now     time.Time
	Command string
}

// Measure measures an empty device and leaves it empty. It stops between two
// samples, with ctx's error, when ctx is done.
func Measure(ctx context.Context, dev device.Device, o Options) (*Calibration, error) {
	info := dev.Info()
	if !info.Timed {
		return nil, fmt.Errorf("%s has no time to measure: choose an adapter with --device webgpu", info)
	}
	if o.Rounds < 1 || o.MaxSize < 1<<10 {
		return nil, fmt.Errorf("%d rounds up to %d bytes: want at least 1, and 1024", o.Rounds, o.MaxSize)
	}
	m := &measurer{ctx: ctx, dev: dev, o: o}
	m.most = o.MaxSize
	for _, limit := range []int64{info.MaxBufferSize, info.MaxStorageBinding, o.MaxBytes / minBatch} {
		if limit > 0 {
			m.most = min(m.most, limit)
		}
	}
	c, err := m.all()
	if err != nil {
		if cerr := m.sweep(); cerr != nil && !errors.Is(err, cerr) { // a device that is lost says so each time
			err = errors.Join(err, cerr)
		}
		return nil, err
	}
	c.Adapter = AdapterOf(info, o.Driver)
	c.Made, c.Command = o.Now.UTC().Format(time.RFC3339), o.Command
	return c, nil
}

// measurer is a measurement going on.
type measurer struct {
	ctx         context.Context
	dev         device.Device
	o           Options
	most        int64
	live        []device.ID // that exist, in the order in which they were made
	next        device.ID
	settling    bool
	done, total int
}

func (m *measurer) tick(format string, args ...any) error {
	if !m.settling {
		m.done++
	}
	if m.o.Progress != nil {
		m.o.Progress(m.done, m.total, fmt.Sprintf(format, args...))
	}
	return m.ctx.Err()
}

// sizes are powers of two from minSize on, and half way between them, up to a limit.
func sizes(to int64) []int64 {
	var out []int64
	for s := int64(minSize); s <= to; s *= 2 {
		out = append(out, s)
		if half := s + s/2; half <= to {
			out = append(out, half)
		}
	}
	return out
}

// point is a size to measure, and what each round said.
type point struct {
	usage  cachemodes.Usage
	size   int64
	rounds []Price
}

func (m *measurer) all() (*Calibration, error) {
	var points []*point
	for _, s := range sizes(m.most) {
		points = append(points, &point{usage: cachemodes.Storage, size: s})
	}
	for _, s := range sizes(min(uniformMost, m.most)) {
		points = append(points, &point{usage: cachemodes.Uniform, size: s})
	}
	for _, s := range sizes(min(stagingMost, m.most)) {
		points = append(points, &point{usage: cachemodes.Staging, size: s})
	}
	blocks := m.blockSizes()
	sets := m.sets()
	m.total = (len(points)+1)*(m.o.Rounds+1) + len(blocks)
	near := make([][]float64, len(sets))
	c := &Calibration{Format: Format, Version: Version}
	var base []fixed
	var chain, steps []float64
	x := newMix(m.most, m.o.MaxBytes)
	// The first round warms device and driver up and is dropped; so is what comes
	// after it until they have settled.
	begin := time.Now()
	for round := 0; round <= m.o.Rounds; {
		f, err := m.base()
		if err != nil {
			return nil, err
		}
		waits, err := m.chain()
		if err != nil {
			return nil, err
		}
		if round > 0 {
			base, chain = append(base, f), append(chain, waits)
		}
		speeds, err := m.near(sets, f.submit, f.wait, waits)
		if err != nil {
			return nil, err
		}
		for i, us := range speeds {
			if round > 0 {
				near[i] = append(near[i], us)
			}
		}
		step, err := m.mixed(x)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			steps = append(steps, step)
		}
		if err := m.tick("round %d of %d", round, m.o.Rounds); err != nil {
			return nil, err
		}
		for _, at := range points {
			take := m.sample
			if at.usage == cachemodes.Staging {
				take = m.single
			}
			price, err := take(at, f.submit, f.wait)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				at.rounds = append(at.rounds, price)
			}
			if err := m.tick("round %d of %d: %s buffers of %d bytes", round, m.o.Rounds, at.usage, at.size); err != nil {
				return nil, err
			}
		}
		if m.settling = round == 0 && time.Since(begin) < m.o.Settle; !m.settling {
			round++
		}
	}
	of := func(part func(f fixed) float64) float64 {
		var all []float64
		for _, f := range base {
			all = append(all, part(f))
		}
		return median(all)
	}
	c.SubmitUS, c.WaitUS, c.PassUS = of(func(f fixed) float64 { return f.submit }), of(func(f fixed) float64 { return f.wait }), of(func(f fixed) float64 { return f.pass })
	c.SubmitBufferUS, c.WaitBufferUS = of(func(f fixed) float64 { return f.submitBuffer }), of(func(f fixed) float64 { return f.waitBuffer })
	c.ChainUS = median(chain)
	for _, at := range points {
		list := map[cachemodes.Usage]*[]Price{cachemodes.Storage: &c.Storage, cachemodes.Uniform: &c.Uniform, cachemodes.Staging: &c.Staging}[at.usage]
		*list = append(*list, at.price())
	}
	for i, set := range sets {
		c.Near = append(c.Near, Near{set, median(near[i])})
	}
	if us := x.predicted(c); us > 0 {
		c.Mix = min(median(steps)/us, mostMix)
	}
	return c, m.rounding(c, blocks)
}

// price is the median of the rounds.
func (at *point) price() Price {
	of := func(f func(p *Price) float64) float64 {
		var all []float64
		for i := range at.rounds {
			all = append(all, f(&at.rounds[i]))
		}
		return median(all)
	}
	var sums []float64
	for i := range at.rounds {
		p := &at.rounds[i]
		sums = append(sums, p.WarmCreateUS+p.WarmWrite.US()+p.CreateUS+p.DestroyUS+p.Write.US()+p.Clear.US()+p.Reuse.US())
	}
	p := Price{
		Bytes:        at.size,
		SetBytes:     at.rounds[0].SetBytes,
		CreateUS:     of(func(p *Price) float64 { return p.CreateUS }),
		DestroyUS:    of(func(p *Price) float64 { return p.DestroyUS }),
		Write:        Work{of(func(p *Price) float64 { return p.Write.ProgramUS }), of(func(p *Price) float64 { return p.Write.DeviceUS })},
		WarmCreateUS: of(func(p *Price) float64 { return p.WarmCreateUS }),
		WarmWrite:    Work{of(func(p *Price) float64 { return p.WarmWrite.ProgramUS }), of(func(p *Price) float64 { return p.WarmWrite.DeviceUS })},
		Clear:        Work{of(func(p *Price) float64 { return p.Clear.ProgramUS }), of(func(p *Price) float64 { return p.Clear.DeviceUS })},
		Reuse:        Work{of(func(p *Price) float64 { return p.Reuse.ProgramUS }), of(func(p *Price) float64 { return p.Reuse.DeviceUS })},
	}
	if mid := median(sums); mid > 0 {
		p.Spread = (slices.Max(sums) - slices.Min(sums)) / mid
	}
	return p
}

// median of at least one number.
func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// create makes n more buffers.
func (m *measurer) create(n int, size int64, u cachemodes.Usage) error {
	for range n {
		if err := m.dev.Create(m.next, size, u); err != nil {
			return fmt.Errorf("measuring buffers of %d bytes: %w; a smaller --max-size needs less", size, err)
		}
		m.live = append(m.live, m.next)
		m.next++
	}
	return nil
}

// use records a write of buffers.
func (m *measurer) use(ids []device.ID, recycled bool) error {
	for _, id := range ids {
		if err := m.dev.Use(recorded, id, recycled); err != nil {
			return err
		}
	}
	return nil
}

// sweep gives every buffer up and waits until it is gone.
func (m *measurer) sweep() error {
	for _, id := range m.live {
		m.dev.Destroy(id)
	}
	m.live, m.next = m.live[:0], 0
	return m.settle()
}

// thin gives up every second buffer.
func (m *measurer) thin() {
	kept := m.live[:0]
	for i, id := range m.live {
		if i%2 == 0 {
			kept = append(kept, id)
		} else {
			m.dev.Destroy(id)
		}
	}
	m.live = kept
}

// settle waits until the device is idle and has freed what it can.
func (m *measurer) settle() error {
	if err := m.dev.Submit(recorded); err != nil {
		return err
	}
	if err := m.dev.Wait(); err != nil {
		return err
	}
	return m.dev.Submit(recorded)
}

func since(t time.Time) float64 { return float64(time.Since(t).Nanoseconds()) / 1000 }

// work times recording, submitting and waiting for a write of buffers: the
// program's part, and the rest, which is the device's.
func (m *measurer) work(ids []device.ID, recycled bool) (program, rest float64, err error) {
	t := time.Now()
	if err := m.use(ids, recycled); err != nil {
		return 0, 0, err
	}
	if err := m.dev.Submit(recorded); err != nil {
		return 0, 0, err
	}
	program = since(t)
	t = time.Now()
	if err := m.dev.Wait(); err != nil {
		return 0, 0, err
	}
	return program, since(t), nil
}

// fixed is what a submission, a wait and a pass cost by themselves, and for each
// buffer that there is. Microseconds.
type fixed struct{ submit, wait, pass, submitBuffer, waitBuffer float64 }

// base measures it, with small buffers.
func (m *measurer) base() (f fixed, err error) {
	if err := m.create(2, minSize, cachemodes.Storage); err != nil {
		return f, err
	}
	if err := m.use(m.live, false); err != nil {
		return f, err
	}
	if err := m.settle(); err != nil {
		return f, err
	}
	if f.submit, f.wait, err = m.turns(); err != nil {
		return f, err
	}
	if f.pass, err = m.passes(); err != nil {
		return f, err
	}
	if err := m.create(crowd, minSize, cachemodes.Storage); err != nil {
		return f, err
	}
	if err := m.use(m.live, true); err != nil {
		return f, err
	}
	if err := m.settle(); err != nil {
		return f, err
	}
	submit, wait, err := m.turns()
	if err != nil {
		return f, err
	}
	f.submitBuffer, f.waitBuffer = max(0, submit-f.submit)/crowd, max(0, wait-f.wait)/crowd
	return f, m.sweep()
}

// turns is the medians of submissions and waits, so that what else runs on the
// machine does not count.
func (m *measurer) turns() (submit, wait float64, err error) {
	var sends, waits []float64
	for range submits {
		if err := m.dev.Use(recorded, 0, true); err != nil {
			return 0, 0, err
		}
		t := time.Now()
		if err := m.dev.Submit(recorded); err != nil {
			return 0, 0, err
		}
		sends = append(sends, since(t))
		t = time.Now()
		if err := m.dev.Wait(); err != nil {
			return 0, 0, err
		}
		waits = append(waits, since(t))
	}
	return median(sends), median(waits), nil
}

// passes measures what beginning and ending a pass costs.
func (m *measurer) passes() (float64, error) {
	t := time.Now()
	for range submits { // in one submission
		if err := m.dev.Use(recorded, 0, true); err != nil {
			return 0, err
		}
	}
	clears := since(t)
	if err := m.settle(); err != nil {
		return 0, err
	}
	t = time.Now()
	for range submits { // a pass between any two clears
		if err := m.dev.Use(recorded, 0, true); err != nil {
			return 0, err
		}
		if err := m.dev.Use(recorded, 1, false); err != nil {
			return 0, err
		}
	}
	mixed := since(t)
	if err := m.settle(); err != nil {
		return 0, err
	}
	t = time.Now()
	for range submits { // in one pass
		if err := m.dev.Use(recorded, 1, false); err != nil {
			return 0, err
		}
	}
	dispatches := since(t)
	if err := m.settle(); err != nil {
		return 0, err
	}
	return max(0, mixed-clears-dispatches) / submits, nil
}

// sets are the sizes of sets that are cleared again and again; none where
// buffers are to be small.
func (m *measurer) sets() []int64 {
	most := int64(batchBytes)
	if m.o.MaxBytes > 0 {
		most = min(most, m.o.MaxBytes)
	}
	var out []int64
	for s := int64(nearSize); s <= most && m.most >= nearSize; s *= 2 {
		out = append(out, s)
	}
	return out
}

// near measures what the device takes to clear a MiB of each set, once.
func (m *measurer) near(sets []int64, submit, wait, chain float64) ([]float64, error) {
	var out []float64
	for _, set := range sets {
		if err := m.create(int(set/nearSize)-len(m.live), nearSize, cachemodes.Storage); err != nil {
			return nil, err
		}
		if err := m.use(m.live, true); err != nil { // so that all of it was written of late
			return nil, err
		}
		if err := m.settle(); err != nil {
			return nil, err
		}
		times := max(1, int(nearBytes/set))
		for range times {
			if err := m.use(m.live, true); err != nil {
				return nil, err
			}
		}
		// The device may begin while the submission is under way.
		t := time.Now()
		if err := m.dev.Submit(recorded); err != nil {
			return nil, err
		}
		if err := m.dev.Wait(); err != nil {
			return nil, err
		}
		waited := chain * float64((times-1)*len(m.live))
		out = append(out, max(0, since(t)-submit-wait-waited)/float64(times)/(float64(set)/(1<<20)))
	}
	return out, m.sweep()
}

// chain measures what the device takes longer where each command has to wait for
// the one before it.
func (m *measurer) chain() (float64, error) {
	if err := m.create(submits, minSize, cachemodes.Storage); err != nil {
		return 0, err
	}
	if _, _, err := m.work(m.live, true); err != nil { // they are written for the first time
		return 0, err
	}
	took := func(of func(i int) device.ID) (float64, error) {
		for i := range submits {
			if err := m.dev.Use(recorded, of(i), true); err != nil {
				return 0, err
			}
		}
		// The device may begin while the submission is under way.
		t := time.Now()
		if err := m.dev.Submit(recorded); err != nil {
			return 0, err
		}
		if err := m.dev.Wait(); err != nil {
			return 0, err
		}
		return since(t), nil
	}
	var same, each []float64
	for range chains {
		s, err := took(func(int) device.ID { return 0 })
		if err != nil {
			return 0, err
		}
		e, err := took(func(i int) device.ID { return device.ID(i) })
		if err != nil {
			return 0, err
		}
		same, each = append(same, s), append(each, e)
	}
	return max(0, median(same)-median(each)) / (submits - 1), m.sweep()
}

// batch is how many buffers of a size a sample has.
func (m *measurer) batch(size int64) int {
	most := int64(batchBytes)
	if m.o.MaxBytes > 0 {
		most = min(most, m.o.MaxBytes)
	}
	return int(min(max(most/size, minBatch), maxBatch))
}

// sample measures one size once: of many buffers made one after the other, and
// then of as many as half of these, made again where every second was given up. That
// is warm: the allocator below has their memory still, among what stays.
func (m *measurer) sample(at *point, submit, wait float64) (Price, error) {
	n := m.batch(at.size)
	p := Price{Bytes: at.size, SetBytes: int64(n) * at.size}
	t := time.Now()
	if err := m.create(n, at.size, at.usage); err != nil {
		return p, err
	}
	p.CreateUS = since(t) / float64(n)
	if err := m.commands(&p, submit, wait, float64(n)); err != nil {
		return p, err
	}

	t = time.Now()
	m.thin()
	if err := m.settle(); err != nil {
		return p, err
	}
	destroys := since(t)
	stay := len(m.live)
	again := n - stay
	t = time.Now()
	if err := m.create(again, at.size, at.usage); err != nil {
		return p, err
	}
	p.WarmCreateUS = since(t) / float64(again)
	program, rest, err := m.work(m.live[stay:], false)
	if err != nil {
		return p, err
	}
	p.WarmWrite = Work{max(0, program-submit) / float64(again), max(0, rest-wait) / float64(again)}
	t = time.Now()
	if err := m.sweep(); err != nil {
		return p, err
	}
	p.DestroyUS = (destroys + since(t)) / float64(n+again)
	return p, nil
}

// single measures a buffer that is alone of its size and kind, a few times: what
// the program maps is made for one transfer, and its memory with it. Where that
// has to be got first, it takes as long as all else in a run: on an NVIDIA H100
// 20 to 30 ms from some size between 4 and 16 MiB on.
func (m *measurer) single(at *point, submit, wait float64) (Price, error) {
	p := Price{Bytes: at.size, SetBytes: at.size}
	for range alone {
		t := time.Now()
		if err := m.create(1, at.size, at.usage); err != nil {
			return p, err
		}
		p.CreateUS += since(t) / alone
		if err := m.commands(&p, submit, wait, alone); err != nil {
			return p, err
		}
		t = time.Now()
		if err := m.sweep(); err != nil {
			return p, err
		}
		p.DestroyUS += since(t) / alone
	}
	p.WarmCreateUS, p.WarmWrite = p.CreateUS, p.Write
	return p, nil
}

// commands adds to a price what the first write, the clear and another dispatch of
// the buffers that exist take, by so many.
func (m *measurer) commands(p *Price, submit, wait, by float64) error {
	for _, c := range []struct {
		recycled bool
		into     *Work
	}{{false, &p.Write}, {true, &p.Clear}, {false, &p.Reuse}} {
		program, rest, err := m.work(m.live, c.recycled)
		if err != nil {
			return err
		}
		c.into.ProgramUS += max(0, program-submit) / by
		c.into.DeviceUS += max(0, rest-wait) / by
	}
	return nil
}

// blockSizes are the sizes whose cost in memory is looked for: in quarters
// between powers of two.
func (m *measurer) blockSizes() []int64 {
	if m.o.Read == nil {
		return nil
	}
	var out []int64
	for s := int64(roundingFrom); s <= min(roundingTo, m.most); s *= 2 {
		for q := range int64(4) {
			if size := s + s/4*q; size <= min(roundingTo, m.most) {
				out = append(out, size)
			}
		}
	}
	return out
}

// rounding asks the driver what buffers of each size cost.
func (m *measurer) rounding(c *Calibration, blocks []int64) error {
	if m.o.Read == nil {
		c.NoRounding = "no driver was asked"
		return nil
	}
	if r := m.o.Read(); !r.OK {
		c.NoRounding = r.Reason
		return nil
	}
	for _, size := range blocks {
		most := int64(roundingBytes)
		if m.o.MaxBytes > 0 {
			most = min(most, m.o.MaxBytes)
		}
		n := int(min(max(most/size, minBatch), roundingMost))
		before := m.o.Read()
		if err := m.create(n, size, cachemodes.Storage); err != nil {
			return err
		}
		if _, _, err := m.work(m.live, false); err != nil {
			return err
		}
		after := m.o.Read()
		if err := m.sweep(); err != nil {
			return err
		}
		if !before.OK || !after.OK {
			c.Rounding, c.NoRounding = nil, "the driver's reading failed in between: "+before.Reason+after.Reason
			return nil
		}
		c.RoundingSource = after.Source
		c.Rounding = append(c.Rounding, Block{Bytes: size, Cost: max(0, after.Bytes-before.Bytes) / int64(n), Buffers: n})
		if err := m.tick("memory of buffers of %d bytes", size); err != nil {
			return err
		}
	}
	return nil
}
