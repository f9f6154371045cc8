//go:build unix

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"bucketscope/internal/ptytest"
)

// What a person does with what was seen: keep it, open it, compare it, tune.

var (
	written  = regexp.MustCompile(`written: (\S+)`)
	inCommon = regexp.MustCompile(`Figures, (\d+) runs in common`)
)

// open shows files on a terminal.
func open(t *testing.T, bin, home string, w, h int, files ...string) *ptytest.Terminal {
	t.Helper()
	cmd := command(t, bin, nil, append([]string{"open"}, files...)...)
	cmd.Dir = home
	return ptytest.Start(t, cmd, w, h)
}

// ends quits and looks whether the terminal is as before.
func ends(t *testing.T, p *ptytest.Terminal) {
	t.Helper()
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d:\n%s", code, p.Screen())
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
}

// recordedRun is a snapshot of a whole run.
func recordedRun(t *testing.T, bin, home, name, mode string) string {
	t.Helper()
	cmd := command(t, bin, nil, "run", "--device", "host", "--workload", "bert/varied", "--mode", mode, "--snapshot", filepath.Join(home, name))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// keepAndOpen: a note and a snapshot while it runs, an export; the snapshot is
// opened, gone through, and says what cannot be done with it.
func keepAndOpen(t *testing.T, bin string) {
	home := t.TempDir()
	cmd := command(t, bin, nil, watched...)
	cmd.Dir = home
	p := ptytest.Start(t, cmd, 100, 30)
	p.Until("some runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 5 })
	p.Press("N", "it grows here", "enter")
	p.See("note: it grows here @run")
	p.Press("s")
	s := p.Until("the snapshot", func(s ptytest.Screen) bool { return written.MatchString(s.String()) })
	name := written.FindStringSubmatch(s.String())[1]
	if !strings.HasPrefix(name, "phi3-mini-4k-grow-bucket-") || !strings.HasSuffix(name, ".snapshot") {
		t.Errorf("it is called %s", name)
	}
	p.Press("x")
	p.See("Export everything up to now", "a profile for 'go tool pprof'")
	p.Press("csv", "enter")
	s = p.Until("the export", func(s ptytest.Screen) bool {
		m := written.FindStringSubmatch(s.String())
		return m != nil && strings.HasSuffix(m[1], ".csv")
	})
	if i, err := os.Stat(filepath.Join(home, written.FindStringSubmatch(s.String())[1])); err != nil || i.Size() == 0 {
		t.Errorf("no export: %v", err)
	}
	ends(t, p)

	p = open(t, bin, home, 100, 30, name)
	s = p.See("■ SNAPSHOT", "note: it grows here @run", "held bytes, all of the history")
	checkFrames(t, p, s)
	last := number(s, runNumber)
	for key, says := range map[string]string{
		"space": "nothing to freeze: ", "p": "nothing to pause: ", "n": "nothing to step: ", "z": "nothing to undo: ", "m": "no mode can be changed", "w": "no other workload is played",
		"N": "no note can be written", "s": "it is a file already: ",
	} {
		p.Press(key)
		p.See(says)
	}
	p.Press("{", "{", "{")
	s = p.Until("an earlier run", func(s ptytest.Screen) bool {
		return s.Has("◀ @event", "before the end") && number(s, pastRun) >= 0 && number(s, pastRun) < last
	})
	checkFrames(t, p, s)
	p.Press("3", "/", "type:note", "enter")
	p.See("note", "it grows here")
	p.Press("4")
	checkFrames(t, p, p.See("Buffers, all: "))
	p.Press("x", "prom", "enter")
	p.Until("an export of it", func(s ptytest.Screen) bool {
		m := written.FindStringSubmatch(s.String())
		return m != nil && strings.HasSuffix(m[1], ".prom")
	})
	p.Press("end")
	p.See("■ SNAPSHOT")
	ends(t, p)
}

var pastRun = regexp.MustCompile(`◀ @event \d+ run (\d+),`)

// tuneIt: a cap is raised while it runs, the preview says what that brings, and
// it is undone; a table is searched and applied.
func tuneIt(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, "--device", "host", "--workload", "unet/varied", "--pace", "30"), 120, 40)
	p.Until("some runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 3 })
	p.Press("t")
	p.See("Tune, storage: bucket", "in force")
	p.Press("g", "c", "999x")
	p.See(`the cap "999x" is no whole number`)
	p.Press("\x7f", "enter")
	p.See("250→999", "edited", "change")
	p.Press("enter")
	p.See("64B cap 250→999")
	p.Until("it to be in force", func(s ptytest.Screen) bool { return s.Has(" 999 cap", "z undoes 1") && !s.Has("250→999") })
	p.Press("1")
	p.See("64B cap 250→999 @run")
	p.Press("z", "7")
	p.Until("it to be undone", func(s ptytest.Screen) bool { return s.Has(" 250 cap") && !s.Has("999") })
	p.Press("S")
	p.See("Search a table")
	p.Press("enter")
	p.See("searching a table for unet/varied")
	p.Until("the search to end", func(s ptytest.Screen) bool {
		return s.Has("was found, by simulation") || s.Has("no better table was found")
	})
	p.Press("i")
	p.See("as ONNX Runtime's source takes it", "{", "}")
	p.Press("esc")
	p.Until("the table to be left", func(s ptytest.Screen) bool { return !s.Has("source takes it  ") })
	p.Press("m", "d", "y", "enter")
	p.See("Tune, storage: dynamicBucket", "adjust every", "history")
	ends(t, p)
}

// compareIt: the baseline, and the difference to it after a switch; two files.
func compareIt(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, "--device", "host", "--workload", "bert/varied", "--pace", "60"), 120, 36)
	p.Until("some runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 25 })
	p.Press("6")
	p.See("nothing to compare yet", "b keeps it as the")
	p.Press("b")
	p.See("the baseline is bucket, runs 0–")
	p.Press("m", "si", "enter")
	p.See("mode:simple")
	p.Press("d")
	s := p.Until("runs in common", func(s ptytest.Screen) bool {
		return s.Has("A ┄ baseline, runs 0–", "bucket", "B ─ now, runs ", "simple") && number(s, inCommon) >= 10
	})
	checkFrames(t, p, s)
	p.Press("tab", "j", "j", "tab", "j", "v")
	p.See("by time since the beginning of each", "Figures, first ")
	p.Resize(80, 24)
	p.Until("the standard layout", func(s ptytest.Screen) bool { return strings.Contains(s.Lines[23], "q quit") && s.Has("A ┄ baseline") })
	ends(t, p)

	home := t.TempDir()
	a, b := recordedRun(t, bin, home, "a.snapshot", "bucket"), recordedRun(t, bin, home, "b.snapshot", "tfjs")
	p = open(t, bin, home, 120, 36, a, b)
	p.See("■ SNAPSHOT", "mode:bucket")
	p.Press("6")
	s = p.See("A ┄ a.snapshot, runs 0–19  bucket", "B ─ b.snapshot  tfjs", "Figures, 20 runs in common", "Keys, creates per run")
	checkFrames(t, p, s)
	// The figures are those of the command line.
	out, err := exec.Command(bin, "compare", filepath.Join(home, a), filepath.Join(home, b)).Output()
	if err != nil {
		t.Fatal(err)
	}
	peak := regexp.MustCompile(`(?m)^ *peak_held_bytes +(\S+) +(\S+)`).FindStringSubmatch(string(out))
	shown := regexp.MustCompile(`peak held +([\d.]+\S+) +([\d.]+\S+)`).FindStringSubmatch(s.String())
	if peak == nil || shown == nil || peak[1] != shown[1] || peak[2] != shown[2] {
		t.Errorf("the screen shows %q, compare prints %q", shown, peak)
	}
	p.Press("left")
	p.See("Compare: A", "b.snapshot")
	p.Press("esc")
	p.Until("the menu to close", func(s ptytest.Screen) bool { return !s.Has("Compare: A") })
	ends(t, p)
}

// configured: keys, theme and folder from a config file; one that cannot be
// meant is refused before the screen is touched.
func configured(t *testing.T, bin string) {
	home, keep := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "bucketscope"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "bucketscope", "config")
	config := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config("theme = mono\nmouse = true\nfolder = " + keep + "\n[keys]\nfreeze = u\nquit = X\nsnapshot = ctrl+s\n")
	environ := []string{"XDG_CONFIG_HOME=" + home, "COLORTERM=truecolor"}
	p := ptytest.Start(t, command(t, bin, environ, watched...), 80, 24)
	p.See("● LIVE", "u freeze", "X quit")
	if m := regexp.MustCompile(`\x1b\[[0-9;]*\b(3[0-8]|4[0-8])\b[0-9;]*m`).FindString(p.Raw()); m != "" {
		t.Errorf("a colour in theme mono: %q", m)
	}
	if !strings.Contains(p.Raw(), "\x1b[?1002h") {
		t.Error("the mouse is off")
	}
	p.Press("u")
	p.See("❄ FROZEN", "u show live")
	p.Press("q") // means nothing now
	p.Press("\x13")
	s := p.Until("the snapshot", func(s ptytest.Screen) bool { return s.Has("written: ") })
	if files, err := os.ReadDir(keep); err != nil || len(files) != 1 {
		t.Errorf("%d files are kept (%v):\n%s", len(files), err, s)
	}
	p.Press("\x1b[<0;3;5M", "\x1b[<0;3;5m") // a click on the name of a screen
	p.Press("X")
	if code := p.Exit(); code != 0 {
		t.Errorf("X ends with code %d", code)
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
	config("theme = mono\n[keys]\nfreeze = p\n")
	p = ptytest.Start(t, command(t, bin, environ, watched...), 80, 24)
	if code := p.Exit(); code != 2 || !strings.Contains(p.Raw(), "config:3: freeze = p: on the screens, that key is pause's") {
		t.Errorf("a conflict ends with code %d:\n%s", code, p.Raw())
	}
	if err := p.Restored(); err != nil {
		t.Error(err)
	}
}

// openEnds: the terminal of an opened snapshot is restored whatever ends it, and
// suspending gives it back.
func openEnds(t *testing.T, bin string) {
	home := t.TempDir()
	file := recordedRun(t, bin, home, "a.snapshot", "bucket")
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGHUP: 129, syscall.SIGINT: 130} {
		p := open(t, bin, home, 80, 24, file, file)
		p.See("■ SNAPSHOT")
		p.Press("M")
		p.See("the mouse is on")
		p.Press("6")
		p.See("Figures, ")
		p.Signal(sig)
		if code := p.Exit(); code != want {
			t.Errorf("%v: exit code %d, want %d", sig, code, want)
		}
		if err := p.Restored(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
	}
	p := open(t, bin, home, 80, 24, file)
	p.See("■ SNAPSHOT")
	p.Press("M", "7", "S", "ctrl+z")
	p.UntilRestored()
	p.Until("the screen to come back", func(s ptytest.Screen) bool {
		p.Signal(syscall.SIGCONT)
		return s.Has("Search a table")
	})
	p.Press("esc")
	p.Until("the menu to close", func(s ptytest.Screen) bool { return !s.Has("Search a table") })
	ends(t, p)

	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
	} {
		b, err := os.ReadFile(filepath.Join(home, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), damage(b), 0o644); err != nil {
			t.Fatal(err)
		}
		p := open(t, bin, home, 80, 24, name)
		if code := p.Exit(); code != 2 || !strings.Contains(p.Raw(), name+": ") {
			t.Errorf("%s: exit code %d:\n%s", name, code, p.Raw())
		}
		if err := p.Restored(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// storm: sizes that change faster than anyone draws leave a whole picture, on
// every screen.
func storm(t *testing.T, bin string) {
	p := ptytest.Start(t, command(t, bin, nil, watched...), 80, 24)
	p.Until("some runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 3 })
	p.Press("b")
	p.See("the baseline is")
	for _, screen := range []struct{ key, sees string }{{"1", "Buckets, storage"}, {"2", "Keys of storage"}, {"3", "Events, "}, {"4", "Buffers, all"}, {"5", "Sessions, scope"}, {"6", "A ┄ "}, {"7", "Tune, storage"}} {
		p.Press(screen.key)
		for i := range 40 {
			p.Resize(1+(i*53)%210, 1+(i*17)%62)
		}
		p.Resize(1, 1)
		p.Resize(80, 24)
		p.Until("a whole picture", func(s ptytest.Screen) bool {
			return s.Has(screen.sees, "● LIVE") && strings.Contains(s.Lines[23], "q quit") && len(frameFaults(s)) == 0
		})
	}
	ends(t, p)
}
