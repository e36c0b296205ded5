package kernels

// The factors of an adapter in eight bits. A [rank, in] is a matrix of Q8_0. B [out, rank]
// has too few columns for blocks of 32; it is laid out like Q8_0 with blocks of LoRABlock:
//
//	[rows/4] groups of q [nb][4][r][i], d [nb][r] float16
//
// where vector j of a block, of four, holds for row r the columns 4·((j+r) mod 4)+i, as in
// half a block of Q8_0. Ranks are rounded up to a multiple of LoRABlock with zeros.

// LoRABlock is the number of ranks of B that share a scale.
const LoRABlock = 16

// LoRARank is a rank rounded up to whole blocks.
func LoRARank(rank int) int { return (rank + LoRABlock - 1) &^ (LoRABlock - 1) }

// LoRABytes is the size in bytes of B packed in eight bits.
func LoRABytes(rows, rank int) int { return groups(rows) * loraGroupBytes(rank, LoRABlock) }

// loraGroupBytes is the size of a group of four rows in blocks of so many columns.
func loraGroupBytes(k, block int) int { return k / block * (block + 2) * GroupRows }

// Blend packs a weighted sum of matrices of float16 in eight bits:
//
//	M[r, k] = Σₙ Weights[n]·Src[n][r, k]
//
// Shapes: Src [N] addresses; at Offset bytes from each begin Groups groups of K columns packed as F16; Weights [N]
// float32; Dst the same groups packed as Q8_0 when Block is 32 and as an adapter's B when it is LoRABlock; K a multiple
// of Block.
// Zero:     the executor's bias of stored integers, as for Q8_0.
// Rounding: M·(127/max|M|) of a row's block to nearest even; d = max|M|/127 as float16, of a subnormal d zero.
// Values:   sources hold no infinities, NaNs or subnormals; Σ|Weights| ≤ 64, so no scale leaves float16's range.
// Error:    max|M|/254 of the block and 2⁻¹¹ of the value; 127·2⁻¹⁴ in a block whose d is subnormal.
type Blend struct {
	Dst, Src, Weights Addr
	Offset, N         int
	Groups, K         int
	Block, Zero       int
}

func (o Blend) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.Src)
	r.addr(o.Weights)
	r.int(o.Offset)
	r.int(o.N)
	r.int(o.Groups)
	r.int(o.K)
	r.int(o.Block)
	r.int(o.Zero)
	return CodeBlend
}

func (o *operands) blend() (e Blend) {
	e.Dst, e.Src, e.Weights = o.addr(), o.addr(), o.addr()
	e.Offset, e.N, e.Groups, e.K, e.Block, e.Zero = o.int(), o.int(), o.int(), o.int(), o.int(), o.int()
	return e
}

// AddLoRA adds the product with an adapter's B: Dst[t, r] += Scale·Σ_k B[r, k]·X[t, k].
//
// Shapes: W packed in eight bits [Rows, Rank]; X [N, Rank] float32; Dst [N, DstStride], of which Rows are written;
// Rank a multiple of LoRABlock.
// Aliasing: Dst must not overlap X.
// Zero: the bias of stored integers.
// Error: kernels round LoRABlock values of X at a time as Quantize does, so that a product is off by
// Scale·max|X|/254·Σ|B[r, k]| of the block; the reference does not.
type AddLoRA struct {
	Dst, W, X     Addr
	N, Rows, Rank int
	DstStride     int
	Scale         float32
	Zero          int
}

func (o AddLoRA) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.W)
	r.addr(o.X)
	r.int(o.N)
	r.int(o.Rows)
	r.int(o.Rank)
	r.int(o.DstStride)
	r.f32(o.Scale)
	r.int(o.Zero)
	return CodeAddLoRA
}

func (o *operands) addLoRA() (e AddLoRA) {
	e.Dst, e.W, e.X = o.addr(), o.addr(), o.addr()
	e.N, e.Rows, e.Rank, e.DstStride, e.Scale, e.Zero = o.int(), o.int(), o.int(), o.int(), o.f32(), o.int()
	return e
}

// Rebias copies ActQ8 tiles (of Sub 32) for weights of another integer bias: Factor times that of Src. It
// takes a tenth of the time of quantising anew.
type Rebias struct {
	Dst, Src     Addr
	N, K, Factor int
}

func (o Rebias) record(r *record) Code {
	r.addr(o.Dst)
	r.addr(o.Src)
	r.int(o.N)
	r.int(o.K)
	r.int(o.Factor)
	return CodeRebias
}

func (o *operands) rebias() (e Rebias) {
	e.Dst, e.Src = o.addr(), o.addr()
	e.N, e.K, e.Factor = o.int(), o.int(), o.int()
	return e
}
