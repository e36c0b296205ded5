package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// Turns of the loops that wait before they sleep. Measured on two cores: a
// barrier is met within 300 turns when both threads run; a decode loop comes
// back with the next tape within 400 000 (a message to the page lies between).
// Measured in Chromium, 135M Q4_0, two threads: 20 000 turns, after which helpers
// slept between tokens, made prefill 14% and decode 5% slower.
const (
	barrierSpins = 4000
	jobSpins     = 400000
)

// waitSlice is how long a thread sleeps before it looks whether the others
// still live, in nanoseconds; after maxSlices it gives up and traps.
const (
	waitSlice = 100e6
	maxSlices = 100
)

// walker emits the module's exports.
//
//	run(control, tape, ops)   executes a tape with every helper that has arrived
//	help(control)             joins tapes until control says stop: a helper thread's whole life
//	stop(control)             makes helpers return
//
// The control block is laid out in kernels (ControlBytes). Helpers may come at
// any time; a tape that has begun runs without newcomers. A thread that waits
// for one that died traps after ten seconds, or at once when the host has set
// the state to failed.
func (b *builder) walker(ops []operation) {
	walk := b.walk(ops)
	b.run(walk)
	b.help(walk)
	f := b.m.Func("stop")
	f.Export("stop")
	c := f.ParamI32("control")
	c.AtomicStore(kernels.ControlState, f.I32(kernels.StateStop))
	c.AtomicAdd(kernels.ControlJob, f.I32(1))
	c.AtomicNotify(kernels.ControlJob, f.I32(-1))
}

// run publishes the tape to the helpers and walks it as thread 0.
func (b *builder) run(walk *simd128.Func) {
	f := b.m.Func("run")
	f.Export("run")
	c, tape, n := f.ParamI32("control"), f.ParamI32("tape"), f.ParamI32("ops")
	f.SetGlobal(b.scratch, c.AddI(kernels.ControlScratch))
	threads := c.AtomicLoadI32(kernels.ControlArrived).AddI(1).Let("threads")
	f.If(threads.GtSI(1), func() {
		p := f.I32Var("p")
		p.Set(tape)
		end := tape.Add(n.Mul(f.I32(kernels.OpWords * 4))).Let("end")
		f.While(func() simd128.I32 { return p.LtU(end) }, func() {
			p.StoreI32(kernels.RecordTaken, f.I32(0))
			p.Set(p.AddI(kernels.OpWords * 4))
		})
		c.StoreI32(kernels.ControlTape, tape)
		c.StoreI32(kernels.ControlOps, n)
		c.StoreI32(kernels.ControlThreads, threads)
		c.AtomicAdd(kernels.ControlJob, f.I32(1))
		f.If(c.AtomicLoadI32(kernels.ControlIdle), func() { c.AtomicNotify(kernels.ControlJob, f.I32(-1)) })
	})
	f.Call(walk, c, tape, n, threads)
}

// help waits for tapes and walks those that count this thread in.
func (b *builder) help(walk *simd128.Func) {
	f := b.m.Func("help")
	f.Export("help")
	c := f.ParamI32("control")
	seen, now := f.I32Var("seen"), f.I32Var("now")
	seen.Set(c.AtomicLoadI32(kernels.ControlJob))
	// stop may have come before this helper did: then no job will follow.
	f.If(c.AtomicLoadI32(kernels.ControlState), func() { f.Return() })
	id := c.AtomicAdd(kernels.ControlArrived, f.I32(1)).AddI(1).Let("id")
	f.SetGlobal(b.scratch, c.AddI(kernels.ControlScratch).Add(id.Mul(f.I32(kernels.ScratchBytes))))
	f.Loop(func(again simd128.Label) {
		b.awaitChange(f, c, kernels.ControlJob, kernels.ControlIdle, seen, jobSpins, false)
		f.If(c.AtomicLoadI32(kernels.ControlState), func() { f.Return() })
		now.Set(c.AtomicLoadI32(kernels.ControlJob))
		tape, n := c.LoadI32(kernels.ControlTape).Let("tape"), c.LoadI32(kernels.ControlOps).Let("ops")
		threads := c.LoadI32(kernels.ControlThreads).Let("threads")
		f.BrIf(again, c.AtomicLoadI32(kernels.ControlJob).Ne(now)) // published again meanwhile: not counted in
		seen.Set(now)
		f.If(id.LtS(threads), func() { f.Call(walk, c, tape, n, threads) })
		f.Br(again)
	})
	f.Unreachable()
}

// awaitChange returns when the word at c+word differs from old.
func (b *builder) awaitChange(f *simd128.Func, c simd128.I32, word, sleepers int, old simd128.I32, spins int32, guard bool) {
	k := f.I32Var("k")
	f.Block(func(done simd128.Label) {
		f.For(k, f.I32(0), f.I32(spins), 1, func() {
			f.BrIf(done, c.AtomicLoadI32(word).Ne(old))
		})
		c.AtomicAdd(sleepers, f.I32(1))
		k.Set(f.I32(0))
		timeout := f.I64(-1)
		if guard {
			timeout = f.I64(waitSlice)
		}
		f.While(func() simd128.I32 { return c.AtomicLoadI32(word).Eq(old) }, func() {
			c.AtomicWait32(word, old, timeout)
			if guard {
				k.Set(k.AddI(1))
				failed := c.AtomicLoadI32(kernels.ControlState).EqI(kernels.StateFailed)
				f.If(failed.Or(k.GtSI(maxSlices)), func() { f.Unreachable() })
			}
		})
		c.AtomicSub(sleepers, f.I32(1))
	})
}

// walk executes a tape's operations in order, taking chunks of units when there
// are other threads.
func (b *builder) walk(ops []operation) *simd128.Func {
	barrier := b.barrier()
	f := b.m.Func("walk")
	c, p, n, threads := f.ParamI32("control"), f.ParamI32("tape"), f.ParamI32("ops"), f.ParamI32("threads")
	end := p.Add(n.Mul(f.I32(kernels.OpWords * 4))).Let("end")
	start, stop := f.I32Var("start"), f.I32Var("stop")
	cases := make([]func(), kernels.NumCodes)
	for i := range cases {
		cases[i] = func() { f.Unreachable() }
	}
	for _, op := range ops {
		cases[op.code] = func() { f.Call(op.f, p, start, stop) }
	}
	call := func() { f.Switch(p.LoadI32(0), cases, func() { f.Unreachable() }) }
	f.While(func() simd128.I32 { return p.LtU(end) }, func() {
		units := p.LoadI32(kernels.RecordUnits).Let("units")
		f.IfElse(threads.EqI(1), func() {
			start.Set(f.I32(0))
			stop.Set(units)
			call()
		}, func() {
			grain := p.LoadI32(kernels.RecordGrain).Let("grain")
			f.Loop(func(again simd128.Label) {
				start.Set(p.AtomicAdd(kernels.RecordTaken, grain))
				f.If(start.LtS(units), func() {
					next := start.Add(grain).Let("next")
					stop.Set(simd128.Select(next.LtS(units), next, units))
					call()
					f.Br(again)
				})
			})
			f.If(p.LoadI32(4), func() { f.Call(barrier, c, threads) })
		})
		p.Set(p.AddI(kernels.OpWords * 4))
	})
	f.If(threads.GtSI(1), func() { f.Call(barrier, c, threads) })
	return f
}

// barrier makes all threads of a tape wait for the last.
func (b *builder) barrier() *simd128.Func {
	f := b.m.Func("barrier")
	c, threads := f.ParamI32("control"), f.ParamI32("threads")
	phase := c.AtomicLoadI32(kernels.ControlPhase).Let("phase")
	f.IfElse(c.AtomicAdd(kernels.ControlCount, f.I32(1)).Eq(threads.SubI(1)), func() {
		c.AtomicStore(kernels.ControlCount, f.I32(0))
		c.AtomicAdd(kernels.ControlPhase, f.I32(1))
		f.If(c.AtomicLoadI32(kernels.ControlSleepers), func() { c.AtomicNotify(kernels.ControlPhase, f.I32(-1)) })
	}, func() {
		b.awaitChange(f, c, kernels.ControlPhase, kernels.ControlSleepers, phase, barrierSpins, true)
	})
	return f
}
