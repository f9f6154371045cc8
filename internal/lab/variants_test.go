package lab

import (
	"cmp"
	"flag"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// variants prints the figures of docs/watermark.md; of what was tried first:
//
//	go test ./internal/lab -run TestVariants -v -variants
var variants = flag.Bool("variants", false, "print the figures of docs/watermark.md")

// generated are workloads that were not recorded, but looked at while the rule was
// made.
var generated = []string{
	"llm:llama-3.2-3b,prompt=200,tokens=100,conversations=3",
	"llm:llama-3.2-3b,prompt=200,tokens=100,conversations=3,kv=static",
	"llm:phi3-mini-4k,prompt=1000,tokens=60,conversations=2",
	"llm:phi3-mini-4k,prompt=20,tokens=300",
	"llm:dsr1-qwen-1.5b,prompt=50,tokens=200,conversations=4",
	"llm:dsr1-qwen-1.5b,prompt=700,tokens=20,conversations=8,kv=static",
	"llm:llama-3.1-8b,prompt=300,tokens=50,conversations=2",
	"llm:llama-3.2-1b,prompt=30,tokens=30,conversations=10",
}

// variant is a rule with its numbers, shares in thousandths of the watermark.
type variant struct {
	name    string
	used    bool  // the watermark is of bytes in use, padding included, not of bytes requested
	over    int64 // held at most above the watermark
	padding int64 // of all buffers in use, -1 for any
	below   int64 // more padding, of what is requested less than the watermark
	steps   int64 // of new sizes between powers of two; 0 for exact sizes
	exact   bool  // serve by buffers of the key's size alone
	largest bool  // the largest free buffer goes first, else that released first
	credit  bool  // give up more where bucket holds less on average and creates more
	always  bool  // or creates fewer
	lives   bool  // padding by how much was requested during a life in the last run
}

var tried = []variant{
	{name: "1 quarter steps, exact", used: true, over: 20, padding: -1, steps: 4, exact: true},
	{name: "2 best fit, any padding", over: 28, padding: -1},
	{name: "3 padding limited", over: 28, padding: 25},
	{name: "4 and quarter steps", over: 28, padding: 25, steps: 4},
	{name: "5 largest first", over: 28, padding: 25, steps: 4, largest: true},
	{name: "6 more padding below", over: 28, padding: 25, below: 100, steps: 4, largest: true},
	{name: "7 bucket's average", over: 28, padding: 25, below: 100, steps: 4, largest: true, credit: true},
	{name: "7 whatever is created", over: 28, padding: 25, below: 100, steps: 4, largest: true, credit: true, always: true},
	{name: "7 with 2 steps", over: 28, padding: 25, below: 100, steps: 2, largest: true, credit: true},
	{name: "7 with 8 steps", over: 28, padding: 25, below: 100, steps: 8, largest: true, credit: true},
	{name: "8 padding by lives", over: 28, padding: 25, below: 100, steps: 4, largest: true, credit: true, lives: true},
}

// freed is a free buffer of a trial.
type freed struct {
	size  int64
	since int
}

// trial plays a variant on a stream.
type trial struct {
	variant
	s               *Stream
	free            []freed // by size, then since
	freeBytes       int64
	held, requested int64
	padded, peak    int64
	mark            int64 // the watermark

	// What bucket would do.
	buckets          []int64
	bucketHeld       int64
	doomed           int64
	bucketNew, fresh int64
	credit           int64

	last, now []lived
	curve     []int64
	match     bool
}

// lived is a request of a run: its size, the most requested during its life,
// and how many buffers were in use with it.
type lived struct {
	size, most int64
	live       int
}

func (t *trial) limit() int64 { return t.mark + t.mark/1000*t.over }

// play answers peak, average and creates.
func (v variant) play(tr *workload.Trace) (peak, average, creates int64) {
	s := NewStream(tr, cachemodes.DefaultConfig())
	t := &trial{variant: v, s: s, buckets: make([]int64, len(cachemodes.DefaultTable()))}
	type held struct {
		size, n int64
		ordinal int
	}
	out := make([]held, tr.Slots)
	at, live := 0, 0
	sum := s.others
	t.peak = s.most
	for i := range tr.Events {
		e := &tr.Events[i]
		var o *op
		switch {
		case e.Op == workload.RunStart:
			if len(t.now) > 0 {
				t.last = t.now
			}
			t.now, t.curve, t.match = nil, nil, t.lives && len(t.last) > 0
			continue
		case stored(e):
			o = &s.ops[at]
			live++
			n := roundUp(e.Bytes, keyStep)
			out[e.Buf] = held{t.take(n, o.other, live), n, len(t.now)}
			t.now = append(t.now, lived{n, t.requested, live})
			t.curve = append(t.curve, t.requested)
		case e.Op == workload.Release && out[e.Buf].n > 0:
			o = &s.ops[at]
			live--
			h := &out[e.Buf]
			t.give(h.size, h.n, i)
			if h.ordinal < len(t.now) && t.now[h.ordinal].size == h.n {
				t.now[h.ordinal].most = slices.Max(t.curve[h.ordinal:])
			}
			h.n = 0
		case e.Op == workload.Submit:
			o = &s.ops[at]
			t.bucketHeld, t.doomed = t.bucketHeld-t.doomed, 0
		default:
			continue
		}
		at++
		if o.most > 0 {
			t.peak = max(t.peak, t.held+o.most)
		}
		sum += t.held * int64(o.samples)
	}
	return t.peak, sum / s.samples, t.fresh
}

func (t *trial) take(n, other int64, live int) int64 {
	t.account()
	t.shadowTake(n)
	t.requested += n
	if t.used {
		t.mark = max(t.mark, t.held-t.freeBytes+n+other)
	} else {
		t.mark = max(t.mark, t.requested+other)
	}
	room := t.mark/1000*t.padding + (t.mark-t.requested-other)/1000*t.below - t.padded
	if k := len(t.now); t.match {
		if t.match = k < len(t.last) && t.last[k].live == live; t.match {
			most := int64(float64(t.last[k].most) * float64(n) / float64(t.last[k].size))
			room = t.mark/1000*1025 - max(most, t.requested) - other - t.padded
		}
	}
	if room = max(0, room); t.padding < 0 {
		room = 1 << 50
	}
	key := t.key(n, room, other)
	most := max(key, n+room)
	if t.exact {
		most = key
	}
	i, _ := slices.BinarySearchFunc(t.free, freed{key, -1}, compareFreed)
	if !t.exact {
		i, _ = slices.BinarySearchFunc(t.free, freed{n, -1}, compareFreed)
	}
	if i < len(t.free) && t.free[i].size <= most {
		size := t.free[i].size
		t.remove(i)
		t.padded += size - n
		return size
	}
	for t.held+key+other > t.limit() && len(t.free) > 0 {
		t.giveUp()
	}
	t.fresh++
	t.held += key
	t.padded += key - n
	t.peak = max(t.peak, t.held+other)
	return key
}

// key is the size of a new buffer.
func (t *trial) key(n, room, other int64) int64 {
	if t.steps == 0 {
		return n
	}
	for steps := t.steps; steps <= 64; steps *= 2 {
		power := int64(1) << (bits.Len64(uint64(n)) - 1)
		key := roundUp(n, max(keyStep, power/steps))
		if t.padding < 0 || key-n <= room && t.held-t.freeBytes+key+other <= t.limit() {
			return key
		}
	}
	return n
}

func (t *trial) give(size, n int64, now int) {
	t.account()
	t.requested -= n
	t.padded -= size - n
	i, _ := slices.BinarySearchFunc(t.free, freed{size, now}, compareFreed)
	t.free = slices.Insert(t.free, i, freed{size, now})
	t.freeBytes += size
	t.shadowGive(n)
	if t.variant.credit && t.credit < 0 && t.held > t.bucketHeld && (t.always || t.fresh < t.bucketNew) {
		t.giveUp()
	}
}

func compareFreed(a, b freed) int {
	return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.since, b.since))
}

func (t *trial) remove(i int) {
	t.freeBytes -= t.free[i].size
	t.free = slices.Delete(t.free, i, i+1)
}

// giveUp destroys the next free buffer.
func (t *trial) giveUp() {
	i := len(t.free) - 1
	if !t.largest {
		for k := range t.free {
			if t.free[k].since < t.free[i].since {
				i = k
			}
		}
	}
	t.held -= t.free[i].size
	t.remove(i)
}

func (t *trial) account() { t.credit += t.bucketHeld - t.held }

func (t *trial) shadowTake(n int64) {
	table := cachemodes.DefaultTable()
	i := slices.IndexFunc(table, func(b cachemodes.Bucket) bool { return b.Key >= n })
	switch {
	case i < 0:
		t.bucketNew++
		t.bucketHeld += n
	case t.buckets[i] > 0:
		t.buckets[i]--
	default:
		t.bucketNew++
		t.bucketHeld += table[i].Key
	}
}

func (t *trial) shadowGive(n int64) {
	table := cachemodes.DefaultTable()
	i := slices.IndexFunc(table, func(b cachemodes.Bucket) bool { return b.Key >= n })
	switch {
	case i < 0:
		t.doomed += n
	case t.buckets[i] < int64(table[i].Cap):
		t.buckets[i]++
	default:
		t.doomed += table[i].Key
	}
}

// TestVariants prints a table of every rule that learns nothing on every workload,
// for the document; without the flag it sees on two that the last of them still
// does what the document says.
func TestVariants(t *testing.T) {
	if !*variants {
		for name, want := range map[string]int64{"llama-3.2-1b/static": 29, "bert/varied": 21} {
			i := slices.IndexFunc(tried, func(v variant) bool { return v.name == "7 bucket's average" })
			if _, _, creates := tried[i].play(load(t, name)); creates != want {
				t.Errorf("%s: %s creates %d, the document says %d", name, tried[i].name, creates, want)
			}
		}
		return
	}
	var names []string
	for _, w := range workload.Builtin() {
		names = append(names, w.Name)
	}
	for _, name := range append(names, generated...) {
		tr := load(t, name)
		s := NewStream(tr, cachemodes.DefaultConfig())
		bucket := NewReplayer(s).Replay(cachemodes.DefaultTable())
		line := func(name string, peak, average, creates int64) string {
			met := ""
			for _, ok := range []bool{peak <= s.Floor/100*103, average <= bucket.Average, creates <= bucket.Creates} {
				met += map[bool]string{true: "y", false: "-"}[ok]
			}
			return fmt.Sprintf("| %s | %.3f | %.3f | %d | %s |", name, float64(peak)/float64(s.Floor), float64(average)/float64(bucket.Average), creates, met)
		}
		t.Logf("%s: floor %s MiB", name, mib(s.Floor))
		t.Log(line("bucket", bucket.Peak, bucket.Average, bucket.Creates))
		goal := Goal{Keys: 40, Minimise: Creates, Limits: []Limit{{Peak, float64(s.Floor / 100 * 103)}, {Average, float64(bucket.Average)}}}
		tuned, err := Tune(t.Context(), s, goal, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := tuned.Best.Figures
		t.Log(line("best table found", f.Peak, f.Average, f.Creates))
		for _, v := range tried {
			peak, average, creates := v.play(tr)
			t.Log(line(v.name, peak, average, creates))
		}
	}
}
