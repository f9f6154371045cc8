package tui

import (
	"fmt"
	"strconv"

	tea "charm.land/bubbletea/v2"

	"bucketscope/internal/engine"
)

// travel goes to another moment of the history. Recording goes on meanwhile,
// and nothing of it is lost by looking back.
func (m *model) travel(a action) {
	f := m.frame()
	h := &f.now.History
	if begunAnew(f.st, f.now) { // the moment is of another play
		m.past = nil
		f = m.frame()
	}
	if h.End() == h.First() {
		m.tell("nothing to go back to, because nothing has happened yet")
		return
	}
	to, ok := h.First(), true
	switch a {
	case prevEvent:
		to, ok = m.events.neighbour(f, f.at(), -1)
	case nextEvent:
		to, ok = m.events.neighbour(f, f.at(), 1)
	case prevRun:
		to, ok = h.RunBefore(f.at())
	case nextRun:
		to, ok = h.RunAfter(f.at() + 1)
	}
	switch {
	case ok:
		m.goBack(to)
	case a == prevEvent || a == prevRun:
		m.tell("nothing earlier is kept: the history reaches back to event %d, %s ago", h.First(), agoText(f, h.FirstUS()))
	case m.past != nil:
		m.tell("%s", f.say("nothing later has happened: {now} shows what goes on"))
	}
}

// goBack shows the moment after an event.
func (m *model) goBack(event int64) {
	now := m.present()
	h := &now.History
	if h.End() == h.First() {
		return
	}
	seq := min(max(event, h.First()), h.End()-1) + 1
	if m.past == nil || m.past.Seq != seq || begunAnew(m.past, now) {
		m.past = engine.StateAt(now, seq)
	}
	m.follow()
}

// toNow shows what goes on.
func (m *model) toNow() tea.Cmd {
	m.past, m.held = nil, nil
	m.latest = m.engine.State()
	m.follow()
	return m.tickIn(m.interval)
}

// pastBadge says which moment is shown.
func pastBadge(f *frame, short bool) field {
	event := strconv.FormatInt(f.at(), 10)
	switch {
	case begunAnew(f.st, f.latest):
		return field{value: f.g.back + " @event " + event + ", begun anew since", style: badgePast}
	case short:
		return field{value: f.g.back + " @" + event + " -" + agoText(f, f.st.NowUS), style: badgePast}
	}
	run := ""
	if n, ok := ordinal(f.st); ok {
		run = " run " + strconv.FormatInt(n, 10)
	}
	ago := "ago"
	if f.latest.Status == engine.Recorded {
		ago = "before the end"
	}
	return field{value: fmt.Sprintf("%s @event %s%s, %s %s", f.g.back, event, run, agoText(f, f.st.NowUS), ago), style: badgePast}
}

// agoText is how long before now a time was.
func agoText(f *frame, us int64) string {
	d := f.latest.NowUS - us
	if d < 60*1_000_000 {
		return fmt.Sprintf("%.1f s", float64(max(d, 0)/100_000)/10)
	}
	return duration(float64(d))
}
