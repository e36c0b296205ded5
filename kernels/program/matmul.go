package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// A matrix is multiplied by tile functions, for one token or for four. Those for
// four read what formats are unpacked to (wide blocks of bytes, see tile_wide.go,
// or float32), a few groups at a time into the thread's scratch: measured at 1% of
// a prefill of 128 tokens, and it keeps shifts, masks and conversions out of the
// inner loop. For one token, common formats have a function that reads the packed
// weights as they are; the others are unpacked two groups at a time, too.

// direct reports whether a quantised format has a function of its own for one
// token. The baseline, whose dot products take four times the code, has three, and
// looks up the ternary ones (see lookup.go).
func (b *builder) direct(f kernels.Format) bool {
	switch f {
	case kernels.Q8_0, kernels.Q4_0, kernels.Q4_K:
		return true
	case kernels.Q6_K, kernels.TQ1_0, kernels.TQ2_0, kernels.Q5_K, kernels.Q5_0, kernels.Q4_1:
		return b.m.Relaxed
	}
	return false
}

// chunkBytes is how much of the weights is multiplied with every tile before the
// next: it stays in the second level of the cache.
const chunkBytes = 256 << 10

// pairBytes is how much of the weights is unpacked for one token: it stays in the
// first level. It may be less than two groups, which a tile takes at a time.
const pairBytes = 24 << 10

// unpackedKind names what a format unpacks to.
type unpackedKind int

const (
	bytesKind  unpackedKind = iota // wide blocks
	halvesKind                     // wide blocks whose halves have scales of their own
	floatKind                      // layout of F32
)

// kindOf returns what f unpacks to.
func kindOf(f kernels.Format) unpackedKind {
	switch {
	case !f.Quantised():
		return floatKind
	case formatOf(f).halves():
		return halvesKind
	}
	return bytesKind
}

// matmulTables are the functions that matmul picks from at run time.
type matmulTables struct {
	single  *simd128.Table // by format: one token
	unpack  *simd128.Func
	tile    *simd128.Table // by kind: a whole tile
	sizes   *simd128.Func  // see sizes
	partial *simd128.Func  // see storePartial
}

var tileSignature = simd128.Signature{Params: []simd128.Type{
	simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32, simd128.TypeI32,
}}

// tables emits all tile and unpack functions, once.
func (b *builder) tables() *matmulTables {
	if b.matmuls != nil {
		return b.matmuls
	}
	none := b.m.Func("no_tile")
	for range tileSignature.Params {
		none.ParamI32("p")
	}
	none.Unreachable()
	partial := b.storePartial()
	b.ahead = b.aheadFunc()
	b.matmuls = &matmulTables{sizes: b.sizes(), partial: partial}
	b.matmuls.unpack = b.unpack()
	var whole, one []*simd128.Func
	for kind, name := range []string{"bytes", "halves"} {
		whole = append(whole, b.wideTile(name, wideBlocks[kind], kernels.TileTokens, partial))
		one = append(one, b.wideTile(name, wideBlocks[kind], 1, partial))
	}
	b.matmuls.tile = b.m.Table(append(whole, b.floatTiles(partial))...)
	single := []*simd128.Func{none}
	wide := b.singleWide(b.m.Table(one...))
	for f := range kernels.Formats() {
		switch {
		case f == kernels.FormatNone:
		case f == kernels.TQ2_0: // packed as TQ1_0, which comes before
			single = append(single, single[kernels.TQ1_0])
		case b.ternary(f):
			single = append(single, b.lookup(partial))
		case b.direct(f):
			single = append(single, b.blockTile(f.String(), formatOf(f), partial))
		case f.Quantised():
			single = append(single, wide)
		default:
			single = append(single, b.floatTile(f, 1, partial))
		}
	}
	b.matmuls.single = b.m.Table(single...)
	return b.matmuls
}

// singleWide emits the tile function of one token of the formats that have none
// of their own.
func (b *builder) singleWide(tiles *simd128.Table) *simd128.Func {
	f := b.m.Func("matmul_unpacked_1")
	base, first, end := f.ParamI32("record"), f.ParamI32("first"), f.ParamI32("end")
	x, dst, w := f.ParamI32("x"), f.ParamI32("dst"), f.ParamI32("w")
	r := recordOf(f, base, kernels.Matmul{})
	format, k := r.i32("Format"), r.i32("K")
	scratch := simd128.GetGlobal[simd128.I32](f, b.scratch).Let("scratch")
	packed, unpacked, kind := b.sizesOf(f, format, k)
	chunk, g, stop := f.I32Var("chunk"), f.I32Var("g"), f.I32Var("stop")
	chunk.Set(f.I32(pairBytes).DivU(unpacked))
	f.If(chunk.LtSI(2), func() { chunk.Set(f.I32(2).Sub(unpacked.GtUI(kernels.ScratchBytes / 2))) })
	g.Set(first)
	f.While(func() simd128.I32 { return g.LtS(end) }, func() {
		stop.Set(g.Add(chunk))
		stop.Set(simd128.Select(stop.LtS(end), stop, end))
		f.Call(b.matmuls.unpack, format, w.Add(g.Mul(packed)), scratch, k, stop.Sub(g))
		f.CallIndirect(tiles, tileSignature, kind, base, g, stop, x, dst, scratch.Sub(g.Mul(unpacked)))
		g.Set(stop)
	})
	return f
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
	packed, unpacked, kind := b.sizesOf(f, format, k)
	// whole tiles need the kind's layout, and a format that has it needs no copy
	whole := n.GeSI(kernels.TileTokens).Let("whole")
	copied := whole.And(packed.Ne(unpacked)).Let("copied")
	size := f.I32Var("size")
	size.Set(simd128.Select(copied, unpacked, packed))
	chunk := f.I32Var("chunk")
	chunk.Set(f.I32(chunkBytes).DivU(size))
	f.If(chunk.Eqz(), func() { chunk.Set(f.I32(1)) })
	f.If(n.EqI(1), func() { chunk.Set(end) }) // read once
	g, stop, base, t := f.I32Var("g"), f.I32Var("stop"), f.I32Var("base"), f.I32Var("t")
	g.Set(start)
	f.While(func() simd128.I32 { return g.LtS(end) }, func() {
		stop.Set(g.Add(chunk))
		stop.Set(simd128.Select(stop.LtS(end), stop, end))
		base.Set(w)
		f.If(copied, func() {
			b.forget(f)
			f.Call(tables.unpack, format, w.Add(g.Mul(packed)), scratch, k, stop.Sub(g))
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

// sizes emits sizes(format, k): the format's size, that of what it unpacks to, in
// bytes per group, and the kind.
func (b *builder) sizes() *simd128.Func {
	f := b.m.Func("sizes")
	format, k := f.ParamI32("format"), f.ParamI32("k")
	f.Results(simd128.TypeI32, simd128.TypeI32, simd128.TypeI32)
	perBlock, perSuper, kind := f.I32Var("per_block"), f.I32Var("per_super"), f.I32Var("kind")
	cases := []func(){func() { f.Unreachable() }}
	for format := range kernels.Formats() {
		if format == kernels.FormatNone {
			continue
		}
		cases = append(cases, func() {
			perBlock.Set(f.I32(int32(format.GroupBytes(kernels.SuperK)-formatOf(format).SuperBytes()) / 8))
			if formatOf(format).SuperBytes() > 0 {
				perSuper.Set(f.I32(int32(formatOf(format).SuperBytes())))
			}
			kind.Set(f.I32(int32(kindOf(format))))
		})
	}
	f.Switch(format, cases, func() { f.Unreachable() })
	packed, unpacked := f.I32Var("packed"), f.I32Var("unpacked")
	packed.Set(k.Mul(perBlock).ShrUI(5).Add(k.ShrUI(8).Mul(perSuper)))
	var kinds []func()
	for _, w := range wideBlocks {
		kinds = append(kinds, func() { unpacked.Set(w.groupBytes(f, k)) })
	}
	f.Switch(kind, kinds, func() { unpacked.Set(k.ShlI(4)) })
	f.Return(packed, unpacked, kind)
	return f
}

// sizesOf calls it.
func (b *builder) sizesOf(f *simd128.Func, format, k simd128.I32) (packed, unpacked, kind simd128.I32) {
	out := f.Call(b.matmuls.sizes, format, k)
	return out.I32(0), out.I32(1), out.I32(2)
}

// groupBytes is kernels.Format.GroupBytes.
func groupBytes(f *simd128.Func, format kernels.Format, k simd128.I32) simd128.I32 {
	if format.Quantised() {
		return formatOf(format).groupBytes(f, k)
	}
	return k.Mul(f.I32(int32(format.GroupBytes(1))))
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
