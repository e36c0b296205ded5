package planted

import (
	"context"
	"flag"
	"testing"
	"time"
)

var long = flag.Bool("long", false, "run at full size")
var rank = flag.Int("rank", 1, "")
var steps = flag.Int("steps", 1500, "")
var tau = flag.Float64("tau", 0.1, "")

func TestExplore(t *testing.T) {
	start := time.Now()
	o := Options{Rank: *rank, Tau: *tau, BaseSteps: 300, PoolSteps: *steps, Users: 20, Tests: 30}
	if *long {
		o = Options{}
	}
	o.Log = func(stage string, step, steps int, loss float64) {
		if step%500 == 0 {
			t.Logf("%v %s %d/%d %.3f", time.Since(start).Round(time.Millisecond*100), stage, step, steps, loss)
		}
	}
	scores, err := Run(context.Background(), 1, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scores {
		t.Logf("%-34s %.3f %.3f", s.Method, s.Loss, s.Accuracy)
	}
}
