package lab

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// Workloads beside the recordings. The first three sets were played after each
// change; they were drawn one after the other, each for what was the mode then. Of
// many only the counts were looked at, and what exceeded the peak or the average.
// Unseen were drawn when the rule was done, and showed one fault that was mended;
// last were drawn and played after that, fresh when both had been looked at. Names without a parameter are of shapes.
var (
	looked = slices.Concat([]string{
		"llm:llama-3.2-3b,prompt=200,tokens=100,conversations=3",
		"llm:llama-3.2-3b,prompt=200,tokens=100,conversations=3,kv=static",
		"llm:phi3-mini-4k,prompt=1000,tokens=60,conversations=2",
		"llm:phi3-mini-4k,prompt=20,tokens=300",
		"llm:dsr1-qwen-1.5b,prompt=50,tokens=200,conversations=4",
		"llm:dsr1-qwen-1.5b,prompt=700,tokens=20,conversations=8,kv=static",
		"llm:llama-3.1-8b,prompt=300,tokens=50,conversations=2",
		"llm:llama-3.2-1b,prompt=30,tokens=30,conversations=10",
		"llm:phi-4-mini,prompt=400,tokens=80,conversations=2",
		"llm:phi-4-mini,prompt=400,tokens=80,conversations=2,kv=static",
		"llm:qwen2.5-0.5b,prompt=100,tokens=150,conversations=3",
		"llm:qwen2.5-0.5b,prompt=1500,tokens=40,conversations=3",
		"llm:mistral-7b,prompt=600,tokens=60,conversations=2",
		"llm:mistral-7b,prompt=64,tokens=200,kv=static,max-length=4096",
		"llm:tinyllama-1.1b,prompt=256,tokens=128,conversations=4",
		"llm:tinyllama-1.1b,prompt=900,tokens=16,conversations=6,kv=static",
		"llm:llama-3.1-8b,prompt=2000,tokens=30",
		"llm:llama-3.2-3b,prompt=10,tokens=400",
		"llm:tinyllama-1.1b,prompt=40,tokens=200,conversations=3",
		"llm:qwen2.5-0.5b,prompt=30,tokens=60,conversations=6",
		"llm:qwen2.5-0.5b,prompt=512,tokens=32,conversations=6,kv=static",
		"llm:layers=12,heads=12,kv-heads=12,head-size=64,hidden=768,intermediate=3072,vocab=50257,prompt=64,tokens=100,conversations=4",
		"llm:layers=6,heads=8,kv-heads=8,head-size=32,hidden=256,intermediate=1024,vocab=8000,prompt=100,tokens=100,conversations=4",
	}, seeds(0, 12))
	once = slices.Concat([]string{
		"llm:phi-4-mini,prompt=150,tokens=120,conversations=3",
		"llm:phi-4-mini,prompt=1200,tokens=30,conversations=3",
		"llm:mistral-7b,prompt=900,tokens=100,conversations=2",
		"llm:mistral-7b,prompt=300,tokens=40,conversations=4,kv=static,max-length=2048",
		"llm:qwen2.5-0.5b,prompt=300,tokens=100,conversations=4",
		"llm:qwen2.5-0.5b,prompt=250,tokens=60,conversations=5,kv=static",
		"llm:tinyllama-1.1b,prompt=120,tokens=100,conversations=5",
		"llm:tinyllama-1.1b,prompt=500,tokens=50,conversations=4,kv=static",
		"llm:llama-3.2-1b,prompt=700,tokens=80,conversations=3",
		"llm:llama-3.2-3b,prompt=60,tokens=150,conversations=3",
		"llm:llama-3.1-8b,prompt=100,tokens=200",
		"llm:dsr1-qwen-1.5b,prompt=300,tokens=60,conversations=4",
		"llm:layers=16,heads=16,kv-heads=4,head-size=64,hidden=1024,intermediate=4096,vocab=50000,prompt=128,tokens=80,conversations=3",
		"llm:layers=40,heads=40,kv-heads=8,head-size=128,hidden=5120,intermediate=13824,vocab=100352,prompt=256,tokens=40,conversations=2",
	}, seeds(100, 8))
	afterwards = slices.Concat([]string{
		"llm:phi-4-mini,prompt=50,tokens=250,conversations=2",
		"llm:phi-4-mini,prompt=800,tokens=60,conversations=3,kv=static",
		"llm:mistral-7b,prompt=200,tokens=150,conversations=3",
		"llm:mistral-7b,prompt=1500,tokens=50,kv=static,max-length=4096",
		"llm:qwen2.5-0.5b,prompt=60,tokens=200,conversations=4",
		"llm:qwen2.5-0.5b,prompt=800,tokens=40,conversations=5,kv=static",
		"llm:tinyllama-1.1b,prompt=80,tokens=150,conversations=4",
		"llm:tinyllama-1.1b,prompt=300,tokens=60,conversations=6,kv=static",
		"llm:llama-3.2-1b,prompt=400,tokens=100,conversations=3",
		"llm:llama-3.2-1b,prompt=150,tokens=60,conversations=6,kv=static",
		"llm:llama-3.2-3b,prompt=500,tokens=80,conversations=2",
		"llm:llama-3.1-8b,prompt=700,tokens=60,conversations=2",
		"llm:dsr1-qwen-1.5b,prompt=120,tokens=100,conversations=4",
		"llm:layers=24,heads=16,kv-heads=16,head-size=64,hidden=1024,intermediate=4096,vocab=51200,prompt=100,tokens=100,conversations=3",
		"llm:layers=18,heads=8,kv-heads=1,head-size=256,hidden=2048,intermediate=16384,vocab=256000,prompt=100,tokens=60,conversations=3",
	}, seeds(200, 10))
	many   = seeds(1000, 100)
	unseen = slices.Concat([]string{
		"llm:phi3-mini-4k,prompt=300,tokens=120,conversations=3",
		"llm:phi-4-mini,prompt=600,tokens=40,conversations=4",
		"llm:mistral-7b,prompt=128,tokens=100,conversations=4",
		"llm:mistral-7b,prompt=700,tokens=30,conversations=3,kv=static,max-length=2048",
		"llm:qwen2.5-0.5b,prompt=800,tokens=60,conversations=3",
		"llm:qwen2.5-0.5b,prompt=200,tokens=80,conversations=5",
		"llm:tinyllama-1.1b,prompt=400,tokens=80,conversations=3",
		"llm:tinyllama-1.1b,prompt=180,tokens=100,conversations=4,kv=static",
		"llm:llama-3.2-1b,prompt=1000,tokens=50,conversations=3",
		"llm:llama-3.2-1b,prompt=250,tokens=120,conversations=4",
		"llm:llama-3.2-3b,prompt=350,tokens=60,conversations=4",
		"llm:llama-3.1-8b,prompt=50,tokens=300",
		"llm:dsr1-qwen-1.5b,prompt=900,tokens=50,conversations=3",
		"llm:layers=20,heads=16,kv-heads=8,head-size=64,hidden=1024,intermediate=3072,vocab=32000,prompt=200,tokens=80,conversations=3",
		"llm:layers=30,heads=9,kv-heads=3,head-size=64,hidden=576,intermediate=1536,vocab=49152,prompt=150,tokens=60,conversations=4",
	}, seeds(300, 10))
	last = slices.Concat([]string{
		"llm:phi3-mini-4k,prompt=500,tokens=50,conversations=3",
		"llm:phi-4-mini,prompt=250,tokens=90,conversations=3",
		"llm:mistral-7b,prompt=400,tokens=80,conversations=3",
		"llm:qwen2.5-0.5b,prompt=400,tokens=100,conversations=4",
		"llm:qwen2.5-0.5b,prompt=150,tokens=120,conversations=3",
		"llm:tinyllama-1.1b,prompt=600,tokens=60,conversations=4",
		"llm:llama-3.2-1b,prompt=500,tokens=60,conversations=4",
		"llm:llama-3.2-3b,prompt=800,tokens=40,conversations=3",
		"llm:llama-3.1-8b,prompt=200,tokens=100,conversations=2",
		"llm:layers=14,heads=14,kv-heads=2,head-size=64,hidden=896,intermediate=4864,vocab=65000,prompt=300,tokens=70,conversations=4",
	}, seeds(400, 10))
	fresh = slices.Concat([]string{
		"llm:phi3-mini-4k,prompt=150,tokens=80,conversations=4",
		"llm:phi3-mini-4k,prompt=700,tokens=30,conversations=4,kv=static",
		"llm:phi-4-mini,prompt=90,tokens=60,conversations=5",
		"llm:mistral-7b,prompt=256,tokens=64,conversations=3",
		"llm:qwen2.5-0.5b,prompt=600,tokens=80,conversations=3",
		"llm:qwen2.5-0.5b,prompt=350,tokens=50,conversations=6,kv=static",
		"llm:tinyllama-1.1b,prompt=700,tokens=90,conversations=3",
		"llm:tinyllama-1.1b,prompt=220,tokens=60,conversations=5",
		"llm:llama-3.2-1b,prompt=600,tokens=100,conversations=3",
		"llm:llama-3.2-1b,prompt=120,tokens=90,conversations=4",
		"llm:llama-3.2-3b,prompt=450,tokens=70,conversations=3",
		"llm:llama-3.1-8b,prompt=400,tokens=90,conversations=3",
		"llm:dsr1-qwen-1.5b,prompt=500,tokens=70,conversations=4",
		"llm:layers=10,heads=12,kv-heads=4,head-size=64,hidden=768,intermediate=2048,vocab=32000,prompt=180,tokens=90,conversations=4",
		"llm:layers=22,heads=20,kv-heads=4,head-size=64,hidden=1280,intermediate=5120,vocab=60000,prompt=350,tokens=60,conversations=3",
	}, seeds(500, 10))
)

// seeds names shapes of every kind.
func seeds(from, count int) (names []string) {
	for _, kind := range []string{"unet", "encoder", "dag"} {
		for i := range count {
			names = append(names, fmt.Sprintf("%s:%d", kind, from+i))
		}
	}
	return names
}

// generate is a workload by its name.
func generate(t testing.TB, name string) *workload.Trace {
	t.Helper()
	kind, seed, ok := strings.Cut(name, ":")
	if n, err := strconv.ParseUint(seed, 10, 64); ok && err == nil {
		return shapes(kind, n)
	}
	return load(t, name)
}

// TestDominance prints the mode beside bucket on all of them, for
// docs/watermark.md:
//
//	go test ./internal/lab -run TestDominance -v -variants
//
// Without the flag it sees on some that the mode keeps the peak and the average.
func TestDominance(t *testing.T) {
	if !*variants {
		for _, name := range []string{looked[10], looked[20], "unet:7", "unet:9", "encoder:5", "encoder:208", "dag:8", "dag:9", "dag:1019", "dag:1071"} {
			tr := generate(t, name)
			s := NewStream(tr, cachemodes.DefaultConfig())
			got, bucket := modeFigures(t, tr, cachemodes.Watermark), NewReplayer(s).Replay(cachemodes.DefaultTable())
			if got.Peak > s.Floor/100*103 || got.Average > bucket.Average {
				t.Errorf("%s: peak %s, floor %s; average %s, bucket's %s", name, mib(got.Peak), mib(s.Floor), mib(got.Average), mib(bucket.Average))
			}
		}
		return
	}
	var recordings []string
	for _, w := range workload.Builtin() {
		recordings = append(recordings, w.Name)
	}
	for _, set := range []struct {
		what  string
		names []string
	}{{"recordings", recordings}, {"looked at", looked}, {"once", once}, {"afterwards", afterwards}, {"many", many}, {"unseen", unseen}, {"last", last}, {"fresh", fresh}} {
		var peak, average, creates, impossible int
		kinds := map[string]*dominated{}
		for _, name := range set.names {
			tr := generate(t, name)
			s := NewStream(tr, cachemodes.DefaultConfig())
			got, bucket := modeFigures(t, tr, cachemodes.Watermark), NewReplayer(s).Replay(cachemodes.DefaultTable())
			met := [...]bool{got.Peak <= s.Floor/100*103, got.Average <= bucket.Average, got.Creates <= bucket.Creates}
			kind, _, shape := strings.Cut(name, ":")
			if !shape {
				kind = "recording"
			}
			k := kinds[kind]
			if k == nil {
				k = &dominated{}
				kinds[kind] = k
			}
			k.of, k.bucket, k.creates = k.of+1, k.bucket+bucket.Creates, k.creates+got.Creates
			text := ""
			for i, n := range []*int{&peak, &average, &creates} {
				text += map[bool]string{true: "y", false: "-"}[met[i]]
				if met[i] {
					*n++
					k.met[i]++
				}
			}
			if set.what == "many" {
				if !met[0] || !met[1] {
					t.Logf("%s: peak %.3f, average %.3f", name, float64(got.Peak)/float64(s.Floor), float64(got.Average)/float64(bucket.Average))
				}
				continue // bounds take long
			}
			any, byRun, soFar := s.MinCreates(s.Floor/100*103), s.MinCreatesByRun(1030), s.MinCreatesSoFar(1030)
			if soFar > bucket.Creates {
				text += ", (c) impossible"
				impossible++
			}
			t.Logf("| %s | %s | %.3f / %d | %.3f / %.3f / %d | %s | %d | %d | %d |", strings.TrimPrefix(name, llmPrefix), mib(s.Floor),
				float64(bucket.Peak)/float64(s.Floor), bucket.Creates,
				float64(got.Peak)/float64(s.Floor), float64(got.Average)/float64(bucket.Average), got.Creates, text, any, byRun, soFar)
		}
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			k := kinds[kind]
			t.Logf("| %s | %s | %d | %d | %d %d %d / %d |", kind, set.what, k.of, k.bucket, k.met[0], k.met[1], k.met[2], k.creates)
		}
		t.Logf("%s: of %d (a) %d, (b) %d, (c) %d; (c) is impossible on %d", set.what, len(set.names), peak, average, creates, impossible)
	}
}

// dominated is what the mode reaches on workloads of a kind: on how many (a), (b) and
// (c), and what it and bucket create on all of them.
type dominated struct {
	of              int
	met             [3]int
	bucket, creates int64
}

const llmPrefix = "llm:"

// BenchmarkCost is what an event of each recording costs under bucket and under
// the mode, the whole way through on the host device: learning included.
func BenchmarkCost(b *testing.B) {
	for _, w := range workload.Builtin() {
		tr := load(b, w.Name)
		for _, mode := range []cachemodes.ModeID{cachemodes.BucketMode, cachemodes.Watermark} {
			b.Run(fmt.Sprintf("%s/%s", strings.ReplaceAll(w.Name, "/", "-"), mode), func(b *testing.B) {
				for b.Loop() {
					modeFigures(b, tr, mode)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tr.Events)), "ns/event")
			})
		}
	}
}
