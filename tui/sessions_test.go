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

// TestSessionFilter: what is filtered is listed alone, and the mark, by which a
// session is released, stays with its session.
func TestSessionFilter(t *testing.T) {
	st := sessionsFixture()
	f := &frame{st: st, latest: st, g: &unicodeGlyphs}
	s := newSessionsScreen()
	s.follow(f)
	if len(s.rows) < 3 {
		t.Fatalf("%d sessions, want some to choose from", len(s.rows))
	}
	for range 2 {
		s.press(moveDown, f, layoutFull, 120, 27)
	}
	if s.cursor != 1 || s.marked != 1 {
		t.Fatalf("two rows down, row %d and session %d are marked", s.cursor, s.marked)
	}
	for _, tt := range []struct {
		text   string
		rows   int
		cursor int
	}{
		{"session>=1", len(s.rows) - 1, 0}, {"session=1", 1, 0}, {"!session=1", len(s.rows) - 1, -1}, {"does:released held<0", 0, -1},
	} {
		s.cursor, s.marked = 1, 1
		s.filter = filter[sessionRow]{}
		s.follow(f)
		if err := s.setFilter(f, tt.text); err != nil || len(s.rows) != tt.rows || s.cursor != tt.cursor {
			t.Errorf("%s: %d rows, the mark at %d, %v; want %d and %d", tt.text, len(s.rows), s.cursor, err, tt.rows, tt.cursor)
		}
		if s.cursor >= 0 && s.rows[s.cursor].index != 1 {
			t.Errorf("%s: the mark went to session %d", tt.text, s.rows[s.cursor].index)
		}
	}
	if err := s.setFilter(f, "does:sleeping"); err == nil {
		t.Error("a filter for what no session does was taken")
	}
}

// TestSessionClick: a click on any line of a lane marks its session, and one
// below the lanes none.
func TestSessionClick(t *testing.T) {
	st := sessionsFixture()
	f := &frame{st: st, latest: st, g: &unicodeGlyphs}
	s := newSessionsScreen()
	s.follow(f)
	const w, h = 120, 50
	each, lanes := s.split(layoutFull, h)
	for y := range h {
		s.cursor = -1
		s.click(10, y, f, layoutFull, w, h)
		want := -1
		if line := y - 2; line >= 0 && line/each < len(s.rows) && y < lanes {
			want = line / each
		}
		if s.cursor != want {
			t.Errorf("line %d: row %d is marked, want %d", y, s.cursor, want)
		}
		if want >= 0 && s.marked != s.rows[want].index {
			t.Errorf("line %d: session %d is marked", y, s.marked)
		}
	}
}
