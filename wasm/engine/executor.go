//go:build wasip1

package main

import (
	"runtime"
	_ "unsafe" // for go:linkname

	"pastel/engine"
	"pastel/kernels"
	"pastel/wasm/dispatch"
)

// The kernels module's exports, which run on this module's memory: a call costs
// what a call inside one module does.

//go:wasmimport kernels run
func kernelsRun(control, tape, ops uint32)

//go:wasmimport kernels q8_zero
func kernelsQ8Zero() int32

//go:wasmimport kernels stop
func kernelsStop(control uint32)

// An executor runs tapes with the kernels module, on this thread and on every helper
// that has joined its control block.
type executor struct {
	memory  kernels.Memory
	control kernels.Addr
}

// maxThreads bounds the control block, which has scratch for every thread; hosts start no
// more (wasm/host.MaxThreads, web/src/flavour.ts).
const maxThreads = 64

// start makes a control block for up to n threads. Helpers of an earlier one return.
func (x *executor) start(n int) error {
	if x.control != 0 {
		kernelsStop(uint32(x.control)) // its memory stays: a helper may be in it
	}
	control, err := x.memory.Alloc(kernels.ControlBytes(min(max(n, 1), maxThreads)))
	x.control = control
	return err
}

// Run executes the tape.
func (x *executor) Run(t *kernels.Tape) {
	if x.control == 0 {
		if err := x.start(1); err != nil {
			panic(err)
		}
	}
	kernelsRun(uint32(x.control), uint32(t.Addr()), uint32(t.Len()))
	runtime.KeepAlive(t)
}

// threads is the number of threads that have joined.
func (x *executor) threads() int {
	if x.control == 0 {
		return 1
	}
	return 1 + int(x.memory.I32(x.control+kernels.ControlArrived, 1)[0])
}

var exec executor

func config() dispatch.Config {
	return dispatch.Config{
		Machine:  engine.Machine{Exec: &exec, Q8Zero: int(kernelsQ8Zero())},
		Executor: "kernels",
		NowMs:    nowMs,
		Memory:   memoryInUse,
		Threads:  exec.threads,
	}
}

// memoryInUse returns the size of linear memory and of the Go heap.
func memoryInUse() (memoryBytes, heapBytes uint64) {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return uint64(memoryPages()) << 16, s.HeapAlloc
}

// memoryPages is the size of linear memory. (The linker lets this through with -checklinkname=0.)
//
//go:linkname memoryPages runtime.currentMemory
func memoryPages() int32
