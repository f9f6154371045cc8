//go:build unix

package ptytest

import (
	"encoding/xml"
	"fmt"
	"image/color"
	"strings"

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
// is the same whatever font shows it.
func (p *Terminal) SVG() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	w, h := p.emu.Width(), p.emu.Height()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.2f %.2f" font-size="%d" font-family="'DejaVu Sans Mono', Menlo, Consolas, monospace" xml:space="preserve">`+"\n",
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
	var attrs string
	if style.Attrs&uv.AttrBold != 0 {
		attrs += ` font-weight="bold"`
	}
	if style.Attrs&uv.AttrFaint != 0 {
		attrs += ` opacity="0.6"`
	}
	fmt.Fprintf(b, `<text x="%.2f" y="%.2f" textLength="%.2f" fill="%s"%s>`, left, top+baseline, float64(n)*cellWidth, fore, attrs)
	_ = xml.EscapeText(b, []byte(text.String())) // into memory
	b.WriteString("</text>\n")
	return n
}

// css is a colour as SVG writes it.
func css(c color.Color, none string) string {
	if c == nil {
		return none
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
