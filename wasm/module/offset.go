package module

import "math"

// FoldOffsets adds what is added to an address to the offset of the load or store that
// takes it: "local.get p; i64.extend_i32_u; i64.const k; i64.add; i32.wrap_i64" becomes
// "local.get p" and a greater offset. Go addresses its stack in this way, where p is
// the stack pointer.
//
// The sum must not pass 2^32, where it would have wrapped round and an offset does not:
// a stack never is at the end of all memory.
//
// Errors: ERR_BAD_FILE as of Instrs.
func FoldOffsets(body []byte) ([]byte, error) {
	instrs, err := Instrs(body)
	if err != nil {
		return nil, err
	}
	added := make([]uint32, len(instrs)) // to the offset of each instruction
	folded := make([]bool, len(instrs))  // what goes
	for i := range instrs {
		k, ok := stackOffset(instrs[i:])
		user := -1
		if ok {
			user = addressUser(instrs, i+stackOffsetInstrs)
		}
		if user < 0 || k > math.MaxUint32-int64(instrs[user].Index) {
			continue
		}
		added[user] = uint32(k)
		for j := i + 1; j < i+stackOffsetInstrs; j++ {
			folded[j] = true
		}
	}
	return appendFolded(body, instrs, added, folded), nil
}

// appendFolded returns the body without what is folded.
func appendFolded(body []byte, instrs []Instr, added []uint32, folded []bool) []byte {
	var out []byte
	at := 0
	for i, in := range instrs {
		if folded[i] || added[i] > 0 {
			out = append(out, body[at:in.Start]...)
			at = in.End
		}
		if added[i] > 0 {
			r := reader{b: body, off: in.Start + 1}
			r.u32() // alignment
			out = appendU32(append(out, body[in.Start:r.off]...), in.Index+added[i])
		}
	}
	return append(out, body[at:]...)
}

// stackOffsetInstrs is how many instructions stackOffset looks at.
const stackOffsetInstrs = 5

// stackOffset returns k where the instructions begin with an address as above.
func stackOffset(instrs []Instr) (k int64, ok bool) {
	const extend, wrap = 0xad, 0xa7
	if len(instrs) < stackOffsetInstrs || instrs[0].Op != OpLocalGet || instrs[1].Op != extend ||
		instrs[2].Op != OpI64Const || instrs[3].Op != OpI64Add || instrs[4].Op != wrap {
		return 0, false
	}
	return instrs[2].Const, instrs[2].Const >= 0
}

// addressUser returns the load or store that takes the address which is on top of the
// stack before instruction i, or -1 when another instruction takes it, or a block begins
// or ends before.
func addressUser(instrs []Instr, i int) int {
	above := 0 // operands above the address
	for ; i < len(instrs); i++ {
		pops, pushes, ok := stackEffect(instrs[i].Op)
		if !ok || pops > above+1 {
			return -1
		}
		if pops == above+1 {
			if !accesses(instrs[i].Op) {
				return -1
			}
			return i
		}
		above += pushes - pops
	}
	return -1
}

// stackEffect says how many operands an opcode takes and gives, where it neither jumps
// nor calls. (Specification 3.3.)
func stackEffect(op byte) (pops, pushes int, ok bool) {
	switch {
	case op == OpLocalGet || op == 0x23 || op == 0x3f, OpI32Const <= op && op <= 0x44: // 0x23: global.get, 0x3f: memory.size
		return 0, 1, true
	case op == OpLocalSet || op == 0x24 || op == 0x1a: // 0x24: global.set, 0x1a: drop
		return 1, 0, true
	case op == 0x1b: // select
		return 3, 1, true
	case 0x36 <= op && op <= 0x3e: // stores
		return 2, 0, true
	case op == OpLocalTee, 0x28 <= op && op <= 0x35, // loads
		op == 0x45, op == 0x50, // eqz
		0x67 <= op && op <= 0x69, 0x79 <= op && op <= 0x7b, // clz, ctz, popcnt
		0x8b <= op && op <= 0x91, 0x99 <= op && op <= 0x9f, // abs to sqrt
		0xa7 <= op && op <= 0xc4: // conversions
		return 1, 1, true
	case 0x46 <= op && op <= 0xa6: // comparisons and arithmetic of two
		return 2, 1, true
	}
	return 0, 0, false
}
