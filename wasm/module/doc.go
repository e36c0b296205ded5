// Package module reads and writes the outer form of a WebAssembly binary: its
// sections, and of their contents only what linking needs: imports, memories, data and
// the code of functions.
//
// Source: WebAssembly Core Specification 2.0, section 5.5, and the threads proposal
// for the limits of a shared memory.
//
// The package must not know Go's runtime, the engine, or any host.
package module
