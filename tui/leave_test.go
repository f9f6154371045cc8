package tui

import (
	"errors"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// roomy is a writer that takes so many bytes and no more.
type roomy struct {
	strings.Builder
	room int
}

var errFull = errors.New("full")

func (s *roomy) Write(p []byte) (int, error) {
	n := min(len(p), s.room)
	s.room -= n
	s.Builder.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// TestClearing: the clearing goes before the leaving and nowhere else, and what
// was written is counted without it.
func TestClearing(t *testing.T) {
	const before, leave, after = "rows", ansi.ResetModeAltScreenSaveCursor, "the end"
	const all = before + leave + after
	for room := range 60 {
		out := &roomy{room: room}
		n, err := clearing(out).Write([]byte(all))
		if want := min(n, len(all)); n != want || (err == nil) != (n == len(all)) {
			t.Fatalf("with room for %d it wrote %d of %d: %v", room, n, len(all), err)
		}
		if err == nil && out.String() != before+ansi.ResetStyle+ansi.EraseEntireScreen+leave+after {
			t.Errorf("it wrote %q", out.String())
		}
	}
	out := &roomy{room: 100}
	if n, err := clearing(out).Write([]byte("plain")); n != 5 || err != nil || out.String() != "plain" {
		t.Errorf("it wrote %q, %d, %v", out.String(), n, err)
	}
}
