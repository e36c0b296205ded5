package tensor_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pastel/engine/tensor"
)

// The oracle gives one weight at a time in float64, reading the block as a
// string of bits. It is written from ggml's block definitions and shares
// nothing with the package. lift is what was subtracted, for the bound.

type weightOf func(b []byte, i int) (w, lift float64)

func half(b []byte, at int) float64 { return halfValue(uint16(b[at]) | uint16(b[at+1])<<8) }

// field reads n bits from bit position pos of b, least significant bit first.
func field(b []byte, pos, n int) int {
	v := 0
	for k := range n {
		v |= int(b[(pos+k)/8]>>((pos+k)%8)&1) << k
	}
	return v
}

// nibble32 reads weight i of a 32-weight block of nibbles at byte at.
func nibble32(b []byte, at, i int) int { return field(b, 8*(at+i%16)+4*(i/16), 4) }

// pair256 reads two bits of weight i from the 64 bytes at byte at.
func pair256(b []byte, at, i int) int { return field(b, 8*(at+i/128*32+i%32)+i/32%4*2, 2) }

// scaleMin6 reads the 6-bit scale and minimum of sub-block s.
func scaleMin6(b []byte, s int) (int, int) {
	if s < 4 {
		return field(b, 8*s, 6), field(b, 8*(s+4), 6)
	}
	return field(b, 8*(s+4), 4) + 16*field(b, 8*(s-4)+6, 2), field(b, 8*(s+4)+4, 4) + 16*field(b, 8*s+6, 2)
}

// trits lists weights of a TQ1_0 byte by exact integer arithmetic.
func tritOf(b byte, n int) int {
	x := int(b)
	for range n {
		x = x * 3 % 256
	}
	return x * 3 / 256
}

var (
	iq4 = []float64{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	fp4 = []float64{0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6}
)

var oracles = map[tensor.Type]weightOf{
	tensor.F32: func(b []byte, _ int) (float64, float64) {
		return float64(math.Float32frombits(uint32(field(b, 0, 32)))), 0
	},
	tensor.F16: func(b []byte, _ int) (float64, float64) { return half(b, 0), 0 },
	tensor.BF16: func(b []byte, _ int) (float64, float64) {
		return float64(math.Float32frombits(uint32(field(b, 0, 16)) << 16)), 0
	},
	tensor.Q8_0: func(b []byte, i int) (float64, float64) { return half(b, 0) * float64(int8(b[2+i])), 0 },
	tensor.Q4_0: func(b []byte, i int) (float64, float64) { return half(b, 0) * float64(nibble32(b, 2, i)-8), 0 },
	tensor.Q4_1: func(b []byte, i int) (float64, float64) {
		return half(b, 0)*float64(nibble32(b, 4, i)) + half(b, 2), half(b, 2)
	},
	tensor.Q5_0: func(b []byte, i int) (float64, float64) {
		return half(b, 0) * float64(nibble32(b, 6, i)+16*field(b, 16+i, 1)-16), 0
	},
	tensor.Q5_1: func(b []byte, i int) (float64, float64) {
		return half(b, 0)*float64(nibble32(b, 8, i)+16*field(b, 32+i, 1)) + half(b, 2), half(b, 2)
	},
	tensor.Q2_K: func(b []byte, i int) (float64, float64) {
		m := half(b, 82) * float64(field(b, 8*(i/16)+4, 4))
		return half(b, 80)*float64(field(b, 8*(i/16), 4)*pair256(b, 16, i)) - m, m
	},
	tensor.Q3_K: func(b []byte, i int) (float64, float64) {
		s := i / 16
		scale := field(b, 8*(96+s%8)+4*(s/8), 4) + 16*field(b, 8*(104+s%4)+2*(s/4), 2) - 32
		q := pair256(b, 32, i) + 4*field(b, 8*(i%32)+i/32, 1) - 4
		return half(b, 108) * float64(scale*q), 0
	},
	tensor.Q4_K: func(b []byte, i int) (float64, float64) {
		s, m := scaleMin6(b[4:], i/32)
		q := field(b, 8*(16+i/64*32+i%32)+i/32%2*4, 4)
		lift := half(b, 2) * float64(m)
		return half(b, 0)*float64(s*q) - lift, lift
	},
	tensor.Q5_K: func(b []byte, i int) (float64, float64) {
		s, m := scaleMin6(b[4:], i/32)
		q := field(b, 8*(48+i/64*32+i%32)+i/32%2*4, 4) + 16*field(b, 8*(16+i%32)+i/32, 1)
		lift := half(b, 2) * float64(m)
		return half(b, 0)*float64(s*q) - lift, lift
	},
	tensor.Q6_K: func(b []byte, i int) (float64, float64) {
		q := field(b, 8*(i/128*64+i%64)+i/64%2*4, 4) + 16*pair256(b, 128, i) - 32
		return half(b, 208) * float64(int(int8(b[192+i/16]))*q), 0
	},
	tensor.Q8_K: func(b []byte, i int) (float64, float64) {
		return float64(math.Float32frombits(uint32(field(b, 0, 32)))) * float64(int8(b[4+i])), 0
	},
	tensor.IQ4_NL: func(b []byte, i int) (float64, float64) { return half(b, 0) * iq4[nibble32(b, 2, i)], 0 },
	tensor.IQ4_XS: func(b []byte, i int) (float64, float64) {
		s := i / 32
		scale := field(b, 32+4*s, 4) + 16*field(b, 16+2*s, 2) - 32
		return half(b, 0) * float64(scale) * iq4[nibble32(b, 8+16*s, i%32)], 0
	},
	tensor.MXFP4: func(b []byte, i int) (float64, float64) {
		return math.Ldexp(fp4[nibble32(b, 1, i)], int(b[0])-127), 0
	},
	tensor.TQ1_0: func(b []byte, i int) (float64, float64) {
		d := half(b, 52)
		switch {
		case i < 160:
			return d * float64(tritOf(b[i%32], i/32)-1), 0
		case i < 240:
			return d * float64(tritOf(b[32+(i-160)%16], (i-160)/16)-1), 0
		}
		return d * float64(tritOf(b[48+(i-240)%4], (i-240)/4)-1), 0
	},
	tensor.TQ2_0: func(b []byte, i int) (float64, float64) { return half(b, 64) * float64(pair256(b, 0, i)-1), 0 },
}

// scalesAt says where a block's half-precision scales lie, so that random
// blocks can be kept finite.
var scalesAt = map[tensor.Type][]int{
	tensor.F16: {0}, tensor.Q8_0: {0}, tensor.Q4_0: {0}, tensor.Q4_1: {0, 2}, tensor.Q5_0: {0}, tensor.Q5_1: {0, 2},
	tensor.Q2_K: {80, 82}, tensor.Q3_K: {108}, tensor.Q4_K: {0, 2}, tensor.Q5_K: {0, 2}, tensor.Q6_K: {208},
	tensor.IQ4_NL: {0}, tensor.IQ4_XS: {0}, tensor.TQ1_0: {52}, tensor.TQ2_0: {64},
}

// randomBlocks fills n blocks with random bits under finite scales.
func randomBlocks(rng *rand.Rand, typ tensor.Type, n int) []byte {
	size := typ.BlockBytes()
	b := make([]byte, n*size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for blk := 0; blk < len(b); blk += size {
		for _, at := range scalesAt[typ] {
			b[blk+at+1] &^= 0x40 // exponent below 16: not infinite, not NaN
		}
		switch typ { // float32 and power-of-two scales near 1
		case tensor.F32, tensor.Q8_K:
			b[blk+3] = 0x3f
		case tensor.BF16:
			b[blk+1] = 0x3f
		case tensor.MXFP4:
			b[blk] = b[blk]&31 + 100
		}
	}
	return b
}

// TestDequantizeAgainstOracle: random bits in every field. The package rounds
// each of at most three products and sums to float32, so a weight w = p − lift
// is off by at most 3·2⁻²⁴·(|p| + |lift|), and half the least subnormal.
func TestDequantizeAgainstOracle(t *testing.T) {
	for typ := tensor.Type(0); typ < 64; typ++ {
		if !typ.Supported() {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			oracle := oracles[typ]
			if oracle == nil {
				t.Fatal("no oracle")
			}
			rng := rand.New(rand.NewPCG(1, uint64(typ)))
			const nBlocks = 64
			src := randomBlocks(rng, typ, nBlocks)
			got := make([]float32, nBlocks*typ.BlockElems())
			if err := tensor.Dequantize(typ, got, src); err != nil {
				t.Fatal(err)
			}
			for i, g := range got {
				n, size := typ.BlockElems(), typ.BlockBytes()
				want, lift := oracle(src[i/n*size:(i/n+1)*size], i%n)
				bound := 3*0x1p-24*(math.Abs(want)+2*math.Abs(lift)) + 0x1p-149
				if e := math.Abs(float64(g) - want); !(e <= bound) {
					t.Fatalf("weight %d = %v, want %v, error %.3g over bound %.3g", i, g, want, e, bound)
				}
			}
		})
	}
}

// TestMXFP4Extremes: the scale byte's ends, where float32 runs out.
func TestMXFP4Extremes(t *testing.T) {
	for _, e := range []byte{0, 1, 2, 127, 253} {
		src := make([]byte, 17)
		src[0] = e
		for i := range 16 {
			src[1+i] = byte(i) | byte(i)<<4
		}
		got := make([]float32, 32)
		if err := tensor.Dequantize(tensor.MXFP4, got, src); err != nil {
			t.Fatal(err)
		}
		for i, g := range got {
			if want := float32(math.Ldexp(fp4[i%16], int(e)-127)); g != want {
				t.Errorf("e %d, code %d = %v, want %v", e, i%16, g, want)
			}
		}
	}
}
