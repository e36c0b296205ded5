package tensor

import "math"

// The K-formats leave the choice of scales to the writer. The functions here
// choose them by least squares: for a trial scale round the weights to codes,
// solve for the scale (and minimum) that suit these codes best, keep the best
// trial. The error minimised is the plain sum of squares, the one Quantize's
// callers report.

// clampRound rounds half away from zero into lo..hi; NaN gives lo.
func clampRound(x float32, lo, hi int) int {
	switch {
	case x >= float32(hi):
		return hi
	case x > float32(lo):
		return roundAway(x)
	}
	return lo
}

// scaleStep returns the step under which the largest of xs (none negative) is top.
func scaleStep(xs []float32, top float32) float32 { return absMax(xs) / top }

// fitScale returns the scale d, of either sign, that makes d·q nearest to x for
// codes q in lo..hi with |lo| > hi.
func fitScale(x []float32, lo, hi int) float32 {
	peak := signedMax(x)
	if peak == 0 {
		return 0
	}
	var best, bestGain float32
	for k := -9; k <= 9; k++ {
		id := (float32(lo) + 0.1*float32(k)) / peak
		var xq, qq float32
		for _, v := range x {
			q := float32(clampRound(v*id, lo, hi))
			xq += v * q
			qq += q * q
		}
		// The squared error at the best scale is Σx² − xq²/qq.
		if gain := xq * xq; qq > 0 && gain > bestGain*qq {
			best, bestGain = xq/qq, gain/qq
		}
	}
	return best
}

// fitAffineBlocks fits one scale and one minimum to each of len(scales) equal
// stretches of x, for codes 0..top.
func fitAffineBlocks(scales, mins, x []float32, top int) {
	n := len(x) / len(scales)
	for s := range scales {
		scales[s], mins[s] = fitAffine(x[n*s:n*s+n], float32(top))
	}
}

// fitAffine returns d, m ≥ 0 that make d·q − m nearest to x for codes 0..top.
func fitAffine(x []float32, top float32) (d, m float32) {
	lo, hi := minMax(x)
	lo = min(lo, 0) // a minimum above zero cannot be stored
	if !(hi > lo) {
		return 0, -lo
	}
	d, m = (hi-lo)/top, -lo
	best := affineError(x, d, m, top)
	for k := -10; k <= 10; k++ {
		id := (top + 0.1*float32(k)) / (hi - lo)
		td, tm := solveAffine(x, id, -lo, top)
		if e := affineError(x, td, tm, top); e < best {
			d, m, best = td, tm, e
		}
	}
	return d, m
}

// solveAffine rounds x+m to codes under 1/id and returns the scale and minimum
// of least squares for these codes.
func solveAffine(x []float32, id, m, top float32) (float32, float32) {
	var sx, sq, sqq, sxq float64
	for _, v := range x {
		q := float64(toCode((v+m)*id+0.5, int(top)))
		sx += float64(v)
		sq += q
		sqq += q * q
		sxq += float64(v) * q
	}
	n := float64(len(x))
	det := n*sqq - sq*sq
	if det <= 0 {
		return 1 / id, m
	}
	d, off := (n*sxq-sx*sq)/det, (sqq*sx-sq*sxq)/det
	if off > 0 { // stay at m = 0
		d, off = sxq/sqq, 0
	}
	return float32(math.Max(d, 0)), float32(-off)
}

// affineError returns the squared error of rounding x under d and m.
func affineError(x []float32, d, m, top float32) float32 {
	id := inverse(d)
	var sum float32
	for _, v := range x {
		e := d*float32(toCode((v+m)*id+0.5, int(top))) - m - v
		sum += e * e
	}
	return sum
}

// roundPair returns the multiples of d and dmin, up to most, nearest to scale
// and m: of the nine pairs around them the one with the least error on x.
func roundPair(x []float32, scale, m, d, dmin float32, top, most int) (sc, mc byte) {
	s0, m0 := toCode(scale*inverse(d)+0.5, most), toCode(m*inverse(dmin)+0.5, most)
	sc, mc = s0, m0
	best := affineError(x, d*float32(s0), dmin*float32(m0), float32(top))
	for i := max(int(s0)-1, 0); i <= min(int(s0)+1, most); i++ {
		for j := max(int(m0)-1, 0); j <= min(int(m0)+1, most); j++ {
			if e := affineError(x, d*float32(i), dmin*float32(j), float32(top)); e < best {
				sc, mc, best = byte(i), byte(j), e
			}
		}
	}
	return sc, mc
}
