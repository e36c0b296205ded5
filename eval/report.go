package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pastel/offload"
)

// A Row is one question set's outcome.
type Row struct {
	Set        string  `json:"set"`
	N          int     `json:"n"`
	Right      int     `json:"right"`
	Accuracy   float64 `json:"accuracy"`
	Low        float64 `json:"low"` // 95% interval
	High       float64 `json:"high"`
	Perplexity float64 `json:"perplexity,omitempty"` // sets of texts
	Seconds    float64 `json:"seconds"`
}

// Rows sums records up by set, in the order of their first record, and in all at the
// end when there are several.
func Rows(records []Record) []Row {
	var sets []string
	bySet := map[string][]Record{}
	for _, r := range records {
		if bySet[r.Set] == nil {
			sets = append(sets, r.Set)
		}
		bySet[r.Set] = append(bySet[r.Set], r)
	}
	var rows []Row
	for _, set := range sets {
		rows = append(rows, rowOf(set, bySet[set]))
	}
	if len(sets) > 1 {
		rows = append(rows, rowOf("all", records))
	}
	return rows
}

func rowOf(set string, records []Record) Row {
	row := Row{Set: set}
	nll, tokens := 0.0, 0
	for _, r := range records {
		row.Seconds += r.Seconds
		nll, tokens = nll+r.Device.NLL, tokens+r.Device.Tokens
		if r.Kind == Perplexity {
			continue
		}
		row.N++
		if r.Device.Right {
			row.Right++
		}
	}
	if row.N > 0 {
		row.Accuracy = float64(row.Right) / float64(row.N)
	}
	row.Low, row.High = Wilson(row.Right, row.N)
	if tokens > 0 {
		row.Perplexity = math.Exp(nll / float64(tokens))
	}
	return row
}

// Table prints rows in Markdown.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| set | n | accuracy (95%) | perplexity | seconds |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		accuracy, perplexity := "-", "-"
		if r.N > 0 {
			accuracy = fmt.Sprintf("%.1f%% (%.1f-%.1f)", 100*r.Accuracy, 100*r.Low, 100*r.High)
		}
		if r.Perplexity > 0 {
			perplexity = fmt.Sprintf("%.2f", r.Perplexity)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %.1f |\n", r.Set, r.N, accuracy, perplexity, r.Seconds)
	}
	return b.String()
}

// usages are the shares of questions sent to the server that Hybrid shows.
var usages = []float64{0, 0.1, 0.25, 0.5, 0.75, 1}

// Hybrid prints accuracy against server use: the least confident questions go first;
// beside it a random and a perfect order. The threshold is chosen on the same
// questions, so this is what routing can reach, not what it will on others.
//
// Errors: records without a server's answer, or none.
func Hybrid(records []Record) (string, error) {
	var queries []offload.Labelled
	for _, r := range records {
		if r.Kind == Perplexity {
			continue
		}
		if r.Server == nil {
			return "", fmt.Errorf("eval: task %s was not put to the server", r.ID)
		}
		queries = append(queries, offload.Labelled{
			Point:  r.point(),
			Device: oneIf(r.Device.Right), Server: oneIf(r.Server.Right),
		})
	}
	curve, err := offload.Curve(queries)
	if err != nil {
		return "", err
	}
	oracle, err := offload.OracleCurve(slices.Clone(queries))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| sent to the server | by confidence | at random | oracle |\n|---|---|---|---|\n")
	for _, u := range usages {
		fmt.Fprintf(&b, "| %.0f%% | %.1f%% | %.1f%% | %.1f%% |\n", 100*u, 100*offload.At(curve, u), 100*offload.RandomAt(curve, u), 100*offload.At(oracle, u))
	}
	return b.String(), nil
}

// A Split is what device and server reach together when the questions that the device is
// least sure of go to the server.
type Split struct {
	Threshold float64 `json:"threshold"` // the confidence below which a question goes
	N         int     `json:"n"`
	Right     int     `json:"right"`
	Accuracy  float64 `json:"accuracy"`
	Low       float64 `json:"low"` // 95% interval
	High      float64 `json:"high"`
	Usage     float64 `json:"usage"`   // share of questions that went
	Seconds   float64 `json:"seconds"` // the device's on all, the server's on those
}

// SplitAt sends what is below a confidence.
//
// Errors: records without a server's answer.
func SplitAt(records []Record, confidence float64) (Split, error) {
	return splitBy(records, offload.Threshold{On: true, Score: confidence})
}

// SplitBudget sends the share rho of the questions. The threshold is chosen on the same
// questions' confidences; nobody looks at an answer for it.
//
// Errors: as SplitAt, and a share outside 0..1.
func SplitBudget(records []Record, rho float64) (Split, error) {
	var points []offload.Point
	for i := range records {
		if records[i].Kind != Perplexity {
			points = append(points, records[i].point())
		}
	}
	t, err := offload.BudgetThreshold(points, rho)
	if err != nil {
		return Split{}, err
	}
	return splitBy(records, t)
}

// point orders a record's question among the others.
func (r *Record) point() offload.Point {
	return offload.Point{Score: r.Device.Confidence, Tie: offload.TieBreak(r.ID)}
}

func splitBy(records []Record, t offload.Threshold) (s Split, err error) {
	s.Threshold = t.Score
	sent := 0
	for i := range records {
		r := &records[i]
		if r.Kind == Perplexity {
			continue
		}
		if r.Server == nil {
			return s, fmt.Errorf("eval: task %s was not put to the server", r.ID)
		}
		answer := r.Device
		s.Seconds += r.Seconds
		if t.Below(r.point()) {
			answer, sent = *r.Server, sent+1
			s.Seconds += r.ServerSeconds
		}
		s.N++
		if answer.Right {
			s.Right++
		}
	}
	if s.N > 0 {
		s.Accuracy, s.Usage = float64(s.Right)/float64(s.N), float64(sent)/float64(s.N)
	}
	s.Low, s.High = Wilson(s.Right, s.N)
	return s, nil
}

// Table prints a split in Markdown.
func (s Split) Table() string {
	return fmt.Sprintf("| threshold | n | accuracy (95%%) | sent to the server | seconds |\n|---|---|---|---|---|\n| %.3f | %d | %.1f%% (%.1f-%.1f) | %.1f%% | %.1f |\n",
		s.Threshold, s.N, 100*s.Accuracy, 100*s.Low, 100*s.High, 100*s.Usage, s.Seconds)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
