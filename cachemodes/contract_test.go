package cachemodes

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// shadow is an independent record of every buffer, built from events alone.
type shadow struct {
	state map[BufID]State
	size  map[BufID]int64
	usage map[BufID]Usage
	asked map[BufID]int64
	// last is who released a buffer, and in which of its recordings; domain is
	// the caches that it is of.
	last    map[BufID][2]int
	domain  map[BufID]DomainID
	submits map[int]int
	dirty   map[int]bool // something was asked for since the last submit

	created, destroyed, hits, requests int64
	misses                             [NumReasons]int64
}

func newShadow() *shadow {
	return &shadow{state: map[BufID]State{}, size: map[BufID]int64{}, usage: map[BufID]Usage{}, asked: map[BufID]int64{},
		last: map[BufID][2]int{}, domain: map[BufID]DomainID{}, submits: map[int]int{}, dirty: map[int]bool{}}
}

// follow checks that an event is possible and applies it.
func (s *shadow) follow(t *rapid.T, e *Event) {
	want := func(ok bool, format string, args ...any) {
		if !ok {
			t.Fatalf("%v of buffer %d (%s %d): %s", e.Kind, e.Buf, e.Usage, e.Size, fmt.Sprintf(format, args...))
		}
	}
	now := s.state[e.Buf]
	if e.Kind == Create || e.Kind == Hit {
		s.dirty[int(e.Session)] = true
	}
	switch e.Kind {
	case Create:
		want(now == Gone, "it exists already, %s", now)
		want(e.Size >= e.Requested, "smaller than the %d requested", e.Requested)
		want(e.Why != NoReason, "a miss without a reason")
		s.size[e.Buf], s.usage[e.Buf], s.asked[e.Buf] = e.Size, e.Usage, e.Requested
		s.state[e.Buf] = InUse
		s.domain[e.Buf] = e.Domain
		delete(s.last, e.Buf)
		s.created++
		s.requests++
		s.misses[e.Why]++
		return
	case Hit:
		want(now == Cached, "it is %s", now)
		want(e.Size >= e.Requested, "smaller than the %d requested", e.Requested)
		s.asked[e.Buf] = e.Requested
		s.state[e.Buf] = InUse
		if last, ok := s.last[e.Buf]; ok && last[0] != int(e.Session) {
			want(last[1] < s.submits[last[0]], "session %d's commands with it are not submitted, session %d gets it", last[0], e.Session)
		}
		s.hits++
		s.requests++
	case Keep, Pend:
		want(now == InUse, "it is %s", now)
		want(e.Requested == s.asked[e.Buf], "it was asked for as %d, not %d", s.asked[e.Buf], e.Requested)
		s.state[e.Buf] = map[Kind]State{Keep: Cached, Pend: Pending}[e.Kind]
		s.last[e.Buf] = [2]int{int(e.Session), s.submits[int(e.Session)]}
		if !s.dirty[int(e.Session)] {
			s.last[e.Buf] = [2]int{int(e.Session), s.submits[int(e.Session)] - 1}
		}
	case Move:
		want(now == Cached, "it is %s", now)
		s.domain[e.Buf] = e.Domain
	case Settle:
		want(now == Pending, "it is %s", now)
		s.state[e.Buf] = Cached
	case Destroy:
		want(now == e.From && now != Gone, "it is %s, not %s", now, e.From)
		want(e.Why != NoReason, "destroyed without a reason")
		delete(s.state, e.Buf)
		s.destroyed++
	case Fail:
		want(now == InUse, "it is %s", now)
		delete(s.state, e.Buf)
		s.created--
		s.requests--
	default:
		return
	}
	want(s.domain[e.Buf] == e.Domain, "it is of caches %d, not %d", s.domain[e.Buf], e.Domain)
	want(s.size[e.Buf] == e.Size && s.usage[e.Buf] == e.Usage, "it is a %s buffer of %d", s.usage[e.Buf], s.size[e.Buf])
}

// TestContract is what every mode must keep, and every switch between modes,
// on any sequence of calls.
func TestContract(t *testing.T) {
	for _, m := range Modes() {
		t.Run(m.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { contract(t, []ModeID{m.ID}) })
		})
	}
	t.Run("switching", func(t *testing.T) {
		all := make([]ModeID, numModes)
		for i := range all {
			all[i] = ModeID(i)
		}
		rapid.Check(t, func(t *rapid.T) { contract(t, all) })
	})
}

func contract(t *rapid.T, ids []ModeID) {
	params := func() Params {
		p := DefaultParams()
		p.Table = Table{{64, rapid.IntRange(0, 3).Draw(t, "cap")}, {256, 2}, {1024, rapid.IntRange(0, 2).Draw(t, "cap")}}
		p.RefreshEvery = rapid.IntRange(1, 3).Draw(t, "refresh window")
		p.AdjustEvery = rapid.IntRange(1, 3).Draw(t, "adjust interval")
		p.History = rapid.IntRange(1, 3).Draw(t, "history")
		p.CacheLimit = rapid.SampledFrom([]int64{0, 1, 2000, 100000}).Draw(t, "cache limit")
		p.FitRatio = rapid.SampledFrom([]int{0, 128, 256}).Draw(t, "fit ratio")
		return p
	}
	setting := func() Setting { return Setting{rapid.SampledFrom(ids).Draw(t, "mode"), params()} }
	var cfg Config
	for u := range cfg {
		cfg[u] = setting()
	}
	sharing := Sharing{
		Scope:       rapid.SampledFrom(Scopes()).Draw(t, "scope"),
		Generations: rapid.IntRange(0, 2).Draw(t, "generations"),
	}
	m, s := NewSharing(cfg, sharing), newShadow()
	someone := func(t *rapid.T) int32 { return int32(rapid.IntRange(0, 2).Draw(t, "session")) }
	capturing := map[int32]bool{}
	graphs := map[int32][]DomainID{}
	var out []BufID
	// Most sizes are of the table, some are of several pages.
	size := rapid.OneOf(rapid.Int64Range(1, 1500), rapid.Int64Range(1, 1500), rapid.Int64Range(1, 200000))
	follow := func(events []Event) {
		for i := range events {
			s.follow(t, &events[i])
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"request": func(t *rapid.T) {
			usage := Usage(rapid.IntRange(0, NumUsages-1).Draw(t, "usage"))
			n := size.Draw(t, "bytes")
			session := someone(t)
			id, events := m.Request(session, usage, n)
			follow(events)
			last := events[len(events)-1]
			if last.Buf != id || last.Kind != Hit && last.Kind != Create || last.Requested != n {
				t.Fatalf("a request for %d answers with %v of %d for %d", n, last.Kind, last.Buf, last.Requested)
			}
			for _, e := range events[:len(events)-1] {
				if last.Kind == Hit && e.Kind == Destroy {
					t.Fatal("a hit gives up another buffer")
				}
			}
			if usage.Cached() {
				served(t, m, &m.serving(m.awake(session), session).caches[usage], &last)
			}
			out = append(out, id)
		},
		"release": func(t *rapid.T) {
			if len(out) == 0 {
				t.Skip("nothing is out")
			}
			i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
			id := out[i]
			out = append(out[:i], out[i+1:]...)
			follow(m.Release(id))
		},
		"refuse": func(t *rapid.T) {
			id, events := m.Request(0, Storage, size.Draw(t, "bytes"))
			follow(events)
			if events[len(events)-1].Kind == Create {
				follow(m.Relieve(id))
				if again := m.Relieve(id); len(again) > 0 {
					t.Fatalf("relieved twice, %v again", again[0].Kind)
				}
			}
			if events[len(events)-1].Kind == Create && rapid.Bool().Draw(t, "refused again") {
				follow(m.Fail(id))
			} else {
				out = append(out, id)
			}
		},
		"submit": func(t *rapid.T) {
			session := someone(t)
			s.submits[int(session)]++
			s.dirty[int(session)] = false
			follow(m.Refresh(session))
		},
		"run start": func(t *rapid.T) { follow(m.RunStart(someone(t))) },
		"run end":   func(t *rapid.T) { follow(m.RunEnd(someone(t))) },
		"session release": func(t *rapid.T) {
			session := someone(t)
			s.submits[int(session)]++ // or dropped
			s.dirty[int(session)] = false
			follow(m.SessionRelease(session))
			capturing[session], graphs[session] = false, nil
			for _, h := range m.Domains() {
				if h.Owner.Session == session && h.Pending+h.Cached > 0 {
					t.Fatalf("session %d is released, and the caches of %s keep %d bytes", session, h.Owner, h.Pending+h.Cached)
				}
			}
		},
		"capture": func(t *rapid.T) {
			session := someone(t)
			if capturing[session] {
				follow(m.CaptureEnd(session))
			} else {
				graph, events := m.CaptureStart(session)
				follow(events)
				graphs[session] = append(graphs[session], graph)
			}
			capturing[session] = !capturing[session]
		},
		"graph release": func(t *rapid.T) {
			session := someone(t)
			if capturing[session] || len(graphs[session]) == 0 {
				t.Skip("no graph")
			}
			graph := graphs[session][0]
			graphs[session] = graphs[session][1:]
			follow(m.GraphRelease(session, graph))
		},
		"switch": func(t *rapid.T) {
			events, err := m.Set(Usage(rapid.IntRange(0, NumCaches-1).Draw(t, "usage")), setting())
			if err != nil {
				t.Fatal(err)
			}
			follow(events)
		},
		"ask": func(t *rapid.T) { // questions have no side effects
			before, _ := m.Audit()
			for u := range NumCaches {
				c := &m.home.caches[u]
				n := size.Draw(t, "bytes")
				key := c.policy.Key(n)
				if key < n || key%deviceAlign != 0 || c.policy.Key(key) != key || c.policy.Key(n) != key {
					t.Fatalf("%s: key of %d is %d, key of that %d", c.setting.Mode, n, key, c.policy.Key(key))
				}
				if c.chooser != nil {
					limit, _ := c.policy.Cap(key)
					if limit > 0 && !c.chooser.Serves(n, key) || c.chooser.Serves(n, n-1) {
						t.Fatalf("%s: a buffer of %d must serve %d, one of %d must not", c.setting.Mode, key, n, n-1)
					}
				}
				m.Keys(Usage(u), nil)
			}
			if after, _ := m.Audit(); after != before {
				t.Fatal("asking changed what is kept")
			}
		},
		"": func(t *rapid.T) {
			audit, err := m.Audit()
			if err != nil {
				t.Fatal(err)
			}
			var exist int64
			for _, n := range audit.Count {
				exist += n.InUse + n.Pending + n.Cached
			}
			if exist != int64(len(s.state)) || exist != s.created-s.destroyed {
				t.Fatalf("%d buffers exist; events say %d: created %d, destroyed %d", exist, len(s.state), s.created, s.destroyed)
			}
		},
	})
	for _, id := range out {
		follow(m.Release(id))
	}
	follow(m.Drain())
	if len(s.state) > 0 {
		t.Fatalf("%d buffers are left after everything was released and drained", len(s.state))
	}
}

// served checks that a Chooser's hit is what it says it serves, and that its
// miss had nothing to be served by.
func served(t *rapid.T, m *Manager, c *cache, e *Event) {
	switch {
	case c.chooser == nil:
		if key := c.policy.Key(e.Requested); e.Size != key {
			t.Fatalf("%s: %v of %d for %d, whose key is %d", c.setting.Mode, e.Kind, e.Size, e.Requested, key)
		}
	case e.Kind == Hit:
		if !c.chooser.Serves(e.Requested, e.Size) {
			t.Fatalf("%s: hit of %d for %d, which it does not serve", c.setting.Mode, e.Size, e.Requested)
		}
	default:
		for id := c.shelf.Oldest(); id != NoBuf; id = c.shelf.After(id) {
			if c.chooser.Serves(e.Requested, c.shelf.Size(id)) && m.safe(&m.bufs[id], e.Session) {
				t.Fatalf("%s: a miss for %d while %d is free", c.setting.Mode, e.Requested, c.shelf.Size(id))
			}
		}
	}
}

// TestParseTable holds the text form of a table to its meaning.
func TestParseTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<30), 1, 40, rapid.ID[int64]).Draw(t, "keys")
		var text string
		for _, k := range keys {
			text += fmt.Sprintf("%d:%d,", k*16, rapid.IntRange(0, 500).Draw(t, "cap"))
		}
		table, err := ParseTable(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTable(table.String())
		if err != nil || table.String() != again.String() || len(table) != len(keys) {
			t.Fatalf("%v read again is %v (%v)", table, again, err)
		}
		n := rapid.Int64Range(1, 1<<35).Draw(t, "n")
		want := len(table)
		for i := len(table) - 1; i >= 0 && table[i].Key >= n; i-- {
			want = i
		}
		if got := table.find(n); got != want {
			t.Fatalf("find(%d) = %d, want %d", n, got, want)
		}
	})
	for text, want := range map[string]string{
		"":                   "the table has no buckets",
		"64":                 `bucket "64": want key:cap, both whole numbers, as in 4194304:20`,
		"x:1":                `bucket "x:1": the key is not a whole number of bytes`,
		"64:y":               `bucket "64:y": the cap is not a whole number`,
		"64:1 64:2":          "bucket key 64 stands twice in the table",
		"65:1":               "bucket key 65: want a positive multiple of 16 (ORT's rule) below 2^53",
		"-64:1":              "bucket key -64: want a positive multiple of 16 (ORT's rule) below 2^53",
		"64:-1":              "bucket key 64: cap -1 is not between 0 and 2147483647",
		"9007199254740992:1": "bucket key 9007199254740992: want a positive multiple of 16 (ORT's rule) below 2^53",
	} {
		if _, err := ParseTable(text); err == nil || err.Error() != want {
			t.Errorf("ParseTable(%q): %v, want %s", text, err, want)
		}
	}
	if err := DefaultParams().Validate(); err != nil {
		t.Errorf("the default parameters are not valid: %v", err)
	}
}
