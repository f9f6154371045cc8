package cachemodes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts plays the behaviour scripts of testdata. Rewrite the answers
// with `go test ./cachemodes -run TestScripts -rewrite` and read the diff.
//
//	mode M [usage=U] [table=K:C,K:C] [round=N] [adjust=N] [history=N] [refresh=N] [cache-limit=N] [fit-ratio=N]
//	manager [scope=S] [generations=N]  an empty one
//	play
//	request NAME BYTES [usage=U] [session=N]
//	release NAME
//	churn N BYTES  N times a request and its release, not listed
//	refuse NAME    the device has no memory for it; fail NAME: nor after that
//	submit | run-start [session=N] | run-end [session=N] | session-release session=N | drain
//	capture-start [session=N] | capture-end [session=N] | graph-release CACHE [session=N]
//
// CACHE is the number of a graph's caches: the lowest that is free; the device's is 0.
//
// The answer lists the events, then what is kept.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newScript()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "manager":
				return s.manager(d)
			case "mode":
				return s.mode(d)
			case "play":
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					line = strings.TrimSpace(line)
					if line == "" || strings.HasPrefix(line, "#") {
						continue
					}
					fmt.Fprintf(&out, "%s\n", line)
					for _, e := range s.play(t, strings.Fields(line)) {
						fmt.Fprintf(&out, "    %s\n", s.describe(&e))
					}
					audit, err := s.m.Audit()
					if err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					_ = audit
				}
				return out.String() + s.kept()
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

type script struct {
	m     *Manager
	bufs  map[string]BufID
	names map[BufID]string
}

func newScript() *script {
	return &script{m: NewManager(DefaultConfig()), bufs: map[string]BufID{}, names: map[BufID]string{}}
}

// manager begins anew, with caches for whom the arguments say.
func (s *script) manager(d *datadriven.TestData) string {
	sharing := Sharing{Generations: DefaultGenerations}
	for _, arg := range d.CmdArgs {
		var err error
		switch value := strings.Join(arg.Vals, ","); arg.Key {
		case "scope":
			sharing.Scope, err = LookupScope(value)
		case "generations":
			sharing.Generations, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("unknown argument %q", arg.Key)
		}
		if err != nil {
			return err.Error() + "\n"
		}
	}
	*s = *newScript()
	s.m = NewSharing(DefaultConfig(), sharing)
	return s.kept()
}

// mode changes the mode of the manager, which goes on with what it has.
func (s *script) mode(d *datadriven.TestData) string {
	usage, set := Storage, Setting{Params: DefaultParams()}
	for _, arg := range d.CmdArgs {
		var err error
		value := strings.Join(arg.Vals, ",")
		n, _ := strconv.Atoi(value)
		switch arg.Key {
		case "usage":
			usage = usageNamed(value)
		case "table":
			set.Params.Table, err = ParseTable(value)
		case "round":
			set.Params.Round = int64(n)
		case "adjust":
			set.Params.AdjustEvery = n
		case "history":
			set.Params.History = n
		case "refresh":
			set.Params.RefreshEvery = n
		case "cache-limit":
			set.Params.CacheLimit = int64(n)
		case "fit-ratio":
			set.Params.FitRatio = n
		default:
			var m Mode
			m, err = Lookup(arg.Key)
			set.Mode = m.ID
		}
		if err != nil {
			return err.Error() + "\n"
		}
	}
	events, err := s.m.Set(usage, set)
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	for i := range events {
		fmt.Fprintf(&out, "%s\n", s.describe(&events[i]))
	}
	return out.String() + s.kept()
}

func usageNamed(name string) Usage {
	return Usage(slices.Index(usageNames[:], name))
}

func (s *script) play(t *testing.T, f []string) []Event {
	usage, session := Storage, int32(0)
	args := f[1:]
	for i, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			if k == "usage" {
				usage = usageNamed(v)
			} else {
				n, _ := strconv.Atoi(v)
				session = int32(n)
			}
			args = args[:min(i, len(args))]
		}
	}
	switch f[0] {
	case "request":
		n, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		id, events := s.m.Request(session, usage, n)
		s.bufs[args[0]], s.names[id] = id, args[0]
		return events
	case "release":
		return s.m.Release(s.bufs[args[0]])
	case "churn":
		times, _ := strconv.Atoi(args[0])
		n, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for range times {
			id, _ := s.m.Request(session, usage, n)
			s.m.Release(id)
		}
		return nil
	case "refuse":
		return s.m.Relieve(s.bufs[args[0]])
	case "fail":
		return s.m.Fail(s.bufs[args[0]])
	case "submit":
		return s.m.Refresh(session)
	case "run-start":
		return s.m.RunStart(session)
	case "run-end":
		return s.m.RunEnd(session)
	case "session-release":
		return s.m.SessionRelease(session)
	case "drain":
		return s.m.Drain()
	case "capture-start":
		_, events := s.m.CaptureStart(session)
		return events
	case "capture-end":
		return s.m.CaptureEnd(session)
	case "graph-release":
		n, err := strconv.Atoi(args[0])
		if err != nil {
			t.Fatal(err)
		}
		return s.m.GraphRelease(session, DomainID(n))
	}
	t.Fatalf("unknown line %q", f)
	return nil
}

func (s *script) describe(e *Event) string {
	var b strings.Builder
	fmt.Fprint(&b, e.Kind)
	switch e.Kind {
	case Switch, Adjust:
		fmt.Fprintf(&b, " %s %s", e.Usage, e.Mode)
	case KeyBorn, KeyDropped:
		fmt.Fprintf(&b, " %d", e.Size)
	case Refresh:
	default:
		fmt.Fprintf(&b, " %s %d", s.names[e.Buf], e.Size)
		if e.Kind == Destroy {
			fmt.Fprintf(&b, " from %s", e.From)
		}
		if e.Why != NoReason {
			fmt.Fprintf(&b, ": %s", e.Why)
		}
		if e.Kind == Move {
			fmt.Fprintf(&b, " to %s", s.m.domains[e.Domain].owner)
		}
		if e.Key != NoKey && e.Kind != Create && e.Domain == s.m.home.id && e.Mode != s.m.Mode(e.Usage) {
			fmt.Fprintf(&b, " (acquired under %s)", e.Mode)
		}
	}
	return b.String()
}

// kept lists the free and pending buffers of every cache, the device's first; of
// others, whose they are.
func (s *script) kept() string {
	var out strings.Builder
	for _, d := range s.m.domains {
		if d == nil {
			continue
		}
		for u := range d.caches {
			c := &d.caches[u]
			var parts []string
			for i := range c.buckets {
				if n := len(c.buckets[i].free); n > 0 {
					parts = append(parts, fmt.Sprintf("%dx%d", n, c.buckets[i].size))
				}
			}
			pending := 0
			for i := range c.lines {
				pending += len(c.lines[i].ids)
			}
			if len(parts)+pending == 0 {
				continue
			}
			if d != s.m.home {
				fmt.Fprintf(&out, "%d, %s: ", d.id, d.owner)
			}
			fmt.Fprintf(&out, "%s keeps %s; %d pending\n", c.usage, strings.Join(parts, " "), pending)
		}
	}
	if out.Len() == 0 {
		return "nothing kept\n"
	}
	return out.String()
}
