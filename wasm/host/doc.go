// Package host runs engine.wasm in Go under wazero: the engine a browser runs,
// without the browser.
//
// An Engine owns one module instance, its shared memory and its helper threads. The
// same Engine type also runs package dispatch in this process, without WebAssembly:
// the reference executor.
//
// The package must not know models or tokenizers: it moves messages and bytes.
package host
