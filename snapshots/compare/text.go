package compare

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bucketscope/internal/units"
)

// topRows is how many keys and runs a person is shown: those that differ most.
const topRows = 10

func microseconds(v float64) time.Duration { return time.Duration(v * float64(time.Microsecond)) }

// grid is a table before it is written one way or another; its first column is
// of words, the others of figures.
type grid struct {
	title string
	head  []string
	rows  [][]string
}

// Table writes the report for a terminal.
func (r *Report) Table(w io.Writer) error {
	return r.write(w, func(b *bytes.Buffer, g grid) {
		fmt.Fprintf(b, "%s\n\n", g.title)
		width := 0
		for _, row := range append([][]string{g.head}, g.rows...) {
			width = max(width, len([]rune(row[0])))
		}
		tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range append([][]string{g.head}, g.rows...) {
			pad := strings.Repeat(" ", width-len([]rune(row[0])))
			fmt.Fprintf(tw, "  %s%s\t%s\t\n", row[0], pad, strings.Join(row[1:], "\t"))
		}
		tw.Flush()
		fmt.Fprintln(b)
	})
}

// Markdown writes the report as tables of a comment on a pull request.
func (r *Report) Markdown(w io.Writer) error {
	escape := strings.NewReplacer("|", `\|`, "\n", " ")
	return r.write(w, func(b *bytes.Buffer, g grid) {
		fmt.Fprintf(b, "**%s**\n\n", g.title)
		line := func(cells []string) {
			for _, c := range cells {
				fmt.Fprintf(b, "| %s ", escape.Replace(c))
			}
			fmt.Fprintln(b, "|")
		}
		line(g.head)
		rule := []string{"---"}
		for range g.head[1:] {
			rule = append(rule, "---:")
		}
		line(rule)
		for _, row := range g.rows {
			line(row)
		}
		fmt.Fprintln(b)
	})
}

func (r *Report) write(w io.Writer, table func(*bytes.Buffer, grid)) error {
	var b bytes.Buffer
	for _, u := range r.Unlike {
		fmt.Fprintf(&b, "! compared by force: %s\n\n", u)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "Note: %s\n\n", n)
	}
	if r.Warmup > 0 {
		fmt.Fprintf(&b, "Of each, the first %d runs are left out.\n\n", r.Warmup)
	}
	for i := range r.Comparisons {
		for _, g := range r.Comparisons[i].grids() {
			table(&b, g)
		}
	}
	if len(r.Verdicts) > 0 {
		fmt.Fprint(&b, "Budgets\n\n")
		for i := range r.Verdicts {
			v := &r.Verdicts[i]
			sign := "holds "
			if !v.Holds {
				sign = "BROKEN"
			}
			fmt.Fprintf(&b, "- %s %s\n", sign, v)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// JSON writes the report as described by compare.schema.json.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// grids are the tables of a comparison: figures that are not 0 throughout, those
// of a usage or a reason only where they differ, and the keys and runs that
// differ most.
func (c *Comparison) grids() []grid {
	out := []grid{c.figureGrid()}
	if g := c.keyGrid(); len(g.rows) > 0 {
		out = append(out, g)
	}
	if g := c.runGrid(); len(g.rows) > 0 {
		out = append(out, g)
	}
	return out
}

// columns names the subjects: by their files, and by their modes where files
// do not tell them apart.
func (c *Comparison) columns() []string {
	var out []string
	for i := range c.Subjects {
		s := &c.Subjects[i]
		name := s.File
		if len(c.Subjects) > 1 && s.File == c.Subjects[1-min(i, 1)].File {
			name = s.Mode
		}
		out = append(out, name)
	}
	return out
}

func (c *Comparison) figureGrid() grid {
	modes := make([]string, 0, len(c.Subjects))
	for i := range c.Subjects {
		if !slices.Contains(modes, c.Subjects[i].Mode) {
			modes = append(modes, c.Subjects[i].Mode)
		}
	}
	g := grid{title: "Mode " + strings.Join(modes, ", "), head: []string{"figure"}}
	for i, name := range c.columns() {
		g.head = append(g.head, name)
		if i > 0 {
			g.head = append(g.head, "change")
		}
	}
	for _, f := range c.Figures {
		zero, same := true, true
		row := []string{f.Name}
		for i, v := range f.Values {
			cell := "–"
			if v != nil {
				cell = number(*v, f.Unit)
				zero = zero && *v == 0
				same = same && f.Values[0] != nil && *v == *f.Values[0]
			}
			row = append(row, cell)
			if i == 0 {
				continue
			}
			switch change := f.Changes[i]; {
			case change != nil:
				row = append(row, percent(*change))
			case v != nil && f.Values[0] != nil && *v == *f.Values[0]:
				row = append(row, "=")
			case v != nil && f.Values[0] != nil:
				row = append(row, "new")
			default:
				row = append(row, "–")
			}
		}
		if part := strings.Contains(f.Name, "."); !zero && (!same || !part) {
			g.rows = append(g.rows, row)
		}
	}
	return g
}

// spread is how far values lie from the first, at most.
func spread(v []int64) int64 {
	var far int64
	for _, x := range v {
		far = max(far, x-v[0], v[0]-x)
	}
	return far
}

// most are the rows that differ most, at most topRows of them, in their order.
func most[T any](rows []T, differ func(T) int64) []T {
	var out []int
	for i := range rows {
		if differ(rows[i]) > 0 {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(differ(rows[b]), differ(rows[a])) })
	out = out[:min(len(out), topRows)]
	slices.Sort(out)
	picked := make([]T, len(out))
	for i, at := range out {
		picked[i] = rows[at]
	}
	return picked
}

func (c *Comparison) keyGrid() grid {
	g := grid{title: fmt.Sprintf("Keys whose creates differ most, of %d", len(c.Keys)), head: []string{"key"}}
	g.head = append(g.head, c.columns()...)
	for _, k := range most(c.Keys, func(k KeyRow) int64 { return spread(k.Creates) * k.SizeBytes }) {
		row := []string{k.Usage + " " + units.Size(k.SizeBytes, false)}
		for _, n := range k.Creates {
			row = append(row, fmt.Sprint(n))
		}
		g.rows = append(g.rows, row)
	}
	return g
}

func (c *Comparison) runGrid() grid {
	g := grid{title: fmt.Sprintf("Runs whose peak or created bytes differ most, of %d: peak, creates", len(c.Runs)), head: []string{"run"}}
	for _, name := range c.columns() {
		g.head = append(g.head, name, "creates")
	}
	for _, r := range most(c.Runs, func(r RunRow) int64 { return spread(r.PeakHeldBytes) + spread(r.CreateBytes) }) {
		row := []string{r.Run.String()}
		for i := range r.Creates {
			row = append(row, units.Bytes(r.PeakHeldBytes[i], false), fmt.Sprint(r.Creates[i]))
		}
		g.rows = append(g.rows, row)
	}
	return g
}
