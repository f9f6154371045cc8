package engine

import (
	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// Reopen is the State at the end of a recording that was kept: st with a history
// and marks, and what the recording says of itself, completed with what the
// history tells. It reads the whole history, some tenths of a second for a
// million entries, and calls look now and then, whose error ends it.
//
// Its log of runs is whole, not bounded. StateAt goes back in it as in another.
func Reopen(st State, look func() error) (*State, error) {
	var runs []probe.Run
	var err error
	m := st.History.Replay(func(r *probe.Run) bool {
		runs = append(runs, *r)
		if len(runs)%64 == 0 {
			err = look()
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	s := &st
	s.Status, s.Config, s.Seq, s.NowUS, s.Current, s.InRun = Recorded, m.Config, m.Seq, m.AtUS, m.Current, m.Ledger.InRun()
	s.Total, s.RunCount, s.Adjusts, s.Runs = m.Ledger.Total(), m.Ledger.Runs(), m.Ledger.Adjusts(), runs
	graph := m.Graph()
	s.Overhead, s.Keys, s.Slots, s.PeakRun, s.PeakAtUS = -1, keysAt(m), graph.Slots, graph.PeakRun, graph.PeakUS
	s.Sessions = sessionsAt(s.Sessions, m)
	for u := range s.Usage {
		s.Usage[u] = m.Ledger.Usage(cachemodes.Usage(u))
	}
	if m.Driver.OK {
		s.Driver = Reading{Bytes: m.Driver.Bytes, OK: true, Source: s.Driver.Source}
	}
	s.KeyRuns = m.Demand.Rows()
	for u := range s.Sizes {
		s.Sizes[u] = m.Demand.Sizes(cachemodes.Usage(u))
	}
	return s, nil
}
