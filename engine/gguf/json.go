package gguf

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// AppendJSON writes the header as one JSON object: version, alignment,
// data_offset, metadata in the order of the file, tensors. An array of more than
// maxItems elements (0: no limit) becomes {"elem", "count", "head"}. Numbers
// JSON cannot hold are null; bytes that are not UTF-8 are U+FFFD.
func (f *File) AppendJSON(dst []byte, maxItems int) []byte {
	dst = append(dst, `{"version":`...)
	dst = strconv.AppendUint(dst, uint64(f.Version), 10)
	dst = append(dst, `,"alignment":`...)
	dst = strconv.AppendUint(dst, f.Alignment, 10)
	dst = append(dst, `,"data_offset":`...)
	dst = strconv.AppendUint(dst, f.DataOffset, 10)
	dst = append(dst, `,"metadata":`...)
	dst = f.Metadata.AppendJSON(dst, maxItems)
	dst = append(dst, `,"tensors":[`...)
	for i := range f.Tensors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = f.Tensors[i].AppendJSON(dst)
	}
	return append(dst, "]}"...)
}

// AppendJSON writes the pairs as one JSON object; see File.AppendJSON.
func (m *Metadata) AppendJSON(dst []byte, maxItems int) []byte {
	dst = append(dst, '{')
	for i, key := range m.keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, key)
		dst = append(dst, ':')
		dst = m.values[i].appendJSON(dst, maxItems)
	}
	return append(dst, '}')
}

// AppendJSON writes name, type, shape, offset, bytes and shard.
func (t *TensorInfo) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"name":`...)
	dst = appendJSONString(dst, t.Name)
	dst = append(dst, `,"type":`...)
	dst = appendJSONString(dst, t.Type.String())
	dst = append(dst, `,"shape":[`...)
	for i, x := range t.Shape {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(x), 10)
	}
	dst = append(dst, `],"offset":`...)
	dst = strconv.AppendUint(dst, t.Offset, 10)
	dst = append(dst, `,"bytes":`...)
	dst = strconv.AppendUint(dst, t.NBytes, 10)
	dst = append(dst, `,"shard":`...)
	dst = strconv.AppendInt(dst, int64(t.Shard), 10)
	return append(dst, '}')
}

func (v *value) appendJSON(dst []byte, maxItems int) []byte {
	switch v.kind {
	case kindString:
		return appendJSONString(dst, v.text)
	case kindBool:
		return strconv.AppendBool(dst, v.bits != 0)
	case kindFloat32, kindFloat64:
		return v.appendJSONFloat(dst)
	case kindUint64:
		return strconv.AppendUint(dst, v.bits, 10)
	case kindArray:
		return v.appendJSONArray(dst, maxItems)
	}
	x, _ := v.signed()
	return strconv.AppendInt(dst, x, 10)
}

func (v *value) appendJSONFloat(dst []byte) []byte {
	x, _ := v.float()
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, kindBytes[v.kind]*8)
}

func (v *value) appendJSONArray(dst []byte, maxItems int) []byte {
	n := v.n
	cut := maxItems > 0 && n > maxItems
	if cut {
		n = maxItems
		dst = append(dst, `{"elem":"`...)
		dst = append(dst, v.elem.String()...)
		dst = append(dst, `","count":`...)
		dst = strconv.AppendInt(dst, int64(v.n), 10)
		dst = append(dst, `,"head":`...)
	}
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v.elem == kindString {
			dst = appendJSONString(dst, v.str(i))
			continue
		}
		e := v.at(i)
		dst = e.appendJSON(dst, maxItems)
	}
	dst = append(dst, ']')
	if cut {
		dst = append(dst, '}')
	}
	return dst
}

// appendJSONString writes s with the escapes of RFC 8259 §7.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
