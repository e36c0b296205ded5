package bench

import (
	"context"
	"time"

	"pastel/wasm/host"
	"pastel/wasm/protocol"
)

// Wazero measures a model in this process, with the module under wazero. The peak is
// this process's resident set.
//
// Errors: modules that were not built, and the engine's own.
func Wazero(ctx context.Context, c Config) (*Result, error) {
	c = c.withDefaults()
	work, err := WorkOf(c.Model)
	if err != nil {
		return nil, err
	}
	resetPeak()
	r := &Result{
		In: "wazero", Executor: "simd128", Threads: c.Threads, Model: c.Model, FileBytes: fileBytes(c.Model),
		Work: work, DecodeSteps: c.Decode, Machine: ThisMachine(),
	}
	begun := time.Now()
	engine, err := host.New(ctx, host.Options{Threads: c.Threads, CacheDir: c.Cache})
	if err != nil {
		return nil, err
	}
	w := wazeroRun{engine: engine, config: c}
	err = w.load(ctx)
	r.LoadMs = milliseconds(time.Since(begun))
	if err == nil {
		err = w.measure(ctx, r)
	}
	r.PeakBytes = peakSelf()
	if closeErr := engine.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	if r.Limits, err = WazeroLimits(ctx, c.Threads, work.ReadBytes); err != nil {
		return nil, err
	}
	r.finish()
	return r, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// A wazeroRun is an engine with a model and a session.
type wazeroRun struct {
	engine  *host.Engine
	config  Config
	vocab   int
	session uint32
	seed    int
}

func (w *wazeroRun) load(ctx context.Context) error {
	files, closeFiles, err := host.OpenFiles(w.config.Model)
	if err != nil {
		return err
	}
	defer closeFiles()
	info, err := w.engine.LoadModel(ctx, files, nil)
	if err != nil {
		return err
	}
	w.vocab = int(info.VocabSize)
	return nil
}

// measure warms up and runs every measurement in turn, Repeats times.
func (w *wazeroRun) measure(ctx context.Context, r *Result) error {
	session, err := w.engine.OpenSession(ctx, &protocol.OpenSession{ContextLength: contextLength})
	if err != nil {
		return err
	}
	w.session = session.Session
	if _, _, err := w.generate(ctx, w.config.Prompts[0], 9); err != nil {
		return err
	}
	prefill := make([][]float64, len(w.config.Prompts))
	var decode []float64
	for range w.config.Repeats {
		for i, n := range w.config.Prompts {
			first, _, err := w.generate(ctx, n, 1)
			if err != nil {
				return err
			}
			prefill[i] = append(prefill[i], milliseconds(first))
		}
		_, rest, err := w.generate(ctx, decodePrompt, w.config.Decode+1)
		if err != nil {
			return err
		}
		decode = append(decode, float64(w.config.Decode)/rest.Seconds())
	}
	for i, n := range w.config.Prompts {
		rates := make([]float64, len(prefill[i]))
		for j, ms := range prefill[i] {
			rates[j] = float64(n) / ms * 1e3
		}
		r.Prefill = append(r.Prefill, Prefill{Tokens: n, TokPS: StatOf(rates), TTFTms: StatOf(prefill[i])})
	}
	r.Decode = StatOf(decode)
	return nil
}

// generate continues a fresh prompt of n tokens by maxTokens and returns the time to
// the first token and from there to the last.
func (w *wazeroRun) generate(ctx context.Context, n, maxTokens int) (first, rest time.Duration, err error) {
	w.seed++
	request := &protocol.Generate{Session: w.session, Tokens: promptIDs(n, w.seed, w.vocab), MaxTokens: uint32(maxTokens), IgnoreEOS: true}
	begun := time.Now()
	_, err = w.engine.Generate(ctx, request, func(m protocol.Message) error {
		if _, ok := m.(*protocol.Chunk); ok {
			rest = time.Since(begun) - first
			if first == 0 {
				first, rest = rest, 0
			}
		}
		return nil
	})
	return first, rest, err
}
