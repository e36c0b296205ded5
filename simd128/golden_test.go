package simd128

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden listings")

// TestListing keeps the text of small programs. Their meaning is tested elsewhere; this shows a change of code.
func TestListing(t *testing.T) {
	for _, tt := range []struct {
		file  string
		build func(m *Module)
	}{
		{"testdata/dot_i8.txt", listingDot},
		{"testdata/control.txt", listingControl},
	} {
		t.Run(tt.file, func(t *testing.T) {
			m := &Module{Name: "golden"}
			tt.build(m)
			if _, err := m.Build(); err != nil {
				t.Fatal(err)
			}
			got := m.Listing()
			if *update {
				if err := os.WriteFile(tt.file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("listing differs from %s (go test -update rewrites it):\n%s", tt.file, got)
			}
		})
	}
}

// listingDot is a dot product of bytes in steps of 16.
func listingDot(m *Module) {
	m.ImportMemory("env", "memory", Pages{Min: 1, Max: 65536, Shared: true})
	f := m.Func("dot_i8")
	x, y, n := f.ParamI32("x"), f.ParamI32("y"), f.ParamI32("n")
	f.Results(TypeI32)
	f.Export("dot_i8")
	acc, i := f.I32x4Var("acc"), f.I32Var("i")
	f.For(i, f.I32(0), n, 16, func() {
		a, b := x.Add(i).LoadI8x16(0).Let("a"), y.Add(i).LoadI8x16(0).Let("b")
		acc.Set(acc.Add(a.ExtendLowS().Dot(b.ExtendLowS())).Add(a.ExtendHighS().Dot(b.ExtendHighS())))
	})
	pairs := acc.Add(acc.AsI8x16().Shuffle(acc.AsI8x16(), [16]byte{8, 9, 10, 11, 12, 13, 14, 15}).AsI32x4()).Let("pairs")
	f.Return(pairs.ExtractLane(0).Add(pairs.ExtractLane(1)))
}

// listingControl has every kind of control.
func listingControl(m *Module) {
	m.Memory("memory", Pages{Min: 1, Max: 2})
	m.Data(16, []byte{1, 2})
	g := m.GlobalI32("count", 3)
	imp := m.ImportFunc("host", "log", Signature{Params: []Type{TypeI32}})
	f := m.Func("control")
	x := f.ParamI32("x")
	tab := m.Table(f, nil, imp)
	f.While(func() I32 { return x.GtSI(0) }, func() {
		f.IfElse(x.AndI(1), func() { f.Call(imp, x) }, func() {
			f.CallIndirect(tab, imp.Signature(), f.I32(2), x)
		})
		x.Set(x.SubI(1))
	})
	f.Switch(x, []func(){func() { f.Return() }, func() { f.SetGlobal(g, GetGlobal[I32](f, g).AddI(1)) }}, nil)
	f.Block(func(out Label) { f.BrIf(out, x.EqI(-1)); f.Unreachable() })
	x.StoreF32(4, Select(x, f.F32(1.5), f.F32(-0.25)), 1)
	x.AtomicStore(8, x.AtomicAdd(8, f.I32(1)))
}
