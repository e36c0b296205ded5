package gguf

import (
	"strings"

	"pastel/fault"
)

// A keyReader is the part of the decoder's machine that reads one key–value
// pair: key length, key, kind, value.
type keyReader struct {
	d *Decoder

	key  string
	v    value
	left uint64          // elements of the array still to come
	text strings.Builder // the strings of an array so far
}

func (r *keyReader) start() error { return r.d.next(8, r.keyLength) }

func (r *keyReader) keyLength(b []byte) error {
	n := getUint(b)
	if n == 0 || n > maxKeyBytes {
		return r.d.bad("key of ", n, " bytes, want 1 to ", maxKeyBytes)
	}
	return r.d.next(n, r.keyBytes)
}

func (r *keyReader) keyBytes(b []byte) error {
	r.key = string(b)
	if r.d.file.Metadata.Has(r.key) {
		return r.bad("given twice")
	}
	return r.d.next(4, r.kind)
}

func (r *keyReader) kind(b []byte) error {
	r.v = value{kind: Kind(getUint(b))}
	switch {
	case r.v.kind >= nKinds:
		return r.bad("unknown value type ", uint32(r.v.kind))
	case r.v.kind == String:
		return r.d.next(8, r.textLength)
	case r.v.kind == Array:
		return r.d.next(12, r.arrayHead)
	}
	return r.d.next(uint64(kindBytes[r.v.kind]), r.scalar)
}

func (r *keyReader) scalar(b []byte) error {
	r.v.bits = getUint(b)
	if r.v.kind == Bool && r.v.bits > 1 {
		return r.bad("bool of value ", r.v.bits)
	}
	return r.done()
}

func (r *keyReader) textLength(b []byte) error {
	n := getUint(b)
	if n > maxTextBytes {
		return r.bad("string of ", n, " bytes is over ", maxTextBytes)
	}
	return r.d.next(n, r.textBytes)
}

func (r *keyReader) textBytes(b []byte) error {
	r.v.text = string(b)
	return r.done()
}

// arrayHead reads the element type and the count.
func (r *keyReader) arrayHead(b []byte) error {
	r.v.elem, r.left = Kind(getUint(b[:4])), getUint(b[4:])
	switch {
	case r.v.elem >= nKinds:
		return r.bad("unknown element type ", uint32(r.v.elem))
	case r.v.elem == Array:
		return r.bad("array of arrays")
	}
	each := uint64(minStringBytes)
	if r.v.elem != String {
		each = uint64(kindBytes[r.v.elem])
	}
	if r.left > r.d.left()/each {
		return r.bad("array of ", r.left, " ", r.v.elem, " does not fit the ", r.d.left(), " bytes left")
	}
	r.v.n = int(r.left)
	r.text.Reset()
	if r.v.elem == String {
		return r.nextString()
	}
	return r.nextRaw()
}

// nextRaw takes the next stretch of an array of fixed-size elements.
func (r *keyReader) nextRaw() error {
	if r.left == 0 {
		return r.done()
	}
	size := uint64(kindBytes[r.v.elem])
	n := min(r.left, rawStep/size)
	r.left -= n
	return r.d.next(n*size, r.rawBytes)
}

func (r *keyReader) rawBytes(b []byte) error {
	if r.v.elem == Bool {
		for _, x := range b {
			if x > 1 {
				return r.bad("bool of value ", x)
			}
		}
	}
	r.v.raw = append(r.v.raw, b...)
	return r.nextRaw()
}

// nextString takes the next string of an array.
func (r *keyReader) nextString() error {
	if r.left == 0 {
		r.v.text = r.text.String()
		return r.done()
	}
	r.left--
	return r.d.next(8, r.stringLength)
}

func (r *keyReader) stringLength(b []byte) error {
	n := getUint(b)
	if n > maxTokenBytes {
		return r.bad("element ", len(r.v.ends), " of ", n, " bytes is over ", maxTokenBytes)
	}
	return r.d.next(n, r.stringBytes)
}

// stringBytes keeps the string. The sum of lengths fits uint32 because the
// header does.
func (r *keyReader) stringBytes(b []byte) error {
	r.text.Write(b)
	r.v.ends = append(r.v.ends, uint32(r.text.Len()))
	return r.nextString()
}

func (r *keyReader) done() error {
	r.d.file.Metadata.put(r.key, r.v)
	return r.d.nextKey()
}

func (r *keyReader) bad(parts ...any) error {
	return fault.New(fault.BadFile, append([]any{"gguf: key ", fault.Quote(r.key), ": "}, parts...)...)
}
