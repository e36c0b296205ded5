package main

import (
	"errors"
	"strings"

	"pastel/wasm/module"
)

// What a cut function becomes.
const (
	skipped = iota // returns at once: it has no results and its effect is not wanted
	trapped        // traps: nothing calls it while the reason holds
	agreed         // returns true: it has one argument and a bool
	kept           // stays as it is: an exception to a longer rule below it
)

// A cut names functions of Go's runtime as Go's linker writes them in the name
// section, "(*T)" as "__T_"; a final * stands for any rest.
type cut struct {
	name   string
	what   int
	reason string
}

const (
	noTracer   = "nothing links runtime/trace, which alone starts the tracer"
	noProfiler = "nothing links runtime/pprof or sets a profiling rate"
	noGODEBUG  = "no GODEBUG is read: parsegodebug is cut"
	noStacks   = "a fatal error prints its message; names of functions are gone anyway"
	noSelfTest = "the toolchain's own tests check it"
	noFeature  = "nothing links the package that uses it"
)

// cuts is what of Go 1.26's runtime an engine never needs; the first match counts.
// Garbage collection, stack growth, maps, channels, panics and the printing of
// their messages are whole.
var cuts = []cut{
	{"runtime.traceLocker.ok", kept, ""},
	{"runtime.traceLocker.*", trapped, noTracer},
	{"runtime.traceWriter.*", trapped, noTracer},
	{"runtime.traceEventWriter.*", trapped, noTracer},
	{"runtime.traceAdvance*", trapped, noTracer},
	{"runtime.traceReadCPU", trapped, noTracer},
	{"runtime.traceStopReadCPU", trapped, noTracer},
	{"runtime.traceStack", trapped, noTracer},
	{"runtime.__traceStackTable_*", trapped, noTracer},
	{"runtime.__traceStringTable_*", trapped, noTracer},
	{"runtime.__traceTypeTable_*", trapped, noTracer},
	{"runtime.__traceMap_*", trapped, noTracer},
	{"runtime.traceRegisterLabelsAndReasons", trapped, noTracer},

	{"runtime.mProf_Malloc*", trapped, noProfiler},
	{"runtime.profilealloc", skipped, noProfiler},
	{"runtime.mProf_Flush", skipped, noProfiler},
	{"runtime.saveblockevent", trapped, noProfiler},
	{"runtime.__profBuf_*", trapped, noProfiler},
	{"runtime.doRecordGoroutineProfile*", trapped, noProfiler},
	{"runtime.tryRecordGoroutineProfile*", trapped, noProfiler},
	{"runtime.findGoroutineLeaks", trapped, noProfiler},

	{"runtime.parsegodebug", skipped, "the host's environment must not change the engine"},
	{"runtime.schedtrace*", trapped, noGODEBUG},
	{"runtime.printScavTrace", trapped, noGODEBUG},
	{"runtime.dumpScanStats", trapped, noGODEBUG},
	{"runtime.checkFinalizersAndCleanups*", trapped, noGODEBUG},
	{"runtime.setCheckmark", trapped, noGODEBUG},
	{"runtime.runCheckmark", trapped, noGODEBUG},
	{"runtime.preMallocgcDebug", trapped, noGODEBUG},
	{"runtime.postMallocgcDebug", trapped, noGODEBUG},

	{"runtime.traceback", skipped, noStacks},
	{"runtime.traceback1", skipped, noStacks},
	{"runtime.tracebackothers", skipped, noStacks},
	{"runtime.tracebacksomeothers", skipped, noStacks},
	{"runtime.goroutineheader", skipped, noStacks},
	{"runtime.printcreatedby", skipped, noStacks},
	{"runtime.tracebackHexdump", skipped, noStacks},
	{"runtime.gcDumpObject", skipped, noStacks},
	{"runtime.dumpgstatus", skipped, noStacks},
	{"runtime.hexdumpWords", skipped, noStacks},
	{"runtime_debug.SetTraceback", skipped, noStacks},

	{"runtime.moduledataverify1", skipped, noSelfTest},
	{"runtime.check", skipped, noSelfTest},
	{"runtime.typelinksinit", skipped, "it compares modules; there is one"},

	{"runtime.schedEnabled", agreed, "it knows the collector's goroutines by name, and marking stops the others anyway"},

	{"runtime.__synctestBubble_*", trapped, noFeature},
	{"runtime.__mspan_.setUserArenaChunkToFault*", trapped, noFeature},
	{"runtime.cgocall", trapped, noFeature},
	{"runtime.expandCgoFrames", trapped, noFeature},
	{"runtime.cgoContextPCs", trapped, noFeature},
}

// cutOf returns what becomes of a function.
func cutOf(name string) int {
	for _, c := range cuts {
		if prefix, any := strings.CutSuffix(c.name, "*"); name == c.name || any && strings.HasPrefix(name, prefix) {
			return c.what
		}
	}
	return kept
}

// The bodies of cut functions.
var (
	trap = []byte{0, 0x00, 0x0b} // unreachable; end
	// skip pops the return address, which Go's stack pointer, global 0, is at, and
	// says that nothing unwinds: global.get 0; i32.const 8; i32.add; global.set 0; i32.const 0; end.
	skip = []byte{0, 0x23, 0, 0x41, 8, 0x6a, 0x24, 0, 0x41, 0, 0x0b}
	// agree stores the result, which follows the return address and the argument, first:
	// global.get 0; i32.const 1; i32.store8 offset=16.
	agree = append([]byte{0, 0x23, 0, 0x41, 1, 0x3a, 0, 16}, skip[1:]...)
)

// cutBodies replaces the bodies of functions that are cut or that nothing reaches,
// and returns which are left.
func cutBodies(sections []module.Section, bodies [][]byte, refs []int64) ([]bool, error) {
	names, err := module.FuncNames(sections)
	if err != nil {
		return nil, err
	}
	imported, err := module.ImportedFuncs(sections)
	if err != nil {
		return nil, err
	}
	exported, err := module.ExportedFuncs(sections)
	if err != nil {
		return nil, err
	}
	if names == nil {
		return nil, errors.New("no names of functions: built with -ldflags=-s")
	}
	for i := range bodies {
		switch cutOf(names[imported+uint32(i)]) {
		case skipped:
			bodies[i] = skip
		case trapped:
			bodies[i] = trap
		case agreed:
			bodies[i] = agree
		}
	}
	r := reach{bodies: bodies, imported: imported, live: make([]bool, len(bodies))}
	for _, i := range exported {
		r.keep(int64(i) - int64(imported))
	}
	for _, number := range refs {
		r.keep(number - pcBase)
	}
	if err := r.follow(); err != nil {
		return nil, err
	}
	r.cutUnreached()
	return r.live, nil
}
