package eval

import "math"

// z95 is the two-sided 95% point of the normal distribution.
const z95 = 1.959963984540054

// Wilson returns the 95% interval of an accuracy of right out of n.
// No questions say nothing: 0 to 1.
//
// Source: Wilson 1927, "Probable inference, the law of succession, and statistical
// inference", J. Amer. Statist. Assoc. 22.
func Wilson(right, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(right)/float64(n), float64(n)
	centre := (p + z95*z95/(2*m)) / (1 + z95*z95/m)
	half := z95 / (1 + z95*z95/m) * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	return max(0, centre-half), min(1, centre+half)
}
