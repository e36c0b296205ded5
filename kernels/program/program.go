package program

import (
	"fmt"
	"reflect"

	"pastel/kernels"
	"pastel/simd128"
)

// A Flavour is a set of instructions the kernels may use.
type Flavour int

// The flavours.
const (
	SIMD128 Flavour = iota // what every engine has
	Relaxed                // relaxed SIMD
)

func (f Flavour) String() string {
	if f == Relaxed {
		return "relaxed"
	}
	return "simd128"
}

// Build returns the binary of kernels.wasm.
//
// Exports: see run.go (run, help), probe.go (q8_zero) and sha256.go.
func Build(f Flavour) ([]byte, error) {
	m, err := module(f)
	if err != nil {
		return nil, err
	}
	return m.Build()
}

// module assembles all programs.
func module(fl Flavour) (*simd128.Module, error) {
	m := &simd128.Module{Name: "pastel-kernels-" + fl.String(), Relaxed: fl == Relaxed}
	m.ImportMemory("env", "memory", simd128.Pages{Min: 1, Max: 65536, Shared: true})
	b := &builder{m: m, scratch: m.GlobalI32("scratch", 0), storeGroups: map[int]*simd128.Func{}}
	if fl == SIMD128 {
		b.lookups = lookups{m.GlobalI32("looked_up_record", 0), m.GlobalI32("looked_up_x", 0)}
	}
	b.q8Zero = b.probe()
	ops := b.operations()
	b.walker(ops)
	b.sha256()
	return m, nil
}

// builder holds what the programs share.
type builder struct {
	m       *simd128.Module
	scratch *simd128.Global // address of this thread's scratch
	matmuls *matmulTables   // tile functions, once emitted
	ahead   *simd128.Func   // see toucher
	q8Zero  *simd128.Func   // see probe

	nonlinears  *simd128.Func         // see nonlinear, once emitted
	squares     *simd128.Func         // see squareSum
	storeGroups map[int]*simd128.Func // see sharedStore, by tokens
	lookups     lookups               // of the baseline
}

// operation is a function working on units start..end of a record.
type operation struct {
	code kernels.Code
	f    *simd128.Func
}

// operations emits every operation. Order does not matter.
func (b *builder) operations() []operation {
	store := b.store()
	return []operation{
		{kernels.CodeEmbed, b.embed()},
		{kernels.CodeRMSNorm, b.rmsNorm()},
		{kernels.CodeLayerNorm, b.layerNorm()},
		{kernels.CodeQuantize, b.quantize()},
		{kernels.CodeMatmul, b.matmul()},
		{kernels.CodeRope, b.rope()},
		{kernels.CodeStoreK, store},
		{kernels.CodeStoreV, store},
		{kernels.CodeAttention, b.attention()},
		{kernels.CodeGLU, b.glu()},
		{kernels.CodeActivate, b.activate()},
		{kernels.CodeAdd, b.add()},
		{kernels.CodeScale, b.scale()},
		{kernels.CodeSoftcap, b.softcap()},
		{kernels.CodeArgmax, b.argmax()},
		{kernels.CodePack, b.pack()},
		{kernels.CodeBlend, b.blend()},
		{kernels.CodeAddLoRA, b.addLoRA()},
		{kernels.CodeRebias, b.rebias()},
		{kernels.CodeRoute, b.route()},
		{kernels.CodeExpertMatmul, b.expertMatmul()},
		{kernels.CodeExpertSum, b.expertSum()},
	}
}

// record reads operands of one kind of operation by the field names of its struct.
type record struct {
	f      *simd128.Func
	base   simd128.I32
	offset map[string]int // bytes
}

// recordOf describes the records of op, whose operands lie in the order of its
// fields; bool fields select the code and are not stored.
func recordOf(f *simd128.Func, base simd128.I32, op kernels.Operation) *record {
	r := &record{f: f, base: base, offset: map[string]int{}}
	t := reflect.TypeOf(op)
	at := 8
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() == reflect.Bool {
			continue
		}
		r.offset[t.Field(i).Name] = at
		at += 4
	}
	return r
}

// i32 loads an integer operand into a local.
func (r *record) i32(name string) simd128.I32 { return r.base.LoadI32(r.at(name)).Let(name) }

// f32 loads a float operand into a local.
func (r *record) f32(name string) simd128.F32 { return r.base.LoadF32(r.at(name)).Let(name) }

func (r *record) at(name string) int {
	at, ok := r.offset[name]
	if !ok {
		panic(fmt.Sprintf("program: no operand %q", name))
	}
	return at
}

// unitsFunc starts the function of an operation: record, first unit, end unit.
func (b *builder) unitsFunc(name string, op kernels.Operation) (f *simd128.Func, r *record, start, end simd128.I32) {
	f = b.m.Func(name)
	base := f.ParamI32("record")
	start, end = f.ParamI32("start"), f.ParamI32("end")
	return f, recordOf(f, base, op), start, end
}
