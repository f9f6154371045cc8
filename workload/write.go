package workload

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Write writes a trace in the trace format, uncompressed, as the recorder does:
// the recordings come back byte for byte. Reading it gives the same trace, but
// for the name and, where the source was spelled differently, the hash.
//
// A trace does not keep the names of its buffers, so requests number them from
// 1; only leaked buffers keep theirs, which reports quote. The trace must be
// one that this package made: an index out of range panics.
func Write(w io.Writer, t *Trace) error {
	names := newBufNames(t)
	return write(w, t, func(put func([]byte) error) error {
		var text []byte
		for i := range t.Events {
			text = appendEvent(text[:0], t, &t.Events[i], i, names, later{})
			if err := put(text); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteRepeated is Write with the Loop of the trace so many times, at least 1:
// each repetition begins where the one before ended, and numbers its runs after
// it. Leaked buffers are numbered like all others. An error wraps ErrNoLoop
// where the runs cannot be repeated alone.
func WriteRepeated(w io.Writer, t *Trace, times int) error {
	if t.Loop() == nil {
		return fmt.Errorf("%s: %w", t.Name, ErrNoLoop)
	}
	pass := later{us: t.loop[len(t.loop)-1].TimeUS - t.loop[0].TimeUS}
	for i := range t.Runs {
		pass.run = max(pass.run, t.Runs[i].ID+1)
	}
	names := &bufNames{slots: make([]int64, t.Slots)}
	return write(w, t, func(put func([]byte) error) error {
		var text []byte
		lines := func(events []Event, by later) error {
			for i := range events {
				text = appendEvent(text[:0], t, &events[i], i, names, by)
				if err := put(text); err != nil {
					return err
				}
			}
			return nil
		}
		if err := lines(t.Prologue(), later{}); err != nil {
			return err
		}
		for n := range int64(times) {
			if err := lines(t.Loop(), later{us: n * pass.us, run: n * pass.run}); err != nil {
				return err
			}
		}
		return lines(t.Epilogue(), later{us: int64(times-1) * pass.us, run: int64(times-1) * pass.run})
	})
}

// ErrNoLoop is that the runs of a trace cannot be repeated alone (Trace.Loop).
var ErrNoLoop = errors.New("its runs cannot be repeated alone: they make or release what outlives them")

// later is by how much a repetition's times and run numbers are above the
// trace's.
type later struct{ us, run int64 }

// write writes a header and then what lines puts.
func write(w io.Writer, t *Trace, lines func(put func([]byte) error) error) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	header := t.Header
	header.Format, header.Version = FormatName, FormatVersion
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("workload: header: %w", err)
	}
	put := func(b []byte) error {
		_, err := bw.Write(b)
		return err
	}
	if err := put(append(text, '\n')); err != nil {
		return err
	}
	if err := lines(put); err != nil {
		return err
	}
	return bw.Flush()
}

// textHash is the SHA256 of what Write writes.
func textHash(t *Trace) (string, error) {
	h := sha256.New()
	if err := Write(h, t); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// bufNames gives out the names of buffers.
type bufNames struct {
	next  int64
	slots []int64        // the name of what is out, by slot
	leaks map[int]int64  // by the event of the request
	taken map[int64]bool // the names of leaks
}

func newBufNames(t *Trace) *bufNames {
	n := &bufNames{
		slots: make([]int64, t.Slots),
		leaks: make(map[int]int64, len(t.Leaks)),
		taken: make(map[int64]bool, len(t.Leaks)),
	}
	if len(t.Leaks) == 0 {
		return n
	}
	last := make([]int, t.Slots) // the last request of each slot
	for i, e := range t.Events {
		if e.Op == Request {
			last[e.Buf] = i
		}
	}
	for _, leak := range t.Leaks {
		n.leaks[last[leak.Slot]] = leak.Buf
		n.taken[leak.Buf] = true
	}
	return n
}

// request names the buffer that event i requests.
func (n *bufNames) request(i int, slot int32) int64 {
	name, leaked := n.leaks[i]
	if !leaked {
		n.next++
		for n.taken[n.next] {
			n.next++
		}
		name = n.next
	}
	n.slots[slot] = name
	return name
}

// appendEvent appends the line of an event, the i-th.
func appendEvent(b []byte, t *Trace, e *Event, i int, names *bufNames, by later) []byte {
	b = append(b, `{"op":"`...)
	b = append(b, e.Op.String()...)
	b = appendField(append(b, '"'), "t_us", e.TimeUS+by.us)
	if e.Op == Release {
		b = appendField(b, "buf", names.slots[e.Buf])
		return append(b, "}\n"...)
	}
	session := &t.Sessions[e.Session]
	b = appendField(b, "session", session.ID)
	switch e.Op {
	case SessionCreate:
		b = appendString(append(b, `,"model":`...), session.Model)
	case RunStart:
		b = appendField(b, "run", t.Runs[e.Run].ID+by.run)
		b = appendString(append(b, `,"label":`...), t.Runs[e.Run].Label)
	case RunEnd:
		b = appendField(b, "run", t.Runs[e.Run].ID+by.run)
	case Submit:
		b = appendField(b, "dispatches", int64(e.Dispatches))
		b = appendField(b, "copies", int64(e.Copies))
	case Request:
		if e.Run == NoRun {
			b = append(b, `,"run":null`...)
		} else {
			b = appendField(b, "run", t.Runs[e.Run].ID+by.run)
		}
		b = appendField(b, "buf", names.request(i, e.Buf))
		b = appendField(b, "bytes", e.Bytes)
		b = append(b, `,"usage":"`...)
		b = append(b, e.Usage.String()...)
		if e.Init {
			b = append(b, `","phase":"init"`...)
		} else {
			b = append(b, `","phase":"run"`...)
		}
	}
	return append(b, "}\n"...)
}

func appendField(b []byte, name string, v int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendInt(b, v, 10)
}

// appendString appends a JSON string. json.Marshal cannot fail on one: it
// replaces what is not UTF-8.
func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s)
	return append(b, text...)
}
