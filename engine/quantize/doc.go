// Package quantize converts a GGUF file of floats to another storage format,
// tensor by tensor, and says what each conversion cost.
//
// It holds the policy only: which tensors keep their precision and what a row
// that does not fit falls back to. It must not know how a format stores its
// numbers (engine/tensor) or how a file is laid out (engine/gguf).
package quantize
