package tensor

import (
	"math/bits"
	"strconv"
	"strings"

	"pastel/fault"
)

// A Type is a storage format, numbered as in GGUF files.
//
// Source: ggml/include/ggml.h, enum ggml_type. 4, 5, 31–33 and 36–38 were
// withdrawn upstream and are unknown here.
type Type uint32

// The formats a GGUF file may name. Not all can be computed with: see Supported.
const (
	F32     Type = 0
	F16     Type = 1
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q8_1    Type = 9
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	Q8_K    Type = 15
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	I8      Type = 24
	I16     Type = 25
	I32     Type = 26
	I64     Type = 27
	F64     Type = 28
	IQ1_M   Type = 29
	BF16    Type = 30
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39

	nTypes = 40
)

// ErrUnsupportedType matches, under errors.Is, every refusal of a format.
var ErrUnsupportedType = fault.Sentinel(fault.UnsupportedType)

// A format is one row of the table: geometry, and the way to float32 where there is one.
// dequantize works on any whole number of blocks. (The ways back are in quantize.go.)
type format struct {
	name       string
	blockElems int
	blockBytes int
	dequantize func(dst []float32, src []byte)
}

// formats is indexed by Type; a row without a name is an unknown type.
var formats = [nTypes]format{
	F32:     {"F32", 1, 4, dequantizeF32},
	F16:     {"F16", 1, 2, dequantizeF16},
	BF16:    {"BF16", 1, 2, dequantizeBF16},
	Q8_0:    {"Q8_0", 32, 34, dequantizeQ8_0},
	Q4_0:    {"Q4_0", 32, 18, dequantizeQ4_0},
	Q4_1:    {"Q4_1", 32, 20, dequantizeQ4_1},
	Q5_0:    {"Q5_0", 32, 22, dequantizeQ5_0},
	Q5_1:    {"Q5_1", 32, 24, dequantizeQ5_1},
	Q8_1:    {name: "Q8_1", blockElems: 32, blockBytes: 36},
	Q2_K:    {"Q2_K", 256, 84, dequantizeQ2_K},
	Q3_K:    {"Q3_K", 256, 110, dequantizeQ3_K},
	Q4_K:    {"Q4_K", 256, 144, dequantizeQ4_K},
	Q5_K:    {"Q5_K", 256, 176, dequantizeQ5_K},
	Q6_K:    {"Q6_K", 256, 210, dequantizeQ6_K},
	Q8_K:    {"Q8_K", 256, 292, dequantizeQ8_K},
	IQ4_NL:  {"IQ4_NL", 32, 18, dequantizeIQ4_NL},
	IQ4_XS:  {"IQ4_XS", 256, 136, dequantizeIQ4_XS},
	MXFP4:   {"MXFP4", 32, 17, dequantizeMXFP4},
	TQ1_0:   {"TQ1_0", 256, 54, dequantizeTQ1_0},
	TQ2_0:   {"TQ2_0", 256, 66, dequantizeTQ2_0},
	IQ2_XXS: {name: "IQ2_XXS", blockElems: 256, blockBytes: 66},
	IQ2_XS:  {name: "IQ2_XS", blockElems: 256, blockBytes: 74},
	IQ2_S:   {name: "IQ2_S", blockElems: 256, blockBytes: 82},
	IQ3_XXS: {name: "IQ3_XXS", blockElems: 256, blockBytes: 98},
	IQ3_S:   {name: "IQ3_S", blockElems: 256, blockBytes: 110},
	IQ1_S:   {name: "IQ1_S", blockElems: 256, blockBytes: 50},
	IQ1_M:   {name: "IQ1_M", blockElems: 256, blockBytes: 56},
	I8:      {name: "I8", blockElems: 1, blockBytes: 1},
	I16:     {name: "I16", blockElems: 1, blockBytes: 2},
	I32:     {name: "I32", blockElems: 1, blockBytes: 4},
	I64:     {name: "I64", blockElems: 1, blockBytes: 8},
	F64:     {name: "F64", blockElems: 1, blockBytes: 8},
}

// lookup returns the row of t, the zero row for unknown types.
func (t Type) lookup() *format {
	if t >= nTypes {
		return &format{}
	}
	return &formats[t]
}

// Known reports whether t is a type of the GGUF format at all.
func (t Type) Known() bool { return t.lookup().name != "" }

// Supported reports whether rows of type t can be dequantised.
func (t Type) Supported() bool { return t.lookup().dequantize != nil }

// String returns the GGUF spelling, or "type N" for an unknown type.
func (t Type) String() string {
	if name := t.lookup().name; name != "" {
		return name
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// BlockElems returns the number of weights in one block, 0 for unknown types.
func (t Type) BlockElems() int { return t.lookup().blockElems }

// BlockBytes returns the size of one block, 0 for unknown types.
func (t Type) BlockBytes() int { return t.lookup().blockBytes }

// RowBytes returns the storage of a row of n weights.
//
// Errors: an unknown type, a negative n, an n that is not whole blocks, or a
// size past the largest int.
func (t Type) RowBytes(n int) (int, error) {
	f := t.lookup()
	if f.name == "" {
		return 0, fault.New(fault.UnsupportedType, "tensor: unknown ", t)
	}
	if n < 0 || n%f.blockElems != 0 {
		return 0, fault.New(fault.BadFile, "tensor: a row of ", n, " elements is not whole ", t, " blocks of ", f.blockElems)
	}
	hi, lo := bits.Mul64(uint64(n/f.blockElems), uint64(f.blockBytes))
	if hi != 0 || lo > 1<<63-1 || int(lo) < 0 {
		return 0, fault.New(fault.BadFile, "tensor: a row of ", n, " ", t, " elements is too long")
	}
	return int(lo), nil
}

// ParseType returns the type with the given GGUF spelling, in either case.
func ParseType(s string) (Type, error) {
	for i := range formats {
		if formats[i].name != "" && strings.EqualFold(formats[i].name, s) {
			return Type(i), nil
		}
	}
	return 0, fault.New(fault.UnsupportedType, "tensor: unknown type ", fault.Quote(s))
}
