package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/snapshots"
)

// run does what a command wants, and what comes of that, until nothing is done
// beside the screen. Ticks are the test's.
func (r *rig) run(cmds ...tea.Cmd) {
	msgs := make(chan tea.Msg)
	stop := make(chan struct{})
	defer close(stop)
	start := func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		go func() {
			msg := cmd()
			select {
			case msgs <- msg:
			case <-stop:
			}
		}()
	}
	for _, cmd := range cmds {
		start(cmd)
	}
	busy := func() bool {
		for i := range r.tasks {
			if r.tasks[i].doing != "" {
				return true
			}
		}
		return false
	}
	for busy() {
		switch msg := (<-msgs).(type) {
		case tea.BatchMsg:
			for _, cmd := range msg {
				start(cmd)
			}
		case taskDone:
			_, cmd := r.Update(msg)
			start(cmd)
		}
	}
}

// made lets a tick come and what it begins be done, as often as the screen wants
// something.
func (r *rig) made() {
	for range 4 {
		r.run(r.ticks(2 * time.Second))
	}
}

// record is a fake recording of a state.
func record(st *engine.State) *snapshots.Snapshot {
	return &snapshots.Snapshot{
		About: snapshots.About{
			Workload: snapshots.RunWorkload{Name: st.Workload.Name, SHA256: st.Workload.SHA256},
			Device:   snapshots.RunDevice{Kind: "webgpu", Name: "NVIDIA H100", Timed: true},
			Sessions: make([]snapshots.SessionName, 8),
		},
		History: st.History,
	}
}

// TestSave: a snapshot is of everything up to now, whatever is shown, its name is
// told, and a fault is told until a key is pressed.
func TestSave(t *testing.T) {
	var saved []*engine.State
	fail := errors.New("cannot write x.snapshot: no space left on device")
	var err error
	o := Options{Theme: "mono", Save: func(_ context.Context, st *engine.State) (string, error) {
		saved = append(saved, st)
		return "phi3.snapshot", err
	}}
	r := newRig(historyFixture(), o)
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	cmd := r.keys("home", "s")
	r.sees(t, "writing a snapshot of 31 runs… esc gives it up")
	r.run(cmd)
	if len(saved) != 1 || saved[0] != r.engine.st {
		t.Fatalf("%d states are saved, want the one that goes on now", len(saved))
	}
	r.sees(t, "written: phi3.snapshot", "◀ @event 0")
	err = fail
	r.run(r.keys("s"))
	r.ticks(time.Minute)
	r.sees(t, "! no snapshot was written: cannot write x.snapshot: no space left on device")
	r.keys("j")
	r.lacks(t, "no space left")
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
}

// TestSaveGivenUp: esc ends it, what still comes of it is dropped, and quitting
// waits for a file that is being written, unless asked twice.
func TestSaveGivenUp(t *testing.T) {
	o := Options{Theme: "mono", Save: func(ctx context.Context, _ *engine.State) (string, error) {
		<-ctx.Done()
		return "x", ctx.Err()
	}}
	r := newRig(fixture(), o)
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	cmd := r.keys("s")
	r.keys("esc")
	r.sees(t, "writing a snapshot of 188 runs was given up")
	r.Update(cmd())
	r.lacks(t, "written: ", "canceled")
	r.keys("s")
	if cmd := r.keys("q"); cmd != nil {
		t.Error("q ends the program while a snapshot is being written")
	}
	r.sees(t, "writing a snapshot")
	_, cmd = r.Update(taskDone{kind: saveTask, number: r.tasks[saveTask].number})
	if cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Error("the program does not end once the snapshot is written")
	}
	r = newRig(fixture(), o)
	r.keys("s", "q")
	if cmd := r.keys("q"); cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Error("q again does not end the program")
	}
}

// TestProgress: how far something is shows, and moves with the ticks.
func TestProgress(t *testing.T) {
	r := at80(fixture())
	r.begin(searchTask, "searching", "nothing was found", func(context.Context, *progress) (func(*model) tea.Cmd, error) { return nil, nil })
	r.ticks(time.Second)
	r.sees(t, "searching… esc gives it up")
	r.tasks[searchTask].progress.report(341, 1000)
	r.ticks(time.Second)
	r.sees(t, "searching… 34% esc gives it up")
}

// TestExport: the menu finds a format by its words, and what is written is told.
func TestExport(t *testing.T) {
	var got []string
	o := Options{
		Theme: "mono", Formats: testFormats,
		Export: func(_ context.Context, _ *engine.State, format string) (string, error) {
			got = append(got, format)
			return "phi3." + format, nil
		},
	}
	r := newRig(fixture(), o)
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.keys("x")
	r.sees(t, "Export everything up to now", "go tool pprof")
	r.run(r.keys("p", "p", "r", "enter"))
	r.sees(t, "written: phi3.pprof")
	r.run(r.keys("x", "down", "down", "enter"))
	r.keys("x", "z", "z")
	r.sees(t, `no format has "zz"`)
	if strings.Join(got, " ") != "pprof html" {
		t.Errorf("exported %q", got)
	}
}

var testFormats = []ExportFormat{
	{"chrome", "trace JSON for Perfetto"}, {"pprof", "a profile for 'go tool pprof'"}, {"html", "a page with interactive graphs"},
}

// TestNote: what is typed reaches the engine, and esc leaves it.
func TestNote(t *testing.T) {
	r := at80(fixture())
	r.keys("N", "h", "e", "r", "e", " ", "q", "enter")
	r.sees(t, "noted: here q")
	r.keys("N", "x", "esc", "N", " ", "enter")
	r.sees(t, "note  _")
	r.keys("esc")
	if got := strings.Join(r.engine.calls, ", "); got != "note here q" {
		t.Errorf("the engine was told %q", got)
	}
}

// TestRecorded: a recording is looked at from every side, and what would command
// an engine says why it cannot.
func TestRecorded(t *testing.T) {
	st := *compareFixture()
	st.Status = engine.Recorded
	r := newRig(&st, Options{Theme: "mono", Recorded: "old.snapshot", Record: record})
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 32})
	r.sees(t, "■ SNAPSHOT")
	r.lacks(t, "p pause", "m mode")
	for _, key := range []string{"p", "n", "<", ">", "m", "w", "N", "s", "z"} {
		r.keys(key)
		r.sees(t, "old.snapshot")
		r.keys("j")
		r.lacks(t, "old.snapshot")
	}
	r.keys("{", "{")
	r.sees(t, "◀ @event", "before the end")
	r.keys("end", "3")
	r.sees(t, "Events, ")
	if r.engine.calls != nil {
		t.Errorf("the engine was told %q", r.engine.calls)
	}
	if cmd := r.ticks(time.Second); cmd == nil {
		t.Error("no tick follows")
	}
}

// TestLost: on a device that is lost the footer and the palette offer what works,
// whatever else is asked for says why it is off, and tells the engine nothing.
func TestLost(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {48, 12}} {
		st := *compareFixture()
		st.Status, st.Err = engine.Failed, lostFixture().Err
		r := newRig(&st, Options{Theme: "mono", Record: record, Formats: testFormats})
		r.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		r.sees(t, "■ STOPPED", "q quit")
		r.lacks(t, "p pause", "n step", "m mode", "w workload")
		for key, name := range map[string]string{
			"p": "pause", "n": "step", "<": "slower", ">": "faster", "m": "mode", "w": "workload", "W": "start-session",
			"P": "hold-session", "R": "release-session", "z": "undo",
		} {
			r.keys(key)
			r.sees(t, name+" is off: the device is lost")
			r.keys("j")
			r.lacks(t, "is off")
		}
		r.keys(":")
		r.sees(t, "10 actions off: the device is lost")
		r.keys("begin anew")
		r.sees(t, "pause is off: the device is lost")
		r.keys("ctrl+u", "snapshot file")
		r.sees(t, "snapshot")
		r.lacks(t, "is off")
		r.keys("esc", "esc", "[")
		r.sees(t, "◀ @")
		r.keys("end", "x")
		r.sees(t, "Export")
		r.keys("esc")
		if r.engine.calls != nil {
			t.Errorf("the engine was told %q", r.engine.calls)
		}
	}
}

// compareFixture is a profile that played the same fourteen runs twice, under
// bucket and then under dynamicBucket, no figure equal to another.
func compareFixture() *engine.State {
	p := newPlayer()
	p.jrn.Session(p.at, probe.SessionCreated, 3)
	for i := range int64(3) {
		p.at += 9_113 * (i + 1)
		p.request(3, cachemodes.Weights, (171+13*i)*mib+32*i)
	}
	p.jrn.Session(p.at, probe.SessionIsReady, 3)
	for pass := range int64(2) {
		if pass == 1 {
			p.set(cachemodes.DynamicBucket)
		}
		for i := range int64(14) {
			info := probe.RunInfo{Session: 3, ID: i, Label: fmt.Sprintf("conv0 step%d", i), Tokens: 1, Prompt: i == 0, Pass: pass}
			p.at += 700_331 + 7_919*i + 311*pass
			sizes := []int64{3*mib - 4_096*i, 55_440 + 128*i, 190 * kib}
			for n := range 11 + i%3 {
				sizes = append(sizes, 5*mib+65_536*(i/2)+1024*n)
			}
			p.run(info, 7_210+130*i+37*pass, sizes...)
		}
	}
	return p.state()
}
