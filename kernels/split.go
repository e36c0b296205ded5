package kernels

// How each operation's work splits into units that threads take. A grain is
// the number of units taken at a time: small enough to even out, large enough
// that taking it (one atomic addition) does not show. What takes less time than
// two threads need to meet is one chunk: small operations in a row are then one
// thread's (see FlagSame).

// SegmentFloats is the number of floats in a unit of an elementwise operation.
const SegmentFloats = 256

// AttentionTokens is the number of tokens in a unit of Attention.
const AttentionTokens = 8

// GrainGroups is what the groups of a matrix that a thread takes are a multiple of:
// tiles take two, three or four.
const GrainGroups = 6

// Packed weights that a thread takes at a time, for many tokens and for one: of
// those for one it must have seen some before memory delivers them at full speed.
const (
	matmulBytes = 64 << 10
	singleBytes = 1 << 20
)

func (o Embed) split() (units, grain int)     { return o.N, 1 }
func (o RMSNorm) split() (units, grain int)   { return o.N * o.Rows, 1 }
func (o LayerNorm) split() (units, grain int) { return o.N * o.Rows, 1 }

// A unit of Quantize is one tile of tokens.
func (o Quantize) split() (units, grain int) {
	if o.Narrow != 0 {
		return o.N, 1
	}
	return tiles(o.N), 1
}

// even reports whether the operation is split as FlagEven says: one token's is read from memory.
func (o Matmul) even() bool       { return o.N == 1 }
func (o ExpertMatmul) even() bool { return o.N == 1 }

// A unit of Matmul is one group of four rows, for all tokens.
func (o Matmul) split() (units, grain int) {
	units = groups(o.Rows)
	size := max(1, o.Format.GroupBytes(o.K))
	grain = min(matmulBytes/size, units/16)
	if o.even() {
		grain = singleBytes / size
	}
	return units, max(GrainGroups, grain-grain%GrainGroups)
}

func (o Rope) split() (units, grain int)    { return o.N * o.Heads, 64 }
func (o StoreKV) split() (units, grain int) { return o.N * o.Heads, 32 }

// A unit of Attention is one kv head of up to AttentionTokens tokens.
func (o Attention) split() (units, grain int) {
	return o.KVHeads * ((o.N + AttentionTokens - 1) / AttentionTokens), 1
}

func (o GLU) split() (units, grain int)      { return o.N * segments(o.Dim), 8 }
func (o Activate) split() (units, grain int) { return segments(o.Count), 4 }
func (o Add) split() (units, grain int)      { return segments(o.Count), 16 }
func (o Scale) split() (units, grain int)    { return segments(o.Count), 16 }
func (o Softcap) split() (units, grain int)  { return segments(o.Count), 4 }
func (o Argmax) split() (units, grain int)   { return 1, 1 }
func (o Pack) split() (units, grain int)     { return groups(o.Rows), 16 }

// A unit of Blend and of AddLoRA is one group of four rows.
func (o Blend) split() (units, grain int)   { return o.Groups, max(1, 16384/o.K) }
func (o AddLoRA) split() (units, grain int) { return groups(o.Rows), 48 }
func (o Rebias) split() (units, grain int)  { return tiles(o.N), 1 }

func groups(rows int) int { return (rows + GroupRows - 1) / GroupRows }
func segments(n int) int  { return (n + SegmentFloats - 1) / SegmentFloats }

// tiles is the number of tiles n tokens are cut into.
func tiles(n int) int { return n/TileTokens + n%TileTokens }
