package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// bare plays a workload as an engine does that nobody profiles: a mode decides,
// the device does, and nothing is booked. Of a device it asks exactly what
// engine.Profile does.
type bare struct {
	mgr      *cachemodes.Manager
	dev      device.Device
	weights  engine.Weights
	slots    []cachemodes.BufID // by workload.Event.Buf
	plain    []cachemodes.Plain // forgotten at once
	recorded []bool             // by session: it has commands that are not submitted
	open     bool               // a run is
	began    time.Time
	runs     []float64 // the durations of those that ended, in microseconds
}

// playBare plays a workload so many times and answers how long each run took, in
// microseconds, each from an idle device to the next. The device is left empty.
func playBare(ctx context.Context, t *workload.Trace, dev device.Device, cfg cachemodes.Config, weights engine.Weights, times int) ([]float64, error) {
	b := &bare{
		mgr: cachemodes.NewManager(cfg), dev: dev, weights: weights,
		slots: slices.Repeat([]cachemodes.BufID{cachemodes.NoBuf}, t.Slots), recorded: make([]bool, max(len(t.Sessions), 1)),
	}
	parts := [][]workload.Event{t.Prologue()}
	for range times {
		if loop := t.Loop(); loop != nil {
			parts = append(parts, loop)
		} else {
			parts = append(parts, t.Events)
		}
	}
	parts = append(parts, t.Epilogue())
	err := b.play(ctx, t, parts)
	if err = errors.Join(err, b.end()); err != nil {
		return nil, err
	}
	return b.runs, nil
}

func (b *bare) play(ctx context.Context, t *workload.Trace, parts [][]workload.Event) error {
	for _, part := range parts {
		calls := t.Calls(part)
		for at := 0; at < len(part); {
			n, err := b.easy(calls[at:])
			if err != nil {
				return err
			}
			if at += n; n > 0 {
				continue
			}
			e := &part[at]
			if err := b.step(e); err != nil {
				return err
			}
			if e.Op == workload.RunEnd && ctx.Err() != nil {
				return ctx.Err()
			}
			at++
		}
	}
	return nil
}

// easy plays as many calls as engine.Profile plays at once, and answers how many.
func (b *bare) easy(calls []cachemodes.Call) (int, error) {
	done, played := b.mgr.PlayPlain(0, calls, b.slots, b.plain[:0])
	b.plain = played.Plain
	for i := range b.plain {
		if e := &b.plain[i]; e.Kind == cachemodes.Hit {
			b.recorded[played.Session] = true
			if err := b.dev.Use(device.Recording(played.Session), device.ID(e.Buf), true); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

func (b *bare) step(e *workload.Event) error {
	switch e.Op {
	case workload.Request:
		return b.request(e)
	case workload.Release:
		b.destroy(b.mgr.Release(b.slots[e.Buf]))
		b.slots[e.Buf] = cachemodes.NoBuf
	case workload.Submit:
		if err := b.submit(e.Session); err != nil {
			return err
		}
		b.destroy(b.mgr.Refresh(e.Session))
	case workload.RunStart:
		if b.open {
			return errOverlap
		}
		b.open = true
		if err := b.flush(); err != nil {
			return err
		}
		b.destroy(b.mgr.RunStart(e.Session))
		b.began = time.Now()
	case workload.RunEnd:
		if err := b.dev.Wait(); err != nil {
			return err
		}
		b.runs = append(b.runs, float64(time.Since(b.began).Nanoseconds())/1000)
		b.open = false
		b.destroy(b.mgr.RunEnd(e.Session))
	case workload.SessionRelease:
		if b.recorded[e.Session] {
			if err := b.submit(e.Session); err != nil {
				return err
			}
		}
		b.destroy(b.mgr.SessionRelease(e.Session))
	}
	return nil
}

// errOverlap is a workload of which no run can be timed.
var errOverlap = errors.New("its runs overlap, so that a run alone has no time")

func (b *bare) request(e *workload.Event) error {
	usage := e.Usage
	if e.Init && usage == cachemodes.Storage {
		usage = cachemodes.Weights
	}
	id, events := b.mgr.Request(e.Session, usage, e.Bytes)
	last := &events[len(events)-1]
	b.destroy(events)
	if !b.made(usage) {
		b.slots[e.Buf] = id
		return nil
	}
	fresh := last.Kind == cachemodes.Create
	if fresh {
		if err := b.dev.Create(device.ID(id), last.Size, usage); err != nil {
			b.destroy(b.mgr.Fail(id))
			return fmt.Errorf("a %s buffer of %d bytes: %w", usage, last.Size, err)
		}
	}
	b.slots[e.Buf] = id
	b.recorded[e.Session] = true
	return b.dev.Use(device.Recording(e.Session), device.ID(id), !fresh)
}

// made reports whether buffers of a usage exist on the device.
func (b *bare) made(u cachemodes.Usage) bool {
	return u != cachemodes.Weights || b.weights == engine.MakeWeights
}

// destroy gives up what the mode did.
func (b *bare) destroy(events []cachemodes.Event) {
	for i := range events {
		if e := &events[i]; e.Kind == cachemodes.Destroy && b.made(e.Usage) {
			b.dev.Destroy(device.ID(e.Buf))
		}
	}
}

func (b *bare) submit(session int32) error {
	b.recorded[session] = false
	return b.dev.Submit(device.Recording(session))
}

// flush submits everything and waits for it.
func (b *bare) flush() error {
	for i := range b.recorded {
		if err := b.submit(int32(i)); err != nil {
			return err
		}
	}
	return b.dev.Wait()
}

// end gives everything back, after an error too.
func (b *bare) end() error {
	for _, id := range b.slots {
		if id != cachemodes.NoBuf {
			b.destroy(b.mgr.Release(id))
		}
	}
	var err error
	for i := range b.recorded {
		err = errors.Join(err, b.submit(int32(i)))
	}
	b.destroy(b.mgr.Drain())
	return errors.Join(err, b.dev.Wait())
}
