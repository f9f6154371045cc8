package cli

import (
	"fmt"
	"io"
	"iter"
	"time"

	"bucketscope/internal/engine"
	"bucketscope/probe"
	"bucketscope/snapshots"
	"bucketscope/snapshots/export"
	"bucketscope/tui"
)

// castFormat names the format that shows the screen.
const castFormat = "asciicast"

// shotSize bounds the terminal of a cast, in columns and rows.
const shotSize = 500

// castShot says how a recording is shown as a cast.
type castShot struct {
	cols, rows int
	length     time.Duration // 0 for the recording's own, within bounds
	look       func(share float64) error
}

var defaultCast = castShot{cols: 100, rows: 30}

const (
	shortestCast = 10 * time.Second
	longestCast  = 60 * time.Second
	picturesPerS = 10
)

// sized reads a size as in 120x36.
func (c *castShot) sized(text string) error {
	var rest string
	n, _ := fmt.Sscanf(text+"\n", "%dx%d%s", &c.cols, &c.rows, &rest)
	if n != 2 || c.cols < 1 || c.rows < 1 || c.cols > shotSize || c.rows > shotSize {
		return usagef("--size %q: want columns and rows of 1 to %d, as in 120x36", text, shotSize)
	}
	if c.length < 0 || c.length > time.Hour {
		return usagef("--length %v: want a time of up to an hour, as in 30s", c.length)
	}
	return nil
}

// write draws the Live screen at moments of a recording and writes that. They
// are equally far apart in its time; in a recording that took less time than the
// cast, as on the host device flat out, in its events.
func (c castShot) write(w io.Writer, s *snapshots.Snapshot) error {
	st, err := engine.Reopen(stateOf(s), func() error { return c.looked(0) })
	if err != nil {
		return err
	}
	title := fmt.Sprintf("%s on %s, bucketscope", s.Workload.Name, s.Device.Name)
	return export.Asciicast(w, title, c.cols, c.rows, c.pictures(st))
}

func (c *castShot) looked(share float64) error {
	if c.look == nil {
		return nil
	}
	return c.look(share)
}

// pictures draws the moments, with the marks since the one before.
func (c *castShot) pictures(st *engine.State) iter.Seq2[export.Picture, error] {
	h := &st.History
	length := c.length
	began := h.FirstUS()
	span := max(st.NowUS-began, 1)
	if length == 0 {
		length = min(max(time.Duration(span)*time.Microsecond, shortestCast), longestCast)
	}
	n := max(int64(length.Seconds()*picturesPerS), 1)
	return func(yield func(export.Picture, error) bool) {
		camera := tui.NewCamera(tui.Options{Theme: "dark"}, c.cols, c.rows)
		marks := st.Marks
		moments := momentsByTime
		if span < length.Microseconds() {
			moments = momentsByEvent
		}
		for i, seq := range moments(h, began, span, n) {
			if err := c.looked(float64(i) / float64(n)); err != nil {
				yield(export.Picture{}, err)
				return
			}
			if seq < 0 {
				continue // nothing happened since the picture before
			}
			p := export.Picture{AtUS: int64(i) * length.Microseconds() / n, Lines: camera.Picture(engine.StateAt(st, seq))}
			for len(marks) > 0 && marks[0].Seq < seq {
				p.Marks = append(p.Marks, marks[0].Text)
				marks = marks[1:]
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// momentsByTime are n ordinals of entries: how far the history was at the end of
// each n-th of its time, and at its end; -1 where it was no further than at the
// one before.
func momentsByTime(h *probe.History, beganUS, span, n int64) []int64 {
	out := make([]int64, 0, n)
	last := int64(-1)
	until := func(seq int64) {
		if seq == last {
			seq = -1
		} else {
			last = seq
		}
		out = append(out, seq)
	}
	h.Scan(h.First(), func(m *probe.Moment, e *probe.Entry) bool {
		for int64(len(out)) < n-1 && e.AtUS > beganUS+(int64(len(out))+1)*span/n {
			until(m.Seq)
		}
		return int64(len(out)) < n-1
	})
	for int64(len(out)) < n-1 {
		until(h.End())
	}
	until(h.End())
	return out
}

// momentsByEvent are n ordinals of entries, equally far apart.
func momentsByEvent(h *probe.History, _, _, n int64) []int64 {
	out := make([]int64, 0, n)
	first, end := h.First(), h.End()
	last := int64(-1)
	for i := range n {
		seq := first + (end-first)*(i+1)/n
		if seq == last {
			out = append(out, -1)
			continue
		}
		last = seq
		out = append(out, seq)
	}
	return out
}
