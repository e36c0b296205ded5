package model

import "pastel/kernels"

// A SidePath is one adapter's low-rank path beside one matrix: the matrix's
// output grows by Scale·B·(A·x).
type SidePath struct {
	A, B   kernels.Addr // packed [Rank, K] and [Rows, Rank]
	Rank   int
	Scale  float32 // the adapter's scaling times the user's
	Format kernels.Format
}

// An AdapterSet maps tensor names to the side paths of all active adapters.
// The nil set is the base model.
type AdapterSet map[string][]SidePath
