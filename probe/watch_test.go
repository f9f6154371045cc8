package probe

import (
	"fmt"
	"strings"
	"testing"

	"bucketscope/cachemodes"
)

// TestWatch plants faults in events that no Manager made: the Watch knows of them
// by what it saw itself, and finds nothing in what is right.
//
//	SESSION hit|keep|pend|destroy|move|create BUF [usage=uniform] [cache=N]
//	SESSION submit | SESSION run N | SESSION run-end
//	graph N captured|replayable|released
func TestWatch(t *testing.T) {
	for _, test := range []struct {
		name, events string
		immediate    bool
		want         string // the kind, and both uses
	}{
		{name: "a storage buffer again in one recording", events: "0 create 1; 0 keep 1; 0 hit 1"},
		{name: "a uniform again after the submit", events: "0 create 1 usage=uniform; 0 pend 1; 0 submit; 0 hit 1 usage=uniform"},
		{name: "a uniform again before it", events: "0 run 7; 0 create 1 usage=uniform; 0 keep 1 usage=uniform; 0 hit 1 usage=uniform",
			want: "uniform-reuse 0 run 7, 0 run 7"},
		{name: "a uniform given back after the submit, and asked for in the next recording",
			events: "0 create 1 usage=uniform; 0 submit; 0 keep 1 usage=uniform; 0 hit 1 usage=uniform"},
		{name: "another session after the submit", events: "0 create 1; 0 keep 1; 0 submit; 1 hit 1"},
		{name: "another session before it", events: "0 run 3; 0 create 1; 0 keep 1; 1 run 4; 1 submit; 1 hit 1", want: "cross-session 0 run 3, 1 run 4"},
		{name: "another session, kept over a submit and used on", events: "0 create 1; 0 submit; 0 create 2; 0 keep 1; 1 hit 1", want: "cross-session 0 run -1, 1 run -1"},
		{name: "another session, kept over a submit and not used on", events: "0 create 1; 0 submit; 0 keep 1; 1 hit 1"},
		{name: "back to its cache", events: "0 create 1 cache=2; 0 keep 1 cache=2"},
		{name: "back to another", events: "0 run 5; 0 create 1 cache=2; 0 keep 1 cache=3", want: "wrong-manager 0 run 5, 0 run 5"},
		{name: "back to the cache that it moved to", events: "0 create 1 cache=2; 0 keep 1 cache=2; 0 submit; 0 move 1 cache=3; 0 hit 1 cache=3; 0 keep 1 cache=3"},
		{name: "a graph's own while it is captured", events: "graph 2 captured; 0 create 1 cache=2; 0 keep 1 cache=2; 0 hit 1 cache=2"},
		{name: "a graph's, while it can be replayed", events: "graph 2 captured; 0 run 1; 0 create 1 cache=2; 0 keep 1 cache=2; 0 submit; graph 2 replayable; 0 run 2; 0 hit 1 cache=2",
			want: "graph-lent 0 run 1, 0 run 2"},
		{name: "a graph's moved, while it can be replayed", events: "graph 2 captured; 0 create 1 cache=2; 0 keep 1 cache=2; 0 submit; graph 2 replayable; 0 move 1 cache=3",
			want: "graph-lent 0 run -1, 0 run -1"},
		{name: "a released graph's", events: "graph 2 captured; 0 create 1 cache=2; 0 keep 1 cache=2; 0 submit; graph 2 replayable; graph 2 released; 0 move 1 cache=3; 0 hit 1 cache=3"},
		{name: "released before the submit", events: "0 create 1; 0 destroy 1"},
		{name: "destroyed after it", immediate: true, events: "0 create 1; 0 submit; 0 destroy 1"},
		{name: "destroyed before it", immediate: true, events: "0 run 9; 0 create 1; 0 destroy 1", want: "destroy-before-submit 0 run 9, 0 run 9"},
		{name: "destroyed before it, when it was free", immediate: true, events: "0 create 1; 0 keep 1; 0 destroy 1", want: "destroy-before-submit 0 run -1, 0 run -1"},
		{name: "another buffer of that number", events: "0 create 1; 0 destroy 1; 1 create 1; 1 keep 1; 1 hit 1"},
	} {
		for _, played := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, played %t", test.name, played), func(t *testing.T) {
				w := Watch{Immediate: test.immediate}
				var got []string
				for line := range strings.SplitSeq(test.events, "; ") {
					if h := watchLine(t, &w, strings.Fields(line), played); h != nil {
						got = append(got, fmt.Sprintf("%s %d run %d, %d run %d", h.Kind, h.First.Session, h.First.Run, h.Second.Session, h.Second.Run))
						if h.Serial < 1 || h.Size != 64 || h.First.Requested != 50 || h.Usage == cachemodes.Uniform != strings.Contains(test.events, "usage=uniform") {
							t.Errorf("it says %s", h)
						}
					}
				}
				if s := strings.Join(got, "; "); s != test.want {
					t.Errorf("found %q, want %q", s, test.want)
				}
			})
		}
	}
}

// watchLine has a watch see a line as an event, or as what a Manager played.
func watchLine(t *testing.T, w *Watch, f []string, played bool) (h *Hazard) {
	t.Helper()
	var n int64
	number := func(s string) int64 {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatalf("%q: %v", f, err)
		}
		return n
	}
	if f[0] == "graph" {
		w.Graph(cachemodes.DomainID(number(f[1])), f[2] == "replayable", f[2] == "released")
		return nil
	}
	e := cachemodes.Event{Session: int32(number(f[0])), Size: 64, Requested: 50}
	switch f[1] {
	case "submit":
		if played {
			w.Played(&cachemodes.Played{Session: e.Session, Plain: []cachemodes.Plain{{Kind: cachemodes.Refresh}}}, nil)
		} else {
			w.Submitted(e.Session)
		}
		return nil
	case "run":
		w.RunStart(e.Session, number(f[2]))
		return nil
	case "run-end":
		w.RunEnd(e.Session)
		return nil
	}
	for k := range cachemodes.NumKinds {
		if cachemodes.Kind(k).String() == f[1] {
			e.Kind = cachemodes.Kind(k)
		}
	}
	e.Buf = cachemodes.BufID(number(f[2]))
	for _, a := range f[3:] {
		switch k, v, _ := strings.Cut(a, "="); k {
		case "usage":
			e.Usage = cachemodes.Uniform
		case "cache":
			e.Domain = cachemodes.DomainID(number(v))
		}
	}
	if !played {
		return w.Event(&e)
	}
	p := cachemodes.Played{Session: e.Session, Domain: e.Domain}
	switch e.Kind {
	case cachemodes.Hit, cachemodes.Keep, cachemodes.Pend:
		p.Plain = []cachemodes.Plain{{Requested: e.Requested, Buf: e.Buf, Kind: e.Kind}}
	default:
		p.Plain, p.Others = []cachemodes.Plain{{Buf: 1, Kind: cachemodes.Other}}, []cachemodes.Event{e}
	}
	w.Played(&p, func(found *Hazard) { h = found })
	return h
}
