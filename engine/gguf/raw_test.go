package gguf_test

import (
	"encoding/binary"
	"slices"
)

// raw builds GGUF bytes by hand, right or wrong: the reader's tests must not
// lean on the writer.
type raw []byte

// The kinds of values, from the specification.
const (
	u8, i8, u16, i16, u32, i32, f32, boolean, str, array, u64, i64, f64 = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
)

func header(version uint32, nTensors, nKeys uint64) raw {
	return raw("GGUF").u32(version).u64(nTensors).u64(nKeys)
}

func (r raw) u32(v uint32) raw { return binary.LittleEndian.AppendUint32(slices.Clip(r), v) }
func (r raw) u64(v uint64) raw { return binary.LittleEndian.AppendUint64(slices.Clip(r), v) }
func (r raw) str(s string) raw { return append(r.u64(uint64(len(s))), s...) }

func (r raw) bytes(b ...byte) raw { return append(slices.Clip(r), b...) }

// key begins a pair of kind k.
func (r raw) key(name string, k uint32) raw { return r.str(name).u32(k) }

func (r raw) u32Key(name string, v uint32) raw { return r.key(name, u32).u32(v) }

// tensor appends a tensor info; dims innermost first, as in the file.
func (r raw) tensor(name string, typ uint32, offset uint64, dims ...uint64) raw {
	r = r.str(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r = r.u64(d)
	}
	return r.u32(typ).u64(offset)
}

// padTo fills with zeros up to the next multiple of n, and then adds more.
func (r raw) padTo(n, more int) raw {
	r = slices.Clip(r)
	for len(r)%n != 0 {
		r = append(r, 0)
	}
	return append(r, make([]byte, more)...)
}
