package engine

import (
	"encoding/binary"
	"hash/fnv"
	"strings"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// graphs are the captured graphs of a lane. The first run of a shape is
// captured, with buffers of the graph's own; the later ones replay it and ask
// for no buffer of a cache. A graph belongs to a generator, as in ONNX Runtime
// GenAI one for each conversation, and is released with it.
//
//	run of a new shape     capture: requests go to the graph's own caches
//	run of a known shape   replay: no requests, the same commands once more
//	another conversation   its graphs are released, what they had goes to the
//	                       session's pool for the next ones
type graphs struct {
	shapes   []shape // by run
	sessions []captures
	run      []running // by run: what it is
}

// shape is what a run asks of the caches, in order.
type shape struct {
	hash uint64
	// whole is that every buffer that the run asks for comes back in it: one
	// that outlives it cannot be a graph's.
	whole     bool
	requests  bool // there are any
	generator string
}

// captures are the graphs of one session.
type captures struct {
	generator string
	byShape   map[uint64]*graph
	order     []*graph
}

// graph is one that was captured.
type graph struct {
	domain cachemodes.DomainID
	uses   []device.ID // of its buffers, in the order of its commands
}

// running is what a run does.
type running struct {
	capturing, replaying *graph
}

func newGraphs(t *workload.Trace) *graphs {
	g := &graphs{shapes: make([]shape, len(t.Runs)), sessions: make([]captures, len(t.Sessions)), run: make([]running, len(t.Runs))}
	for i := range g.shapes {
		g.shapes[i] = shape{hash: fnv.New64a().Sum64(), whole: true, generator: generatorOf(t.Runs[i].Label)}
	}
	asked := make([]int32, t.Slots) // the run that has a slot
	for i := range t.Events {
		e := &t.Events[i]
		switch {
		case e.Op == workload.Request:
			asked[e.Buf] = e.Run
			if e.Run == workload.NoRun || !e.Usage.Cached() {
				continue
			}
			s := &g.shapes[e.Run]
			h := fnv.New64a()
			b := binary.AppendUvarint(nil, s.hash)
			b = binary.AppendVarint(append(b, byte(e.Usage)), e.Bytes)
			h.Write(b)
			s.hash, s.requests = h.Sum64(), true
		case e.Op == workload.Release && e.Usage.Cached() && asked[e.Buf] != workload.NoRun && asked[e.Buf] != e.Run:
			g.shapes[asked[e.Buf]].whole = false
		}
	}
	for _, l := range t.Leaks {
		if run := asked[l.Slot]; run != workload.NoRun {
			g.shapes[run].whole = false
		}
	}
	return g
}

// generatorOf is the conversation that a run's label names, empty for none:
// labels of language models begin with it.
func generatorOf(label string) string {
	word, _, _ := strings.Cut(label, " ")
	if strings.HasPrefix(word, "conv") {
		return word
	}
	return ""
}

// replays reports whether a run replays a graph.
func (g *graphs) replays(run int32) bool { return run != workload.NoRun && g.run[run].replaying != nil }

// used notes that a command of a run uses a buffer.
func (g *graphs) used(run int32, u cachemodes.Usage, id device.ID) {
	if run == workload.NoRun || !u.Cached() {
		return
	}
	if c := g.run[run].capturing; c != nil {
		c.uses = append(c.uses, id)
	}
}

// forget drops the graphs of a session and answers their caches.
func (g *graphs) forget(session int32) []cachemodes.DomainID {
	var out []cachemodes.DomainID
	for _, c := range g.sessions[session].order {
		out = append(out, c.domain)
	}
	g.sessions[session] = captures{}
	return out
}

// graphStart captures the run that starts, replays what was captured, or does
// neither. The caller has the lock; without it, it calls replay next.
func (l *lane) graphStart(e *workload.Event) {
	p, g, session := l.p, l.graphs, l.first+e.Session
	s, c := &g.shapes[e.Run], &g.sessions[e.Session]
	if c.generator != s.generator {
		for _, old := range c.order {
			p.settle()
			p.watch.Graph(old.domain, false, true)
			p.note(probe.GraphReleased, session)
			l.book(p.mgr.GraphRelease(session, old.domain))
		}
		*c = captures{generator: s.generator}
	}
	if !s.whole || !s.requests {
		return
	}
	if known := c.byShape[s.hash]; known != nil {
		g.run[e.Run].replaying = known
		p.note(probe.GraphReplayed, session)
		return
	}
	domain, events := p.mgr.CaptureStart(session)
	p.settle()
	p.watch.Graph(domain, false, false)
	l.book(events)
	made := &graph{domain: domain}
	g.run[e.Run].capturing = made
	if c.byShape == nil {
		c.byShape = map[uint64]*graph{}
	}
	c.byShape[s.hash] = made
	c.order = append(c.order, made)
}

// replay records the commands of the graph that the run replays, if it does.
func (l *lane) replay(e *workload.Event) error {
	known := l.graphs.run[e.Run].replaying
	if known == nil {
		return nil
	}
	l.recorded[e.Session] = true
	session := device.Recording(l.first + e.Session)
	for _, id := range known.uses {
		if err := l.device(func() error { return l.p.dev.Use(session, id, false) }); err != nil {
			return err
		}
	}
	return nil
}

// graphEnd ends what graphStart began. The caller has the lock.
func (l *lane) graphEnd(e *workload.Event) {
	p, session := l.p, l.first+e.Session
	r := &l.graphs.run[e.Run]
	if c := r.capturing; c != nil {
		p.settle()
		p.watch.Graph(c.domain, true, false)
		p.note(probe.GraphCaptured, session)
		l.book(p.mgr.CaptureEnd(session))
	}
	*r = running{}
}
