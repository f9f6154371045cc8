//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bucketscope/internal/ptytest"
)

// TestScreen uses the program as a person does, on a terminal.
func TestScreen(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "bucketscope")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name, session := range map[string]func(*testing.T, string){
		"session": session, "signals": signals, "suspend": suspend, "colours": colours, "no screen": noScreen, "kept": kept, "driver's lines": driverLines,
		"keep and open": keepAndOpen, "tune": tuneIt, "compare": compareIt, "config": configured, "open ends": openEnds, "storm": storm,
		"sessions": sessionsPlay, "leaves": leaves, "hazard": hazardSeen, "what if": whatIfIt,
		"killed": killed, "disk full": diskFull, "terminal gone": terminalGone, "out of memory": outOfMemory,
		"gpu lost": gpuLost, "gpu refused": gpuRefused, "driver dies": driverDies, "leave a stuck gpu": leaveStuckGPU, "leave a slow gpu": leaveSlowGPU, "stuck, terminal gone": stuckTerminalGone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session(t, bin)
		})
	}
}

// command is the program in an environment of its own.
func command(t *testing.T, bin string, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(bin, args...)
	home := t.TempDir()
	cmd.Dir = home
	cmd.Env = append([]string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8",
		"XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CACHE_HOME=" + home,
	}, environ...)
	return cmd
}

var watched = []string{"--device", "host", "--workload", "phi3-mini-4k/grow", "--pace", "20"}

var (
	runNumber = regexp.MustCompile(`\brun +(\d+) `)
	behind    = regexp.MustCompile(`FROZEN \((\d+) runs? behind\)`)
	mapTo     = regexp.MustCompile(`\bruns \d+ to (\d+) `)
	cellRun   = regexp.MustCompile(`storage, run (\d+), `)
	heldText  = regexp.MustCompile(`\bheld +(\S+)`)
	pastEvent = regexp.MustCompile(`◀ @event (\d+) run \d+, [\d.]+ s ago`)
	pastAgo   = regexp.MustCompile(`◀ @event \d+ run \d+, (\d+)\.\d s ago`)
)

// number is what the pattern finds on the screen; -1 where it finds nothing.
func number(s ptytest.Screen, pattern *regexp.Regexp) int {
	m := pattern.FindStringSubmatch(s.String())
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n
}

// checkFrames looks whether the frames of the panes on s are whole, and if not,
// whether they come to be: a picture may have been looked at half drawn.
func checkFrames(t *testing.T, p *ptytest.Terminal, s ptytest.Screen) {
	t.Helper()
	if faults := frameFaults(s); len(faults) > 0 {
		p.Until("whole frames, of which "+faults[0], func(s ptytest.Screen) bool { return len(frameFaults(s)) == 0 })
	}
}

// frameFaults are panes whose right border is not at the screen's edge: a line
// that is too long or too short would push it away.
func frameFaults(s ptytest.Screen) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	frames := 0
	for y, l := range s.Lines {
		r := []rune(l)
		if len(r) > s.W {
			fault("line %d is %d wide, the terminal %d: %q", y, len(r), s.W, l)
		}
		if len(r) == 0 || !strings.ContainsRune("╭│╰", r[0]) {
			continue
		}
		frames++
		if len(r) != s.W || !strings.ContainsRune("╮│┃╯", r[len(r)-1]) {
			fault("line %d does not end at the terminal's edge: %q", y, l)
		}
	}
	if frames < 8 && s.W >= 80 {
		fault("no frames on the screen:\n%s", s)
	}
	return faults
}

func session(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, watched...), 80, 24)
	s := p.Until("the first runs", func(s ptytest.Screen) bool {
		return s.Has("● LIVE", "mode:bucket", "peak 2.") && number(s, runNumber) >= 3
	})
	checkFrames(t, p, s)
	if !s.Has("host: books only", "time –", "phi3-mini-4k/grow", "pace  20/s", "held bytes, last 60 s", "decode") {
		t.Errorf("the first screen lacks something:\n%s", s)
	}

	p.Press("m")
	p.See("Cache mode", "ORT 1.30, PR #25276 and #25485")
	p.Press("d", "y")
	p.See("ORT PR #25120, learning per session")
	p.Press("enter")
	s = p.Until("the mode to change", func(s ptytest.Screen) bool {
		return s.Has("mode:dynamicBucket", "mode→dynamicBucket @run") && !s.Has("Cache mode")
	})
	checkFrames(t, p, s)

	p.Resize(48, 12)
	s = p.Until("the compact layout", func(s ptytest.Screen) bool {
		return strings.HasPrefix(s.Lines[0], " ● LIVE  mode:dynamicBucket") && strings.Contains(s.Lines[11], "? help")
	})
	checkFrames(t, p, s)
	if heldText.FindString(s.Lines[1]) == "" || number(s, runNumber) < 3 {
		t.Errorf("the compact screen lacks figures:\n%s", s)
	}
	p.Resize(200, 60)
	s = p.Until("the full layout", func(s ptytest.Screen) bool {
		return s.Has("floor", "req/run", "end") && strings.Contains(s.Lines[59], "q quit")
	})
	checkFrames(t, p, s)
	p.Resize(20, 1)
	p.Until("one line", func(s ptytest.Screen) bool { return strings.HasPrefix(s.Lines[0], "● LIVE") })
	p.Resize(80, 24)
	p.Until("the standard layout", func(s ptytest.Screen) bool { return strings.Contains(s.Lines[23], "q quit") && s.Has("Buckets") })

	p.Press("?")
	p.See("this list, and back", "Events: everything that happened")
	p.Press("esc")
	p.Until("help to close", func(s ptytest.Screen) bool { return !s.Has("this list, and back") })

	p.Press("space")
	frozen := heldText.FindString(p.See("❄ FROZEN").String())
	s = p.Until("the profile to run on behind a frozen display", func(s ptytest.Screen) bool { return number(s, behind) >= 5 })
	if now := heldText.FindString(s.String()); now != frozen {
		t.Errorf("a frozen display changed from %q to %q", frozen, now)
	}
	p.Press("space")
	p.See("● LIVE")

	buckets(t, p)
	history(t, p)

	p.Press("p")
	paused := number(p.Until("the pause between two runs", func(s ptytest.Screen) bool {
		return s.Has("❚❚ PAUSED") && number(s, runNumber) >= 0
	}), runNumber)
	p.Press("n")
	s = p.Until("one step", func(s ptytest.Screen) bool { return s.Has("❚❚ PAUSED") && number(s, runNumber) > paused })
	if n := number(s, runNumber); n > paused+2 {
		t.Errorf("a step went from run %d to %d", paused, n)
	}
	p.Press("p")
	p.See("● LIVE")

	p.Press("w")
	p.See("Workload", "recording", "unet/varied")
	p.Press("b", "e", "r", "t", "/")
	p.Until("the filter to apply", func(s ptytest.Screen) bool { return s.Has("filter bert/_") && !s.Has("unet/varied") })
	p.Press("enter")
	p.Until("the other workload", func(s ptytest.Screen) bool {
		return strings.Contains(s.Lines[0], "bert/varied") && s.Has("● LIVE", "mode:dynamicBucket") && number(s, runNumber) >= 1
	})

	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d:\n%s", code, p.Screen())
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
}

// buckets looks at the map of keys: at a key, at a run of it, back at that run's
// end, and at what the diagnosis found.
func buckets(t *testing.T, p *ptytest.Terminal) {
	t.Helper()
	p.Press("2")
	checkFrames(t, p, p.Until("births and deaths of keys", func(s ptytest.Screen) bool {
		return s.Has("Keys of storage: dynamicBucket", "Sizes asked for, storage", "~ ~", "+") && number(s, mapTo) > 5
	}))
	p.Press("down")
	p.See("storage, ", "wanted of cap")
	p.Press("left", "left", "left")
	s := p.Until("the figures of a run", func(s ptytest.Screen) bool { return number(s, cellRun) > 0 })
	run := number(s, cellRun)
	p.Press("enter")
	s = p.Until("the end of that run", func(s ptytest.Screen) bool { return number(s, pastEvent) > 0 })
	if !s.Has(fmt.Sprintf("run %d, ", run)) || number(s, mapTo) != run {
		t.Errorf("after the end of run %d the map reaches run %d:\n%s", run, number(s, mapTo), s)
	}
	p.Press("end")
	p.See("● LIVE")
	p.Press("f")
	p.See("Findings, ")
	p.Press("q")
	p.Until("the findings to close", func(s ptytest.Screen) bool { return !s.Has("Findings, ") })
	p.Press("1", "a")
	p.See("held bytes by run")
	p.Press("a")
	p.See("held bytes, last 60 s")
}

// history goes back to a large miss, looks at it from other screens, and comes
// back, while the workload goes on.
func history(t *testing.T, p *ptytest.Terminal) {
	t.Helper()
	p.Press("3")
	checkFrames(t, p, p.See("Events, ", "back to event 0", "asked"))
	p.Press("/", "type:mess")
	p.See("filter events type:mess_", `there is no type "mess"; there are miss release`)
	p.Press("esc")
	p.Until("the filter to close", func(s ptytest.Screen) bool { return !s.Has("filter events") })
	p.Press("/", "type:miss", " ", "size>=1MiB", "enter")
	checkFrames(t, p, p.Until("misses alone", func(s ptytest.Screen) bool {
		return s.Has(": type:miss size>=1MiB", "! miss") && !s.Has("keep", "refresh")
	}))
	p.Press("k")
	s := p.Until("the last miss", func(s ptytest.Screen) bool { return number(s, pastEvent) > 0 && s.Has("miss of ", "because") })
	checkFrames(t, p, s)
	event, held := number(s, pastEvent), heldText.FindString(s.String())
	s = p.Until("the workload to go on", func(s ptytest.Screen) bool { return number(s, pastAgo) >= 1 })
	if now := heldText.FindString(s.String()); now != held || number(s, pastEvent) != event {
		t.Errorf("the moment after event %d changed from %q to %q:\n%s", event, held, now, s)
	}
	p.Press("[")
	s = p.Until("the miss before", func(s ptytest.Screen) bool { return number(s, pastEvent) < event && number(s, pastEvent) > 0 })
	p.Press("1")
	checkFrames(t, p, p.See("◀ @event "+strconv.Itoa(number(s, pastEvent)), "Buckets, storage", "Runs"))
	p.Press("home")
	p.See("◀ @event 0, ")
	p.Press("4", "end")
	checkFrames(t, p, p.See("● LIVE", "Buffers, all: "))
	p.Press("esc")
	p.See("● LIVE", "Buckets, storage")
}

// signals: the terminal is restored when the program is told to end.
func signals(t *testing.T, bin string) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130, syscall.SIGHUP: 129} {
		p := ptytest.Start(t, command(t, bin, nil, watched...), 80, 24)
		p.See("● LIVE", "peak 2.")
		p.Signal(sig)
		if code := p.Exit(); code != want {
			t.Errorf("%v: exit code %d, want %d:\n%s", sig, code, want, p.Screen())
		}
		if err := p.Restored(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
	}
}

// suspend: ctrl+z gives the terminal back to the shell, and fg takes it again.
func suspend(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, watched...), 80, 24)
	p.See("● LIVE", "peak 2.")
	p.Press("ctrl+z")
	p.UntilRestored()
	// No shell is there to continue it, as fg would. It may not be waiting for
	// that yet, so it is told until it is back.
	s := p.Until("the screen to come back", func(s ptytest.Screen) bool {
		p.Signal(syscall.SIGCONT)
		return s.Has("● LIVE", "peak 2.", "held bytes")
	})
	at := number(s, runNumber)
	p.Until("the workload to go on", func(s ptytest.Screen) bool { return number(s, runNumber) > at })
	p.Press("ctrl+c")
	if code := p.Exit(); code != 0 {
		t.Errorf("ctrl+c ends with code %d", code)
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
}

// colours: NO_COLOR with any value means none; --ascii nothing but ASCII.
func colours(t *testing.T, bin string) {
	colour := regexp.MustCompile(`\x1b\[[0-9;]*\b(3[0-8]|4[0-8]|9[0-7]|10[0-7])\b[0-9;]*m`)
	p := ptytest.Start(t, command(t, bin, nil, watched...), 80, 24)
	p.See("● LIVE", "peak 2.")
	if raw := p.Raw(); !colour.MatchString(raw) {
		t.Errorf("no colours: %q", raw)
	}
	p = ptytest.Start(t, command(t, bin, []string{"NO_COLOR=please"}, append(watched, "--ascii")...), 80, 24)
	s := p.See("* LIVE", "peak 2.")
	if m := colour.FindString(p.Raw()); m != "" {
		t.Errorf("a colour with NO_COLOR: %q", m)
	}
	for _, r := range s.String() {
		if r > 0x7e {
			t.Errorf("%q with --ascii:\n%s", r, s)
		}
	}
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d", code)
	}
}

// driverLines: what the Vulkan loader and a driver print is in the log, and not
// a line of it on the terminal, from the start of the program to its end.
func driverLines(t *testing.T, bin string) {
	var ended *exec.ExitError
	gpu := []string{"--device", "webgpu", "--workload", "bert/varied"}
	if err := command(t, bin, nil, append([]string{"run"}, gpu...)...).Run(); errors.As(err, &ended) && ended.ExitCode() == 3 && os.Getenv("BUCKETSCOPE_REQUIRE_WEBGPU") != "1" {
		t.Skip("no adapter (BUCKETSCOPE_REQUIRE_WEBGPU=1 makes this a failure)")
	}
	state := t.TempDir()
	p := ptytest.Start(t, command(t, bin, []string{"VK_LOADER_DEBUG=all", "XDG_STATE_HOME=" + state}, gpu...), 80, 24)
	p.Until("some runs", func(s ptytest.Screen) bool { return s.Has("● LIVE") && number(s, runNumber) >= 2 })
	ends(t, p)
	log, err := os.ReadFile(filepath.Join(state, "bucketscope", "log"))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && !strings.Contains(string(log), "Vulkan Loader Version") {
		t.Errorf("the loader, told to print all, printed\n%s", log)
	}
	for _, l := range strings.Split(string(log), "\n") {
		if l = strings.TrimSpace(l); len(l) > 12 && strings.Contains(p.Raw(), l) {
			t.Errorf("on the terminal: %q", l)
		}
	}
}

// noScreen: where there is no terminal to draw on, the program says what to do.
func noScreen(t *testing.T, bin string) {
	const want = "bucketscope run"
	p := ptytest.Start(t, command(t, bin, []string{"TERM=dumb"}, watched...), 80, 24)
	if code := p.Exit(); code != 2 {
		t.Errorf("TERM=dumb: exit code %d, want 2", code)
	}
	if err := p.Restored(); err != nil {
		t.Errorf("TERM=dumb: %v", err)
	}
	if !strings.Contains(p.Raw(), want) {
		t.Errorf("TERM=dumb does not say what to use:\n%s", p.Raw())
	}
	out, err := command(t, bin, nil, watched...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("without a terminal: %v\n%s", err, out)
	}
}

// kept: what was watched can be looked at again.
func kept(t *testing.T, bin string) {
	file := filepath.Join(t.TempDir(), "kept.snapshot")
	p := ptytest.Start(t, command(t, bin, nil, append(watched, "--snapshot", file)...), 80, 24)
	p.Until("five runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 5 })
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d", code)
	}
	out, err := command(t, bin, nil, "export", file, "--format", "csv").Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), ",run end,"); n < 5 {
		t.Errorf("%d runs are kept of five that were seen", n)
	}
}
