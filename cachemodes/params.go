package cachemodes

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bucket is a row of a key:cap table.
type Bucket struct {
	Key int64 `json:"key"` // size of the bucket's buffers, bytes
	Cap int   `json:"cap"` // free buffers kept at most
}

// Table is a list of buckets, keys ascending.
type Table []Bucket

// Uncapped as a cap keeps every buffer.
const Uncapped = math.MaxInt32

// MaxBytes bounds every size: what a float64, and so JavaScript's engine
// handles and JSON, can count exactly.
const MaxBytes = 1<<53 - 1

// DefaultTable is ORT's (buffer_manager.cc, BucketCacheManager), unchanged
// from 1.21 to 1.30.
func DefaultTable() Table {
	return Table{
		{64, 250}, {128, 200}, {256, 200}, {512, 200}, {2048, 230}, {4096, 200},
		{8192, 50}, {16384, 50}, {32768, 50}, {65536, 50}, {131072, 50},
		{262144, 50}, {524288, 50}, {1048576, 50}, {2097152, 30}, {4194304, 20},
		{8388608, 10}, {12582912, 10}, {16777216, 10}, {26214400, 15},
		{33554432, 22}, {44236800, 2}, {58982400, 6}, {67108864, 6},
		{134217728, 6}, {167772160, 6},
	}
}

// ParseTable reads "64:250 128:200 ...", separated by spaces or commas, keys
// in bytes and in any order.
func ParseTable(s string) (Table, error) {
	var t Table
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' }) {
		key, limit, ok := strings.Cut(f, ":")
		if !ok {
			return nil, fmt.Errorf("bucket %q: want key:cap, both whole numbers, as in 4194304:20", f)
		}
		k, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("bucket %q: the key is not a whole number of bytes", f)
		}
		c, err := strconv.Atoi(limit)
		if err != nil {
			return nil, fmt.Errorf("bucket %q: the cap is not a whole number", f)
		}
		t = append(t, Bucket{k, c})
	}
	slices.SortStableFunc(t, func(a, b Bucket) int { return cmp.Compare(a.Key, b.Key) })
	return t, t.validate()
}

func (t Table) validate() error {
	if len(t) == 0 {
		return fmt.Errorf("the table has no buckets")
	}
	last := int64(0)
	for _, b := range t {
		switch {
		case b.Key <= 0 || b.Key > MaxBytes || b.Key%16 != 0:
			return fmt.Errorf("bucket key %d: want a positive multiple of 16 (ORT's rule) below 2^53", b.Key)
		case b.Key == last:
			return fmt.Errorf("bucket key %d stands twice in the table", b.Key)
		case b.Key < last:
			return fmt.Errorf("bucket key %d comes after %d: keys must ascend", b.Key, last)
		case b.Cap < 0 || b.Cap > Uncapped:
			return fmt.Errorf("bucket key %d: cap %d is not between 0 and %d", b.Key, b.Cap, Uncapped)
		}
		last = b.Key
	}
	return nil
}

// String is the table as ParseTable reads it.
func (t Table) String() string {
	var sb strings.Builder
	for i, b := range t {
		if i > 0 {
			sb.WriteByte(' ')
		}
		fmt.Fprintf(&sb, "%d:%d", b.Key, b.Cap)
	}
	return sb.String()
}

// find is the index of the smallest key that holds n bytes, len(t) if none.
func (t Table) find(n int64) int {
	lo, hi := 0, len(t)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t[mid].Key < n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Params are the numbers of a mode. They are data: a Manager takes new ones
// between any two calls. Mode.Reads says which of them a mode looks at.
type Params struct {
	// Table is the key:cap table of the bucket modes.
	Table Table `json:"table,omitempty"`
	// Round is what sizes are rounded up to a multiple of, in bytes, where no
	// table says more; ORT: 16. WebGPU wants a multiple of 4.
	Round int64 `json:"round"`
	// AdjustEvery is after how many runs of a session a learning mode renews
	// its keys; PR #25120: 2.
	AdjustEvery int `json:"adjust_every"`
	// History is how many adjust periods a key outlives its last use; PR
	// #25120: 1.
	History int `json:"history"`
	// RefreshEvery is every how many submits pending buffers are looked at;
	// ORT: 1.
	RefreshEvery int `json:"refresh_every"`
	// CacheLimit is the most free bytes that mlx keeps; 0 is no limit. MLX: 0.95
	// of what Metal recommends to use of the device's memory.
	CacheLimit int64 `json:"cache_limit,omitempty"`
	// FitRatio is how much of a larger buffer a request must fill under
	// ncnnRatio, in 1/256; ncnn: 0, any.
	FitRatio int `json:"fit_ratio,omitempty"`
}

// DefaultParams are ORT's numbers, and PR #25120's for what it added.
func DefaultParams() Params {
	return Params{Table: DefaultTable(), Round: 16, AdjustEvery: 2, History: 1, RefreshEvery: 1}
}

// Validate tells what is wrong with p.
func (p Params) Validate() error {
	if err := p.Table.validate(); err != nil {
		return err
	}
	if p.Round < 4 || p.Round%4 != 0 || p.Round > 1<<30 {
		return fmt.Errorf("rounding %d: want a multiple of 4 from 4 to 2^30 bytes", p.Round)
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"adjust interval", p.AdjustEvery}, {"history", p.History}, {"refresh window", p.RefreshEvery}} {
		if n.value < 1 || n.value > 1<<20 {
			return fmt.Errorf("%s %d: want a whole number from 1 to %d", n.name, n.value, 1<<20)
		}
	}
	if p.CacheLimit < 0 || p.CacheLimit > MaxBytes {
		return fmt.Errorf("cache limit %d: want bytes from 0, which is no limit, to 2^53", p.CacheLimit)
	}
	if p.FitRatio < 0 || p.FitRatio > 256 {
		return fmt.Errorf("fit ratio %d: want 1/256ths from 0 to 256", p.FitRatio)
	}
	return nil
}

// Equal reports whether both say the same.
func (p Params) Equal(q Params) bool {
	return slices.Equal(p.Table, q.Table) && p.Round == q.Round && p.AdjustEvery == q.AdjustEvery &&
		p.History == q.History && p.RefreshEvery == q.RefreshEvery &&
		p.CacheLimit == q.CacheLimit && p.FitRatio == q.FitRatio
}

// roundUp is the smallest multiple of to that is at least n.
func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
