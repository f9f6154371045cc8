package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"bucketscope/internal/engine"
	"bucketscope/snapshots"
)

// TestAsciicast plays a cast to a terminal, as a player does: it takes as long as
// was asked for, shows the marks where they were made, and ends on the picture of
// the recording's end.
func TestAsciicast(t *testing.T) {
	st := played(t)
	var b bytes.Buffer
	if err := snapshots.Write(&b, liveSnapshot(st)); err != nil {
		t.Fatal(err)
	}
	s, err := snapshots.Read(&b, "kept")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []struct{ cols, rows int }{{100, 30}, {48, 12}} {
		var text bytes.Buffer
		shot := castShot{cols: size.cols, rows: size.rows, length: 12 * time.Second}
		if err := shot.write(&text, s); err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(&text)
		var header struct {
			Version int
			Term    struct{ Cols, Rows int }
		}
		if err := d.Decode(&header); err != nil || header.Version != 3 || header.Term.Cols != size.cols || header.Term.Rows != size.rows {
			t.Fatalf("header %+v, %v", header, err)
		}
		emu := vt.NewEmulator(size.cols, size.rows)
		var seconds float64
		var outputs int
		var marks []string
		for d.More() {
			var event [3]any
			if err := d.Decode(&event); err != nil {
				t.Fatal(err)
			}
			interval, _ := event[0].(float64)
			data, _ := event[2].(string)
			if interval < 0 || data == "" {
				t.Fatalf("event %v", event)
			}
			seconds += interval
			switch event[1] {
			case "o":
				outputs++
				// The last line of all moves the cursor below the picture.
				if !strings.HasSuffix(data, "\r\n") {
					if _, err := emu.WriteString(data); err != nil {
						t.Fatal(err)
					}
				}
			case "m":
				marks = append(marks, data)
			default:
				t.Fatalf("code %v", event[1])
			}
		}
		if seconds < 11 || seconds > 12 || outputs < 60 {
			t.Errorf("%d outputs in %.2f s", outputs, seconds)
		}
		if got := strings.Join(marks, ", "); got != "mode→dynamicBucket, note: more runs from here" {
			t.Errorf("marks %s", got)
		}
		again, err := engine.Reopen(stateOf(s), func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for p, err := range shot.pictures(again) {
			if err != nil {
				t.Fatal(err)
			}
			want = p.Lines
		}
		for y := range want {
			var got strings.Builder
			for x := 0; x < size.cols; x++ {
				if c := emu.CellAt(x, y); c != nil && c.Content != "" {
					got.WriteString(c.Content)
					x += max(c.Width, 1) - 1
				} else {
					got.WriteByte(' ')
				}
			}
			if text := strings.TrimRight(ansi.Strip(want[y]), " "); strings.TrimRight(got.String(), " ") != text {
				t.Errorf("line %d ends as %q, want %q", y, got.String(), text)
			}
		}
	}
}
