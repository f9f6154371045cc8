package engine

import (
	"slices"
	"sort"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// StateAt is the State after seq entries of st's history, of which the history
// must still have a checkpoint (History.First): what was published then, had
// it been. It reads at most a chunk of the history, some milliseconds.
//
// What no entry tells is unknown: the overhead, the pace
// and the count of the workload's events. A workload was running, or it had
// failed; whether it, or one of its sessions, was held between two runs is not
// told either. The logs of
// runs and marks and the graph reach as far back as st's.
func StateAt(st *State, seq int64) *State {
	m := st.History.At(seq)
	graph := m.Graph()
	s := &State{
		Workload: st.Workload, Sessions: sessionsAt(st.Sessions, m), Sharing: st.Sharing, Capture: st.Capture, Hazards: m.Ledger.Hazards(), Loans: m.Ledger.Loans(), Device: st.Device, Config: m.Config, Weights: st.Weights,
		Play: st.Play, Seq: m.Seq, NowUS: m.AtUS, Current: m.Current, InRun: m.Ledger.InRun(),
		Overhead: -1, Driver: Reading{Reason: "not recorded"},
		Total: m.Ledger.Total(), Keys: keysAt(m), RunCount: m.Ledger.Runs(), Adjusts: m.Ledger.Adjusts(),
		History: st.History, Slots: graph.Slots, PeakRun: graph.PeakRun, PeakAtUS: graph.PeakUS,
	}
	if m.Driver.OK {
		s.Driver = Reading{Bytes: m.Driver.Bytes, OK: true, Source: st.Driver.Source}
	}
	for u := range s.Usage {
		s.Usage[u] = m.Ledger.Usage(cachemodes.Usage(u))
	}
	s.Marks = st.Marks[:sort.Search(len(st.Marks), func(i int) bool { return st.Marks[i].Seq >= m.Seq })]
	if st.Err != nil && slices.ContainsFunc(s.Marks, func(m Mark) bool { return m.Text == stoppedText }) {
		s.Status, s.Err = Failed, st.Err
	}
	for u := range s.Sizes {
		s.Sizes[u] = m.Demand.Sizes(cachemodes.Usage(u))
	}
	// What st no longer has in its logs, the entries since the checkpoint tell.
	s.Runs = st.Runs[:sort.Search(len(st.Runs), func(i int) bool { return st.Runs[i].Seq >= s.RunCount })]
	if len(s.Runs) < len(m.Ended) {
		s.Runs = m.Ended
	}
	s.KeyRuns = st.KeyRuns[:sort.Search(len(st.KeyRuns), func(i int) bool { return st.KeyRuns[i].Run >= s.RunCount })]
	if rows := m.Demand.Rows(); len(s.KeyRuns) < len(rows) {
		s.KeyRuns = rows
	}
	for i := range s.Slots {
		if now := s.Slots[i].Now.AtUS; s.Slots[i].Any {
			done := st.Slots[i].Done
			done = done[:sort.Search(len(done), func(i int) bool { return done[i].AtUS >= now })]
			if len(done) >= len(s.Slots[i].Done) {
				s.Slots[i].Done = done
			}
		}
	}
	return s
}

// sessionsAt is how the sessions stood that there were.
func sessionsAt(now []Session, m *probe.Moment) []Session {
	out := slices.Clone(now[:sort.Search(len(now), func(i int) bool { return now[i].Since > m.Seq })])
	for i := range out {
		out[i].Books, out[i].Running, out[i].Run, out[i].Stopped = m.Ledger.Session(int32(i)), false, probe.RunInfo{}, false
	}
	for _, r := range m.Ledger.OpenRuns() {
		if int(r.Session) < len(out) {
			out[r.Session].Running, out[r.Session].Run = true, r
		}
	}
	return out
}

// keysAt is how every size that was ever asked for stood in the caches, in the
// order of Manager.Keys: by usage, then by first sight.
func keysAt(m *probe.Moment) []KeyRow {
	n := m.Ledger.NumKeys()
	rows := make([]KeyRow, 0, n)
	for u := range cachemodes.NumCaches {
		limits := m.Config[u].Limits()
		for id := range cachemodes.KeyID(n) {
			k, _, _ := m.Ledger.Key(id)
			if k.Size == 0 || k.Usage != cachemodes.Usage(u) {
				continue
			}
			f := cachemodes.Free{Key: id, Usage: k.Usage, Size: k.Size, Free: int(k.Cached)}
			f.Cap, f.IsKey = limits.Of(k.Size, int(id) < len(m.Learnt) && m.Learnt[id])
			rows = append(rows, keyRow(f, m.Ledger, &m.Demand))
		}
	}
	return rows
}
