package probe

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
)

// moments plays random calls on a manager, a ledger and a journal, and keeps a
// copy of the state before each entry, made without the journal's help.
func moments(t *rapid.T, budget int) (*Journal, []*Moment, []cachemodes.Event) {
	cfg := cachemodes.DefaultConfig()
	m, l := cachemodes.NewManager(cfg), &Ledger{}
	j := NewJournal(l, cfg, budget, NewSeries(100, 1<<20))
	var states []*Moment
	var events []cachemodes.Event // one for each entry; empty for other entries
	var at int64
	timed := rapid.Bool().Draw(t, "timed")
	note := func(e cachemodes.Event) {
		states = append(states, j.moment(int64(len(states))))
		events = append(events, e)
	}
	book := func(es []cachemodes.Event) {
		for i := range es {
			if timed {
				l.Advance(at)
			}
			note(es[i])
			j.Event(at, &es[i])
			l.Apply(&es[i])
		}
	}
	var out []cachemodes.BufID
	var open []int64
	runs := int64(0)
	t.Repeat(map[string]func(*rapid.T){
		"time": func(t *rapid.T) {
			at += rapid.Int64Range(1, 1000).Draw(t, "dt")
		},
		"request": func(t *rapid.T) {
			u := cachemodes.Usage(rapid.IntRange(0, cachemodes.NumUsages-1).Draw(t, "usage"))
			id, es := m.Request(int32(rapid.IntRange(0, 2).Draw(t, "session")), u, rapid.Int64Range(1, 1<<20).Draw(t, "bytes"))
			if last := es[len(es)-1]; last.Kind == cachemodes.Create && rapid.IntRange(0, 9).Draw(t, "refuse") == 0 {
				book(es[:len(es)-1])
				book(m.Fail(id))
				return
			}
			book(es)
			out = append(out, id)
		},
		"release": func(t *rapid.T) {
			if len(out) == 0 {
				t.Skip("nothing is out")
			}
			i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
			book(m.Release(out[i]))
			out = append(out[:i], out[i+1:]...)
		},
		"submit": func(*rapid.T) {
			note(cachemodes.Event{})
			j.Session(at, Submitted, 0)
			book(m.Refresh(0))
		},
		"run start": func(*rapid.T) {
			info := RunInfo{Session: 0, ID: runs, Label: fmt.Sprintf("run %d", runs)}
			open = append(open, runs)
			runs++
			note(cachemodes.Event{})
			j.StartRun(at, info)
			l.StartRun(info, at)
			book(m.RunStart(0))
		},
		"run end": func(t *rapid.T) {
			if len(open) == 0 {
				t.Skip("no run is open")
			}
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			book(m.RunEnd(0))
			note(cachemodes.Event{})
			j.EndRun(at, 0, open[i])
			l.EndRun(0, open[i], m.Mode(cachemodes.Storage), at)
			open = append(open[:i], open[i+1:]...)
		},
		"switch": func(t *rapid.T) {
			s := cachemodes.Setting{Mode: cachemodes.ModeID(rapid.IntRange(0, len(cachemodes.Modes())-1).Draw(t, "mode")), Params: cachemodes.DefaultParams()}
			u := cachemodes.Usage(rapid.IntRange(0, cachemodes.NumCaches-1).Draw(t, "usage"))
			es, err := m.Set(u, s)
			if err != nil {
				t.Fatal(err)
			}
			note(cachemodes.Event{})
			j.Configure(at, u, s)
			book(es)
		},
		"abandon": func(*rapid.T) {
			note(cachemodes.Event{})
			j.AbandonRuns(at)
			l.AbandonRuns()
			open = open[:0]
		},
		"": func(*rapid.T) {},
	})
	note(cachemodes.Event{})
	return j, states, events
}

// comparable drops what is not part of a moment's truth: the clock of a timed
// ledger runs on between entries, and of the graph's slots that are over each
// moment has its own share.
func comparable(m *Moment) string {
	l := m.Ledger.clone()
	l.now, l.wall, l.wallTime, l.timed = 0, 0, 0, false
	slots := m.Track.Slots(0)
	return fmt.Sprintf("%+v %+v %+v %v %+v %d %d %d %+v %t %d %d", *l, m.Buffers, m.Config, trimmed(m.Learnt), m.Current,
		m.Track.peak, m.Track.PeakRun, m.Track.PeakUS, slots.Now, slots.Any, m.Seq, m.made)
}

// trimmed is what is learnt without keys at its end that are none.
func trimmed(learnt []bool) []bool {
	for len(learnt) > 0 && !learnt[len(learnt)-1] {
		learnt = learnt[:len(learnt)-1]
	}
	return learnt
}

// demanded is what a moment that this process made also agrees in: one that was
// read from a file knows of the demand since its first entry only.
func demanded(m *Moment) string {
	text := fmt.Sprintf("%+v %v %t %v", m.Demand.keys, m.Demand.noted, m.Demand.moved, m.Demand.sizes)
	for i := range SeriesLevels {
		text += fmt.Sprintf(" %+v", m.Track.Slots(i).Now)
	}
	return text
}

// checkRows: a moment's rows of keys are those that the journal had then, and
// every create in a run that ended is in one.
func checkRows(t *rapid.T, j *Journal, m *Moment) {
	var all []KeyRun
	for _, r := range j.Demand().Rows() {
		if r.Run < m.Ledger.runs {
			all = append(all, r)
		}
	}
	if got := m.Demand.Rows(); len(got) > len(all) || fmt.Sprint(got) != fmt.Sprint(all[len(all)-len(got):]) {
		t.Fatalf("after %d entries the rows are\n%+v, were\n%+v", m.Seq, got, all)
	}
	creates := map[cachemodes.KeyID]int64{}
	for _, r := range all {
		creates[r.Key] += int64(r.Creates)
	}
	for i := range m.Ledger.keys {
		if k, id := &m.Ledger.keys[i], cachemodes.KeyID(i); k.startCreates != creates[id] {
			t.Fatalf("key %d: %d creates in runs that ended, the rows have %d", id, k.startCreates, creates[id])
		}
	}
}

// TestJournal: the state at any moment, rebuilt, is what it was; and the
// entries are what happened.
func TestJournal(t *testing.T) {
	defer func(n int) { chunkEntries = n }(chunkEntries)
	chunkEntries = 16
	rapid.Check(t, func(t *rapid.T) {
		j, states, events := moments(t, 1<<30)
		h := j.History()
		end := int64(len(states) - 1)
		if h.First() != 0 || h.End() != end {
			t.Fatalf("entries %d to %d, want 0 to %d", h.First(), h.End(), end)
		}
		for range 5 {
			seq := rapid.Int64Range(0, end).Draw(t, "seq")
			if got, want := comparable(h.At(seq)), comparable(states[seq]); got != want {
				t.Fatalf("the moment after %d entries:\n got %s\nwant %s", seq, got, want)
			}
			if got, want := demanded(h.At(seq)), demanded(states[seq]); got != want {
				t.Fatalf("the demand after %d entries:\n got %s\nwant %s", seq, got, want)
			}
			checkRows(t, j, h.At(seq))
		}
		var c Cursor
		for range 5 { // on, back, and on again
			seq := rapid.Int64Range(0, end).Draw(t, "to")
			if got, want := comparable(c.Seek(&h, seq)), comparable(states[seq]); got != want {
				t.Fatalf("the cursor after %d entries:\n got %s\nwant %s", seq, got, want)
			}
			c.Scan(&h, rapid.Int64Range(0, end).Draw(t, "on"), func(m *Moment, e *Entry) bool {
				if seq++; e.Seq != seq-1 || m.Seq != seq || comparable(m) != comparable(states[seq]) {
					t.Fatalf("scanned entry %d at moment %d, want %d", e.Seq, m.Seq, seq)
				}
				return true
			})
		}
		next := rapid.Int64Range(0, end).Draw(t, "from")
		h.Scan(next, func(m *Moment, e *Entry) bool {
			if e.Seq != next || m.Seq != next {
				t.Fatalf("entry %d at moment %d, want %d", e.Seq, m.Seq, next)
			}
			if e.What == Happened && e.Event != events[next] {
				t.Fatalf("entry %d is %+v, was %+v", next, e.Event, events[next])
			}
			next++
			return true
		})
		if next != end {
			t.Fatalf("the scan ended at %d of %d", next, end)
		}
		checkFound(t, &h)
	})
}

// checkFound: the end of every run is found, and the last entry up to any time.
func checkFound(t *rapid.T, h *History) {
	runs := int64(0)
	var last Entry
	h.Scan(0, func(_ *Moment, e *Entry) bool {
		if e.What == RunEnded {
			if seq, ok := h.RunEnd(runs); !ok || seq != e.Seq {
				t.Fatalf("run %d ends at entry %d (%t), want %d", runs, seq, ok, e.Seq)
			}
			runs++
		}
		if e.AtUS > last.AtUS {
			if seq, ok := h.Before(e.AtUS - 1); ok != (e.Seq > 0) || ok && seq != e.Seq-1 {
				t.Fatalf("the last entry before %d us is %d (%t), want %d", e.AtUS, seq, ok, e.Seq-1)
			}
		}
		last = *e
		return true
	})
	if _, ok := h.RunEnd(runs); ok {
		t.Fatalf("run %d ends, but there are %d", runs, runs)
	}
}

// TestJournalForgets: the budget holds, what is kept is still exact, and an
// older history goes on answering.
func TestJournalForgets(t *testing.T) {
	defer func(n int) { chunkEntries = n }(chunkEntries)
	chunkEntries = 8
	rapid.Check(t, func(t *rapid.T) {
		const budget = 40_000
		j, states, _ := moments(t, budget)
		h := j.History()
		if len(h.sealed) > 1 && j.sealedSize > budget {
			t.Fatalf("%d bytes are kept, the budget is %d", j.sealedSize, budget)
		}
		seq := rapid.Int64Range(h.First(), h.End()).Draw(t, "seq")
		if comparable(h.At(seq)) != comparable(states[seq]) {
			t.Fatalf("the moment after %d entries differs", seq)
		}
		before := comparable(h.At(h.End()))
		for i := range 100 {
			j.Note(int64(1e9)+int64(i), "later")
		}
		if comparable(h.At(h.End())) != before {
			t.Fatal("a history changed")
		}
	})
}

// TestBufferStory is one buffer's record through its life.
func TestBufferStory(t *testing.T) {
	cfg := cachemodes.DefaultConfig()
	m, l := cachemodes.NewManager(cfg), &Ledger{}
	j := NewJournal(l, cfg, 1<<20, NewSeries(100, 1))
	at := int64(0)
	book := func(es []cachemodes.Event) {
		at += 10
		for i := range es {
			j.Event(at, &es[i])
			l.Apply(&es[i])
		}
	}
	id, es := m.Request(3, cachemodes.Storage, 1000)
	book(es)
	book(m.Release(id))
	book(m.Refresh(3)) // another session may have it now
	_, es = m.Request(4, cachemodes.Storage, 2000)
	book(es)
	h := j.History()
	want := []Buffer{
		{Serial: 1, Size: 2048, Requested: 1000, Session: 3, Last: cachemodes.NoSession, State: cachemodes.InUse, Mode: cachemodes.BucketMode, Uses: 1, CreatedUS: 10, ChangedUS: 10},
		{Serial: 1, Size: 2048, Requested: 1000, Session: cachemodes.NoSession, Last: 3, State: cachemodes.Cached, Mode: cachemodes.BucketMode, Uses: 1, CreatedUS: 10, ChangedUS: 20},
		{Serial: 1, Size: 2048, Requested: 1000, Session: cachemodes.NoSession, Last: 3, State: cachemodes.Cached, Mode: cachemodes.BucketMode, Uses: 1, CreatedUS: 10, ChangedUS: 20},
		{Serial: 1, Size: 2048, Requested: 2000, Session: 4, Last: 3, State: cachemodes.InUse, Mode: cachemodes.BucketMode, Uses: 2, CreatedUS: 10, ChangedUS: 40},
	}
	for i, w := range want {
		if got := h.At(int64(i) + 1).Buffers; !reflect.DeepEqual(got, []Buffer{w}) {
			t.Errorf("after %d entries %+v, want %+v", i+1, got, w)
		}
	}
}
