// Package program writes the kernels of package kernels as WebAssembly
// functions with package simd128: one function per operation that works on a
// range of units, tile functions for matrices, and the loop that walks a tape
// alone or together with helper threads.
//
// Build makes one module in one of two flavours. The flavours are the same
// programs; they differ in dot.go (integer dot products) and in madd.
//
// Only the generator kernels/gen and tests import this package. It must not
// know models, sessions or hosts.
package program
