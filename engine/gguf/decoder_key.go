package gguf

import (
	"strings"

	"pastel/fault"
)

// A pair is the key–value pair being read. Its states follow here, in the order
// of the file: key length, key, kind, value.
type pair struct {
	key  string
	v    value
	left uint64          // elements of the array still to come
	text strings.Builder // the strings of an array so far
}

func (d *Decoder) keyLength(b []byte) error {
	n := getUint(b)
	if n == 0 || n > maxKeyBytes {
		return d.bad("key of ", n, " bytes, want 1 to ", maxKeyBytes)
	}
	return d.next(n, (*Decoder).keyBytes)
}

func (d *Decoder) keyBytes(b []byte) error {
	d.pair.key = string(b)
	if d.file.Metadata.Has(d.pair.key) {
		return d.badKey("given twice")
	}
	return d.next(4, (*Decoder).valueKind)
}

func (d *Decoder) valueKind(b []byte) error {
	d.pair.v = value{kind: kind(getUint(b))}
	switch {
	case d.pair.v.kind >= nKinds:
		return d.badKey("unknown value type ", uint32(d.pair.v.kind))
	case d.pair.v.kind == kindString:
		return d.next(8, (*Decoder).textLength)
	case d.pair.v.kind == kindArray:
		return d.next(12, (*Decoder).arrayHead)
	}
	return d.next(uint64(kindBytes[d.pair.v.kind]), (*Decoder).scalar)
}

func (d *Decoder) scalar(b []byte) error {
	d.pair.v.bits = getUint(b)
	if d.pair.v.kind == kindBool && d.pair.v.bits > 1 {
		return d.badKey("bool of value ", d.pair.v.bits)
	}
	return d.pairDone()
}

func (d *Decoder) textLength(b []byte) error {
	n := getUint(b)
	if n > maxTextBytes {
		return d.badKey("string of ", n, " bytes is over ", maxTextBytes)
	}
	return d.next(n, (*Decoder).textBytes)
}

func (d *Decoder) textBytes(b []byte) error {
	d.pair.v.text = string(b)
	return d.pairDone()
}

// arrayHead reads the element type and the count.
func (d *Decoder) arrayHead(b []byte) error {
	d.pair.v.elem, d.pair.left = kind(getUint(b[:4])), getUint(b[4:])
	switch {
	case d.pair.v.elem >= nKinds:
		return d.badKey("unknown element type ", uint32(d.pair.v.elem))
	case d.pair.v.elem == kindArray:
		return d.badKey("array of arrays")
	}
	each := uint64(minStringBytes)
	if d.pair.v.elem != kindString {
		each = uint64(kindBytes[d.pair.v.elem])
	}
	if d.pair.left > d.left()/each {
		return d.badKey("array of ", d.pair.left, " ", d.pair.v.elem, " does not fit the ", d.left(), " bytes left")
	}
	d.pair.v.n = int(d.pair.left)
	d.pair.text.Reset()
	if d.pair.v.elem == kindString {
		return d.nextString()
	}
	return d.nextRaw()
}

// nextRaw takes the next stretch of an array of fixed-size elements.
func (d *Decoder) nextRaw() error {
	if d.pair.left == 0 {
		return d.pairDone()
	}
	size := uint64(kindBytes[d.pair.v.elem])
	n := min(d.pair.left, rawStep/size)
	d.pair.left -= n
	return d.next(n*size, (*Decoder).rawBytes)
}

func (d *Decoder) rawBytes(b []byte) error {
	if d.pair.v.elem == kindBool {
		for _, x := range b {
			if x > 1 {
				return d.badKey("bool of value ", x)
			}
		}
	}
	d.pair.v.raw = append(d.pair.v.raw, b...)
	return d.nextRaw()
}

// nextString takes the next string of an array.
func (d *Decoder) nextString() error {
	if d.pair.left == 0 {
		d.pair.v.text = d.pair.text.String()
		return d.pairDone()
	}
	d.pair.left--
	return d.next(8, (*Decoder).stringLength)
}

func (d *Decoder) stringLength(b []byte) error {
	n := getUint(b)
	if n > maxTokenBytes {
		return d.badKey("element ", len(d.pair.v.ends), " of ", n, " bytes is over ", maxTokenBytes)
	}
	return d.next(n, (*Decoder).stringBytes)
}

// stringBytes keeps the string. The sum of lengths fits uint32 because the
// header does.
func (d *Decoder) stringBytes(b []byte) error {
	d.pair.text.Write(b)
	d.pair.v.ends = append(d.pair.v.ends, uint32(d.pair.text.Len()))
	return d.nextString()
}

func (d *Decoder) pairDone() error {
	d.file.Metadata.put(d.pair.key, d.pair.v)
	return d.nextKey()
}

func (d *Decoder) badKey(parts ...any) error {
	return fault.New(fault.BadFile, append([]any{"gguf: key ", fault.Quote(d.pair.key), ": "}, parts...)...)
}
