package module

import (
	"bytes"
	"slices"
	"testing"
)

// stackAt is the address of an offset from local 0, as Go's compiler makes it.
func stackAt(k byte) []byte { return []byte{OpLocalGet, 0, 0xad, OpI64Const, k, OpI64Add, 0xa7} }

func TestFoldOffsets(t *testing.T) {
	const load, store = 0x28, 0x36
	p := []byte{OpLocalGet, 0}
	body := func(parts ...[]byte) []byte {
		return slices.Concat([]byte{0}, slices.Concat(parts...), []byte{OpEnd})
	}
	for _, tt := range []struct {
		name     string
		in, want []byte
	}{
		{"load", body(stackAt(8), []byte{load, 2, 0}), body(p, []byte{load, 2, 8})},
		{"to an offset", body(stackAt(8), []byte{load, 2, 5}), body(p, []byte{load, 2, 13})},
		{"to two bytes", body(stackAt(63), []byte{load, 2, 70}), body(p, []byte{load, 2, 0x85, 1})},
		{"store of a constant", body(stackAt(8), []byte{OpI32Const, 7, store, 2, 0}), body(p, []byte{OpI32Const, 7, store, 2, 8})},
		{"store of a sum", body(stackAt(8), p, p, []byte{0x6a, store, 2, 0}), body(p, p, p, []byte{0x6a, store, 2, 8})},
		{"store of a load", body(stackAt(8), stackAt(16), []byte{load, 2, 0, store, 2, 0}), body(p, p, []byte{load, 2, 16, store, 2, 8})},
		{"negative", body(stackAt(0x78), []byte{load, 2, 0}), nil},
		{"stored itself", body(p, stackAt(8), []byte{store, 2, 0}), nil},
		{"added to", body(stackAt(8), p, []byte{0x6a, load, 2, 0}), nil},
		{"kept in a local", body(stackAt(8), []byte{OpLocalSet, 1}), nil},
		{"used after a block", body(stackAt(8), []byte{OpBlock, 0x40, OpEnd, load, 2, 0}), nil},
		{"used after a call", body(stackAt(8), []byte{OpCall, 0, store, 2, 0}), nil},
		{"not used", body(stackAt(8)), nil},
		{"past the greatest offset", body(stackAt(8), []byte{load, 2, 0xf8, 0xff, 0xff, 0xff, 0x0f}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == nil {
				want = tt.in
			}
			if got, err := FoldOffsets(tt.in); err != nil || !bytes.Equal(got, want) {
				t.Errorf("FoldOffsets(% x) = % x, %v, want % x", tt.in, got, err, want)
			}
		})
	}
}
