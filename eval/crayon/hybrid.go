package crayon

import (
	"slices"
	"strconv"

	"pastel/blend"
	"pastel/blend/train"
	"pastel/offload"
)

// hybridSamples is how many samples the users of the hybrid curve show.
const hybridSamples = 10

// Usages are the shares of requests sent to the server that curves are kept at.
var Usages = []float64{0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1}

// Hybrid is accuracy against server use on streams of customised requests and requests
// outside every domain.
type Hybrid struct {
	Curves map[string][]float64 `json:"curves"` // by order, at Usages; see the Curve names
	// Budgets are server shares asked for with thresholds set on unlabelled requests,
	// and what other requests of the same users then used and reached.
	Budgets []Budget `json:"budgets"`
	// Scope tells customised requests from those outside: the area under the curve.
	ScopeAUROC float64 `json:"scope_auroc"`
	// Right answers of device and server, to customised requests and to those outside.
	DeviceIn, DeviceOut, ServerIn, ServerOut float64
}

// The orders in which requests go to the server.
const (
	ByConfidence = "confidence"
	ByMargin     = "margin"
	ByScope      = "scope"
	AtRandom     = "random"
	ByOracle     = "oracle"
)

// A Budget is one setting of the two thresholds.
type Budget struct {
	Asked    float64 `json:"asked"`
	Used     float64 `json:"used"`
	Accuracy float64 `json:"accuracy"`
	Random   float64 `json:"random"` // sending as many at random, same requests
}

// A graded request: its signals and who is right about it.
type graded struct {
	signals offload.Signals
	tie     float64
	inside  bool
	device  float64
	server  float64
}

// hybrid puts every user's stream to the device with its blended adapter, and to the
// server.
func (x *experiment) hybrid(f *train.Fit, users []user) (h Hybrid, err error) {
	crayon, server := x.weighted(Crayon, f, x.soft(), blend.Factor), x.names(x.server, nil)
	var all []graded
	budgets := map[float64]*Budget{}
	for i := range users {
		u := &users[i]
		samples := u.samples[:min(hybridSamples, len(u.samples))]
		device, err := crayon.make(u, samples)
		if err != nil {
			return h, err
		}
		stream, err := x.grade(f, u, samples, device, server, strconv.Itoa(i))
		if err != nil {
			return h, err
		}
		all = append(all, stream...)
		if err := x.budgets(f, samples, stream, budgets, 1/float64(len(users))); err != nil {
			return h, err
		}
	}
	for _, rho := range budgetShares {
		h.Budgets = append(h.Budgets, *budgets[rho])
	}
	h.shares(all)
	h.ScopeAUROC = auroc(all)
	h.Curves, err = curves(all)
	return h, err
}

// grade answers a user's stream in both places.
func (x *experiment) grade(f *train.Fit, u *user, samples []request, device, server answerer, name string) (out []graded, err error) {
	centre, err := x.query(f, samples)
	if err != nil {
		return nil, err
	}
	options := x.options(u)
	for i, r := range u.stream {
		q, err := x.query(f, []request{r})
		if err != nil {
			return nil, err
		}
		g := graded{tie: offload.TieBreak(name + "/" + strconv.Itoa(i)), inside: r.intent != x.corpus.outside()}
		g.signals.Set(offload.Scope, offload.Cosine(q, centre))
		logits := device(r)
		scores := make([]float64, len(options))
		for k, o := range options {
			scores[k] = logits[o]
		}
		if err := g.signals.SetOptions(scores); err != nil {
			return nil, err
		}
		g.device = oneIf(best(logits, options) == r.intent)
		g.server = oneIf(best(server(r), options) == r.intent)
		out = append(out, g)
	}
	return out, nil
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

var budgetShares = []float64{0.05, 0.1, 0.2, 0.3, 0.5}

// budgets sets both thresholds on the first half of a stream, whose answers nobody
// looks at, and routes the second half.
func (x *experiment) budgets(f *train.Fit, samples []request, stream []graded, sums map[float64]*Budget, weight float64) error {
	var points [][]float32
	for _, s := range samples {
		q, err := x.query(f, []request{s})
		if err != nil {
			return err
		}
		points = append(points, q)
	}
	scope := offload.ScopeThreshold(points)
	half := len(stream) / 2
	var seen []offload.Query
	for _, g := range stream[:half] {
		seen = append(seen, g.query())
	}
	for _, rho := range budgetShares {
		t, err := offload.Calibrate(seen, rho, scope)
		if err != nil {
			return err
		}
		b := sums[rho]
		if b == nil {
			b = &Budget{Asked: rho}
			sums[rho] = b
		}
		b.add(t, stream[half:], weight)
	}
	return nil
}

// add counts the share of requests that thresholds route and how many are right.
func (b *Budget) add(t offload.Thresholds, stream []graded, weight float64) {
	each := 1 / float64(len(stream))
	used, accuracy, device, server := 0.0, 0.0, 0.0, 0.0
	for _, g := range stream {
		device, server = device+each*g.device, server+each*g.server
		if t.Routed(g.query()) {
			used, accuracy = used+each, accuracy+each*g.server
		} else {
			accuracy += each * g.device
		}
	}
	b.Used += weight * used
	b.Accuracy += weight * accuracy
	b.Random += weight * (device + (server-device)*used)
}

func (g graded) query() offload.Query {
	scope, _ := g.signals.Get(offload.Scope)
	sure, _ := g.signals.Get(offload.MaxProb)
	return offload.Query{Scope: scope, Confidence: sure, Tie: g.tie}
}

// curves orders all requests by each signal.
func curves(all []graded) (map[string][]float64, error) {
	out := map[string][]float64{}
	for name, signal := range map[string]offload.Signal{ByConfidence: offload.MaxProb, ByMargin: offload.Margin, ByScope: offload.Scope} {
		var queries []offload.Labelled
		for _, g := range all {
			v, _ := g.signals.Get(signal)
			queries = append(queries, offload.Labelled{Point: offload.Point{Score: v, Tie: g.tie}, Device: g.device, Server: g.server})
		}
		curve, err := offload.Curve(queries)
		if err != nil {
			return nil, err
		}
		oracle, err := offload.OracleCurve(queries)
		if err != nil {
			return nil, err
		}
		out[name], out[AtRandom], out[ByOracle] = nil, nil, nil
		for _, u := range Usages {
			out[name] = append(out[name], offload.At(curve, u))
			out[AtRandom] = append(out[AtRandom], offload.RandomAt(curve, u))
			out[ByOracle] = append(out[ByOracle], offload.At(oracle, u))
		}
	}
	return out, nil
}

// shares fills in who is right about what.
func (h *Hybrid) shares(all []graded) {
	var in, out float64
	for _, g := range all {
		if g.inside {
			in, h.DeviceIn, h.ServerIn = in+1, h.DeviceIn+g.device, h.ServerIn+g.server
		} else {
			out, h.DeviceOut, h.ServerOut = out+1, h.DeviceOut+g.device, h.ServerOut+g.server
		}
	}
	h.DeviceIn, h.ServerIn = h.DeviceIn/max(in, 1), h.ServerIn/max(in, 1)
	h.DeviceOut, h.ServerOut = h.DeviceOut/max(out, 1), h.ServerOut/max(out, 1)
}

// auroc is how often a customised request is more in scope than one outside.
func auroc(all []graded) float64 {
	var inside, outside []float64
	for _, g := range all {
		v, _ := g.signals.Get(offload.Scope)
		if g.inside {
			inside = append(inside, v)
		} else {
			outside = append(outside, v)
		}
	}
	slices.Sort(outside)
	sum := 0.0
	for _, v := range inside {
		below, _ := slices.BinarySearch(outside, v)
		sum += float64(below)
	}
	return sum / max(1, float64(len(inside)*len(outside)))
}
