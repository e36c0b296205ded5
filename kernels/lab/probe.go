package lab

import (
	"pastel/kernels"
	"pastel/kernels/program"
	"pastel/simd128"
)

// The machine's own limits are measured with small modules that have the
// product's exports: run(control, a, b) and help(control).

// dotRounds is the number of dot products per turn of the loop: more than their
// latency, fewer than the registers.
const dotRounds = 12

// DotMACs is the number of multiplications DotProbe does per turn.
const DotMACs = dotRounds * 16

// DotProbe measures the issue rate of the flavour's dot instruction: run
// executes a turns of DotMACs products each from registers.
func DotProbe(f program.Flavour) ([]byte, error) {
	m, fn, turns := probe(f)
	macs := func(acc simd128.I32x4, x, y simd128.V128) {
		if f == program.Relaxed {
			acc.Set(x.AsI8x16().RelaxedDotAdd(y.AsI8x16(), acc))
			return
		}
		// two instructions of eight products
		acc.Set(acc.Add(x.AsI16x8().Dot(y.AsI16x8())))
		acc.Set(acc.Add(y.AsI16x8().Dot(x.AsI16x8())))
	}
	x, y := fn.V128Var("x"), fn.V128Var("y")
	x.Set(turns.SplatI32x4().AsV128())
	y.Set(turns.AddI(1).SplatI32x4().AsV128())
	var acc [dotRounds]simd128.I32x4
	for i := range acc {
		acc[i] = fn.I32x4Var("acc")
	}
	i := fn.I32Var("i")
	fn.For(i, fn.I32(0), turns, 1, func() {
		for _, a := range acc {
			macs(a, x, y)
		}
	})
	sum := fn.I32x4Var("sum")
	for _, a := range acc {
		sum.Set(sum.Add(a))
	}
	fn.I32(512).StoreV128(0, sum.AsV128())
	return m.Build()
}

// probe starts a module with run(control, a, b).
func probe(f program.Flavour) (m *simd128.Module, run *simd128.Func, a simd128.I32) {
	m = &simd128.Module{Name: "probe", Relaxed: f == program.Relaxed}
	m.ImportMemory("env", "memory", simd128.Pages{Min: 1, Max: 65536, Shared: true})
	run = m.Func("run")
	run.Export("run")
	run.ParamI32("control")
	a = run.ParamI32("a")
	run.ParamI32("b")
	return m, run, a
}

// readGrain is the number of bytes a thread reads at a time.
const readGrain = 1 << 20

// ReadProbe measures how fast threads together read memory: run reads the b
// bytes (a multiple of readGrain) at a, with every helper that has arrived.
func ReadProbe() ([]byte, error) {
	m := &simd128.Module{Name: "read"}
	m.ImportMemory("env", "memory", simd128.Pages{Min: 1, Max: 65536, Shared: true})
	read := readGrains(m)
	run := m.Func("run")
	run.Export("run")
	c, a, b := run.ParamI32("control"), run.ParamI32("a"), run.ParamI32("b")
	threads := c.AtomicLoadI32(kernels.ControlArrived).AddI(1).Let("threads")
	c.AtomicStore(kernels.ControlScratch, run.I32(0)) // grains taken
	c.AtomicStore(kernels.ControlCount, run.I32(0))   // threads done
	c.StoreI32(kernels.ControlTape, a)
	c.StoreI32(kernels.ControlOps, b)
	c.AtomicAdd(kernels.ControlJob, run.I32(1))
	run.Call(read, c)
	run.While(func() simd128.I32 { return c.AtomicLoadI32(kernels.ControlCount).Ne(threads) }, func() {})

	help := m.Func("help")
	help.Export("help")
	c = help.ParamI32("control")
	seen := help.I32Var("seen")
	seen.Set(c.AtomicLoadI32(kernels.ControlJob))
	c.AtomicAdd(kernels.ControlArrived, help.I32(1))
	help.Loop(func(again simd128.Label) {
		help.If(c.AtomicLoadI32(kernels.ControlState), func() { help.Return() })
		help.BrIf(again, c.AtomicLoadI32(kernels.ControlJob).Eq(seen))
		seen.Set(c.AtomicLoadI32(kernels.ControlJob))
		help.Call(read, c)
		help.Br(again)
	})
	stop := m.Func("stop")
	stop.Export("stop")
	stop.ParamI32("control").AtomicStore(kernels.ControlState, stop.I32(kernels.StateStop))
	return m.Build()
}

// readPages is how many pages of 4 KB are read side by side, a line of each in turn:
// faster than one after the other by half (see package doc).
const readPages = 8

// readGrains emits a function that reads grains until none is left.
func readGrains(m *simd128.Module) *simd128.Func {
	f := m.Func("read_grains")
	c := f.ParamI32("control")
	a, b := c.LoadI32(kernels.ControlTape).Let("a"), c.LoadI32(kernels.ControlOps).Let("b")
	var acc [8]simd128.V128
	for i := range acc {
		acc[i] = f.V128Var("acc")
	}
	p := f.I32Var("p")
	f.Loop(func(again simd128.Label) {
		at := c.AtomicAdd(kernels.ControlScratch, f.I32(readGrain)).Let("at")
		f.If(at.LtU(b), func() {
			p.Set(a.Add(at))
			end := p.AddI(readGrain).Let("end")
			f.While(func() simd128.I32 { return p.LtU(end) }, func() {
				page := p.AddI(4096).Let("page_end")
				f.ForU(p, p, page, 64, func() {
					for i := range 4 * readPages {
						acc[i%len(acc)].Set(acc[i%len(acc)].Xor(p.LoadV128(i/4*4096 + i%4*16)))
					}
				})
				p.Set(p.AddI((readPages - 1) * 4096))
			})
			f.Br(again)
		})
	})
	for i := range acc {
		c.StoreV128(kernels.ControlScratch+16+16*i, acc[i])
	}
	c.AtomicAdd(kernels.ControlCount, f.I32(1))
	return f
}
