package tui

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"
)

// taskKind is a kind of work beside the screen, of which one is done at a time:
// another one of it takes its place.
type taskKind uint8

const (
	loadTask taskKind = iota
	saveTask
	exportTask
	searchTask
	previewTask // these last two are not worth a word
	recordTask

	numTasks = int(recordTask) + 1
)

// task is work beside the screen: it reads and writes nothing of the model's,
// and what comes of it is brought back as a message.
type task struct {
	doing    string // what is done, for people; empty: nothing
	failed   string // what to say if it fails, before why
	cancel   context.CancelFunc
	number   int // of the attempt: an answer to an earlier one is dropped
	progress *progress
}

// progress says how far a task is; total is 0 where it cannot say.
type progress struct{ done, total atomic.Int64 }

func (p *progress) report(done, total int) {
	p.total.Store(int64(total))
	p.done.Store(int64(done))
}

// taskDone is the end of a task: what to do with what came of it, or why
// nothing did.
type taskDone struct {
	kind   taskKind
	number int
	then   func(*model) tea.Cmd
	err    error
}

// taskBroke is a fault in a task: what it was and where. The screen panics with
// it in its own loop, which prints it before Run returns; Bubble Tea's goroutine
// of the task prints it beside the end of the program, which may come first.
type taskBroke struct{ fault string }

// begin does work beside the screen.
func (m *model) begin(kind taskKind, doing, failed string, work func(context.Context, *progress) (func(*model) tea.Cmd, error)) tea.Cmd {
	t := &m.tasks[kind]
	if t.doing != "" {
		t.cancel()
	}
	ctx, cancel := context.WithCancel(m.ctx)
	*t = task{doing: doing, failed: failed, cancel: cancel, number: t.number + 1, progress: &progress{}}
	number, p := t.number, t.progress
	return func() (msg tea.Msg) {
		defer func() {
			if r := recover(); r != nil {
				msg = taskBroke{fmt.Sprintf("%v\n\n%s", r, debug.Stack())}
			}
		}()
		then, err := work(ctx, p)
		return taskDone{kind, number, then, err}
	}
}

// finished takes the end of a task.
func (m *model) finished(msg taskDone) tea.Cmd {
	t := &m.tasks[msg.kind]
	if msg.number != t.number || t.doing == "" {
		return nil
	}
	t.cancel()
	t.doing = ""
	if m.leaving && msg.kind == saveTask {
		return tea.Quit
	}
	if msg.err != nil {
		m.fail(t.failed, msg.err)
		return nil
	}
	if msg.then == nil {
		return nil
	}
	return msg.then(m)
}

// fail tells that something could not be done, until a key is pressed.
func (m *model) fail(what string, err error) {
	m.notice = notice{text: "! " + what + ": " + err.Error(), bad: true}
}

// doing is what is done beside the screen, how far it is, and how to give it up.
func (m *model) doing() string {
	for k := range previewTask {
		t := &m.tasks[k]
		if t.doing == "" {
			continue
		}
		text := t.doing + m.glyphs.more
		if total := t.progress.total.Load(); total > 0 {
			text += fmt.Sprintf(" %d%%", 100*t.progress.done.Load()/total)
		}
		return text + m.keys.say(" {back} gives it up")
	}
	return ""
}

// giveUp stops what is done beside the screen, and answers whether anything
// was.
func (m *model) giveUp() bool {
	for k := range previewTask {
		if t := &m.tasks[k]; t.doing != "" {
			t.cancel()
			m.tell("%s was given up", t.doing)
			t.doing, m.leaving = "", false
			return true
		}
	}
	return false
}

// quit ends the program: once a file that is being written is there, or at once
// if asked again.
func (m *model) quit() tea.Cmd {
	if m.leaving || m.tasks[saveTask].doing == "" {
		return tea.Quit
	}
	m.leaving = true
	return nil
}
