package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// bindings reads "freeze = f; step = N" as a config file would.
func bindings(text string) (out []KeyBinding) {
	for i, line := range strings.Split(text, "; ") {
		name, keys, _ := strings.Cut(line, " =")
		out = append(out, KeyBinding{Name: name, Keys: strings.Fields(keys), Where: "config:" + string(rune('1'+i))})
	}
	return out
}

// TestRebind: a key does what the file says, and every text names the key that
// does it.
func TestRebind(t *testing.T) {
	keys, err := Rebind(bindings("freeze = u f1; pause = space; step = X; up = ctrl+k up; zoom-in = *; mode ="))
	if err != nil {
		t.Fatal(err)
	}
	st := pausedFixture()
	r := newRig(st, Options{Theme: "mono", Keys: keys})
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 32})
	r.sees(t, "u freeze", "space go on", "X step")
	r.lacks(t, "m mode", "n step")
	r.keys("space", "X", "n", "p", "m")
	r.Update(tea.KeyPressMsg{Code: 'x', Mod: tea.ModShift}) // as some terminals report X
	if got := strings.Join(r.engine.calls, ", "); got != "pause false, step, step" {
		t.Errorf("the engine was told %q", got)
	}
	r.keys("u")
	r.sees(t, "❄ FROZEN")
	r.keys("p")
	r.keys("u", "?")
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 260})
	r.sees(t, "u f1")
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 32})
	r.keys("esc", ":", "usage", "enter") // without a key it is in the palette
	r.sees(t, "Cache mode")
	r.keys("esc", "5") // what stands in titles and notices
	r.sees(t, "W start, P hold, R release")
	others, err := Rebind(bindings("start-session = ctrl+w; findings = ctrl+f; down = ctrl+j; zoom-in = *"))
	if err != nil {
		t.Fatal(err)
	}
	r = newRig(fixture(), Options{Theme: "mono", Keys: others})
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 32})
	r.sees(t, "* - = zoom")
	if got := (&diagnosis{evidence: "it costs", remedy: "Mend it.", more: 2}).line(others, 80); got != "! it costs. Mend it. [ctrl+f: 2 more]" {
		t.Errorf("the diagnosis says %q", got)
	}
	r.keys("5", "P")
	r.sees(t, "ctrl+w start, P hold", "no session is marked: ctrl+j marks one")
	st = emptyFixture()
	st.Status = 1 // paused
	r = newRig(st, Options{Theme: "mono", Keys: keys})
	r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	r.keys("tab")
	r.sees(t, "workload is paused: space starts")
}

// TestRebindRefuses what cannot be meant, with its line.
func TestRebindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"freez = u":              `config:1: there is no action "freez" (freeze is one); 'bucketscope config' lists them`,
		"xyz = u":                `config:1: there is no action "xyz"; 'bucketscope config'`,
		"freeze = spce":          `config:1: freeze = spce: there is no key "spce"; a key is a character, or one of`,
		"freeze = ctrl+":         `there is no key "ctrl+"`,
		"freeze = p":             "config:1: freeze = p: on the screens, that key is pause's: give one of both another",
		"freeze = u; pause = u":  "config:2: pause = u: on the screens, that key is freeze (config:1)'s",
		"freeze = u; freeze = h": "config:2: the keys of freeze are already set at config:1: leave one of both",
		"quit =":                 "config:1: quit needs a key: without one nothing would lead out",
		"back =":                 "config:1: back needs a key",
		"menu-up = enter":        "config:1: menu-up = enter: in menus, that key is menu-accept's",
		"step = ctrl+c":          "config:1: step = ctrl+c: on the screens, that key is always-quit's",
	} {
		if _, err := Rebind(bindings(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// Two that change places are no conflict, and every binding can be written
	// as it is.
	if _, err := Rebind(bindings("freeze = p; pause = space")); err != nil {
		t.Error(err)
	}
	all := KeyBindings()
	names := map[string]bool{}
	for i := range all {
		if names[all[i].Name] || all[i].Name == "" || all[i].Meaning == "" {
			t.Errorf("binding %d is called %q", i, all[i].Name)
		}
		names[all[i].Name] = true
		all[i].Where = "here"
	}
	keys, err := Rebind(all)
	if err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		for _, k := range keymap[i].keys {
			if keys.actionOf(keymap[i].scope, k) != keymap[i].action {
				t.Errorf("%s does another thing once it is written into a file", k)
			}
		}
	}
}

// FuzzRebind: no line makes it panic, and what it takes has no conflict.
func FuzzRebind(f *testing.F) {
	f.Add("freeze", "f ctrl+x")
	f.Add("menu-up", "up")
	f.Add("always-quit", "ctrl+shift+alt+ü")
	f.Fuzz(func(t *testing.T, name, keys string) {
		m, err := Rebind([]KeyBinding{{Name: name, Keys: strings.Fields(keys), Where: "x"}})
		if err == nil && m.conflict(make([]string, len(m))) != nil {
			t.Errorf("%q = %q is taken in spite of a conflict", name, keys)
		}
	})
}

// TestDiagnosisLine: at 80 columns a finding has its remedy, whatever of the
// evidence that takes.
func TestDiagnosisLine(t *testing.T) {
	keys, err := Rebind(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ evidence, remedy, want string }{
		{
			"4MiB: 64 wanted, cap 20 → 40.5 made a run since run 169", "Raise it to 64. One more key is over its cap.",
			"! 4MiB: 64 wanted, cap 20 → 40.5 made a run since run 169. Raise it to 64.",
		},
		{
			"run 12345 repeats 12344 but makes 144, 1001MiB: cap full", "Raise the cap of the key. Or take simple.",
			"! run 12345 repeats 12344 but makes 144, 1001MiB. Raise the cap of the key.",
		},
		{
			"the driver is 1.25GiB above the books, 1.10GiB more than 1h 20m ago", "Poll more often. Buffers that the cache gave up are not freed below it.",
			"! the driver is 1.25GiB above the books. Poll more often.",
		},
	} {
		got := (&diagnosis{evidence: c.evidence, remedy: c.remedy, more: 3}).line(keys, 78)
		if got != c.want || textWidth(got) > 78 {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
