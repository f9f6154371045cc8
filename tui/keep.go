package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bucketscope/internal/engine"
)

// off is why an action is of no use now; empty where it is.
func (f *frame) off(a action) string {
	switch {
	case !commandsEngine(a):
		return ""
	case f.latest.Status == engine.Recorded:
		return f.offRecorded(a)
	case lost(f.latest) && a != addNote && a != saveSnapshot && a != freeze: // what was played can be kept
		return actionNames[a] + " is off: " + f.noEngine()
	}
	return ""
}

// noEngine is why nothing can be commanded, in a few words; empty where it can.
func (f *frame) noEngine() string {
	switch {
	case f.latest.Status == engine.Recorded:
		return "a recording plays nothing"
	case lost(f.latest):
		return "the device is lost"
	}
	return ""
}

// offRecorded is off in a recording that was kept.
func (f *frame) offRecorded(a action) string {
	switch a {
	case pause, step:
		return "nothing to " + actionNames[a] + ": " + f.recorded + " is a recording, and nothing plays it"
	case freeze:
		return "nothing to freeze: " + f.recorded + " is a recording, and goes nowhere"
	case slower, faster:
		return "nothing has a pace: " + f.recorded + " is a recording, and nothing plays it"
	case undoTuning:
		return "nothing to undo: " + f.recorded + " is a recording, in which nothing is changed"
	case chooseMode:
		return "no mode can be changed in " + f.recorded + ", which is a recording: bucketscope --workload plays one anew"
	case chooseWorkload, startSession:
		return "no other workload is played beside " + f.recorded + ", which is a recording: bucketscope --workload plays one"
	case holdSession, releaseSession:
		return "no session can be commanded: " + f.recorded + " is a recording, and nothing plays it"
	case addNote:
		return "no note can be written into " + f.recorded + ": a recording stays as it was"
	}
	return "it is a file already: " + f.recorded
}

// commandsEngine reports whether an action is of use only where something is
// played.
func commandsEngine(a action) bool {
	switch a {
	case freeze, pause, step, slower, faster, chooseMode, chooseWorkload, startSession, holdSession, releaseSession, addNote, saveSnapshot, undoTuning:
		return true
	}
	return false
}

// beginLoad reads a workload beside the screen, to be played in place of what is
// played, or in sessions of its own beside it.
func (m *model) beginLoad(name string, beside bool) tea.Cmd {
	load := m.o.LoadWorkload
	return m.begin(loadTask, "loading "+name, "cannot play "+name, func(ctx context.Context, _ *progress) (func(*model) tea.Cmd, error) {
		t, err := load(ctx, name)
		if err != nil {
			return nil, err
		}
		return func(m *model) tea.Cmd {
			if beside {
				m.engine.StartSession(t)
				m.tell("playing %s beside", name)
				return m.commanded()
			}
			m.engine.Load(t)
			m.held, m.past = nil, nil // what they show is no longer played
			m.tell("playing %s", name)
			return m.tickIn(soon)
		}, nil
	})
}

// save writes everything up to now to a file, beside the screen. A past moment
// or a frozen display has no part in it.
func (m *model) save() tea.Cmd {
	if m.o.Save == nil {
		m.tell("no snapshot can be written here")
		return nil
	}
	m.latest = m.engine.State()
	st, save := m.latest, m.o.Save
	return m.begin(saveTask, "writing a snapshot of "+runsText(st.RunCount), "no snapshot was written", func(ctx context.Context, _ *progress) (func(*model) tea.Cmd, error) {
		name, err := save(ctx, st)
		return func(m *model) tea.Cmd {
			m.tell("written: %s", name)
			return nil
		}, err
	})
}

// export writes everything up to now in another tool's format.
func (m *model) export(format string) tea.Cmd {
	m.latest = m.engine.State()
	st, export := m.latest, m.o.Export
	return m.begin(exportTask, "writing "+format, "nothing was exported", func(ctx context.Context, _ *progress) (func(*model) tea.Cmd, error) {
		name, err := export(ctx, st, format)
		return func(m *model) tea.Cmd {
			m.tell("written: %s", name)
			return nil
		}, err
	})
}

// noteLine is where a note is typed.
func (m *model) noteLine() overlay {
	return &inputLine{
		about: "note", words: m.keys.say("{line-accept} writes it at the moment that goes on now, {back} leaves"),
		done: func(m *model, text string) tea.Cmd {
			m.engine.Note(text)
			m.tell("noted: %s", text)
			return m.tickIn(soon)
		},
	}
}

// exportMenu chooses a format.
type exportMenu struct {
	formats []ExportFormat
	typed   string
	cursor  int // among those that what was typed leaves
}

func newExportMenu(formats []ExportFormat) *exportMenu { return &exportMenu{formats: formats} }

func (e *exportMenu) scope() scope { return inMenus }

// shown are the formats with every typed word in their name or description.
func (e *exportMenu) shown() (out []ExportFormat) {
	for _, x := range e.formats {
		if hasWords(x.Name+" "+x.Description, e.typed) {
			out = append(out, x)
		}
	}
	return out
}

// hasWords reports whether a text has every word of another.
func hasWords(text, words string) bool {
	text = strings.ToLower(text)
	for _, w := range strings.Fields(strings.ToLower(words)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (e *exportMenu) press(a action, key tea.KeyPressMsg, _ *frame, _, h int) outcome {
	shown := e.shown()
	switch a {
	case back:
		return outcome{close: true}
	case accept:
		if e.cursor < len(shown) {
			format := shown[e.cursor].Name
			return outcome{close: true, do: func(m *model) tea.Cmd { return m.export(format) }}
		}
	case moveUp, moveDown, pageUp, pageDown:
		s := scroll{cursor: e.cursor}
		s.move(a, len(shown), max(h-4, 1))
		e.cursor = max(s.cursor, 0)
	case noAction:
		if typed := typeInto(e.typed, key); typed != e.typed {
			e.typed, e.cursor = typed, 0
		}
	}
	return outcome{}
}

var exportColumns = []column[ExportFormat]{
	{title: "format", width: 10, left: true, text: func(_ *frame, r ExportFormat) (string, style) { return r.Name, strong }},
	{title: "what it is", width: 12, left: true, rank: 1, grow: 70, text: func(_ *frame, r ExportFormat) (string, style) { return r.Description, plain }},
}

func (e *exportMenu) draw(v view, f *frame) {
	in, edge := dialog(v, f, "Export everything up to now", f.say("{menu-accept} writes it, {back} leaves"), 90, len(e.formats)+1)
	x := in.put(in.put(0, 0, "filter ", label), 0, e.typed+"_", keycap)
	drawList(below(in, 1, x), edge, f, exportColumns, e.shown(), e.cursor, "nothing, because no format has \""+e.typed+"\" in its name or description")
}

// drawList draws the rows of a menu, and says why there are none.
func drawList[R any](v, edge view, f *frame, columns []column[R], rows []R, cursor int, none string) {
	if len(rows) == 0 {
		drawEmpty(v, none)
		return
	}
	cols := fitColumns(columns, v.w)
	s := scroll{cursor: min(cursor, len(rows)-1)}
	first := s.first(len(rows), v.h)
	for y := 0; y < v.h && first+y < len(rows); y++ {
		drawRow(v.row(y), f, cols, rows[first+y])
		if first+y == s.cursor {
			v.row(y).mark()
		}
	}
	drawPosition(edge, f, 0, first, len(rows), focused)
}
