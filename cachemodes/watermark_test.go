package cachemodes

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// wanted is a request of a run for tests: its bytes, and how many later ones it
// outlives; one that outlives the run is released at the end of the next.
type wanted struct {
	n    int64
	life int
}

// drawRun draws a run's requests.
func drawRun(t *rapid.T) []wanted {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) wanted {
		life := rapid.OneOf(rapid.IntRange(0, 4), rapid.IntRange(0, 60)).Draw(t, "life")
		return wanted{rapid.Int64Range(1, 1<<22).Draw(t, "bytes"), life}
	}), 1, 40).Draw(t, "run")
}

// user is a session that plays runs on a manager.
type user struct {
	m       *Manager
	session int32
	lasting []BufID
}

// request answers the buffer, and how many were created.
func (u *user) request(n int64) (BufID, int) {
	id, events := u.m.Request(u.session, Storage, n)
	if events[len(events)-1].Kind == Create {
		return id, 1
	}
	return id, 0
}

// play answers how many buffers a run created.
func (u *user) play(run []wanted, between func()) (creates int) {
	u.m.RunStart(u.session)
	last := u.lasting
	u.lasting = nil
	ends := make([][]BufID, len(run))
	for i, r := range run {
		id, n := u.request(r.n)
		creates += n
		between()
		if end := i + r.life; end < len(run) {
			ends[end] = append(ends[end], id)
		} else {
			u.lasting = append(u.lasting, id)
		}
		for _, id := range ends[i] {
			u.m.Release(id)
		}
		between()
	}
	for _, id := range last {
		u.m.Release(id)
	}
	u.m.Refresh(u.session)
	u.m.RunEnd(u.session)
	return creates
}

func watermarked(weights int64) (*Manager, *watermark) {
	cfg := DefaultConfig()
	cfg[Storage].Mode = Watermark
	m := NewManager(cfg)
	m.Request(0, Weights, weights)
	return m, m.home.caches[Storage].policy.(*watermark)
}

// TestWatermarkLearns: where there is room for it, runs that repeat create nothing
// once they were seen some times.
func TestWatermarkLearns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := drawRun(t)
		m, w := watermarked(1 << 36)
		w.credit = 1 << 60 // bucket holds more
		u := user{m: m}
		for i := range 72 {
			if n := u.play(run, func() {}); i > 63 && n > 0 {
				t.Fatalf("run %d creates %d", i, n)
			}
		}
	})
}

// TestWatermarkLimit: what is held exceeds the limit only where nothing that is
// free could go, whatever is asked for; and the books of what is in use balance. What
// is needed late is found to be the same whatever was looked at before.
func TestWatermarkLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, w := watermarked(rapid.Int64Range(1, 1<<26).Draw(t, "weights"))
		shelf := m.home.caches[Storage].shelf
		most := m.all(m.requested[:])
		check := func() {
			most = max(most, m.all(m.requested[:]))
			if limit := most + most/10000*watermarkOver; shelf.AllHeld() > limit && shelf.Len() > 0 {
				t.Fatalf("%d bytes are held above the limit of %d, and %d buffers are free", shelf.AllHeld(), limit, shelf.Len())
			}
			var inUse, extra int64
			for _, u := range w.uses {
				inUse, extra = inUse+u.size, extra+u.extra
			}
			if inUse != m.held[Storage]-shelf.Bytes() || extra != w.extra {
				t.Fatalf("%d bytes are in use and %d of them extra, the mode says %d and %d", m.held[Storage]-shelf.Bytes(), extra, inUse, w.extra)
			}
		}
		checkAll := func() {
			check()
			got, kept := w.late(shelf), w.early
			w.early = early{}
			if want := w.late(shelf); got != want {
				t.Fatalf("buffer %d is needed late, but it looks at %d", want, got)
			}
			w.early = kept
		}
		kinds := [][]wanted{drawRun(t), drawRun(t)}
		users := []user{{m: m, session: 0}, {m: m, session: 1}}
		for range rapid.IntRange(1, 12).Draw(t, "runs") {
			draw := func() []wanted {
				run := slices.Clone(kinds[rapid.IntRange(0, 1).Draw(t, "kind")])
				percent := rapid.SampledFrom([]int64{100, 100, 25, 103, 400}).Draw(t, "percent")
				for i := range run {
					run[i].n = max(1, run[i].n*percent/100)
				}
				return run
			}
			session := rapid.IntRange(0, 1).Draw(t, "session")
			within := rapid.IntRange(0, 60).Draw(t, "the other's run is within it")
			users[session].play(draw(), func() {
				checkAll()
				if within--; within == 0 {
					users[1-session].play(draw(), checkAll)
				}
			})
			if rapid.IntRange(0, 5).Draw(t, "refuse") == 0 {
				id, events := m.Request(0, Storage, 1<<21)
				check()
				if events[len(events)-1].Kind == Create {
					m.Relieve(id)
					m.Fail(id)
				} else {
					m.Release(id)
				}
				check()
			}
		}
	})
}

// TestWatermarkSessions: a session learns the same with another on the device as
// alone; of one that is released nothing is left, and the other goes on.
func TestWatermarkSessions(t *testing.T) {
	learnt := func(w *watermark, session int32) (steps [][]step) {
		for _, p := range w.sessions[session].plans {
			var of []step
			for _, st := range p.steps {
				of = append(of, step{size: st.size, last: st.last, grow: st.grow, kind: st.kind, end: st.end})
			}
			steps = append(steps, of)
		}
		return steps
	}
	rapid.Check(t, func(t *rapid.T) {
		mine, other := drawRun(t), drawRun(t)
		alone, wa := watermarked(1 << 36)
		shared, ws := watermarked(1 << 36)
		wa.credit, ws.credit = 1<<60, 1<<60
		a, b, c := user{m: alone, session: 1}, user{m: shared, session: 1}, user{m: shared, session: 2}
		for range 8 {
			a.play(mine, func() {})
			b.play(mine, func() {})
			c.play(other, func() {})
		}
		if x, y := learnt(wa, 1), learnt(ws, 1); !slices.EqualFunc(x, y, slices.Equal) {
			t.Fatalf("alone it learnt %v, beside another session %v", x, y)
		}
		usual := b.play(mine, func() {})
		shared.SessionRelease(2)
		if len(ws.sessions) != 1 {
			t.Fatalf("%d sessions are remembered, one of two was released", len(ws.sessions))
		}
		for _, u := range ws.uses {
			if u.memory != nil && u.memory != ws.sessions[1] {
				t.Fatal("a buffer in use remembers a session that is no more")
			}
		}
		for _, id := range c.lasting {
			shared.Release(id)
		}
		// The next runs may have to make what buffers of the other's plan served.
		for range 8 {
			b.play(mine, func() {})
		}
		for range 3 {
			if n := b.play(mine, func() {}); n > usual {
				t.Fatalf("after the other's release a run creates %d, before it %d", n, usual)
			}
		}
	})
}

// TestWatermarkGrows: buffers that outlive their run and are asked for a little
// larger each time, as a KV cache is, are made anew only now and then.
func TestWatermarkGrows(t *testing.T) {
	m, _ := watermarked(1 << 32)
	u := user{m: m}
	creates := 0
	for token := int64(1); token <= 512; token++ {
		run := make([]wanted, 0, 64)
		for range 16 {
			run = append(run, wanted{(100 + token) * 1024, 100}, wanted{4096, 1}, wanted{16384, 1})
		}
		creates += u.play(run, func() {})
	}
	// 16 in use and 16 of the run before: each is made anew twice or three times at most.
	if creates > 6*32 {
		t.Errorf("512 runs created %d buffers", creates)
	}
}
