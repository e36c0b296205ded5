// Package safetensors reads and writes the safetensors container: a JSON header
// that names tensors, followed by their bytes.
//
// Source: https://github.com/huggingface/safetensors, README "Format".
// It must not know what the tensors are for.
package safetensors
