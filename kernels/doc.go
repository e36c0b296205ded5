// Package kernels defines the operations a transformer is made of and the tape
// they are written on.
//
// A Tape is a list of fixed-size records over addresses in a Memory. The engine
// plans a tape once per batch shape and runs it with one call per forward pass.
// Executors of the same tape:
//
//   - Reference: plain Go, the definition of every operation;
//   - kernels.wasm (flavours simd128 and relaxed), whose programs live in
//     kernels/program and walk the same records in the same memory.
//
// Weights are packed four rows at a time (see Format), activations of quantised
// matrices in tiles of tokens (see ActLayout). Both layouts are part of the
// contract between executors.
//
// The package must not know models, files or sessions.
package kernels
