package module

// Opcodes that linking tells apart. (Specification 5.4.)
const (
	OpUnreachable  = 0x00
	OpBlock        = 0x02
	OpLoop         = 0x03
	OpIf           = 0x04
	OpElse         = 0x05
	OpEnd          = 0x0b
	OpBr           = 0x0c
	OpBrIf         = 0x0d
	OpBrTable      = 0x0e
	OpReturn       = 0x0f
	OpCall         = 0x10
	OpCallIndirect = 0x11
	OpLocalGet     = 0x20
	OpLocalSet     = 0x21
	OpLocalTee     = 0x22
	OpI32Const     = 0x41
	OpI64Const     = 0x42
	OpI64Add       = 0x7c
)

// An Instr is one instruction of a body: bytes Start..End of it. Index is what Op
// names where it names one thing (a function, a label, a local, a global) and the
// offset of a load or store, Const the value of an integer constant.
type Instr struct {
	Op         byte
	Start, End int
	Index      uint32
	Const      int64
}

// Bodies returns the bodies of a code section: locals and instructions, which alias it.
//
// Errors: ERR_BAD_FILE when a body lies past the end.
func Bodies(payload []byte) ([][]byte, error) {
	r := reader{b: payload}
	var bodies [][]byte
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		bodies = append(bodies, r.bytes(r.u32()))
	}
	if r.err == nil && r.off != len(payload) {
		r.fail(len(payload)-r.off, " bytes after the last body")
	}
	return bodies, r.err
}

// AppendBodies is the inverse of Bodies.
func AppendBodies(b []byte, bodies [][]byte) []byte {
	b = appendU32(b, uint32(len(bodies)))
	for _, body := range bodies {
		b = append(appendU32(b, uint32(len(body))), body...)
	}
	return b
}

// Instrs returns the instructions of a body, in order; the first begins after the locals.
//
// Errors: ERR_BAD_FILE for an instruction that is cut or beyond WebAssembly 1.0 with
// saturating truncation, sign extension and bulk memory, which is what Go emits.
func Instrs(body []byte) ([]Instr, error) {
	r := reader{b: body}
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		r.u32()
		r.byte()
	}
	var out []Instr
	for r.err == nil && r.off < len(body) {
		in := Instr{Start: r.off}
		in.Op = r.byte()
		switch in.Op {
		case OpI32Const:
			in.Const = int64(r.s32())
		case OpI64Const:
			in.Const = r.s64()
		default:
			in.Index = r.immediates(in.Op)
		}
		in.End = r.off
		out = append(out, in)
	}
	return out, r.err
}

// immediates steps over what follows an opcode and returns the index it names.
func (r *reader) immediates(op byte) (index uint32) {
	switch {
	case op == OpBlock || op == OpLoop || op == OpIf:
		r.blockType()
	case op == OpBr || op == OpBrIf || op == OpCall, OpLocalGet <= op && op <= 0x24: // 0x24: global.set
		return r.u32()
	case op == OpBrTable:
		for n := uint64(r.u32()) + 1; n > 0 && r.err == nil; n-- {
			r.u32()
		}
	case accesses(op): // alignment and offset
		r.u32()
		return r.u32()
	case op == OpCallIndirect: // type and table
		r.u32()
		r.u32()
	case op == 0x3f || op == 0x40: // memory.size, memory.grow
		r.byte()
	case op == 0x43:
		r.bytes(4)
	case op == 0x44:
		r.bytes(8)
	case op == 0xfc:
		r.prefixed()
	case op <= 0x01, op == OpElse, op == OpEnd, op == OpReturn, op == 0x1a, op == 0x1b, 0x45 <= op && op <= 0xc4:
	default:
		r.fail("opcode ", op)
	}
	return 0
}

// accesses says whether an opcode is a load or a store.
func accesses(op byte) bool { return 0x28 <= op && op <= 0x3e }

// blockType reads the type of a block: none or one value. (Specification 5.4.1.)
func (r *reader) blockType() {
	switch t := r.byte(); t {
	case 0x40, 0x7c, 0x7d, 0x7e, 0x7f:
	default:
		r.fail("block of type ", t)
	}
}

// prefixed steps over the rest of an instruction that begins with 0xfc.
func (r *reader) prefixed() {
	switch op := r.u32(); {
	case op <= 7: // saturating truncation
	case op == 10: // memory.copy
		r.bytes(2)
	case op == 11: // memory.fill
		r.byte()
	default:
		r.fail("opcode 252 ", op)
	}
}
