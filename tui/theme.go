package tui

import (
	"fmt"
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/guptarohit/asciigraph"
)

// style names what a cell is, not how it looks: a theme says that. Nothing is
// told by a style alone; each comes with a glyph, a word or a place of its own.
type style uint8

const (
	plain   style = iota
	faint         // what is there to be found when looked for
	strong        // what is read first
	label         // the name of a figure
	heading       // the title of a pane
	focused       // the title and border of the pane that has the keys
	border
	warning // something costs: always with a '!'
	failure // it stopped: always with words
	badgeLive
	badgePaused
	badgeFrozen
	badgePast
	badgeStopped
	lineHeld
	lineAverage
	lineFloor
	lineInUse
	lineDriver
	areaInUse
	peakMark
	switchMark
	switchText
	barKept
	barLost
	selected
	keycap

	numStyles = int(keycap) + 1
)

// theme is the look of every style: the escape sequence that begins it.
type theme struct {
	sgr [numStyles]string
	// colour reports whether any style has one.
	colour bool
}

const resetStyle = ansi.ResetStyle

// palette is the colours of a theme: Okabe and Ito's, which people with every
// kind of colour vision tell apart, darkened where the background is light.
type palette struct {
	orange, blue, green, purple, yellow, vermillion, grey, rule color.Color
}

// paletteOn is the palette for a dark or a light background.
func paletteOn(dark bool) palette {
	on := func(light, darkness string) color.Color {
		return lipgloss.LightDark(dark)(lipgloss.Color(light), lipgloss.Color(darkness))
	}
	return palette{
		orange: on("#a85f00", "#e69f00"), blue: on("#0062a3", "#56b4e9"),
		green: on("#006b4f", "#1fbf8f"), purple: on("#8f3f6f", "#cc79a7"),
		yellow: on("#6f6500", "#f0e442"), vermillion: on("#b33c00", "#ff7f2a"),
		grey: on("#5f5f5f", "#9a9a9a"), rule: on("#a8a8a8", "#5c5c5c"),
	}
}

// ThemeNames are what Options.Theme takes.
var ThemeNames = []string{"auto", "dark", "light", "mono"}

// The themes. Without colour there are bold, faint and reverse: NO_COLOR asks
// for no colour, not for no emphasis.
var (
	darkTheme  = coloured(paletteOn(true))
	lightTheme = coloured(paletteOn(false))
	monoTheme  = newTheme(false, attributes)
)

func coloured(p palette) *theme {
	return newTheme(true, func(s style) lipgloss.Style {
		a := lipgloss.NewStyle()
		switch s {
		case faint, label:
			return a.Foreground(p.grey)
		case border:
			return a.Foreground(p.rule)
		case heading, barKept, areaInUse:
			return a.Foreground(p.blue)
		case focused, keycap:
			return a.Foreground(p.blue).Bold(true)
		case warning, failure, peakMark:
			return a.Foreground(p.vermillion).Bold(true)
		case badgeLive:
			return a.Foreground(p.green).Bold(true)
		case badgePaused, badgeFrozen, badgePast:
			return a.Foreground(p.yellow).Bold(true)
		case badgeStopped:
			return a.Foreground(p.vermillion).Bold(true)
		case lineHeld:
			return a.Foreground(p.orange).Bold(true)
		case lineAverage:
			return a.Foreground(p.green)
		case lineFloor:
			return a.Foreground(p.purple)
		case lineInUse:
			return a.Foreground(p.blue)
		case lineDriver:
			return a.Foreground(p.grey)
		case switchMark, switchText:
			return a.Foreground(p.yellow)
		case barLost:
			return a.Foreground(p.vermillion)
		}
		return attributes(s)
	})
}

// attributes is a style without colour.
func attributes(s style) lipgloss.Style {
	a := lipgloss.NewStyle()
	switch s {
	case faint, label, border, areaInUse, lineFloor:
		return a.Faint(true)
	case strong, heading, focused, warning, failure, badgeLive, badgePaused, badgeFrozen, badgePast, badgeStopped,
		lineAverage, peakMark, keycap:
		return a.Bold(true)
	case selected:
		return a.Reverse(true)
	}
	return a
}

// newTheme asks lipgloss for each style's sequence once: the canvas writes it
// tens of thousands of times a second.
func newTheme(colour bool, look func(style) lipgloss.Style) *theme {
	const content = "x"
	th := &theme{colour: colour}
	for s := range th.sgr {
		th.sgr[s], _, _ = strings.Cut(look(style(s)).Render(content), content)
	}
	return th
}

// checkTheme tells whether name is a theme.
func checkTheme(name string) error {
	for _, n := range ThemeNames {
		if name == n {
			return nil
		}
	}
	return fmt.Errorf("there is no theme %q; the themes are %s", name, strings.Join(ThemeNames, ", "))
}

// glyphs are the signs that panes draw with.
type glyphs struct {
	live, paused, frozen, stopped  string
	back                           string // a past moment
	up, down                       string // a trend
	none                           string // unknown, or not there
	uncapped                       string
	arrow                          string
	more                           string // goes on
	chosen                         string // in force
	focus                          string // the pane that has the keys
	peak                           string
	kept                           string // a bar's cell, filled more and more
	lost, room                     rune   // a bar's cells: want beyond the cap, cap not wanted
	area, mark, tick               rune
	topLeft, topRight              rune
	bottomLeft, bottomRight        rune
	horizontal, vertical, scrolled rune
	born, dropped, bornDropped     rune   // what became of a key in a run
	levels                         string // a cell filled from below, more and more
	braille                        rune   // no dots; 0 where there is none
	held, average, floor           asciigraph.CharSet
	inUse, driver                  asciigraph.CharSet
}

var unicodeGlyphs = glyphs{
	live: "●", paused: "❚❚", frozen: "❄", stopped: "■", back: "◀",
	up: "▲", down: "▼", none: "–", uncapped: "∞", arrow: "→", more: "…", chosen: "●", focus: "▸", peak: "▲",
	kept: "▏▎▍▌▋▊▉█", lost: '▒', room: '·', area: '░', mark: '┊', tick: '┤',
	topLeft: '╭', topRight: '╮', bottomLeft: '╰', bottomRight: '╯', horizontal: '─', vertical: '│', scrolled: '┃',
	held:    lineSet("─", "│", "╭", "╮", "╰", "╯"),
	average: lineSet("━", "┃", "┏", "┓", "┗", "┛"),
	floor:   lineSet("┄", "┆", "┄", "┄", "┄", "┄"),
	inUse:   lineSet("╍", "╏", "╍", "╍", "╍", "╍"),
	driver:  lineSet("═", "║", "╔", "╗", "╚", "╝"),
	born:    '+', dropped: '×', bornDropped: '±',
	levels: "▁▂▃▄▅▆▇█", braille: '\u2800',
}

var asciiGlyphs = glyphs{
	live: "*", paused: "||", frozen: "#", stopped: "[]", back: "<<",
	up: "^", down: "v", none: "-", uncapped: "inf", arrow: ">", more: "~", chosen: "*", focus: ">", peak: "^",
	kept: "#", lost: '%', room: '.', area: ':', mark: '!', tick: '+',
	topLeft: '+', topRight: '+', bottomLeft: '+', bottomRight: '+', horizontal: '-', vertical: '|', scrolled: '#',
	held:    lineSet("-", "|", ".", ".", "'", "'"),
	average: lineSet("=", "=", "=", "=", "=", "="),
	floor:   lineSet("_", "_", "_", "_", "_", "_"),
	inUse:   lineSet("~", "~", "~", "~", "~", "~"),
	driver:  lineSet("o", "o", "o", "o", "o", "o"),
	born:    '+', dropped: 'x', bornDropped: '&',
	levels: ".:-=+*%#",
}

// lineSet is the glyphs of a line: along, up, and the turns from its left to
// down and from below to its right (as in ╭ and ╮), and so on.
func lineSet(along, up, downRight, downLeft, upRight, upLeft string) asciigraph.CharSet {
	return asciigraph.CharSet{
		Horizontal: along, VerticalLine: up,
		ArcDownRight: downRight, ArcDownLeft: downLeft, ArcUpRight: upRight, ArcUpLeft: upLeft,
		// A line begins in its first column, but asciigraph ends it after its
		// last.
		StartCap: along, EndCap: " ", UpRight: upRight, DownHorizontal: along,
	}
}

// prose is a text in which an arrow says what follows: its sign in ASCII alone
// would compare two numbers, as in "cap 50 > 14 made".
func (g *glyphs) prose(text string) string {
	if g == &asciiGlyphs {
		return strings.ReplaceAll(text, "→", "->")
	}
	return text
}

// foldASCII is what stands for a rune where only ASCII may: texts that the
// program did not write have any.
func foldASCII(r rune) rune {
	switch r {
	case '–', '—':
		return '-'
	case '…':
		return '~'
	case '→':
		return '>'
	case '←':
		return '<'
	case '↑':
		return '^'
	case '↓':
		return 'v'
	case 'µ':
		return 'u'
	case '×':
		return 'x'
	case '·':
		return '.'
	}
	return '?'
}
