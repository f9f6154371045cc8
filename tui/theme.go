package tui

import (
	"fmt"
	"image/color"
	"strings"

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
	badgeStopped
	lineHeld
	lineAverage
	lineFloor
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

var (
	onDark = palette{
		orange: rgb(0xe69f00), blue: rgb(0x56b4e9), green: rgb(0x1fbf8f), purple: rgb(0xcc79a7),
		yellow: rgb(0xf0e442), vermillion: rgb(0xff7f2a), grey: rgb(0x9a9a9a), rule: rgb(0x5c5c5c),
	}
	onLight = palette{
		orange: rgb(0xa85f00), blue: rgb(0x0062a3), green: rgb(0x006b4f), purple: rgb(0x8f3f6f),
		yellow: rgb(0x6f6500), vermillion: rgb(0xb33c00), grey: rgb(0x5f5f5f), rule: rgb(0xa8a8a8),
	}
)

func rgb(hex uint32) color.Color {
	return color.RGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 0xff}
}

// ThemeNames are what Options.Theme takes.
var ThemeNames = []string{"auto", "dark", "light", "mono"}

// The themes. Without colour there are bold, faint and reverse: NO_COLOR asks
// for no colour, not for no emphasis.
var (
	darkTheme  = coloured(onDark)
	lightTheme = coloured(onLight)
	monoTheme  = newTheme(false, attributes)
)

func coloured(p palette) *theme {
	return newTheme(true, func(s style) ansi.Style {
		a := ansi.Style{}
		switch s {
		case faint, label:
			return a.ForegroundColor(p.grey)
		case border:
			return a.ForegroundColor(p.rule)
		case heading, barKept, areaInUse:
			return a.ForegroundColor(p.blue)
		case focused, keycap:
			return a.ForegroundColor(p.blue).Bold()
		case warning, failure, peakMark:
			return a.ForegroundColor(p.vermillion).Bold()
		case badgeLive:
			return a.ForegroundColor(p.green).Bold()
		case badgePaused, badgeFrozen:
			return a.ForegroundColor(p.yellow).Bold()
		case badgeStopped:
			return a.ForegroundColor(p.vermillion).Bold()
		case lineHeld:
			return a.ForegroundColor(p.orange).Bold()
		case lineAverage:
			return a.ForegroundColor(p.green)
		case lineFloor:
			return a.ForegroundColor(p.purple)
		case switchMark, switchText:
			return a.ForegroundColor(p.yellow)
		case barLost:
			return a.ForegroundColor(p.vermillion)
		}
		return attributes(s)
	})
}

// attributes is a style without colour.
func attributes(s style) ansi.Style {
	a := ansi.Style{}
	switch s {
	case faint, label, border, areaInUse, lineFloor:
		return a.Faint()
	case strong, heading, focused, warning, failure, badgeLive, badgePaused, badgeFrozen, badgeStopped,
		lineAverage, peakMark, keycap:
		return a.Bold()
	case selected:
		return a.Reverse(true)
	}
	return a
}

func newTheme(colour bool, look func(style) ansi.Style) *theme {
	th := &theme{colour: colour}
	for s := range th.sgr {
		if a := look(style(s)); len(a) > 0 {
			th.sgr[s] = a.String()
		}
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
	held, average, floor           asciigraph.CharSet
}

var unicodeGlyphs = glyphs{
	live: "●", paused: "❚❚", frozen: "❄", stopped: "■",
	up: "▲", down: "▼", none: "–", uncapped: "∞", arrow: "→", more: "…", chosen: "●", focus: "▸", peak: "▲",
	kept: "▏▎▍▌▋▊▉█", lost: '▒', room: '·', area: '░', mark: '┊', tick: '┤',
	topLeft: '╭', topRight: '╮', bottomLeft: '╰', bottomRight: '╯', horizontal: '─', vertical: '│', scrolled: '┃',
	held:    lineSet("─", "│", "╭", "╮", "╰", "╯"),
	average: lineSet("━", "┃", "┏", "┓", "┗", "┛"),
	floor:   lineSet("┄", "┆", "┄", "┄", "┄", "┄"),
}

var asciiGlyphs = glyphs{
	live: "*", paused: "||", frozen: "#", stopped: "[]",
	up: "^", down: "v", none: "-", uncapped: "inf", arrow: ">", more: "~", chosen: "*", focus: ">", peak: "^",
	kept: "#", lost: '%', room: '.', area: ':', mark: '!', tick: '+',
	topLeft: '+', topRight: '+', bottomLeft: '+', bottomRight: '+', horizontal: '-', vertical: '|', scrolled: '#',
	held:    lineSet("-", "|", ".", ".", "'", "'"),
	average: lineSet("=", "=", "=", "=", "=", "="),
	floor:   lineSet("_", "_", "_", "_", "_", "_"),
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
	case 'µ':
		return 'u'
	case '×':
		return 'x'
	case '·':
		return '.'
	}
	return '?'
}
