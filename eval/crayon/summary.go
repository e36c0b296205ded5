package crayon

import (
	"fmt"

	"pastel/eval"
)

// A Mean is the mean over seeds and the half width of its 95% interval.
type Mean struct{ Mean, Half float64 }

func meanOf(x []float64) Mean {
	mean, half := eval.Student(x)
	return Mean{mean, half}
}

// points prints a share as per cent with its interval.
func (m Mean) points() string { return fmt.Sprintf("%.1f ± %.1f", 100*m.Mean, 100*m.Half) }

// signed prints a difference of shares.
func (m Mean) signed() string { return fmt.Sprintf("%+.1f ± %.1f", 100*m.Mean, 100*m.Half) }

// A summary is several seeds' outcomes, all of the same methods and samples.
type summary struct {
	runs []*Outcome
}

// methods are the rows' names in order.
func (t summary) methods() (names []string) {
	for _, score := range t.runs[0].Scores {
		if len(names) == 0 || names[len(names)-1] != score.Method {
			names = append(names, score.Method)
		}
	}
	return names
}

// at is the score of a method with m samples in one run; a method that does not look
// at samples has one for every m.
func at(o *Outcome, method string, m int) (Score, bool) {
	for _, s := range o.Scores {
		if s.Method == method && (s.M == m || s.M == 0) {
			return s, true
		}
	}
	return Score{}, false
}

// mean is over the runs' scores of one method.
func (t summary) mean(method string, m int, pick func(Score) float64) Mean {
	var x []float64
	for _, o := range t.runs {
		score, _ := at(o, method, m)
		x = append(x, pick(score))
	}
	return meanOf(x)
}

// behind is how much Crayon with m samples is ahead of a method, paired by seed.
func (t summary) behind(method string, m int, pick func(Score) float64) Mean {
	var x []float64
	for _, o := range t.runs {
		a, _ := at(o, Crayon, m)
		b, _ := at(o, method, m)
		x = append(x, pick(a)-pick(b))
	}
	return meanOf(x)
}

// over is the mean over the runs of anything.
func (t summary) over(pick func(o *Outcome) float64) Mean {
	var x []float64
	for _, o := range t.runs {
		x = append(x, pick(o))
	}
	return meanOf(x)
}
