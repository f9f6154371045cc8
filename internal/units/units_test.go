package units

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

func TestBytes(t *testing.T) {
	for _, c := range []struct {
		n         int64
		iec, si   string
		size      string
		sizeInSI  string
		explained string
	}{
		{0, "0B", "0B", "0B", "0B", "nothing"},
		{1, "1B", "1B", "1B", "1B", ""},
		{999, "999B", "999B", "999B", "999B", ""},
		{1000, "1000B", "1.00kB", "1000B", "1kB", ""},
		{1023, "1023B", "1.02kB", "1023B", "1.02kB", "the widest whole bytes"},
		{1024, "1.00KiB", "1.02kB", "1KiB", "1.02kB", ""},
		{1536, "1.50KiB", "1.54kB", "1.50KiB", "1.54kB", ""},
		{4 * mib, "4.00MiB", "4.19MB", "4MiB", "4.19MB", "a key"},
		{44236800, "42.2MiB", "44.2MB", "42.2MiB", "44.2MB", "a key that is no whole MiB"},
		{412 * mib, "412MiB", "432MB", "412MiB", "432MB", ""},
		{1000 * mib, "1000MiB", "1.05GB", "1000MiB", "1.05GB", "four digits before the next unit"},
		{1023 * mib, "1023MiB", "1.07GB", "1023MiB", "1.07GB", ""},
		{gib - 1, "1.00GiB", "1.07GB", "1.00GiB", "1.07GB", "rounds up into the next unit"},
		{gib, "1.00GiB", "1.07GB", "1GiB", "1.07GB", ""},
		{999_500_000, "953MiB", "1.00GB", "953MiB", "1.00GB", "rounds up in SI"},
		{3603830000, "3.36GiB", "3.60GB", "3.36GiB", "3.60GB", "the peak of PR #25276"},
		{-70 * mib, "-70.0MiB", "-73.4MB", "-70MiB", "-73.4MB", "a difference"},
		{math.MaxInt64, "8.00EiB", "9.22EB", "8.00EiB", "9.22EB", ""},
		{math.MinInt64, "-8.00EiB", "-9.22EB", "-8EiB", "-9.22EB", ""},
	} {
		if got := Bytes(c.n, false); got != c.iec {
			t.Errorf("Bytes(%d) = %q, want %q", c.n, got, c.iec)
		}
		if got := Bytes(c.n, true); got != c.si {
			t.Errorf("Bytes(%d, decimal) = %q, want %q", c.n, got, c.si)
		}
		if got := Size(c.n, false); got != c.size {
			t.Errorf("Size(%d) = %q, want %q", c.n, got, c.size)
		}
		if got := Size(c.n, true); got != c.sizeInSI {
			t.Errorf("Size(%d, decimal) = %q, want %q", c.n, got, c.sizeInSI)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 44: "44", 9999: "9999", 10000: "10.0k", 12345: "12.3k", 999_499: "999k", 999_500: "1.00M",
		1_234_567: "1.23M", -12345: "-12.3k", math.MaxInt64: "9.22E", math.MinInt64: "-9.22E",
	} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0%", 1: "100%", 0.932: "93.2%", 0.9999: "99.9%", 0.00001: "0.1%", 0.051: "5.1%", 1.5: "150%", math.Inf(1): "+Inf%",
	} {
		if got := Percent(share); got != want {
			t.Errorf("Percent(%v) = %q, want %q", share, got, want)
		}
	}
	if got := Percent(math.NaN()); got != "–" {
		t.Errorf("Percent(NaN) = %q", got)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 850: "850ns", 1000: "1.00µs", 850 * time.Microsecond: "850µs",
		999_600 * time.Nanosecond: "1.00ms", 7210 * time.Microsecond: "7.21ms", 298 * time.Millisecond: "298ms",
		999_500 * time.Microsecond: "1.00s", 59_960 * time.Millisecond: "1m00s", 123 * time.Second: "2m03s",
		3599_600 * time.Millisecond: "1h00m", 5*time.Hour + 7*time.Minute + 20*time.Second: "5h07m",
		-7210 * time.Microsecond: "-7.21ms", math.MinInt64: "-2562047h47m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.5: "0.50", 4: "4", 20: "20", 4.25: "4.25", 41.57: "41.6", 812.4: "812", 999.6: "1000", 12345.6: "12.3k",
		-3.5: "-3.50", math.Inf(1): "–", 1e30: "1.00E",
	} {
		if got := Rate(v); got != want {
			t.Errorf("Rate(%v) = %q, want %q", v, got, want)
		}
	}
}

// TestWidths: no figure outgrows the column that is kept for it.
func TestWidths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64).Draw(t, "n")
		for name, s := range map[string]string{"Bytes": Bytes(n, false), "Bytes SI": Bytes(n, true), "Size": Size(n, false), "Size SI": Size(n, true)} {
			if len(s) > BytesWidth {
				t.Errorf("%s(%d) = %q is wider than %d", name, n, s, BytesWidth)
			}
		}
		if s := Count(n); len(s) > 5 {
			t.Errorf("Count(%d) = %q", n, s)
		}
		share := rapid.Float64Range(0, 1).Draw(t, "share")
		if s := Percent(share); len(s) > 5 {
			t.Errorf("Percent(%v) = %q", share, s)
		}
		d := time.Duration(rapid.Int64Range(0, int64(99*time.Hour)).Draw(t, "duration"))
		if s := Duration(d); utf8.RuneCountInString(s) > 6 {
			t.Errorf("Duration(%d) = %q", d, s)
		}
	})
}

// TestBytesReadsBack: what is written is n to three digits.
func TestBytesReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64).Draw(t, "n")
		s := Bytes(n, false)
		digits := strings.TrimRight(s, "KMGTPEiB")
		v, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			t.Fatalf("Bytes(%d) = %q: %v", n, s, err)
		}
		back := v * math.Pow(1024, float64(slices.Index(iec[:], s[len(digits):])))
		if d := math.Abs(back - float64(n)); d > 0.0051*float64(n) {
			t.Errorf("Bytes(%d) = %q reads as %v", n, s, back)
		}
	})
}
