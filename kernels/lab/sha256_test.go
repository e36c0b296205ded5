package lab

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/big"
	"testing"
)

// cubeRoots are SHA-256's constants: the first 32 bits of the fractional parts of the
// cube roots of the first 64 primes.
func cubeRoots() (out []uint32) {
	for p := int64(2); len(out) < 64; p++ {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		root := math.Cbrt(float64(p))
		out = append(out, uint32((root-math.Floor(root))*(1<<32)))
	}
	return out
}

// TestSHA256 compresses messages of several blocks, padded here, at odd addresses.
func TestSHA256(t *testing.T) {
	const work, round, message = 1 << 16, 1<<16 + 512, 1<<16 + 1025
	w := check(NewWazero(1, 64))
	defer w.Close()
	m := check(w.module(w.bin))
	for i, k := range cubeRoots() {
		w.mem.WriteUint32Le(round+4*uint32(i), k)
	}
	for n := 0; n < 300; n += 7 {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i*i + 3*n)
		}
		padded := append(append([]byte{}, data...), 0x80)
		for len(padded)%64 != 56 {
			padded = append(padded, 0)
		}
		padded = binary.BigEndian.AppendUint64(padded, uint64(8*n))
		w.mem.Write(message, padded)
		for i, h := range []uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {
			w.mem.WriteUint32Le(work+4*uint32(i), h)
		}
		if _, err := m.ExportedFunction("sha256").Call(t.Context(), work, round, message, uint64(len(padded)/64)); err != nil {
			t.Fatal(err)
		}
		var got [32]byte
		for i := range 8 {
			h, _ := w.mem.ReadUint32Le(work + 4*uint32(i))
			binary.BigEndian.PutUint32(got[4*i:], h)
		}
		if want := sha256.Sum256(data); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}
