//go:build unix

package main_test

import (
	"regexp"
	"strings"
	"testing"

	"bucketscope/internal/ptytest"
)

// What a person does with several sessions, and with what other modes would do.

var (
	released = regexp.MustCompile(`(?m)^│ +1 – released bert `)
	holding  = regexp.MustCompile(`(?m)^│ +1 ❚❚ held +bert `)
	third    = regexp.MustCompile(`(?m)^│ +2 \S+ (idle|once|decode|prompt|run)`)
	lent     = regexp.MustCompile(`lent →\d`)
	hazards  = regexp.MustCompile(`! hazards: ([1-9]\S*)\.`)
	starred  = regexp.MustCompile(`dynamic\S*\*`)
)

// sessionsPlay: two sessions are begun with; one is held and let go on, a third
// is started, one is released in the middle, and the others go on.
func sessionsPlay(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, "--device", "host", "--session", "unet/varied", "--session", "bert/varied",
		"--scope", "shared-free", "--pace", "20"), 120, 32)
	p.Press("5")
	s := p.Until("two lanes, with who got what the other had", func(s ptytest.Screen) bool {
		return s.Has("Sessions, scope shared-free", "W start, P hold, R release", "unet", "bert", "waited", "= weights") && lent.MatchString(s.String())
	})
	checkFrames(t, p, s)
	p.Press("P")
	p.See("no session is marked")
	p.Press("j", "j", "P")
	p.Until("the second to be held", func(s ptytest.Screen) bool { return holding.MatchString(s.String()) })
	p.Press("P")
	p.Until("it to go on", func(s ptytest.Screen) bool { return !holding.MatchString(s.String()) })
	p.Press("W")
	p.See("llama-3.2-1b/two")
	p.Press("u", "n", "e", "t", "enter")
	p.Until("a third lane", func(s ptytest.Screen) bool { return third.MatchString(s.String()) })
	p.Press("R")
	s = p.Until("the second to be released", func(s ptytest.Screen) bool { return released.MatchString(s.String()) })
	checkFrames(t, p, s)
	p.Press("R")
	p.See("session 1 is released already")
	p.Press("3", "/", "type:release", "enter")
	p.Until("the log to have it", func(s ptytest.Screen) bool { return s.Has("type:release") && s.Has("● LIVE") })
	p.Press("5")
	p.Resize(48, 12)
	p.Until("the compact lanes", func(s ptytest.Screen) bool {
		return s.Has("▸Sessions, scope shared-free ──", "1 – released") && s.H == 12
	})
	for _, size := range [][2]int{{200, 60}, {80, 24}} {
		p.Resize(size[0], size[1])
		checkFrames(t, p, p.Until("the lanes at another size", func(s ptytest.Screen) bool {
			return s.Has("released", "● LIVE", "W start") && strings.Contains(s.Lines[size[1]-1], "q quit")
		}))
	}
	ends(t, p)
}

// hazardSeen: a cache that is told to do wrong is found out, and the log says
// which buffer and which two uses.
func hazardSeen(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, "--device", "host", "--session", "unet/varied", "--session", "unet/varied",
		"--hazard", "cross-session", "--pace", "0"), 120, 32)
	p.Press("5")
	p.Until("hazards to be counted", func(s ptytest.Screen) bool { return hazards.MatchString(s.String()) })
	p.Press("3", "/", "type:hazard", "enter")
	p.Until("them in the log", func(s ptytest.Screen) bool { return s.Has("! hazard", "cross-session") })
	ends(t, p)
}

// whatIfIt: what another mode would do is looked at, and made the real one.
func whatIfIt(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, "--device", "host", "--workload", "bert/varied", "--pace", "20"), 80, 24)
	p.See("What if (simulated)", "bucket*")
	p.Press("tab")
	p.Until("the pane to be in focus", func(s ptytest.Screen) bool { return s.Has("▸What if") })
	p.Press("/", "dynamicB", "enter")
	p.Until("the rows to be filtered", func(s ptytest.Screen) bool { return s.Has("dynamicB") && !s.Has("caps x4") })
	p.Press("j")
	p.Press("enter")
	p.Until("it to drive the device", func(s ptytest.Screen) bool {
		return s.Has("mode:dynamicBucket") && starred.MatchString(s.String())
	})
	ends(t, p)
}
