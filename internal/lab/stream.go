package lab

import (
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// keyStep is what ORT's keys are multiples of (buffer_manager.cc,
// NormalizeBufferSize), so that sizes within a step are alike to every table.
const keyStep = 16

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// Stream is what a table of storage buckets has to serve. What no table can
// change, weights and the buffers of other usages, is played once and folded
// into each operation, so that a Replay only touches counters.
type Stream struct {
	Name string
	// Sizes are the storage buffers' requested sizes rounded to keyStep,
	// ascending.
	Sizes []int64
	// Requests counts the requests of each of Sizes.
	Requests []int64
	// Floor is the peak of requested bytes, of everything held.
	Floor int64

	ops []op
	// ends are the ends of runs: how many operations there were before each.
	ends []int
	// Before the first operation: the most that others held.
	most int64
	// samples is how many events the average is taken over, others the sum of
	// what other usages hold at them.
	samples, others int64
}

// op is a request, a release or a refresh, and what others do after it and
// before the next.
type op struct {
	other   int64  // bytes that others hold when it happens
	most    int64  // the most that they hold at a create of theirs after it; 0 for none
	samples uint32 // events that count for the average, its own included
	code    uint32 // index in Sizes << 2 | what
}

const (
	take uint32 = iota
	give
	refresh
)

// NewStream reads the storage requests of a trace. The modes of the other
// usages are those of cfg.
func NewStream(t *workload.Trace, cfg cachemodes.Config) *Stream {
	s := &Stream{Name: t.Name}
	for i := range t.Events {
		if e := &t.Events[i]; stored(e) {
			s.Sizes = append(s.Sizes, roundUp(e.Bytes, keyStep))
		}
	}
	slices.Sort(s.Sizes)
	s.Sizes = slices.Compact(s.Sizes)
	s.Requests = make([]int64, len(s.Sizes))
	index := make(map[int64]uint32, len(s.Sizes))
	for i, size := range s.Sizes {
		index[size] = uint32(i)
	}

	o := others{stream: s, mgr: cachemodes.NewManager(cfg)}
	slots := make([]struct {
		buf  cachemodes.BufID
		size uint32
		n    int64 // bytes requested; 0 for what is not storage
	}, t.Slots)
	for i := range t.Events {
		e := &t.Events[i]
		switch e.Op {
		case workload.Request:
			slot := &slots[e.Buf]
			if stored(e) {
				slot.size, slot.n = index[roundUp(e.Bytes, keyStep)], e.Bytes
				s.Requests[slot.size]++
				o.requested += e.Bytes
				s.Floor = max(s.Floor, o.requested)
				s.add(slot.size<<2+take, 1, o.held)
				continue
			}
			usage := e.Usage
			if usage == cachemodes.Storage {
				usage = cachemodes.Weights
			}
			slot.n = 0
			var events []cachemodes.Event
			slot.buf, events = o.mgr.Request(e.Session, usage, e.Bytes)
			o.book(events)
		case workload.Release:
			slot := &slots[e.Buf]
			if slot.n > 0 {
				o.requested -= slot.n
				s.add(slot.size<<2+give, 1, o.held)
				continue
			}
			o.book(o.mgr.Release(slot.buf))
		case workload.Submit:
			s.add(refresh, 0, o.held)
			o.book(o.mgr.Refresh(e.Session))
		case workload.RunStart:
			o.book(o.mgr.RunStart(e.Session))
		case workload.RunEnd:
			s.ends = append(s.ends, len(s.ops))
			o.book(o.mgr.RunEnd(e.Session))
		case workload.SessionRelease: // what waited for a submit of it waits no more
			s.add(refresh, 0, o.held)
			o.book(o.mgr.SessionRelease(e.Session))
		}
	}
	return s
}

// stored reports whether an event is a request that a table serves.
func stored(e *workload.Event) bool {
	return e.Op == workload.Request && e.Usage == cachemodes.Storage && !e.Init
}

func (s *Stream) add(code uint32, samples uint32, other int64) {
	s.ops = append(s.ops, op{other: other, samples: samples, code: code})
	s.samples += int64(samples)
	s.others += int64(samples) * other
}

// others plays what is not storage.
type others struct {
	stream          *Stream
	mgr             *cachemodes.Manager
	held, requested int64
}

// book follows what others hold, and at which events the ledger would look:
// the rules are those of probe.Books.
func (o *others) book(events []cachemodes.Event) {
	s := o.stream
	for i := range events {
		e := &events[i]
		if !e.Usage.Held() {
			continue
		}
		switch e.Kind {
		case cachemodes.Create:
			o.held += e.Size
			o.requested += e.Requested
			if len(s.ops) == 0 {
				s.most = max(s.most, o.held)
			} else {
				last := &s.ops[len(s.ops)-1]
				last.most = max(last.most, o.held)
			}
		case cachemodes.Hit:
			o.requested += e.Requested
		case cachemodes.Keep, cachemodes.Pend:
			o.requested -= e.Requested
		case cachemodes.Destroy:
			o.held -= e.Size
			if e.From != cachemodes.InUse {
				continue
			}
			o.requested -= e.Requested
		default:
			continue
		}
		s.Floor = max(s.Floor, o.requested)
		s.samples++
		s.others += o.held
		if len(s.ops) > 0 {
			s.ops[len(s.ops)-1].samples++
		}
	}
}
