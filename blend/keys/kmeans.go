package keys

import (
	"math"
	"math/rand/v2"

	"pastel/fault"
)

// Options of Cluster. Zero fields take the default.
type Options struct {
	Restarts int // independent starts, the best is kept; default 10
	MaxIter  int // Lloyd iterations per start; default 100
	Seed     uint64
}

// Cluster makes n keys from training embeddings: their mean, and the centroids
// of spherical k-means on the centred unit vectors. It also tells which key each
// embedding belongs to. Equal input and seed give equal keys.
//
// Shapes: embeddings [m][dim]; assign [m].
// Errors: fault.BadRequest for fewer embeddings than keys, or values that are not finite.
// Source: Hornik et al. 2012 (spherical k-means); Arthur & Vassilvitskii 2007 (k-means++).
func Cluster(embeddings [][]float32, n int, o Options) (k *Keys, assign []int, err error) {
	if n < 1 || len(embeddings) < n {
		return nil, nil, fault.New(fault.BadRequest, "keys: ", n, " keys of ", len(embeddings), " embeddings")
	}
	mu, err := mean(embeddings)
	if err != nil {
		return nil, nil, err
	}
	k = &Keys{Mu: mu}
	points := make([][]float32, len(embeddings))
	for i, e := range embeddings {
		if points[i], err = k.Query([][]float32{e}); err != nil {
			return nil, nil, err
		}
	}
	best := math.Inf(-1)
	for start := range orDefault(o.Restarts, 10) {
		rng := rand.New(rand.NewPCG(o.Seed, uint64(start)))
		c := seedCentroids(points, n, rng)
		a, score := lloyd(points, c, orDefault(o.MaxIter, 100))
		if score > best {
			best, assign, k.Centroids = score, a, c
		}
	}
	return k, assign, k.Validate()
}

func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

func mean(embeddings [][]float32) ([]float32, error) {
	sum := make([]float64, len(embeddings[0]))
	for i, e := range embeddings {
		if len(e) != len(sum) || len(e) == 0 || !isFinite(e) {
			return nil, fault.New(fault.BadRequest, "keys: embedding ", i, " of ", len(e), " dimensions, want ", len(sum), " finite ones")
		}
		for j, v := range e {
			sum[j] += float64(v)
		}
	}
	out := make([]float32, len(sum))
	for j, v := range sum {
		out[j] = float32(v / float64(len(embeddings)))
	}
	return out, nil
}

// seedCentroids is k-means++ with the distance 1 − cosine: each next centroid is a
// point drawn with probability proportional to its distance from those chosen.
func seedCentroids(points [][]float32, n int, rng *rand.Rand) [][]float32 {
	c := [][]float32{clonePoint(points[rng.IntN(len(points))])}
	dist := make([]float64, len(points))
	for i := range dist {
		dist[i] = math.Inf(1)
	}
	for len(c) < n {
		total := 0.0
		for i, p := range points {
			dist[i] = min(dist[i], max(0, 1-dot(p, c[len(c)-1])))
			total += dist[i]
		}
		c = append(c, clonePoint(points[pick(dist, rng.Float64()*total)]))
	}
	return c
}

// pick returns the index at which the running sum passes at.
func pick(dist []float64, at float64) int {
	for i, d := range dist {
		if at -= d; at < 0 {
			return i
		}
	}
	return len(dist) - 1
}

// clonePoint copies p; a zero point (a text that is the mean) becomes the first axis.
func clonePoint(p []float32) []float32 {
	out := append([]float32(nil), p...)
	if norm(out) == 0 {
		out[0] = 1
	}
	return out
}

// lloyd moves centroids until assignments stay, and returns them with the sum of
// cosines, which every iteration raises.
func lloyd(points, centroids [][]float32, maxIter int) (assign []int, score float64) {
	assign = make([]int, len(points))
	for range maxIter {
		changed := false
		score = 0
		for i, p := range points {
			n, s := nearest(p, centroids)
			changed = changed || n != assign[i]
			assign[i] = n
			score += s
		}
		repaired := repairEmpty(points, centroids, assign)
		moveToMeans(points, centroids, assign)
		if !changed && !repaired {
			break
		}
	}
	score = 0
	for i, p := range points { // assignments for the centroids returned
		n, s := nearest(p, centroids)
		assign[i] = n
		score += s
	}
	return assign, score
}

func nearest(p []float32, centroids [][]float32) (n int, cos float64) {
	cos = math.Inf(-1)
	for i, c := range centroids {
		if s := dot(p, c); s > cos {
			n, cos = i, s
		}
	}
	return n, cos
}

// repairEmpty gives each centroid without points the point that is farthest
// from its own, taken from a cluster that has others.
func repairEmpty(points, centroids [][]float32, assign []int) (repaired bool) {
	count := make([]int, len(centroids))
	for _, n := range assign {
		count[n]++
	}
	for n := range centroids {
		if count[n] > 0 {
			continue
		}
		worst, at := math.Inf(1), -1
		for i, p := range points {
			if s := dot(p, centroids[assign[i]]); s < worst && count[assign[i]] > 1 {
				worst, at = s, i
			}
		}
		if at < 0 {
			continue
		}
		count[assign[at]]--
		count[n], assign[at], repaired = 1, n, true
	}
	return repaired
}

// moveToMeans sets each centroid to the unit mean of its points; one whose
// points cancel stays.
func moveToMeans(points, centroids [][]float32, assign []int) {
	for n := range centroids {
		sum := make([]float64, len(centroids[n]))
		for i, p := range points {
			if assign[i] == n {
				for j, v := range p {
					sum[j] += float64(v)
				}
			}
		}
		if c := unit(sum); norm(c) > 0 {
			centroids[n] = c
		}
	}
}

// FromGroups makes keys without clustering: one for each group of embeddings,
// such as samples of the data that an adapter was trained on. The centre is the
// mean of the groups' means, so that large groups do not pull it.
//
// Shapes: groups [n][m][dim].
// Errors: fault.BadRequest for an empty group, ragged or not finite embeddings, or
// a group whose mean is the centre.
func FromGroups(groups [][][]float32) (*Keys, error) {
	var means [][]float32
	for n, g := range groups {
		if len(g) == 0 {
			return nil, fault.New(fault.BadRequest, "keys: group ", n, " is empty")
		}
		m, err := mean(g)
		if err != nil {
			return nil, err
		}
		means = append(means, m)
	}
	if len(means) == 0 {
		return nil, fault.New(fault.BadRequest, "keys: no groups")
	}
	mu, err := mean(means)
	if err != nil {
		return nil, err
	}
	k := &Keys{Mu: mu}
	for n, m := range means {
		c, err := k.Query([][]float32{m})
		if err != nil {
			return nil, err
		}
		if norm(c) == 0 {
			return nil, fault.New(fault.BadRequest, "keys: group ", n, " has the mean of all groups")
		}
		k.Centroids = append(k.Centroids, c)
	}
	return k, nil
}
