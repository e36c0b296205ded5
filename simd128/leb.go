package simd128

// appendUleb appends v in unsigned LEB128.
func appendUleb(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendSleb appends v in signed LEB128.
func appendSleb(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

func uleb(v uint64) []byte { return appendUleb(nil, v) }

// appendName appends a string with its length.
func appendName(b []byte, s string) []byte { return append(appendUleb(b, uint64(len(s))), s...) }
