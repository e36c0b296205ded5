// Package gguf reads and writes the GGUF container: typed metadata, the
// directory of tensors, and where each tensor's bytes lie, in one file or in
// several shards.
//
// A file is read as a stream, every claim in it is checked against the bytes
// that can still come before memory is set aside, and tensor data is never
// touched. Shapes are turned round here, once: row-major, outermost first.
// The package must not know architectures, tokenizers or what any key means,
// apart from general.alignment and split.*.
//
// Source: ggml/docs/gguf.md in ggml-org/ggml, version 3.
package gguf
