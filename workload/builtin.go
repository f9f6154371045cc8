package workload

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed recordings/*.jsonl.zst
var recordingFiles embed.FS

// Info describes a recording that is built in.
type Info struct {
	Name        string // "model/pattern", which Load takes
	Model       string
	Pattern     string
	Engine      string // what was recorded
	Note        string // the recorder's remark on how
	Description string // what it does, in a line
	SHA256      string // of the uncompressed text; Trace.SHA256
	Bytes       int64  // compressed, as it is built in
	Events      int
	Runs        int
	Sessions    int
}

// descriptions are the recordings that are built in, in the order in which
// lists show them. The facts of each are in builtinFacts, which a test keeps.
var descriptions = [...]struct{ name, text string }{
	{"phi3-mini-4k/grow", "five conversations; the KV cache grows by new buffers every step"},
	{"phi3-mini-4k/static", "the same conversations; the KV cache is the application's, of fixed size"},
	{"dsr1-qwen-1.5b/grow", "DeepSeek-R1 distilled to Qwen 1.5B: five conversations, growing KV cache"},
	{"dsr1-qwen-1.5b/static", "the same conversations, KV cache of fixed size"},
	{"llama-3.2-1b/grow", "five conversations, growing KV cache"},
	{"llama-3.2-1b/static", "the same conversations, KV cache of fixed size"},
	{"llama-3.2-1b/two", "Llama, growing KV cache, and BERT take turns on one device"},
	{"bert/varied", "20 inputs of different batch and length"},
	{"unet/varied", "12 images of different size"},
}

// Builtin lists the recordings that are built in, without reading them.
func Builtin() []Info {
	infos := make([]Info, len(descriptions))
	for i, d := range descriptions {
		infos[i] = builtinFacts[d.name]
		infos[i].Name = d.name
		infos[i].Description = d.text
	}
	return infos
}

// Load returns a workload by its name: a recording of Builtin or an unambiguous
// beginning of its name, in which '-' may stand for '/'; or one that is
// generated, "llm:" and what ParseLLM takes. Each call reads or generates it
// anew, so the Trace is the caller's alone.
func Load(name string) (*Trace, error) {
	if spec, ok := strings.CutPrefix(name, llmPrefix); ok {
		m, err := ParseLLM(spec)
		if err != nil {
			return nil, err
		}
		return m.Trace()
	}
	name, err := complete(name)
	if err != nil {
		return nil, err
	}
	data, err := recordingFiles.ReadFile(recordingPath(name))
	if err != nil {
		return nil, err
	}
	return Read(bytes.NewReader(data), name)
}

func recordingPath(name string) string {
	return "recordings/" + plainName(name) + ".jsonl.zst"
}

// plainName is a name as it is compared, and as it stands in file names.
func plainName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "/", "-") }

// complete finds the one recording that a name means.
func complete(name string) (string, error) {
	want := plainName(name)
	var match []string
	for _, d := range descriptions {
		have := plainName(d.name)
		if have == want {
			return d.name, nil
		}
		if strings.HasPrefix(have, want) {
			match = append(match, d.name)
		}
	}
	const list = "`bucketscope workloads` lists them all"
	switch {
	case len(match) == 1:
		return match[0], nil
	case want == "":
		return "", errors.New("no name of a workload; " + list)
	case len(match) > 1:
		return "", fmt.Errorf("workload %q is ambiguous: %s", name, strings.Join(match, ", "))
	}
	if close := closest(want); len(close) > 0 {
		return "", fmt.Errorf("no workload is named %q; close to it: %s; %s", name, strings.Join(close, ", "), list)
	}
	return "", fmt.Errorf("no workload is named %q; %s", name, list)
}

// closest lists the recordings that someone may have meant, the closest first:
// few edits lead to their name, its beginning or its model, or it contains what
// was asked for.
func closest(want string) []string {
	type candidate struct {
		name  string
		edits int
	}
	var found []candidate
	for _, d := range descriptions {
		have := plainName(d.name)
		model, _, _ := strings.Cut(d.name, "/")
		n := min(edits(want, have), edits(want, model), edits(want, have[:min(len(want), len(have))]))
		if n <= len(want)/2 || strings.Contains(have, want) {
			found = append(found, candidate{d.name, n})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.edits - b.edits })
	names := make([]string, len(found))
	for i, c := range found {
		names[i] = c.name
	}
	return names
}

// edits is the Levenshtein distance of two names, in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0] // the entry up and to the left
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
