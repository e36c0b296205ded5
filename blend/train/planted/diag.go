package planted

import (
	"fmt"
	"pastel/blend"
)

func (x *experiment) diagnose(assign []int) {
	// purity needs the topic: recover from answers is ambiguous; use users
	for _, tau := range []float64{0.05, 0.1, 0.2, 0.3} {
		eff, mass := 0.0, 0.0
		for _, u := range x.trainUsers[:100] {
			a, _ := x.weights(u.shown, blend.Weighting{Tau: tau})
			eff += blend.EffectiveCount(a) / 100
			_ = a
		}
		fmt.Println("tau", tau, "eff", eff, mass)
	}
	// centroid vs topic: mean embedding per topic
	for z := range nTopics {
		var list []float64
		for range 1 {
			var q [][]float32
			for range 200 {
				q = append(q, x.embed(x.world.query(x.rng, z)))
			}
			m, _ := x.keys.Query(q)
			list = x.keys.Scores(m)
		}
		for _, v := range list {
			fmt.Printf("%6.2f", v)
		}
		fmt.Println()
	}
}
