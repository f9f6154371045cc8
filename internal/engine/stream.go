package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// StreamOptions say how ProfileStream plays a trace.
type StreamOptions struct {
	Config  cachemodes.Config
	Sharing cachemodes.Sharing
	// Runs keeps the figures of every run, for Result.Runs: some 1.3 KiB each.
	Runs bool
}

// ProfileStream plays a trace while it is read, under all options at the same
// time, on the host device. What it holds does not grow with the events: it has
// what is out or kept, the books of sizes and sessions, and what the stream
// keeps. Every result is as Profile's. progress, if set, is told now and then how
// many events are done. The stream stays the caller's.
func ProfileStream(ctx context.Context, s *workload.Stream, options []StreamOptions, progress func(done int64)) ([]*Result, error) {
	plays := make([]*streamed, 0, len(options))
	for _, o := range options {
		plays = append(plays, newStreamed(s.Trace(), o))
	}
	began := time.Now()
	done, err := playStream(ctx, s, plays, progress)
	elapsed := time.Since(began)
	results := make([]*Result, 0, len(plays))
	for _, p := range plays {
		p.res.Events, p.res.Elapsed = done, elapsed
		p.sum(p.res)
		results = append(results, p.res)
		err = p.finish(err)
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

func playStream(ctx context.Context, s *workload.Stream, plays []*streamed, progress func(done int64)) (done int64, err error) {
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, err
		}
		for _, p := range plays {
			p.lanes[0].room(&e)
			if err := p.step(&e); err != nil {
				return done, err
			}
		}
		done++
		if e.Op == workload.Submit || e.Op == workload.RunEnd {
			if err := ctx.Err(); err != nil {
				return done, err
			}
			if progress != nil {
				progress(done)
			}
		}
	}
}

// streamed is a Player of a trace that is not known to its end.
type streamed struct {
	*Player
	res *Result
}

func newStreamed(t *workload.Trace, o StreamOptions) *streamed {
	s := &streamed{res: &Result{Config: o.Config}}
	s.Player = begin(device.NewHost(), setup{
		config: o.Config, sharing: o.Sharing, weights: MakeWeights,
		onRun: func(r *probe.Run) {
			if o.Runs {
				s.res.Runs = append(s.res.Runs, *r)
			}
			kept := s.led.Total()
			s.res.PeakKept = max(s.res.PeakKept, kept.Pending+kept.Cached)
		},
	})
	s.add(t)
	return s
}

// room makes room for a session and a buffer that were not known when the lane
// was added. It is the only lane of its player.
func (l *lane) room(e *workload.Event) {
	if n := int(e.Session) + 1 - len(l.recorded); n > 0 {
		l.recorded = append(l.recorded, make([]bool, n)...)
		l.waits = append(l.waits, make([]probe.Waits, n)...)
		l.p.next = int32(len(l.recorded))
	}
	if n := int(e.Buf) + 1 - len(l.slots); n > 0 {
		l.slots = append(l.slots, slices.Repeat([]cachemodes.BufID{none}, n)...)
	}
}
