// Package refine improves blend weights with nothing but losses: a bounded
// search that never returns weights worse than those it started from.
//
// It must not know adapters, models or clocks: the caller says what weights cost
// and stops when it likes.
package refine
