package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A matrix is multiplied by tile functions: one for each format and one token,
// which reads the packed weights as they are, and two for four tokens, of bytes
// (see tile_wide.go) and of float32. For whole tiles of
// tokens all formats but float32 are first unpacked to those, a few groups at a
// time into the thread's scratch: measured at 1% of a prefill of 128 tokens, and
// it keeps shifts, masks and conversions out of the inner loop.

// chunkBytes is how much of the weights is multiplied with every tile before the
// next: it stays in the second level of the cache.
const chunkBytes = 256 << 10

// unpackedKind names what a format unpacks to.
type unpackedKind int

const (
	bytesKind unpackedKind = iota // wide blocks
	floatKind                     // layout of F32
)

// kindOf returns what f unpacks to.
func kindOf(f kernels.Format) unpackedKind {
	if f.Quantised() {
		return bytesKind
	}
	return floatKind
}

// packedAs names formats that are packed as an earlier one.
var packedAs = map[kernels.Format]kernels.Format{kernels.Q4_K: kernels.Q4_1, kernels.Q5_K: kernels.Q5_1}

// matmulTables are the functions that matmul picks from at run time.
type matmulTables struct {
	single *simd128.Table // by format: one token
	unpack *simd128.Table // by format
	tile   *simd128.Table // by kind: several tokens
}

var tileSignature = simd128.Signature{Params: []simd128.Type{
	simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32,
}}

var unpackSignature = simd128.Signature{Params: []simd128.Type{simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32}}

// tables emits all tile and unpack functions, once.
func (b *builder) tables() *matmulTables {
	if b.matmuls != nil {
		return b.matmuls
	}
	none, noUnpack := b.m.Func("no_tile"), b.m.Func("no_unpack")
	for range tileSignature.Params {
		none.ParamI32("p")
	}
	for range unpackSignature.Params {
		noUnpack.ParamI32("p")
	}
	none.Unreachable()
	noUnpack.Unreachable()
	partial := b.storePartial()
	single, unpack := []*simd128.Func{none}, []*simd128.Func{noUnpack}
	for f := range kernels.Formats() {
		switch {
		case f == kernels.FormatNone:
		case packedAs[f] != 0:
			single = append(single, single[packedAs[f]])
			unpack = append(unpack, unpack[packedAs[f]])
		case f.Quantised():
			single = append(single, b.blockTile(f.String(), blockFormats[f], partial))
			unpack = append(unpack, b.unpackBlocks(f))
		default:
			single = append(single, b.floatTile(f, 1, partial))
			unpack = append(unpack, b.unpackFloats(f))
		}
	}
	b.matmuls = &matmulTables{
		single: b.m.Table(single...),
		unpack: b.m.Table(unpack...),
		tile:   b.m.Table(b.wideTile(partial), b.floatTile(kernels.F32, kernels.TileTokens, partial)),
	}
	return b.matmuls
}

// matmul emits the operation.
//
// For every chunk of groups it runs over the tiles of tokens: a tile's
// activations stay in the first level of the cache, the chunk in the second.
func (b *builder) matmul() *simd128.Func {
	tables := b.tables()
	f, r, start, end := b.unitsFunc("matmul", kernels.Matmul{})
	n, x, dst, w := r.i32("N"), r.i32("X"), r.i32("Dst"), r.i32("W")
	format, k := r.i32("Format"), r.i32("K")
	xBytes := b.tokenBytes(f, r)
	dstBytes := r.i32("DstStride").ShlI(2).Let("dst_bytes")
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	packed, unpacked, kind := f.I32Var("packed"), f.I32Var("unpacked"), f.I32Var("kind")
	f.Switch(format, b.sizeCases(f, k, packed, unpacked, kind), func() { f.Unreachable() })
	// whole tiles need the kind's layout, and a format that has it needs no copy
	whole := n.GeSI(kernels.TileTokens).Let("whole")
	copied := whole.And(packed.Ne(unpacked)).Let("copied")
	size := f.I32Var("size")
	size.Set(simd128.Select(copied, unpacked, packed))
	chunk := f.I32Var("chunk")
	chunk.Set(f.I32(chunkBytes).DivU(size))
	f.If(chunk.Eqz(), func() { chunk.Set(f.I32(1)) })
	g, stop, base, t := f.I32Var("g"), f.I32Var("stop"), f.I32Var("base"), f.I32Var("t")
	g.Set(start)
	f.While(func() simd128.I32 { return g.LtS(end) }, func() {
		stop.Set(g.Add(chunk))
		stop.Set(simd128.Select(stop.LtS(end), stop, end))
		base.Set(w)
		f.If(copied, func() {
			f.CallIndirect(tables.unpack, unpackSignature, format, w.Add(g.Mul(packed)), scratch, k, stop.Sub(g))
			base.Set(scratch.Sub(g.Mul(unpacked)))
		})
		t.Set(f.I32(0))
		f.While(func() simd128.I32 { return t.LtS(n) }, func() {
			xt, dt := x.Add(t.Mul(xBytes)).Let("xt"), dst.Add(t.Mul(dstBytes)).Let("dt")
			f.IfElse(n.Sub(t).GeSI(kernels.TileTokens), func() {
				f.CallIndirect(tables.tile, tileSignature, kind, r.base, g, stop, xt, dt, base)
				t.Set(t.AddI(kernels.TileTokens))
			}, func() {
				f.CallIndirect(tables.single, tileSignature, format, r.base, g, stop, xt, dt, w)
				t.Set(t.AddI(1))
			})
		})
		g.Set(stop)
	})
	return f
}

// sizeCases sets, for every format, its size, that of what it unpacks to, in
// bytes per group, and the kind.
func (b *builder) sizeCases(f *simd128.Func, k, packed, unpacked, kind simd128.I32) []func() {
	cases := []func(){func() { f.Unreachable() }}
	for format := range kernels.Formats() {
		if format == kernels.FormatNone {
			continue
		}
		cases = append(cases, func() {
			packed.Set(groupBytes(f, format, k))
			unpacked.Set(kindBytes(f, kindOf(format), k))
			kind.Set(f.I32(int32(kindOf(format))))
		})
	}
	return cases
}

// groupBytes is kernels.Format.GroupBytes.
func groupBytes(f *simd128.Func, format kernels.Format, k simd128.I32) simd128.I32 {
	if format.Quantised() {
		block := kernels.FileBlock(format)
		return k.ShrUI(5).Mul(f.I32(int32(format.GroupBytes(block) / (block / kernels.BlockK))))
	}
	return k.Mul(f.I32(int32(format.GroupBytes(1))))
}

// kindBytes is the size of an unpacked group.
func kindBytes(f *simd128.Func, kind unpackedKind, k simd128.I32) simd128.I32 {
	if kind == floatKind {
		return k.ShlI(4)
	}
	return k.MulI(wideBytes / kernels.BlockK)
}

// tokenBytes is the size of one token's activations in bytes.
func (b *builder) tokenBytes(f *simd128.Func, r *record) simd128.I32 {
	bytes := f.I32Var("x_bytes")
	f.IfElse(r.i32("Act"), func() {
		nb := r.i32("K").ShrUI(5)
		subs := f.I32(32).DivU(r.i32("Sub"))
		bytes.Set(actTokenBytes(nb, subs))
	}, func() { bytes.Set(r.i32("XStride").ShlI(2)) })
	return bytes
}

// actTokenBytes is kernels.ActLayout.TokenBytes.
func actTokenBytes(nb, subs simd128.I32) simd128.I32 {
	return nb.Mul(subs.ShlI(3).AddI(kernels.ActBlockBytes + 4)).AddI(63).AndI(-64)
}
