package export

import (
	"cmp"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"bucketscope/internal/units"
	"bucketscope/snapshots"
)

// The size of a picture, and how many keys it shows.
const (
	plotWidth  = 25 * vg.Centimeter
	plotHeight = 30 * vg.Centimeter
	plotDPI    = 120
	plotKeys   = 16
)

// plotColours tell modes apart, on white and for people who see few colours
// (Okabe and Ito's set).
var plotColours = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {120, 120, 120, 255}, {0, 0, 0, 255},
}

// SVG writes the plots of a document as SVG: peak and average of held bytes per
// run over the floor, creates per run, and creates by key.
func SVG(w io.Writer, d *snapshots.RunDocument) error {
	c := vgsvg.New(plotWidth, plotHeight)
	if err := drawPlots(draw.New(c), d); err != nil {
		return err
	}
	_, err := c.WriteTo(w)
	return err
}

// PNG writes the same as PNG.
func PNG(w io.Writer, d *snapshots.RunDocument) error {
	c := vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))
	if err := drawPlots(draw.New(c), d); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

func drawPlots(c draw.Canvas, d *snapshots.RunDocument) error {
	var rows [][]*plot.Plot
	for _, make := range []func(*snapshots.RunDocument) (*plot.Plot, error){plotHeld, plotCreates, plotByKey} {
		p, err := make(d)
		if err != nil {
			return fmt.Errorf("drawing the plots: %w", err)
		}
		rows = append(rows, []*plot.Plot{p})
	}
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadTop: vg.Millimeter * 3, PadBottom: vg.Millimeter * 3, PadLeft: vg.Millimeter * 3, PadRight: vg.Millimeter * 6, PadY: vg.Millimeter * 6}
	for i, canvases := range plot.Align(rows, tiles, c) {
		rows[i][0].Draw(canvases[0])
	}
	return nil
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Legend.Top, p.Legend.Left = true, true
	p.Y.Min = 0
	p.Add(plotter.NewGrid())
	return p
}

// byteTicks marks an axis at multiples of a power of two.
type byteTicks struct{}

// mostTicks is how many marks an axis has at most.
const mostTicks = 7

func (byteTicks) Ticks(low, high float64) []plot.Tick {
	step := 1.0
	for (high-low)/step > mostTicks {
		step *= 2
	}
	var ticks []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: units.Size(int64(v), false)})
	}
	return ticks
}

// line adds a line over runs; style changes it after the mode's colour is set.
func line(p *plot.Plot, r *snapshots.ModeResult, mode int, name string, get func(*snapshots.RunEntry) int64, style func(*draw.LineStyle)) error {
	if len(r.Runs) == 0 {
		return nil
	}
	points := make(plotter.XYs, len(r.Runs))
	for i := range r.Runs {
		points[i] = plotter.XY{X: float64(i), Y: float64(get(&r.Runs[i]))}
	}
	l, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	l.Color = plotColours[mode%len(plotColours)]
	l.Width = vg.Points(1.2)
	style(&l.LineStyle)
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}

func plotHeld(d *snapshots.RunDocument) (*plot.Plot, error) {
	p := newPlot(d.Workload.Name+" on "+d.Device.Name, "run", "bytes held")
	p.Y.Tick.Marker = byteTicks{}
	for i := range d.Results {
		r := &d.Results[i]
		err := line(p, r, i, "peak "+r.Label(), func(e *snapshots.RunEntry) int64 { return e.PeakHeldBytes }, func(*draw.LineStyle) {})
		if err != nil {
			return nil, err
		}
		err = line(p, r, i, "average "+r.Label(), func(e *snapshots.RunEntry) int64 { return e.AvgHeldBytes }, func(s *draw.LineStyle) {
			s.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		})
		if err != nil {
			return nil, err
		}
	}
	if len(d.Results) > 0 {
		floor := d.Results[0].Totals.FloorBytes
		err := line(p, &d.Results[0], 0, "floor", func(*snapshots.RunEntry) int64 { return floor }, func(s *draw.LineStyle) {
			s.Color, s.Width = color.Gray{150}, vg.Points(0.8)
		})
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

func plotCreates(d *snapshots.RunDocument) (*plot.Plot, error) {
	p := newPlot("", "run", "buffers created")
	for i := range d.Results {
		r := &d.Results[i]
		if err := line(p, r, i, r.Label(), func(e *snapshots.RunEntry) int64 { return e.Creates }, func(*draw.LineStyle) {}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// plotByKey shows the keys whose creates took most bytes under any mode.
func plotByKey(d *snapshots.RunDocument) (*plot.Plot, error) {
	p := newPlot("", "storage key", "buffers created")
	cost := map[int64]int64{}
	for i := range d.Results {
		for _, k := range d.Results[i].Keys {
			if k.Usage == "storage" {
				cost[k.SizeBytes] = max(cost[k.SizeBytes], k.Creates*k.SizeBytes)
			}
		}
	}
	var sizes []int64
	for size := range cost {
		sizes = append(sizes, size)
	}
	slices.SortFunc(sizes, func(a, b int64) int { return cmp.Or(cmp.Compare(cost[b], cost[a]), cmp.Compare(a, b)) })
	sizes = sizes[:min(len(sizes), plotKeys)]
	slices.Sort(sizes)
	if len(sizes) == 0 {
		p.X.Label.Text = "storage key: none is in this file"
		return p, nil
	}
	width := vg.Points(28 / float64(len(d.Results)))
	names := make([]string, len(sizes))
	for i, size := range sizes {
		names[i] = units.Size(size, false)
	}
	for i := range d.Results {
		r := &d.Results[i]
		values := make(plotter.Values, len(sizes))
		for _, k := range r.Keys {
			if at := slices.Index(sizes, k.SizeBytes); at >= 0 && k.Usage == "storage" {
				values[at] = float64(k.Creates)
			}
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = plotColours[i%len(plotColours)], 0
		bars.Offset = width * vg.Length(2*i+1-len(d.Results)) / 2
		p.Add(bars)
		p.Legend.Add(r.Label(), bars)
	}
	p.NominalX(names...)
	return p, nil
}
