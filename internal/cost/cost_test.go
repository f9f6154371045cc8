package cost

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/bits"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// tariff is a calibration with prices that differ from each other.
func tariff() *Calibration {
	price := func(size int64, us float64) Price {
		return Price{
			Bytes: size, CreateUS: us, DestroyUS: us / 2, Write: Work{us * 3, us * 10}, WarmCreateUS: us / 4, WarmWrite: Work{us, us * 2}, Clear: Work{us * 2, us * 5},
			Reuse: Work{us, us}, Spread: 0.1,
		}
	}
	return &Calibration{
		Format: Format, Version: Version, Adapter: Adapter{Name: "nobody", Backend: "none", Type: "cpu"}, Made: "2026-01-02T03:04:05Z",
		SubmitUS: 1000, WaitUS: 500, PassUS: 100, Mix: 1,
		Storage: []Price{price(1024, 1), price(2048, 3), price(1<<20, 40)}, Uniform: []Price{price(256, 7)},
		Rounding: []Block{{Bytes: 12 << 20, Cost: 16 << 20, Buffers: 3}}, RoundingSource: "a test",
	}
}

// TestPrice is what a size costs between, below and above the measured ones.
func TestPrice(t *testing.T) {
	c := tariff()
	for _, x := range []struct {
		usage cachemodes.Usage
		size  int64
		want  float64
	}{
		{cachemodes.Storage, 1024, 1}, {cachemodes.Storage, 16, 1}, {cachemodes.Storage, 1536, 2}, {cachemodes.Storage, 2048, 3},
		{cachemodes.Storage, 4 << 20, 160}, {cachemodes.Weights, 2048, 3}, {cachemodes.User, 2048, 3},
		{cachemodes.Uniform, 256, 7}, {cachemodes.Default, 512, 14}, {cachemodes.Staging, 16, 7},
	} {
		p := c.Price(x.usage, x.size)
		if p.CreateUS != x.want || p.Clear.DeviceUS != 5*x.want || p.Write.ProgramUS != 3*x.want || p.Bytes != x.size {
			t.Errorf("%s of %d bytes: %+v, want creates of %v us", x.usage, x.size, p, x.want)
		}
	}
	if miss, hit := c.Miss(1024), c.Hit(1024); miss != 0.25+3+0.5 || hit != 7 {
		t.Errorf("a miss costs %v, a hit %v", miss, hit)
	}
	rapid.Check(t, func(t *rapid.T) { // dearer prices for larger sizes stay so
		a, b := rapid.Int64Range(1, 1<<22).Draw(t, "a"), rapid.Int64Range(1, 1<<22).Draw(t, "b")
		if x, y := c.Miss(min(a, b)), c.Miss(max(a, b)); x > y+1e-9 {
			t.Fatalf("%d bytes cost %v, %d bytes %v", min(a, b), x, max(a, b), y)
		}
	})
}

// TestClock reads a device's life, and what each step of it takes.
func TestClock(t *testing.T) {
	k := NewClock(tariff())
	at := int64(0)
	step := func(what string, want int64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if d := k.NowUS() - at; d != want {
			t.Errorf("%s takes %d us, want %d", what, d, want)
		}
		at = k.NowUS()
	}
	step("waiting for nothing", 0, k.Wait())
	step("submitting nothing", 0, k.Submit(0))
	step("a create", 1, k.Create(0, 1024, cachemodes.Storage))
	step("a uniform create", 7, k.Create(1, 256, cachemodes.Uniform))
	step("a first write, which begins a pass", 100+3, k.Use(0, 0, false))
	step("another in the same pass", 3, k.Use(0, 0, false))
	step("a uniform's first write, which is a copy", 21, k.Use(0, 1, false))
	step("a write after it, in a new pass", 100+3, k.Use(0, 0, false))
	step("a clear", 2, k.Use(0, 0, true))
	step("a submission", 1000, k.Submit(0))
	// The device has 3 x 10, 70 and 5 to do, of which nothing is done yet.
	step("waiting for it", 105+500, k.Wait())
	step("a clear", 2, k.Use(0, 0, true))
	step("a submission", 1000, k.Submit(0))
	step("another clear, while the device works", 2, k.Use(0, 0, true))
	step("a submission that finds it idle", 1000, k.Submit(0))
	step("waiting for the last clear", 5+500, k.Wait())
	step("a create of the same power of two", 1, k.Create(3, 1000, cachemodes.Storage))
	k.Destroy(0)
	k.Destroy(1)
	step("giving two up", 4, nil)                                                                // 0.5 and 3.5
	step("a create in the place of what was given up", 0, k.Create(0, 1024, cachemodes.Storage)) // 0.25
	step("its first write", 101, k.Use(0, 0, false))
	step("a create in no place", 1, k.Create(2, 1024, cachemodes.Storage))
	step("its first write", 3, k.Use(0, 2, false))
	for id := range device.ID(4) {
		if id != 1 {
			k.Destroy(id)
		}
	}
	at = k.NowUS()
	step("a create where all of the power of two were given up", 1, k.Create(0, 1024, cachemodes.Storage))
	if k.Info().Timed {
		t.Error("a clock is no device whose time is a GPU's")
	}
}

// TestClockCrowd: submissions and waits take longer for every buffer that there is.
func TestClockCrowd(t *testing.T) {
	c := tariff()
	c.SubmitBufferUS, c.WaitBufferUS = 10, 1
	k := NewClock(c)
	for id := range device.ID(3) {
		if err := k.Create(id, 1024, cachemodes.Storage); err != nil {
			t.Fatal(err)
		}
	}
	k.Destroy(1)
	if err := k.Use(0, 0, true); err != nil {
		t.Fatal(err)
	}
	at := k.NowUS()
	if err := k.Submit(0); err != nil || k.NowUS()-at != 1000+2*10 {
		t.Errorf("a submission takes %d us, %v", k.NowUS()-at, err)
	}
	at = k.NowUS()
	if err := k.Wait(); err != nil || k.NowUS()-at != 5+500+2*1 { // 5 us of the device
		t.Errorf("a wait takes %d us, %v", k.NowUS()-at, err)
	}
}

// TestClockNear: a clear is as fast as those of the set that was written since
// the buffer's last write.
func TestClockNear(t *testing.T) {
	const mib = 1 << 20
	c := tariff()
	c.Storage = []Price{{Bytes: mib, Clear: Work{0, 100}, SetBytes: 4 * mib}, {Bytes: 8 * mib, Clear: Work{0, 1600}, SetBytes: 16 * mib}}
	c.Near = []Near{{mib, 20}, {4 * mib, 100}, {16 * mib, 200}}
	c.SubmitUS, c.WaitUS, c.PassUS = 0, 0, 0
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	k := NewClock(c)
	for id := range device.ID(8) {
		size := int64(mib)
		if id == 7 {
			size = 8 * mib
		}
		if err := errors.Join(k.Create(id, size, cachemodes.Storage), k.Use(0, id, false)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(k.Submit(0), k.Wait()); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		id   device.ID
		what string
		want int64
	}{
		{7, "the last one written, of 8 MiB, between the sets of 4 and 16", 1600 - 8*(200-133) + 3}, // 133 and a third a MiB
		{7, "the same at once", 1600 - 8*(200-133) + 3},
		{6, "one before it: 17 MiB were written since", 100 + 100},
		{6, "the same at once: 1 MiB", 100 - 80},
		{0, "after 30 MiB, beyond the largest set", 100 + 100},
		{6, "2 MiB, between the sets of 1 and 4", 100 - 53}, // 46 and two thirds
	} {
		began := k.NowUS()
		if err := errors.Join(k.Use(0, x.id, true), k.Submit(0), k.Wait()); err != nil {
			t.Fatal(err)
		}
		if d := k.NowUS() - began; d < x.want-1 || d > x.want+1 {
			t.Errorf("%s takes %d us, want %d", x.what, d, x.want)
		}
	}
	c.Near = []Near{{4 * mib, 1}, {mib, 1}}
	if err := c.validate(); err == nil || !strings.Contains(err.Error(), "a set of 1048576 bytes") {
		t.Errorf("sets that do not ascend: %v", err)
	}
}

// TestClockChain: a command waits for one before it in its submission that wrote
// the same buffer, and for no other.
func TestClockChain(t *testing.T) {
	c := tariff()
	c.ChainUS = 700
	k := NewClock(c)
	both := func(what string, want int64, use func() error) {
		t.Helper()
		began := k.NowUS()
		if err := errors.Join(use(), k.Submit(0), k.Submit(1), k.Wait()); err != nil {
			t.Fatal(err)
		}
		if d := k.NowUS() - began; d != want {
			t.Errorf("%s takes %d us, want %d", what, d, want)
		}
	}
	for id := range device.ID(2) {
		if err := k.Create(id, 1024, cachemodes.Storage); err != nil {
			t.Fatal(err)
		}
	}
	clears := func(in ...[2]int) func() error { // recording and buffer
		return func() error {
			var err error
			for _, x := range in {
				err = errors.Join(err, k.Use(device.Recording(x[0]), device.ID(x[1]), true))
			}
			return err
		}
	}
	const one, sent, waited = 2 + 5, 1000, 500
	both("a clear", one+sent+waited, clears([2]int{0, 0}))
	both("the same buffer in the next submission", one+sent+waited, clears([2]int{0, 0}))
	both("two buffers", 2*one+sent+waited, clears([2]int{0, 0}, [2]int{0, 1}))
	both("one buffer twice", 2*one+700+sent+waited, clears([2]int{0, 0}, [2]int{0, 0}))
	both("one buffer three times, another in between", 4*one+2*700+sent+waited, clears([2]int{0, 0}, [2]int{0, 1}, [2]int{0, 0}, [2]int{0, 0}))
	// The second submission is made while the device does the first.
	both("one buffer in two recordings", 2*2+5+2*sent+waited, clears([2]int{0, 0}, [2]int{1, 0}))
}

// TestMix: a step is priced call by call, and takes as many times as long as the mix
// says; no buffer is larger than may be.
func TestMix(t *testing.T) {
	c := tariff()
	c.Storage, c.Uniform, c.SubmitUS = c.Storage[:1], c.Uniform[:1], 5000
	x := newMix(1024, 0)
	want := 0.0
	device := 0.0 // when it is done
	for i, id := range x.uses {
		p := c.Price(x.usages[id], x.sizes[id])
		want += p.Clear.ProgramUS
		if (i+1)%mixUses == 0 {
			want += c.SubmitUS // longer than the device takes for one submission
			device = 0
			for _, id := range x.uses[i+1-mixUses : i+1] {
				device += c.Price(x.usages[id], x.sizes[id]).Clear.DeviceUS
			}
		}
	}
	want += device + c.WaitUS
	got := x.predicted(c)
	if math.Abs(got-want) > 1e-6*want {
		t.Errorf("a step takes %v us, want %v", got, want)
	}
	c.Mix = 3
	if thrice := x.predicted(c); math.Abs(thrice-3*want) > 1e-6*thrice {
		t.Errorf("three times as long is %v us, of %v", thrice, want)
	}
	sum := int64(0)
	for _, n := range newMix(1<<30, 4<<20).sizes {
		sum += n
	}
	if sum > 4<<20 {
		t.Errorf("it takes %d bytes", sum)
	}
}

// TestRead: what was written is read, and what cannot be used is said to be.
func TestRead(t *testing.T) {
	var text bytes.Buffer
	if err := Write(&text, tariff()); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, text.Bytes())
	c, err := Read(bytes.NewReader(text.Bytes()), "a.json")
	if err != nil || c.Miss(5000) != tariff().Miss(5000) || c.Rounding[0] != tariff().Rounding[0] {
		t.Errorf("%+v, %v", c, err)
	}
	for from, want := range map[string]string{
		`"version": 1`:             "its version is 1000; this program reads 1",
		`"bucketscope-calibration`: `its format is "other`,
		`"nobody"`:                 "names no adapter",
		`"bytes": 2048`:            "do not ascend at 5",
		`"submit_us": 1000`:        "submit, wait, pass or chain is no time",
		`"mix": 1`:                 "a mix of 1000 times",
		`"create_us": 40`:          "a price of storage buffers of 1048576 bytes is no time",
		`"cost": 16777216`:         "rounding at 12582912 bytes makes no sense",
		`{`:                        "no calibration",
	} {
		to := map[string]string{
			`"version": 1`: `"version": 1000`, `"bucketscope-calibration`: `"other`, `"nobody"`: `""`, `"bytes": 2048`: `"bytes": 5`,
			`"submit_us": 1000`: `"submit_us": -1`, `"mix": 1`: `"mix": 1000`, `"create_us": 40`: `"create_us": 1e300`, `"cost": 16777216`: `"cost": -1`, `{`: `[`,
		}[from]
		bad := strings.Replace(text.String(), from, to, 1)
		if bad == text.String() {
			t.Fatalf("%s is not in the text", from)
		}
		_, err := Read(strings.NewReader(bad), "a.json")
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a.json") {
			t.Errorf("%s: %v, want %q", to, err, want)
		}
	}
}

// FuzzRead: whatever is read either is refused or prices every size.
func FuzzRead(f *testing.F) {
	var text bytes.Buffer
	if err := Write(&text, tariff()); err != nil {
		f.Fatal(err)
	}
	f.Add(text.Bytes())
	f.Add([]byte(`{"format":"bucketscope-calibration","version":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Read(bytes.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		for _, size := range []int64{1, 4096, 1 << 40} {
			for _, us := range []float64{c.Miss(size), c.Hit(size)} {
				if math.IsNaN(us) || us < 0 {
					t.Fatalf("%d bytes cost %v", size, us)
				}
			}
		}
	})
}

// bench is a device in memory whose allocator gives whole powers of two.
type bench struct {
	device.Device
	buffers map[device.ID]int64
	most    int64 // that it has; 0 is no limit
}

func newBench(most int64) *bench {
	return &bench{Device: device.NewHost(), buffers: map[device.ID]int64{}, most: most}
}

func (b *bench) Info() device.Info {
	return device.Info{Kind: device.WebGPU, Name: "bench", Backend: "test", Type: device.CPU, VendorID: 7, Timed: true}
}

func (b *bench) used() (n int64) {
	for _, size := range b.buffers {
		n += 1 << bits.Len64(uint64(size-1))
	}
	return n
}

func (b *bench) Create(id device.ID, size int64, u cachemodes.Usage) error {
	if b.buffers[id] != 0 {
		panic("a buffer that exists is created")
	}
	if b.most > 0 && b.used()+size > b.most {
		return &device.OutOfMemoryError{Size: size, Usage: u, Err: errors.New("full")}
	}
	b.buffers[id] = size
	return nil
}

func (b *bench) Use(_ device.Recording, id device.ID, _ bool) error {
	if b.buffers[id] == 0 {
		panic("a buffer that does not exist is used")
	}
	return nil
}

func (b *bench) Destroy(id device.ID) {
	if b.buffers[id] == 0 {
		panic("a buffer that does not exist is destroyed")
	}
	delete(b.buffers, id)
}

func (b *bench) read() Reading {
	return Reading{Bytes: b.used() + 5<<20, OK: true, Source: "the bench"}
}

// TestMeasure: every size up to the largest is measured, sizes that cost more
// memory than asked for are found, and the device is left empty.
func TestMeasure(t *testing.T) {
	b := newBench(0)
	last, total := 0, 0
	c, err := Measure(t.Context(), b, Options{
		Rounds: 2, MaxSize: 1 << 20, Driver: "v1", Read: b.read, Now: time.Unix(0, 0),
		Progress: func(done, all int, _ string) {
			if done != last+1 {
				t.Errorf("%d after %d", done, last)
			}
			last, total = done, all
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := Write(&text, c); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, text.Bytes())
	if _, err := Read(&text, "it"); err != nil {
		t.Error(err)
	}
	if first, end := c.Storage[0].Bytes, c.Storage[len(c.Storage)-1].Bytes; first != 256 || end != 1<<20 || len(c.Storage) != 25 {
		t.Errorf("%d sizes from %d to %d", len(c.Storage), first, end)
	}
	if end := c.Uniform[len(c.Uniform)-1].Bytes; end != 64<<10 {
		t.Errorf("uniform up to %d", end)
	}
	if end := c.Staging[len(c.Staging)-1].Bytes; end != 1<<20 || len(c.Staging) != 25 || c.Price(cachemodes.Staging, 1024).SetBytes != 1024 {
		t.Errorf("staging up to %d, each of %d bytes", end, c.Price(cachemodes.Staging, 1024).SetBytes)
	}
	for _, r := range c.Rounding {
		if want := int64(1) << bits.Len64(uint64(r.Bytes-1)); r.Cost != want {
			t.Errorf("%d bytes are said to take %d, and take %d", r.Bytes, r.Cost, want)
		}
	}
	if c.Mix <= 0 {
		t.Errorf("a mix of %v", c.Mix)
	}
	if len(c.Near) != 9 || c.Near[0].SetBytes != 1<<20 || c.Near[8].SetBytes != 256<<20 || c.Storage[0].SetBytes != 64*256 {
		t.Errorf("sets %+v, samples of %d bytes", c.Near, c.Storage[0].SetBytes)
	}
	if len(c.Rounding) != 17 || c.RoundingSource != "the bench" || c.Adapter.Driver != "v1" || c.Made != "1970-01-01T00:00:00Z" {
		t.Errorf("%d sizes of %q, %+v", len(c.Rounding), c.RoundingSource, c.Adapter)
	}
	if last != total || last == 0 {
		t.Errorf("progress ends at %d of %d", last, total)
	}
	if len(b.buffers) != 0 {
		t.Errorf("%d buffers are left", len(b.buffers))
	}
	if same := c.Adapter.Same(AdapterOf(b.Info(), "v2")); !same {
		t.Error("another driver makes it another adapter")
	}
}

// TestMeasureSettles: until a device has settled what is measured counts for
// nothing.
func TestMeasureSettles(t *testing.T) {
	const settle = 50 * time.Millisecond
	began, last, again := time.Now(), 0, 0
	var settled time.Duration
	c, err := Measure(t.Context(), newBench(0), Options{
		Rounds: 1, MaxSize: 1 << 10, Settle: settle,
		Progress: func(done, total int, _ string) {
			if done == last {
				again++
			} else if 2*done > total && settled == 0 {
				settled = time.Since(began)
			}
			last = done
		},
	})
	if err != nil || len(c.Storage) != 5 {
		t.Fatalf("%+v, %v", c, err)
	}
	if settled < settle || again == 0 {
		t.Errorf("it counts after %v, %d samples were for nothing", settled, again)
	}
}

// TestMeasureStops: what ends a measurement leaves the device empty.
func TestMeasureStops(t *testing.T) {
	b := newBench(0)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Measure(ctx, b, Options{Rounds: 3, MaxSize: 1 << 20, Progress: func(done, _ int, _ string) {
		if done == 30 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || len(b.buffers) != 0 {
		t.Errorf("%v, %d buffers are left", err, len(b.buffers))
	}
	b = newBench(1 << 20)
	_, err = Measure(t.Context(), b, Options{Rounds: 1, MaxSize: 1 << 20})
	if !errors.As(err, new(*device.OutOfMemoryError)) || !strings.Contains(err.Error(), "--max-size") || len(b.buffers) != 0 {
		t.Errorf("%v, %d buffers are left", err, len(b.buffers))
	}
	for n := 1; n < 5_000; n += 97 { // wherever it is
		b := newBench(0)
		_, err := Measure(t.Context(), device.FailNth(b, n), Options{Rounds: 1, MaxSize: 1 << 10})
		if !errors.As(err, new(*device.OutOfMemoryError)) || !strings.Contains(err.Error(), "--max-size") || len(b.buffers) != 0 {
			t.Fatalf("create %d fails: %v, %d buffers are left", n, err, len(b.buffers))
		}
	}
	if _, err := Measure(t.Context(), device.NewHost(), Options{Rounds: 1, MaxSize: 1 << 20}); err == nil {
		t.Error("the host device has no time, and was measured")
	}
	silent := newBench(0)
	c, err := Measure(t.Context(), silent, Options{Rounds: 1, MaxSize: 1 << 10, Read: func() Reading { return Reading{Reason: "it is silent"} }})
	if err != nil || c.Rounding != nil || c.NoRounding != "it is silent" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestMeasureWebGPU measures a real adapter, small buffers only.
func TestMeasureWebGPU(t *testing.T) {
	dev, _, err := device.Open("webgpu")
	if errors.Is(err, device.ErrNoAdapter) && os.Getenv("BUCKETSCOPE_REQUIRE_WEBGPU") == "" {
		t.Skipf("%v; Debian's mesa-vulkan-drivers has a software one", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := Measure(t.Context(), dev, Options{Rounds: 1, MaxSize: 64 << 10, MaxBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(c.Storage, c.Uniform...) {
		if p.CreateUS <= 0 || p.Write.US() <= 0 || p.Clear.US() <= 0 {
			t.Errorf("%+v", p)
		}
	}
	counter, ok := dev.(device.Counter)
	if !ok {
		t.Fatal("the device cannot count its buffers")
	}
	if n, err := counter.LiveBuffers(); err != nil && !errors.Is(err, errors.ErrUnsupported) || n != 0 {
		t.Errorf("%d buffers are left, %v", n, err)
	}
}

// checkSchema holds a calibration against its schema.
func checkSchema(t *testing.T, text []byte) {
	t.Helper()
	parse := func(text []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parse(Schema)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(parse(text)); err != nil {
		t.Error(err)
	}
}
