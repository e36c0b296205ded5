package module

import "math"

const typeI64 = 0x7e

// Hoist keeps base in a new local of a body and makes of each constant in
// [base, base+span) the sum of that local and the small rest. The new local comes
// first after the parameters; the others move up by one.
//
// Go writes a return address before every call, its function's number in the high
// bits: hoisted, the calls of all functions look alike.
//
// Errors: ERR_BAD_FILE as of Instrs.
func Hoist(body []byte, params uint32, base, span int64) ([]byte, error) {
	instrs, err := Instrs(body)
	if err != nil {
		return nil, err
	}
	h := hoisting{body: body, local: params, base: base, span: span}
	for _, in := range instrs {
		h.instr(in)
	}
	if !h.found || params == math.MaxUint32 {
		return body, nil
	}
	out := h.locals()
	out = AppendI64Const(out, base)
	out = appendU32(append(out, OpLocalSet), h.local)
	return append(out, h.out...), nil
}

// hoisting is the work on one body.
type hoisting struct {
	body       []byte
	out        []byte // the instructions so far
	local      uint32
	base, span int64
	found      bool
}

// locals returns the declarations with one i64 more, at the front.
func (h *hoisting) locals() []byte {
	r := reader{b: h.body}
	n := r.u32()
	groups := r.off
	for range n {
		r.u32()
		r.byte()
	}
	out := append(appendU32(nil, n+1), 1, typeI64)
	return append(out, h.body[groups:r.off]...)
}

// instr writes one instruction.
func (h *hoisting) instr(in Instr) {
	switch in.Op {
	case OpI64Const:
		if v := in.Const; v >= h.base && v-h.base < h.span {
			h.found = true
			h.out = appendU32(append(h.out, OpLocalGet), h.local)
			h.out = AppendI64Const(h.out, v-h.base)
			h.out = append(h.out, OpI64Add)
			return
		}
	case OpLocalGet, OpLocalSet, OpLocalTee:
		if in.Index >= h.local {
			h.out = appendU32(append(h.out, in.Op), in.Index+1)
			return
		}
	}
	h.out = append(h.out, h.body[in.Start:in.End]...)
}
