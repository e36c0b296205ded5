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
			Point:  offload.Point{Score: r.Device.Confidence, Tie: offload.TieBreak(r.ID)},
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

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
