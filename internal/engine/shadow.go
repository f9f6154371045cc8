package engine

import (
	"fmt"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// Shadow plays what somebody else plays, under a config of its own and on a
// device that makes nothing: what another mode would have done with the same
// requests. It is a Player, so its figures are those of a real run. It is used
// by one goroutine.
type Shadow struct {
	p     *Player
	cfg   cachemodes.Config
	calls []cachemodes.Call // scratch
}

// NewShadow begins with empty books. dev must not fail; clock, if set, is its
// time in microseconds; onRun, if set, is told of every run that ends.
func NewShadow(b Beginning, dev device.Device, clock func() int64, onRun func(*probe.Run)) *Shadow {
	s := &Shadow{cfg: b.Config, p: begin(dev, setup{config: b.Config, sharing: b.Sharing, weights: MakeWeights, capture: b.Capture, onRun: onRun})}
	s.p.add(b.Trace)
	if clock != nil {
		s.p.clock = clock
	}
	return s
}

// Play plays events in order.
func (s *Shadow) Play(events []*workload.Event) {
	l := s.lane()
	s.calls = s.calls[:0]
	if l.joins() {
		for _, e := range events {
			s.calls = append(s.calls, e.Call())
		}
		cachemodes.Pair(s.calls)
	}
	for at := 0; at < len(events); {
		if len(s.calls) > 0 {
			if n := l.together(s.calls[at:]); n > 0 {
				at += n
				continue
			}
		}
		if err := l.step(events[at]); err != nil {
			panic(fmt.Sprintf("engine: a device that makes nothing must not fail: %v", err))
		}
		at++
	}
}

// Set changes the setting of a usage.
func (s *Shadow) Set(u cachemodes.Usage, setting cachemodes.Setting) {
	if err := s.p.set(u, setting); err != nil {
		panic(fmt.Sprintf("engine: a setting that was in force must be valid: %v", err))
	}
	s.cfg[u] = setting
}

// Config is what is in force.
func (s *Shadow) Config() cachemodes.Config { return s.cfg }

// Pass tells which repetition comes.
func (s *Shadow) Pass(n int64) { s.lane().pass = n }

// lane is the only one.
func (s *Shadow) lane() *lane { return s.p.lanes[0] }

// Cut ends what was played in the middle: buffers that are out and not in keep
// are given back, and open runs are abandoned.
func (s *Shadow) Cut(keep []bool) {
	l := s.lane()
	for slot, id := range l.slots {
		if id != none && !keep[slot] {
			l.slots[slot] = none
			l.book(s.p.mgr.Release(id))
		}
	}
	s.p.led.AbandonRuns()
	s.p.inRun, l.open = 0, 0
}

// Outstanding notes in keep, by slot, which buffers are out.
func (s *Shadow) Outstanding(keep []bool) {
	for slot, id := range s.lane().slots {
		keep[slot] = id != none
	}
}

// Figures are the books as they stand.
func (s *Shadow) Figures() *Figures { return s.p.figures(s.cfg, Reading{}) }
