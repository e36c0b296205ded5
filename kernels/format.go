package kernels

// A Format says how a weight matrix [rows, k] lies in memory. Rows are packed
// in groups of four, so that one 32-bit lane of a vector belongs to one row and
// no kernel needs a horizontal sum; missing rows of the last group repeat the
// last row.
//
// Every group is a sequence of planes, each plane running over all of k. With
// nb = k/32 blocks and r the row inside its group:
//
//	F32            w  [k][r] float32
//	F16, BF16      w  [k][r] uint16
//	Q8_0           qs [nb][8][r][4] uint8 (int8 plus the machine's bias), d [nb][r] float16
//	Q4_0           qs [nb][4][r][4] uint8, d [nb][r] float16
//	Q4_1           qs as Q4_0, d, m [nb][r] float16
//	Q5_0           qs as Q4_0, qh [nb][r] uint32, d
//	Q5_1           qs as Q4_0, qh [nb][r] uint32, d, m
//	Q4_K, Q5_K     as Q4_1 and Q5_1, with d·scale and −dmin·min of every sub-block as float16
//
// The integers of a block are turned by row: vector j of a block, of eight, holds
// for row r the four columns k = 16·(j/4) + 4·((j+r) mod 4) + i, so that four
// plain loads of a token's sixteen columns, each four bytes on, meet the four
// vectors (see ActLayout) and no column needs to be spread over the lanes. A
// nibble byte holds vector j in its low half and vector j+4 in its high half.
// Bit j of byte i of qh is the fifth bit of byte i of vector j.
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
	nFormats
)

// GroupRows is the number of rows packed together.
const GroupRows = 4

// BlockK is the number of columns that share a scale.
const BlockK = 32

// formatInfo holds what every executor must agree on.
type formatInfo struct {
	name       string
	fileBlock  int   // columns per block of the file
	fileBytes  int   // bytes per block of the file
	packBytes  int   // bytes per packed group and block of fileBlock columns
	quantised  bool  // multiplied with quantised activations
	zero       int32 // what the stored integer exceeds the true one by
	hasMin     bool  // a minimum is added per block
	signedBits bool  // stored integers are signed bytes (Q8_0)
}

var formats = [nFormats]formatInfo{
	F32:  {name: "F32", fileBlock: 1, fileBytes: 4, packBytes: 16},
	F16:  {name: "F16", fileBlock: 1, fileBytes: 2, packBytes: 8},
	BF16: {name: "BF16", fileBlock: 1, fileBytes: 2, packBytes: 8},
	Q8_0: {name: "Q8_0", fileBlock: 32, fileBytes: 34, packBytes: 136, quantised: true, signedBits: true},
	Q4_0: {name: "Q4_0", fileBlock: 32, fileBytes: 18, packBytes: 72, quantised: true, zero: 8},
	Q4_1: {name: "Q4_1", fileBlock: 32, fileBytes: 20, packBytes: 80, quantised: true, hasMin: true},
	Q5_0: {name: "Q5_0", fileBlock: 32, fileBytes: 22, packBytes: 88, quantised: true, zero: 16},
	Q5_1: {name: "Q5_1", fileBlock: 32, fileBytes: 24, packBytes: 96, quantised: true, hasMin: true},
	Q4_K: {name: "Q4_K", fileBlock: 256, fileBytes: 144, packBytes: 640, quantised: true, hasMin: true},
	Q5_K: {name: "Q5_K", fileBlock: 256, fileBytes: 176, packBytes: 768, quantised: true, hasMin: true},
}

func (f Format) String() string {
	if f == FormatNone || f >= nFormats {
		return "Format(none)"
	}
	return formats[f].name
}

// Quantised reports whether the format is multiplied with quantised activations.
func (f Format) Quantised() bool { return formats[f].quantised }

// FileRowBytes is the size in bytes of one row of k values as a file stores it.
func (f Format) FileRowBytes(k int) int {
	return k / formats[f].fileBlock * formats[f].fileBytes
}

// GroupBytes is the size in bytes of one packed group of four rows of k values.
func (f Format) GroupBytes(k int) int {
	return k / formats[f].fileBlock * formats[f].packBytes
}

// PackedBytes is the size in bytes of a packed matrix [rows, k].
func (f Format) PackedBytes(rows, k int) int {
	return (rows + GroupRows - 1) / GroupRows * f.GroupBytes(k)
}

// FileBlock is the number of columns per block of the file's format.
func FileBlock(f Format) int { return formats[f].fileBlock }

// five reports whether the integers have five bits.
func (f Format) five() bool { return f == Q5_0 || f == Q5_1 || f == Q5_K }

// MaxK is the largest number of columns of a quantised matrix.
const MaxK = 1 << 17

// Fits reports whether a matrix of k columns can have this format.
func (f Format) Fits(k int) bool {
	return f != FormatNone && f < nFormats && k%formats[f].fileBlock == 0 && (k <= MaxK || !formats[f].quantised)
}

// Zero is what stored integers exceed the true ones by. q8Zero is the
// executor's choice for Q8_0 (see Machine in package engine): 128 where its dot
// instruction wants unsigned weights, 0 elsewhere.
func (f Format) Zero(q8Zero int) int {
	if formats[f].signedBits {
		return q8Zero
	}
	return int(formats[f].zero)
}

// Sub is the number of columns per start value that the format's kernels want.
func (f Format) Sub() int { return BlockK }

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
