package kernels

// Operations of a mixture of experts: a router picks a few experts per token,
// their matrices are used for that token only, and their outputs are weighed.

// Route picks the Used largest of Experts router scores per token.
//
//	p = softmax(X) over all experts (Sigmoid 1: sigmoid of each)
//	choose the largest p + Bias;  weights p of the chosen, divided by their sum when Normalise is 1, times Scale
//
// Shapes: X [N, Experts]; Bias [Experts] or zero; IDs [N, Used] int32; Weights [N, Used].
// Of equal scores the lower index is chosen; chosen ids are in falling order of score.
// Source: Shazeer et al. 2017, arXiv:1701.06538; selection bias: DeepSeek-V3, arXiv:2412.19437, section 2.1.2.
type Route struct {
	IDs, Weights, X, Bias Addr
	N, Experts, Used      int
	Sigmoid, Normalise    int
	Scale                 float32
}

func (o Route) record(r *record) Code {
	r.addr(o.IDs)
	r.addr(o.Weights)
	r.addr(o.X)
	r.addr(o.Bias)
	r.int(o.N)
	r.int(o.Experts)
	r.int(o.Used)
	r.int(o.Sigmoid)
	r.int(o.Normalise)
	r.f32(o.Scale)
	return CodeRoute
}

func (o *operands) route() (e Route) {
	e.IDs, e.Weights, e.X, e.Bias = o.addr(), o.addr(), o.addr(), o.addr()
	e.N, e.Experts, e.Used, e.Sigmoid, e.Normalise, e.Scale = o.int(), o.int(), o.int(), o.int(), o.int(), o.f32()
	return e
}

func (o Route) split() (units, grain int) { return o.N, 8 }

// MaxExperts is the largest number of experts Route takes.
const MaxExperts = 1024

// ExpertMatmul multiplies each token with the matrices of its experts. The
// experts' matrices stand one below the other as one packed matrix [Rows, K],
// Rows = experts·ExpertRows, ExpertRows a multiple of 4:
//
//	Dst[t·Used+s, r] = Scale·W[IDs[t,s]·ExpertRows + r]·x
//
// where x is X[t], or X[t·Used+s] when PerSlot is 1.
//
// Shapes: Dst [N·Used, DstStride]; X [N or N·Used, XStride] float32, or ActQ8
// made with Narrow 1. The first fields are those of Matmul, in its order: tile
// functions read either record. Bias and Accumulate are zero.
type ExpertMatmul struct {
	Dst, W, X, Bias Addr
	N, Rows, K      int
	XStride         int
	DstStride       int
	Format          Format
	Act             ActKind
	Accumulate      int
	Scale           float32
	Zero, Sub       int
	IDs             Addr
	Used            int
	ExpertRows      int
	PerSlot         int
}

func (o ExpertMatmul) record(r *record) Code {
	o.matmul().record(r)
	r.addr(o.IDs)
	r.int(o.Used)
	r.int(o.ExpertRows)
	r.int(o.PerSlot)
	return CodeExpertMatmul
}

// matmul is the part that a Matmul has too.
func (o ExpertMatmul) matmul() Matmul {
	return Matmul{Dst: o.Dst, W: o.W, X: o.X, Bias: o.Bias, N: o.N, Rows: o.Rows, K: o.K, XStride: o.XStride, DstStride: o.DstStride,
		Format: o.Format, Act: o.Act, Accumulate: o.Accumulate, Scale: o.Scale, Zero: o.Zero, Sub: o.Sub}
}

func (o *operands) expertMatmul() (e ExpertMatmul) {
	m := o.matmul()
	e = ExpertMatmul{Dst: m.Dst, W: m.W, X: m.X, Bias: m.Bias, N: m.N, Rows: m.Rows, K: m.K, XStride: m.XStride, DstStride: m.DstStride,
		Format: m.Format, Act: m.Act, Accumulate: m.Accumulate, Scale: m.Scale, Zero: m.Zero, Sub: m.Sub}
	e.IDs, e.Used, e.ExpertRows, e.PerSlot = o.addr(), o.int(), o.int(), o.int()
	return e
}

// A unit of ExpertMatmul is one group of four rows of an expert, for all tokens.
func (o ExpertMatmul) split() (units, grain int) {
	m := o.matmul()
	m.Rows = o.ExpertRows
	return m.split()
}

// ExpertSum adds the experts' outputs: Dst[t] += Scale·Σ_s Weights[t,s]·X[t·Used+s].
//
// Shapes: Dst [N, Dim]; X [N·Used, Dim]; Weights [N, Used].
type ExpertSum struct {
	Dst, X, Weights Addr
	N, Used, Dim    int
	Scale           float32
}

func (o ExpertSum) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.X)
	r.addr(o.Weights)
	r.int(o.N)
	r.int(o.Used)
	r.int(o.Dim)
	r.f32(o.Scale)
	return CodeExpertSum
}

func (o *operands) expertSum() (e ExpertSum) {
	e.Dst, e.X, e.Weights = o.addr(), o.addr(), o.addr()
	e.N, e.Used, e.Dim, e.Scale = o.int(), o.int(), o.int(), o.f32()
	return e
}

func (o ExpertSum) split() (units, grain int) { return o.N, 1 }
