package bench

import "slices"

// sortOps puts what takes longest first.
func sortOps(ops []OpTime) []OpTime {
	slices.SortFunc(ops, func(a, b OpTime) int {
		switch {
		case a.Ms > b.Ms:
			return -1
		case a.Ms < b.Ms:
			return 1
		}
		return 0
	})
	return ops
}
