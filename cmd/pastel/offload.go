package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"pastel/offload"
)

// offloadCommand is `pastel offload VERB`; calibrate is the only verb.
func offloadCommand(ctx context.Context, e env, args []string) error {
	if len(args) > 0 && asksHelp(args[0]) {
		args = []string{"calibrate", "-h"}
	}
	if len(args) == 0 || args[0] != "calibrate" {
		return usagef("offload needs the verb calibrate")
	}
	return calibrateCommand(ctx, e, args[1:])
}

// A calibrationLine is one query of a calibration file. Scores that are absent
// are not calibrated; grades are needed for --accuracy and the curve.
type calibrationLine struct {
	Query      string   `json:"query"`
	Scope      *float64 `json:"scope"`
	Confidence *float64 `json:"confidence"`
	Device     *float64 `json:"device"` // grade of the device's answer, 0..1
	Server     *float64 `json:"server"`
}

// A calibration is what calibrate prints: the thresholds for the page's policy,
// and what they do on the calibration queries.
type calibration struct {
	Queries    int                  `json:"queries"`
	Usage      float64              `json:"server_usage"`
	Thresholds offload.Thresholds   `json:"thresholds"`
	Curve      []offload.CurvePoint `json:"curve,omitempty"`
	Area       *float64             `json:"area_over_random,omitempty"`
}

// calibrateCommand chooses thresholds for a server budget or a target accuracy.
func calibrateCommand(_ context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("offload calibrate", flag.ContinueOnError)
	budget := fs.Float64("budget", -1, "the `share` of queries the server may answer, 0 to 1")
	accuracy := fs.Float64("accuracy", -1, "instead: the least server use that reaches this accuracy; needs grades")
	scope := fs.Float64("scope", -2, "send whatever scores below this `cosine`, before the budget is filled by confidence")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	if (*budget >= 0) == (*accuracy >= 0) {
		return usagef("offload calibrate needs one of --budget and --accuracy")
	}
	if !(*scope >= -2 && *scope <= 1) { // nor NaN
		return usagef("--scope is a cosine, -1 to 1")
	}
	lines, err := readCalibration(e, positional[0])
	if err != nil {
		return err
	}
	var c calibration
	if *accuracy >= 0 {
		c, err = calibrateAccuracy(lines, *accuracy)
	} else {
		var cut offload.Threshold
		if *scope > -2 {
			cut = offload.Threshold{On: true, Score: *scope}
		}
		c, err = calibrateBudget(lines, *budget, cut)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(e.stdout).Encode(c)
}

// readCalibration reads one JSON object a line; "-" is standard input.
func readCalibration(e env, name string) ([]calibrationLine, error) {
	in := e.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var lines []calibrationLine
	s := bufio.NewScanner(in)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var l calibrationLine
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("offload: %s: line %d: %w", name, n, err)
		}
		if l.Confidence == nil && l.Scope == nil {
			return nil, fmt.Errorf("offload: %s: line %d has neither scope nor confidence", name, n)
		}
		lines = append(lines, l)
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return lines, nil
}

func (l calibrationLine) query() offload.Query {
	return offload.Query{Scope: or(l.Scope, 0), Confidence: or(l.Confidence, 0), Tie: offload.TieBreak(l.Query)}
}

func or(p *float64, otherwise float64) float64 {
	if p == nil {
		return otherwise
	}
	return *p
}

func calibrateBudget(lines []calibrationLine, budget float64, scope offload.Threshold) (calibration, error) {
	queries := make([]offload.Query, len(lines))
	for i, l := range lines {
		queries[i] = l.query()
	}
	t, err := offload.Calibrate(queries, budget, scope)
	if err != nil {
		return calibration{}, err
	}
	return measure(lines, t), nil
}

func calibrateAccuracy(lines []calibrationLine, target float64) (calibration, error) {
	graded, err := grades(lines)
	if err != nil {
		return calibration{}, err
	}
	t, err := offload.AccuracyThreshold(graded, target)
	if err != nil {
		return calibration{}, err
	}
	return measure(lines, offload.Thresholds{Confidence: t}), nil
}

// grades fails when a line has no grades.
func grades(lines []calibrationLine) ([]offload.Labelled, error) {
	graded := make([]offload.Labelled, len(lines))
	for i, l := range lines {
		if l.Device == nil || l.Server == nil || l.Confidence == nil {
			return nil, fmt.Errorf("offload: query %d of the calibration file needs confidence, device and server", i+1)
		}
		q := l.query()
		graded[i] = offload.Labelled{Point: offload.Point{Score: q.Confidence, Tie: q.Tie}, Device: *l.Device, Server: *l.Server}
	}
	return graded, nil
}

// measure reports what thresholds do on the calibration set, with the
// accuracy-against-usage curve of confidence where there are grades.
func measure(lines []calibrationLine, t offload.Thresholds) calibration {
	c := calibration{Queries: len(lines), Thresholds: t}
	for _, l := range lines {
		if t.Routed(l.query()) {
			c.Usage += 1 / float64(len(lines))
		}
	}
	if graded, err := grades(lines); err == nil {
		if c.Curve, err = offload.Curve(graded); err == nil {
			area := offload.AreaOverRandom(c.Curve)
			c.Area = &area
		}
	}
	return c
}
