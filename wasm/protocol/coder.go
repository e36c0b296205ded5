package protocol

import (
	"math"

	"pastel/fault"
)

// A coder walks a message's fields once, writing them to buf or reading them from
// it: one walk per message is the whole description of its format. After the first
// error a reading coder yields zero values.
type coder struct {
	buf     []byte
	off     int
	reading bool
	err     error
}

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// take returns the next n bytes when reading, or nil when they are not there.
func (c *coder) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n > len(c.buf)-c.off {
		c.fail(fault.New(BadMessage, "protocol: offset ", c.off, ": need ", n, " bytes, have ", len(c.buf)-c.off))
		return nil
	}
	b := c.buf[c.off : c.off+n]
	c.off += n
	return b
}

func (c *coder) bool(v *bool) {
	if !c.reading {
		c.buf = append(c.buf, bit(*v))
		return
	}
	b := c.take(1)
	if b == nil {
		return
	}
	if b[0] > 1 {
		c.fail(fault.New(BadMessage, "protocol: offset ", c.off-1, ": bool is ", b[0]))
	}
	*v = b[0] == 1
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func (c *coder) u32(v *uint32) {
	if !c.reading {
		x := *v
		c.buf = append(c.buf, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
		return
	}
	if b := c.take(4); b != nil {
		*v = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
}

func (c *coder) u64(v *uint64) {
	lo, hi := uint32(*v), uint32(*v>>32)
	c.u32(&lo)
	c.u32(&hi)
	*v = uint64(lo) | uint64(hi)<<32
}

// u53 is a count or a size that JavaScript holds exactly.
func (c *coder) u53(v *uint64) {
	c.u64(v)
	if c.reading && *v >= 1<<53 {
		c.fail(fault.New(BadMessage, "protocol: offset ", c.off-8, ": ", *v, " is not below 2^53"))
	}
}

func (c *coder) i32(v *int32) {
	x := uint32(*v)
	c.u32(&x)
	*v = int32(x)
}

func (c *coder) f32(v *float32) {
	x := math.Float32bits(*v)
	c.u32(&x)
	*v = math.Float32frombits(x)
}

func (c *coder) f64(v *float64) {
	x := math.Float64bits(*v)
	c.u64(&x)
	*v = math.Float64frombits(x)
}

func (c *coder) str(v *string) {
	n := c.count(len(*v), 1)
	if !c.reading {
		c.buf = append(c.buf, *v...)
		return
	}
	*v = string(c.take(n))
}

// bytes codes a list of u8 without a call for each.
func (c *coder) bytes(v *[]byte) {
	n := c.count(len(*v), 1)
	if !c.reading {
		c.buf = append(c.buf, *v...)
		return
	}
	*v = append([]byte{}, c.take(n)...)
}

// count codes the number of items of a list. When reading it refuses a count whose
// items, at minBytes each, could not fit in what is left, so that no allocation is
// larger than the message that claims it.
func (c *coder) count(n, minBytes int) int {
	x := uint32(n)
	c.u32(&x)
	if c.reading && uint64(x)*uint64(minBytes) > uint64(len(c.buf)-c.off) {
		c.fail(fault.New(BadMessage, "protocol: offset ", c.off-4, ": ", x, " items of at least ", minBytes,
			" bytes, have ", len(c.buf)-c.off))
	}
	if c.err != nil {
		return 0
	}
	return int(x)
}

// list codes a list by coding each item; minBytes is the least an item occupies.
func list[T any](c *coder, v *[]T, minBytes int, item func(*coder, *T)) {
	n := c.count(len(*v), minBytes)
	if c.reading {
		*v = make([]T, n)
	}
	for i := range n {
		item(c, &(*v)[i])
	}
}

func (c *coder) u32s(v *[]uint32)  { list(c, v, 4, (*coder).u32) }
func (c *coder) f32s(v *[]float32) { list(c, v, 4, (*coder).f32) }
func (c *coder) strs(v *[]string)  { list(c, v, 4, (*coder).str) }
