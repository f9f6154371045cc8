package tui

import (
	"fmt"
	"slices"

	"bucketscope/cachemodes"
	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/workload"
)

// player books requests as an engine does, at times of the test's.
type player struct {
	mgr *cachemodes.Manager
	led *probe.Ledger
	jrn *probe.Journal
	at  int64

	marks []engine.Mark
	runs  probe.Tail[probe.Run]
}

// log gives a state the logs and the graph that an engine keeps.
func (p *player) log(st *engine.State) {
	g := p.jrn.Graph()
	st.Slots, st.Runs, st.KeyRuns, st.RunCount = g.Slots, p.runs.All(), p.jrn.Demand().Rows(), p.led.Runs()
}

func newPlayer() *player {
	cfg := cachemodes.DefaultConfig()
	led := &probe.Ledger{}
	return &player{
		mgr: cachemodes.NewManager(cfg), led: led,
		jrn:  probe.NewJournal(led, cfg, 64<<20, probe.NewSeries(20_000, 1<<13)),
		runs: probe.Tail[probe.Run]{Keep: 2048},
	}
}

func (p *player) book(events []cachemodes.Event) {
	for i := range events {
		p.jrn.Event(p.at, &events[i])
		p.led.Apply(&events[i])
	}
}

func (p *player) request(session int32, u cachemodes.Usage, bytes int64) cachemodes.BufID {
	id, events := p.mgr.Request(session, u, bytes)
	p.book(events)
	return id
}

func (p *player) submit(session int32) {
	p.jrn.Session(p.at, probe.Submitted, session)
	p.book(p.mgr.Refresh(session))
}

// run plays a run that asks for buffers of sizes and gives them back.
func (p *player) run(info probe.RunInfo, us int64, sizes ...int64) {
	p.book(p.mgr.RunStart(info.Session))
	p.jrn.StartRun(p.at, info)
	p.led.StartRun(info, p.at)
	var out []cachemodes.BufID
	for _, n := range sizes {
		out = append(out, p.request(info.Session, cachemodes.Storage, n))
	}
	out = append(out, p.request(info.Session, cachemodes.Uniform, 16*(1+info.ID%5)))
	p.at += us / 2
	p.submit(info.Session)
	for _, id := range out {
		p.book(p.mgr.Release(id))
	}
	p.at += us / 2
	p.submit(info.Session)
	p.book(p.mgr.RunEnd(info.Session))
	p.jrn.EndRun(p.at, info.Session, info.ID)
	p.runs.Add(p.led.EndRun(info.Session, info.ID, p.mgr.Mode(cachemodes.Storage), p.at))
}

func (p *player) set(m cachemodes.ModeID) {
	const u = cachemodes.Storage
	s := p.mgr.Config()[u]
	s.Mode = m
	p.marks = append(p.marks, engine.Mark{AtUS: p.at, Run: p.led.Runs(), Seq: p.jrn.End(), Text: "mode→" + m.String()})
	p.jrn.Configure(p.at, u, s)
	events, err := p.mgr.Set(u, s)
	if err != nil {
		panic(err)
	}
	p.book(events)
}

// state is how things stand.
func (p *player) state() *engine.State {
	st := fixture()
	seq := p.jrn.End()
	return engine.StateAt(&engine.State{
		Workload: st.Workload, Device: st.Device, Weights: engine.MakeWeights, History: p.jrn.History(),
		Marks: p.marks,
	}, seq)
}

// step notes a step of a session's life.
func (p *player) step(what probe.What, session int32) {
	p.jrn.Session(p.at, what, session)
	p.led.Step(what, session)
}

// sessionsFixture is four sessions on one device: a language model that is in a
// run, one that is held, one that was released, and one that is loading. They
// lent each other buffers, waited for the lock, and one hazard was seen.
func sessionsFixture() *engine.State {
	p := newPlayer()
	models := []engine.Session{
		{Session: workload.Session{ID: 0, Model: "phi3-mini-4k"}, Workload: "phi3-mini-4k/grow", Lane: 0},
		{Session: workload.Session{ID: 0, Model: "bert"}, Workload: "bert/varied", Lane: 1},
		{Session: workload.Session{ID: 0, Model: "unet"}, Workload: "unet/varied", Lane: 2},
		{Session: workload.Session{ID: 0, Model: "llama-3.2-1b"}, Workload: "llama-3.2-1b/static", Lane: 3},
	}
	var weights [3]cachemodes.BufID
	for s := range int32(3) {
		p.at += 210_007
		p.step(probe.SessionCreated, s)
		weights[s] = p.request(s, cachemodes.Weights, (301+int64(s)*113)*mib)
		p.submit(s)
		p.step(probe.SessionIsReady, s)
	}
	for i := range int64(40) {
		s := int32(i) % 3
		if s == 2 && i > 20 {
			s = 0
		}
		p.at += 571_331 + 97_919*(i%4)
		info := probe.RunInfo{Session: s, ID: i, Label: fmt.Sprintf("step%d", i), Pass: 0}
		if s == 0 {
			info.Tokens, info.Prompt = 1, i%10 == 0
		}
		w := probe.Waits{Count: 1 + i%3, US: 17 + 13*i}
		p.jrn.Wait(p.at, s, w)
		p.led.Wait(s, w)
		sizes := []int64{4*mib - 4_096*i, 61_440 + 128*i, (3 + i%2) * mib, 190 * kib, 7 * mib}
		for n := range max(i-31, 0) { // the last runs ask for more each, of which some is new
			sizes = append(sizes, (1+n%2)*mib)
		}
		p.run(info, 190_210+31_130*i, sizes...)
	}
	h := probe.Hazard{
		Kind: cachemodes.CrossSession, Usage: cachemodes.Storage, Serial: 4, Size: 4 * mib,
		First: probe.Use{Session: 1, Run: 31, Requested: 4*mib - 4_096}, Second: probe.Use{Session: 0, Run: 32, Requested: 3 * mib},
	}
	p.jrn.Hazard(p.at, &h)
	p.led.Hazard(&h)
	p.book(p.mgr.Release(weights[2]))
	p.step(probe.SessionReleased, 2)
	p.book(p.mgr.SessionRelease(2))
	p.at += 300_000
	p.step(probe.SessionCreated, 3)
	p.request(3, cachemodes.Weights, 97*mib)
	info := probe.RunInfo{Session: 0, ID: 41, Label: "step41", Tokens: 1}
	p.jrn.StartRun(p.at, info)
	p.led.StartRun(info, p.at)
	p.at += 91_013
	p.request(0, cachemodes.Storage, 9*mib)
	st := fixture()
	now := engine.StateAt(&engine.State{
		Workload: st.Workload, Device: st.Device, Weights: engine.MakeWeights, History: p.jrn.History(), Sessions: models, Runs: p.runs.All(),
	}, p.jrn.End())
	now.Sessions[1].Stopped = true // what no entry tells
	return now
}

// historyFixture is a profile of a few runs with its history: weights, growing
// buffers, more of a size than the cap keeps, a switch, keys born and dropped.
func historyFixture() *engine.State {
	p := newPlayer()
	p.jrn.Session(p.at, probe.SessionCreated, 3)
	for i := range int64(5) {
		p.at += 11_117 * (i + 1)
		p.request(3, cachemodes.Weights, (201+17*i)*mib+48*i)
	}
	p.request(3, cachemodes.User, 96*mib)
	p.jrn.Session(p.at, probe.SessionIsReady, 3)
	for i := range int64(31) {
		if i == 16 {
			p.set(cachemodes.DynamicBucket)
		}
		info := probe.RunInfo{Session: 3, ID: 40 + i, Label: fmt.Sprintf("conv1 step%d n=1 total=%d", i, 128+i), Tokens: 1, Prompt: i%10 == 0}
		p.at += 871_331 + 7_919*i
		sizes := []int64{4*mib - 4_096*i, 61_440 + 128*i, 3*mib + 16*i, 190 * kib}
		for range 11 + i%3 {
			sizes = append(sizes, 7*mib+65_536*(i/2))
		}
		p.run(info, 7_210+130*i, sizes...)
	}
	// One that nobody gives back, and a run that goes on.
	p.at += 412_070
	p.request(3, cachemodes.Storage, 13*mib)
	info := probe.RunInfo{Session: 3, ID: 71, Label: "conv1 step31 n=1 total=159", Tokens: 1}
	p.jrn.StartRun(p.at, info)
	p.led.StartRun(info, p.at)
	for i := range int64(9) {
		p.at += 1_013
		p.request(3, cachemodes.Storage, (5+i)*mib)
	}
	return p.state()
}

// refusedFixture is a profile in whose second run the device refused a buffer.
func refusedFixture() *engine.State {
	p := newPlayer()
	p.run(probe.RunInfo{Session: 3, ID: 40, Label: "conv1 step0 n=1 total=128", Tokens: 1}, 7_210, 4*mib-4_096, 61_440)
	info := probe.RunInfo{Session: 3, ID: 41, Label: "conv1 step1 n=1 total=129", Tokens: 1}
	p.at += 871_331
	p.jrn.StartRun(p.at, info)
	p.led.StartRun(info, p.at)
	id, events := p.mgr.Request(3, cachemodes.Storage, 57*mib+77)
	p.book(events[:len(events)-1])
	p.book(p.mgr.Fail(id))
	return p.state()
}

// allReleased is a state in which nobody plays any more.
func allReleased() *engine.State {
	st := *sessionsFixture()
	st.Sessions = slices.Clone(st.Sessions)
	for i := range st.Sessions {
		st.Sessions[i].Books.Life, st.Sessions[i].Running = probe.Gone, false
	}
	return &st
}

// onlyBert is a state in which one session is left.
func onlyBert() *engine.State {
	st := allReleased()
	st.Sessions[1].Books.Life = probe.Ready
	return st
}
