// Package model turns a GGUF header into a plan: which tensors a model family
// uses, where they lie in memory, and which operations one forward pass runs.
//
// The order of reading is config.go (numbers from the metadata), families.go
// (what each architecture does differently, as data), weights.go (tensors and
// their shapes), rope.go (rotation tables), plan.go (the forward pass as a tape).
//
// The package must not know files, tokenizers, sampling or sessions.
package model
