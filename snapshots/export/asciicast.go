package export

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Picture is what a terminal shows from a time on.
type Picture struct {
	AtUS  int64    // microseconds since the cast began; not before the picture before
	Lines []string // with their escape sequences, none of which goes on in the next line
	Marks []string // what happened since the picture before: places to go to in the player
}

// castHeader is the first line of an asciicast v3.
type castHeader struct {
	Version int      `json:"version"`
	Term    castTerm `json:"term"`
	Title   string   `json:"title,omitempty"`
}

type castTerm struct {
	Cols int    `json:"cols"`
	Rows int    `json:"rows"`
	Type string `json:"type"`
}

// Asciicast writes pictures of a terminal as an asciicast of version 3, which
// asciinema plays: a header, then a line for each event, [interval, code, data],
// where an interval is in seconds since the line before. Of a picture those lines
// are written that differ from what stands there.
func Asciicast(w io.Writer, title string, cols, rows int, pictures iter.Seq2[Picture, error]) error {
	c := cast{w: bufio.NewWriter(w)}
	c.line(castHeader{Version: 3, Term: castTerm{Cols: cols, Rows: rows, Type: "xterm-256color"}, Title: title})
	const clear = "\x1b[?25l\x1b[2J"
	var shown []string
	for p, err := range pictures {
		if err != nil {
			return err
		}
		for _, m := range p.Marks {
			c.event(p.AtUS, "m", m)
		}
		var b strings.Builder
		if shown == nil {
			b.WriteString(clear)
			shown = make([]string, rows)
		}
		for y := range min(rows, len(p.Lines)) {
			if p.Lines[y] != shown[y] {
				fmt.Fprintf(&b, "\x1b[%d;1H\x1b[0m\x1b[2K%s\x1b[0m", y+1, p.Lines[y])
			}
		}
		copy(shown, slices.Clone(p.Lines))
		if b.Len() > 0 {
			c.event(p.AtUS, "o", b.String())
		}
		if c.err != nil {
			return c.err
		}
	}
	const leave = "\x1b[?25h\r\n"
	c.event(c.atUS, "o", leave)
	if c.err != nil {
		return c.err
	}
	return c.w.Flush()
}

// cast writes lines of JSON until the first error.
type cast struct {
	w    *bufio.Writer
	atUS int64 // of the line before
	err  error
}

func (c *cast) line(v any) {
	if c.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		c.err = err
		return
	}
	_, c.err = c.w.Write(append(text, '\n'))
}

func (c *cast) event(atUS int64, code, data string) {
	c.line([]any{json.Number(fmt.Sprintf("%.6f", float64(atUS-c.atUS)/1e6)), code, data})
	c.atUS = atUS
}
