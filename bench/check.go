package bench

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// NoiseBand is how far below its committed value a ratio may fall. Repeats of one
// build on a shared 2-core machine differed by up to a third.
const NoiseBand = 0.35

// Ratios are figures that do not depend on how fast the machine is, by name; higher is
// better.
type Ratios map[string]float64

// RatiosOf derives them from results of one run: shares of the machine's limits, what
// a second thread brings, longer prompts against shorter, wazero against Chromium.
func RatiosOf(results []*Result) Ratios {
	out := Ratios{}
	one := map[string]*Result{}
	for _, r := range results {
		name := fmt.Sprintf("%s threads=%d ", r.In, r.Threads)
		out[name+"decode/read"] = r.ReadShare()
		for _, p := range r.Prefill {
			out[fmt.Sprintf("%sprefill %d/dot", name, p.Tokens)] = r.DotShare(p)
		}
		if last := len(r.Prefill) - 1; last > 0 {
			out[name+"long/short prompt"] = r.Prefill[last].TokPS.Median / r.Prefill[0].TokPS.Median
		}
		if r.Threads == 1 {
			one[r.In] = r
		} else if base := one[r.In]; base != nil {
			out[name+"decode/1 thread"] = r.DecodeTokPS / base.DecodeTokPS
			out[name+"prefill/1 thread"] = r.PrefillTokPS / base.PrefillTokPS
		}
	}
	if w, c := one["wazero"], one["chromium"]; w != nil && c != nil {
		out["wazero/chromium decode"] = w.DecodeTokPS / c.DecodeTokPS
		out["wazero/chromium prefill"] = w.PrefillTokPS / c.PrefillTokPS
	}
	return out
}

// Check compares with committed ratios.
//
// Errors: every ratio that is missing, or lower than committed by more than NoiseBand.
func (r Ratios) Check(committed Ratios) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(committed)) {
		now, measured := r[name]
		want := committed[name]
		switch {
		case !measured:
			errs = append(errs, fmt.Errorf("bench: %s was not measured", name))
		case now < want*(1-NoiseBand):
			errs = append(errs, fmt.Errorf("bench: %s is %.3f, was %.3f: worse by more than %.0f%%", name, now, want, 100*NoiseBand))
		}
	}
	return errors.Join(errs...)
}
