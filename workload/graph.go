package workload

import (
	"fmt"
	"slices"

	"bucketscope/cachemodes"
)

// How ONNX Runtime's WebGPU provider runs a language model, as far as its
// buffers show it. The model is a fixed list of nodes:
//
//	embed norm { qkv [bias] attention output mlp down skipnorm } x layers  head
//
// Before anything runs, a planner gives every tensor between two nodes a
// buffer: one that is free again if there is one of that shape, else a new one.
// The engine asks for a new one when its node runs and gives it back after the
// last node that uses it. Of tensors as wide as the residual stream four
// buffers go around, whatever the number of layers; which of them goes back
// when depends on that number.
//
// Each node also asks for what its kernels need while they run, and for a
// uniform buffer per dispatch, given back at once. One token and several take
// different kernels:
//
//	             one token                several tokens
//	matrix       1 dispatch               quantise the input to 8 bits, multiply
//	attention    split over 64 positions  flash attention
//	mlp          1 fused dispatch         norm, gate, up, multiply one by one
//
// After 16 dispatches, an upload or a download the commands are submitted.

// maxPending is the number of dispatches after which the engine submits.
const maxPending = 16

// nodeKind says what a node of the model does.
type nodeKind uint8

const (
	nodeEmbed nodeKind = iota
	nodeNorm
	nodeQKV
	nodeBias
	nodeAttention
	nodeOutput
	nodeMLP
	nodeDown
	nodeSkipNorm
	nodeHead
)

// tensor is the value between two nodes: an index into planner.width.
type tensor int

// node is one step of the model.
type node struct {
	kind    nodeKind
	inputs  []tensor
	outputs []tensor
	makes   []planned // to ask for when the node runs
	frees   []planned // to give back after it
}

// planned is a buffer that holds the tensors of several nodes, one after
// another: width elements for each token of the run.
type planned struct{ id, width int }

// Values of planned.id.
const (
	lengthBuffer = iota // the length of the conversation, for attention
	firstPlanned        // the first that the planner makes
)

// planner builds the nodes.
type planner struct {
	nodes []node
	width []int // of each tensor, elements per token
}

func (p *planner) tensor(width int) tensor {
	p.width = append(p.width, width)
	return tensor(len(p.width) - 1)
}

func (p *planner) node(kind nodeKind, inputs []tensor, outputs ...tensor) {
	p.nodes = append(p.nodes, node{kind: kind, inputs: inputs, outputs: outputs})
}

// plan lists the nodes of the model with their buffers.
func (m LLM) plan() []node {
	var p planner
	length := p.tensor(0) // an input, whose size depends on nothing; see assign
	x := p.tensor(m.Hidden)
	h := p.tensor(m.Hidden)
	p.node(nodeEmbed, nil, x)
	p.node(nodeNorm, []tensor{x}, h)
	for i := range m.Layers {
		q := p.tensor(m.qkvWidth())
		p.node(nodeQKV, []tensor{h}, q)
		if m.QKVBias {
			sum := p.tensor(m.qkvWidth())
			p.node(nodeBias, []tensor{q}, sum)
			q = sum
		}
		a := p.tensor(m.attentionWidth())
		p.node(nodeAttention, []tensor{q, length}, a)
		o := p.tensor(m.Hidden)
		p.node(nodeOutput, []tensor{a}, o)
		act, sum := p.tensor(m.Intermediate), p.tensor(m.Hidden)
		p.node(nodeMLP, []tensor{x, o}, act, sum)
		d := p.tensor(m.Hidden)
		p.node(nodeDown, []tensor{act}, d)
		h = p.tensor(m.Hidden)
		if i == m.Layers-1 {
			p.node(nodeSkipNorm, []tensor{sum, d}, h)
			break
		}
		x = p.tensor(m.Hidden)
		p.node(nodeSkipNorm, []tensor{sum, d}, h, x)
	}
	p.node(nodeHead, []tensor{h})
	p.assign()
	return p.nodes
}

// assign gives the tensors their buffers, as ONNX Runtime's AllocationPlanner
// does: the free buffer of the same shape that was freed last, else a new one.
func (p *planner) assign() {
	lastUse := make([]int, len(p.width)) // of each tensor: a node
	for i, n := range p.nodes {
		for _, t := range n.inputs {
			lastUse[t] = i
		}
	}
	buffer := make([]planned, len(p.width)) // of each tensor
	buffer[0] = planned{id: lengthBuffer}   // of width 0, so that nothing reuses it
	next := firstPlanned
	var free []planned
	for i := range p.nodes {
		n := &p.nodes[i]
		for _, t := range n.outputs {
			reuse := -1
			for j, f := range slices.Backward(free) {
				if f.width == p.width[t] {
					reuse = j
					break
				}
			}
			if reuse >= 0 {
				buffer[t] = free[reuse]
				free = slices.Delete(free, reuse, reuse+1)
				continue
			}
			buffer[t] = planned{id: next, width: p.width[t]}
			n.makes = append(n.makes, buffer[t])
			next++
		}
		for _, t := range n.inputs {
			if lastUse[t] == i {
				free = append(free, buffer[t])
			}
		}
	}

	// A buffer goes back with its last tensor.
	done := make(map[int]bool)
	for i := range slices.Backward(p.nodes) {
		n := &p.nodes[i]
		for _, t := range n.inputs {
			if b := buffer[t]; lastUse[t] == i && !done[b.id] {
				n.frees = append(n.frees, b)
				done[b.id] = true
			}
		}
	}
}

func (m LLM) qkvWidth() int       { return (m.Heads + 2*m.KVHeads) * m.HeadSize }
func (m LLM) attentionWidth() int { return m.Heads * m.HeadSize }
func (m LLM) kvWidth() int        { return m.KVHeads * m.HeadSize }

// generator writes the events of a model to a builder.
type generator struct {
	m     LLM
	b     *builder
	nodes []node
	err   error // the first of the builder

	run     int64 // the run that is open, or NoRun
	runs    int64
	init    bool
	nextBuf int64
	pending int64          // dispatches that are not submitted
	made    map[int]buffer // planned buffers that are out
	kv      []buffer       // the cache that the current run has made
	oldKV   []buffer       // the one of the step before
	ids     buffer         // the newest input, 0 where there is none
}

// buffer names one that is out: a buf of the trace, from 1.
type buffer int64

// trace generates the given conversations: for each, how many tokens each of
// its runs computes.
func (m LLM) trace(conversations [][]int) (*Trace, error) {
	pattern, kv := "grow", "a KV cache that grows"
	if m.StaticKV {
		pattern, kv = "static", fmt.Sprintf("a KV cache of %d tokens", m.MaxLength)
	}
	g := &generator{
		m: m,
		b: newBuilder(Header{
			Format:  FormatName,
			Version: FormatVersion,
			Engine:  "generated as ONNX Runtime 1.30 WebGPU EP",
			Model:   m.Name,
			Pattern: pattern,
			Note:    "generated from " + m.Spec() + ", with " + kv + "; t_us counts events",
		}, defaultLimits),
		nodes: m.plan(),
		run:   NoRun,
		made:  make(map[int]buffer),
	}
	g.all(conversations)
	if g.err != nil {
		return nil, fmt.Errorf("generating %s: %w", m.Spec(), g.err)
	}
	t, err := g.b.finish()
	if err != nil {
		return nil, fmt.Errorf("generating %s: %w", m.Spec(), err)
	}
	t.Name = m.Spec()
	t.SHA256, err = textHash(t)
	return t, err
}

func (g *generator) all(conversations [][]int) {
	g.add(line{op: SessionCreate, fields: fieldModel, model: g.m.Name})
	g.init = true
	weights := g.weights()
	g.add(line{op: SessionReady})
	g.init = false

	var user []buffer
	if g.m.StaticKV {
		for range 2 * g.m.Layers {
			user = append(user, g.request(cachemodes.User, g.elements(g.m.kvWidth(), g.m.MaxLength)))
		}
	}
	for c, passes := range conversations {
		total := 0
		for step, n := range passes {
			g.pass(fmt.Sprintf("conv%d step%d n=%d total=%d", c, step, n, total+n), n, total)
			total += n
		}
		g.releaseAll(g.oldKV)
		g.oldKV = nil
	}
	g.release(g.ids)
	g.releaseAll(user)
	slices.Reverse(weights)
	g.releaseAll(weights)
	g.add(line{op: SessionRelease})
}

// add adds an event. Its fields count as given.
func (g *generator) add(l line) {
	if g.err != nil {
		return
	}
	l.timeUS = int64(len(g.b.t.Events))
	l.fields |= fieldOp | fieldTime | requiredFields[l.op]
	g.err = g.b.add(&l)
}

func (g *generator) request(u cachemodes.Usage, bytes int64) buffer {
	g.nextBuf++
	l := line{op: Request, buf: g.nextBuf, bytes: bytes, usage: u, init: g.init}
	if g.run != NoRun {
		l.run, l.fields = g.run, fieldRun
	}
	g.add(l)
	return buffer(g.nextBuf)
}

// release gives a buffer back; 0 is none.
func (g *generator) release(b buffer) {
	if b != 0 {
		g.add(line{op: Release, buf: int64(b)})
	}
}

func (g *generator) releaseAll(bufs []buffer) {
	for _, b := range bufs {
		g.release(b)
	}
}

func (g *generator) submit(copies int64) {
	g.add(line{op: Submit, dispatches: g.pending, copies: copies})
	g.pending = 0
}

// dispatch records one dispatch with its uniform buffer.
func (g *generator) dispatch(uniform int64) {
	g.release(g.request(cachemodes.Uniform, uniform))
	if g.pending++; g.pending == maxPending {
		g.submit(0)
	}
}

// upload makes a storage buffer and fills it.
func (g *generator) upload(bytes int64) buffer {
	b := g.storage(bytes)
	staging := g.request(cachemodes.Staging, bytes)
	g.submit(1)
	g.release(staging)
	return b
}

func (g *generator) storage(bytes int64) buffer {
	return g.request(cachemodes.Storage, round16(bytes))
}

// round16 is the engine's own rounding of everything in storage.
func round16(bytes int64) int64 { return (bytes + 15) &^ 15 }

// elements is the size of a tensor of activations.
func (g *generator) elements(shape ...int) int64 {
	bytes := int64(g.m.BytesPerElement)
	for _, n := range shape {
		bytes *= int64(n)
	}
	return bytes
}

// weights loads everything that init makes, layer by layer.
func (g *generator) weights() []buffer {
	m := g.m
	var all []buffer
	load := func(bytes int64) {
		bytes = round16(bytes)
		all = append(all, g.request(cachemodes.Storage, bytes))
		g.release(g.request(cachemodes.Staging, bytes))
	}
	matrix := func(in, out int) { // and its scales
		load(int64(in) * int64(out) * int64(m.WeightBits) / 8)
		load(g.elements(in/m.BlockSize, out))
	}
	load(g.elements(m.Vocabulary, m.Hidden))
	load(g.elements(m.Positions, m.HeadSize/2)) // cosines
	load(g.elements(m.Positions, m.HeadSize/2)) // sines
	for range m.Layers {
		load(g.elements(m.Hidden)) // norm before attention
		matrix(m.Hidden, m.qkvWidth())
		if m.QKVBias {
			load(g.elements(m.qkvWidth()))
		}
		matrix(m.attentionWidth(), m.Hidden)
		load(g.elements(m.Hidden)) // norm before the MLP
		matrix(m.Hidden, m.Intermediate)
		matrix(m.Hidden, m.Intermediate)
		matrix(m.Intermediate, m.Hidden)
	}
	load(g.elements(m.Hidden)) // the last norm
	matrix(m.Hidden, m.Vocabulary)
	return all
}

// pass is one run: n tokens more, after past ones.
func (g *generator) pass(label string, n, past int) {
	g.run = g.runs
	g.runs++
	g.add(line{op: RunStart, run: g.run, label: label})

	const idBytes, lengthBytes = 8, 4
	ids := g.upload(int64(n) * idBytes)
	g.release(g.ids) // the application's variable has the new one now
	g.ids = ids
	g.made[lengthBuffer] = g.upload(lengthBytes)

	for i := range g.nodes {
		node := &g.nodes[i]
		for _, p := range node.makes {
			g.made[p.id] = g.storage(g.elements(n, p.width))
		}
		var logits buffer
		if node.kind == nodeHead {
			logits = g.storage(g.elements(n, g.m.Vocabulary))
		}
		g.kernels(node.kind, n, past)
		for _, p := range node.frees {
			g.release(g.made[p.id])
			delete(g.made, p.id)
		}
		if node.kind == nodeHead {
			g.download(logits, n)
		}
	}

	if g.m.StaticKV {
		g.release(g.ids)
		g.ids = 0
	}
	g.add(line{op: RunEnd, run: g.run})
	g.run = NoRun
	g.releaseAll(g.oldKV)
	g.oldKV, g.kv = g.kv, g.oldKV[:0]
}

// download reads the logits back, which are then done with.
func (g *generator) download(logits buffer, n int) {
	staging := g.request(cachemodes.Staging, round16(g.elements(n, g.m.Vocabulary)))
	g.submit(1)
	g.release(staging)
	g.release(logits)
}

// Sizes of the uniform buffers of the kernels.
const (
	uniformEmbed     = 64
	uniformNorm      = 32
	uniformSkipNorm  = 16
	uniformBias      = 80
	uniformMatrix    = 48
	uniformQuantise  = 16
	uniformMultiply  = 16
	uniformRotary    = 160 // split into Q, K and V, and rotate
	uniformFirstKV   = 128 // copy K and V to an empty cache
	uniformAppendKV  = 160 // copy the old cache, K and V to a new one
	uniformStaticKV  = 176 // split, rotate and copy K and V into place
	uniformAttention = 48
	uniformReduce    = 32
)

// kernels is what a node does between its planned buffers.
func (g *generator) kernels(kind nodeKind, n, past int) {
	m := g.m
	switch kind {
	case nodeEmbed:
		g.dispatch(uniformEmbed)
	case nodeNorm:
		g.dispatch(uniformNorm)
	case nodeSkipNorm:
		g.dispatch(uniformSkipNorm)
	case nodeBias:
		g.dispatch(uniformBias)
	case nodeQKV, nodeHead:
		g.matrix(n, m.Hidden)
	case nodeOutput:
		g.matrix(n, m.attentionWidth())
	case nodeDown:
		g.matrix(n, m.Intermediate)
	case nodeMLP:
		g.mlp(n)
	case nodeAttention:
		g.attention(n, past)
	}
}

// matrix multiplies n rows of the given width. Enough rows are worth the
// detour over integers: an 8-bit copy, with a scale for every 128 elements.
func (g *generator) matrix(n, width int) {
	const fewRows, scaleBlock = 4, 128
	if n < fewRows || width%scaleBlock != 0 {
		g.dispatch(uniformMatrix)
		return
	}
	rows := g.storage(int64(n) * int64(width))
	scales := g.storage(g.elements(n, width/scaleBlock))
	g.dispatch(uniformQuantise)
	g.dispatch(uniformMatrix)
	g.release(scales)
	g.release(rows)
}

// mlp is everything of the MLP but the projection down.
func (g *generator) mlp(n int) {
	if n == 1 {
		g.dispatch(uniformMatrix)
		return
	}
	m := g.m
	normed := g.storage(g.elements(n, m.Hidden))
	g.dispatch(uniformSkipNorm)
	gate := g.storage(g.elements(n, m.Intermediate))
	up := g.storage(g.elements(n, m.Intermediate))
	g.matrix(n, m.Hidden)
	g.matrix(n, m.Hidden)
	g.dispatch(uniformMultiply)
	g.release(up)
	g.release(gate)
	g.release(normed)
}

// attention reads the cache of past tokens and adds n to it.
func (g *generator) attention(n, past int) {
	m := g.m
	length := past + n // of the buffers of the cache
	var temporary []buffer
	if m.StaticKV {
		length = m.MaxLength
		temporary = append(temporary, g.storage(g.elements(n, m.attentionWidth())))
		g.dispatch(uniformStaticKV)
	} else {
		kv := g.elements(length, m.kvWidth())
		g.kv = append(g.kv, g.storage(kv), g.storage(kv))
		temporary = append(temporary,
			g.storage(g.elements(n, m.attentionWidth())),
			g.storage(g.elements(n, m.kvWidth())),
			g.storage(g.elements(n, m.kvWidth())))
		g.dispatch(uniformRotary)
		if past == 0 {
			g.dispatch(uniformFirstKV)
		} else {
			g.dispatch(uniformAppendKV)
		}
	}
	if n == 1 {
		// Each part of the cache gives a maximum and a sum per head, in 32
		// bits, and its share of the output.
		const part, partBytes = 64, 8
		parts := (length + part - 1) / part
		temporary = append(temporary,
			g.storage(int64(m.Heads)*int64(parts)*partBytes),
			g.storage(g.elements(m.attentionWidth(), parts)))
		g.dispatch(uniformAttention)
		g.dispatch(uniformReduce)
	} else {
		g.dispatch(uniformAttention)
	}
	slices.Reverse(temporary)
	g.releaseAll(temporary)
}
