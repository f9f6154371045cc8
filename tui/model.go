package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"bucketscope/internal/engine"
	"bucketscope/internal/units"
)

// model is the one that Bubble Tea knows. It routes messages: keys to the
// overlay that is open or to the screen, states to the screen, commands to the
// engine.
type model struct {
	ctx       context.Context
	engine    Controller
	o         *Options
	keys      Keymap
	askWhatIf func() *WhatIf
	whatIf    *WhatIf       // the latest that is shown
	interval  time.Duration // between two states
	now       func() time.Time

	glyphs *glyphs
	si     bool
	theme  *theme
	auto   bool // the theme follows the terminal's background
	w, h   int

	latest  *engine.State
	held    *engine.State // what is shown while the display is frozen, else nil
	past    *engine.State // the moment that was gone back to, else nil
	screens [numScreens]screen
	events  *eventsScreen  // of screens
	buckets *bucketsScreen // of screens
	compare *compareScreen
	tune    *tuneScreen
	mouse   bool
	current screenID
	more    bool // the screen has work left to do
	advice  diagnosis
	over    overlay // nil: none is open
	notice  notice
	tasks   [numTasks]task
	leaving bool // once a file is written
	hold    suspension
	want    intent
	tick    int // the number of the tick that is awaited; others are late

	canvas canvas
	stale  bool   // what is shown differs from picture
	text   string // the last picture
}

// notice is a line that tells what happened.
type notice struct {
	text  string
	bad   bool // stays until a key is pressed
	until time.Time
}

// suspension is ctrl+z on its way: the workload is let come to the end of its
// run first, so that no run's latency has the time in the shell in it.
type suspension struct {
	awaited bool
	until   time.Time
	resume  bool // the workload was running
}

// intent is what was commanded but does not show in the state yet: keys that
// are pressed quickly build on each other, not on what the screen shows.
type intent struct {
	pace       float64
	paceAsked  bool
	paused     bool
	pauseAsked bool
}

// seen drops what the state shows.
func (i *intent) seen(st *engine.State) {
	i.paceAsked = i.paceAsked && st.Pace != i.pace
	i.pauseAsked = i.pauseAsked && (st.Status == engine.Paused) != i.paused
}

// tickMsg asks for the engine's latest state.
type tickMsg int

func newModel(ctx context.Context, o *Options) *model {
	m := &model{
		ctx: ctx, engine: o.Engine, o: o, keys: o.Keys, askWhatIf: o.WhatIf, mouse: o.Mouse, now: time.Now, glyphs: &unicodeGlyphs, si: o.SI, theme: darkTheme,
		events: newEventsScreen(), buckets: newBucketsScreen(), compare: newCompareScreen(o), tune: newTuneScreen(), stale: true,
	}
	if m.keys == nil {
		m.keys = keymap
	}
	first := newLive()
	if o.Recorded != "" { // all of it, not the minute before its end
		first.zoomTo(len(zooms) - 1)
	}
	m.screens = [numScreens]screen{
		screenLive: first, screenBuckets: m.buckets, screenEvents: m.events, screenBuffers: newBuffersScreen(),
		screenSessions: newSessionsScreen(),
		screenCompare:  m.compare, screenTune: m.tune,
	}
	if o.ASCII {
		m.glyphs = &asciiGlyphs
	}
	fps := o.FPS
	if fps <= 0 {
		fps = DefaultFPS
	}
	m.interval = time.Second / time.Duration(min(fps, maxFPS))
	switch {
	case !o.colour():
		m.theme = monoTheme
	case o.Theme == "light":
		m.theme = lightTheme
	case o.Theme != "dark":
		m.auto = true
	}
	m.see(m.engine.State())
	return m
}

func (m *model) Init() tea.Cmd {
	cmds := []tea.Cmd{m.tickIn(m.interval)}
	if m.auto {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// tickIn asks for the next state; a tick asked for earlier counts no more.
func (m *model) tickIn(d time.Duration) tea.Cmd {
	m.tick++
	n := tickMsg(m.tick)
	return tea.Tick(d, func(time.Time) tea.Msg { return n })
}

// present is the newest state that may be shown.
func (m *model) present() *engine.State {
	if m.held != nil {
		return m.held
	}
	return m.latest
}

// shown is the state on the screen.
func (m *model) shown() *engine.State {
	if m.past != nil {
		return m.past
	}
	return m.present()
}

// see takes the engine's latest state, and answers whether the screen followed
// it. While the display is frozen only the badge tells of it.
func (m *model) see(st *engine.State) bool {
	m.want.seen(st)
	if sameFigures(m.latest, st) {
		return false
	}
	m.latest, m.stale = st, true
	if m.held != nil {
		return false
	}
	m.follow()
	return true
}

// follow shows the screen what is shown from now on.
func (m *model) follow() {
	f := m.frame()
	m.advice.follow(f)
	m.screens[m.current].follow(f)
	m.work(f)
	m.stale = true
}

// work lets the screen do a part of what it has to do.
func (m *model) work(f *frame) {
	var changed bool
	changed, m.more = m.screens[m.current].work(f)
	m.stale = m.stale || changed
}

func (m *model) frame() *frame {
	st := m.shown()
	return &frame{
		st: st, now: m.present(), latest: m.latest, frozen: m.held != nil, g: m.glyphs, si: m.si, recent: recentOf(st.Runs), keys: m.keys,
		whatIf: m.whatIf, recorded: m.o.Recorded,
	}
}

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tickMsg:
		if int(msg) == m.tick {
			return m, m.ticked()
		}
		return m, nil
	case tea.WindowSizeMsg:
		m.w, m.h = min(max(msg.Width, 0), maxSide), min(max(msg.Height, 0), maxSide)
	case tea.BackgroundColorMsg:
		if m.auto && !msg.IsDark() {
			m.theme = lightTheme
		}
	case tea.KeyPressMsg:
		m.stale = true
		return m, m.pressed(msg)
	case taskBroke:
		panic(msg.fault)
	case taskDone:
		m.stale = true
		return m, m.finished(msg)
	case tea.MouseClickMsg:
		m.stale = true
		return m, m.clicked(msg.Mouse())
	case tea.MouseWheelMsg:
		m.stale = true
		return m, m.wheeled(msg.Mouse())
	case tea.ResumeMsg:
		if m.hold.resume {
			m.engine.Pause(false)
		}
		m.hold = suspension{}
		m.stale = true
		return m, m.tickIn(soon)
	default:
		return m, nil
	}
	m.stale = true
	return m, nil
}

// ticked loads the latest state, says when to do so again, and begins what the
// screen wants to have made beside it.
func (m *model) ticked() tea.Cmd {
	next := m.look()
	for k := range previewTask { // how far it is shows
		m.stale = m.stale || m.tasks[k].doing != ""
	}
	var beside tea.Cmd
	switch m.current {
	case screenCompare:
		beside = m.compare.refresh(m)
	case screenTune:
		beside = m.tune.refresh(m)
	}
	return tea.Batch(next, beside)
}

// look loads the latest state and says when to do so again.
func (m *model) look() tea.Cmd {
	news := m.seeWhatIf()
	switch seen := m.see(m.engine.State()); {
	case seen:
	case news && m.held == nil:
		m.follow()
	case m.more:
		m.work(m.frame())
	}
	if m.notice.text != "" && !m.notice.bad && !m.now().Before(m.notice.until) {
		m.notice, m.stale = notice{}, true
	}
	if m.hold.awaited {
		between := m.latest.Status != engine.Running && !m.latest.InRun
		if between || !m.now().Before(m.hold.until) {
			m.hold.awaited = false
			// The tick is for a terminal that cannot be given back: then
			// nothing is suspended, and no message says so.
			return tea.Batch(tea.Suspend, m.tickIn(idleEvery))
		}
		return m.tickIn(soon)
	}
	if m.more && m.latest.Status != engine.Running { // nobody else needs the machine
		return m.tickIn(min(workEvery, m.interval))
	}
	if m.latest.Status == engine.Running && (m.more || m.held == nil) {
		return m.tickIn(m.interval)
	}
	return m.tickIn(max(idleEvery, m.interval))
}

// pressed takes a key.
func (m *model) pressed(key tea.KeyPressMsg) tea.Cmd {
	where := onScreens
	if m.over != nil {
		where = m.over.scope()
	}
	a := m.keys.actionOf(where, key.String())
	m.notice = notice{}
	if m.over != nil && a != quit && a != suspend {
		s := m.shell()
		area := overlayOf(m.w, m.h, &s)
		return m.heed(m.over.press(a, key, m.frame(), area.w, area.h))
	}
	return m.act(a)
}

// act does what is asked for on the screens.
func (m *model) act(a action) tea.Cmd {
	if id, ok := screenOf(a); ok {
		return m.goTo(id)
	}
	if why := m.frame().off(a); why != "" {
		m.tell("%s", why)
		return nil
	}
	switch a {
	case quit:
		return m.quit()
	case suspend:
		return m.suspend()
	case help:
		m.over = &helpView{}
	case openPalette:
		m.over = newPalette()
	case findings:
		m.over = newFindings(m.frame())
	case prevEvent, nextEvent, prevRun, nextRun, firstEvent:
		m.travel(a)
	case nowAgain:
		return m.toNow()
	case chooseMode:
		m.over = newModeMenu(m.latest.Config)
	case chooseWorkload:
		m.over = newWorkloadMenu(m.o.Workloads, m.latest.Workload.Name)
	case freeze:
		return m.freeze()
	case pause, step, slower, faster:
		return m.command(a)
	case nextPane, prevPane:
		cmd, own := m.toScreen(a)
		if !own { // a screen with one pane: the next screen
			return m.goTo(m.beside(a))
		}
		return cmd
	case saveSnapshot:
		return m.save()
	case exportAs:
		m.over = newExportMenu(m.o.Formats)
	case addNote:
		m.over = m.noteLine()
	case setBaseline:
		return m.setBaseline()
	case showDifference:
		return m.showDifference()
	case undoTuning:
		return m.undo()
	case useMouse:
		m.mouse = !m.mouse
		if m.mouse {
			m.tell("%s", m.keys.say("the mouse is on: a click marks, the wheel scrolls; {mouse} turns it off, and the terminal selects text again"))
		} else {
			m.tell("the mouse is off: the terminal selects text")
		}
	case back:
		if m.giveUp() {
			return nil
		}
		return m.leave()
	default:
		cmd, _ := m.toScreen(a)
		return cmd
	}
	return nil
}

// toScreen lets the screen take an action, and answers whether it was its own.
func (m *model) toScreen(a action) (tea.Cmd, bool) {
	s := m.shell()
	own, w := m.screens[m.current].press(a, m.frame(), s.kind, s.body.w, s.body.h)
	cmd := m.grant(w)
	m.follow()
	return cmd, own
}

// goTo shows another screen.
func (m *model) goTo(id screenID) tea.Cmd {
	m.current = id
	m.follow()
	return m.tickIn(soon)
}

// leave is esc: from a past moment to now, from what is marked or filtered to
// nothing of that, and from a screen to the first one.
func (m *model) leave() tea.Cmd {
	if m.past != nil {
		return m.toNow()
	}
	cmd, own := m.toScreen(back)
	if !own && m.current != screenLive {
		return m.goTo(screenLive)
	}
	return cmd
}

// grant does what a screen asked for.
func (m *model) grant(w wish) tea.Cmd {
	if w.tell != "" {
		m.tell("%s", w.tell)
	}
	switch {
	case w.goBack:
		m.goBack(w.event)
	case w.now:
		m.past = nil
	case w.edit != nil:
		m.over = newFilterLine(w.edit)
	case w.do != nil:
		return w.do(m)
	case w.place != nil:
		return m.show(w.place)
	case w.over != nil:
		m.over = w.over
	case w.copy != "":
		return tea.SetClipboard(w.copy)
	case w.beside:
		menu := newWorkloadMenu(m.o.Workloads, m.latest.Workload.Name)
		menu.beside = true
		m.over = menu
	case w.hold != nil:
		m.engine.StopSession(w.hold.lane, w.hold.hold)
		return m.commanded()
	case w.release != nil:
		m.engine.ReleaseSession(*w.release)
		return m.commanded()
	}
	return nil
}

// show goes to a place on a screen.
func (m *model) show(p *place) tea.Cmd {
	if p.screen == screenBuckets {
		m.buckets.point(m.frame(), p)
	}
	return m.goTo(p.screen)
}

// heed does what an overlay asked for.
func (m *model) heed(o outcome) tea.Cmd {
	if o.close {
		m.over = nil
	}
	switch {
	case o.setMode != nil:
		m.engine.SetMode(o.setMode.usage, o.setMode.mode)
		return m.commanded()
	case o.load != "":
		return m.beginLoad(o.load, o.beside)
	case o.do != nil:
		return o.do(m)
	case o.act != noAction:
		return m.act(o.act)
	case o.show != nil:
		return m.show(o.show)
	}
	m.follow()
	return m.tickIn(soon)
}

// freeze holds the picture, or lets it go on. The engine knows nothing of it.
func (m *model) freeze() tea.Cmd {
	if m.held == nil {
		m.held = m.latest
		return nil
	}
	m.held = nil
	m.latest = m.engine.State()
	m.follow()
	return m.tickIn(m.interval)
}

// command gives the engine a command that has no menu.
func (m *model) command(a action) tea.Cmd {
	switch a {
	case pause:
		running := m.latest.Status == engine.Running
		if m.want.pauseAsked {
			running = !m.want.paused
		}
		m.engine.Pause(running)
		m.want.paused, m.want.pauseAsked = running, true
		return m.commanded()
	case step:
		m.engine.Step()
		m.want.pauseAsked = false
		return m.commanded()
	}
	pace := m.latest.Pace
	if m.want.paceAsked {
		pace = m.want.pace
	}
	pace = nextPace(pace, a == faster)
	m.engine.SetPace(pace)
	m.want.pace, m.want.paceAsked = pace, true
	if pace == 0 {
		m.tell("pace: flat out")
	} else {
		m.tell("pace: %s runs/s", units.Rate(pace))
	}
	return m.tickIn(soon)
}

// commanded looks soon what came of a command. A frozen display does not show
// it, and says so.
func (m *model) commanded() tea.Cmd {
	switch {
	case m.past != nil:
		m.tell("%s", m.keys.say("done, but a past moment is shown: {now} shows it"))
	case m.held != nil:
		m.tell("%s", m.keys.say("done, but the display is frozen: {freeze} shows it"))
	}
	return m.tickIn(soon)
}

// nextPace is the next step of the pace; 0, flat out, is the fastest.
func nextPace(pace float64, up bool) float64 {
	if up {
		for _, p := range paces {
			if pace != 0 && p > pace {
				return p
			}
		}
		return 0
	}
	for i := len(paces) - 1; i >= 0; i-- {
		if pace == 0 || paces[i] < pace {
			return paces[i]
		}
	}
	return pace
}

// suspend stops the program once the workload stands between two runs, or
// after a while.
func (m *model) suspend() tea.Cmd {
	if m.hold.awaited {
		return nil
	}
	m.hold = suspension{awaited: true, until: m.now().Add(suspendWithin), resume: m.latest.Status == engine.Running}
	if m.hold.resume {
		m.engine.Pause(true)
	}
	return m.tickIn(soon)
}
