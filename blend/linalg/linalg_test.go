package linalg

import (
	"math"
	"math/rand/v2"
	"testing"
)

func random(rng *rand.Rand, rows, cols, rank int) Matrix {
	left, right := New(rows, rank), New(rank, cols)
	for _, m := range []Matrix{left, right} {
		for i := range m.Data {
			m.Data[i] = rng.NormFloat64()
		}
	}
	return product(left, right)
}

func product(x, y Matrix) Matrix {
	z := New(x.Rows, y.Cols)
	for i := range x.Rows {
		for k := range x.Cols {
			AddScaled(z.Row(i), x.Row(i)[k], y.Row(k))
		}
	}
	return z
}

func maxDiff(x, y Matrix) float64 {
	worst := 0.0
	for i := range x.Data {
		worst = max(worst, math.Abs(x.Data[i]-y.Data[i]))
	}
	return worst
}

// checkOrthonormal accepts zero rows for the null space.
func checkOrthonormal(t *testing.T, what string, m Matrix, nonzero int) {
	t.Helper()
	for i := range m.Rows {
		for j := range m.Rows {
			want := 0.0
			if i == j && i < nonzero {
				want = 1
			}
			if i >= nonzero || j >= nonzero {
				continue
			}
			if got := Dot(m.Row(i), m.Row(j)); math.Abs(got-want) > 1e-12 {
				t.Fatalf("%s: rows %d and %d have product %v", what, i, j, got)
			}
		}
	}
}

var shapes = []struct {
	name             string
	rows, cols, rank int
}{
	{"wide", 5, 40, 5}, {"square", 7, 7, 7}, {"one row", 1, 9, 1}, {"one column", 4, 1, 1},
	{"rank deficient", 12, 30, 4}, {"more rows than columns", 9, 4, 4}, {"zero", 3, 5, 0},
}

func TestOrthonormalize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			x := random(rng, tt.rows, tt.cols, tt.rank)
			q := Matrix{x.Rows, x.Cols, append([]float64(nil), x.Data...)}
			l := Orthonormalize(q)
			if d := maxDiff(product(l, q), x); d > 1e-11 {
				t.Errorf("L·Q differs from x by %v", d)
			}
			for i := range q.Rows {
				for j := range i {
					if math.Abs(Dot(q.Row(i), q.Row(j))) > 1e-12 {
						t.Errorf("rows %d and %d are not orthogonal", i, j)
					}
				}
			}
		})
	}
}

func TestSVD(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			m := random(rng, tt.rows, tt.cols, tt.rank)
			u, s, v := SVD(m)
			back := New(m.Rows, m.Cols)
			for k, sk := range s {
				for i := range m.Rows {
					AddScaled(back.Row(i), u.Row(k)[i]*sk, v.Row(k))
				}
				if k > 0 && sk > s[k-1] {
					t.Errorf("singular values rise: %v", s)
				}
				if k >= tt.rank && sk > 1e-12*s[0] {
					t.Errorf("singular value %d is %v in a matrix of rank %d", k, sk, tt.rank)
				}
			}
			if d := maxDiff(back, m); d > 1e-11 {
				t.Errorf("Uᵀ·S·V differs by %v", d)
			}
			checkOrthonormal(t, "u", u, m.Rows)
			checkOrthonormal(t, "v", v, tt.rank)
		})
	}
}

// Known values: [[3 0] [4 5]] has singular values √45 and √5.
func TestSVDByHand(t *testing.T) {
	_, s, _ := SVD(Matrix{2, 2, []float64{3, 0, 4, 5}})
	if math.Abs(s[0]-math.Sqrt(45)) > 1e-14*10 || math.Abs(s[1]-math.Sqrt(5)) > 1e-14*10 {
		t.Errorf("singular values %v", s)
	}
}
