package bench

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"pastel/kernels"
	"pastel/kernels/lab"
	"pastel/kernels/program"
	"pastel/simd128"
)

// What the probes run with; twin of web/bench/limits.worker.ts.
const (
	probeControl = 1024
	probeWeights = 1 << 20
	probeGrain   = 1 << 20
	probeLeast   = 64 << 20 // bytes to read at least
	probeTurns   = 20_000
	probeRounds  = 12
)

// WazeroLimits runs the probes under wazero: reading memory with all threads, readBytes
// or 64 MiB a round, and one thread's dot instruction times the threads.
func WazeroLimits(ctx context.Context, threads int, readBytes uint64) (*Limits, error) {
	// Helpers spin inside compiled code, where Go cannot stop them: a garbage collection
	// while they do would wait for ever.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	threads = min(threads, runtime.GOMAXPROCS(0)) // each of them needs a core of its own
	n := (max(readBytes, probeLeast) + probeGrain - 1) / probeGrain * probeGrain
	p, err := newProbes(ctx, probeWeights+n)
	if err != nil {
		return nil, err
	}
	defer p.close()
	dot, err := p.instance("dot", func() ([]byte, error) { return lab.DotProbe(program.SIMD128) })
	if err != nil {
		return nil, err
	}
	dotS, err := p.best(dot, probeTurns, 0)
	if err != nil {
		return nil, err
	}
	read, err := p.instance("read", lab.ReadProbe)
	if err != nil {
		return nil, err
	}
	if err := p.help(threads); err != nil {
		return nil, err
	}
	readS, err := p.best(read, probeWeights, n)
	return &Limits{
		ReadGBps: float64(n) / readS / 1e9,
		DotGmacs: probeTurns * lab.DotMACs / dotS / 1e9 * float64(threads),
	}, err
}

// probes is a runtime with one shared memory, full of ones.
type probes struct {
	ctx     context.Context
	runtime wazero.Runtime
	memory  api.Memory
	helpers sync.WaitGroup
}

func newProbes(ctx context.Context, bytes uint64) (*probes, error) {
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads).WithMemoryCapacityFromMax(true)
	p := &probes{ctx: ctx, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	pages := int(bytes>>16) + 1
	env := &simd128.Module{Name: "env"}
	env.Memory("memory", simd128.Pages{Min: uint32(pages), Max: uint32(pages), Shared: true})
	made, err := p.instance("env", env.Build)
	if err != nil {
		return nil, err
	}
	p.memory = made.Memory()
	view, _ := p.memory.Read(0, uint32(bytes))
	for i := probeWeights; i < len(view); i++ {
		view[i] = 1
	}
	return p, nil
}

// close ends the helpers, by a job outside the memory that makes them trap, and frees
// everything.
func (p *probes) close() {
	job, _ := p.memory.ReadUint32Le(probeControl + kernels.ControlJob)
	p.memory.WriteUint32Le(probeControl+kernels.ControlScratch, 0)
	p.memory.WriteUint32Le(probeControl+kernels.ControlTape, 0xffe0_0000)
	p.memory.WriteUint32Le(probeControl+kernels.ControlOps, probeGrain)
	p.memory.WriteUint32Le(probeControl+kernels.ControlJob, job+1)
	p.helpers.Wait()
	_ = p.runtime.Close(p.ctx) // nothing runs in it any more
}

func (p *probes) instance(name string, build func() ([]byte, error)) (api.Module, error) {
	bin, err := build()
	if err != nil {
		return nil, err
	}
	return p.runtime.InstantiateWithConfig(p.ctx, bin, wazero.NewModuleConfig().WithName(name))
}

// help starts the read probe's other threads and waits until they have joined. They
// spin until close.
func (p *probes) help(threads int) error {
	for i := 1; i < threads; i++ {
		helper, err := p.instance("helper"+string(rune('0'+i)), lab.ReadProbe)
		if err != nil {
			return err
		}
		p.helpers.Go(func() { _, _ = helper.ExportedFunction("help").Call(p.ctx, probeControl) }) // its end is a trap
	}
	for {
		if n, _ := p.memory.ReadUint32Le(probeControl + kernels.ControlArrived); int(n) == threads-1 {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// best is the shortest of many runs, in seconds.
func (p *probes) best(m api.Module, a, b uint64) (float64, error) {
	run, best := m.ExportedFunction("run"), math.Inf(1)
	for range probeRounds {
		begun := time.Now()
		if _, err := run.Call(p.ctx, probeControl, a, b); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begun).Seconds())
	}
	return best, nil
}
