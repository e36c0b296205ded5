package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// Every length around the block and padding edges equals crypto/sha256.
func TestSumMatchesStandardLibrary(t *testing.T) {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = byte(i*i + 7*i)
	}
	for n := range b {
		if got, want := Sum(b[:n]), sha256.Sum256(b[:n]); got != want {
			t.Fatalf("Sum of %d bytes = %x, want %x", n, got, want)
		}
	}
	want := sha256.Sum256(b)
	if got := Hex(b); got != hex.EncodeToString(want[:]) || !IsHex(got) {
		t.Errorf("Hex = %q", got)
	}
}

func TestIsHex(t *testing.T) {
	good := Hex(nil)
	for _, tt := range []struct {
		name, s string
		want    bool
	}{
		{"digest", good, true}, {"short", good[1:], false}, {"long", good + "0", false},
		{"upper case", "A" + good[1:], false}, {"path", "../" + good[3:], false},
	} {
		if got := IsHex(tt.s); got != tt.want {
			t.Errorf("IsHex(%s) = %v", tt.name, got)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		Sum(data)
	}
}
