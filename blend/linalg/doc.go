// Package linalg has the two decompositions that low-rank factors need: a thin
// QR and a small singular value decomposition, in float64, sequential and hence
// deterministic.
//
// It must not know adapters.
package linalg
