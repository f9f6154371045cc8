package tui

import (
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// aMiss is an event that has a bit of everything.
func aMiss() *eventRow {
	return &eventRow{
		seq: 1234, size: 4 * mib, requested: 3 * mib, serial: 77, run: 87, session: 1, what: probe.Happened, kind: cachemodes.Create,
		usage: cachemodes.Storage, why: cachemodes.CapFull, mode: cachemodes.BucketMode,
	}
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "type:miss": true, "TYPE:Miss": true, "type:create": true, "type:hit": false, "!type:hit": true, "type!=miss": false,
		"size=4MiB": true, "size>=4MiB": true, "size>4MiB": false, "size<=4194304": true, "size<4m": false, "size!=4MiB": false,
		"size>=4.1MB": true, "size>=4.2MB": false, "key=4MiB": true, "asked:3MiB": true, "run=87": true, "run:86": false, "session=1": true,
		"usage:storage": true, "!usage:uniform": true, "reason:cap_full": true, "reason:cold": false, "mode:bucket": true, "mode:dynamicbucket": false,
		"buffer=77": true, "event>1000": true, "miss": true, "cap_full": true, "BUCKET": true, "phi": false, "!phi": true,
		"type:miss size>=4MiB run=87 session=1": true, "type:miss size>=4MiB run=88": false, "  type:miss   !run=88 ": true,
	} {
		f, err := eventLanguage.parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := f.holds(aMiss()); got != want {
			t.Errorf("%q lets the miss through: %t", text, got)
		}
	}
	for text, want := range map[string]string{
		"type:mess":        `type:mess: there is no type "mess"; there are miss release`,
		"size>=4MiX":       `size>=4MiX: "4MiX" is no number, as in size>=4MiB`,
		"run=4MiB":         `run=4MiB: "4MiB" is no number, as in run=12`,
		"size>=-1GiB":      `"-1GiB" is no number`,
		"size>=":           `size>=: a value is missing, as in size>=4MiB`,
		"usage:":           `usage:: a value is missing; one of storage uniform`,
		"colour:red":       `colour:red: there is no "colour"; there are type: size= asked=`,
		"!":                `!: a word after the !, as in !usage:uniform`,
		"type:miss !!run":  `!!run: there is no ""`,
		"type>miss":        `type>miss: type is no number: type:miss`,
		"size!3":           `want one of = != < <= > >=`,
		"type:hit reason:": `reason:: a value is missing`,
	} {
		if _, err := eventLanguage.parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	// What has no such number, or nothing to do with a word, does not hold.
	end := &eventRow{what: probe.RunEnded, run: 3, session: 2, ended: &runSums{}, text: "conv0 step3", phase: "decode"}
	for text, want := range map[string]bool{
		"size>=0": false, "!size>=0": true, "usage:storage": false, "mode:disabled": false, "reason:cold": false, "type:run": true,
		"type:end": true, "type:start": false, "decode": true, "STEP3": true, "buffer=0": false,
	} {
		f, err := eventLanguage.parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.holds(end); got != want {
			t.Errorf("%q lets the run's end through: %t", text, got)
		}
	}
}

// TestBufferFilter: the same for buffers, and the presets.
func TestBufferFilter(t *testing.T) {
	b := &probe.Buffer{
		Serial: 9, Size: 4 * mib, Requested: 3 * mib, Session: 2, State: cachemodes.InUse, Usage: cachemodes.Storage,
		Mode: cachemodes.BucketMode, Uses: 1, CreatedRun: 40, UsedRun: 40,
	}
	r := &bufferRow{Buffer: b, idle: 1, fresh: true}
	for text, want := range map[string]bool{
		"state:in_use": true, "state:cached": false, "padding=1MiB": true, "session=2": true, "idle>=1": true, "uses=1": true, "run=40": true,
		"key=4MiB": true, "mode:bucket": true, "in_use": true, "uniform": false,
	} {
		f, err := bufferLanguage.parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.holds(r); got != want {
			t.Errorf("%q lets the buffer through: %t", text, got)
		}
	}
	kept := func(r *bufferRow) (names []string) {
		for _, p := range presets[1:] {
			if p.keeps(r) {
				names = append(names, p.name)
			}
		}
		return names
	}
	old := &bufferRow{Buffer: b, idle: recentRuns}
	cached := *b
	cached.State, cached.Session = cachemodes.Cached, cachemodes.NoSession
	weights := *b
	weights.Usage, weights.Key = cachemodes.Weights, cachemodes.NoKey
	for _, c := range []struct {
		r    *bufferRow
		want string
	}{
		{r, "temporary"}, {old, "leaks"}, {&bufferRow{Buffer: &cached, idle: recentRuns}, "stale"}, {&bufferRow{Buffer: &cached, idle: 1}, ""},
		{&bufferRow{Buffer: &weights, idle: 99, fresh: true}, ""},
	} {
		if got := strings.Join(kept(c.r), " "); got != c.want {
			t.Errorf("%+v is %q, want %q", c.r, got, c.want)
		}
	}
}
