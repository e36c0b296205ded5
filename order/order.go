package order

// By sorts n items, which less compares and swap exchanges by their indices: heapsort,
// so at most about 2·n·log2(n) comparisons whatever the order was. Items that are
// equal may change places.
//
// Source: J. W. J. Williams, Algorithm 232: Heapsort, CACM 7 (1964).
func By(n int, less func(i, j int) bool, swap func(i, j int)) {
	for root := n/2 - 1; root >= 0; root-- {
		sift(root, n, less, swap)
	}
	for end := n - 1; end > 0; end-- {
		swap(0, end)
		sift(0, end, less, swap)
	}
}

// sift lets the item at root sink until both below it, of the first n, are no greater.
func sift(root, n int, less func(i, j int) bool, swap func(i, j int)) {
	for {
		child := 2*root + 1
		if child >= n {
			return
		}
		if child+1 < n && less(child, child+1) {
			child++
		}
		if !less(root, child) {
			return
		}
		swap(root, child)
		root = child
	}
}
