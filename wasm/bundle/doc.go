// Package bundle holds the built modules, so that one binary is the whole engine.
//
// `make wasm kernels` puts engine.wasm and the kernels into bin/, which git ignores
// but for a note that keeps the folder; a program built before that compiles and
// says what to run.
//
// The package must not know how a module is run.
package bundle
