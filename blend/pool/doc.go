// Package pool reads and writes adapter pools: a JSON manifest, a file of keys
// and one file of factors for each adapter, in which the first ranks lie first.
//
// It also makes a user's adapter from a pool: samples to weights, weights to one
// adapter. The format is specified in docs/pool-format.md. It must not know where
// the bytes come from.
package pool
