package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// clickOn clicks on the first cell of a text on the screen.
func (r *rig) clickOn(t *testing.T, text string) {
	t.Helper()
	for y, line := range strings.Split(r.text(), "\n") {
		if before, _, ok := strings.Cut(line, text); ok {
			r.run(func() tea.Cmd {
				_, cmd := r.Update(tea.MouseClickMsg{X: textWidth(before), Y: y, Button: tea.MouseLeft})
				return cmd
			}())
			return
		}
	}
	t.Fatalf("no %q to click on:\n%s", text, r.text())
}

// TestMouse: it is off until it is asked for; a click shows a screen or marks a
// row, the wheel scrolls.
func TestMouse(t *testing.T) {
	r := newRig(historyFixture(), Options{Theme: "mono", Record: record})
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 32})
	if m := r.View().MouseMode; m != tea.MouseModeNone {
		t.Errorf("the mouse is on (%d) without being asked for", m)
	}
	r.keys("M")
	if r.View().MouseMode != tea.MouseModeCellMotion {
		t.Error("the mouse is off")
	}
	r.sees(t, "the mouse is on")
	r.clickOn(t, "4 Buffers")
	r.sees(t, "▸4 Buffers")
	r.clickOn(t, " 218MiB")
	if s := r.screens[screenBuffers].(*buffersScreen); s.at != 2 {
		t.Errorf("buffer %d is marked, want 2", s.at)
	}
	r.Update(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	if s := r.screens[screenBuffers].(*buffersScreen); s.cursor != 6 {
		t.Errorf("the wheel went to row %d", s.cursor)
	}
	r.clickOn(t, "3 Events")
	r.sees(t, "▸3 Events")
	want := r.screens[screenEvents].(*eventsScreen).rows
	line := strings.Split(r.text(), "\n")[10]
	r.clickOn(t, strings.TrimSpace(strings.Trim(line, "│┃"))[:12])
	if r.past == nil || len(want) == 0 {
		t.Error("a click on an event does not go back to it")
	}
	r.keys("end", "1")
	live := r.screens[screenLive].(*live)
	r.clickOn(t, r.frame().size(live.buckets.rows[1].Size)+" ")
	if live.focus != paneBuckets || !live.buckets.any {
		t.Error("a click on a bucket does not mark it")
	}
	r.clickOn(t, "   27 ")
	if live.focus != paneRuns || !live.runs.any || live.runs.rows[live.runs.cursor].run.Seq != 27 {
		t.Errorf("a click on a run marks row %d", live.runs.cursor)
	}
	r.Update(tea.MouseClickMsg{X: 21, Y: 8, Button: tea.MouseLeft})
	if live.focus != paneGraph || !live.look.pointed {
		t.Error("a click on the graph does not point at it")
	}
	r.keys("enter")
	if r.past == nil {
		t.Error("the point of the graph is no moment to go back to")
	}
	r.keys("end", "M")
	if r.View().MouseMode != tea.MouseModeNone {
		t.Error("the mouse stays on")
	}
	// Clicks anywhere, at any size, with a menu open or not.
	for _, size := range [][2]int{{120, 32}, {80, 24}, {48, 12}, {20, 3}} {
		r.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, key := range []string{"1", "3", "4", "6", "7", "?"} {
			r.keys(key)
			for y := range size[1] {
				for x := 0; x < size[0]; x += 7 {
					r.Update(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
				}
			}
			r.Update(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
			checkFits(t, r.View().Content, size[0], size[1])
			r.keys("esc", "esc")
		}
	}
}
