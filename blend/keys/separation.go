package keys

import "pastel/fault"

// Separation measures an embedding: how often a user who shows m texts is placed
// nearest to the group those texts are from. Keys are made of the first half of
// every group; the second half is cut into users of m texts each.
//
// Shapes: embeddings [groups][texts][dim].
// Errors: fault.BadRequest when a half has fewer than m texts, and those of FromGroups.
func Separation(embeddings [][][]float32, m int) (accuracy float64, err error) {
	var known [][][]float32
	for n, g := range embeddings {
		half := len(g) / 2
		if m < 1 || len(g)-half < m {
			return 0, fault.New(fault.BadRequest, "keys: group ", n, " of ", len(g), " texts has no user of ", m)
		}
		known = append(known, g[:half])
	}
	k, err := FromGroups(known)
	if err != nil {
		return 0, err
	}
	right, users := 0, 0
	for n, g := range embeddings {
		for rest := g[len(g)/2:]; len(rest) >= m; rest = rest[m:] {
			q, err := k.Query(rest[:m])
			if err != nil {
				return 0, err
			}
			if i, _ := nearest(q, k.Centroids); i == n {
				right++
			}
			users++
		}
	}
	return float64(right) / float64(users), nil
}
