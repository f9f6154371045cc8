package workload

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// recordedConversations reads the lengths of the passes off the labels.
func recordedConversations(t *testing.T, trace *Trace) [][]int {
	t.Helper()
	var all [][]int
	for _, run := range trace.Runs {
		var conv, step, n, total int
		if _, err := fmt.Sscanf(run.Label, "conv%d step%d n=%d total=%d", &conv, &step, &n, &total); err != nil {
			t.Fatalf("label %q: %v", run.Label, err)
		}
		if step == 0 {
			all = append(all, nil)
		}
		all[conv] = append(all[conv], n)
	}
	return all
}

// TestLLMIsTheRecording holds the generator to every event of the recordings
// but for the order of the weights, which is that of a hash table.
func TestLLMIsTheRecording(t *testing.T) {
	for _, name := range []string{"llama-3.2-1b", "phi3-mini-4k", "dsr1-qwen-1.5b"} {
		for _, pattern := range []string{"grow", "static"} {
			t.Run(name+"/"+pattern, func(t *testing.T) {
				want := loadBuiltin(t, name+"/"+pattern)
				m, ok := preset(name)
				if !ok {
					t.Fatal("no such preset")
				}
				m.StaticKV = pattern == "static"
				got, err := m.trace(recordedConversations(t, want))
				if err != nil {
					t.Fatal(err)
				}
				if g, w := weights(got), weights(want); !slices.Equal(g, w) {
					t.Errorf("weights: %d and %d", len(g), len(w))
				}
				ready := slices.IndexFunc(want.Events, func(e Event) bool { return e.Op == SessionReady })
				last := len(want.Prologue()) + len(want.Loop())
				compareEvents(t, got, want, ready, last)
				if !slices.Equal(got.Runs, want.Runs) {
					t.Error("runs differ")
				}
			})
		}
	}
}

// weights are the sizes of what init requests, in ascending order.
func weights(t *Trace) []int64 {
	var sizes []int64
	for _, e := range t.Events {
		if e.Op == Request && e.Init {
			sizes = append(sizes, e.Bytes)
		}
	}
	slices.Sort(sizes)
	return sizes
}

// compareEvents reports the first event of a range in which two traces differ.
func compareEvents(t *testing.T, got, want *Trace, from, to int) {
	t.Helper()
	if len(got.Events) != len(want.Events) {
		t.Errorf("%d events, not %d", len(got.Events), len(want.Events))
	}
	for i := from; i < min(to, len(got.Events)); i++ {
		g, w := got.Events[i], want.Events[i]
		g.TimeUS, w.TimeUS = 0, 0
		if g != w {
			t.Fatalf("event %d is %+v, not %+v", i, g, w)
		}
	}
}

// TestLLMTakesTurns holds the runs of the model to those of the recording in
// which another model runs between them.
func TestLLMTakesTurns(t *testing.T) {
	want := loadBuiltin(t, "llama-3.2-1b/two")
	m, _ := preset("llama-3.2-1b")
	var conversations [][]int
	var runs []int32
	for i, run := range want.Runs {
		if run.Session != 0 {
			continue
		}
		runs = append(runs, int32(i))
		if run.Kind == Prompt {
			conversations = append(conversations, nil)
		}
		last := &conversations[len(conversations)-1]
		*last = append(*last, int(run.Tokens))
	}
	got, err := m.trace(conversations)
	if err != nil {
		t.Fatal(err)
	}
	for i, run := range runs {
		if g, w := eventsOf(got, int32(i)), eventsOf(want, run); !slices.Equal(g, w) {
			t.Errorf("run %d: %d and %d events, or others", run, len(g), len(w))
		}
	}
}

// eventsOf are the events from a run's start to its end, less what depends on
// the rest of the trace.
func eventsOf(t *Trace, run int32) []Event {
	var events []Event
	for _, e := range t.Events {
		if e.Run == run {
			e.TimeUS, e.Buf, e.Run = 0, 0, 0
			events = append(events, e)
		}
	}
	return events
}

func TestPresets(t *testing.T) {
	for _, m := range Presets() {
		trace, err := Load(llmPrefix + m.Name)
		if err != nil {
			t.Fatal(err)
		}
		if trace.Name != llmPrefix+m.Name {
			t.Errorf("%s is named %s", m.Name, trace.Name)
		}
	}
}

func TestRandomLLMs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		between := func(name string, min, max int) int { return rapid.IntRange(min, max).Draw(t, name) }
		m := llmDefaults
		m.Layers = between("layers", 1, 5)
		m.KVHeads = between("kv-heads", 1, 4)
		m.Heads = m.KVHeads * between("queries per head", 1, 4)
		m.HeadSize = 32 * between("head-size/32", 1, 4)
		m.Hidden = 32 * between("hidden/32", 1, 9)
		m.Intermediate = 32 * between("intermediate/32", 1, 9)
		m.Vocabulary = between("vocab", 16, 99)
		m.BytesPerElement = rapid.SampledFrom([]int{2, 4}).Draw(t, "bytes")
		m.WeightBits = rapid.SampledFrom([]int{4, 8}).Draw(t, "weight-bits")
		m.BlockSize = rapid.SampledFrom([]int{16, 32}).Draw(t, "block")
		m.QKVBias = rapid.Bool().Draw(t, "qkv-bias")
		m.StaticKV = rapid.Bool().Draw(t, "static")
		m.PromptTokens = between("prompt", 1, 9)
		m.GenerateTokens = between("tokens", 0, 5)
		m.Conversations = between("conversations", 1, 3)
		m.MaxLength = m.PromptTokens + m.GenerateTokens + between("room", 0, 99)

		trace, err := m.Trace()
		if err != nil {
			t.Fatal(err)
		}
		checkTrace(t, trace)
		if trace.Loop() == nil || len(trace.Leaks) > 0 {
			t.Fatalf("no loop, or leaks: %v", trace.Leaks)
		}
		if n := int64(len(trace.Events)); n > m.events() {
			t.Fatalf("%d events, not at most %d", n, m.events())
		}
		if len(trace.Runs) != m.Conversations*(1+m.GenerateTokens) {
			t.Fatalf("%d runs", len(trace.Runs))
		}
		again, err := Load(m.Spec())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, trace) {
			t.Fatalf("%s is another trace", m.Spec())
		}
		var text bytes.Buffer
		if err := Write(&text, trace); err != nil {
			t.Fatal(err)
		}
		read, err := Read(&text, trace.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read, trace) { // the hash too
			t.Fatal("another trace when read back")
		}
	})
}
