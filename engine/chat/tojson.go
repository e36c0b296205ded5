package chat

import (
	"bytes"
	"strings"

	"pastel/engine/jsonvalue"
)

// jsonStyle is how the filter tojson writes.
type jsonStyle struct {
	indent     int
	item, key  string // separators
	ascii      bool
	sorted     bool
	undefined  string // what undefined is written as
	prints     bool   // for {{ }}, where a tuple cannot look like a list
	writtenYet int    // bytes counted so far
}

// dumps is the style of a value that prints: Python's json.dumps.
var dumps = jsonStyle{item: ", ", key: ": ", undefined: "undefined", prints: true}

// toJSON writes v as JSON, with Python's spaces: {"a": [1, 2]}.
func (r *run) toJSON(line int, v value, style jsonStyle) string {
	return string(r.appendJSON(nil, line, v, &style, 0))
}

func (r *run) appendJSON(dst []byte, line int, v value, style *jsonStyle, level int) []byte {
	if r.stopped() || !r.spend(1) || !r.enter() {
		return dst
	}
	defer func() { r.left.Depth++ }()
	if n := len(dst) - style.writtenYet; n > 4096 { // count what sharing can multiply
		style.writtenYet = len(dst)
		if !r.make(n) {
			return dst
		}
	}
	switch v.kind {
	case kindUndefined:
		return append(dst, style.undefined...)
	case kindNone:
		return append(dst, "null"...)
	case kindBool:
		return append(dst, r.display(line, v)...)
	case kindInt, kindFloat:
		return jsonvalue.AppendFloat(dst, v.num, false)
	case kindString:
		return r.appendString(dst, v.str, style)
	case kindList:
		if v.list.tuple && style.prints {
			r.fail(line, "cannot print a tuple")
			return dst
		}
		return r.appendList(dst, line, v.list.items, style, level)
	case kindDict, kindNamespace:
		return r.appendDict(dst, line, v.dict, style, level)
	}
	r.fail(line, "cannot write ", v.kind, " as JSON")
	return dst
}

func (r *run) appendString(dst []byte, s string, style *jsonStyle) []byte {
	if !r.scan(len(s)) {
		return dst
	}
	start := len(dst)
	dst = jsonvalue.AppendString(dst, s, style.ascii)
	if style.ascii && bytes.IndexByte(dst[start:], 0x7F) >= 0 {
		dst = append(dst[:start], strings.ReplaceAll(string(dst[start:]), "\x7f", `\u007f`)...)
	}
	return dst
}

func (r *run) appendList(dst []byte, line int, items []value, style *jsonStyle, level int) []byte {
	dst = append(dst, '[')
	for i, item := range items {
		if r.stopped() {
			return dst
		}
		dst = r.separate(dst, style, i, level+1)
		dst = r.appendJSON(dst, line, item, style, level+1)
	}
	return append(r.closing(dst, style, len(items), level), ']')
}

func (r *run) appendDict(dst []byte, line int, d *dict, style *jsonStyle, level int) []byte {
	dst = append(dst, '{')
	for i, at := range r.dictOrder(d, style.sorted) {
		if r.stopped() {
			return dst
		}
		dst = r.separate(dst, style, i, level+1)
		dst = append(r.appendString(dst, d.keys[at], style), style.key...)
		dst = r.appendJSON(dst, line, d.values[at], style, level+1)
	}
	return append(r.closing(dst, style, d.len(), level), '}')
}

// dictOrder returns the positions of d's members in the order of writing.
func (r *run) dictOrder(d *dict, sorted bool) []int {
	if !r.makeList(d.len()) {
		return nil
	}
	order := make([]int, d.len())
	for i := range order {
		order[i] = i
	}
	if sorted {
		sortStable(order, func(a, b int) int { return compareKeys(d.keys[a], d.keys[b]) })
	}
	return order
}

func (r *run) separate(dst []byte, style *jsonStyle, i, level int) []byte {
	if i > 0 {
		dst = append(dst, style.item...)
	}
	return r.newline(dst, style, level)
}

func (r *run) closing(dst []byte, style *jsonStyle, n, level int) []byte {
	if n == 0 {
		return dst
	}
	return r.newline(dst, style, level)
}

func (r *run) newline(dst []byte, style *jsonStyle, level int) []byte {
	if style.indent <= 0 || !r.make(style.indent*level) {
		return dst
	}
	return append(append(dst, '\n'), strings.Repeat(" ", style.indent*level)...)
}
