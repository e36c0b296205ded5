package program

import (
	"pastel/kernels"
	"pastel/simd128"
)

// Turns of the loops that wait before they sleep. Threads that read weights from memory reach a
// barrier microseconds apart, and one that sleeps is woken late: with 4000 turns a matrix of
// 500 KB took two threads 26 µs, with 40 000 18 (Chromium; on a busy machine both decode alike).
// A decode loop comes back with the next tape within 400 000 (a message to the page lies
// between); with 20 000 helpers slept between tokens, prefill 14% and decode 5% slower.
const (
	barrierSpins = 40000
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
		end := tape.Add(n.Mul(f.I32(recordBytes))).Let("end")
		f.While(func() simd128.I32 { return p.LtU(end) }, func() {
			p.StoreI32(kernels.RecordTaken, f.I32(0))
			p.Set(p.AddI(recordBytes))
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
				f.If(failed.Or(k.GtSI(maxSlices)), func() {
					c.AtomicStore(kernels.ControlState, f.I32(kernels.StateFailed)) // tells the host why
					f.Unreachable()
				})
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
	w := walk{f: f, p: p, threads: threads, end: p.Add(n.Mul(f.I32(recordBytes))).Let("end"),
		start: f.I32Var("start"), stop: f.I32Var("stop"), chunk: b.chunk(ops)}
	b.forget(f)
	f.While(func() simd128.I32 { return p.LtU(w.end) }, func() {
		f.IfElse(p.LoadI32(kernels.RecordFlags).And(f.I32(kernels.FlagSame)), w.single, w.shared)
		f.While(func() simd128.I32 { return p.LoadI32(kernels.RecordFlags).And(f.I32(kernels.FlagThen)) }, func() { p.Set(p.AddI(recordBytes)) })
		f.If(threads.GtSI(1).And(p.LoadI32(kernels.RecordFlags)).And(f.I32(kernels.FlagBarrier)), func() { f.Call(barrier, c, threads) })
		p.Set(p.AddI(recordBytes))
	})
	f.If(threads.GtSI(1), func() { f.Call(barrier, c, threads) })
	return f
}

// recordBytes is the size of an operation's record.
const recordBytes = kernels.OpWords * 4

// chunk runs units start..stop of the operation at p, and of those that go with it.
func (b *builder) chunk(ops []operation) *simd128.Func {
	f := b.m.Func("chunk")
	p, start, stop := f.ParamI32("p"), f.ParamI32("start"), f.ParamI32("stop")
	cases := make([]func(), kernels.NumCodes)
	for i := range cases {
		cases[i] = func() { f.Unreachable() }
	}
	for _, op := range ops {
		cases[op.code] = func() { f.Call(op.f, p, start, stop) }
	}
	f.Loop(func(again simd128.Label) {
		f.Switch(p.LoadI32(0), cases, func() { f.Unreachable() })
		then := p.LoadI32(kernels.RecordFlags).And(f.I32(kernels.FlagThen)).Let("then")
		p.Set(p.AddI(recordBytes))
		f.BrIf(again, then)
	})
	return f
}

// walk is one thread's way along a tape: p is where it is.
type walk struct {
	f               *simd128.Func
	p, end, threads simd128.I32
	start, stop     simd128.I32
	chunk           *simd128.Func
}

// shared takes chunks of the operation at p, all of it when there is one thread.
func (w walk) shared() {
	f, p := w.f, w.p
	units := p.LoadI32(kernels.RecordUnits).Let("units")
	f.IfElse(w.threads.EqI(1), func() {
		f.Call(w.chunk, p, f.I32(0), units)
	}, func() {
		share := f.I32Var("share")
		share.Set(p.LoadI32(kernels.RecordGrain))
		f.If(p.LoadI32(kernels.RecordFlags).And(f.I32(kernels.FlagEven)), func() {
			even := units.DivU(w.threads.MulI(2 * kernels.GrainGroups)).AddI(1).MulI(kernels.GrainGroups).Let("even")
			share.Set(simd128.Select(even.LtU(share), even, share))
		})
		f.Loop(func(again simd128.Label) {
			w.start.Set(p.AtomicAdd(kernels.RecordTaken, share))
			f.If(w.start.LtS(units), func() {
				next := w.start.Add(share).Let("next")
				f.Call(w.chunk, p, w.start, simd128.Select(next.LtS(units), next, units))
				f.Br(again)
			})
		})
	})
}

// single runs the operations from p on that are one thread's, if it is this one, and
// leaves p at the last of them.
func (w walk) single() {
	f, p := w.f, w.p
	w.start.Set(f.I32(0))
	f.If(w.threads.GtSI(1), func() { w.start.Set(p.AtomicAdd(kernels.RecordTaken, f.I32(1))) })
	f.Block(func(done simd128.Label) {
		f.Loop(func(again simd128.Label) {
			f.If(w.start.EqI(0), func() { f.Call(w.chunk, p, f.I32(0), p.LoadI32(kernels.RecordUnits)) })
			w.stop.Set(p.AddI(recordBytes))
			f.BrIf(done, p.LoadI32(kernels.RecordFlags).And(f.I32(kernels.FlagSame)).EqI(0))
			f.BrIf(done, w.stop.GeU(w.end))
			p.Set(w.stop)
			f.Br(again)
		})
	})
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
