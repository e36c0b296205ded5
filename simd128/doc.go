// Package simd128 is a typed assembler for WebAssembly functions with SIMD: a kernel is a Go program that calls
// methods named after the instructions, and the result is a module.
//
//	m := &simd128.Module{}
//	m.ImportMemory("env", "memory", simd128.Pages{Min: 1})
//	f := m.Func("sum_f32")
//	x, n := f.ParamI32("x"), f.ParamI32("n")
//	f.Results(simd128.TypeF32)
//	f.Export("sum_f32")
//	acc, i := f.F32Var("acc"), f.I32Var("i")
//	f.For(i, f.I32(0), n, 1, func() {
//		acc.Set(acc.Add(x.Add(i.ShlI(2)).LoadF32(0)))
//	})
//	f.Return(acc)
//	binary, err := m.Build()
//
// # Values
//
// Methods of I32, I64, F32, F64, V128 and of the vector views (I8x16 … F64x2) build expression trees; nothing
// is emitted until a statement consumes the tree: Set, Let, Store, a branch, a call. A tree is consumed once, and is
// computed where it is consumed. A value needed twice, or before something changes, is bound with Let. Variables and
// constants may be used freely. Breaking one of these laws is an error at Build, never wrong code.
// Calls, stores, memory.grow and atomic operations happen where they are written.
//
// # Mistakes
//
// Go's types catch most. The rest is collected, with the file and line of the caller, and reported by Build.
// Using the zero value of a type as an operand panics.
//
// The package knows instructions and modules; it must not know tensors, kernels or who runs the result.
package simd128

//go:generate go run ./internal/gen
