package offload

import (
	"math"

	"pastel/fault"
)

// A Signal names one score of a query. All are oriented alike: higher means
// keep the query on the device.
type Signal uint8

// The signals. Scope and Nearest need only the query's embedding; the others
// need a decode.
const (
	Scope   Signal = iota // cosine of the query's embedding to the customisation's, -1..1
	Nearest               // minus the Euclidean distance to the nearest sample, ≤ 0
	MaxProb               // probability of the best option, 0..1
	Margin                // best option minus second best, 0..1
	Entropy               // 1 - H(options)/log(#options), 0..1
	GeoMean               // geometric-mean probability of the answer's tokens, 0..1
	Early                 // the same after the first m tokens, 0..1
	nSignals
)

var signalNames = [nSignals]string{"scope", "nearest", "max_prob", "margin", "entropy", "geo_mean", "early"}

// String returns the name under which the signal is reported in JSON.
func (s Signal) String() string {
	if s < nSignals {
		return signalNames[s]
	}
	return "?"
}

// ParseSignal is the inverse of String.
//
// Errors: ERR_BAD_REQUEST for an unknown name.
func ParseSignal(name string) (Signal, error) {
	for i, n := range signalNames {
		if n == name {
			return Signal(i), nil
		}
	}
	return 0, fault.New(fault.BadRequest, "offload: unknown signal ", fault.Quote(name))
}

// MarshalText implements encoding.TextMarshaler: a signal is its name in JSON.
func (s Signal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Signal) UnmarshalText(name []byte) (err error) {
	*s, err = ParseSignal(string(name))
	return err
}

// Signals holds the scores known so far for one query; it is reported with
// every answer. The zero value knows none. It is a plain value, copied freely.
type Signals struct {
	value [nSignals]float64
	known uint8
}

// Set records a score. NaN is not a score and leaves the signal unknown.
func (s *Signals) Set(k Signal, v float64) {
	if k >= nSignals || math.IsNaN(v) {
		return
	}
	s.value[k] = v
	s.known |= 1 << k
}

// Get returns a score and whether it is known.
func (s Signals) Get(k Signal) (float64, bool) {
	if k >= nSignals || s.known&(1<<k) == 0 {
		return 0, false
	}
	return s.value[k], true
}

// SetOptions records MaxProb, Margin and Entropy of a multiple-choice answer.
//
// Shapes: logProbs [#options], natural logarithms, not necessarily normalised.
// Errors: ERR_BAD_REQUEST for fewer than two options or no finite maximum.
func (s *Signals) SetOptions(logProbs []float64) error {
	p, err := softmax(logProbs)
	if err != nil {
		return err
	}
	first, second, entropy := 0.0, 0.0, 0.0
	for _, x := range p {
		if x > first {
			first, second = x, first
		} else if x > second {
			second = x
		}
		if x > 0 {
			entropy -= x * math.Log(x)
		}
	}
	s.Set(MaxProb, first)
	s.Set(Margin, first-second)
	s.Set(Entropy, max(0, min(1, 1-entropy/math.Log(float64(len(p))))))
	return nil
}

func softmax(logs []float64) ([]float64, error) {
	if len(logs) < 2 {
		return nil, fault.New(fault.BadRequest, "offload: ", len(logs), " options, need at least 2")
	}
	top := math.Inf(-1)
	for _, x := range logs {
		if math.IsNaN(x) {
			return nil, fault.New(fault.BadRequest, "offload: an option's log-probability is NaN")
		}
		top = max(top, x)
	}
	if math.IsInf(top, 0) {
		return nil, fault.New(fault.BadRequest, "offload: the best option's log-probability is not finite")
	}
	p, sum := make([]float64, len(logs)), 0.0
	for i, x := range logs {
		p[i] = math.Exp(x - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p, nil
}

// DefaultEarlyTokens is m of the early confidence.
const DefaultEarlyTokens = 8

// A Sequence accumulates the confidence of free text token by token. The zero
// value is ready. It allocates nothing, so a decode loop may call Add.
type Sequence struct {
	// EarlyTokens is m; 0 means DefaultEarlyTokens.
	EarlyTokens int

	sum      float64 // of log-probabilities
	n        int
	earlySum float64
}

// Add records the natural log-probability of one generated token. Values above
// 0 (rounding) count as 0; NaN counts as impossible.
func (q *Sequence) Add(logProb float64) {
	if math.IsNaN(logProb) {
		logProb = math.Inf(-1)
	}
	q.sum += min(0, logProb)
	q.n++
	if q.n == q.m() {
		q.earlySum = q.sum
	}
}

func (q *Sequence) m() int {
	if q.EarlyTokens > 0 {
		return q.EarlyTokens
	}
	return DefaultEarlyTokens
}

// Report sets GeoMean once there is a token and Early once there are m.
func (q *Sequence) Report(s *Signals) {
	if q.n > 0 {
		s.Set(GeoMean, math.Exp(q.sum/float64(q.n)))
	}
	if q.n >= q.m() {
		s.Set(Early, math.Exp(q.earlySum/float64(q.m())))
	}
}
