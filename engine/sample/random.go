package sample

import "math/bits"

// source is xoshiro256++, seeded by splitmix64.
//
// Source: Blackman and Vigna 2021, ACM TOMS 47(4), doi:10.1145/3460772.
type source [4]uint64

func newSource(seed uint64) source {
	var s source
	for i := range s {
		seed += 0x9E3779B97F4A7C15
		z := seed
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		s[i] = z ^ z>>31
	}
	return s
}

func (s *source) uint64() uint64 {
	out := bits.RotateLeft64(s[0]+s[3], 23) + s[0]
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = bits.RotateLeft64(s[3], 45)
	return out
}

// float64 is uniform in [0, 1), a multiple of 2⁻⁵³.
func (s *source) float64() float64 { return float64(s.uint64()>>11) / (1 << 53) }
