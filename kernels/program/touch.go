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
	tile := t.groupBytes.MulI(int32(len(t.w)))
	base := t.start.Add(tile).AddI(touchBytes + pageBytes - 1).And(f.I32(-pageBytes)).Let("touch_base")
	end := t.w[0].Add(t.end.Sub(t.group).Mul(t.groupBytes)).Let("touch_end")
	last := f.MemorySize().ShlI(16).SubI(2*touchBytes + pageBytes).Let("touch_last")
	n := toucher{t: t, base: base, limit: simd128.Select(end.LtU(last), end, last).Let("touch_limit"), at: f.I32Var("touched"), stride: stride}
	n.at.Set(t.w[0].Sub(t.start))
	f.If(n.at.Eqz(), func() { f.Call(b.prime, t.start, simd128.Select(base.LtU(n.limit), base, n.limit)) })
	return n
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

// primeFunc emits prime(from, to), which touches the beginnings of the pages in between.
func (b *builder) primeFunc() *simd128.Func {
	f := b.m.Func("prime")
	from, to := f.ParamI32("from"), f.ParamI32("to")
	p := f.I32Var("p")
	p.Set(from)
	f.While(func() simd128.I32 { return p.LtU(to) }, func() {
		p.LoadI32(64).Let("touch")
		p.LoadI32(0).Let("touch")
		p.Set(p.And(f.I32(-pageBytes)).AddI(pageBytes))
	})
	return f
}
