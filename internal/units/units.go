// Package units writes numbers for people: sizes, counts, shares, durations and
// rates, each in few characters and of bounded width, so that columns of live
// figures do not move.
package units

import (
	"math"
	"strconv"
	"time"
)

// BytesWidth is the most characters that Bytes and Size take for a size that
// is not negative, in either system.
const BytesWidth = len("1023MiB")

var (
	iec = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	si  = [...]string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
)

// Bytes is n with three significant digits: "2.31GiB", "412MiB", "0B". With
// decimal it counts in powers of 1000 ("2.48GB"), else of 1024.
func Bytes(n int64, decimal bool) string {
	sign, v := "", float64(n)
	if n < 0 {
		sign, v = "-", -v
	}
	step, names := 1024.0, iec[:]
	if decimal {
		step, names = 1000, si[:]
	}
	unit := 0
	// What would be rounded to a whole step belongs to the next unit.
	for v >= step-0.5 && unit < len(names)-1 {
		v /= step
		unit++
	}
	if unit == 0 {
		return sign + strconv.FormatFloat(v, 'f', 0, 64) + names[0]
	}
	return sign + three(v) + names[unit]
}

// Size is n as a key is written: like Bytes, but "4MiB" where that is exact.
func Size(n int64, decimal bool) string {
	step, names := int64(1024), iec[:]
	if decimal {
		step, names = 1000, si[:]
	}
	unit, whole := 0, n
	for whole != 0 && whole%step == 0 && unit < len(names)-1 {
		whole /= step
		unit++
	}
	if -step < whole && whole < step {
		return strconv.FormatInt(whole, 10) + names[unit]
	}
	return Bytes(n, decimal)
}

// Count is n in at most five characters (six with a sign): "9999", "12.3k".
func Count(n int64) string {
	if -10_000 < n && n < 10_000 {
		return strconv.FormatInt(n, 10)
	}
	sign, v := "", float64(n)
	if n < 0 {
		sign, v = "-", -v
	}
	names := [...]string{"", "k", "M", "G", "T", "P", "E"}
	unit := 0
	for v >= 999.5 && unit < len(names)-1 {
		v /= 1000
		unit++
	}
	return sign + three(v) + names[unit]
}

// Percent is a share of 0 to 1 with one decimal: "93.2%", "100%". Only a whole
// share reads 100%, and only none reads 0%.
func Percent(share float64) string {
	switch {
	case math.IsNaN(share):
		return "–"
	case share <= 0:
		return "0%"
	case share == 1:
		return "100%"
	case share > 1:
		return three(share*100) + "%"
	}
	tenths := math.Round(share * 1000)
	return strconv.FormatFloat(min(max(tenths, 1), 999)/10, 'f', 1, 64) + "%"
}

// Duration is d with three significant digits: "850µs", "7.21ms", "1.23s",
// "2m03s", "5h07m".
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-max(d, -math.MaxInt64))
	}
	v := float64(d)
	switch {
	case d < 1000:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case v < 999.5e3:
		return three(v/1e3) + "µs"
	case v < 999.5e6:
		return three(v/1e6) + "ms"
	case v < 59.95e9:
		return three(v/1e9) + "s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	if s < 3600 {
		return strconv.FormatInt(s/60, 10) + "m" + two(s%60) + "s"
	}
	m := s / 60
	return strconv.FormatInt(m/60, 10) + "h" + two(m%60) + "m"
}

// Rate is a number per second or of another kind that need not be whole:
// "0.5", "4.25", "812", "12.3k".
func Rate(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v < 0:
		return "-" + Rate(-v)
	case v >= 999.5:
		return Count(int64(math.Round(min(v, 1e18))))
	case v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return three(v)
}

// three is v, not negative, with three significant digits.
func three(v float64) string {
	decimals := 0
	switch {
	case v < 9.995:
		decimals = 2
	case v < 99.95:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// two is n, 0 to 99, with two digits.
func two(n int64) string {
	if n < 10 {
		return "0" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}

// Plural is so many of something: "1 run", "2 runs".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Times is how often: "once", "2 times".
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
