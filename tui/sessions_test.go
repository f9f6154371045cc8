package tui

import (
	"testing"

	"bucketscope/cachemodes"
)

// TestSessionHoldings: what a session holds by size is what its books say, at
// every moment, in use and kept.
func TestSessionHoldings(t *testing.T) {
	st := sessionsFixture()
	s := newSessionsScreen()
	some := 0
	for seq := st.History.First() + 1; seq <= st.History.End(); seq++ {
		m := s.moment.Seek(&st.History, seq)
		for i := range int32(m.Ledger.NumSessions()) {
			var inUse, weights, bytes int64
			for _, h := range holdingsOf(m.Buffers, i, nil) {
				bytes += h.bytes
				if h.usage == cachemodes.Weights {
					weights += h.bytes
				} else {
					inUse += h.inUse * h.size
				}
			}
			some += int(bytes)
			if b := m.Ledger.Session(i); bytes != b.Held() || inUse != b.InUse || weights != b.Weights {
				t.Fatalf("entry %d: session %d holds %d bytes, %d in use, %d weights; the books say %d, %d, %d",
					seq, i, bytes, inUse, weights, b.Held(), b.InUse, b.Weights)
			}
		}
	}
	if some == 0 {
		t.Error("nobody ever held anything")
	}
}
