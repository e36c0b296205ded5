package sample

import "math"

// exp is e to the power x for x ≤ 0, with the same bits on every platform:
// math.Exp is assembly on some, and compilers may fuse a·b+c unless the product
// is converted explicitly.
//
// Method: x = (64k+j)·ln2/64 + r with |r| ≤ ln2/128, so e^x = 2^k · 2^(j/64) · e^r
// with a table for the second and Taylor's series to r⁵ for the third factor.
// Error: below 2⁻⁵¹ relative; 0 from x < -708 on.
// Source: Tang 1989, ACM TOMS 15(2), doi:10.1145/63522.214389.
func exp(x float64) float64 {
	const (
		steps   = 64 / math.Ln2
		stepHi  = 6.93147180369123816490e-01 / 64 // 32 bits: n·stepHi is exact
		stepLo  = 1.90821492927058770002e-10 / 64
		rounder = 3 << 51 // adding it rounds to an integer
	)
	if !(x >= -708) {
		return 0
	}
	n := float64(float64(x*steps)+rounder) - rounder
	r := x - float64(n*stepHi) - float64(n*stepLo)
	p := 1.0/24 + float64(r*(1.0/120))
	p = 1.0/6 + float64(r*p)
	p = 1.0/2 + float64(r*p)
	p = r + float64(float64(r*r)*p)
	i := int64(n)
	t := powers[i&63]
	return (t + float64(t*p)) * math.Float64frombits(uint64(1023+i>>6)<<52)
}

// powers[j] is 2^(j/64), rounded to the nearest.
var powers = func() (table [64]float64) {
	for j := range table {
		table[j] = series(float64(j) / 64 * math.Ln2)
	}
	return table
}()

// series is Taylor's series of e^x for 0 ≤ x < ln2, summed from the smallest term
// up so that the sum rounds once.
func series(x float64) float64 {
	var terms [20]float64
	term := 1.0
	for n := range terms {
		terms[n] = term
		term = float64(term*x) / float64(n+1)
	}
	sum := 0.0
	for n := len(terms) - 1; n >= 0; n-- {
		sum += terms[n]
	}
	return sum
}
