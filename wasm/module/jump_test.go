package module

import (
	"bytes"
	"slices"
	"testing"
)

// dispatching is a body as Go's compiler makes them, with three places to jump to: 0
// adds 1 and jumps to 2 or to the next, 1 adds 10, 2 adds 100 and jumps back to 1 or
// returns the sum. Its parameter is the place to begin at.
var dispatching = slices.Concat(
	[]byte{1, 1, 0x7f, OpBlock, 0x40, OpLoop, 0x40, OpBlock, 0x40, OpBlock, 0x40, OpBlock, 0x40},
	[]byte{OpLocalGet, 0, OpBrTable, 2, 0, 1, 2, OpEnd},
	[]byte{OpLocalGet, 1, OpI32Const, 1, 0x6a, OpLocalTee, 1, OpI32Const, 1, 0x46}, forward, next, []byte{OpEnd},
	[]byte{OpLocalGet, 1, OpI32Const, 10, 0x6a, OpLocalSet, 1, OpEnd},
	[]byte{OpLocalGet, 1, OpI32Const, 0xe4, 0, 0x6a, OpLocalTee, 1, OpI32Const, 0xf4, 3, 0x49}, back,
	[]byte{OpLocalGet, 1, OpReturn, OpEnd, OpEnd, OpI32Const, 1, OpEnd},
)

// Its jumps.
var (
	forward = []byte{OpIf, 0x40, OpI32Const, 2, OpLocalSet, 0, OpBr, 3, OpEnd}
	next    = []byte{OpI32Const, 1, OpLocalSet, 0, OpBr, 2}
	back    = []byte{OpIf, 0x40, OpI32Const, 1, OpLocalSet, 0, OpBr, 1, OpEnd}
)

// replaced returns a body with the first old made new.
func replaced(body, old, new []byte) []byte { return bytes.Replace(body, old, new, 1) }

func TestJumpDirectlyKeepsResults(t *testing.T) {
	got, err := JumpDirectly(dispatching)
	if err != nil {
		t.Fatal(err)
	}
	want := replaced(replaced(dispatching, forward, []byte{OpBrIf, 1}), next, nil)
	if !bytes.Equal(got, want) {
		t.Fatalf("JumpDirectly =\n% x, want\n% x", got, want)
	}
	for _, place := range []uint64{0, 1, 2, 9} {
		if got, want := run(t, got, place), run(t, dispatching, place); got != want {
			t.Errorf("from place %d: %d, want %d", place, got, want)
		}
	}
}

func TestJumpDirectlyLeavesOtherBodies(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"no br_table", unwinding},
		{"the local is read", replaced(dispatching, []byte{OpLocalGet, 1, OpReturn}, []byte{OpLocalGet, 0, OpReturn})},
		{"the local is teed", replaced(dispatching, next, []byte{OpI32Const, 1, OpLocalTee, 0, 0x1a, OpBr, 2})},
		{"the loop starts again without a number", replaced(dispatching, next, []byte{OpBr, 2})},
		{"the loop starts again on a condition", replaced(dispatching, next, []byte{OpI32Const, 1, OpBrIf, 2})},
		{"a number that is not constant", replaced(dispatching, next, []byte{OpLocalGet, 1, OpLocalSet, 0, OpBr, 2})},
		{"no loop", replaced(dispatching, []byte{OpLoop, 0x40}, []byte{OpBlock, 0x40})},
		{"two tables", replaced(dispatching, []byte{OpLocalGet, 1, OpReturn}, []byte{OpLocalGet, 1, OpBrTable, 0, 0})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := JumpDirectly(tt.body); err != nil || !bytes.Equal(got, tt.body) {
				t.Errorf("JumpDirectly(% x) = % x, %v, want no change", tt.body, got, err)
			}
		})
	}
}

// TestJumpDirectlyAllowsOtherUse: Go puts the number of a function it calls into the same local.
func TestJumpDirectlyAllowsOtherUse(t *testing.T) {
	other := replaced(dispatching, []byte{OpLocalGet, 1, OpReturn}, []byte{OpLocalGet, 1, OpLocalSet, 0, OpLocalGet, 0, OpReturn})
	got, err := JumpDirectly(other)
	if err != nil || len(got) != len(other)-len(forward)-len(next)+2 {
		t.Errorf("JumpDirectly(% x) = % x, %v, want two jumps less", other, got, err)
	}
}
