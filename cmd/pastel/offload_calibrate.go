package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"

	"pastel/offload"
)

// A calibrationLine is one query of a calibration file. Scores that are absent
// are not calibrated; grades are needed for --accuracy and the curve.
type calibrationLine struct {
	Query      string   `json:"query"`
	Scope      *float64 `json:"scope,omitempty"`
	Confidence *float64 `json:"confidence,omitempty"`
	Early      *float64 `json:"early,omitempty"`  // confidence after the first tokens
	Device     *float64 `json:"device,omitempty"` // grade of the device's answer, 0..1
	Server     *float64 `json:"server,omitempty"`
}

// A calibration is what calibrate prints: the thresholds for the page's policy,
// and what they do on the calibration queries.
type calibration struct {
	Queries    int                  `json:"queries"`
	Usage      float64              `json:"server_usage"`
	Thresholds policyThresholds     `json:"thresholds"`
	Curve      []offload.CurvePoint `json:"curve,omitempty"`
	Area       *float64             `json:"area_over_random,omitempty"`
}

// policyThresholds are the thresholds as the page's policy has them.
type policyThresholds struct {
	offload.Thresholds
	Early offload.Threshold `json:"early"` // gives up only drafts that the others would
}

// calibrateCommand chooses thresholds for a server budget or a target accuracy.
func calibrateCommand(_ context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("offload calibrate", flag.ContinueOnError)
	budget := fs.Float64("budget", -1, "the `share` of queries the server may answer, 0 to 1")
	accuracy := fs.Float64("accuracy", -1, "instead: the least server use that reaches this accuracy; needs grades")
	scope := fs.Float64("scope", math.Inf(-1), "send whatever scores below this `SCOPE`, before the budget is filled by confidence")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	if (*budget >= 0) == (*accuracy >= 0) {
		return usagef("offload calibrate needs one of --budget and --accuracy")
	}
	if !(*scope <= 1) { // nor NaN
		return usagef("--scope is a cosine, or minus a distance: at most 1")
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
		if !math.IsInf(*scope, -1) {
			cut = offload.Threshold{On: true, Score: *scope}
		}
		c, err = calibrateBudget(lines, *budget, cut)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(e.stdout).Encode(c)
}

// readCalibration reads scored queries.
func readCalibration(e env, name string) (lines []calibrationLine, err error) {
	err = eachLine(e, name, func(line []byte) error {
		var l calibrationLine
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		if l.Confidence == nil && l.Scope == nil {
			return errors.New("neither scope nor confidence: \"pastel offload score\" finds them")
		}
		lines = append(lines, l)
		return nil
	})
	return lines, err
}

// maxQuery bounds one line of a file of queries, in bytes.
const maxQuery = 1 << 20

// eachLine calls f with every line of a file that is not empty; "-" is standard input.
// An error of f is returned with file and line.
func eachLine(e env, name string, f func(line []byte) error) error {
	in := e.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxQuery)
	for n := 1; s.Scan(); n++ {
		if line := bytes.TrimSpace(s.Bytes()); len(line) > 0 {
			if err := f(line); err != nil {
				return fmt.Errorf("offload: %s: line %d: %w", name, n, err)
			}
		}
	}
	return s.Err()
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
	return measure(lines, t)
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
	return measure(lines, offload.Thresholds{Confidence: t})
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
func measure(lines []calibrationLine, t offload.Thresholds) (c calibration, err error) {
	c.Queries, c.Thresholds.Thresholds = len(lines), t
	var early []offload.Point
	var routed []bool
	for _, l := range lines {
		q := l.query()
		sent := t.Routed(q)
		if sent {
			c.Usage += 1 / float64(len(lines))
		}
		if l.Early != nil {
			early, routed = append(early, offload.Point{Score: *l.Early, Tie: q.Tie}), append(routed, sent)
		}
	}
	if len(early) > 0 {
		if c.Thresholds.Early, err = offload.EarlyThreshold(early, routed); err != nil {
			return c, err
		}
	}
	if graded, err := grades(lines); err == nil {
		if c.Curve, err = offload.Curve(graded); err == nil {
			area := offload.AreaOverRandom(c.Curve)
			c.Area = &area
		}
	}
	return c, nil
}
