package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"

	"pastel/blend/pool"
	"pastel/eval"
	"pastel/offload"
	"pastel/wasm/host"
	"pastel/wasm/protocol"
	"pastel/worker"
)

// scoreFlags are the flags of offload score.
type scoreFlags struct {
	engineFlags
	maxTokens  int
	pool       string
	samples    string
	method     string
	scope      string
	confidence string
}

// A scoredLine is a calibration line with the answer behind it, for who grades it.
type scoredLine struct {
	calibrationLine
	Options []string        `json:"options,omitempty"`
	Answer  string          `json:"answer"`
	Signals json.RawMessage `json:"signals"`
}

// scoreCommand puts queries to the model as a page does, one after another, and prints
// each with what the device thinks of it.
func scoreCommand(ctx context.Context, e env, args []string) error {
	var f scoreFlags
	fs := flag.NewFlagSet("offload score", flag.ContinueOnError)
	f.registerModel(fs)
	fs.IntVar(&f.maxTokens, "n", 64, "the longest answer in `TOKENS`")
	fs.StringVar(&f.pool, "pool", "", "the pool `DIR` that the user customised from: with --samples, scope is known")
	fs.StringVar(&f.samples, "samples", "", "a `FILE` with what the user customised by, one sample a line")
	fs.StringVar(&f.method, "score", "norm", `how "options" of a query are scored: "loglik", "norm" (per byte) or "letter"`)
	fs.StringVar(&f.scope, "scope", "scope", `the scope to calibrate: "scope" or "nearest"`)
	fs.StringVar(&f.confidence, "confidence", "", `the confidence to calibrate: "max_prob", "margin", "entropy" or "geo_mean"; by default what a query has`)
	positional, err := parse(fs, e, args, 2)
	if err != nil {
		return err
	}
	s, err := f.check()
	if err != nil {
		return err
	}
	if s.engine, err = f.open(ctx, positional[0]); err != nil {
		return err
	}
	defer s.engine.close()
	if err := s.locate(ctx, &f); err != nil {
		return err
	}
	if t := s.region.Threshold(); t.On && s.policy.ScopeSignal == offload.Scope {
		e.notef("the samples' own scope threshold, for calibrate: --scope %.6g\n", t.Score)
	}
	out := json.NewEncoder(e.stdout)
	return eachLine(e, positional[1], func(raw []byte) error {
		var l scoredLine
		if err := json.Unmarshal(raw, &l); err != nil {
			return err
		}
		if strings.TrimSpace(l.Query) == "" || len(l.Options) == 1 {
			return errors.New("needs a \"query\", and \"options\" only where there are two or more")
		}
		if err := s.score(ctx, &l); err != nil {
			return err
		}
		return out.Encode(l)
	})
}

// check reads what the flags mean.
func (f *scoreFlags) check() (*scorer, error) {
	s := &scorer{maxTokens: f.maxTokens, context: f.context, method: eval.Method(f.method)}
	switch {
	case f.maxTokens < 1:
		return nil, usagef("-n is at least 1")
	case (f.pool == "") != (f.samples == ""):
		return nil, usagef("--pool and --samples go together")
	case s.method != eval.LogLikelihood && s.method != eval.Normalised && s.method != eval.Letter:
		return nil, usagef("--score %q is not loglik, norm or letter", f.method)
	}
	var err error
	if s.policy.ScopeSignal, err = offload.ParseSignal(f.scope); err != nil || s.policy.ScopeSignal > offload.Nearest {
		return nil, usagef("--scope %q is neither scope nor nearest", f.scope)
	}
	if f.confidence == "" {
		return s, nil
	}
	if s.policy.ConfidenceSignal, err = offload.ParseSignal(f.confidence); err != nil || s.policy.ConfidenceSignal <= offload.Nearest || s.policy.ConfidenceSignal == offload.Early {
		return nil, usagef("--confidence %q is not max_prob, margin, entropy or geo_mean", f.confidence)
	}
	return s, nil
}

// A scorer answers queries.
type scorer struct {
	engine    *opened
	maxTokens int
	context   int
	method    eval.Method
	policy    offload.Policy // which signals are calibrated

	region     offload.Region
	layer      uint32 // of the region's embeddings
	last       bool
	embeddings uint32          // a session for them; 0 until there is one
	choices    *eval.HostModel // for options; nil until there are some
}

// locate finds where the samples lie, as customising does.
func (s *scorer) locate(ctx context.Context, f *scoreFlags) error {
	if f.pool == "" {
		return nil
	}
	text, err := os.ReadFile(f.samples)
	if err != nil {
		return err
	}
	var samples []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			samples = append(samples, line)
		}
	}
	if err := s.engine.loadKeys(ctx, f.pool); err != nil {
		return err
	}
	session, err := s.engine.OpenSession(ctx, &protocol.OpenSession{ContextLength: count(f.context)})
	if err != nil {
		return err
	}
	s.embeddings = session.Session
	at, err := s.engine.Customize(ctx, &protocol.Customize{Session: s.embeddings, Samples: samples, ScoresOnly: true})
	if err != nil {
		return err
	}
	s.region.Mean, s.layer, s.last = at.Mean, at.Layer, at.Last
	for dim := len(at.Mean); len(at.Samples) > 0; at.Samples = at.Samples[dim:] {
		s.region.Samples = append(s.region.Samples, at.Samples[:dim])
	}
	return nil
}

// loadKeys loads a pool's manifest and keys.
func (o *opened) loadKeys(ctx context.Context, dir string) error {
	p, err := readPool(dir, 0, false)
	if err != nil {
		return err
	}
	var files []host.File
	for _, name := range []string{pool.ManifestName, p.Manifest.Keys.Name} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		files = append(files, host.File{Name: name, Size: uint64(len(b)), Reader: bytes.NewReader(b)})
	}
	_, err = o.LoadPool(ctx, "", files)
	return err
}

// score fills in a line.
func (s *scorer) score(ctx context.Context, l *scoredLine) (err error) {
	var signals offload.Signals
	if s.embeddings != 0 {
		ids, err := s.engine.Tokenize(ctx, &protocol.Tokenize{Text: l.Query})
		if err != nil {
			return err
		}
		q, err := s.engine.Embed(ctx, &protocol.Embed{Session: s.embeddings, Tokens: ids, Layer: s.layer, Last: s.last})
		if err != nil {
			return err
		}
		s.region.Score(q, &signals)
	}
	if len(l.Options) > 0 {
		l.Answer, err = s.choose(ctx, l, &signals)
	} else {
		l.Answer, err = s.write(ctx, l.Query, &signals)
	}
	if err != nil {
		return err
	}
	l.Signals = signals.AppendJSON(nil)
	l.Scope, l.Early = known(signals, s.policy.ScopeSignal), known(signals, offload.Early)
	l.Confidence = known(signals, s.policy.Sureness(signals))
	return nil
}

func known(s offload.Signals, k offload.Signal) *float64 {
	if v, is := s.Get(k); is {
		return &v
	}
	return nil
}

// write lets the model answer, greedily, by its chat template where it has one.
func (s *scorer) write(ctx context.Context, query string, signals *offload.Signals) (string, error) {
	a := newAnswerer(s.engine, s.context)
	request, err := a.request(ctx, worker.Question{
		Messages: []worker.ChatMessage{{Role: "user", Content: query}}, MaxTokens: s.maxTokens, TopP: 1, Seed: 1,
	})
	if err != nil {
		return "", err
	}
	session, err := s.engine.OpenSession(ctx, &protocol.OpenSession{ContextLength: count(s.context)})
	if err != nil {
		return "", err
	}
	defer func() {
		_, _ = s.engine.Call(context.WithoutCancel(ctx), &protocol.CloseSession{Session: session.Session})
	}()
	request.Session, request.Logprobs = session.Session, true
	var text strings.Builder
	var sequence offload.Sequence
	done, err := s.engine.Generate(ctx, request, func(m protocol.Message) error {
		if c, ok := m.(*protocol.Chunk); ok {
			text.WriteString(c.Text)
			sequence.Add(float64(c.Logprob))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	sequence.Report(signals)
	return text.String() + done.Text, nil
}

// choose takes the likeliest option, scored as pastel eval scores choices.
func (s *scorer) choose(ctx context.Context, l *scoredLine, signals *offload.Signals) (_ string, err error) {
	if s.choices == nil {
		if s.choices, err = eval.NewHostModel(ctx, s.engine.Engine, s.engine.adapters, s.context); err != nil {
			return "", err
		}
	}
	task := eval.Task{ID: "query", Set: "queries", Prompt: l.Query, Choices: l.Options}
	scores, err := eval.Scores(ctx, s.choices, &task, s.method)
	if err != nil {
		return "", err
	}
	best := 0
	for i, v := range scores {
		if v > scores[best] {
			best = i
		}
	}
	return l.Options[best], signals.SetOptions(scores)
}
