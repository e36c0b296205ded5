package order

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBy(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		for _, values := range []int{1, 3, 1000} { // all equal, many equal, few equal
			in := make([]int, n)
			for i := range in {
				in[i] = random.IntN(values)
			}
			want := slices.Sorted(slices.Values(in))
			for _, got := range [][]int{slices.Clone(in), slices.Clone(want), reversed(want)} {
				By(n, func(i, j int) bool { return got[i] < got[j] }, func(i, j int) { got[i], got[j] = got[j], got[i] })
				if !slices.Equal(got, want) {
					t.Fatalf("By(%v) = %v, want %v", in, got, want)
				}
			}
		}
	}
}

func reversed(s []int) []int {
	r := slices.Clone(s)
	slices.Reverse(r)
	return r
}
