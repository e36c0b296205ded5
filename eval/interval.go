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

// t975 is the 97.5% quantile of Student's distribution by degrees of freedom.
var t975 = []float64{math.Inf(1), 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262}

// Student returns the mean of independent repeats and the half width of its 95%
// interval, infinite for a single one.
func Student(x []float64) (mean, half float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	if len(x) < 2 {
		return mean, math.Inf(1)
	}
	variance := 0.0
	for _, v := range x {
		variance += (v - mean) * (v - mean) / (n - 1)
	}
	t := z95
	if len(x)-1 < len(t975) {
		t = t975[len(x)-1]
	}
	return mean, t * math.Sqrt(variance/n)
}
