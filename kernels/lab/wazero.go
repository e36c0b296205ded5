package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"pastel/kernels"
	"pastel/kernels/program"
	"pastel/simd128"
)

// Wazero runs the simd128 flavour under wazero. Every thread is a goroutine with
// an instance of its own on one shared memory.
type Wazero struct {
	Threads int

	ctx  context.Context
	rt   wazero.Runtime
	mem  api.Memory
	ctrl uint32
	mods map[*byte]api.Module // by first byte of the binary
	help sync.WaitGroup
	errs chan error
	bin  []byte
}

// NewWazero returns a machine with threads threads and maxBytes of memory.
// Close it.
func NewWazero(threads int, pages uint32) (*Wazero, error) {
	w := &Wazero{Threads: threads, ctx: context.Background(), mods: map[*byte]api.Module{}, errs: make(chan error, 16)}
	cfg := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads).WithMemoryCapacityFromMax(true)
	w.rt = wazero.NewRuntimeWithConfig(w.ctx, cfg)
	w.ctrl = pages<<16 - uint32(kernels.ControlBytes(threads)+63)&^63 // behind what images use
	env := &simd128.Module{Name: "env"}
	env.Memory("memory", simd128.Pages{Min: pages, Max: 65536, Shared: true})
	bin, err := env.Build()
	if err != nil {
		return nil, err
	}
	mod, err := w.rt.InstantiateWithConfig(w.ctx, bin, wazero.NewModuleConfig().WithName("env"))
	if err != nil {
		return nil, err
	}
	w.mem = mod.Memory()
	if w.bin, err = program.Build(program.SIMD128); err != nil {
		return nil, err
	}
	return w, w.startHelpers()
}

// startHelpers starts the other threads and waits until they have arrived.
func (w *Wazero) startHelpers() error {
	for i := 1; i < w.Threads; i++ {
		if err := w.AddHelper(fmt.Sprint("helper", i)); err != nil {
			return err
		}
	}
	return w.Await(w.Threads - 1)
}

// Await waits until n helpers have arrived.
func (w *Wazero) Await(n int) error {
	for range 10000 {
		if v, _ := w.mem.ReadUint32Le(w.ctrl + kernels.ControlArrived); int(v) == n {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("lab: a helper did not arrive")
}

// AddHelper starts one more thread; it arrives a little later.
func (w *Wazero) AddHelper(name string) error {
	mod, err := w.rt.InstantiateWithConfig(w.ctx, w.bin, wazero.NewModuleConfig().WithName(name))
	if err != nil {
		return err
	}
	w.help.Add(1)
	go func() {
		defer w.help.Done()
		_, err := mod.ExportedFunction("help").Call(w.ctx, uint64(w.ctrl))
		w.errs <- err
	}()
	return nil
}

// SetControl writes a word of the control block, as a host does.
func (w *Wazero) SetControl(offset int, v uint32) { w.mem.WriteUint32Le(w.ctrl+uint32(offset), v) }

// Stop makes the helpers return and reports how they ended.
func (w *Wazero) Stop() error {
	mod, err := w.module(w.bin)
	if err != nil {
		return err
	}
	if _, err := mod.ExportedFunction("stop").Call(w.ctx, uint64(w.ctrl)); err != nil {
		return err
	}
	w.help.Wait()
	close(w.errs)
	for e := range w.errs {
		err = errors.Join(err, e)
	}
	return err
}

// Close stops the helpers and frees everything.
func (w *Wazero) Close() error { return errors.Join(w.Stop(), w.rt.Close(w.ctx)) }

// Name implements Machine.
func (w *Wazero) Name() string { return fmt.Sprintf("wazero/simd128/threads=%d", w.Threads) }

// Q8Zero implements Machine: the baseline stores Q8_0 as it is.
func (w *Wazero) Q8Zero() (int, error) { return 0, nil }

// module instantiates a binary once.
func (w *Wazero) module(bin []byte) (api.Module, error) {
	if m := w.mods[&bin[0]]; m != nil {
		return m, nil
	}
	m, err := w.rt.InstantiateWithConfig(w.ctx, bin, wazero.NewModuleConfig().WithName(fmt.Sprint("main", len(w.mods))))
	w.mods[&bin[0]] = m
	return m, err
}

// write copies spans in.
func (w *Wazero) write(mem *kernels.Memory, spans []Span) error {
	for _, s := range spans {
		b, ok := w.mem.Read(uint32(s.Addr), uint32(s.Bytes))
		if !ok {
			return fmt.Errorf("lab: span %d..%d does not fit the memory", s.Addr, int(s.Addr)+s.Bytes)
		}
		if !s.Fill {
			copy(b, mem.Bytes(s.Addr, s.Bytes))
			continue
		}
		for i := range b {
			b[i] = fillByte
		}
	}
	return nil
}

// Call calls run(Control, a, b) of a binary.
func (w *Wazero) Call(bin []byte, a, b uint32) error {
	mod, err := w.module(bin)
	if err != nil {
		return err
	}
	_, err = mod.ExportedFunction("run").Call(w.ctx, uint64(w.ctrl), uint64(a), uint64(b))
	return err
}

// Run implements Machine.
func (w *Wazero) Run(images []*Image) error {
	for _, im := range images {
		if err := w.write(im.Mem, im.Spans); err != nil {
			return err
		}
		if err := w.Call(w.bin, uint32(im.Tape.Addr()), uint32(im.Tape.Len())); err != nil {
			return err
		}
		for _, s := range im.Spans {
			b, _ := w.mem.Read(uint32(s.Addr), uint32(s.Bytes))
			copy(im.Mem.Bytes(s.Addr, s.Bytes), b)
		}
	}
	return nil
}

// Time implements Machine.
func (w *Wazero) Time(c *Contest) ([][]float64, error) {
	if err := w.write(c.Mem, c.Spans); err != nil {
		return nil, err
	}
	out := make([][]float64, len(c.Calls))
	for round := range c.Rounds + 1 { // the first round warms up
		for i, call := range c.Calls {
			s, err := w.timeCall(call, c.MinMs)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", call.Name, err)
			}
			if round > 0 {
				out[i] = append(out[i], s)
			}
		}
	}
	return out, nil
}

// timeCall repeats a call for minMs and returns the shortest, in seconds.
func (w *Wazero) timeCall(c Call, minMs float64) (float64, error) {
	begin, best := time.Now(), math.Inf(1)
	for {
		start := time.Now()
		if err := w.Call(c.Module, c.A, c.B); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start).Seconds())
		if time.Since(begin).Seconds()*1000 >= minMs {
			return best, nil
		}
	}
}
