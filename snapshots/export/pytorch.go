package export

import (
	"bufio"
	"fmt"
	"io"

	"bucketscope/cachemodes"
	"bucketscope/probe"
	"bucketscope/snapshots"
)

const (
	// pytorchAlign keeps the made-up addresses of buffers apart, as PyTorch's
	// blocks are.
	pytorchAlign = 512
	// pytorchSmall is the largest segment that PyTorch calls small.
	pytorchSmall = 1 << 20
	// maxAddress is what JavaScript, and so memory_viz, counts exactly.
	maxAddress = 1 << 53
)

// PyTorch writes a memory snapshot as torch.cuda.memory._snapshot makes it and
// pytorch.org/memory_viz opens it. A buffer is a segment with one block: its
// create is segment_alloc, each handing out alloc, each release free_requested,
// and free_completed once it can serve again or is destroyed, its destroy
// segment_free. A create that the device refused is oom. Streams are sessions.
//
// Addresses are made up: a buffer gets the next free one, never used again.
func PyTorch(w io.Writer, s *snapshots.Snapshot) error {
	bw := bufio.NewWriter(w)
	p := &pytorch{pickler: pickler{bw}, snapshot: s, addresses: map[int64]int64{}, next: 1 << 32}
	p.begin()
	p.dict()
	p.text("device_traces")
	p.list()
	p.list()
	p.trace()
	p.endList()
	p.endList()
	p.text("segments")
	p.list()
	p.segments()
	p.endList()
	p.text("allocator_settings")
	p.dict()
	p.textItem("PYTORCH_CUDA_ALLOC_CONF", "")
	p.textItem("bucketscope_mode", s.History.At(s.History.End()).Config[cachemodes.Storage].Mode.String())
	p.endDict()
	p.endDict()
	p.end()
	if p.err != nil {
		return p.err
	}
	return bw.Flush()
}

type pytorch struct {
	pickler
	snapshot  *snapshots.Snapshot
	addresses map[int64]int64 // by serial, of what exists
	next      int64
	run       string // the run going on
	err       error
}

// place gives a buffer its address.
func (p *pytorch) place(serial, size int64) {
	p.addresses[serial] = p.next
	p.next += (size + pytorchAlign - 1) / pytorchAlign * pytorchAlign
	if p.next >= maxAddress && p.err == nil {
		p.err = fmt.Errorf("the buffers that were ever created have more than 2^53 bytes, for which memory_viz has no addresses: export a shorter recording")
	}
}

func (p *pytorch) trace() {
	h := &p.snapshot.History
	first := h.At(h.First())
	for id := range first.Buffers {
		b := &first.Buffers[id]
		if b.State == cachemodes.Gone {
			continue
		}
		p.place(b.Serial, b.Size)
		p.entry("segment_alloc", b.Serial, b.Size, b.Session, first.AtUS, b.Usage)
		if b.State == cachemodes.InUse {
			p.entry("alloc", b.Serial, b.Size, b.Session, first.AtUS, b.Usage)
		}
	}
	h.Scan(h.First(), func(m *probe.Moment, e *probe.Entry) bool {
		switch e.What {
		case probe.RunStarted:
			p.run = e.Run.Label
		case probe.RunEnded:
			p.run = ""
		case probe.Happened:
			p.event(m, e)
		}
		return p.err == nil
	})
}

func (p *pytorch) event(m *probe.Moment, e *probe.Entry) {
	ev := &e.Event
	add := func(action string) { p.entry(action, e.Serial, ev.Size, ev.Session, e.AtUS, ev.Usage) }
	switch ev.Kind {
	case cachemodes.Create:
		p.place(e.Serial, ev.Size)
		add("segment_alloc")
		add("alloc")
	case cachemodes.Hit:
		add("alloc")
	case cachemodes.Keep:
		add("free_requested")
		add("free_completed")
	case cachemodes.Pend:
		add("free_requested")
	case cachemodes.Settle:
		add("free_completed")
	case cachemodes.Destroy:
		if ev.From == cachemodes.InUse {
			add("free_requested")
		}
		if ev.From != cachemodes.Cached {
			add("free_completed")
		}
		add("segment_free")
		delete(p.addresses, e.Serial)
	case cachemodes.Fail:
		held := m.Ledger.Total()
		p.addresses[0] = held.Held() // of an oom, addr is what memory there is
		p.entry("oom", 0, ev.Size, ev.Session, e.AtUS, ev.Usage)
	}
}

func (p *pytorch) entry(action string, serial, size int64, session int32, atUS int64, u cachemodes.Usage) {
	p.dict()
	p.textItem("action", action)
	p.intItem("addr", p.addresses[serial])
	p.intItem("size", size)
	p.intItem("stream", stream(session))
	p.intItem("time_us", atUS)
	p.frames(u)
	p.endDict()
}

// stream is a session as a stream's number; what no session has is on stream 0
// with the first one.
func stream(session int32) int64 { return int64(max(session, 0)) }

// frames says what a buffer is for, and in which run.
func (p *pytorch) frames(u cachemodes.Usage) {
	p.text("frames")
	p.list()
	for _, name := range []string{u.String(), p.run} {
		if name == "" {
			continue
		}
		p.dict()
		p.textItem("filename", p.snapshot.Workload.Name)
		p.intItem("line", 0)
		p.textItem("name", name)
		p.endDict()
	}
	p.endList()
}

// segments are the buffers that exist at the end.
func (p *pytorch) segments() {
	end := p.snapshot.History.At(p.snapshot.History.End())
	for id := range end.Buffers {
		b := &end.Buffers[id]
		if b.State == cachemodes.Gone {
			continue
		}
		var allocated, active, requested int64
		state := "inactive"
		switch b.State {
		case cachemodes.InUse:
			allocated, active, requested, state = b.Size, b.Size, b.Requested, "active_allocated"
		case cachemodes.Pending:
			active, requested, state = b.Size, b.Requested, "active_pending_free"
		}
		kind := "large"
		if b.Size <= pytorchSmall {
			kind = "small"
		}
		p.dict()
		p.intItem("device", 0)
		p.intItem("address", p.addresses[b.Serial])
		p.intItem("total_size", b.Size)
		p.intItem("allocated_size", allocated)
		p.intItem("active_size", active)
		p.intItem("requested_size", requested)
		p.intItem("stream", stream(b.Session))
		p.textItem("segment_type", kind)
		p.text("segment_pool_id")
		p.int(0)
		p.int(0)
		p.endTuple2()
		p.text("is_expandable")
		p.bool(false)
		p.frames(b.Usage)
		p.text("blocks")
		p.list()
		p.dict()
		p.intItem("address", p.addresses[b.Serial])
		p.intItem("size", b.Size)
		p.intItem("requested_size", requested)
		p.textItem("state", state)
		p.frames(b.Usage)
		p.endDict()
		p.endList()
		p.endDict()
	}
}
