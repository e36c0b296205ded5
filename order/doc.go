// Package order sorts what is dear to sort with package slices: slices.SortFunc is
// compiled anew for every struct type, 4 KB of engine.wasm under gzip each, where By
// is compiled once.
//
// It must not know what it sorts.
package order
