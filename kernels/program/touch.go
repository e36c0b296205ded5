package program

import "pastel/simd128"

// One token reads its weights once, from memory. Memory answers a thread fast only
// where the machine has seen what comes: it recognises a run of addresses inside a
// page of 4 KB, reads ahead of it up to some twenty lines, and begins anew in the next page. A
// single run is therefore bound by latency, and several at once are faster. WebAssembly has no
// prefetch; a load whose result is dropped does, which browsers keep because it may trap (wazero
// checks the address and leaves the load out: what it loses is within 5%).
//
// So the weights that come later are touched four pages at a time, a line of each in
// turn, while the current ones are multiplied. Measured: see kernels/lab.
const (
	pageBytes  = 4096
	touchPages = 4
	touchBytes = touchPages * pageBytes // touched together
)

// A toucher goes ahead of a tile of one token.
type toucher struct {
	t      *tileFunc
	base   simd128.I32 // where the first pages begin
	limit  simd128.I32 // where no more pages begin
	at     simd128.I32 // variable: bytes multiplied since the call
	stride int         // bytes per turn of the inner loop
}

// toucher prepares touching for one tile of groups, whose inner loop multiplies
// stride bytes a turn. Pages are touched while as many bytes before the tile that needs
// them are multiplied.
func (b *builder) toucher(t *tileFunc, stride int) toucher {
	f := t.f
	at := f.I32Var("touched")
	at.Set(t.w[0].Sub(t.start))
	tile := t.groupBytes.MulI(int32(len(t.w)))
	end := t.w[0].Add(t.end.Sub(t.group).Mul(t.groupBytes))
	ahead := f.Call(b.ahead, t.start, t.start.Add(tile), end, at)
	return toucher{t: t, base: ahead.I32(0), limit: ahead.I32(1), at: at, stride: stride}
}

// touch touches what one turn of the inner loop asks for.
func (n toucher) touch() {
	f := n.t.f
	within := n.at.And(f.I32(touchBytes - 1)).Let("within")
	pages := n.base.Add(n.at).Sub(within).Let("pages")
	f.If(pages.LtU(n.limit), func() {
		line := pages.Add(within.ShrUI(2)).Let("line")
		step := (n.stride + touchPages - 1) / touchPages
		for page := touchPages - 1; page >= 0; page-- {
			for at := step - 1; at >= 0; at -= 64 {
				line.LoadI32(page*pageBytes + at&^3).Let("touch")
			}
		}
		f.If(within.LtUI(int32(n.stride)), func() {
			for page := touchPages - 1; page >= 0; page-- {
				pages.LoadI32(touchBytes + page*pageBytes).Let("touch")
			}
		})
	})
	n.at.Set(n.at.AddI(int32(n.stride)))
}

// aheadFunc emits ahead(start, tile, end, at) → base, limit: where a call that
// multiplies the bytes from start to end, the first tile up to tile, begins and ends
// touching. When it begins, at zero, the beginnings of the pages before base are touched.
func (b *builder) aheadFunc() *simd128.Func {
	f := b.m.Func("ahead")
	start, tile, end, at := f.ParamI32("start"), f.ParamI32("tile"), f.ParamI32("end"), f.ParamI32("at")
	f.Results(simd128.TypeI32, simd128.TypeI32)
	base := tile.AddI(touchBytes + pageBytes - 1).And(f.I32(-pageBytes)).Let("base")
	last := f.MemorySize().ShlI(16).SubI(2*touchBytes + pageBytes).Let("last")
	limit := simd128.Select(end.LtU(last), end, last).Let("limit")
	f.If(at.Eqz(), func() {
		stop := simd128.Select(base.LtU(limit), base, limit).Let("stop")
		f.While(func() simd128.I32 { return start.LtU(stop) }, func() {
			start.LoadI32(64).Let("touch")
			start.LoadI32(0).Let("touch")
			start.Set(start.And(f.I32(-pageBytes)).AddI(pageBytes))
		})
	})
	f.Return(base, limit)
	return f
}
