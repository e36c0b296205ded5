package linalg

import (
	"math"
	"slices"
)

// A Matrix is dense and row-major: element (i, j) is Data[i*Cols+j]. A tall
// matrix whose columns are worked on is kept as the rows of its transpose.
type Matrix struct {
	Rows, Cols int
	Data       []float64
}

// New returns a zero matrix.
func New(rows, cols int) Matrix { return Matrix{rows, cols, make([]float64, rows*cols)} }

// Row returns row i, which aliases m.
func (m Matrix) Row(i int) []float64 { return m.Data[i*m.Cols : (i+1)*m.Cols] }

// Dot is the inner product of two vectors of one length.
func Dot(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// AddScaled adds a·x to dst.
func AddScaled(dst []float64, a float64, x []float64) {
	for i, v := range x {
		dst[i] += a * v
	}
}

func scale(x []float64, a float64) {
	for i := range x {
		x[i] *= a
	}
}

// Orthonormalize replaces the rows of x [k, n] by orthonormal rows Q and
// returns the lower triangular L [k, k] with x = L·Q. A row that depends on
// those before it becomes zero in Q, so k may exceed n.
//
// Error:  rows of Q are orthogonal to about n·2⁻⁵³, because every row is
// projected twice ("twice is enough").
// Source: Giraud, Langou, Rozložník 2005, classical Gram–Schmidt with reorthogonalisation.
func Orthonormalize(x Matrix) (l Matrix) {
	l = New(x.Rows, x.Rows)
	for i := range x.Rows {
		row := x.Row(i)
		before := math.Sqrt(Dot(row, row))
		for range 2 {
			for j := range i {
				c := Dot(row, x.Row(j))
				AddScaled(row, -c, x.Row(j))
				l.Row(i)[j] += c
			}
		}
		norm := math.Sqrt(Dot(row, row))
		if norm <= 1e-14*before || norm == 0 {
			clear(row)
			continue
		}
		l.Row(i)[i] = norm
		scale(row, 1/norm)
	}
	return l
}

// SVD decomposes m [k, n] = Uᵀ·diag(s)·V: the rows of u [k, k] are the left and
// the rows of v [k, n] the right singular vectors, with s falling. Rows of v
// for singular values of zero are zero. Of the two signs of a pair, the one that
// makes the largest element of u positive is taken, so equal input gives equal output.
//
// Source: one-sided Jacobi on the rows, Hestenes 1958; Demmel & Veselić 1992
// for its relative accuracy.
func SVD(m Matrix) (u Matrix, s []float64, v Matrix) {
	w := Matrix{m.Rows, m.Cols, slices.Clone(m.Data)}
	rot := New(m.Rows, m.Rows) // w = rot·m throughout
	for i := range m.Rows {
		rot.Row(i)[i] = 1
	}
	const maxSweeps = 60 // six to ten are usual
	for range maxSweeps {
		if !sweep(w, rot) {
			break
		}
	}
	return sortedSVD(w, rot)
}

// sweep rotates every pair of rows of w to be orthogonal and reports whether
// any was not.
func sweep(w, rot Matrix) (changed bool) {
	for i := range w.Rows {
		for j := i + 1; j < w.Rows; j++ {
			x, y := w.Row(i), w.Row(j)
			a, b, c := Dot(x, x), Dot(y, y), Dot(x, y)
			if math.Abs(c) <= 1e-15*math.Sqrt(a*b) || c == 0 {
				continue
			}
			changed = true
			zeta := (b - a) / (2 * c)
			t := math.Copysign(1, zeta) / (math.Abs(zeta) + math.Hypot(1, zeta))
			cos := 1 / math.Hypot(1, t)
			rotate(x, y, cos, cos*t)
			rotate(rot.Row(i), rot.Row(j), cos, cos*t)
		}
	}
	return changed
}

func rotate(x, y []float64, cos, sin float64) {
	for i := range x {
		x[i], y[i] = cos*x[i]-sin*y[i], sin*x[i]+cos*y[i]
	}
}

// sortedSVD reads singular values off the lengths of the rows of w.
func sortedSVD(w, rot Matrix) (u Matrix, s []float64, v Matrix) {
	norms := make([]float64, w.Rows)
	order := make([]int, w.Rows)
	for i := range order {
		order[i], norms[i] = i, math.Sqrt(Dot(w.Row(i), w.Row(i)))
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case norms[i] > norms[j]:
			return -1
		case norms[i] < norms[j]:
			return 1
		}
		return 0
	})
	u, v = New(w.Rows, w.Rows), New(w.Rows, w.Cols)
	for to, from := range order {
		sign := signOfLargest(rot.Row(from))
		AddScaled(u.Row(to), sign, rot.Row(from))
		if norms[from] > 0 {
			AddScaled(v.Row(to), sign/norms[from], w.Row(from))
		}
		s = append(s, norms[from])
	}
	return u, s, v
}

func signOfLargest(x []float64) float64 {
	best := 0.0
	for _, v := range x {
		if math.Abs(v) > math.Abs(best) {
			best = v
		}
	}
	return math.Copysign(1, best)
}
