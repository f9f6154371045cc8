//go:build unix

package ptytest

import (
	"encoding/xml"
	"fmt"
	"image/color"
	"strings"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
)

// The size of a cell of SVG, in pixels: that of common monospaced fonts at
// fontSize.
const (
	fontSize   = 14
	cellWidth  = 8.43
	cellHeight = 16.5
	baseline   = 13
)

// Colours of a picture where the program leaves them to the terminal.
const (
	pictureFore = "#d3d7cf"
	pictureBack = "#11151a"
)

// SVG is the screen as a picture. Each cell has its place, so that the picture
// is the same whatever font shows it; its blanks are such as no renderer takes
// several of for one, as browsers do in spite of xml:space.
func (p *Terminal) SVG() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	w, h := p.emu.Width(), p.emu.Height()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.2f %.2f" font-size="%d" font-family="'DejaVu Sans Mono', Menlo, Consolas, monospace">`+"\n",
		float64(w+2)*cellWidth, float64(h+1)*cellHeight, float64(w+2)*cellWidth, float64(h+1)*cellHeight, fontSize)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/><g transform="translate(%.2f %.2f)">`+"\n", pictureBack, cellWidth, cellHeight/2)
	for y := range h {
		for x := 0; x < w; {
			x += drawRun(&b, p.emu.CellAt, x, y, w)
		}
	}
	b.WriteString("</g></svg>\n")
	return []byte(b.String())
}

// drawRun draws the cells from x on that look alike and answers how many.
func drawRun(b *strings.Builder, at func(x, y int) *uv.Cell, x, y, w int) int {
	first := at(x, y)
	var style uv.Style
	if first != nil {
		style = first.Style
	}
	var text strings.Builder
	n := 0
	for x+n < w {
		c := at(x+n, y)
		if c == nil || c.Content == "" {
			if n > 0 && !style.IsZero() {
				break
			}
			text.WriteByte(' ')
			n++
			continue
		}
		if !c.Style.Equal(&style) {
			break
		}
		if dots(c.Content) != dots(first.Content) {
			break
		}
		text.WriteString(c.Content)
		n += max(c.Width, 1)
	}
	fore, back := css(style.Fg, pictureFore), css(style.Bg, "")
	if style.Attrs&uv.AttrReverse != 0 {
		fore, back = css(style.Bg, pictureBack), css(style.Fg, pictureFore)
	}
	left, top := float64(x)*cellWidth, float64(y)*cellHeight
	if back != "" {
		fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`+"\n", left, top, float64(n)*cellWidth, cellHeight, back)
	}
	if strings.TrimSpace(text.String()) == "" {
		return n
	}
	if first != nil && dots(first.Content) {
		drawDots(b, text.String(), left, top, fore)
		return n
	}
	var attrs string
	if style.Attrs&uv.AttrBold != 0 {
		attrs += ` font-weight="bold"`
	}
	if style.Attrs&uv.AttrFaint != 0 {
		attrs += ` opacity="0.6"`
	}
	all := text.String()
	words := strings.TrimLeft(all, " ")
	before := len(all) - len(words)
	words = strings.TrimRight(words, " ")
	after := len(all) - before - len(words)
	fmt.Fprintf(b, `<text x="%.2f" y="%.2f" textLength="%.2f" fill="%s"%s>`,
		left+float64(before)*cellWidth, top+baseline, float64(n-before-after)*cellWidth, fore, attrs)
	_ = xml.EscapeText(b, []byte(strings.ReplaceAll(words, " ", "\u00a0"))) // into memory
	b.WriteString("</text>\n")
	return n
}

// dots reports whether a cell is braille.
func dots(cell string) bool {
	r, _ := utf8.DecodeRuneInString(cell)
	return r >= 0x2800 && r <= 0x28ff
}

// drawDots draws braille as the dots that it is: few monospaced fonts have it, and
// another font's would not keep to the cells.
func drawDots(b *strings.Builder, text string, left, top float64, fore string) {
	const size = 2.2
	places := [8][2]float64{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}}
	fmt.Fprintf(b, `<path fill="%s" d="`, fore)
	i := 0
	for _, r := range text {
		for bit, at := range places {
			if (r-0x2800)>>bit&1 == 1 {
				x := left + float64(i)*cellWidth + (at[0]+0.5)*cellWidth/2 - size/2
				y := top + (at[1]+0.5)*cellHeight/4 - size/2
				fmt.Fprintf(b, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x, y, size, size, size)
			}
		}
		i++
	}
	b.WriteString(`"/>` + "\n")
}

// css is a colour as SVG writes it.
func css(c color.Color, none string) string {
	if c == nil {
		return none
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
