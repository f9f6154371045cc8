package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// LLM is the configuration of a language model, and what it is to compute: a
// workload for sizes, lengths and models that no recording covers.
//
// The buffers are those that ONNX Runtime 1.30's WebGPU provider asks for when
// it runs such a model with 4-bit weights, fused attention and a fused MLP; see
// graph.go. With the configurations, prompts and lengths of the six recordings
// of language models, the generated events are the recorded ones: every
// request and release of every prompt pass and decode step, storage, uniform
// and staging, and every submit, in the same order. The weights are the same
// too, but the engine loads and releases them in the order of a hash table, and
// a generated trace layer by layer. Times are not modelled: TimeUS counts the
// events.
//
// What no recording shows is derived and unverified: prompt passes of 2 or 3
// tokens, an inner dimension that is no multiple of 128, elements that are not
// 2 bytes, weights that are not 4 bits in blocks of 32.
type LLM struct {
	Name string // of the model

	Layers       int
	Heads        int // of queries
	KVHeads      int // of keys and values; divides Heads
	HeadSize     int
	Hidden       int // width of the residual stream
	Intermediate int // width of the MLP
	Vocabulary   int

	BytesPerElement int  // of activations, KV cache and embeddings: 2 or 4
	WeightBits      int  // of matrices: 4 or 8
	BlockSize       int  // weights that share a scale
	Positions       int  // rows of the rotary tables: no conversation is longer
	QKVBias         bool // a bias is added to the projection, as Qwen does

	PromptTokens   int // of each conversation
	GenerateTokens int // decode steps after each prompt, a run each
	Conversations  int // one after the other

	// StaticKV says that the KV cache is made once, by the application, with
	// room for MaxLength tokens. Else each step makes a longer one and gives
	// back the one before.
	StaticKV  bool
	MaxLength int
}

// llmPrefix begins the names of generated language models in Load.
const llmPrefix = "llm:"

// maxGenerated bounds the events of a generated trace: 640 MB of them.
const maxGenerated = 16e6

// llmDefaults is what a specification that names no preset starts from.
var llmDefaults = LLM{
	Name:            "custom",
	BytesPerElement: 2, WeightBits: 4, BlockSize: 32, Positions: 8192,
	PromptTokens: 128, GenerateTokens: 64, Conversations: 1, MaxLength: 2048,
}

// Presets are the models that specifications can name. The first three are
// those of the recordings. The others have their published sizes, and rotary
// tables as long as the recorded models have them.
func Presets() []LLM {
	presets := []LLM{
		{Name: "phi3-mini-4k", Layers: 32, Heads: 32, KVHeads: 32, HeadSize: 96,
			Hidden: 3072, Intermediate: 8192, Vocabulary: 32064, Positions: 4096},
		{Name: "dsr1-qwen-1.5b", Layers: 28, Heads: 12, KVHeads: 2, HeadSize: 128,
			Hidden: 1536, Intermediate: 8960, Vocabulary: 151936, QKVBias: true},
		{Name: "llama-3.2-1b", Layers: 16, Heads: 32, KVHeads: 8, HeadSize: 64,
			Hidden: 2048, Intermediate: 8192, Vocabulary: 128256},
		{Name: "llama-3.2-3b", Layers: 28, Heads: 24, KVHeads: 8, HeadSize: 128,
			Hidden: 3072, Intermediate: 8192, Vocabulary: 128256},
		{Name: "llama-3.1-8b", Layers: 32, Heads: 32, KVHeads: 8, HeadSize: 128,
			Hidden: 4096, Intermediate: 14336, Vocabulary: 128256},
		{Name: "phi-4-mini", Layers: 32, Heads: 24, KVHeads: 8, HeadSize: 128,
			Hidden: 3072, Intermediate: 8192, Vocabulary: 200064},
		{Name: "qwen2.5-0.5b", Layers: 24, Heads: 14, KVHeads: 2, HeadSize: 64,
			Hidden: 896, Intermediate: 4864, Vocabulary: 151936, QKVBias: true},
		{Name: "mistral-7b", Layers: 32, Heads: 32, KVHeads: 8, HeadSize: 128,
			Hidden: 4096, Intermediate: 14336, Vocabulary: 32000},
		{Name: "tinyllama-1.1b", Layers: 22, Heads: 32, KVHeads: 4, HeadSize: 64,
			Hidden: 2048, Intermediate: 5632, Vocabulary: 32000, Positions: 2048},
	}
	for i := range presets {
		m := &presets[i]
		for _, p := range llmParameters {
			if v := p.of(m); *v == 0 {
				*v = *p.of(&llmDefaults)
			}
		}
	}
	return presets
}

// preset finds a preset by its name.
func preset(name string) (LLM, bool) {
	presets := Presets()
	i := slices.IndexFunc(presets, func(m LLM) bool { return m.Name == name })
	if i < 0 {
		return LLM{}, false
	}
	return presets[i], true
}

// llmParameter is a number of an LLM as specifications set it.
type llmParameter struct {
	key      string
	min, max int
	of       func(*LLM) *int
}

// llmParameters are in the order of LLM. The bounds keep every size far below
// 2^53.
var llmParameters = [...]llmParameter{
	{"layers", 1, 1024, func(m *LLM) *int { return &m.Layers }},
	{"heads", 1, 1024, func(m *LLM) *int { return &m.Heads }},
	{"kv-heads", 1, 1024, func(m *LLM) *int { return &m.KVHeads }},
	{"head-size", 2, 1024, func(m *LLM) *int { return &m.HeadSize }},
	{"hidden", 16, 1 << 17, func(m *LLM) *int { return &m.Hidden }},
	{"intermediate", 16, 1 << 19, func(m *LLM) *int { return &m.Intermediate }},
	{"vocab", 16, 1 << 22, func(m *LLM) *int { return &m.Vocabulary }},
	{"bytes", 2, 4, func(m *LLM) *int { return &m.BytesPerElement }},
	{"weight-bits", 4, 8, func(m *LLM) *int { return &m.WeightBits }},
	{"block", 16, 256, func(m *LLM) *int { return &m.BlockSize }},
	{"positions", 1, 1 << 20, func(m *LLM) *int { return &m.Positions }},
	{"prompt", 1, 1 << 20, func(m *LLM) *int { return &m.PromptTokens }},
	{"tokens", 0, 1 << 20, func(m *LLM) *int { return &m.GenerateTokens }},
	{"conversations", 1, 1 << 20, func(m *LLM) *int { return &m.Conversations }},
	{"max-length", 1, 1 << 20, func(m *LLM) *int { return &m.MaxLength }},
}

// Parameter describes a key of a specification.
type Parameter struct {
	Key      string
	Min, Max int
	Default  int // of a specification that names no preset; 0 if it must be given
}

// Parameters lists the keys of specifications that take a whole number, in
// the order of LLM.
func Parameters() []Parameter {
	list := make([]Parameter, len(llmParameters))
	for i, p := range llmParameters {
		list[i] = Parameter{p.key, p.min, p.max, *p.of(&llmDefaults)}
	}
	return list
}

// ParseLLM reads a specification: the name of a preset, if any, then
// key=value, all separated by commas, as in
// "llama-3.2-1b,prompt=512,tokens=64,kv=static". The keys are layers, heads,
// kv-heads, head-size, hidden, intermediate, vocab, bytes, weight-bits, block,
// positions, prompt, tokens, conversations and max-length, with a whole number
// each, and kv=grow|static and qkv-bias=true|false.
func ParseLLM(spec string) (LLM, error) {
	m := llmDefaults
	words := strings.Split(spec, ",")
	if !strings.Contains(words[0], "=") {
		var ok bool
		if m, ok = preset(words[0]); !ok {
			return LLM{}, fmt.Errorf("llm: no preset is named %q; there are %s", words[0], presetNames())
		}
		words = words[1:]
	}
	given := make(map[string]bool)
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return LLM{}, fmt.Errorf("llm: %q is not key=value", word)
		}
		if given[key] {
			return LLM{}, fmt.Errorf("llm: %s is given twice", key)
		}
		given[key] = true
		if err := m.set(key, value); err != nil {
			return LLM{}, err
		}
	}
	return m, m.Validate()
}

func presetNames() string {
	presets := Presets()
	names := make([]string, len(presets))
	for i, m := range presets {
		names[i] = m.Name
	}
	return strings.Join(names, ", ")
}

func (m *LLM) set(key, value string) error {
	switch key {
	case "kv":
		if value != "grow" && value != "static" {
			return fmt.Errorf("llm: kv is %q, not grow or static", value)
		}
		m.StaticKV = value == "static"
		return nil
	case "qkv-bias":
		if value != "true" && value != "false" {
			return fmt.Errorf("llm: qkv-bias is %q, not true or false", value)
		}
		m.QKVBias = value == "true"
		return nil
	}
	for _, p := range llmParameters {
		if p.key == key {
			v, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("llm: %s is %q, not a whole number in %d..%d", key, value, p.min, p.max)
			}
			*p.of(m) = v
			return nil
		}
	}
	keys := make([]string, 0, len(llmParameters)+2)
	for _, p := range llmParameters {
		keys = append(keys, p.key)
	}
	keys = append(keys, "kv", "qkv-bias")
	return fmt.Errorf("llm: unknown key %q; there are %s", key, strings.Join(keys, ", "))
}

// Spec is the specification that Load turns into this workload, "llm:"
// included: the preset of that name, if there is one, and what differs from it.
func (m LLM) Spec() string {
	base, known := preset(m.Name)
	var words []string
	if known {
		words = append(words, m.Name)
	} else {
		base = llmDefaults
	}
	for _, p := range llmParameters {
		if v := *p.of(&m); v != *p.of(&base) {
			words = append(words, p.key+"="+strconv.Itoa(v))
		}
	}
	if m.StaticKV {
		words = append(words, "kv=static")
	}
	if m.QKVBias != base.QKVBias {
		words = append(words, "qkv-bias="+strconv.FormatBool(m.QKVBias))
	}
	return llmPrefix + strings.Join(words, ",")
}

// Validate says which field is out of range, if one is.
func (m LLM) Validate() error {
	for _, p := range llmParameters {
		if v := *p.of(&m); v < p.min || v > p.max {
			return fmt.Errorf("llm: %s is %d, not in %d..%d", p.key, v, p.min, p.max)
		}
	}
	longest := m.PromptTokens + m.GenerateTokens
	attention := m.Heads * m.HeadSize
	switch {
	case m.BytesPerElement == 3:
		return fmt.Errorf("llm: bytes is 3, not 2 or 4")
	case m.WeightBits != 4 && m.WeightBits != 8:
		return fmt.Errorf("llm: weight-bits is %d, not 4 or 8", m.WeightBits)
	case m.BlockSize&(m.BlockSize-1) != 0:
		return fmt.Errorf("llm: block is %d, not a power of two in 16..256", m.BlockSize)
	case m.HeadSize%2 != 0:
		return fmt.Errorf("llm: head-size is %d, not even", m.HeadSize)
	case m.Heads%m.KVHeads != 0:
		return fmt.Errorf("llm: kv-heads is %d, which does not divide heads, %d", m.KVHeads, m.Heads)
	case m.Hidden%m.BlockSize != 0:
		return fmt.Errorf("llm: hidden is %d, not a multiple of block, %d", m.Hidden, m.BlockSize)
	case m.Intermediate%m.BlockSize != 0:
		return fmt.Errorf("llm: intermediate is %d, not a multiple of block, %d", m.Intermediate, m.BlockSize)
	case attention%m.BlockSize != 0:
		return fmt.Errorf("llm: heads x head-size is %d, not a multiple of block, %d", attention, m.BlockSize)
	case longest > m.Positions:
		return fmt.Errorf("llm: prompt + tokens is %d, not in 1..%d, the positions of the model", longest, m.Positions)
	case m.StaticKV && longest > m.MaxLength:
		return fmt.Errorf("llm: prompt + tokens is %d, not in 1..%d, the max-length of the static KV cache",
			longest, m.MaxLength)
	}
	if n := m.events(); n > maxGenerated {
		return fmt.Errorf("llm: layers, tokens and conversations make some %d million events; %d million are allowed",
			n/1e6, int64(maxGenerated/1e6))
	}
	return nil
}

// events is an upper bound of how many events the trace has.
func (m LLM) events() int64 {
	const perLayer, perRun = 80, 32 // see graph.go; 72 and 20 at most
	runs := int64(m.Conversations) * int64(1+m.GenerateTokens)
	return (runs + 1) * (int64(m.Layers)*perLayer + perRun)
}

// Trace generates the workload. Its errors are those of Validate. The same
// configuration always gives the same events and the same SHA256.
func (m LLM) Trace() (*Trace, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	conversation := make([]int, 1+m.GenerateTokens)
	for i := range conversation {
		conversation[i] = 1
	}
	conversation[0] = m.PromptTokens
	return m.trace(slices.Repeat([][]int{conversation}, m.Conversations))
}
