package module

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"pastel/fault"
)

// TestAddStartRuns: the added function stores 42 before f loads it.
func TestAddStartRuns(t *testing.T) {
	load := []byte{0, OpI32Const, 8, 0x28, 2, 0, OpEnd} // i32.load 8
	sections, _ := Decode(moduleOf(load))
	sections = append(sections[:2:2], append([]Section{{Memory, []byte{1, 0, 1}}}, sections[2:]...)...)
	store := []byte{0, OpI32Const, 8, OpI32Const, 42, 0x36, 2, 0, OpEnd}
	b, err := AddStart(Encode(sections), store)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	mod, err := rt.Instantiate(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mod.ExportedFunction("f").Call(ctx, 0); err != nil || got[0] != 42 {
		t.Errorf("f() = %v, %v, want 42", got, err)
	}
}

func TestAddStartRefuses(t *testing.T) {
	started, err := AddStart(moduleOf([]byte{0, OpI32Const, 0, OpEnd}), []byte{0, OpEnd})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"not a module", []byte("x")},
		{"no functions", Encode(nil)},
		{"a start already", started},
		{"empty types", Encode([]Section{{Type, nil}, {Function, []byte{0}}, {Code, []byte{0}}})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := AddStart(tt.in, []byte{0, OpEnd}); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
				t.Errorf("AddStart = %v, want ERR_BAD_FILE", err)
			}
		})
	}
}
