package planted

import (
	"fmt"
	"math"
	"strings"
)

// A Row sums up one method over the seeds: means, and the half width of the 95%
// interval of the paired difference to the blended adapter.
type Row struct {
	Method           string
	Loss, Accuracy   float64
	Gain, GainHalf   float64 // loss of this method minus the blended one's
	AccGain, AccHalf float64 // accuracy of the blended one minus this method's
}

// Summarise pairs the scores of several seeds, which list the same methods with
// the blended one first.
func Summarise(runs [][]Score) []Row {
	var rows []Row
	for i, first := range runs[0] {
		var loss, acc, gain, accGain []float64
		for _, scores := range runs {
			loss, acc = append(loss, scores[i].Loss), append(acc, scores[i].Accuracy)
			gain = append(gain, scores[i].Loss-scores[0].Loss)
			accGain = append(accGain, scores[0].Accuracy-scores[i].Accuracy)
		}
		r := Row{Method: first.Method}
		r.Loss, _ = interval(loss)
		r.Accuracy, _ = interval(acc)
		r.Gain, r.GainHalf = interval(gain)
		r.AccGain, r.AccHalf = interval(accGain)
		rows = append(rows, r)
	}
	return rows
}

// t975 is the 97.5% quantile of Student's distribution by degrees of freedom.
var t975 = []float64{math.Inf(1), 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262}

// interval returns the mean and the half width of its 95% interval.
func interval(x []float64) (mean, half float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	variance := 0.0
	for _, v := range x {
		variance += (v - mean) * (v - mean) / (n - 1)
	}
	t := 1.96
	if len(x)-1 < len(t975) {
		t = t975[len(x)-1]
	}
	return mean, t * math.Sqrt(variance/n)
}

// Table prints rows as a Markdown table.
func Table(rows []Row) string {
	var b strings.Builder
	fmt.Fprintln(&b, "| method | loss, nats | accuracy | loss above blended (95% interval) | accuracy below blended (95% interval) |")
	fmt.Fprintln(&b, "|---|---|---|---|---|")
	for _, r := range rows {
		if r.Method == Blended {
			fmt.Fprintf(&b, "| **%s** | **%.3f** | **%.1f%%** | | |\n", r.Method, r.Loss, 100*r.Accuracy)
			continue
		}
		fmt.Fprintf(&b, "| %s | %.3f | %.1f%% | %+.3f ± %.3f | %+.1f ± %.1f points |\n", r.Method, r.Loss, 100*r.Accuracy, r.Gain, r.GainHalf, 100*r.AccGain, 100*r.AccHalf)
	}
	return b.String()
}
