package sample

import "math"

// exp is e to the power x for x ≤ 0, with the same bits on every platform:
// math.Exp is assembly on some, and compilers may fuse a·b+c unless the product
// is converted explicitly.
//
// Method: x = k·ln2 + r with |r| ≤ ln2/2, Taylor series of e^r to r¹³, times 2^k.
// Error: below 2⁻⁵¹ relative; 0 from x < -708 on.
func exp(x float64) float64 {
	const (
		log2e = 1.44269504088896338700
		ln2Hi = 6.93147180369123816490e-01 // 32 bits: k·ln2Hi is exact
		ln2Lo = 1.90821492927058770002e-10
	)
	if !(x >= -708) {
		return 0
	}
	k := math.Floor(float64(x*log2e) + 0.5)
	r := x - float64(k*ln2Hi) - float64(k*ln2Lo)
	sum := inverseFactorial[13]
	for n := 12; n >= 0; n-- {
		sum = float64(sum*r) + inverseFactorial[n]
	}
	return sum * math.Float64frombits(uint64(1023+int64(k))<<52)
}

var inverseFactorial = func() (f [14]float64) {
	f[0] = 1
	for n := 1; n < len(f); n++ {
		f[n] = f[n-1] / float64(n)
	}
	return f
}()
