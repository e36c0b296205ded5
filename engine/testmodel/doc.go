// Package testmodel makes models for tests and benchmarks: tiny seeded ones
// built in code, large ones of a real model's shape streamed to a writer, and
// the conformance zoo bundled with the repository.
//
// It is never linked into engine.wasm. It must not know how a model is run.
package testmodel
