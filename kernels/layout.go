package kernels

// TileTokens is the number of tokens of a full tile: the most whose accumulators
// stay in registers. The tokens that are left are tiles of one.
const TileTokens = 4

// TileWidth is the width of the tile that starts with left tokens still to go.
func TileWidth(left int) int {
	if left >= TileTokens {
		return TileTokens
	}
	return 1
}

// ActLayout describes quantised activations of K columns (a multiple of 32).
//
// Tokens are cut into tiles, greedily by TileWidth; the tile that starts at
// token t begins t·TokenBytes bytes into the buffer. A tile of T tokens holds
// four planes, with nb = K/32 blocks, u the token inside the tile and s the
// sub-block (32/Sub of them per block):
//
//	qs    [nb][u][2][2][16] int8  sixteen columns, twice, so that a load 4·j bytes on is the columns turned by j words
//	d     [nb][u] float32         scale
//	start [nb][s][u] int32        StartBits − Zero·Σ qs of the sub-block
//	sum   [nb][s][u] float32      d·Σ qs of the sub-block
//
// An integer sum that starts at start is the float32 StartValue + Σ w·x when its
// bits are read as one, as long as the sum stays within ±2²²: a subtraction
// instead of a conversion.
type ActLayout struct{ K, Sub int }

// StartValue is 1.5·2²³: its last bit is one unit. StartBits are its bits.
const (
	StartValue = 1.5 * (1 << 23)
	StartBits  = 0x4b400000
)

// ActBlockBytes is the size in bytes of one token's integers of one block.
const ActBlockBytes = 2 * BlockK

// TokenBytes is the size of one token's share of a tile in bytes, a multiple of
// a cache line.
func (l ActLayout) TokenBytes() int {
	nb := l.K / BlockK
	return (nb*(ActBlockBytes+4+8*(BlockK/l.Sub)) + 63) &^ 63
}

// Bytes is the size of n tokens in bytes.
func (l ActLayout) Bytes(n int) int { return n * l.TokenBytes() }

// planes returns the byte offsets of d, start and sum in a tile of t tokens.
func (l ActLayout) planes(t int) (d, start, sum int) {
	nb, subs := l.K/BlockK, BlockK/l.Sub
	d = nb * ActBlockBytes * t
	start = d + nb*4*t
	sum = start + nb*subs*4*t
	return d, start, sum
}

// qs is the byte offset of column i of block b of token u in a tile of t tokens.
func (l ActLayout) qs(b, u, t, i int) int { return (b*t+u)*ActBlockBytes + i/16*32 + i%16 }

// KVLayout describes one layer's key or value cache.
//
//	keys    [heads][slots/4][Dim][4]  four positions side by side, so that scores need no horizontal sum
//	values  [heads][slots][Dim]
//
// elements are float32 or float16. With KVQ8 elements are int8 in the same
// order and a plane of float32 scales follows, one per position and 32
// columns: keys [heads][slots/4][Dim/32][4], values [heads][slots][Dim/32].
// slots is the capacity rounded up to 8; Dim is a multiple of 4.
type KVLayout struct {
	Heads, Dim, Capacity int
	Type                 KVType
}

// Slots is the capacity rounded up to two whole groups of four positions, which
// is what the attention kernel reads at a time.
func (l KVLayout) Slots() int { return (l.Capacity + 7) &^ 7 }

// elements is the number of cached values.
func (l KVLayout) elements() int { return l.Heads * l.Slots() * l.Dim }

// Bytes is the size of the layer's keys (or values) in bytes.
func (l KVLayout) Bytes() int {
	switch l.Type {
	case KVF32:
		return 4 * l.elements()
	case KVF16:
		return 2 * l.elements()
	}
	return l.elements() + l.elements()/BlockK*4
}

// keyIndex is the element index of column c of head h at position p.
func (l KVLayout) keyIndex(h, p, c int) int {
	return ((h*l.Slots()/4+p/4)*l.Dim+c)*4 + p%4
}

// valueIndex is the element index of column c of head h at position p.
func (l KVLayout) valueIndex(h, p, c int) int {
	return (h*l.Slots()+p)*l.Dim + c
}

// A Part is a run of bytes inside a cache.
type Part struct{ At, NBytes int }

// Filled lists where the first n positions of every head lie, scales included.
// Keys and values round up alike, to a whole group of four positions, so one
// list serves both layouts.
func (l KVLayout) Filled(n int) (parts []Part) {
	n = (n + 3) &^ 3
	size := map[KVType]int{KVF32: 4, KVF16: 2, KVQ8: 1}[l.Type]
	for h := range l.Heads {
		parts = append(parts, Part{h * l.Slots() * l.Dim * size, n * l.Dim * size})
	}
	if l.Type == KVQ8 {
		blocks := l.Dim / BlockK
		for h := range l.Heads {
			parts = append(parts, Part{l.elements() + h*l.Slots()*blocks*4, n * blocks * 4})
		}
	}
	return parts
}
