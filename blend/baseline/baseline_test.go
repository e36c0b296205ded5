package baseline

import (
	"math"
	"reflect"
	"testing"

	"pastel/blend"
	"pastel/fault"
)

func TestLoRAHubFindsTheUsefulAdapter(t *testing.T) {
	r, err := LoRAHub(3, func(w []float64) (float64, error) { return 4 * (w[1] - 1) * (w[1] - 1), nil }, 400, 1)
	if err != nil || math.Abs(r.Weights[1]-1) > 0.1 || math.Abs(r.Weights[0])+math.Abs(r.Weights[2]) > 0.2 {
		t.Errorf("LoRAHub = %+v, %v", r, err)
	}
}

func TestAdapterSoup(t *testing.T) {
	got, err := AdapterSoup([]float64{0.1, 0.9, 0.5, 0.9}, 2)
	if err != nil || !reflect.DeepEqual(got, []float64{0, 0.5, 0, 0.5}) {
		t.Errorf("AdapterSoup = %v, %v", got, err)
	}
	for _, k := range []int{0, 5} {
		if _, err := AdapterSoup(make([]float64, 4), k); fault.CodeOf(err) != fault.BadRequest {
			t.Errorf("k = %d: %v", k, err)
		}
	}
}

// B·A = 3·u·vᵀ + 1·u'·v'ᵀ with orthogonal v = (0.6, 0.8) and v' = (0.8, -0.6).
func TestArrow(t *testing.T) {
	a, err := blend.NewAdapter("a", []blend.Pair{{Target: "x", Rank: 2, In: 2, Out: 2, Scaling: 1,
		A: []float32{0.8, -0.6, 1.8, 2.4}, B: []float32{1, 0, 0, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	v := ArrowPrototypes([]*blend.Adapter{a, {}}, "x")
	if v[1] != nil || math.Abs(math.Abs(dot(v[0], []float32{0.6, 0.8}))-1) > 1e-6 {
		t.Fatalf("prototypes %v", v)
	}
	w, err := ArrowWeights([][]float32{{1, 0}, {0, 1}, nil}, []float32{-5, 1}, 2)
	if err != nil || w[2] != 0 || math.Abs(w[0]/w[1]-math.Exp(4)) > 1e-9 {
		t.Errorf("weights %v, %v: the sign of h·v must not matter", w, err)
	}
	if _, err := ArrowWeights(v, []float32{1, 1}, 3); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("k = 3: %v", err)
	}
}
