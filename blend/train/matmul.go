package train

// The three matrix products of a linear map y = x·Wᵀ and of its gradients. All
// add to their result and work on four rows at once, so that each value loaded
// is used more than once; measured 1.6 to 2 times the plain loops.

// addNT adds x·wᵀ to y.
//
// Shapes: y [n, out], x [n, in], w [out, in].
func addNT(y, x, w []float64, n, in, out int) {
	for t := range n {
		xt, yt := x[t*in:(t+1)*in], y[t*out:(t+1)*out]
		o := 0
		for ; o+4 <= out; o += 4 {
			w0, w1, w2, w3 := w[o*in:][:len(xt)], w[(o+1)*in:][:len(xt)], w[(o+2)*in:][:len(xt)], w[(o+3)*in:][:len(xt)]
			var s0, s1, s2, s3 float64
			for i, v := range xt {
				s0 += v * w0[i]
				s1 += v * w1[i]
				s2 += v * w2[i]
				s3 += v * w3[i]
			}
			yt[o] += s0
			yt[o+1] += s1
			yt[o+2] += s2
			yt[o+3] += s3
		}
		for ; o < out; o++ {
			sum := 0.0
			for i, v := range xt {
				sum += v * w[o*in+i]
			}
			yt[o] += sum
		}
	}
}

// addNN adds dy·w to dx: the gradient that flows back through addNT.
//
// Shapes: dx [n, in], dy [n, out], w [out, in].
func addNN(dx, dy, w []float64, n, in, out int) {
	for t := range n {
		dxt, dyt := dx[t*in:(t+1)*in], dy[t*out:(t+1)*out]
		o := 0
		for ; o+4 <= out; o += 4 {
			addFour(dxt, dyt[o:o+4], w[o*in:], in)
		}
		for ; o < out; o++ {
			c := dyt[o]
			for i, v := range w[o*in:][:in] {
				dxt[i] += c * v
			}
		}
	}
}

// addTN adds dyᵀ·x to dw: the gradient of the weights of addNT.
//
// Shapes: dw [out, in], dy [n, out], x [n, in].
func addTN(dw, dy, x []float64, n, in, out int) {
	var c [4]float64
	t := 0
	for ; t+4 <= n; t += 4 {
		for o := range out {
			for k := range c {
				c[k] = dy[(t+k)*out+o]
			}
			addFour(dw[o*in:][:in], c[:], x[t*in:], in)
		}
	}
	for ; t < n; t++ {
		for o := range out {
			c := dy[t*out+o]
			dwo := dw[o*in:][:in]
			for i, v := range x[t*in:][:in] {
				dwo[i] += c * v
			}
		}
	}
}

// addFour adds c[0]·rows[0] + … + c[3]·rows[3] to dst.
func addFour(dst, c, rows []float64, n int) {
	r0, r1, r2, r3 := rows[:n], rows[n:][:n], rows[2*n:][:n], rows[3*n:][:n]
	c0, c1, c2, c3 := c[0], c[1], c[2], c[3]
	dst = dst[:n]
	for i := range dst {
		dst[i] += (c0*r0[i] + c1*r1[i]) + (c2*r2[i] + c3*r3[i])
	}
}
