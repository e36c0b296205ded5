package kernels

import "testing"

// TestSmallOperationsShareAThread: neighbours too small to split are marked for one
// thread; matrices and what is split are not.
func TestSmallOperationsShareAThread(t *testing.T) {
	mem := new(Memory)
	tape, err := NewTape(mem, 8)
	if err != nil {
		t.Fatal(err)
	}
	norm := RMSNorm{N: 1, Rows: 1, Dim: 64}
	thin := Matmul{N: 1, Rows: 8, K: 64, Format: Q4_0}
	for _, op := range []Operation{norm, Quantize{N: 1, K: 64}, thin, thin, Rope{N: 1, Heads: 4}, StoreKV{N: 1, Heads: 2}, RMSNorm{N: 2, Rows: 1}, norm} {
		if err := tape.Add(op); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []uint32{FlagSame, 0, 0, 0, FlagSame, 0, 0, 0} {
		if got := tape.words[i*OpWords+1] & FlagSame; got != want {
			t.Errorf("operation %d, %v: flag %d, want %d", i, tape.Code(i), got, want)
		}
	}
}

// One token's matrix is shared out evenly, those of experts as well: their grain alone would leave them to one thread.
func TestOneTokenIsSharedEvenly(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   Operation
		even bool
	}{
		{"matrix, one token", Matmul{N: 1, Rows: 256, K: 256, Format: Q4_0}, true},
		{"matrix, four tokens", Matmul{N: 4, Rows: 256, K: 256, Format: Q4_0}, false},
		{"experts, one token", ExpertMatmul{N: 1, Rows: 1024, ExpertRows: 256, K: 256, Format: Q4_0}, true},
		{"experts, four tokens", ExpertMatmul{N: 4, Rows: 1024, ExpertRows: 256, K: 256, Format: Q4_0}, false},
	} {
		tape, err := NewTape(new(Memory), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := tape.Add(tt.op); err != nil {
			t.Fatal(err)
		}
		if even := tape.words[1]&FlagEven != 0; even != tt.even {
			t.Errorf("%s: shared evenly %v, want %v", tt.name, even, tt.even)
		}
	}
}
