package workload

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestStream: a stream gives the events that Read gives, and in the end a trace
// that says the same but for what takes all events at once.
func TestStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		if err := Write(&text, drawTrace(t)); err != nil {
			t.Fatal(err)
		}
		whole, err := Read(strings.NewReader(text.String()), "x")
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStream(strings.NewReader(text.String()), "x")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var events []Event
		for {
			e, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		if !slices.Equal(events, whole.Events) {
			t.Errorf("events %v, want %v", events, whole.Events)
		}
		got := s.Trace()
		if got.SHA256 != whole.SHA256 || got.Slots != whole.Slots || got.Header != whole.Header ||
			!slices.Equal(got.Runs, whole.Runs) || !slices.Equal(got.Sessions, whole.Sessions) || !slices.Equal(got.Leaks, whole.Leaks) {
			t.Errorf("trace %+v, want %+v", got, whole)
		}
	})
}

// TestStreamErrors: an error names the line, comes with the same words from
// Read, and stays.
func TestStreamErrors(t *testing.T) {
	const text = `{"format":"bucketscope-trace","version":1}
{"op":"session_create","session":0,"model":"m"}
{"op":"session_ready","session":9}
`
	s, err := NewStream(strings.NewReader(text), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	const want = "x:3: session_ready: session 9 does not exist"
	for range 2 {
		if _, err := s.Next(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := Read(strings.NewReader(text), "x"); err == nil || err.Error() != want {
		t.Errorf("Read: error %v, want %s", err, want)
	}
	if _, err := NewStream(strings.NewReader("nonsense"), "x"); err == nil {
		t.Error("a stream of nonsense began")
	}
}

// churn is the text of a trace in which buffers come and go, two at a time.
type churn struct {
	buf  []byte
	next int64 // the buffer to request
	last int64
}

func (c *churn) Read(p []byte) (int, error) {
	if len(c.buf) == 0 {
		switch {
		case c.next == 0:
			c.buf = append(c.buf, `{"format":"bucketscope-trace","version":1}
{"op":"session_create","session":0,"model":"m"}
{"op":"session_ready","session":0}
`...)
			c.next = 1
		case c.next > c.last:
			return 0, io.EOF
		}
		for range 100 {
			c.buf = fmt.Appendf(c.buf, `{"op":"request","session":0,"phase":"run","buf":%d,"bytes":64,"usage":"storage"}`+"\n", c.next)
			if c.next > 1 {
				c.buf = fmt.Appendf(c.buf, `{"op":"release","buf":%d}`+"\n", c.next-1)
			}
			c.next++
		}
	}
	n := copy(p, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

// TestStreamMemory: what a stream holds does not grow with the events.
func TestStreamMemory(t *testing.T) {
	s, err := NewStream(&churn{last: 300_000}, "churn")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var early int64
	n := 0
	for {
		_, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 30_000 {
			early = heap()
		}
	}
	late := heap()
	if n < 600_000 || s.Trace().Slots != 2 || len(s.Trace().Leaks) != 1 {
		t.Errorf("%d events, %d slots, %d leaks", n, s.Trace().Slots, len(s.Trace().Leaks))
	}
	// What is kept of every buffer would be at least a word: 2 MB.
	if late-early > 64<<10 {
		t.Errorf("the heap grew by %d bytes from event 30000 to %d", late-early, n)
	}
	if len(s.b.seen.words) > 1 {
		t.Errorf("%d words of buffer numbers are kept", len(s.b.seen.words))
	}
}

// TestIDSet holds the set against a map.
func TestIDSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.OneOf(rapid.Int64Range(-70, 300), rapid.Int64(),
			rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, 0, 1, 64, 65}))
		s := newIDSet()
		all := map[int64]bool{}
		for i := range rapid.Int64Range(0, 200).Draw(t, "in order") {
			s.add(i + 1)
			all[i+1] = true
		}
		for range 100 {
			id := ids.Draw(t, "id")
			if s.has(id) != all[id] {
				t.Fatalf("has(%d) is %v", id, s.has(id))
			}
			s.add(id)
			all[id] = true
			if !s.has(id) {
				t.Fatalf("%d is lost", id)
			}
		}
		for id := range all {
			if !s.has(id) {
				t.Fatalf("%d is lost", id)
			}
		}
	})
}

// TestWriteRepeated: the repetitions of a trace read back as its loop, so many
// times, with runs and times that go on.
func TestWriteRepeated(t *testing.T) {
	for _, name := range []string{"llama-3.2-1b/grow", "unet/varied"} {
		tr, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		var text, once strings.Builder
		if err := WriteRepeated(&text, tr, 3); err != nil {
			t.Fatal(err)
		}
		got, err := Read(strings.NewReader(text.String()), name)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(tr.Prologue(), tr.Loop(), tr.Loop(), tr.Loop(), tr.Epilogue())
		if len(got.Events) != len(want) || len(got.Runs) != 3*len(tr.Runs) {
			t.Fatalf("%s: %d events and %d runs, want %d and %d", name, len(got.Events), len(got.Runs), len(want), 3*len(tr.Runs))
		}
		for i := range want {
			g, w := &got.Events[i], &want[i]
			if g.Op != w.Op || g.Bytes != w.Bytes || g.Usage != w.Usage || g.Init != w.Init || i > 0 && g.TimeUS < got.Events[i-1].TimeUS {
				t.Fatalf("%s: event %d is %+v, want %+v", name, i, *g, *w)
			}
		}
		ids := map[int64]bool{}
		for i := range got.Runs {
			ids[got.Runs[i].ID] = true
		}
		if len(ids) != len(got.Runs) {
			t.Errorf("%s: %d runs have %d numbers", name, len(got.Runs), len(ids))
		}
		// Once is the trace itself.
		if err := WriteRepeated(&once, tr, 1); err != nil {
			t.Fatal(err)
		}
		if again, err := Read(strings.NewReader(once.String()), name); err != nil || len(again.Events) != len(tr.Events) {
			t.Errorf("%s: repeated once: %v", name, err)
		}
	}
	if err := WriteRepeated(io.Discard, &Trace{}, 2); !errors.Is(err, ErrNoLoop) {
		t.Errorf("a trace without a loop: %v", err)
	}
}
