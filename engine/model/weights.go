package model

import (
	"slices"
	"strconv"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/fault"
	"pastel/kernels"
)

// A Matrix is a weight matrix [Rows, K] and where its packed form lies.
type Matrix struct {
	Info   gguf.TensorInfo
	Rows   int
	K      int
	Format kernels.Format // packed format, chosen by Place
	Addr   kernels.Addr   // packed weights, set by Place
	Bias   *Vector        // nil: none
}

// A Vector is a small float32 tensor [N].
type Vector struct {
	Info gguf.TensorInfo
	N    int
	Addr kernels.Addr // set by Place
}

// A Norm is a normalisation's weight and optional bias; nil: no such norm.
type Norm struct{ Weight, Bias *Vector }

// A Block holds one layer's tensors. Optional ones are nil.
type Block struct {
	AttnNorm, AttnNorm2               *Norm
	AttnQKV                           *Matrix // fused; else the three below
	AttnQ, AttnK, AttnV               *Matrix
	AttnQNorm, AttnKNorm              *Norm
	AttnOut                           *Matrix
	PostAttnNorm, FFNNorm, PostFFNorm *Norm
	FFNGate, FFNUp, FFNDown           *Matrix  // FFNGate nil: ungated, or fused into FFNUp
	Experts                           *Experts // instead of the three above
}

// Weights are all tensors of a model.
type Weights struct {
	Config        *Config
	TokenEmbd     *Matrix
	TokenEmbdNorm *Norm
	PosEmbd       *Matrix
	Blocks        []Block
	OutputNorm    *Norm
	Output        *Matrix            // TokenEmbd when tied
	RopeFactors   map[string]*Vector // by tensor name

	Matrices map[string]*Matrix // every matrix by tensor name
	Vectors  map[string]*Vector // every vector by tensor name
}

// ReadWeights finds every tensor the plan needs, checks its shape, and refuses
// files with tensors the plan does not use. No weight has been read by then.
//
// Errors: ERR_BAD_FILE for missing or misshapen tensors, ERR_UNSUPPORTED_ARCH
// for tensors beyond the plan, ERR_UNSUPPORTED_TYPE for formats we cannot read.
func ReadWeights(f *gguf.File, c *Config) (*Weights, error) {
	w := &Weights{Config: c, Matrices: map[string]*Matrix{}, Vectors: map[string]*Vector{}, RopeFactors: map[string]*Vector{}}
	r := &weightReader{f: f, w: w}
	w.TokenEmbd = r.matrix("token_embd.weight", c.VocabSize, c.Dim)
	w.TokenEmbdNorm = r.optionalNorm("token_embd_norm", c.Dim)
	if t, ok := f.Tensor("position_embd.weight"); ok && len(t.Shape) == 2 {
		w.PosEmbd = r.matrix("position_embd.weight", t.Shape[0], c.Dim)
	}
	w.Blocks = make([]Block, c.NLayers)
	for i := range w.Blocks {
		if r.err != nil {
			return nil, r.err
		}
		r.block(&w.Blocks[i], c, "blk."+strconv.Itoa(i)+".")
	}
	w.OutputNorm = r.optionalNorm("output_norm", c.Dim)
	w.Output = w.TokenEmbd
	if hasTensor(f, "output.weight") {
		w.Output = r.linear("output", c.VocabSize, c.Dim)
	}
	for i := range c.Ropes {
		r.ropeFactors(&c.Ropes[i], c.RopeDims/2)
	}
	r.refuseUnused()
	if r.err != nil {
		return nil, r.err
	}
	return w, nil
}

// weightReader looks tensors up and remembers the first error.
type weightReader struct {
	f   *gguf.File
	w   *Weights
	err error
}

// block reads one layer.
func (r *weightReader) block(b *Block, c *Config, p string) {
	b.AttnNorm = r.optionalNorm(p+"attn_norm", c.Dim)
	b.AttnNorm2 = r.optionalNorm(p+"attn_norm_2", c.Dim)
	if hasTensor(r.f, p+"attn_qkv.weight") {
		b.AttnQKV = r.linear(p+"attn_qkv", c.QKVDim(), c.Dim)
	} else {
		b.AttnQ = r.linear(p+"attn_q", c.QueryDim(), c.Dim)
		b.AttnK = r.linear(p+"attn_k", c.KVKeyDim(), c.Dim)
		b.AttnV = r.linear(p+"attn_v", c.KVValueDim(), c.Dim)
	}
	b.AttnQNorm = r.optionalNorm(p+"attn_q_norm", c.qkNormDim(c.NHeads))
	b.AttnKNorm = r.optionalNorm(p+"attn_k_norm", c.qkNormDim(c.NKVHeads))
	b.AttnOut = r.linear(p+"attn_output", c.Dim, c.AttnDim())
	b.PostAttnNorm = r.optionalNorm(p+"post_attention_norm", c.Dim)
	b.FFNNorm = r.optionalNorm(p+"ffn_norm", c.Dim)
	b.PostFFNorm = r.optionalNorm(p+"post_ffw_norm", c.Dim)
	if hasTensor(r.f, p+"ffn_gate_inp.weight") && c.Experts.Count > 0 {
		b.Experts = r.experts(c, p)
		return
	}
	upRows := c.HiddenDim
	switch {
	case !c.Gated:
	case hasTensor(r.f, p+"ffn_gate.weight"):
		b.FFNGate = r.linear(p+"ffn_gate", c.HiddenDim, c.Dim)
	default:
		upRows *= 2 // gate and up in one matrix, as in phi3
	}
	b.FFNUp = r.linear(p+"ffn_up", upRows, c.Dim)
	b.FFNDown = r.linear(p+"ffn_down", c.Dim, c.HiddenDim)
}

// qkNormDim is the width of a query or key norm.
func (c *Config) qkNormDim(heads int) int {
	if c.QKNormFull {
		return heads * c.KeyDim
	}
	return c.KeyDim
}

// linear reads NAME.weight and, when present, NAME.bias.
func (r *weightReader) linear(name string, rows, k int) *Matrix {
	m := r.matrix(name+".weight", rows, k)
	if m != nil && hasTensor(r.f, name+".bias") {
		m.Bias = r.vector(name+".bias", rows)
	}
	return m
}

// matrix reads one tensor [rows, k].
func (r *weightReader) matrix(name string, rows, k int) *Matrix {
	return r.shaped(name, []int{rows, k}, rows, k)
}

// shaped reads a tensor of the given shape as a matrix [rows, k].
func (r *weightReader) shaped(name string, shape []int, rows, k int) *Matrix {
	t, ok := r.lookup(name)
	if !ok {
		return nil
	}
	if !slices.Equal(t.Shape, shape) {
		r.keep(fault.New(fault.BadFile, "model: tensor ", fault.Quote(name), ": shape ", t.Shape, ", want ", shape))
		return nil
	}
	m := &Matrix{Info: t, Rows: rows, K: k}
	r.w.Matrices[name] = m
	return m
}

// vector reads one tensor [n].
func (r *weightReader) vector(name string, n int) *Vector {
	if v := r.w.Vectors[name]; v != nil && v.N == n {
		return v
	}
	t, ok := r.lookup(name)
	if !ok {
		return nil
	}
	if len(t.Shape) != 1 || t.Shape[0] != n {
		r.keep(fault.New(fault.BadFile, "model: tensor ", fault.Quote(name), ": shape ", t.Shape, ", want ", []int{n}))
		return nil
	}
	v := &Vector{Info: t, N: n}
	r.w.Vectors[name] = v
	return v
}

// lookup finds a tensor of a readable type.
func (r *weightReader) lookup(name string) (gguf.TensorInfo, bool) {
	t, ok := r.f.Tensor(name)
	if !ok {
		r.keep(fault.New(fault.BadFile, "model: tensor ", fault.Quote(name), " is missing"))
		return t, false
	}
	if !t.Type.Supported() {
		r.keep(fault.New(fault.UnsupportedType, "model: tensor ", fault.Quote(name), " has type ", t.Type, ", which is not supported"))
		return t, false
	}
	return t, true
}

// optionalNorm reads NAME.weight and NAME.bias when they exist.
func (r *weightReader) optionalNorm(name string, dim int) *Norm {
	if !hasTensor(r.f, name+".weight") {
		return nil
	}
	n := &Norm{Weight: r.vector(name+".weight", dim)}
	if hasTensor(r.f, name+".bias") {
		n.Bias = r.vector(name+".bias", dim)
	}
	return n
}

// ropeFactors reads the frequency factors of a rope configuration.
func (r *weightReader) ropeFactors(rc *RopeConfig, n int) {
	if rc.Freqs == "" && hasTensor(r.f, "rope_freqs.weight") {
		rc.Freqs = "rope_freqs.weight"
	}
	for _, name := range []string{rc.Freqs, rc.FreqsLong} {
		if name != "" {
			r.w.RopeFactors[name] = r.vector(name, n)
		}
	}
}

// refuseUnused names the first tensor no plan reads.
func (r *weightReader) refuseUnused() {
	for _, t := range r.f.Tensors {
		if r.w.Matrices[t.Name] == nil && r.w.Vectors[t.Name] == nil && !harmless(t.Name) {
			r.keep(fault.New(fault.UnsupportedArch, "model: tensor ", fault.Quote(t.Name), " is not used by the ", r.w.Config.Arch, " plan"))
			return
		}
	}
}

// harmless names tensors that converters leave behind and nothing computes with.
func harmless(name string) bool {
	const inv = ".attn_rot_embd"
	return name == "rope_freqs.weight" || len(name) > len(inv) && name[len(name)-len(inv):] == inv
}

func (r *weightReader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// packedFormats says which file types the kernels compute with directly: all that
// models are stored in.
var packedFormats = func() map[tensor.Type]kernels.Format {
	formats := map[tensor.Type]kernels.Format{}
	for f := range kernels.Formats() {
		if t, err := tensor.ParseType(f.String()); err == nil {
			formats[t] = f
		}
	}
	return formats
}()

// Choose sets each matrix's packed format: its own, or F32 where the kernels do not
// compute with it (Q8_K) or not in rows of that length.
func (w *Weights) Choose() {
	for _, m := range w.Matrices {
		f, ok := packedFormats[m.Info.Type]
		if !ok || !f.Fits(m.K) {
			f = kernels.F32
		}
		m.Format = f
	}
}

// Place allocates memory for every tensor. Choose must have run.
//
// Errors: ERR_OOM; what was allocated stays with w and is given back by Free.
func (w *Weights) Place(mem *kernels.Memory) error {
	for _, m := range w.Matrices {
		addr, err := mem.Alloc(m.Format.PackedBytes(m.Rows, m.K))
		if err != nil {
			return err
		}
		m.Addr = addr
	}
	for _, v := range w.Vectors {
		addr, err := mem.Alloc(4 * v.N)
		if err != nil {
			return err
		}
		v.Addr = addr
	}
	return nil
}

// PackedBytes is the memory the weights take once placed.
func (w *Weights) PackedBytes() (n uint64) {
	for _, m := range w.Matrices {
		n += uint64(m.Format.PackedBytes(m.Rows, m.K))
	}
	for _, v := range w.Vectors {
		n += uint64(4 * v.N)
	}
	return n
}

// PerToken is the work of one token: multiplications, and bytes of weights read.
// Of a mixture only the experts in use count; the embedding is read one row.
func (w *Weights) PerToken() (macs, bytes uint64) {
	for _, m := range w.Matrices {
		rows := m.Rows
		switch {
		case m == w.TokenEmbd && m != w.Output || m == w.PosEmbd:
			continue
		case stacked(m.Info):
			rows = rows / w.Config.Experts.Count * w.Config.Experts.Used
		}
		macs += uint64(rows) * uint64(m.K)
		bytes += uint64(m.Format.PackedBytes(rows, m.K))
	}
	return macs, bytes
}

// Free gives all weights back.
func (w *Weights) Free(mem *kernels.Memory) {
	for _, m := range w.Matrices {
		mem.Free(m.Addr)
		m.Addr = 0
	}
	for _, v := range w.Vectors {
		mem.Free(v.Addr)
		v.Addr = 0
	}
}

// PackedFormat returns the packed format of a file type, if the kernels have one.
func PackedFormat(t tensor.Type) (kernels.Format, bool) {
	f, ok := packedFormats[t]
	return f, ok
}
