package digest

// Size is the length of a digest in bytes.
const Size = 32

// Sum returns the SHA-256 of b.
//
// Source: FIPS 180-4 §6.2.
func Sum(b []byte) [Size]byte {
	h := initial
	n := len(b) &^ 63
	compress(&h, b[:n])
	// The tail: what is left, one bit, zeros, the length in bits.
	var tail [128]byte
	end := 64
	if copy(tail[:], b[n:]) >= 56 {
		end = 128
	}
	tail[len(b)-n] = 0x80
	for i := range 8 {
		tail[end-1-i] = byte(uint64(len(b)) * 8 >> (8 * i))
	}
	compress(&h, tail[:end])
	var out [Size]byte
	for i, w := range h {
		out[4*i], out[4*i+1], out[4*i+2], out[4*i+3] = byte(w>>24), byte(w>>16), byte(w>>8), byte(w)
	}
	return out
}

// Hex returns the SHA-256 of b as 64 lower-case hexadecimal digits.
func Hex(b []byte) string {
	const digits = "0123456789abcdef"
	var text [2 * Size]byte
	for i, c := range Sum(b) {
		text[2*i], text[2*i+1] = digits[c>>4], digits[c&15]
	}
	return string(text[:])
}

// IsHex reports whether s has the form of a digest that Hex returns.
func IsHex(s string) bool {
	if len(s) != 2*Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// initial and round are the first 32 bits of the fractional parts of the square
// roots of the first 8, and cube roots of the first 64, primes.
var initial = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

var round = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}
