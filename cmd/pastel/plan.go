package main

import (
	"context"
	"encoding/json"
	"flag"
	"runtime"

	"pastel/bench"
	"pastel/fault"
	"pastel/wasm/host"
	"pastel/wasm/protocol"
)

// planFlags are the flags of inspect.
type planFlags struct {
	engineFlags
	plan bool
	kv   string
}

func (f *planFlags) registerPlan(fs *flag.FlagSet) {
	fs.BoolVar(&f.plan, "plan", false, "print what the model would need and how fast it could be; exit 1 when it does not fit")
	fs.StringVar(&f.kv, "kv", "", "with --plan: cache type F32, F16 or Q8_0")
	fs.IntVar(&f.context, "ctx", 0, "with --plan: context length in tokens; 0 is the model's own, at most 4096")
	f.register(fs)
}

// A plan is what inspect --plan prints.
type plan struct {
	Fits          bool    `json:"fits"`
	TotalBytes    uint64  `json:"total_bytes"`
	LimitBytes    uint64  `json:"limit_bytes"`
	WeightBytes   uint64  `json:"weight_bytes"` // as packed for the kernels
	KVBytes       uint64  `json:"kv_bytes"`
	WorkBytes     uint64  `json:"work_bytes"`
	ContextLength uint32  `json:"context_length"` // tokens
	MacsPerToken  uint64  `json:"macs_per_token"`
	BytesPerToken uint64  `json:"bytes_per_token"`
	DecodeTokPS   float64 `json:"decode_tok_s"` // upper bounds from the rates; 0 when they are unknown
	PrefillTokPS  float64 `json:"prefill_tok_s"`
	Rates         *rates  `json:"rates"` // null for the reference executor, which nobody runs for speed
}

// rates are what one thread read and multiplied just now under wazero; the products,
// which share nothing, are counted for all threads.
type rates struct {
	ReadBytesPerS float64 `json:"read_bytes_s"`
	MacsPerS      float64 `json:"macs_s"`
	Threads       int     `json:"threads"`
}

// print estimates a model and refuses, with numbers, what does not fit.
func (f *planFlags) print(ctx context.Context, e env, model string) error {
	engine, err := f.start(ctx)
	if err != nil {
		return err
	}
	defer engine.close()
	files, closeFiles, err := host.OpenFiles(model)
	if err != nil {
		return err
	}
	defer closeFiles()
	request := &protocol.Preflight{ContextLength: count(f.context), KVType: f.kv}
	measured, err := f.measure(ctx, request)
	if err != nil {
		return err
	}
	m, err := engine.Preflight(ctx, files, request)
	if err != nil {
		return err
	}
	p := plan{
		m.Fits, m.TotalBytes, m.LimitBytes, m.WeightBytes, m.KVBytes, m.WorkBytes, m.ContextLength, m.MacsPerToken, m.BytesPerToken,
		m.DecodeTokS, m.PrefillTokS, measured,
	}
	out := json.NewEncoder(e.stdout)
	out.SetIndent("", " ")
	if err := out.Encode(p); err != nil || m.Fits {
		return err
	}
	return fault.New(fault.OOM, "needs ", m.TotalBytes, " bytes (weights ", m.WeightBytes, ", cache ", m.KVBytes, ", work ", m.WorkBytes,
		"), a 32-bit memory holds ", m.LimitBytes)
}

// measure times memory and the dot instruction, and fills the request's rates.
func (f *planFlags) measure(ctx context.Context, request *protocol.Preflight) (*rates, error) {
	if f.executor == "reference" {
		return nil, nil
	}
	threads := f.threads
	if threads == 0 {
		threads = runtime.NumCPU()
	}
	l, err := bench.WazeroLimits(ctx, 1, 0)
	if err != nil {
		return nil, err
	}
	request.ReadBytesPerS, request.MacsPerS = l.ReadGBps*1e9, l.DotGmacs*1e9*float64(threads)
	return &rates{request.ReadBytesPerS, request.MacsPerS, threads}, nil
}
