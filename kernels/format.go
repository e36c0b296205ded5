package kernels

// A Format says how a weight matrix [rows, k] lies in memory. Rows are packed
// in groups of four, so that one 32-bit lane of a vector belongs to one row and
// no kernel needs a horizontal sum; missing rows of the last group repeat the
// last row.
//
// Every group is a sequence of planes, each plane running over all of k. With
// nb = k/32 blocks, ns = k/256 superblocks and r the row inside its group:
//
//	F32            w  [k][r] float32
//	F16, BF16      w  [k][r] uint16
//	Q8_0           q8, d
//	Q4_0, IQ4_NL   q4, d
//	Q4_1           q4, d, m
//	Q5_0           q4, q1, d
//	Q5_1           q4, q1, d, m
//	MXFP4          q4, e  [nb][r] uint8
//	Q4_K           q4, s  [nb][2][r] uint8 (scale, minimum), D, M
//	Q5_K           q4, q1, s as Q4_K, D, M
//	Q6_K           q6, s  [nb][2][r] int8 (of sixteen columns each), D
//	Q3_K           q2, q1, s as Q6_K, D
//	Q2_K           q2, s  [nb][2][r] uint8 (of sixteen columns: scale low, minimum high), D, M
//	IQ4_XS         q4, s  [nb][r] int8, D
//	TQ1_0, TQ2_0   q2, D
//
// d, m [nb][r] are float16; D [ns][r], which multiplies the scales s of its superblock,
// and M (negated), the minimums, are float32: files often have float16 there that are
// subnormal, and a machine takes a hundred cycles for one. The planes of integers, of i < 4 bytes:
//
//	q8  [nb][8][r][i]  uint8 (int8 plus the machine's bias)
//	q6  [nb][2][3][r][i]  vectors 4h to 4h+2 in the low six bits, two bits of vector 4h+3 above each
//	q4  [nb][4][r][i]  vector j in the low half, j+4 in the high half
//	q2  [nb][2][r][i]  vectors 4h to 4h+3 of vector h's bytes, from the low bits up
//	q1  [nb][r][i]     bit j belongs to vector j
//
// The integers of a block are turned by row: vector j of a block, of eight, holds
// for row r the four columns k = 16·(j/4) + 4·((j+r) mod 4) + i, so that four
// plain loads of a token's sixteen columns, each four bytes on, meet the four
// vectors (see ActLayout) and no column needs to be spread over the lanes. A
// second plane of integers holds the bits above the first's.
//
// What only packing and multiplying look at, within the same bytes, is an executor's
// own: the baseline has the integers of TQ1_0 and TQ2_0 by bit, not turned (see
// lookup.go in package program).
type Format uint32

// The packed formats. The names are those of the GGUF types they come from.
const (
	FormatNone Format = iota
	F32
	F16
	BF16
	Q8_0
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q4_K
	Q5_K
	Q6_K
	Q3_K
	Q2_K
	IQ4_NL
	IQ4_XS
	MXFP4
	TQ1_0
	TQ2_0
	nFormats
)

// GroupRows is the number of rows packed together.
const GroupRows = 4

// BlockK is the number of columns that share a scale, or two scales.
const BlockK = 32

// SuperK is the number of columns that share a scale of scales.
const SuperK = 256

// A Field is a run of small integers in a block of a file, a number of bits
// each: Width bytes hold the first columns in their low bits, the next columns
// above those, until they are full; then come the next bytes.
type Field struct{ At, Width, Bits int }

// Columns is the number of columns that Width bytes hold.
func (s Field) Columns() int { return s.Width * 8 / s.Bits }

// get reads the integer of column c.
func (s Field) get(block []byte, c int) byte {
	b := block[s.At+c/s.Columns()*s.Width+c%s.Width]
	return b >> (c % s.Columns() / s.Width * s.Bits) & (1<<s.Bits - 1)
}

// Scaling says what the integers of a packed block are multiplied with.
type Scaling int

// The kinds of scaling.
const (
	NoScale        Scaling = iota
	HalfScale              // d, perhaps m: float16 per block
	PowerScale             // e: 2^(e−128) per block; e = 0 counts as zero
	ScaleOnly              // D alone
	SignedScale            // D·s, int8 s per block
	PairedScale            // D·s and M·m, uint8 each, per block
	SixteenthScale         // D·s, int8 s per sixteen columns
	NibbleScale            // D·s and M·m, the halves of a byte per sixteen columns
)

// A Shape is what every executor must agree on about one format.
type Shape struct {
	Name      string
	FileBlock int   // columns per block of the file
	FileBytes int   // bytes per block of the file
	Low, High Field // of the file's integers; High without bits: none
	Joined    bool  // one plane holds the bits of both
	D         int   // where the file's scale is, its minimum's scale behind it
	Zero      int   // what the stored integer exceeds the true one by
	Min       bool  // a minimum is added
	Scaling   Scaling
	Table     *[16]int8 // what the integer stands for; nil: itself
}

// IQ4Values is what the integers of IQ4_NL and IQ4_XS stand for.
//
// Source: llama.cpp, ggml-common.h, kvalues_iq4nl.
var IQ4Values = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// MXFP4Values is twice what the integers of MXFP4 stand for.
//
// Source: OCP Microscaling Formats (MX) v1.0, section 5.3.3.
var MXFP4Values = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// shapes lists the formats. Block structures: llama.cpp, ggml-common.h. The low
// field of TQ1_0, whose integers are base 3, is that of its packed form.
var shapes = [nFormats]Shape{
	F32:    {Name: "F32", FileBlock: 1, FileBytes: 4},
	F16:    {Name: "F16", FileBlock: 1, FileBytes: 2},
	BF16:   {Name: "BF16", FileBlock: 1, FileBytes: 2},
	Q8_0:   {Name: "Q8_0", FileBlock: 32, FileBytes: 34, Low: Field{2, 32, 8}, Scaling: HalfScale},
	Q4_0:   {Name: "Q4_0", FileBlock: 32, FileBytes: 18, Low: Field{2, 16, 4}, Scaling: HalfScale, Zero: 8},
	Q4_1:   {Name: "Q4_1", FileBlock: 32, FileBytes: 20, Low: Field{4, 16, 4}, Scaling: HalfScale, Min: true},
	Q5_0:   {Name: "Q5_0", FileBlock: 32, FileBytes: 22, Low: Field{6, 16, 4}, High: Field{2, 1, 1}, Scaling: HalfScale, Zero: 16},
	Q5_1:   {Name: "Q5_1", FileBlock: 32, FileBytes: 24, Low: Field{8, 16, 4}, High: Field{4, 1, 1}, Scaling: HalfScale, Min: true},
	Q4_K:   {Name: "Q4_K", FileBlock: 256, FileBytes: 144, Low: Field{16, 32, 4}, Scaling: PairedScale, Min: true},
	Q5_K:   {Name: "Q5_K", FileBlock: 256, FileBytes: 176, Low: Field{48, 32, 4}, High: Field{16, 32, 1}, Scaling: PairedScale, Min: true},
	Q6_K:   {Name: "Q6_K", FileBlock: 256, FileBytes: 210, Low: Field{0, 64, 4}, High: Field{128, 32, 2}, Joined: true, D: 208, Scaling: SixteenthScale, Zero: 32},
	Q3_K:   {Name: "Q3_K", FileBlock: 256, FileBytes: 110, Low: Field{32, 32, 2}, High: Field{0, 32, 1}, D: 108, Scaling: SixteenthScale, Zero: 4},
	Q2_K:   {Name: "Q2_K", FileBlock: 256, FileBytes: 84, Low: Field{16, 32, 2}, D: 80, Scaling: NibbleScale, Min: true},
	IQ4_NL: {Name: "IQ4_NL", FileBlock: 32, FileBytes: 18, Low: Field{2, 16, 4}, Scaling: HalfScale, Table: &IQ4Values},
	IQ4_XS: {Name: "IQ4_XS", FileBlock: 256, FileBytes: 136, Low: Field{8, 16, 4}, Scaling: SignedScale, Table: &IQ4Values},
	MXFP4:  {Name: "MXFP4", FileBlock: 32, FileBytes: 17, Low: Field{1, 16, 4}, Scaling: PowerScale, Zero: 12, Table: &MXFP4Values},
	TQ1_0:  {Name: "TQ1_0", FileBlock: 256, FileBytes: 54, Low: Field{0, 32, 2}, D: 52, Scaling: ScaleOnly, Zero: 1},
	TQ2_0:  {Name: "TQ2_0", FileBlock: 256, FileBytes: 66, Low: Field{0, 32, 2}, D: 64, Scaling: ScaleOnly, Zero: 1},
}

// Shape describes the format.
func (f Format) Shape() Shape { return shapes[f] }

func (f Format) String() string {
	if f == FormatNone || f >= nFormats {
		return "Format(none)"
	}
	return shapes[f].Name
}

// Quantised reports whether the format is multiplied with quantised activations.
func (f Format) Quantised() bool { return shapes[f].Scaling != NoScale }

// FileRowBytes is the size in bytes of one row of k values as a file stores it.
func (f Format) FileRowBytes(k int) int { return k / shapes[f].FileBlock * shapes[f].FileBytes }

// GroupBytes is the size in bytes of one packed group of four rows of k values.
func (f Format) GroupBytes(k int) int {
	s := &shapes[f]
	if !f.Quantised() {
		return k * s.FileBytes * GroupRows
	}
	return k/BlockK*(s.integerBytes()+s.ScaleBytes()) + k/SuperK*s.SuperBytes()
}

// integerBytes is the size of a packed block's integers.
func (s *Shape) integerBytes() int { return (s.Low.Bits + s.High.Bits) * 16 }

// ScaleBytes is the size of what belongs to one packed block beside its integers.
func (s *Shape) ScaleBytes() int {
	switch s.Scaling {
	case HalfScale:
		if s.Min {
			return 16
		}
		return 8
	case PowerScale, SignedScale:
		return 4
	case PairedScale, SixteenthScale, NibbleScale:
		return 8
	}
	return 0
}

// SuperBytes is the size of what belongs to a packed superblock.
func (s *Shape) SuperBytes() int {
	switch s.Scaling {
	case PairedScale, NibbleScale:
		return 32
	case ScaleOnly, SignedScale, SixteenthScale:
		return 16
	}
	return 0
}

// PackedBytes is the size in bytes of a packed matrix [rows, k].
func (f Format) PackedBytes(rows, k int) int {
	return (rows + GroupRows - 1) / GroupRows * f.GroupBytes(k)
}

// MaxK is the largest number of columns of a quantised matrix.
const MaxK = 1 << 17

// Fits reports whether a matrix of k columns can have this format.
func (f Format) Fits(k int) bool {
	return f != FormatNone && f < nFormats && k%shapes[f].FileBlock == 0 && (k <= MaxK || !f.Quantised())
}

// signedBytes reports whether the integers need all of a signed byte.
func (f Format) signedBytes() bool { return f == Q8_0 || shapes[f].Table == &IQ4Values }

// Zero is what stored integers exceed the true ones by. q8Zero is the
// executor's choice for integers of a whole byte (see Machine in package
// engine): 128 where its dot instruction wants unsigned weights, 0 elsewhere.
func (f Format) Zero(q8Zero int) int {
	if f.signedBytes() {
		return q8Zero
	}
	return shapes[f].Zero
}

// Sub is the number of columns per start value that the format's kernels want.
func (f Format) Sub() int {
	if s := shapes[f].Scaling; s == SixteenthScale || s == NibbleScale {
		return BlockK / 2
	}
	return BlockK
}

// columnOf is the column, of a block, of byte i of row r in vector j.
func columnOf(j, r, i int) int { return j/4*16 + (j+r)%4*4 + i }

// Formats yields every value of Format in order, FormatNone first.
func Formats() func(yield func(Format) bool) {
	return func(yield func(Format) bool) {
		for f := range nFormats {
			if !yield(f) {
				return
			}
		}
	}
}
