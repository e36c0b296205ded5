package simd128

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// instantiate runs a module in wazero with threads.
func instantiate(t *testing.T, m *Module) api.Module {
	t.Helper()
	bin, err := m.Build()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	cfg := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
	rt := wazero.NewRuntimeWithConfig(ctx, cfg)
	t.Cleanup(func() { rt.Close(ctx) })
	if _, err := rt.NewHostModuleBuilder("host").NewFunctionBuilder().
		WithFunc(func(a uint32, b uint64) (uint64, uint32) { return b + 1, a + 1 }).Export("swap").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Instantiate(ctx, bin)
	if err != nil {
		t.Fatalf("%v\n%s", err, m.Listing())
	}
	return mod
}

// program is a function with i64 or i32 parameters and results, and what calls of it must return.
type program struct {
	name  string
	build func(m *Module, f *Func)
	calls [][2][]uint64 // arguments, results
	trap  bool
}

// testModules builds one module for every program.
func testModules() map[string]*Module {
	out := map[string]*Module{}
	for _, list := range [][]program{controlPrograms, memoryPrograms} {
		for _, p := range list {
			m := &Module{Name: p.name}
			m.Memory("memory", Pages{Min: 1, Max: 3, Shared: true})
			f := m.Func("f")
			f.Export("f")
			p.build(m, f)
			out[p.name] = m
		}
	}
	return out
}

func TestControl(t *testing.T) { runPrograms(t, controlPrograms) }
func TestMemory(t *testing.T)  { runPrograms(t, memoryPrograms) }

func runPrograms(t *testing.T, list []program) {
	for _, p := range list {
		t.Run(p.name, func(t *testing.T) {
			f := instantiate(t, testModules()[p.name]).ExportedFunction("f")
			for _, c := range p.calls {
				got, err := f.Call(context.Background(), c[0]...)
				if p.trap != (err != nil) {
					t.Fatalf("f(%v): error %v, want trap: %v", c[0], err, p.trap)
				}
				for i, want := range c[1] {
					if p.trap {
						break
					}
					if got[i] != want {
						t.Errorf("f(%v) = %v, want %v", c[0], got, c[1])
					}
				}
			}
		})
	}
}

// row shortens a call of a program with one parameter and one result.
func row(in, out uint64) [2][]uint64 { return [2][]uint64{{in}, {out}} }

var controlPrograms = []program{
	{name: "for counts up to the end", calls: [][2][]uint64{row(0, 0), row(1, 0), row(5, 10), row(0xffffffff, 0)},
		build: func(m *Module, f *Func) {
			n := f.ParamI32("n")
			f.Results(TypeI32)
			sum, i := f.I32Var("sum"), f.I32Var("i")
			f.For(i, f.I32(0), n, 1, func() { sum.Set(sum.Add(i)) })
			f.Return(sum)
		}},
	{name: "unsigned for over high addresses", calls: [][2][]uint64{row(0x7ffffff8, 4)},
		build: func(m *Module, f *Func) {
			p := f.ParamI32("p")
			f.Results(TypeI32)
			n := f.I32Var()
			f.ForU(p, p, p.AddI(16), 4, func() { n.Set(n.AddI(1)) })
			f.Return(n)
		}},
	{name: "nested loops and a variable zero in each round", calls: [][2][]uint64{row(4, 3)},
		build: func(m *Module, f *Func) {
			n := f.ParamI32("n")
			f.Results(TypeI32)
			i, j, last := f.I32Var(), f.I32Var(), f.I32Var()
			f.For(i, f.I32(0), n, 1, func() {
				count := f.I32Var()
				f.For(j, f.I32(0), i, 1, func() { count.Set(count.AddI(1)) })
				last.Set(count)
			})
			f.Return(last)
		}},
	{name: "while, break and continue", calls: [][2][]uint64{row(100, 5), row(3, 2)},
		build: func(m *Module, f *Func) {
			n := f.ParamI32("n")
			f.Results(TypeI32)
			i, odd := f.I32Var(), f.I32Var()
			f.Block(func(out Label) {
				f.While(func() I32 { return i.LtS(n) }, func() {
					f.Block(func(next Label) {
						f.BrIf(next, i.AndI(1).Eqz())
						odd.Set(odd.AddI(1))
					})
					f.BrIf(out, odd.EqI(5))
					i.Set(i.AddI(1))
				})
			})
			f.Return(Select(odd.EqI(1), f.I32(2), odd))
		}},
	{name: "if else", calls: [][2][]uint64{row(0, 20), row(7, 10)},
		build: func(m *Module, f *Func) {
			x := f.ParamI32("x")
			f.Results(TypeI32)
			f.IfElse(x, func() { f.Return(f.I32(10)) }, func() { f.Return(f.I32(20)) })
			f.Unreachable()
		}},
	{name: "switch takes a case, the default beyond", calls: [][2][]uint64{row(0, 10), row(1, 11), row(2, 99), row(0xffffffff, 99)},
		build: func(m *Module, f *Func) {
			x := f.ParamI32("x")
			f.Results(TypeI32)
			r := f.I32Var("r")
			f.Switch(x, []func(){
				func() { r.Set(f.I32(10)) },
				func() { r.Set(f.I32(11)) },
			}, func() { r.Set(f.I32(99)) })
			f.Return(r)
		}},
	{name: "recursion", calls: [][2][]uint64{row(5, 120)},
		build: func(m *Module, f *Func) {
			n := f.ParamI32("n")
			f.Results(TypeI32)
			f.If(n.Eqz(), func() { f.Return(f.I32(1)) })
			f.Return(f.Call(f, n.SubI(1)).I32(0).Mul(n))
		}},
	{name: "imported function with two results", calls: [][2][]uint64{{{1, 10}, {11, 2}}},
		build: func(m *Module, f *Func) {
			g := m.ImportFunc("host", "swap", Signature{[]Type{TypeI32, TypeI64}, []Type{TypeI64, TypeI32}})
			a, b := f.ParamI32("a"), f.ParamI64("b")
			f.Results(TypeI64, TypeI32)
			r := f.Call(g, a, b)
			f.Return(r.I64(0), r.I32(1))
		}},
	{name: "indirect call", calls: [][2][]uint64{row(0, 1), row(2, 3)}, build: indirect},
	{name: "indirect call of a hole", calls: [][2][]uint64{row(1, 0)}, trap: true, build: indirect},
	{name: "unreachable", calls: [][2][]uint64{{nil, nil}}, trap: true, build: func(m *Module, f *Func) { f.Unreachable() }},
	{name: "globals of every type", calls: [][2][]uint64{row(5, 5+7+1+2+3+4)},
		build: func(m *Module, f *Func) {
			x := f.ParamI32("x")
			f.Results(TypeI32)
			gi, gl, gf := m.GlobalI32("i", 7), m.GlobalI64("l", 1), m.GlobalF32("f")
			gd, gv := m.GlobalF64("d"), m.GlobalV128("v")
			m.ExportGlobal(gi)
			f.SetGlobal(gf, f.F32(2))
			f.SetGlobal(gd, f.F64(3))
			f.SetGlobal(gv, f.I32x4(0, 0, 4, 0))
			f.SetGlobal(gi, GetGlobal[I32](f, gi).Add(x))
			scalars := GetGlobal[I32](f, gi).Add(GetGlobal[I64](f, gl).Wrap()).Add(GetGlobal[F32](f, gf).TruncI32S())
			f.Return(scalars.Add(GetGlobal[F64](f, gd).TruncSatI32U()).Add(GetGlobal[I32x4](f, gv).ExtractLane(2)))
		}},
}

// indirect calls entry x of a table whose entry 1 is empty.
func indirect(m *Module, f *Func) {
	entry := func(v int32) *Func {
		g := m.Func("g")
		g.Results(TypeI32)
		g.Return(g.I32(v))
		return g
	}
	tab := m.Table(entry(1), nil, entry(3))
	m.ExportTable("table", tab)
	x := f.ParamI32("x")
	f.Results(TypeI32)
	f.Return(f.CallIndirect(tab, Signature{Results: []Type{TypeI32}}, x).I32(0))
}

var memoryPrograms = []program{
	{name: "scalar loads and stores", calls: [][2][]uint64{row(0xfedcba9876543210, 0x10+0x3210+0x76543210+0x10+0x3210+0x10+0x3210+0x76543210+2*0xfedcba9876543210&(1<<64-1))},
		build: func(m *Module, f *Func) {
			x := f.ParamI64("x")
			f.Results(TypeI64)
			p := f.I32(64)
			sum := f.I64Var("sum")
			add := func(v I64) { sum.Set(sum.Add(v)) }
			p.Store8I64(0, x)
			add(p.Load8UI64(0))
			p.Store16I64(0, x, 1)
			add(p.Load16UI64(0))
			p.Store32I64(8, x)
			add(p.Load32UI64(8))
			p.Store8(16, x.Wrap())
			add(p.Load8S(16).ExtendU())
			p.Store16(18, x.Wrap())
			add(p.Load16U(18).ExtendU())
			add(p.Load8SI64(0).Add(p.Load16SI64(0)).Add(p.Load32SI64(8)))
			p.Store(24, x)
			add(p.LoadF64(24).Reinterpret())
			p.Store(32, p.LoadF64(24))
			add(p.LoadI64(32))
			f.Return(sum)
		}},
	{name: "32-bit loads and stores", calls: [][2][]uint64{row(0xffff8081, 0x81-0x7f7f+0x3f800000&(1<<32-1))},
		build: func(m *Module, f *Func) {
			x := f.ParamI32("x")
			f.Results(TypeI32)
			p := f.I32(64)
			p.Store(0, x)
			p.Store(8, f.F32(1))
			f.Return(p.Load8U(0).Add(p.Load16S(0)).Add(p.LoadF32(8).Reinterpret()))
		}},
	{name: "grow, size, fill and copy", calls: [][2][]uint64{row(2, 1<<24|3<<16|0x0707), row(1, 0xff000000|3<<16|0x0707)},
		build: func(m *Module, f *Func) {
			n := f.ParamI32("n")
			f.Results(TypeI32)
			old := f.MemoryGrow(n)
			f.MemoryFill(f.I32(100), f.I32(7), f.I32(8))
			f.MemoryCopy(f.I32(200), f.I32(106), f.I32(4))
			f.Return(old.ShlI(24).Or(f.MemorySize().ShlI(16)).Or(f.I32(200).LoadI32(0)))
		}},
	{name: "data", calls: [][2][]uint64{row(0, 0x04030201)},
		build: func(m *Module, f *Func) {
			f.ParamI32("unused")
			f.Results(TypeI32)
			m.Data(1024, []byte{1, 2, 3, 4})
			f.Return(f.I32(1000).LoadI32(24))
		}},
	{name: "atomics of 32 bits", calls: [][2][]uint64{row(0, 0b1111111111)},
		build: func(m *Module, f *Func) {
			p := f.ParamI32("p")
			f.Results(TypeI32)
			ok := f.I32Var("ok")
			bit := int32(0)
			expect := func(got I32, want int32) { ok.Set(ok.Or(got.EqI(want).ShlI(bit))); bit++ }
			p.AtomicStore(8, f.I32(10))
			expect(p.AtomicAdd(8, f.I32(5)), 10)
			expect(p.AtomicSub(8, f.I32(1)), 15)
			expect(p.AtomicAnd(8, f.I32(6)), 14)
			expect(p.AtomicOr(8, f.I32(1)), 6)
			expect(p.AtomicXor(8, f.I32(2)), 7)
			expect(p.AtomicXchg(8, f.I32(20)), 5)
			expect(p.AtomicCmpxchg(8, f.I32(20), f.I32(30)), 20)
			f.AtomicFence()
			expect(p.AtomicLoadI32(8), 30)
			expect(p.AtomicNotify(8, f.I32(1)), 0)
			expect(p.AtomicWait32(8, f.I32(31), f.I64(-1)), 1)
			f.Return(ok)
		}},
	{name: "atomics of 64 bits", calls: [][2][]uint64{row(0, 0b1111111111)},
		build: func(m *Module, f *Func) {
			p := f.ParamI32("p")
			f.Results(TypeI32)
			ok := f.I32Var("ok")
			bit := int32(0)
			expect := func(got I64, want int64) { ok.Set(ok.Or(got.EqI(want).ShlI(bit))); bit++ }
			p.AtomicStoreI64(8, f.I64(1<<40))
			expect(p.AtomicAddI64(8, f.I64(5)), 1<<40)
			expect(p.AtomicSubI64(8, f.I64(1)), 1<<40+5)
			expect(p.AtomicAndI64(8, f.I64(6)), 1<<40+4)
			expect(p.AtomicOrI64(8, f.I64(1)), 4)
			expect(p.AtomicXorI64(8, f.I64(3)), 5)
			expect(p.AtomicXchgI64(8, f.I64(20)), 6)
			expect(p.AtomicCmpxchgI64(8, f.I64(20), f.I64(30)), 20)
			expect(p.AtomicLoadI64(8), 30)
			expect(p.AtomicWait64(8, f.I64(31), f.I64(-1)).ExtendU(), 1)
			expect(p.AtomicWait64(8, f.I64(30), f.I64(1000)).ExtendU(), 2)
			f.Return(ok)
		}},
}

// TestErrors checks that each mistake is reported with this file's name, all at once.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		build      func(m *Module, f, other *Func)
	}{
		{"value used twice", "used twice", func(m *Module, f, _ *Func) { v := f.I32(0).LoadI32(0); v.Add(v).Let() }},
		{"statement repeats a value", "used twice", func(m *Module, f, _ *Func) { v := f.I32(0).LoadI32(0); v.Let(); v.Let() }},
		{"load after a store", "after the memory effect", func(m *Module, f, _ *Func) {
			v := f.I32(0).LoadI32(0)
			f.I32(0).Store(0, f.I32(1))
			v.Let()
		}},
		{"variable set in between", "after x was set", func(m *Module, f, _ *Func) {
			x := f.I32Var("x")
			v := x.AddI(1)
			x.Set(f.I32(5))
			v.Let()
		}},
		{"built outside the loop", "inside another loop", func(m *Module, f, _ *Func) {
			v := f.I32Var().AddI(1)
			f.Loop(func(Label) { v.Let() })
		}},
		{"set of a Let", "Let bound once", func(m *Module, f, _ *Func) { f.I32(1).Let().Set(f.I32(2)) }},
		{"set of an expression", "only a variable", func(m *Module, f, _ *Func) { f.I32(1).Set(f.I32(2)) }},
		{"other function's value", "belongs to function", func(m *Module, f, g *Func) { f.I32(1).Add(g.I32(2)).Let() }},
		{"lane out of range", "lane 4 outside 0..3", func(m *Module, f, _ *Func) { f.I32x4(1).ExtractLane(4).Let() }},
		{"negative offset", "offset -4", func(m *Module, f, _ *Func) { f.I32(0).LoadI32(-4).Let() }},
		{"alignment", "alignment", func(m *Module, f, _ *Func) { f.I32(0).LoadI32(0, 8).Let() }},
		{"relaxed in a baseline module", "baseline", func(m *Module, f, _ *Func) {
			f.F32x4(1).RelaxedMadd(f.F32x4(1), f.F32x4(1)).Let()
		}},
		{"lanes of a constant", "2 lanes", func(m *Module, f, _ *Func) { f.I32x4(1, 2).Let() }},
		{"closed label", "not open", func(m *Module, f, _ *Func) {
			var l Label
			f.Block(func(out Label) { l = out })
			f.Br(l)
		}},
		{"argument types", "value 0 is f32, want i32", func(m *Module, f, g *Func) {
			g.ParamI32("x")
			f.Call(g, f.F32(1))
		}},
		{"argument count", "0 values, want 1", func(m *Module, f, g *Func) { g.ParamI32("x"); f.Call(g) }},
		{"result type", "no result 0 of type i32", func(m *Module, f, g *Func) { f.Call(g).I32(0).Let() }},
		{"missing Return", "missing Return", func(m *Module, f, _ *Func) { f.Results(TypeI32) }},
		{"parameter after a local", "after a local", func(m *Module, f, _ *Func) { f.I32Var(); f.ParamI32("x") }},
		{"loop step", "step 0", func(m *Module, f, _ *Func) { f.For(f.I32Var(), f.I32(0), f.I32(1), 0, func() {}) }},
		{"global type", "global g is i32", func(m *Module, f, _ *Func) { f.SetGlobal(m.GlobalI32("g", 0), f.F32(1)) }},
		{"shared without maximum", "second memory", func(m *Module, f, _ *Func) { m.Memory("m", Pages{}) }},
		{"two exports", "two exports", func(m *Module, f, g *Func) { f.Export("x"); g.Export("x") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &Module{}
			m.ImportMemory("env", "memory", Pages{Min: 1})
			tt.build(m, m.Func("f"), m.Func("other"))
			_, err := m.Build()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Build: %v, want an error with %q", err, tt.want)
			}
			if tt.name != "two exports" && !strings.Contains(err.Error(), "exec_test.go:") {
				t.Errorf("error does not name the caller: %v", err)
			}
		})
	}
}

// TestErrorsTogether checks that Build reports every mistake.
func TestErrorsTogether(t *testing.T) {
	m := &Module{}
	f := m.Func("f")
	f.I32(0).LoadI32(0).Let()
	f.I32(1).Set(f.I32(2))
	_, err := m.Build()
	var joined interface{ Unwrap() []error }
	if !errors.As(errors.Unwrap(err), &joined) || len(joined.Unwrap()) != 2 {
		t.Errorf("Build: %v, want two errors", err)
	}
}

// TestMemoryCoverage checks that the programs here use every scalar and atomic access.
func TestMemoryCoverage(t *testing.T) {
	used := map[*op]bool{}
	for _, m := range testModules() {
		for _, f := range m.funcs {
			for _, i := range f.code {
				used[i.op] = true
			}
		}
	}
	for _, o := range specOps {
		if o.mem > 0 && o.prefix != 0xfd && !used[o] {
			t.Errorf("no program uses %s", o.name)
		}
	}
}
