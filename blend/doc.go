// Package blend turns low-rank adapters into one adapter for one user: it
// checks that adapters fit a base, combines a pool of them by weights, and
// compresses the result back to a given rank.
//
// The subpackages read and write the file formats (safetensors, peft,
// gguflora, pool), choose the weights (keys, refine, baseline) and train pools
// (train, native only). Method: Crayon, arXiv:2406.07007.
//
// This package must not know sessions, tokens, tapes or browsers.
package blend
