package simd128

// An op is one instruction of WebAssembly.
type op struct {
	name   string
	prefix byte // 0xfc, 0xfd, 0xfe, or 0 for none
	code   uint32
	result Type // 0 for none
	mem    int  // bytes of the memory access, 0 when it is none
}

// relaxed reports whether o belongs to relaxed SIMD.
func (o *op) relaxed() bool { return o.prefix == 0xfd && o.code >= 0x100 }

// encode appends the opcode of o.
func (o *op) encode(b []byte) []byte {
	if o.prefix == 0 {
		return append(b, byte(o.code))
	}
	return appendUleb(append(b, o.prefix), uint64(o.code))
}

// The instructions that are not methods of values. They have no entry in ops.txt.
var (
	opUnreachable  = &op{name: "unreachable", code: 0x00}
	opBlock        = &op{name: "block", code: 0x02}
	opLoop         = &op{name: "loop", code: 0x03}
	opIf           = &op{name: "if", code: 0x04}
	opElse         = &op{name: "else", code: 0x05}
	opEnd          = &op{name: "end", code: 0x0b}
	opBr           = &op{name: "br", code: 0x0c}
	opBrIf         = &op{name: "br_if", code: 0x0d}
	opBrTable      = &op{name: "br_table", code: 0x0e}
	opReturn       = &op{name: "return", code: 0x0f}
	opCall         = &op{name: "call", code: 0x10}
	opCallIndirect = &op{name: "call_indirect", code: 0x11}
	opSelect       = &op{name: "select", code: 0x1b}
	opLocalGet     = &op{name: "local.get", code: 0x20}
	opLocalSet     = &op{name: "local.set", code: 0x21}
	opGlobalGet    = &op{name: "global.get", code: 0x23}
	opGlobalSet    = &op{name: "global.set", code: 0x24}
	opMemorySize   = &op{name: "memory.size", code: 0x3f}
	opMemoryGrow   = &op{name: "memory.grow", code: 0x40}
	opMemoryCopy   = &op{name: "memory.copy", prefix: 0xfc, code: 10}
	opMemoryFill   = &op{name: "memory.fill", prefix: 0xfc, code: 11}
	opAtomicFence  = &op{name: "atomic.fence", prefix: 0xfe, code: 3}
	opI32Const     = &op{name: "i32.const", code: 0x41, result: TypeI32}
	opI64Const     = &op{name: "i64.const", code: 0x42, result: TypeI64}
	opF32Const     = &op{name: "f32.const", code: 0x43, result: TypeF32}
	opF64Const     = &op{name: "f64.const", code: 0x44, result: TypeF64}
	opV128Const    = &op{name: "v128.const", prefix: 0xfd, code: 12, result: TypeV128}
)

// An instr is an op with its immediates. A call's function index is known only when the module is built.
type instr struct {
	op     *op
	imm    []byte
	text   string // immediates as a listing shows them
	callee *Func
	depth  int // nesting at which a listing shows it
}
