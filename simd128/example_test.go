package simd128_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"pastel/simd128"
)

// dot is the dot product of n floats at x and y: four accumulators of four lanes hide the latency of the
// addition, then a loop takes the tail one by one.
func dot(m *simd128.Module) *simd128.Func {
	f := m.Func("dot_f32")
	x, y, n := f.ParamI32("x"), f.ParamI32("y"), f.ParamI32("n")
	f.Results(simd128.TypeF32)
	f.Export("dot_f32")

	var acc [4]simd128.F32x4
	for u := range acc {
		acc[u] = f.F32x4Var("acc")
	}
	end := x.Add(n.AndI(-16).ShlI(2)).Let("end")
	f.While(func() simd128.I32 { return x.LtU(end) }, func() {
		for u := range acc {
			acc[u].Set(madd(acc[u], x.LoadF32x4(16*u), y.LoadF32x4(16*u)))
		}
		x.Set(x.AddI(64))
		y.Set(y.AddI(64))
	})

	four := acc[0].Add(acc[1]).Add(acc[2].Add(acc[3])).Let("four")
	sum := f.F32Var("sum")
	sum.Set(four.ExtractLane(0).Add(four.ExtractLane(1)).Add(four.ExtractLane(2).Add(four.ExtractLane(3))))
	f.ForU(x, x, end.Add(n.AndI(15).ShlI(2)), 4, func() {
		sum.Set(sum.Add(x.LoadF32(0).Mul(y.LoadF32(0))))
		y.Set(y.AddI(4))
	})
	f.Return(sum)
	return f
}

// madd is the one place where the two flavours of the kernel differ.
func madd(acc, x, y simd128.F32x4) simd128.F32x4 {
	if acc.Relaxed() {
		return x.RelaxedMadd(y, acc)
	}
	return acc.Add(x.Mul(y))
}

func Example() {
	m := &simd128.Module{Name: "example"}
	m.Memory("memory", simd128.Pages{Min: 1})
	dot(m)
	bin, err := m.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	mod, err := rt.Instantiate(ctx, bin)
	if err != nil {
		fmt.Println(err)
		return
	}
	const n = 37
	mem, _ := mod.Memory().Read(0, 8*n)
	for i := range n {
		binary.LittleEndian.PutUint32(mem[4*i:], math.Float32bits(float32(i)))
		binary.LittleEndian.PutUint32(mem[4*(n+i):], math.Float32bits(2))
	}
	res, err := mod.ExportedFunction("dot_f32").Call(ctx, 0, 4*n, n)
	fmt.Println(api.DecodeF32(res[0]), err)
	// Output: 1332 <nil>
}
