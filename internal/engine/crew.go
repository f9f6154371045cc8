package engine

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bucketscope/probe"
	"bucketscope/workload"
)

// crew are the sessions of a Live beside its first workload. Each plays over and
// over in a goroutine of its own; what is decided and booked is under the
// player's lock, and so is everything below that several goroutines read.
//
//	loop ────► lane 0 ──┐
//	member ──► lane 1 ──┼─► Player
//	member ──► lane 2 ──┘
type crew struct {
	members []*member // of lane 1, 2 and so on
	all     sync.WaitGroup
	moved   *sync.Cond  // something that a member waits for changed
	gone    atomic.Bool // all are to end
}

// member plays one trace.
type member struct {
	lane     *lane
	parts    []part
	part, at int
	stopped  bool
	released atomic.Bool // to be, or already
	between  bool        // the last event ended a run, or was outside of any
	next     time.Time
}

// partsOf is a trace as it is played over and over: the last part repeats.
func partsOf(t *workload.Trace) []part {
	if l := t.Loop(); l != nil {
		return []part{partOf(t, t.Prologue(), 0), partOf(t, l, 0)}
	}
	return []part{partOf(t, t.Events, 0)}
}

// StartSession plays a workload beside what is played, in sessions of its own,
// from now on.
func (l *Live) StartSession(t *workload.Trace) {
	l.send(func(lp *loop) {
		if lp.err == nil {
			lp.join(t)
		}
	})
}

// StopSession holds the workload of a lane (Session.Lane) at the end of the run
// that it is in, or lets it go on. Its session stays.
func (l *Live) StopSession(lane int, stopped bool) {
	l.send(func(lp *loop) {
		lp.lock()
		defer lp.unlock()
		if lane == 0 {
			lp.stopped = stopped
		}
		if m := lp.crew.member(lane); m != nil {
			m.stopped = stopped
			lp.crew.moved.Broadcast()
		}
	})
}

// ReleaseSession ends the sessions of a lane: in the middle of a run, if they
// are in one. What they have is given back; what the caches keep of it is for
// the scope to say.
func (l *Live) ReleaseSession(lane int) {
	l.send(func(lp *loop) {
		if lp.err != nil {
			return
		}
		if lane == 0 {
			if !lp.released {
				lp.fail(lp.leave("released " + lp.trace.Name))
			}
			return
		}
		lp.lock()
		defer lp.unlock()
		if m := lp.crew.member(lane); m != nil {
			m.released.Store(true)
			lp.crew.moved.Broadcast()
		}
	})
}

// leave ends the first workload alone, with a mark.
func (lp *loop) leave(mark string) error {
	return lp.player.lanes[0].abandon(func(seq int64, _ error) {
		lp.released, lp.between = true, true
		lp.mark(seq, mark)
	})
}

// member is who plays a lane, nil for the loop itself and where there is none.
func (c *crew) member(lane int) *member {
	if lane < 1 || lane > len(c.members) {
		return nil
	}
	return c.members[lane-1]
}

// plays reports whether a member does that is not to end.
func (c *crew) plays() bool {
	return slices.ContainsFunc(c.members, func(m *member) bool { return !m.released.Load() })
}

// lock keeps the members out while the loop looks at or changes what they share.
func (lp *loop) lock() {
	if lp.player != nil {
		lp.player.lanes[0].lock()
	}
}

func (lp *loop) unlock() {
	if lp.player != nil {
		lp.player.lanes[0].leave()
	}
}

// join begins a member.
func (lp *loop) join(t *workload.Trace) {
	p := lp.player
	p.share()
	p.mu.Lock()
	defer p.mu.Unlock()
	if lp.crew.moved == nil || lp.crew.moved.L != &p.mu {
		lp.crew.moved = sync.NewCond(&p.mu)
	}
	text, at := "started "+t.Name, p.end()
	p.remark(text)
	m := &member{lane: p.add(t), parts: partsOf(t), between: true, next: time.Now()}
	lp.crew.members = append(lp.crew.members, m)
	lp.mark(at, text)
	lp.crew.all.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				if m.lane.inside {
					p.mu.Unlock()
				}
				lp.live.broke(&PanicError{Value: v, Stack: debug.Stack()})
			}
		}()
		lp.serve(m)
	})
}

// dismiss ends all members; their sessions are closed with the player.
func (lp *loop) dismiss() {
	if len(lp.crew.members) == 0 {
		return
	}
	lp.player.mu.Lock()
	lp.crew.gone.Store(true)
	lp.crew.moved.Broadcast()
	lp.player.mu.Unlock()
	lp.crew.all.Wait()
	lp.crew.members = nil
	lp.crew.gone.Store(false)
}

// serve is the goroutine of a member.
func (lp *loop) serve(m *member) {
	for m.turn(); lp.mayPlay(m); m.turn() {
		e := &m.parts[m.part].events[m.at]
		m.at++
		if err := m.lane.step(e); err != nil {
			// The session is given up; the others go on. The error that explains
			// is the first.
			_ = m.lane.abandon(func(seq int64, _ error) { lp.gone(m, seq, err) })
			return
		}
		m.between = m.lane.open == 0
		lp.counted.Add(1)
	}
	if !lp.crew.gone.Load() {
		_ = m.lane.abandon(func(seq int64, err error) { lp.gone(m, seq, err) })
	}
}

// turn goes to the next part where one has ended; the last repeats.
func (m *member) turn() {
	for m.at == len(m.parts[m.part].events) {
		m.at = 0
		if m.part < len(m.parts)-1 {
			m.part++
		} else {
			m.lane.pass++
		}
	}
}

// gone marks that a member's sessions are no more, by an error or without one.
// The caller has the lock.
func (lp *loop) gone(m *member, at int64, err error) {
	m.released.Store(true)
	if err != nil {
		lp.mark(at, givenUp(m.lane.trace.Name, err))
		return
	}
	lp.mark(at, "released "+m.lane.trace.Name)
}

// givenUp is the mark of a workload that an error ended, while others go on.
func givenUp(workload string, err error) string {
	return fmt.Sprintf("%s %s: %v", stoppedText, workload, err)
}

// mayPlay waits until a member may play its next event, and answers false where
// it has none any more.
func (lp *loop) mayPlay(m *member) bool {
	p := lp.player
	if !m.between { // nothing holds a run
		return !lp.crew.gone.Load() && !m.released.Load()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case lp.crew.gone.Load() || m.released.Load():
			return false
		case lp.paused || lp.err != nil || m.stopped:
			lp.crew.moved.Wait()
			m.next = time.Now()
			continue
		case lp.pace > 0 && m.parts[m.part].events[m.at].Op == workload.RunStart:
			if d := time.Until(m.next); d > 0 {
				p.mu.Unlock()
				time.Sleep(min(d, publishEvery))
				p.mu.Lock()
				continue
			}
			m.next = m.next.Add(time.Duration(float64(time.Second) / lp.pace))
			if now := time.Now(); m.next.Before(now) {
				m.next = now
			}
		}
		return true
	}
}

// sessions are all there are, with what their lanes do.
func (lp *loop) sessions() []Session {
	out := lp.player.sessions()
	for i := range out {
		s := &out[i]
		if s.Lane == 0 {
			s.Stopped = lp.stopped
		}
		if m := lp.crew.member(s.Lane); m != nil {
			s.Stopped = m.stopped
		}
		if s.Books.Life == probe.Gone {
			s.Stopped = false
		}
	}
	return out
}

// broke ends the profile for a broken invariant of a member's.
func (l *Live) broke(err *PanicError) {
	l.mu.Lock()
	if l.broken == nil {
		l.broken = err
	}
	l.mu.Unlock()
	l.cancel()
}

// joinOthers starts the sessions that the profile began with.
func (lp *loop) joinOthers() {
	for _, t := range lp.opt.Others {
		lp.join(t)
	}
}
