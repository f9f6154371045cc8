package engine

import (
	"errors"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/probe"
	"bucketscope/workload"
)

// TestLiveSessions is a person's afternoon with several sessions: begun with
// two, a third started, one stopped, one released, modes switched meanwhile, all
// in goroutines of their own.
func TestLiveSessions(t *testing.T) {
	for _, scope := range cachemodes.Scopes() {
		t.Run(scope.String(), func(t *testing.T) {
			dev := newStrict()
			l := start(t, load(t, "bert/varied"), dev, LiveOptions{
				Config: cachemodes.DefaultConfig(), Sharing: cachemodes.Sharing{Scope: scope}, Others: []*workload.Trace{load(t, "unet/varied")},
			})
			runs := func(s *State, i int) int64 {
				if i >= len(s.Sessions) {
					return -1
				}
				return s.Sessions[i].Books.Runs
			}
			until(t, l, "runs of both", func(s *State) bool { return runs(s, 0) > 2 && runs(s, 1) > 2 })
			l.StartSession(load(t, "unet/varied"))
			l.SetMode(cachemodes.Storage, cachemodes.Simple)
			three := until(t, l, "runs of the third", func(s *State) bool { return runs(s, 2) > 2 })
			l.StopSession(1, true)
			s := until(t, l, "the second to stop", func(s *State) bool { return s.Sessions[1].Stopped && !s.Sessions[1].Running })
			before := runs(s, 1)
			s = until(t, l, "more runs of the others", func(s *State) bool { return runs(s, 0) > runs(l.State(), 0)-1 && s.RunCount > 0 && runs(s, 2) > 6 })
			if runs(s, 1) > before+1 {
				t.Errorf("a stopped session ran %d runs", runs(s, 1)-before)
			}
			l.StopSession(1, false)
			until(t, l, "it to go on", func(s *State) bool { return runs(s, 1) > before+1 })
			l.ReleaseSession(2)
			s = until(t, l, "the release", func(s *State) bool { return s.Sessions[2].Books.Life == probe.Gone })
			if b := s.Sessions[2].Books; b.InUse+b.Weights != 0 || scope != cachemodes.ScopeDevice && scope != cachemodes.ScopeSharedFree && b.Held() != 0 {
				t.Errorf("after its release it holds %+v", b)
			}
			l.ReleaseSession(0)
			until(t, l, "the release of the first", func(s *State) bool { return s.Sessions[0].Books.Life == probe.Gone })
			l.ReleaseSession(1)
			s = until(t, l, "the last release", func(s *State) bool { return s.Sessions[1].Books.Life == probe.Gone })
			if held := s.Total.Held(); s.Total.InUse != 0 || scope != cachemodes.ScopeDevice && held != 0 {
				t.Errorf("%d bytes are held after the last release", held)
			}
			if s.Hazards != 0 {
				t.Errorf("%d hazards", s.Hazards)
			}
			// Looked back at, a session was what it was.
			if err := rebuilt(s, three); err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if len(dev.made) != 0 || dev.wrong != "" {
				t.Errorf("%d buffers are left; %s", len(dev.made), dev.wrong)
			}
		})
	}
}

// TestLiveSessionsPause: a pause holds every session between two runs; a step
// plays one run; going on goes on.
func TestLiveSessionsPause(t *testing.T) {
	l := start(t, load(t, "bert/varied"), device.NewHost(), LiveOptions{
		Config: cachemodes.DefaultConfig(), Others: []*workload.Trace{load(t, "unet/varied"), load(t, "unet/varied")},
	})
	idle := func(s *State) bool {
		for i := range s.Sessions {
			if s.Sessions[i].Running {
				return false
			}
		}
		return s.Status == Paused
	}
	until(t, l, "some runs", func(s *State) bool { return s.RunCount > 10 })
	l.Pause(true)
	s := until(t, l, "the pause", idle)
	l.Step()
	after := until(t, l, "a step", func(n *State) bool { return n.RunCount > s.RunCount && idle(n) })
	l.Pause(false)
	until(t, l, "going on", func(n *State) bool { return n.RunCount > after.RunCount+10 })
}

// TestLiveSessionFails: a session that gets no memory is given up; the others
// go on.
func TestLiveSessionFails(t *testing.T) {
	l := start(t, load(t, "bert/varied"), device.Limit(device.NewHost(), 700<<20), LiveOptions{Config: cachemodes.DefaultConfig()})
	until(t, l, "some runs", func(s *State) bool { return s.RunCount > 3 })
	l.StartSession(load(t, "llama-3.2-1b/static"))
	s := until(t, l, "its end", func(s *State) bool { return len(s.Sessions) > 1 && s.Sessions[1].Books.Life == probe.Gone })
	n := s.RunCount
	s = until(t, l, "the first to go on", func(s *State) bool { return s.RunCount > n+5 })
	if s.Status != Running || s.Err != nil {
		t.Errorf("status %d, %v", s.Status, s.Err)
	}
}

// TestLiveFirstFails: the first workload is no other: where others play it is
// given up alone.
func TestLiveFirstFails(t *testing.T) {
	l := start(t, load(t, "llama-3.2-1b/static"), small256{device.NewHost()}, LiveOptions{
		Config: cachemodes.DefaultConfig(), Others: []*workload.Trace{load(t, "bert/varied")},
	})
	s := until(t, l, "its end, and runs of the other", func(s *State) bool {
		return s.Sessions[0].Books.Life == probe.Gone && s.Sessions[1].Books.Runs > 5
	})
	if s.Status != Running || s.Err != nil || len(s.Marks) == 0 || !strings.HasPrefix(s.Marks[len(s.Marks)-1].Text, "stopped llama-3.2-1b/static: ") {
		t.Errorf("status %d, %v, marks %v", s.Status, s.Err, s.Marks)
	}
}

// small256 has no memory for a buffer above 256 MiB: only the language model asks
// for one.
type small256 struct{ device.Device }

func (d small256) Create(id device.ID, size int64, u cachemodes.Usage) error {
	if size > 256<<20 {
		return &device.OutOfMemoryError{Size: size, Usage: u, Err: errors.New("it is too large")}
	}
	return d.Device.Create(id, size, u)
}
