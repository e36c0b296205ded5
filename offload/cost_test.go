package offload

import (
	"math"
	"testing"
)

func TestMeterForgets(t *testing.T) {
	var m Meter
	if m.Value() != 0 {
		t.Error("the zero meter knows something")
	}
	for _, bad := range []float64{0, -1, math.NaN()} {
		m.Observe(bad)
	}
	m.Observe(10)
	if m.Value() != 10 {
		t.Errorf("first observation: %v, want 10", m.Value())
	}
	for range 5 {
		m.Observe(20)
	}
	// What is left of the first value after five others: 0.7⁵ = 17%.
	if want := 20 - 10*math.Pow(0.7, 5); math.Abs(m.Value()-want) > 1e-12 {
		t.Errorf("after five others: %v, want %v", m.Value(), want)
	}
}

func TestCostTimes(t *testing.T) {
	c := Cost{DeviceTokensPerSec: 20, ServerTokensPerSec: 50, RoundTripMs: 300, AnswerTokens: 100}
	if c.DeviceMs() != 5000 || c.ServerMs() != 2300 {
		t.Errorf("device %v ms, server %v ms, want 5000 and 2300", c.DeviceMs(), c.ServerMs())
	}
	if (Cost{}).DeviceMs() != 0 || (Cost{RoundTripMs: 7}).ServerMs() != 7 {
		t.Error("unknown speeds have a time")
	}
}
