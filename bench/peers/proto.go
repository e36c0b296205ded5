package main

import (
	"encoding/binary"
	"math"
)

// Just enough of protocol buffers' encoding to write an ONNX model.
// Source: protobuf.dev/programming-guides/encoding; onnx.proto for the field numbers.

func varint(b []byte, field int, v int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3), uint64(v))
}

func bytesField(b []byte, field int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func text(b []byte, field int, v string) []byte { return bytesField(b, field, []byte(v)) }

// An attr is a node's attribute: an int or a float64.
type attr struct {
	name  string
	value any
}

// encode writes an AttributeProto.
func (a attr) encode() []byte {
	b := text(nil, 1, a.name)
	switch v := a.value.(type) {
	case int:
		return varint(varint(b, 3, int64(v)), 20, 2)
	case float64:
		b = binary.AppendUvarint(b, 2<<3|5)
		return varint(binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v))), 20, 1)
	}
	panic("peers: attribute of another type")
}

// node adds a NodeProto. It is named after its first output.
func (g *graph) node(op, domain string, inputs, outputs []string, attrs ...attr) {
	var b []byte
	for _, s := range inputs {
		b = text(b, 1, s)
	}
	for _, s := range outputs {
		b = text(b, 2, s)
	}
	b = text(text(b, 3, op+"_"+outputs[0]), 4, op)
	for _, a := range attrs {
		b = bytesField(b, 5, a.encode())
	}
	if domain != "" {
		b = text(b, 7, domain)
	}
	g.nodes = bytesField(g.nodes, 1, b)
}

// initializer adds a TensorProto.
func (g *graph) initializer(name string, typ int, raw []byte, dims ...int) {
	var head []byte
	for _, d := range dims {
		head = varint(head, 1, int64(d))
	}
	head = text(varint(head, 2, int64(typ)), 8, name)
	g.initializers = bytesField(g.initializers, 5, bytesField(head, 9, raw))
}

// value appends a ValueInfoProto. A dimension is an int or a name.
func value(b []byte, field int, name string, typ int, dims ...any) []byte {
	var shape []byte
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			shape = bytesField(shape, 1, varint(nil, 1, int64(d)))
		case string:
			shape = bytesField(shape, 1, text(nil, 2, d))
		}
	}
	tensor := bytesField(varint(nil, 1, int64(typ)), 2, shape)
	return bytesField(b, field, bytesField(text(nil, 1, name), 2, bytesField(nil, 1, tensor)))
}

// model wraps the graph in a ModelProto: IR version 8, operator set 17.
func (g *graph) model() []byte {
	body := text(append([]byte{}, g.nodes...), 2, "decoder")
	body = append(append(append(body, g.initializers...), g.inputs...), g.outputs...)
	b := bytesField(text(varint(nil, 1, 8), 2, "pastel"), 7, body)
	b = bytesField(b, 8, varint(text(nil, 1, ""), 2, 17))
	return bytesField(b, 8, varint(text(nil, 1, msDomain), 2, 1))
}
