package crayon

import (
	"fmt"
	"slices"
	"strings"
)

// compareAt is how many samples the paired differences are for.
const compareAt = 10

// needs says what a method takes beside the user's texts, by its row.
var needs = map[string]struct{ labels, up, down string }{
	"base, no adapter":                  {"no", "0", "0"},
	"base, samples in the prompt":       {"yes", "0", "0"},
	"one LoRA on everything":            {"no", "0", "adapter"},
	"one LoRA on everything, full rank": {"no", "0", "full"},
	"joint pool, LoRAHub":               {"yes", "0", "pool"},
	"cluster pool, LoRAHub":             {"yes", "0", "pool"},
	perTask:                             {"yes", "0", "0"},
	serverOnly:                          {"no", "every request", "every answer"},
}

// Report is the Markdown of the tables. The outcomes are of different seeds and the same
// sizes, at least two.
func Report(runs []*Outcome, s Sizes) string {
	var b strings.Builder
	t := summary{runs}
	for _, among := range []struct {
		title string
		pick  func(Score) float64
	}{{"Accuracy among the intents of the user's domain", inDomain}, {"Accuracy among all intents", inAll}} {
		fmt.Fprintf(&b, "### %s, %%\n\n%s\n", among.title, t.accuracy(s.Samples, among.pick))
	}
	fmt.Fprintf(&b, "### What it costs, with %d samples\n\n", compareAt)
	b.WriteString(t.costs())
	fmt.Fprintf(&b, "\n### With a server\n\n")
	b.WriteString(t.hybrid())
	return b.String()
}

func inDomain(s Score) float64 { return s.Domain }
func inAll(s Score) float64    { return s.All }

// accuracy has a column for each number of samples.
func (t summary) accuracy(samples []int, pick func(Score) float64) string {
	var b strings.Builder
	b.WriteString("| method |")
	for _, m := range samples {
		fmt.Fprintf(&b, " m = %d |", m)
	}
	fmt.Fprintf(&b, " Crayon ahead by, m = %d |\n|---|%s---|\n", compareAt, strings.Repeat("---|", len(samples)))
	for _, name := range t.methods() {
		bold := ""
		if name == Crayon {
			bold = "**"
		}
		fmt.Fprintf(&b, "| %s%s%s |", bold, name, bold)
		for i, m := range samples {
			if score, _ := at(t.runs[0], name, m); score.M == 0 && i > 0 {
				b.WriteString(" same |")
				continue
			}
			fmt.Fprintf(&b, " %s%s%s |", bold, t.mean(name, m, pick).points(), bold)
		}
		if name == Crayon {
			b.WriteString(" |\n")
			continue
		}
		fmt.Fprintf(&b, " %s |\n", t.behind(name, compareAt, pick).signed())
	}
	return b.String()
}

// costs has what a method takes from the user, the network and the clock.
func (t summary) costs() string {
	var b strings.Builder
	b.WriteString("| method | loss among all intents, nats | needs answers to the samples | bytes up | bytes down | seconds to the adapter |\n|---|---|---|---|---|---|\n")
	bytes := t.runs[0].Bytes
	for _, name := range t.methods() {
		need, known := needs[name]
		if !known {
			need.labels, need.up, need.down = "no", "0", "pool"
		}
		loss := t.mean(name, compareAt, func(s Score) float64 { return s.Loss })
		fmt.Fprintf(&b, "| %s | %.2f ± %.2f | %s | %s | %s | %s |\n", name, loss.Mean, loss.Half,
			need.labels, need.up, bytes.name(need.down), seconds(t.mean(name, compareAt, func(s Score) float64 { return s.Seconds }).Mean))
	}
	fmt.Fprintf(&b, "\nDown once: the pool of %d adapters with its keys, %d bytes (keys and manifest alone %d), one LoRA %d bytes. Crayon's other way leaves the pool on the server: the device then has the %d bytes of keys, "+
		"sends one request of %d bytes, which holds %d numbers and no text, and receives an adapter of %d bytes.\n",
		bytes.Adapters, bytes.Pool, bytes.Keys, bytes.Adapter, bytes.Keys, bytes.Scores, bytes.Adapters, bytes.Adapter)
	return b.String()
}

// name spells out what goes down.
func (b Bytes) name(what string) string {
	switch what {
	case "pool":
		return fmt.Sprint(b.Pool)
	case "adapter":
		return fmt.Sprint(b.Adapter)
	case "full":
		return fmt.Sprint(b.Full)
	}
	return what
}

func seconds(s float64) string {
	if s < 1e-4 {
		return "0"
	}
	return fmt.Sprintf("%.2g", s)
}

// orders are the columns of the hybrid table.
var orders = []string{ByConfidence, ByMargin, ByScope, AtRandom, ByOracle}

// hybrid has the curve at some shares, and the thresholds that were set beforehand.
func (t summary) hybrid() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| sent to the server | %s |\n|---|%s\n", strings.Join(orders, " | "), strings.Repeat("---|", len(orders)))
	for i, u := range Usages {
		if !slices.Contains([]float64{0, 0.1, 0.2, 0.3, 0.5, 0.75, 1}, u) {
			continue
		}
		fmt.Fprintf(&b, "| %.0f%% |", 100*u)
		for _, name := range orders {
			fmt.Fprintf(&b, " %s |", t.over(func(o *Outcome) float64 { return o.Hybrid.Curves[name][i] }).points())
		}
		b.WriteString("\n")
	}
	b.WriteString("\n| server share asked for | used | accuracy | above sending as many at random |\n|---|---|---|---|\n")
	for i, first := range t.runs[0].Hybrid.Budgets {
		budget := func(o *Outcome) Budget { return o.Hybrid.Budgets[i] }
		fmt.Fprintf(&b, "| %.0f%% | %s | %s | %s |\n", 100*first.Asked,
			t.over(func(o *Outcome) float64 { return budget(o).Used }).points(),
			t.over(func(o *Outcome) float64 { return budget(o).Accuracy }).points(),
			t.over(func(o *Outcome) float64 { return budget(o).Accuracy - budget(o).Random }).signed())
	}
	who := func(pick func(h Hybrid) float64) string {
		return t.over(func(o *Outcome) float64 { return pick(o.Hybrid) }).points()
	}
	fmt.Fprintf(&b, "\nRight about customised requests: device %s, server %s. About requests outside every domain: device %s, server %s. Scope tells the two apart with an area under the ROC curve of %s (all in per cent).\n",
		who(func(h Hybrid) float64 { return h.DeviceIn }), who(func(h Hybrid) float64 { return h.ServerIn }),
		who(func(h Hybrid) float64 { return h.DeviceOut }), who(func(h Hybrid) float64 { return h.ServerOut }),
		who(func(h Hybrid) float64 { return h.ScopeAUROC }))
	return b.String()
}
