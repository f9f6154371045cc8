package compare

import (
	"fmt"
	"strings"
	"testing"

	"bucketscope/snapshots"
)

// TestMatch: the same run goes with the same run, the latest with the latest.
func TestMatch(t *testing.T) {
	runs := func(text string) (out []snapshots.RunEntry) {
		for _, f := range strings.Fields(text) {
			var r snapshots.RunEntry
			if _, err := fmt.Sscanf(f, "%d.%d", &r.Session, &r.Run); err != nil {
				t.Fatal(err)
			}
			out = append(out, r)
		}
		return out
	}
	for _, c := range []struct{ a, b, want string }{
		{"0.1 0.2 0.3", "0.1 0.2 0.3", "0-0 1-1 2-2"},
		{"0.1 0.2 0.3", "0.2 0.3 0.4", "1-0 2-1"},
		{"0.1 0.2 0.1 0.2", "0.1 0.2", "2-0 3-1"},
		{"0.1 0.2", "0.1 0.2 0.1 0.2 0.1", "0-4 1-3"},
		{"0.1 1.1", "1.1 0.1", "0-1 1-0"},
		{"0.1 0.2 0.1", "0.2 0.1 0.1 0.2", "0-1 2-2 1-3"},
		{"0.1", "0.2", ""},
		{"", "0.2", ""},
	} {
		ai, bi := Match(runs(c.a), runs(c.b))
		var got []string
		for i := range ai {
			got = append(got, fmt.Sprintf("%d-%d", ai[i], bi[i]))
		}
		want := strings.Fields(c.want)
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q and %q: %v, want %v", c.a, c.b, got, want)
		}
	}
}

// TestFromRuns: figures of chosen runs are of these alone, and the buckets stay.
func TestFromRuns(t *testing.T) {
	a, b := doc("a", bucket, 1000, 2000, 500), doc("a", bucket, 1100, 900, 800)
	for _, d := range []*snapshots.RunDocument{a, b} {
		d.Results[0].Runs = d.Results[0].Runs[2:]
	}
	r, err := New(inputs(a, b), Options{FromRuns: true})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Comparisons[0]
	for _, row := range c.Figures {
		if row.Name == "peak_held_bytes" && (*row.Values[0] != 500 || *row.Values[1] != 800) {
			t.Errorf("peaks %v and %v, want those of the runs that are left", *row.Values[0], *row.Values[1])
		}
		if row.Name == "destroy_bytes" {
			t.Error("a figure that runs do not say")
		}
	}
	if len(c.Keys) != 1 || len(c.Runs) != 1 {
		t.Errorf("%d keys and %d runs", len(c.Keys), len(c.Runs))
	}
}
