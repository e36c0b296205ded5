package keys

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pastel/blend"
	"pastel/fault"
)

// planted draws points around n random directions; returns the truth.
func planted(n, per, dim int, noise float64) (points [][]float32, truth []int) {
	rng := rand.New(rand.NewPCG(5, 5))
	for c := range n {
		centre := make([]float64, dim)
		for j := range centre {
			centre[j] = 3 * rng.NormFloat64()
		}
		for range per {
			p := make([]float32, dim)
			for j := range p {
				p[j] = float32(centre[j] + noise*rng.NormFloat64() + 10)
			}
			points, truth = append(points, p), append(truth, c)
		}
	}
	return points, truth
}

func TestClusterFindsPlantedClusters(t *testing.T) {
	points, truth := planted(6, 30, 16, 0.5)
	k, assign, err := Cluster(points, 6, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	name := map[int]int{}
	for i, n := range assign {
		if old, seen := name[n]; seen && old != truth[i] {
			t.Fatalf("cluster %d mixes groups %d and %d", n, old, truth[i])
		}
		name[n] = truth[i]
	}
	again, assign2, err := Cluster(points, 6, Options{Seed: 1})
	if err != nil || !reflect.DeepEqual(assign, assign2) || !reflect.DeepEqual(k, again) {
		t.Error("equal seeds give different keys")
	}
}

// Identical points leave clusters empty, which repair must survive.
func TestClusterDegenerate(t *testing.T) {
	same := [][]float32{{1, 2}, {1, 2}, {1, 2}, {1, 2}}
	for _, tt := range []struct {
		name   string
		points [][]float32
		n      int
	}{
		{"all points equal", same, 3}, {"as many keys as points", [][]float32{{1, 0}, {0, 1}, {-1, 0.5}}, 3},
		{"one key", [][]float32{{1, 0}, {0, 1}}, 1}, {"one point", [][]float32{{1, 0}}, 1}, {"opposite points", [][]float32{{1, 0}, {-1, 0}}, 1},
	} {
		k, assign, err := Cluster(tt.points, tt.n, Options{})
		if err != nil || len(k.Centroids) != tt.n || len(assign) != len(tt.points) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestEmptyClustersAreRepaired(t *testing.T) {
	points := [][]float32{{1, 0}, {0.9, 0.1}, {0, 1}}
	centroids := [][]float32{{1, 0}, {-1, 0}} // nobody is nearest to the second
	assign := []int{0, 0, 0}
	if !repairEmpty(points, centroids, assign) || !reflect.DeepEqual(assign, []int{0, 0, 1}) {
		t.Errorf("assign = %v, want the farthest point moved", assign)
	}
}

func TestClusterRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name   string
		points [][]float32
		n      int
	}{
		{"more keys than points", [][]float32{{1}}, 2}, {"no keys", [][]float32{{1}}, 0}, {"nothing", nil, 1},
		{"NaN", [][]float32{{nan}}, 1}, {"ragged", [][]float32{{1, 2}, {1}}, 1}, {"no dimensions", [][]float32{{}}, 1},
	} {
		if _, _, err := Cluster(tt.points, tt.n, Options{}); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Law of crayon.md, checklist 4: a user exactly at key n gets adapter n alone
// as the temperature falls.
func TestUserAtKeyGetsThatAdapter(t *testing.T) {
	points, _ := planted(5, 20, 8, 1)
	k, _, err := Cluster(points, 5, Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for n, c := range k.Centroids {
		sample := make([]float32, len(c))
		for j := range c {
			sample[j] = k.Mu[j] + 2*c[j]
		}
		q, err := k.Query([][]float32{sample, sample})
		if err != nil {
			t.Fatal(err)
		}
		w, err := blend.Weighting{Tau: 1e-4}.Weights(k.Scores(q))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(w[n]-1) > 1e-9 {
			t.Errorf("key %d: weights %v", n, w)
		}
	}
}

func TestQuery(t *testing.T) {
	k := Keys{Mu: []float32{1, 1}, Centroids: [][]float32{{1, 0}, {0, 1}}}
	for _, tt := range []struct {
		name    string
		samples [][]float32
		want    []float32
	}{
		{"centred and unit", [][]float32{{4, 5}}, []float32{0.6, 0.8}},
		{"averaged first", [][]float32{{4, 1}, {1, 5}}, []float32{0.6, 0.8}},
		{"the centre itself", [][]float32{{1, 1}}, []float32{0, 0}},
	} {
		if got, err := k.Query(tt.samples); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for _, bad := range [][][]float32{nil, {{1}}, {{1, float32(math.Inf(1))}}} {
		if _, err := k.Query(bad); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
			t.Errorf("Query(%v) = %v", bad, err)
		}
	}
	long := Keys{Mu: []float32{1, 1}, Centroids: [][]float32{{2, 0}}}
	if err := long.Validate(); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
		t.Errorf("a key of length 2: %v", err)
	}
}

func TestFromGroups(t *testing.T) {
	k, err := FromGroups([][][]float32{{{3, 1}, {5, 1}}, {{0, 1}}})
	if err != nil || !reflect.DeepEqual(k.Mu, []float32{2, 1}) || !reflect.DeepEqual(k.Centroids, [][]float32{{1, 0}, {-1, 0}}) {
		t.Errorf("FromGroups = %+v, %v", k, err)
	}
	for _, bad := range [][][][]float32{nil, {{}}, {{{1}}}, {{{1, 2}}, {{1}}}} {
		if _, err := FromGroups(bad); !errors.Is(err, fault.Sentinel(fault.BadRequest)) {
			t.Errorf("FromGroups(%v) = %v", bad, err)
		}
	}
}

func TestSeparation(t *testing.T) {
	points, truth := planted(4, 20, 8, 0.3)
	groups := make([][][]float32, 4)
	for i, p := range points {
		groups[truth[i]] = append(groups[truth[i]], p)
	}
	if got, err := Separation(groups, 5); err != nil || got != 1 {
		t.Errorf("well separated groups: %v, %v", got, err)
	}
	for i := range groups { // every group gets the same two texts: half of the users are misplaced at best
		groups[i] = [][]float32{groups[i][0], points[0]}
	}
	if got, err := Separation(groups, 1); err != nil || got > 0.5 {
		t.Errorf("equal users: %v, %v", got, err)
	}
	if _, err := Separation(groups, 2); fault.CodeOf(err) != fault.BadRequest {
		t.Errorf("too few texts: %v", err)
	}
}
