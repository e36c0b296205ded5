package simd128

import (
	"fmt"
	"math"
	"strings"
)

// constant makes a constant, which may be used any number of times.
func (f *Func) constant(o *op, imm []byte, text string) *node {
	n := f.newNode(instr{op: o, imm: imm, text: text}, o.result)
	n.kind = kindConst
	return n
}

// I32 is i32.const.
func (f *Func) I32(v int32) I32 {
	return I32{f.constant(opI32Const, appendSleb(nil, int64(v)), fmt.Sprint(v))}
}

// I64 is i64.const.
func (f *Func) I64(v int64) I64 {
	return I64{f.constant(opI64Const, appendSleb(nil, v), fmt.Sprint(v))}
}

// F32 is f32.const. Bits of a NaN are kept.
func (f *Func) F32(v float32) F32 { return f.F32Bits(math.Float32bits(v)) }

// F32Bits is f32.const given by its bits.
func (f *Func) F32Bits(v uint32) F32 {
	return F32{f.constant(opF32Const, le(uint64(v), 4), floatText(float64(math.Float32frombits(v)), uint64(v)))}
}

// F64 is f64.const. Bits of a NaN are kept.
func (f *Func) F64(v float64) F64 { return f.F64Bits(math.Float64bits(v)) }

// F64Bits is f64.const given by its bits.
func (f *Func) F64Bits(v uint64) F64 {
	return F64{f.constant(opF64Const, le(v, 8), floatText(math.Float64frombits(v), v))}
}

func floatText(v float64, bits uint64) string {
	if math.IsNaN(v) {
		return fmt.Sprintf("nan:%#x", bits)
	}
	return fmt.Sprint(v)
}

// le returns the low n bytes of v, least significant first.
func le(v uint64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

// V128 is v128.const given by its bytes.
func (f *Func) V128(b [16]byte) V128 { return V128{f.vector("i8x16", f.lanes(1, b[:])...)} }

// I8x16 is v128.const of 16 lanes, or of one value in all lanes.
func (f *Func) I8x16(v ...int8) I8x16 { return I8x16{f.vector("i8x16", lanesOf(f, 1, v)...)} }

// I16x8 is v128.const of 8 lanes, or of one value in all lanes.
func (f *Func) I16x8(v ...int16) I16x8 { return I16x8{f.vector("i16x8", lanesOf(f, 2, v)...)} }

// I32x4 is v128.const of 4 lanes, or of one value in all lanes.
func (f *Func) I32x4(v ...int32) I32x4 { return I32x4{f.vector("i32x4", lanesOf(f, 4, v)...)} }

// I64x2 is v128.const of 2 lanes, or of one value in both.
func (f *Func) I64x2(v ...int64) I64x2 { return I64x2{f.vector("i64x2", lanesOf(f, 8, v)...)} }

// F32x4 is v128.const of 4 lanes, or of one value in all lanes.
func (f *Func) F32x4(v ...float32) F32x4 {
	bits := make([]lane, len(v))
	for i, x := range v {
		b := math.Float32bits(x)
		bits[i] = lane{le(uint64(b), 4), floatText(float64(x), uint64(b))}
	}
	return F32x4{f.vector("f32x4", spread(f, 4, bits)...)}
}

// F64x2 is v128.const of 2 lanes, or of one value in both.
func (f *Func) F64x2(v ...float64) F64x2 {
	bits := make([]lane, len(v))
	for i, x := range v {
		b := math.Float64bits(x)
		bits[i] = lane{le(b, 8), floatText(x, b)}
	}
	return F64x2{f.vector("f64x2", spread(f, 8, bits)...)}
}

// lane is one lane of a constant.
type lane struct {
	bytes []byte
	text  string
}

// lanes makes lanes of single bytes.
func (f *Func) lanes(size int, b []byte) []lane { return lanesOf(f, size, b) }

// lanesOf makes lanes of integers of size bytes.
func lanesOf[T int8 | uint8 | int16 | int32 | int64](f *Func, size int, v []T) []lane {
	out := make([]lane, len(v))
	for i, x := range v {
		out[i] = lane{le(uint64(int64(x)), size), fmt.Sprint(x)}
	}
	return spread(f, size, out)
}

// spread repeats a single lane and checks the count.
func spread(f *Func, size int, v []lane) []lane {
	want := 16 / size
	if len(v) != 1 && len(v) != want {
		f.errorf("vector constant with %d lanes: want 1 or %d", len(v), want)
		v = []lane{{make([]byte, size), "0"}}
	}
	for len(v) < want {
		v = append(v, v[0])
	}
	return v
}

// vector makes the v128.const of lanes.
func (f *Func) vector(shape string, v ...lane) *node {
	var imm []byte
	words := []string{shape}
	for _, l := range v {
		imm = append(imm, l.bytes...)
		words = append(words, l.text)
	}
	return f.constant(opV128Const, imm, strings.Join(words, " "))
}
