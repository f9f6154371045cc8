package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// Camera takes pictures of the Live screen, of one state after the other, where
// there is no terminal. It is not safe for concurrent use.
type Camera struct {
	o    Options
	w, h int
	shot *still // nil before the first picture
	m    *model
}

// NewCamera makes one for pictures of w columns and h rows; of o it takes what
// says how the screen looks.
func NewCamera(o Options, w, h int) *Camera { return &Camera{o: o, w: w, h: h} }

// Picture is the screen as it shows a state, line by line.
func (c *Camera) Picture(st *engine.State) []string {
	if c.shot == nil {
		c.shot = &still{st: st}
		c.o.Engine = c.shot
		c.m = newModel(context.Background(), &c.o)
		c.m.auto = false
		c.m.Update(tea.WindowSizeMsg{Width: c.w, Height: c.h})
	}
	c.shot.st = st
	c.m.Update(tickMsg(c.m.tick))
	return strings.Split(c.m.View().Content, "\n")
}

// still is an engine that stands still: nobody can command it in a picture.
type still struct{ st *engine.State }

func (s *still) State() *engine.State { return s.st }

func (*still) SetMode(cachemodes.Usage, cachemodes.ModeID)           {}
func (*still) SetParams(cachemodes.Usage, cachemodes.Params, string) {}
func (*still) Note(string)                                           {}
func (*still) Pause(bool)                                            {}
func (*still) Step()                                                 {}
func (*still) SetPace(float64)                                       {}
func (*still) Load(*workload.Trace)                                  {}
func (*still) StartSession(*workload.Trace)                          {}
func (*still) StopSession(int, bool)                                 {}
func (*still) ReleaseSession(int)                                    {}
