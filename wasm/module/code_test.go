package module

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"

	"pastel/fault"
)

func TestS64IsTheInverseOfAppendS64(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 0x1000 << 16, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		r := reader{b: appendS64(nil, v)}
		if got := r.s64(); got != v || r.err != nil || r.off != len(r.b) {
			t.Errorf("s64(appendS64(%d)) = %d, %v", v, got, r.err)
		}
	}
}

func TestAppendBodiesIsTheInverseOfBodies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bodies [][]byte
	}{
		{"none", nil},
		{"one empty", [][]byte{{}}},
		{"two", [][]byte{{0, 0x0b}, make([]byte, 300)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Bodies(AppendBodies(nil, tt.bodies))
			if err != nil || !reflect.DeepEqual(got, tt.bodies) {
				t.Errorf("Bodies(AppendBodies(%v)) = %v, %v", tt.bodies, got, err)
			}
		})
	}
}

// unwinding is a body as Go's compiler makes them, of a function of one parameter:
// it returns 1 early when the parameter is 7, else stores a return address and gives 0.
var unwinding = []byte{
	1, 1, 0x7e, // one local, i64
	OpI64Const, 0x82, 0x80, 0x80, 0x80, 0x01, OpLocalSet, 1, // base|2
	OpBlock, 0x40, OpLoop, 0x40,
	OpLocalGet, 0, OpI32Const, 7, 0x46, OpBrIf, 1,
	OpLocalGet, 1, 0xa7, OpReturn,
	OpEnd, 0x00, OpEnd, OpI32Const, 1, OpEnd,
}

const unwindingBase = 0x1000 << 16

// moduleOf is a module of one function i32 -> i32, exported as f.
func moduleOf(body []byte) []byte {
	return Encode([]Section{
		{Type, []byte{1, 0x60, 1, 0x7f, 1, 0x7f}},
		{Function, []byte{1, 0}},
		{Export, []byte("\x01\x01f\x00\x00")},
		{Code, AppendBodies(nil, [][]byte{body})},
	})
}

// run calls f of moduleOf(body).
func run(t *testing.T, body []byte, arg uint64) uint64 {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	mod, err := rt.Instantiate(ctx, moduleOf(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := mod.ExportedFunction("f").Call(ctx, arg)
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

func TestReturnEarlyAndHoistKeepResults(t *testing.T) {
	early, err := ReturnEarly(unwinding)
	if err != nil || !bytes.Contains(early, earlyReturn) {
		t.Fatalf("ReturnEarly = % x, %v, want % x in it", early, err, earlyReturn)
	}
	hoisted, err := Hoist(early, 1, unwindingBase, 1<<16)
	if err != nil || bytes.Equal(hoisted, early) {
		t.Fatalf("Hoist = % x, %v, want a change", hoisted, err)
	}
	for _, arg := range []uint64{0, 7, 8} {
		want := run(t, unwinding, arg)
		if got := run(t, early, arg); got != want {
			t.Errorf("early: f(%d) = %d, want %d", arg, got, want)
		}
		if got := run(t, hoisted, arg); got != want {
			t.Errorf("hoisted: f(%d) = %d, want %d", arg, got, want)
		}
	}
}

func TestReturnEarlyLeavesOtherBodies(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"returns 2", []byte{0, OpBlock, 0x40, OpLocalGet, 0, OpBrIf, 0, OpEnd, OpI32Const, 2, OpEnd}},
		{"two blocks", []byte{0, OpBlock, 0x40, OpEnd, OpBlock, 0x40, OpLocalGet, 0, OpBrIf, 0, OpEnd, OpI32Const, 1, OpEnd}},
		{"loop", []byte{0, OpLoop, 0x40, OpLocalGet, 0, OpBrIf, 0, OpEnd, OpI32Const, 1, OpEnd}},
		{"block with a result", []byte{0, OpBlock, 0x7f, OpI32Const, 3, OpLocalGet, 0, OpBrIf, 0, OpEnd, OpI32Const, 1, OpEnd}},
		{"inner branch", []byte{0, OpBlock, 0x40, OpBlock, 0x40, OpLocalGet, 0, OpBrIf, 0, OpEnd, OpEnd, OpI32Const, 1, OpEnd}},
		{"tail inside a constant", []byte{0, OpBlock, 0x40, OpEnd, 0x44, 0, 0, 0, 0, OpEnd, OpI32Const, 1, OpEnd}},
		{"no instruction", []byte{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := ReturnEarly(tt.body); err != nil || !bytes.Equal(got, tt.body) {
				t.Errorf("ReturnEarly(% x) = % x, %v, want no change", tt.body, got, err)
			}
		})
	}
}

func TestHoistBounds(t *testing.T) {
	body := func(v int64) []byte { return append(appendS64([]byte{0, OpI64Const}, v), 0x1a, OpEnd) }
	for _, tt := range []struct {
		name string
		v    int64
		want bool
	}{
		{"one below the base", unwindingBase - 1, false},
		{"the base", unwindingBase, true},
		{"last of the span", unwindingBase + 1<<16 - 1, true},
		{"one past the span", unwindingBase + 1<<16, false},
		{"least of all", math.MinInt64, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Hoist(body(tt.v), 0, unwindingBase, 1<<16)
			if changed := !bytes.Equal(got, body(tt.v)); err != nil || changed != tt.want {
				t.Errorf("Hoist(%d) changed = %v, %v, want %v", tt.v, changed, err, tt.want)
			}
		})
	}
}

func TestInstrsRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"empty", nil},
		{"locals cut", []byte{2, 1, 0x7f}},
		{"more locals than bytes", []byte{0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"unknown opcode", []byte{0, 0xd0}},
		{"unknown prefixed opcode", []byte{0, 0xfc, 12}},
		{"block of a type index", []byte{0, OpBlock, 0}},
		{"constant cut", []byte{0, OpI64Const, 0x80}},
		{"constant of 11 bytes", append([]byte{0, OpI64Const}, bytes.Repeat([]byte{0x80}, 11)...)},
		{"label cut", []byte{0, OpBr}},
		{"label table of 2^32", []byte{0, OpBrTable, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"float cut", []byte{0, 0x44, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Instrs(tt.body); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
				t.Errorf("Instrs(% x) = %v, want ERR_BAD_FILE", tt.body, err)
			}
		})
	}
}

// FuzzEditBody: no panic; what is edited reads again, and returning early twice is returning early once.
func FuzzEditBody(f *testing.F) {
	f.Add(unwinding, uint32(1), int64(unwindingBase))
	f.Add(dispatching, uint32(1), int64(0))
	f.Add(append(stackAt(8), 0x28, 2, 0), uint32(1), int64(0))
	f.Fuzz(func(t *testing.T, body []byte, params uint32, base int64) {
		early, err := ReturnEarly(body)
		if err != nil {
			return
		}
		for _, edit := range []func([]byte) ([]byte, error){JumpDirectly, FoldOffsets} {
			edited, err := edit(body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Instrs(edited); err != nil {
				t.Errorf("edited % x does not read: %v", edited, err)
			}
		}
		again, err := ReturnEarly(early)
		if err != nil || !bytes.Equal(again, early) {
			t.Errorf("ReturnEarly again = % x, %v, want % x", again, err, early)
		}
		hoisted, err := Hoist(early, params, base, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Instrs(hoisted); err != nil {
			t.Errorf("hoisted % x does not read: %v", hoisted, err)
		}
	})
}

// FuzzFuncs: no panic on any module.
func FuzzFuncs(f *testing.F) {
	f.Add(moduleOf(unwinding))
	f.Add(Encode([]Section{NewCustom("name", []byte("\x01\x04\x01\x00\x01f"))}))
	f.Fuzz(func(t *testing.T, b []byte) {
		sections, err := Decode(b)
		if err != nil {
			return
		}
		_, _ = FuncNames(sections)
		_, _ = FuncParams(sections)
		_, _ = ImportedFuncs(sections)
		for _, s := range sections {
			if s.ID == Code {
				_, _ = Bodies(s.Payload)
			}
		}
	})
}
