// Command link makes an engine module that runs on a memory its host provides: it
// rewrites the memory section of a Go-built WebAssembly module into the import
// env.memory, shared, of at most 65536 pages, which Go has no way to ask for, and
// joins the data segments that Go's linker splits. It also makes the module smaller
// under gzip: the code (code.go), the order of functions (similar.go), and the tables
// that name functions and lines in stack traces (tables.go).
//
//	link IN.wasm OUT.wasm
//
// It must not know what the module does.
package main
