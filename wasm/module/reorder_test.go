package module

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"pastel/fault"
)

// calling is a module of an imported function and three of its own: f(x) calls g, and h
// by way of the table; the start function is h's neighbour.
func calling() []Section {
	return []Section{
		{Type, []byte{2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0}},
		{Import, []byte("\x01\x03env\x04plus\x00\x00")},
		{Function, []byte{4, 0, 0, 0, 1}},
		{Table, []byte{1, 0x70, 0, 4}},
		{Memory, []byte{1, 0, 1}},
		{Export, []byte("\x02\x01f\x00\x01\x03mem\x02\x00")},
		{Start, []byte{4}},
		{Element, []byte{1, 0, 0x41, 2, 0x0b, 2, 3, 2}},
		{Code, AppendBodies(nil, [][]byte{
			{0, OpLocalGet, 0, OpCall, 2, OpI32Const, 2, OpCallIndirect, 0, 0, OpEnd}, // f: h(g(x))
			{0, OpLocalGet, 0, OpCall, 0, OpI32Const, 3, 0x6c, OpEnd},                 // g: 3 * plus(x)
			{0, OpLocalGet, 0, OpI32Const, 0, 0x28, 2, 0, 0x6a, OpEnd},                // h: x + what start stored
			{0, OpI32Const, 0, OpI32Const, 0xe4, 0, 0x36, 2, 0, OpEnd},                // start: stores 100
		})},
	}
}

// callF calls f(x) of a module as above, where plus adds 1.
func callF(t *testing.T, b []byte, x uint64) uint64 {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	_, err := rt.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func(x int32) int32 { return x + 1 }).Export("plus").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Instantiate(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mod.ExportedFunction("f").Call(ctx, x)
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

func TestReorderKeepsResults(t *testing.T) {
	want := callF(t, Encode(calling()), 4)
	if want != 3*(4+1)+100 {
		t.Fatalf("f(4) = %d before", want)
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}} {
		sections := calling()
		if err := Reorder(sections, order); err != nil {
			t.Fatal(err)
		}
		if got := callF(t, Encode(sections), 4); got != want {
			t.Errorf("f(4) with functions in the order %v = %d, want %d", order, got, want)
		}
	}
}

func TestReorderRefuses(t *testing.T) {
	with := func(id SectionID, payload ...byte) []Section {
		sections := calling()
		for i := range sections {
			if sections[i].ID == id {
				sections[i].Payload = payload
			}
		}
		return sections
	}
	for _, tt := range []struct {
		name     string
		sections []Section
		order    []int
	}{
		{"one twice", calling(), []int{0, 0, 1, 2}},
		{"one too many", calling(), []int{0, 1, 2, 3, 4}},
		{"one too few", calling(), []int{0, 1, 2}},
		{"negative", calling(), []int{0, 1, 2, -1}},
		{"start past the last", with(Start, 5), []int{3, 2, 1, 0}},
		{"call past the last", with(Code, AppendBodies(nil, [][]byte{{0, OpCall, 9, OpEnd}, {0}, {0}, {0}})...), []int{3, 2, 1, 0}},
		{"passive elements", with(Element, 1, 1, 0, 1, 0), []int{3, 2, 1, 0}},
		{"elements cut", with(Element, 1, 0, 0x41), []int{3, 2, 1, 0}},
		{"exports cut", with(Export, 2, 1), []int{3, 2, 1, 0}},
		{"fewer types than functions", with(Function, 3, 0, 0, 0), []int{3, 2, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := Reorder(tt.sections, tt.order); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
				t.Errorf("Reorder(%v) = %v, want ERR_BAD_FILE", tt.order, err)
			}
		})
	}
}
