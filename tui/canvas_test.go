package tui

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

func TestPut(t *testing.T) {
	for _, c := range []struct {
		text  string
		ascii bool
		want  string
		x     int
	}{
		{"held", false, "held", 4},
		{"a\x1b[31mb\n", false, "a?[31mb?", 8},
		{"\u009b31m", false, "31m", 3},
		{"é模b", false, "é模b", 4},
		{"é模b", true, "???b", 4},
		{"e\u0301\u200d\u202e!", false, "e!", 2},
		{"→…µ–", true, ">~u-", 4},
		{"0123456789ab", false, "0123456789", 12},
		{"012345678模", false, "012345678?", 11},
	} {
		var cv canvas
		cv.reset(10, 1, c.ascii)
		x := cv.all().put(0, 0, c.text, plain)
		if got := cv.text(monoTheme); got != c.want || x != c.x {
			t.Errorf("put(%q) draws %q and answers %d, want %q and %d", c.text, got, x, c.want, c.x)
		}
		if w := textWidth(c.text); w != c.x {
			t.Errorf("textWidth(%q) = %d, want %d", c.text, w, c.x)
		}
	}
}

// TestHalves: half of a wide rune is never left behind.
func TestHalves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cv canvas
		w := rapid.IntRange(1, 12).Draw(t, "w")
		cv.reset(w, 1, false)
		for range rapid.IntRange(1, 8).Draw(t, "puts") {
			text := rapid.SampledFrom([]string{"模", "a", "模型", "a模b", "--"}).Draw(t, "text")
			v := cv.all().sub(rapid.IntRange(0, w-1).Draw(t, "from"), 0, w, 1)
			v.put(rapid.IntRange(-2, w).Draw(t, "x"), 0, text, plain)
		}
		got := cv.text(monoTheme) + "|"
		if n := ansi.StringWidth(strings.TrimSuffix(got, "|")); n > w {
			t.Fatalf("%q is %d wide, the canvas %d", got, n, w)
		}
		for x, c := range cv.cells {
			wide := c.r > 0x7f && runeWidth(c.r) == 2
			if wide != (x+1 < w && cv.cells[x+1].r == covered) {
				t.Fatalf("cell %d of %q is half of something", x, got)
			}
		}
	})
}

func TestCutAndWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		w    int
		want string
	}{{"phi3-mini-4k/grow", 8, "phi3-mi…"}, {"short", 5, "short"}, {"short", 1, "…"}, {"short", 0, ""}, {"模型模型", 5, "模型…"}, {"", 0, ""}} {
		if got := cut(c.text, c.w); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.w, got, c.want)
		}
	}
	for _, c := range []struct {
		text string
		w, n int
		want []string
	}{
		{"the device has no memory", 10, 3, []string{"the device", "has no", "memory"}},
		{"the device has no memory", 10, 2, []string{"the device", "has no me…"}},
		{"VK_ERROR_OUT_OF_MEMORY", 8, 3, []string{"VK_ERROR", "_OUT_OF_", "MEMORY"}},
		{"", 8, 3, nil},
		{"fits", 8, 3, []string{"fits"}},
		{"模型", 1, 3, nil},
	} {
		if got := wrap(c.text, c.w, c.n); !reflect.DeepEqual(got, c.want) {
			t.Errorf("wrap(%q, %d, %d) = %q, want %q", c.text, c.w, c.n, got, c.want)
		}
	}
}

// TestWrapLosesNothing: where there is room, all words are there in order.
func TestWrapLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-z模]{1,20}`), 0, 20).Draw(t, "words"), " ")
		w := rapid.IntRange(2, 40).Draw(t, "w")
		lines := wrap(text, w, 1000)
		for _, l := range lines {
			if textWidth(l) > w {
				t.Fatalf("%q is wider than %d", l, w)
			}
		}
		squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got := squeeze(strings.Join(lines, "")); got != squeeze(text) {
			t.Fatalf("wrapped to %d, %q became %q", w, text, lines)
		}
	})
}

// A path has no room in a line of its own: it begins behind what says what it is.
func TestWrapLongWord(t *testing.T) {
	got := wrap("written: /a/folder/of/many/letters.snapshot", 20, 2)
	if want := []string{"written: /a/folder/o", "f/many/letters.snap…"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = wrap("written: unet.snapshot", 16, 2)
	if want := []string{"written:", "unet.snapshot"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
