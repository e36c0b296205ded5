package kernels

// Operation records, in the order their operands are written. Every float
// tensor is float32 and row-major; strides are in floats; n counts tokens.

// KVType is the element type of a key/value cache.
type KVType uint32

// The cache types.
const (
	KVF32 KVType = iota
	KVF16
	KVQ8
)

// ActKind says how the input of a Matmul lies in memory.
type ActKind uint32

// The kinds of activations.
const (
	ActF32 ActKind = iota // float32 [n, xStride]
	ActQ8                 // quantised tiles, see ActLayout
)

// Nonlinearity names the function of GLU and Activate.
type Nonlinearity uint32

// The nonlinearities. GELU is the tanh form used by llama.cpp.
const (
	SiLU Nonlinearity = iota
	GELU
	ReLU2
	Sigmoid
)

// Embed gathers rows of a packed table: Dst[t] = Scale · table[IDs[t]].
//
// Shapes: Dst [N, K]; IDs [N] int32, each below Rows; table packed [Rows, K].
// Zero:   the table's integer bias (Q8_0 only).
type Embed struct {
	Dst, Table, IDs Addr
	N, Rows, K      int
	Format          Format
	Scale           float32
	Zero            int
}

func (o Embed) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.Table)
	r.addr(o.IDs)
	r.int(o.N)
	r.int(o.Rows)
	r.int(o.K)
	r.u32(uint32(o.Format))
	r.f32(o.Scale)
	r.int(o.Zero)
	return CodeEmbed
}

func (o *operands) embed() (e Embed) {
	e.Dst, e.Table, e.IDs = o.addr(), o.addr(), o.addr()
	e.N, e.Rows, e.K = o.int(), o.int(), o.int()
	e.Format, e.Scale, e.Zero = Format(o.u32()), o.f32(), o.int()
	return e
}

// RMSNorm divides every row of X by its root mean square and multiplies by
// Weight. A token holds Rows rows side by side (heads, for query and key
// norms; otherwise 1).
//
// Shapes: X [N, XStride], Dst [N, DstStride], row j of a token at j·Dim; Weight [Dim].
// Aliasing: Dst may alias X.
// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
type RMSNorm struct {
	Dst, X, Weight     Addr
	N, Rows, Dim       int
	XStride, DstStride int
	Eps                float32
}

func (o RMSNorm) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.X)
	r.addr(o.Weight)
	r.int(o.N)
	r.int(o.Rows)
	r.int(o.Dim)
	r.int(o.XStride)
	r.int(o.DstStride)
	r.f32(o.Eps)
	return CodeRMSNorm
}

func (o *operands) rmsNorm() (e RMSNorm) {
	e.Dst, e.X, e.Weight = o.addr(), o.addr(), o.addr()
	e.N, e.Rows, e.Dim = o.int(), o.int(), o.int()
	e.XStride, e.DstStride, e.Eps = o.int(), o.int(), o.f32()
	return e
}

// LayerNorm subtracts the mean of every row, divides by the standard deviation,
// multiplies by Weight and adds Bias (Bias zero: no bias).
//
// Shapes: X [N, XStride], Dst [N, DstStride], rows of Dim; Weight, Bias [Dim].
// Aliasing: Dst may alias X.
// Source: Ba et al. 2016, arXiv:1607.06450.
type LayerNorm struct {
	Dst, X, Weight, Bias Addr
	N, Rows, Dim         int
	XStride, DstStride   int
	Eps                  float32
}

func (o LayerNorm) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.X)
	r.addr(o.Weight)
	r.addr(o.Bias)
	r.int(o.N)
	r.int(o.Rows)
	r.int(o.Dim)
	r.int(o.XStride)
	r.int(o.DstStride)
	r.f32(o.Eps)
	return CodeLayerNorm
}

func (o *operands) layerNorm() (e LayerNorm) {
	e.Dst, e.X, e.Weight, e.Bias = o.addr(), o.addr(), o.addr(), o.addr()
	e.N, e.Rows, e.Dim = o.int(), o.int(), o.int()
	e.XStride, e.DstStride, e.Eps = o.int(), o.int(), o.f32()
	return e
}

// Quantize writes the rows of X as ActQ8 tiles.
//
// Shapes: X [N, XStride] of which K columns are read (K a multiple of 32); Dst ActLayout(K, Sub).Bytes(N).
// Zero:   the integer bias of the weights it will meet; the tiles' start values are −Zero·Σx.
// Sub:    columns per start value and sum, 32 or 16.
// Narrow: 1 makes every token a tile of its own, as ExpertMatmul wants.
// Rounding: x·(127/max|x|) to nearest even; d = max|x|/127; an all-zero block has d = 0.
type Quantize struct {
	Dst, X        Addr
	N, K, XStride int
	Zero, Sub     int
	Narrow        int
}

// width is the width of the tile that starts at token t.
func (o Quantize) width(t int) int {
	if o.Narrow != 0 {
		return 1
	}
	return TileWidth(o.N - t)
}

func (o Quantize) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.X)
	r.int(o.N)
	r.int(o.K)
	r.int(o.XStride)
	r.int(o.Zero)
	r.int(o.Sub)
	r.int(o.Narrow)
	return CodeQuantize
}

func (o *operands) quantize() (e Quantize) {
	e.Dst, e.X = o.addr(), o.addr()
	e.N, e.K, e.XStride, e.Zero, e.Sub, e.Narrow = o.int(), o.int(), o.int(), o.int(), o.int(), o.int()
	return e
}

// Matmul multiplies a packed weight matrix with N activations:
//
//	Dst[t, r] = Scale·Σ_k W[r,k]·X[t,k] + Bias[r] (+ Dst[t, r] when Accumulate is 1)
//
// Shapes: W packed [Rows, K]; X [N, XStride] float32 or ActQ8 tiles; Dst [N, DstStride]; Bias [Rows] or zero.
// Only Rows floats of each Dst row are written.
// Aliasing: Dst must not overlap X.
// Zero: the weights' integer bias as stored (must equal the one the tiles were made for).
// Sub:  the Sub the tiles were made with.
// Error: ActQ8 integers are exact per block; block sums are added in float32.
type Matmul struct {
	Dst, W, X, Bias Addr
	N, Rows, K      int
	XStride         int
	DstStride       int
	Format          Format
	Act             ActKind
	Accumulate      int
	Scale           float32
	Zero, Sub       int
}

func (o Matmul) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.W)
	r.addr(o.X)
	r.addr(o.Bias)
	r.int(o.N)
	r.int(o.Rows)
	r.int(o.K)
	r.int(o.XStride)
	r.int(o.DstStride)
	r.u32(uint32(o.Format))
	r.u32(uint32(o.Act))
	r.int(o.Accumulate)
	r.f32(o.Scale)
	r.int(o.Zero)
	r.int(o.Sub)
	return CodeMatmul
}

func (o *operands) matmul() (e Matmul) {
	e.Dst, e.W, e.X, e.Bias = o.addr(), o.addr(), o.addr(), o.addr()
	e.N, e.Rows, e.K, e.XStride, e.DstStride = o.int(), o.int(), o.int(), o.int(), o.int()
	e.Format, e.Act, e.Accumulate = Format(o.u32()), ActKind(o.u32()), o.int()
	e.Scale, e.Zero, e.Sub = o.f32(), o.int(), o.int()
	return e
}

// Rope rotates the first RopeDims values of every head of X in place.
//
// Shapes: X [N, Stride], head h at h·HeadDim; Positions [N] int32; Table [positions, RopeDims/2, 2]
// float32 (cosine, sine) for every position of the context.
// Interleaved 1 rotates (2i, 2i+1), 0 rotates (i, i+RopeDims/2).
// Source: Su et al. 2021, arXiv:2104.09864.
type Rope struct {
	X, Positions, Table Addr
	N, Heads, HeadDim   int
	Stride, RopeDims    int
	Interleaved         int
}

func (o Rope) record(r *record) Code {
	r.addr(o.X)
	r.addr(o.Positions)
	r.addr(o.Table)
	r.int(o.N)
	r.int(o.Heads)
	r.int(o.HeadDim)
	r.int(o.Stride)
	r.int(o.RopeDims)
	r.int(o.Interleaved)
	return CodeRope
}

func (o *operands) rope() (e Rope) {
	e.X, e.Positions, e.Table = o.addr(), o.addr(), o.addr()
	e.N, e.Heads, e.HeadDim = o.int(), o.int(), o.int()
	e.Stride, e.RopeDims, e.Interleaved = o.int(), o.int(), o.int()
	return e
}

// StoreKV writes one layer's new keys (code StoreK) or values (StoreV) into the
// cache at Positions.
//
// Shapes: X [N, Stride], head h at h·HeadDim; Cache as KVLayout says; Positions [N] int32 below Capacity.
type StoreKV struct {
	Values            bool // not written: selects the code
	Cache, X          Addr
	Positions         Addr
	N, Heads, HeadDim int
	Stride, Capacity  int
	Type              KVType
}

func (o StoreKV) record(r *record) Code {
	r.addr(o.Cache)
	r.addr(o.X)
	r.addr(o.Positions)
	r.int(o.N)
	r.int(o.Heads)
	r.int(o.HeadDim)
	r.int(o.Stride)
	r.int(o.Capacity)
	r.u32(uint32(o.Type))
	if o.Values {
		return CodeStoreV
	}
	return CodeStoreK
}

func (o *operands) storeKV() (e StoreKV) {
	e.Cache, e.X, e.Positions = o.addr(), o.addr(), o.addr()
	e.N, e.Heads, e.HeadDim = o.int(), o.int(), o.int()
	e.Stride, e.Capacity, e.Type = o.int(), o.int(), KVType(o.u32())
	return e
}

// Attention is causal grouped-query attention over the cache: the query of
// token t sees cache positions max(0, p−Window+1)..p with p = Positions[t]
// (Window 0: from 0).
//
//	score = Scale·q·k;  Softcap > 0: score = Softcap·tanh(score/Softcap);  Slopes: score += Slopes[h]·(j−p)
//	Dst = Σ softmax(score)·v
//
// Shapes: Q [N, QStride], head h at h·KeyDim; Dst [N, DstStride], head h at h·ValueDim; K, V as KVLayout;
// Heads a multiple of KVHeads, query head h reads kv head h·KVHeads/Heads; Slopes [Heads] or zero.
// Source: Vaswani et al. 2017, arXiv:1706.03762; single pass with running maximum: Milakov & Gimelshein 2018, arXiv:1805.02867.
type Attention struct {
	Dst, Q, K, V       Addr
	Positions, Slopes  Addr
	N, Heads, KVHeads  int
	KeyDim, ValueDim   int
	QStride, DstStride int
	Capacity           int
	Type               KVType
	Scale, Softcap     float32
	Window             int
}

func (o Attention) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.Q)
	r.addr(o.K)
	r.addr(o.V)
	r.addr(o.Positions)
	r.addr(o.Slopes)
	r.int(o.N)
	r.int(o.Heads)
	r.int(o.KVHeads)
	r.int(o.KeyDim)
	r.int(o.ValueDim)
	r.int(o.QStride)
	r.int(o.DstStride)
	r.int(o.Capacity)
	r.u32(uint32(o.Type))
	r.f32(o.Scale)
	r.f32(o.Softcap)
	r.int(o.Window)
	return CodeAttention
}

func (o *operands) attention() (e Attention) {
	e.Dst, e.Q, e.K, e.V, e.Positions, e.Slopes = o.addr(), o.addr(), o.addr(), o.addr(), o.addr(), o.addr()
	e.N, e.Heads, e.KVHeads, e.KeyDim, e.ValueDim = o.int(), o.int(), o.int(), o.int(), o.int()
	e.QStride, e.DstStride, e.Capacity = o.int(), o.int(), o.int()
	e.Type, e.Scale, e.Softcap, e.Window = KVType(o.u32()), o.f32(), o.f32(), o.int()
	return e
}

// GLU is the gated nonlinearity of a feed-forward block: Dst = f(Gate)·Up.
//
// Shapes: Dst [N, DstStride], Gate, Up [N, Stride]; Dim columns each.
// Aliasing: Dst may alias Gate or Up when the strides agree.
type GLU struct {
	Dst, Gate, Up     Addr
	N, Dim            int
	Stride, DstStride int
	Func              Nonlinearity
}

func (o GLU) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.Gate)
	r.addr(o.Up)
	r.int(o.N)
	r.int(o.Dim)
	r.int(o.Stride)
	r.int(o.DstStride)
	r.u32(uint32(o.Func))
	return CodeGLU
}

func (o *operands) glu() (e GLU) {
	e.Dst, e.Gate, e.Up = o.addr(), o.addr(), o.addr()
	e.N, e.Dim, e.Stride, e.DstStride = o.int(), o.int(), o.int(), o.int()
	e.Func = Nonlinearity(o.u32())
	return e
}

// Activate applies a nonlinearity in place to Count floats at X.
type Activate struct {
	X     Addr
	Count int
	Func  Nonlinearity
}

func (o Activate) record(r *record) Code {
	r.addr(o.X)
	r.int(o.Count)
	r.u32(uint32(o.Func))
	return CodeActivate
}

func (o *operands) activate() (e Activate) {
	e.X, e.Count, e.Func = o.addr(), o.int(), Nonlinearity(o.u32())
	return e
}

// Add is Dst[i] = A[i] + Scale·B[i mod Period], over Count floats (Period 0: Count).
//
// Aliasing: Dst may alias A or B.
type Add struct {
	Dst, A, B     Addr
	Count, Period int
	Scale         float32
}

func (o Add) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.A)
	r.addr(o.B)
	r.int(o.Count)
	r.int(o.Period)
	r.f32(o.Scale)
	return CodeAdd
}

func (o *operands) add() (e Add) {
	e.Dst, e.A, e.B = o.addr(), o.addr(), o.addr()
	e.Count, e.Period, e.Scale = o.int(), o.int(), o.f32()
	return e
}

// Scale multiplies Count floats at X by Factor, in place.
type Scale struct {
	X      Addr
	Count  int
	Factor float32
}

func (o Scale) record(r *record) Code {
	r.addr(o.X)
	r.int(o.Count)
	r.f32(o.Factor)
	return CodeScale
}

func (o *operands) scale() (e Scale) {
	e.X, e.Count, e.Factor = o.addr(), o.int(), o.f32()
	return e
}

// Softcap is X = Cap·tanh(X/Cap), in place over Count floats.
//
// Source: Gemma 2 report 2024, arXiv:2408.00118, section 2.
type Softcap struct {
	X     Addr
	Count int
	Cap   float32
}

func (o Softcap) record(r *record) Code {
	r.addr(o.X)
	r.int(o.Count)
	r.f32(o.Cap)
	return CodeSoftcap
}

func (o *operands) softcap() (e Softcap) {
	e.X, e.Count, e.Cap = o.addr(), o.int(), o.f32()
	return e
}

// Argmax writes the index of the largest of Count floats at X, the first of
// equals, as int32 at Dst. NaN never wins.
type Argmax struct {
	Dst, X Addr
	Count  int
}

func (o Argmax) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.X)
	r.int(o.Count)
	return CodeArgmax
}

func (o *operands) argmax() (e Argmax) {
	e.Dst, e.X, e.Count = o.addr(), o.addr(), o.int()
	return e
}

// Pack turns Rows rows of a file's tensor into packed groups (see Format).
//
// Shapes: Src [Rows] rows of Format.FileRowBytes(K) bytes; Dst packed [Rows, K].
// Zero: added to every stored integer (Q8_0: 0 or 128); other formats ignore it.
type Pack struct {
	Dst, Src Addr
	Rows, K  int
	Format   Format
	Zero     int
}

func (o Pack) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.Src)
	r.int(o.Rows)
	r.int(o.K)
	r.u32(uint32(o.Format))
	r.int(o.Zero)
	return CodePack
}

func (o *operands) pack() (e Pack) {
	e.Dst, e.Src = o.addr(), o.addr()
	e.Rows, e.K, e.Format, e.Zero = o.int(), o.int(), Format(o.u32()), o.int()
	return e
}
