package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"pastel/engine/testmodel"
)

// ONNX element types. (onnx.proto, TensorProto.DataType.)
const (
	onnxF32 = 1
	onnxI8  = 3
	onnxI32 = 6
	onnxI64 = 7
	onnxF16 = 10
)

// msDomain is where onnxruntime's own operators live.
const msDomain = "com.microsoft"

// A graph collects the parts of an ONNX GraphProto.
type graph struct {
	nodes, initializers, inputs, outputs []byte

	rng *rand.ChaCha8
}

// onnxInt8 makes a decoder of random weights as optimum exports one in dtype "q8":
// int8 weights per column with activations quantised on the fly, grouped-query attention
// with rotation inside, logits of the last position.
//
// Inputs: input_ids [1, S] i64, seqlens_k [1] i32 (total-1), total [] i32,
// past.N.key and .value [1, kv heads, P, head dim] f32.
// Source: onnxruntime docs/ContribOperators.md; onnx.proto.
func onnxInt8(c testmodel.Config, context int) []byte {
	g := &graph{rng: rand.NewChaCha8([32]byte{1})}
	headDim := c.Dim / c.NHeads
	g.inputs = value(g.inputs, 11, "input_ids", onnxI64, 1, "S")
	g.inputs = value(g.inputs, 11, "seqlens_k", onnxI32, 1)
	g.inputs = value(g.inputs, 11, "total", onnxI32)
	g.outputs = value(g.outputs, 12, "logits", onnxF32, 1, 1, c.VocabSize)
	g.random("embd", onnxF16, 2, c.VocabSize, c.Dim)
	g.rotations(c.RopeBase, context, headDim)
	g.node("Gather", "", []string{"embd", "input_ids"}, []string{"embd16"})
	g.node("Cast", "", []string{"embd16"}, []string{"x"}, attr{"to", onnxF32})
	g.node("SimplifiedLayerNormalization", "", []string{"x", g.ones("norm", c.Dim)}, []string{"h"}, attr{"axis", -1}, attr{"epsilon", 1e-5}, attr{"stash_type", 1})
	x, h := "x", "h"
	for i := range c.NLayers {
		x, h = g.block(c, i, headDim, x, h)
	}
	for name, v := range map[string]int64{"from": -1, "to": math.MaxInt64, "axis": 1} {
		g.initializer(name, onnxI64, binary.LittleEndian.AppendUint64(nil, uint64(v)), 1)
	}
	g.node("Slice", "", []string{h, "from", "to", "axis"}, []string{"last"})
	g.node("Identity", "", []string{g.matmul("last", "head", c.Dim, c.VocabSize)}, []string{"logits"})
	return g.model()
}

// block adds one block and returns its residual and its normed output.
func (g *graph) block(c testmodel.Config, i, headDim int, x, h string) (residual, normed string) {
	p := fmt.Sprint("l", i)
	kvDim := c.NKVHeads * headDim
	for _, kv := range []string{"key", "value"} {
		g.inputs = value(g.inputs, 11, fmt.Sprintf("past.%d.%s", i, kv), onnxF32, 1, c.NKVHeads, "P", headDim)
		g.outputs = value(g.outputs, 12, fmt.Sprintf("present.%d.%s", i, kv), onnxF32, 1, c.NKVHeads, "T", headDim)
	}
	g.node("GroupQueryAttention", msDomain, []string{
		g.matmul(h, p+"q", c.Dim, c.Dim), g.matmul(h, p+"k", c.Dim, kvDim), g.matmul(h, p+"v", c.Dim, kvDim),
		fmt.Sprintf("past.%d.key", i), fmt.Sprintf("past.%d.value", i), "seqlens_k", "total", "cos", "sin",
	}, []string{p + "a", fmt.Sprintf("present.%d.key", i), fmt.Sprintf("present.%d.value", i)},
		attr{"num_heads", c.NHeads}, attr{"kv_num_heads", c.NKVHeads}, attr{"do_rotary", 1})
	x, h = g.addNorm(p+"1", c.Dim, x, g.matmul(p+"a", p+"o", c.Dim, c.Dim))
	gate, up := g.matmul(h, p+"g", c.Dim, c.HiddenDim), g.matmul(h, p+"u", c.Dim, c.HiddenDim)
	g.node("Sigmoid", "", []string{gate}, []string{p + "s"})
	g.node("Mul", "", []string{gate, p + "s"}, []string{p + "silu"})
	g.node("Mul", "", []string{p + "silu", up}, []string{p + "f"})
	return g.addNorm(p+"2", c.Dim, x, g.matmul(p+"f", p+"d", c.HiddenDim, c.Dim))
}

// addNorm adds y to x and returns the sum and its norm.
func (g *graph) addNorm(name string, dim int, x, y string) (sum, normed string) {
	g.node("SkipSimplifiedLayerNormalization", msDomain, []string{x, y, g.ones(name+"w", dim)}, []string{name + "n", "", "", name + "r"}, attr{"epsilon", 1e-5})
	return name + "r", name + "n"
}

// matmul adds x·W with a random int8 W [in, out] and one scale per column.
func (g *graph) matmul(x, name string, in, out int) string {
	g.random(name+"_w", onnxI8, 1, in, out)
	scale := float32(1 / (74 * math.Sqrt(float64(in)))) // random int8 have a deviation of 74
	g.initializer(name+"_s", onnxF32, floats(scale, out), out)
	g.node("DynamicQuantizeMatMul", msDomain, []string{x, name + "_w", name + "_s"}, []string{name + "_y"})
	return name + "_y"
}

func (g *graph) ones(name string, n int) string {
	g.initializer(name, onnxF32, floats(1, n), n)
	return name
}

// rotations adds the tables of cosines and sines [context, headDim/2].
func (g *graph) rotations(base float64, context, headDim int) {
	var cos, sin []byte
	for pos := range context {
		for i := range headDim / 2 {
			angle := float64(pos) * math.Pow(base, -2*float64(i)/float64(headDim))
			cos = binary.LittleEndian.AppendUint32(cos, math.Float32bits(float32(math.Cos(angle))))
			sin = binary.LittleEndian.AppendUint32(sin, math.Float32bits(float32(math.Sin(angle))))
		}
	}
	g.initializer("cos", onnxF32, cos, context, headDim/2)
	g.initializer("sin", onnxF32, sin, context, headDim/2)
}

// random adds a tensor of random bytes; as float16 they are of either sign and about 0.03.
func (g *graph) random(name string, typ, size int, dims ...int) {
	n := size
	for _, d := range dims {
		n *= d
	}
	raw := make([]byte, n)
	_, _ = g.rng.Read(raw) // never fails
	if typ == onnxF16 {
		for i := 1; i < n; i += 2 {
			raw[i] = raw[i]&0x83 | 0x28
		}
	}
	g.initializer(name, typ, raw, dims...)
}

func floats(v float32, n int) (b []byte) {
	for range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
