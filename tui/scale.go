package tui

import (
	"math"
	"math/bits"
)

// scale maps bytes to rows.
type scale struct {
	low, high float64 // of the lowest and the highest row
	step      float64 // between labels
	rows      int
}

// tightRows is how few rows are too few for round labels: every row counts.
const tightRows = 4

// newScale finds a range around low and high in which labels are round numbers
// an equal number of rows apart, and which stands still while the figures move
// a little. It does not begin at 0 where that would squash what there is to
// see.
func newScale(low, high float64, rows int, decimal bool) scale {
	if low > 0 && high-low < low/16 {
		low = high - low/16 // almost flat: what moves by little shall not fill the graph
	}
	if low < (high-low)/2 {
		low = 0 // little is gained by leaving 0 out
	}
	if high <= low {
		high = low + 1
	}
	spaces := max(rows-1, 1)
	if rows <= tightRows {
		return scale{low, high, high - low, rows}
	}
	step := niceStep((high-low)/float64(spaces/2), decimal)
	for {
		low := math.Floor(low/step) * step
		if n := int(math.Ceil((high - low) / step)); n <= spaces/2 {
			perLabel := spaces / n
			return scale{low, low + step*float64(spaces)/float64(perLabel), step, rows}
		}
		step = niceStep(step+1, decimal)
	}
}

// niceStep is the least round number of bytes that is at least n: a power of
// two, or 1, 2 or 5 times a power of ten.
func niceStep(n float64, decimal bool) float64 {
	if n <= 1 {
		return 1
	}
	if !decimal {
		return float64(uint64(1) << min(bits.Len64(uint64(math.Ceil(n))-1), 62))
	}
	p := math.Pow(10, math.Floor(math.Log10(n)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= n {
			return m * p
		}
	}
	return 10 * p
}

// level is where a value stands between the lowest row, 0, and the highest.
func (s *scale) level(v float64) float64 {
	top := float64(s.rows - 1)
	return min(max((v-s.low)/(s.high-s.low)*top, 0), top)
}

// row is the row of a value, counted from the top.
func (s *scale) row(v float64) int { return s.rows - 1 - int(math.Round(s.level(v))) }
