package probe

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
)

// TestHistoryAgain: a history that was written and read answers every moment
// as it did, whether or not its beginning was forgotten.
func TestHistoryAgain(t *testing.T) {
	defer func(n int) { chunkEntries = n }(chunkEntries)
	rapid.Check(t, func(t *rapid.T) {
		chunkEntries = 8
		j, states, events := moments(t, rapid.SampledFrom([]int{Unbounded, 40_000}).Draw(t, "budget"))
		h := j.History()
		data := h.AppendTo(nil)
		chunkEntries = rapid.SampledFrom([]int{1, 8, 1000}).Draw(t, "chunk")
		again, err := ReadHistory(data)
		if err != nil {
			t.Fatal(err)
		}
		if again.First() != h.First() || again.End() != h.End() || again.FirstUS() != h.FirstUS() {
			t.Fatalf("entries %d to %d from %d us, were %d to %d from %d", again.First(), again.End(), again.FirstUS(), h.First(), h.End(), h.FirstUS())
		}
		for range 5 {
			seq := rapid.Int64Range(h.First(), h.End()).Draw(t, "seq")
			if got, want := comparable(again.At(seq)), comparable(states[seq]); got != want {
				t.Fatalf("the moment after %d entries:\n got %s\nwant %s", seq, got, want)
			}
		}
		again.Scan(0, func(_ *Moment, e *Entry) bool {
			if e.What == Happened && e.Event != events[e.Seq] {
				t.Fatalf("entry %d is %+v, was %+v", e.Seq, e.Event, events[e.Seq])
			}
			return true
		})
		if !bytes.Equal(again.AppendTo(nil), data) {
			t.Fatal("written again, it differs")
		}
	})
}

// story is a journal with an entry of every kind.
func story() *Journal {
	cfg := cachemodes.DefaultConfig()
	m, l := cachemodes.NewManager(cfg), &Ledger{}
	l.Advance(0)
	j := NewJournal(l, cfg, Unbounded, NewSeries(100, 1<<20))
	at := int64(0)
	book := func(es []cachemodes.Event) {
		at += 10
		l.Advance(at)
		for i := range es {
			j.Event(at, &es[i])
			l.Apply(&es[i])
		}
	}
	j.Session(at, SessionCreated, 0)
	_, es := m.Request(0, cachemodes.Weights, 5000)
	book(es)
	j.Session(at, SessionIsReady, 0)
	for run := range int64(3) {
		info := RunInfo{Session: 0, ID: run, Label: "run n=1 total=1", Tokens: 1, Pass: run}
		j.StartRun(at, info)
		l.StartRun(info, at)
		var out []cachemodes.BufID
		for _, size := range []int64{100, 100, 70_000, 1 << 28} {
			id, es := m.Request(0, cachemodes.Storage, size)
			book(es)
			out = append(out, id)
		}
		id, es := m.Request(0, cachemodes.Uniform, 48)
		book(es)
		out = append(out, id)
		refused, es := m.Request(0, cachemodes.Storage, 1<<20)
		book(es[:len(es)-1])
		book(m.Fail(refused))
		for _, id := range out {
			book(m.Release(id))
		}
		j.Session(at, Submitted, 0)
		book(m.Refresh(0))
		j.ReadDriver(at, Reading{Bytes: 1 << 20 * (run + 1), OK: true})
		j.EndRun(at, 0, run)
		l.EndRun(0, run, m.Mode(cachemodes.Storage), at)
		s := cachemodes.Setting{Mode: cachemodes.DynamicBucket + cachemodes.ModeID(run), Params: cachemodes.DefaultParams()}
		es, err := m.Set(cachemodes.Storage, s)
		if err != nil {
			panic(err)
		}
		j.Configure(at, cachemodes.Storage, s)
		book(es)
		j.Note(at, "a remark")
	}
	j.AbandonRuns(at)
	l.AbandonRuns()
	j.Session(at, SessionReleased, 0)
	book(m.SessionRelease(0))
	j.Note(at, "the end")
	return j
}

// TestSettingWhole: no parameter is lost in a history.
func TestSettingWhole(t *testing.T) {
	p := cachemodes.Params{
		Table: cachemodes.Table{{Key: 64, Cap: 3}, {Key: 128, Cap: 4}}, Round: 32, AdjustEvery: 5, History: 6, RefreshEvery: 7, CacheLimit: 8, FitRatio: 9,
	}
	for i := range reflect.ValueOf(p).NumField() {
		if reflect.ValueOf(p).Field(i).IsZero() {
			t.Errorf("this test does not set %s", reflect.TypeOf(p).Field(i).Name)
		}
	}
	want := cachemodes.Setting{Mode: cachemodes.Graph, Params: p}
	var w coder
	codeSetting(&w, &want)
	r := coder{in: w.out, reading: true}
	var got cachemodes.Setting
	codeSetting(&r, &got)
	if r.err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v comes back as %+v (%v)", want, got, r.err)
	}
}

// TestHistoryTimed: the mean over time survives.
func TestHistoryTimed(t *testing.T) {
	j := story()
	h := j.History()
	again, err := ReadHistory(h.AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := j.led.AvgHeldWall()
	if got, ok := again.At(again.End()).Ledger.AvgHeldWall(); !ok || got != want {
		t.Errorf("mean over time %d (%v), was %d", got, ok, want)
	}
	if m := again.At(again.End()); m.Driver != (Reading{Bytes: 3 << 20, OK: true}) {
		t.Errorf("the driver's word is %+v", m.Driver)
	}
}

// TestHistoryDamaged: whatever becomes of a history's bytes, reading it ends
// with an error or a history that can be used.
func TestHistoryDamaged(t *testing.T) {
	h := story().History()
	data := h.AppendTo(nil)
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for n := range data {
		bad := bytes.Clone(data)
		bad[n] ^= 1 << rng.IntN(8)
		if !usable(t, bad) {
			refused++
		}
		if _, err := ReadHistory(data[:n]); err == nil {
			t.Fatalf("cut after %d of %d bytes it is taken", n, len(data))
		}
	}
	if refused == 0 {
		t.Error("nothing is ever refused")
	}
}

// usable reads a history and, if it is taken, all of it.
func usable(t *testing.T, data []byte) bool {
	h, err := ReadHistory(data)
	if err != nil {
		if text := err.Error(); strings.TrimSpace(text) == "" {
			t.Fatal("refused without a reason")
		}
		return false
	}
	h.Scan(h.First(), func(*Moment, *Entry) bool { return true })
	if err := h.At(h.End()).Ledger.Check(); err != nil {
		t.Fatalf("a history was taken whose books do not balance: %v", err)
	}
	return true
}

// FuzzReadHistory: no bytes make the reader panic or answer what cannot be
// used.
func FuzzReadHistory(f *testing.F) {
	h := story().History()
	f.Add(h.AppendTo(nil))
	f.Fuzz(func(t *testing.T, data []byte) { usable(t, data) })
}

// TestHistoryAverage: an average over another number of samples than there
// were requests and releases, or above the peak, is refused: reading on would
// divide by too little.
func TestHistoryAverage(t *testing.T) {
	for _, damage := range []func(*Books){
		func(b *Books) { b.mean.n = 1<<64 - 1 },
		func(b *Books) { b.mean.n++ },
		func(b *Books) { b.mean.lo-- },
		func(b *Books) { b.mean.hi++ },
		func(b *Books) { b.Requests, b.Hits = b.Requests+1<<62, b.Hits+1<<62 },
		func(b *Books) { b.Requests = -1 },
	} {
		j := story()
		h := j.History()
		damage(&h.last.start.Ledger.total)
		if _, err := ReadHistory(h.AppendTo(nil)); err == nil || !strings.Contains(err.Error(), "average") {
			t.Errorf("answered %v", err)
		}
	}
}
