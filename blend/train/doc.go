// Package train fits adapters, and tiny base models, by gradient descent on a
// CPU: a llama forward and backward pass in float64, AdamW, joint and per-cluster
// training of an adapter pool.
//
// It is native only and sized for models of up to a few million weights; pools
// for real models are trained with PEFT and imported. It must not know the engine's
// kernels: it is also their independent oracle.
package train
