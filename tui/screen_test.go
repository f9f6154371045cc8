package tui

import (
	"image/color"
	"math"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"bucketscope/internal/engine"
)

// tb is a *testing.T or a *rapid.T.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
}

// checkFits tells of lines that are wider than the terminal, and of too many.
func checkFits(t tb, picture string, w, h int) {
	t.Helper()
	lines := strings.Split(picture, "\n")
	if len(lines) > max(h, 1) {
		t.Errorf("%d lines at %dx%d", len(lines), w, h)
	}
	for y, l := range lines {
		// Both ways in which terminals measure.
		if n := max(ansi.StringWidth(l), ansi.StringWidthWc(l)); n > w {
			t.Errorf("line %d is %d wide at %dx%d: %q", y, n, w, h, l)
		}
		if s := escapes.ReplaceAllString(l, ""); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("line %d has a control character: %q", y, l)
		}
	}
}

var circumstances = map[string]func() *engine.State{
	"fixture": fixture, "paused": pausedFixture, "failed": failedFixture, "empty": emptyFixture, "host": hostFixture,
	"hostile": hostileFixture, "huge": hugeFixture, "history": historyFixture,
	"sessions": sessionsFixture,
}

var overlays = [][]string{nil, {"m"}, {"m", "tab", "s"}, {"w"}, {"w", "l"}, {"w", "z"}, {"?"}, {"?", "G"}, {"space"}, {"tab", "k", "k"}, {"j", "G"}, {"3"}, {"3", "k", "k"},
	{"3", "/", "type:miss size>=4MiB"}, {"3", "/", "模型 type:oops"}, {"3", "/", "run=3", "enter", "["}, {"{", "{"}, {"home"}, {"space", "["}, {"4"}, {"4", "j", "o", "v"},
	{"4", "/", "state:cached", "enter"}, {"2"}, {"2", "j", "h", "h"}, {"2", "v", "e", "o", "O"}, {"2", "tab", "-", "-"}, {"2", "/", "new>2", "enter"}, {"{", "2"}, {"f"}, {"f", "f", "enter"},
	{"v", "tab", "tab", "h", "h"}, {"a"}, {"a", "v", "v", "tab", "tab", "h", "-"}, {"5"}, {"5", "j", "j", "-", "P"}, {"5", "W"}, {"{", "5"}, {"home", "4"}, {":"}, {":", "run"},
	{"6"}, {"6", "tab", "j"}, {"7"}, {"7", "j", "l", "l"}, {"7", "c", "100:5"}, {"7", "S"}, {"7", "i"}, {"x"}, {"x", "csv"}, {"N", "here it grows"}, {"b"}, {"z"}}

// TestEverySize: no terminal is too small to draw on, and nothing ever sticks
// out of it.
func TestEverySize(t *testing.T) {
	for i, keys := range [][]string{
		nil, {"3", "k"}, {"4", "j"}, {"2", "j", "h"}, {"6"}, {"7", "l"}, {"5", "j"}, {"v", "a"}, {"f"}, {"m"}, {"?"}, {"w"}, {":"}, {"3", "/", "size>x"},
		{"6", "left"}, {"7", "i"}, {"7", "S"}, {"x"}, {"N", "note"},
	} {
		o := tuneOptions()
		o.Record, o.Formats = record, testFormats
		st := historyFixture()
		if len(keys) > 0 && keys[0] == "6" {
			st = compareFixture()
		}
		r := newRig(st, o)
		r.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
		r.keys(keys...)
		r.made()
		for h := 1; h <= 70; h++ {
			// All that are small, and others in steps that differ with the height.
			for w := 1; w <= 220; w++ {
				if step := 1 + 6*i; (w > 50 || h > 14) && (w+3*h)%(step+7) != 0 || (w+h)%step != 0 {
					continue
				}
				checkFits(t, r.picture(w, h), w, h)
			}
		}
	}
}

// TestAnything: the same for any state, overlay, theme and size.
func TestAnything(t *testing.T) {
	names := []string{"fixture", "paused", "failed", "empty", "host", "hostile", "huge", "history", "sessions"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "state")
		o := Options{
			Theme: rapid.SampledFrom(ThemeNames).Draw(t, "theme"), ASCII: rapid.Bool().Draw(t, "ascii"), SI: rapid.Bool().Draw(t, "si"),
		}
		o.Simulate, o.Record, o.Formats = simulated, record, testFormats
		r := newRig(circumstances[name](), o)
		w, h := rapid.IntRange(0, 220).Draw(t, "w"), rapid.IntRange(0, 70).Draw(t, "h")
		r.Update(tea.WindowSizeMsg{Width: w, Height: h})
		r.keys(rapid.SampledFrom(overlays).Draw(t, "keys")...)
		for range rapid.IntRange(0, 6).Draw(t, "zooms") {
			r.keys("-")
		}
		got := r.picture(w, h)
		checkFits(t, got, w, h)
		if o.ASCII {
			for i := range len(got) {
				if got[i] >= 0x80 {
					t.Fatalf("byte %#x with --ascii: %q", got[i], got)
				}
			}
		}
		if o.Theme == "mono" {
			checkNoColour(t, got)
		}
	})
}

// checkNoColour allows bold, faint and reverse, and nothing else.
func checkNoColour(t tb, picture string) {
	t.Helper()
	for _, seq := range escapes.FindAllString(picture, -1) {
		for _, p := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(seq, "\x1b["), "m"), ";") {
			switch p {
			case "", "0", "1", "2", "7":
			default:
				t.Errorf("escape sequence %q where there may be no colour", seq)
			}
		}
	}
}

// TestColourIsNeverAlone: without its colours a picture is the same.
func TestColourIsNeverAlone(t *testing.T) {
	for name, st := range circumstances {
		mono, dark, light := newRig(st(), Options{Theme: "mono"}), newRig(st(), Options{Theme: "dark"}), newRig(st(), Options{Theme: "light"})
		for _, keys := range overlays {
			var texts [3]string
			for i, r := range []*rig{mono, dark, light} {
				r.Update(tea.WindowSizeMsg{Width: 100, Height: 30})
				r.keys(keys...)
				texts[i] = bare(r.picture(100, 30))
			}
			if texts[0] != texts[1] || texts[0] != texts[2] {
				t.Errorf("%s %v: themes differ in more than style", name, keys)
			}
		}
	}
}

func TestNoColor(t *testing.T) {
	for _, c := range []struct {
		environ []string
		o       Options
		colour  bool
	}{
		{[]string{"TERM=xterm"}, Options{}, true},
		{[]string{"NO_COLOR="}, Options{}, true},
		{[]string{"NO_COLOR=1"}, Options{}, false},
		{[]string{"NO_COLOR=no thanks"}, Options{Theme: "dark"}, false},
		{nil, Options{NoColor: true}, false},
		{nil, Options{Theme: "mono"}, false},
	} {
		c.o.Environ = c.environ
		if got := newRig(fixture(), c.o).theme.colour; got != c.colour {
			t.Errorf("%v %+v: colour is %t", c.environ, c.o, got)
		}
	}
}

// TestBackground: the theme auto follows the terminal's background; others
// have been chosen.
func TestBackground(t *testing.T) {
	white := tea.BackgroundColorMsg{Color: lipgloss.Color("#ffffff")}
	for theme, want := range map[string]*theme{"": lightTheme, "auto": lightTheme, "dark": darkTheme, "light": lightTheme, "mono": monoTheme} {
		r := newRig(fixture(), Options{Theme: theme})
		r.Update(white)
		if r.theme != want {
			t.Errorf("theme %q on white is another one", theme)
		}
	}
	r := newRig(fixture(), Options{})
	r.Update(tea.BackgroundColorMsg{Color: lipgloss.Color("#101010")})
	if r.theme != darkTheme {
		t.Error("theme auto on black is not dark")
	}
}

// TestContrast: on the backgrounds that terminals have, every colour of text can
// be read (WCAG asks for 4.5), and lines of frames can be seen.
func TestContrast(t *testing.T) {
	for _, c := range []struct {
		dark bool
		on   []string
	}{{true, []string{"#000000", "#1e1e1e", "#282a36"}}, {false, []string{"#ffffff", "#fdf6e3"}}} {
		p := paletteOn(c.dark)
		for _, on := range c.on {
			for name, of := range map[string]color.Color{
				"orange": p.orange, "blue": p.blue, "green": p.green, "purple": p.purple, "yellow": p.yellow, "vermillion": p.vermillion, "grey": p.grey,
			} {
				if got := contrast(of, lipgloss.Color(on)); got < 4.5 {
					t.Errorf("%s on %s has a contrast of %.2f", name, on, got)
				}
			}
			if got := contrast(p.rule, lipgloss.Color(on)); got < 2 {
				t.Errorf("rules on %s have a contrast of %.2f", on, got)
			}
		}
	}
}

// contrast is the ratio of the luminances of two colours, as WCAG 2 has it.
func contrast(a, b color.Color) float64 {
	luminance := func(c color.Color) float64 {
		r, g, b, _ := c.RGBA()
		part := func(v uint32) float64 {
			x := float64(v) / 0xffff
			if x <= 0.04045 {
				return x / 12.92
			}
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		return 0.2126*part(r) + 0.7152*part(g) + 0.0722*part(b)
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestGlyphs: every glyph takes one column however a terminal measures, and
// those of lines tell the lines apart.
func TestGlyphs(t *testing.T) {
	for _, g := range []*glyphs{&unicodeGlyphs, &asciiGlyphs} {
		all := g.live + g.paused + g.frozen + g.stopped + g.up + g.down + g.none + g.uncapped + g.arrow + g.more + g.chosen + g.focus + g.peak + g.kept +
			string([]rune{g.lost, g.room, g.area, g.mark, g.tick, g.topLeft, g.topRight, g.bottomLeft, g.bottomRight, g.horizontal, g.vertical, g.scrolled}) +
			g.held.Horizontal + g.average.Horizontal + g.floor.Horizontal
		for _, r := range all {
			if ansi.StringWidth(string(r)) != 1 || ansi.StringWidthWc(string(r)) != 1 || r >= 0x80 && runeWidth(r) != 1 {
				t.Errorf("%q is not one column wide", r)
			}
			if g == &asciiGlyphs && r >= 0x80 {
				t.Errorf("%q is not ASCII", r)
			}
		}
		p := plotter{f: &frame{g: g}}
		for want, set := range map[style][]string{
			lineHeld:    {g.held.Horizontal, g.held.VerticalLine, g.held.ArcDownLeft, g.held.ArcDownRight, g.held.ArcUpLeft, g.held.ArcUpRight},
			lineAverage: {g.average.Horizontal, g.average.VerticalLine, g.average.ArcDownLeft, g.average.ArcUpRight, g.average.StartCap},
			lineFloor:   {g.floor.Horizontal, g.floor.VerticalLine, g.floor.ArcDownLeft, g.floor.ArcUpRight, g.floor.StartCap},
		} {
			for _, s := range set {
				if got := p.styleOf([]rune(s)[0]); got != want {
					t.Errorf("%s is of line %d, want %d", s, got, want)
				}
			}
		}
	}
}
