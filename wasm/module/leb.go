package module

import "pastel/fault"

// A reader takes values from b and keeps the first error; after it every value is zero.
type reader struct {
	b   []byte
	off int
	err error
}

func (r *reader) fail(parts ...any) {
	if r.err == nil {
		r.err = fault.New(fault.BadFile, append([]any{"module: offset ", r.off, ": "}, parts...)...)
	}
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// bytes returns the next n bytes, which alias the module.
func (r *reader) bytes(n uint32) []byte {
	if r.err == nil && uint64(n) > uint64(len(r.b)-r.off) {
		r.fail("need ", n, " bytes, have ", len(r.b)-r.off)
	}
	if r.err != nil {
		return nil
	}
	b := r.b[r.off : r.off+int(n) : r.off+int(n)]
	r.off += int(n)
	return b
}

// u32 reads an unsigned LEB128 of at most five bytes. (Specification 5.2.2.)
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if shift == 28 {
			r.fail("integer of more than 5 bytes")
		}
	}
	if v > 1<<32-1 {
		r.fail("integer ", v, " is not below 2^32")
		return 0
	}
	return uint32(v)
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

// appendU32 writes the shortest LEB128 of v.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendName(b []byte, s string) []byte {
	return append(appendU32(b, uint32(len(s))), s...)
}

// s32 reads a signed LEB128 of at most five bytes. (Specification 5.2.2.)
func (r *reader) s32() int32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			break
		}
		if shift == 28 {
			r.fail("integer of more than 5 bytes")
		}
	}
	if v != int64(int32(v)) {
		r.fail("integer ", v, " is not within 32 bits")
		return 0
	}
	return int32(v)
}

// appendS32 writes the shortest signed LEB128 of v.
func appendS32(b []byte, v int32) []byte { return appendS64(b, int64(v)) }

// s64 reads a signed LEB128 of at most ten bytes. (Specification 5.2.2.)
func (r *reader) s64() int64 {
	var v int64
	for shift := 0; shift < 70; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.fail("integer of more than 10 bytes")
	return 0
}

// appendS64 writes the shortest signed LEB128 of v.
func appendS64(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}
