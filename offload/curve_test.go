package offload

import (
	"math"
	"testing"
)

func TestCurveEndsAndArea(t *testing.T) {
	queries := labelledSet(200, 2)
	device, server := 0.0, 0.0
	for _, q := range queries {
		device += q.Device / 200
		server += q.Server / 200
	}
	curve, err := Curve(queries)
	if err != nil {
		t.Fatal(err)
	}
	first, last := curve[0], curve[len(curve)-1]
	if first.Usage != 0 || math.Abs(first.Accuracy-device) > 1e-12 {
		t.Errorf("device-only end = %+v, want accuracy %v", first, device)
	}
	if last.Usage != 1 || math.Abs(last.Accuracy-server) > 1e-12 {
		t.Errorf("server-only end = %+v, want accuracy %v", last, server)
	}
	oracle, err := OracleCurve(queries)
	if err != nil {
		t.Fatal(err)
	}
	for u := 0.0; u <= 1; u += 0.05 {
		if At(curve, u) > At(oracle, u)+1e-12 {
			t.Errorf("usage %v: the router beats the oracle", u)
		}
	}
	// A Riemann sum written from the definition, on a grid finer than the curve.
	sum, steps := 0.0, 20_000
	for i := range steps {
		u := (float64(i) + 0.5) / float64(steps)
		sum += (At(curve, u) - RandomAt(curve, u)) / float64(steps)
	}
	if got := AreaOverRandom(curve); math.Abs(got-sum) > 1e-4 {
		t.Errorf("AreaOverRandom = %v, want %v", got, sum)
	}
}

func TestCurveOfOneQuery(t *testing.T) {
	curve, err := Curve([]Labelled{{Point: Point{0.5, 0}, Device: 0, Server: 1}})
	if err != nil || len(curve) != 2 || AreaOverRandom(curve) != 0 {
		t.Errorf("curve = %v, %v", curve, err)
	}
}
