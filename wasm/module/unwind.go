package module

// earlyReturn is "if; i32.const 1; return; end".
var earlyReturn = []byte{OpIf, 0x40, OpI32Const, 1, OpReturn, OpEnd}

// earlyTail ends a body whose outermost block, once left, returns 1: "end; i32.const 1; end".
var earlyTail = []byte{OpEnd, OpI32Const, 1, OpEnd}

// ReturnEarly replaces, in a body whose outermost block is followed by nothing but
// the result 1, each conditional branch out of that block by a conditional return
// of 1. Go's compiler makes such a branch after every call, to unwind the stack,
// and its label counts the blocks there are left: a number that is different at
// each call, which nothing compresses, where the return is the same bytes
// everywhere.
//
// Errors: ERR_BAD_FILE as of Instrs.
func ReturnEarly(body []byte) ([]byte, error) {
	instrs, err := Instrs(body)
	if err != nil || !leavesEarly(body, instrs) {
		return body, err
	}
	out := make([]byte, 0, len(body)+len(body)/8)
	depth := uint32(0)
	at := 0
	for _, in := range instrs {
		switch in.Op {
		case OpBlock, OpLoop, OpIf:
			depth++
		case OpEnd:
			depth--
		case OpBrIf:
			if depth > 0 && in.Index == depth-1 {
				out = append(append(out, body[at:in.Start]...), earlyReturn...)
				at = in.End
			}
		}
	}
	return append(out, body[at:]...), nil
}

// leavesEarly says whether a body is instructions, one block without a result, and
// earlyTail. (Whole instructions are compared: a constant may end in the same bytes.)
func leavesEarly(body []byte, instrs []Instr) bool {
	n := len(instrs)
	if n < 4 || string(body[instrs[n-3].Start:]) != string(earlyTail) {
		return false
	}
	depth := 0
	blocks := 0
	for _, in := range instrs[:n-3] {
		switch in.Op {
		case OpBlock, OpLoop, OpIf:
			if depth == 0 {
				blocks++
				if in.Op != OpBlock || body[in.Start+1] != 0x40 { // a loop, or a result
					return false
				}
			}
			depth++
		case OpEnd:
			depth--
		}
	}
	return depth == 1 && blocks == 1
}
