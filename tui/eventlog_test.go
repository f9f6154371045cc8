package tui

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// matches are the events of a history that a filter lets through, found by
// looking at every one.
func matches(h *probe.History, f *filter[eventRow]) (seqs []int64) {
	var c probe.Cursor
	c.Seek(h, h.First())
	c.Scan(h, h.End(), func(m *probe.Moment, e *probe.Entry) bool {
		var r eventRow
		if r.fill(m, e); f.holds(&r) {
			seqs = append(seqs, e.Seq)
		}
		return true
	})
	return seqs
}

func seqsOf(rows []eventRow) (seqs []int64) {
	for i := range rows {
		seqs = append(seqs, rows[i].seq)
	}
	return seqs
}

// TestEventLog: whatever was looked at in whatever order, the list has the
// events that match, and the counts are theirs.
func TestEventLog(t *testing.T) {
	p := newPlayer()
	play := func(to int64) {
		for id := int64(0); p.jrn.End() < to; id++ {
			p.at += 20_000
			p.run(probe.RunInfo{Session: int32(id % 3), ID: id, Label: "decode", Tokens: 1}, 3_000, (id%29)*kib+1, 5*mib, 9*mib+id%7*mib)
		}
	}
	play(blockEntries + 9_999)
	type question struct {
		text string
		end  int64
	}
	answers := map[question][]int64{}
	rapid.Check(t, func(t *rapid.T) {
		h := p.jrn.History()
		text := rapid.SampledFrom([]string{
			"", "type:miss", "type:hit", "type:release size>=5MiB", "size=3074", "run=77", "!type:hit !type:keep", "type:oom",
			"type:end session=2", "decode", "reason:pending usage:uniform", "event<500", "buffer=3",
		}).Draw(t, "filter")
		parsed, err := eventLanguage.parse(text)
		if err != nil {
			t.Fatal(err)
		}
		asked := question{text, h.End()}
		if _, known := answers[asked]; !known {
			answers[asked] = matches(&h, &parsed)
		}
		want := answers[asked]
		var l eventLog
		l.filterBy(parsed)
		for range rapid.IntRange(0, 12).Draw(t, "looks") {
			l.look(&h, entriesPerTick)
		}
		at := rapid.Int64Range(h.First(), h.End()-1).Draw(t, "at")
		n := rapid.IntRange(1, 300).Draw(t, "n")
		i, _ := slices.BinarySearch(want, at+1)
		if rows, whole := l.before(&h, at, n, 99); !whole || !slices.Equal(seqsOf(rows), want[max(i-n, 0):i]) {
			t.Fatalf("%q: before %d: %d rows, want %d", text, at, len(rows), i-max(i-n, 0))
		}
		if rows, whole := l.after(&h, at, n, 99); !whole || !slices.Equal(seqsOf(rows), want[i:min(i+n, len(want))]) {
			t.Fatalf("%q: after %d: %d rows, want %d", text, at, len(rows), min(i+n, len(want))-i)
		}
		ticks := 0
		for more := true; more; ticks++ {
			_, more = l.look(&h, entriesPerTick)
		}
		if most := int(h.End()/entriesPerTick) + 8; ticks > most {
			t.Fatalf("%q: all is looked at after %d ticks", text, ticks)
		}
		if found, looked := l.found(&h); found != int64(len(want)) || looked != h.End()-h.First() {
			t.Fatalf("%q: %d of %d match, want %d of %d", text, found, looked, len(want), h.End()-h.First())
		}
		if rapid.IntRange(0, 9).Draw(t, "play") == 0 && h.End() < 2*blockEntries+2*keptRows {
			play(h.End() + 5_000)
			h = p.jrn.History()
			for more := true; more; {
				_, more = l.look(&h, entriesPerTick)
			}
			if found, _ := l.found(&h); found != int64(len(matches(&h, &parsed))) {
				t.Fatalf("%q: after more events %d match", text, found)
			}
		}
	})
}

// TestEventWords: no kind of event is a blank line, and what the driver says is
// told.
func TestEventWords(t *testing.T) {
	for w := probe.RunStarted; w <= probe.SessionAbandoned; w++ {
		if r := (eventRow{what: w}); r.typeWord() == "" {
			t.Errorf("what %d has no word", w)
		}
	}
	for k := range cachemodes.NumKinds {
		if r := (eventRow{kind: cachemodes.Kind(k)}); r.typeWord() == "" {
			t.Errorf("%s has no word", cachemodes.Kind(k))
		}
	}
	f := &frame{g: &unicodeGlyphs}
	for _, tt := range []struct {
		read            probe.Reading
		story, sentence string
	}{
		{probe.Reading{Bytes: 3 << 29, OK: true}, "1.50GiB", "0.000000 s, run 4: the driver says 1610612736 bytes."},
		{probe.Reading{}, "no reading", "0.000000 s, run 4: driver: no reading."},
	} {
		var r eventRow
		m := &probe.Moment{Ledger: &probe.Ledger{}}
		r.fill(m, &probe.Entry{What: probe.DriverRead, Driver: tt.read, Session: cachemodes.NoSession})
		r.run = 4
		if story, _ := r.story(f); story != tt.story || r.sentence(f) != tt.sentence {
			t.Errorf("%+v: %q and %q, want %q and %q", tt.read, story, r.sentence(f), tt.story, tt.sentence)
		}
	}
}
