package engine

import (
	"fmt"
	"runtime/debug"
	"sync"
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
	members []*member
	all     sync.WaitGroup
	moved   *sync.Cond // something that a member waits for changed
	gone    bool       // all are to end
}

// member plays one trace.
type member struct {
	lane              *lane
	parts             []part
	part, at          int
	stopped, released bool
	between           bool // the last event ended a run, or was outside of any
	next              time.Time
}

// partsOf is a trace as it is played over and over: the last part repeats.
func partsOf(t *workload.Trace) []part {
	if l := t.Loop(); l != nil {
		return []part{{events: t.Prologue()}, {events: l}}
	}
	return []part{{events: t.Events}}
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
		for _, m := range lp.crew.members {
			if m.lane == lp.player.lanes[min(lane, len(lp.player.lanes)-1)] {
				m.stopped = stopped
				lp.crew.moved.Broadcast()
			}
		}
	})
}

// ReleaseSession ends the sessions of a lane: in the middle of a run, if they
// are in one. What they have is given back; what the caches keep of it is for
// the scope to say.
func (l *Live) ReleaseSession(lane int) {
	l.send(func(lp *loop) {
		if lane < 0 || lane >= len(lp.player.lanes) || lp.err != nil {
			return
		}
		if lane == 0 {
			lp.lock()
			at := lp.player.end()
			err := lp.player.abandon(lp.player.lanes[0])
			lp.released, lp.between = true, true
			lp.mark(at, "released "+lp.trace.Name)
			lp.unlock()
			lp.fail(err)
			return
		}
		lp.lock()
		defer lp.unlock()
		for _, m := range lp.crew.members {
			if m.lane == lp.player.lanes[lane] {
				m.released = true
				lp.crew.moved.Broadcast()
			}
		}
	})
}

// lock keeps the members out while the loop looks at or changes what they share.
func (lp *loop) lock() {
	if lp.player != nil && lp.player.shared {
		lp.player.mu.Lock()
	}
}

func (lp *loop) unlock() {
	if lp.player != nil && lp.player.shared {
		lp.player.mu.Unlock()
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
	at := p.end()
	m := &member{lane: p.add(t), parts: partsOf(t), between: true, next: time.Now()}
	lp.crew.members = append(lp.crew.members, m)
	lp.mark(at, "started "+t.Name)
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
	lp.crew.gone = true
	lp.crew.moved.Broadcast()
	lp.player.mu.Unlock()
	lp.crew.all.Wait()
	lp.crew.members, lp.crew.gone = nil, false
}

// serve is the goroutine of a member.
func (lp *loop) serve(m *member) {
	p := lp.player
	for lp.mayPlay(m) {
		for m.at == len(m.parts[m.part].events) {
			m.at = 0
			if m.part < len(m.parts)-1 {
				m.part++
			} else {
				m.lane.pass++
			}
		}
		e := &m.parts[m.part].events[m.at]
		m.at++
		if err := m.lane.step(e); err != nil {
			p.mu.Lock()
			at := p.end()
			// The session is given up; the others go on. The error that explains
			// is the first.
			_ = p.abandon(m.lane)
			lp.mark(at, fmt.Sprintf("%s %s: %v", stoppedText, m.lane.trace.Name, err))
			m.released = true
			p.mu.Unlock()
			return
		}
		m.between = m.lane.open == 0
		lp.counted.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.released && !lp.crew.gone {
		at := p.end()
		if err := p.abandon(m.lane); err != nil {
			lp.mark(at, fmt.Sprintf("%s %s: %v", stoppedText, m.lane.trace.Name, err))
			return
		}
		lp.mark(at, "released "+m.lane.trace.Name)
	}
}

// mayPlay waits until a member may play its next event, and answers false where
// it has none any more.
func (lp *loop) mayPlay(m *member) bool {
	p := lp.player
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case lp.crew.gone || m.released:
			return false
		case m.between && (lp.paused || lp.err != nil || m.stopped):
			lp.crew.moved.Wait()
			m.next = time.Now()
			continue
		case m.between && lp.pace > 0 && m.at < len(m.parts[m.part].events) && m.parts[m.part].events[m.at].Op == workload.RunStart:
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
		for _, m := range lp.crew.members {
			if m.lane == lp.player.lanes[s.Lane] {
				s.Stopped = m.stopped
			}
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
