package lab

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// TestSplitting is what every splitting allocator must keep: blocks in use do
// not overlap, are aligned and large enough, and with the free ones make up
// exactly what is reserved; after all is freed each piece is one block again.
func TestSplitting(t *testing.T) {
	for name, a := range map[string]struct {
		make  func() (allocator, func() []*block)
		align int64
	}{
		"pytorch": {func() (allocator, func() []*block) {
			p := newPyTorch()
			return p, func() []*block { return slices.Concat(p.small, p.large) }
		}, kMinBlockSize},
		"bfc": {func() (allocator, func() []*block) {
			b := newBFC()
			return b, func() []*block { return b.chunks }
		}, bfcMinAllocation},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				alloc, free := a.make()
				var out []*block
				for range rapid.IntRange(1, 120).Draw(t, "calls") {
					if len(out) > 0 && rapid.Bool().Draw(t, "free") {
						i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
						alloc.free(out[i])
						out = slices.Delete(out, i, i+1)
					} else {
						n := rapid.Int64Range(1, 1000).Draw(t, "n") * rapid.SampledFrom([]int64{1, 1000, 100000}).Draw(t, "times")
						b := alloc.alloc(n)
						if b.size < n {
							t.Fatalf("%d bytes for %d", b.size, n)
						}
						out = append(out, b)
					}
					conserved(t, alloc, out, free(), a.align)
				}
				for _, b := range out {
					alloc.free(b)
				}
				if _, pieces := alloc.reserved(); int64(len(free())) != pieces {
					t.Fatalf("%d blocks of %d pieces after all is freed", len(free()), pieces)
				}
			})
		})
	}
}

func conserved(t *rapid.T, a allocator, used, free []*block, align int64) {
	all := slices.Concat(used, free)
	slices.SortFunc(all, func(b, c *block) int {
		if b.piece != c.piece {
			return int(b.piece - c.piece)
		}
		return int(b.offset - c.offset)
	})
	var sum int64
	for i, b := range all {
		sum += b.size
		if b.offset%align != 0 {
			t.Fatalf("a block at %d", b.offset)
		}
		if i > 0 && all[i-1].piece == b.piece && all[i-1].offset+all[i-1].size != b.offset {
			t.Fatalf("a block ends at %d, the next begins at %d", all[i-1].offset+all[i-1].size, b.offset)
		}
	}
	if bytes, _ := a.reserved(); sum != bytes {
		t.Fatalf("blocks of %d bytes in %d reserved", sum, bytes)
	}
}

// TestPyTorchConstants: the numbers, in bytes, are those at the head of
// c10/cuda/CUDACachingAllocator.cpp, and do what the remarks beside them say:
// "all sizes are rounded to at least 512 bytes", "small" allocations, up to 1
// MiB, "are packed in 2 MiB blocks", those "between 1 and 10 MiB may use" 20 MiB,
// and large ones are rounded up to 2 MiB.
func TestPyTorchConstants(t *testing.T) {
	for name, c := range map[string][2]int64{
		"kMinBlockSize":  {kMinBlockSize, 512},
		"kSmallSize":     {kSmallSize, 1048576},
		"kSmallBuffer":   {kSmallBuffer, 2097152},
		"kLargeBuffer":   {kLargeBuffer, 20971520},
		"kMinLargeAlloc": {kMinLargeAlloc, 10485760},
		"kRoundLarge":    {kRoundLarge, 2097152},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %d, and published as %d", name, c[0], c[1])
		}
	}
	for _, c := range []struct{ asked, rounded, segment int64 }{
		{1, 512, 2 << 20}, {513, 1024, 2 << 20}, {1 << 20, 1 << 20, 2 << 20}, {1<<20 + 1, 1<<20 + 512, 20 << 20},
		{10<<20 - 1, 10 << 20, 10 << 20}, {10<<20 - 512, 10<<20 - 512, 20 << 20}, {10 << 20, 10 << 20, 10 << 20}, {11<<20 - 512, 11<<20 - 512, 12 << 20}, {23 << 20, 23 << 20, 24 << 20},
	} {
		p := newPyTorch()
		b := p.alloc(c.asked)
		if got := roundUp(c.asked, kMinBlockSize); b.size < c.rounded || got != c.rounded {
			t.Errorf("%d bytes are rounded to %d, want %d", c.asked, got, c.rounded)
		}
		if bytes, n := p.reserved(); bytes != c.segment || n != 1 {
			t.Errorf("%d bytes take a segment of %d, want %d", c.asked, bytes, c.segment)
		}
	}
}

// TestPyTorchSegments are the cases of PyTorch's own test of memory_stats(),
// test_graph_memory_stats_and_use_result_after_destroy_graph of
// test/test_cuda.py: bytes of a tensor, and how many segments, of how many
// bytes, its pool takes from the device for
//
//	b = a.clone()
//	for _ in range(5):
//	    b = b.clone() + 1
func TestPyTorchSegments(t *testing.T) {
	const large = kRoundLarge * ((kMinLargeAlloc + 512 + kRoundLarge - 1) / kRoundLarge)
	for _, c := range []struct{ size, segments, bytes, segment int64 }{
		{512, 1, kSmallBuffer, kSmallBuffer},
		{kSmallSize, 2, 2 * kSmallBuffer, kSmallBuffer},
		{kSmallSize + 512, 1, kLargeBuffer, kLargeBuffer},
		{kMinLargeAlloc - 512, 2, 2 * kLargeBuffer, kLargeBuffer},
		{kMinLargeAlloc + 512, 3, 3 * large, large},
	} {
		p := newPyTorch()
		b := p.alloc(c.size)
		for range 5 {
			clone := p.alloc(c.size)
			sum := p.alloc(c.size)
			p.free(clone)
			p.free(b)
			b = sum
		}
		if bytes, segments := p.reserved(); segments != c.segments || bytes != c.bytes || p.segment(c.size) != c.segment {
			t.Errorf("tensors of %d bytes: %d segments of %d bytes, want %d of %d; one is %d, want %d",
				c.size, segments, bytes, c.segments, c.bytes, p.segment(c.size), c.segment)
		}
	}
}

// TestPyTorchRules: splitting and rounding of c10/cuda/CUDACachingAllocator.cpp,
// round_size and should_split.
func TestPyTorchRules(t *testing.T) {
	p := newPyTorch()
	a := p.alloc(1)
	if a.size != 512 || len(p.small) != 1 || p.small[0].size != kSmallBuffer-512 {
		t.Errorf("one byte takes %d and leaves %v", a.size, p.small)
	}
	// A large block is cut where more than 1 MiB is left.
	const half = 19 << 19 // 9.5 MiB
	for _, c := range []struct{ size, want int64 }{{half - 512, half - 512}, {half, half + kSmallSize}} {
		p = newPyTorch()
		p.alloc(half) // leaves 10.5 MiB of its segment
		if b := p.alloc(c.size); b.size != c.want {
			t.Errorf("%d of 10.5 MiB are a block of %d, want %d", c.size, b.size, c.want)
		}
	}
}

// TestBFC: regions double from 2 MiB, and a chunk is cut at twice the size.
func TestBFC(t *testing.T) {
	a := newBFC()
	a.alloc(1 << 20) // the first region, cut in half
	if b := a.alloc(600 << 10); b.size != 1<<20 {
		t.Errorf("a chunk of %d, want the whole half: it is less than twice the size", b.size)
	}
	a.alloc(3 << 20)
	a.alloc(40 << 20)
	if bytes, regions := a.reserved(); regions != 3 || bytes != (2+4+64)<<20 {
		t.Errorf("%d regions of %d bytes, want 2 + 4 + 64 MiB", regions, bytes)
	}
	a = newBFC()
	a.region = 512 << 20
	if b := a.alloc(384 << 20); b.size != 384<<20 {
		t.Errorf("a chunk of %d: 128 MiB must not be wasted", b.size)
	}
}

// TestPlan: no two buffers of a time share a byte, all are aligned, and the
// arena is at least the floor.
func TestPlan(t *testing.T) {
	check := func(t interface {
		Helper()
		Fatalf(format string, args ...any)
	}, tr *workload.Trace) {
		t.Helper()
		p := NewPlan(tr)
		var live []Placed // by offset
		end := map[int][]Placed{}
		for i, next := 0, 0; i <= len(tr.Events); i++ {
			for _, b := range end[i] {
				at := slices.Index(live, b)
				live = slices.Delete(live, at, at+1)
			}
			for ; next < len(p.Buffers) && p.Buffers[next].First == i; next++ {
				b := p.Buffers[next]
				at, _ := slices.BinarySearchFunc(live, b, func(a, b Placed) int { return int(a.Offset - b.Offset) })
				if b.Offset%planAlign != 0 || b.Offset+b.Size > p.Size ||
					at > 0 && live[at-1].Offset+live[at-1].Size > b.Offset || at < len(live) && b.Offset+b.Size > live[at].Offset {
					t.Fatalf("%+v has no place of its own", b)
				}
				live = slices.Insert(live, at, b)
				end[b.Last] = append(end[b.Last], b)
			}
		}
		if floor := NewStream(tr, cachemodes.DefaultConfig()).Floor; p.Size < floor {
			t.Fatalf("an arena of %d below the floor of %d", p.Size, floor)
		}
	}
	for _, w := range workload.Builtin() {
		if w.Events < 50000 {
			t.Run(w.Name, func(t *testing.T) { check(t, load(t, w.Name)) })
		}
	}
	t.Run("small", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { check(t, small(t)) })
	})
}

func BenchmarkPlan(b *testing.B) {
	tr := load(b, "phi3-mini-4k/grow")
	for b.Loop() {
		NewPlan(tr)
	}
}

// TestSimulate: a row reserves no less than was asked for at once, and those
// that give nothing back have all that they reserved at their peak.
func TestSimulate(t *testing.T) {
	for _, name := range []string{"unet/varied", "bert/varied"} {
		tr := load(t, name)
		floor := NewStream(tr, cachemodes.DefaultConfig()).Floor
		rows := Simulate(tr)
		if len(rows) != 3 {
			t.Fatalf("%d rows, want PyTorch's, TensorFlow's and TensorFlow Lite's", len(rows))
		}
		for _, r := range rows {
			if r.Peak < floor || r.Average <= 0 || r.Average > r.Peak || r.Creates < 1 || r.CreateBytes != r.Peak {
				t.Errorf("%s, floor %s: %+v", name, mib(floor), r)
			}
		}
	}
}
