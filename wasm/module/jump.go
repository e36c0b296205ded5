package module

import "slices"

// noResult is the type of a block without a result.
const noResult = 0x40

// JumpDirectly makes jumps that go by way of a dispatch branches to where they lead.
//
// Go's compiler numbers the places of a function that may be jumped to. A jump puts
// the number into a local and starts a loop again, in which a br_table over blocks,
// each ending at its place, finds the way:
//
//	loop; block; block; local.get 0; br_table 0 1; end; ...; end; ...
//	i32.const 1; local.set 0; br 2
//
// As long as the block of a place is open, its end is one branch away: a small number
// where the depth of the loop is another one at every jump. "if; br; end" becomes
// br_if, and a branch to the next instruction nothing.
//
// Errors: ERR_BAD_FILE as of Instrs.
func JumpDirectly(body []byte) ([]byte, error) {
	instrs, err := Instrs(body)
	if err != nil {
		return nil, err
	}
	d, found := findDispatch(body, instrs)
	if !found || !d.alone(instrs) {
		return body, nil
	}
	out := make([]byte, 0, len(body))
	at := 0
	d.walk(instrs, func(i, depth, open int) bool {
		level := d.depth - d.label(instrs, i)
		if !d.jumps(instrs, i) || level <= d.loop || level > open {
			return true
		}
		start, branch, end := instrs[i-2].Start, []byte{OpBr}, instrs[i].End
		label := depth - level
		switch next := i + 1; {
		case next == len(instrs) || instrs[next].Op != OpEnd:
		case instrs[i-3].Op == OpIf && body[instrs[i-3].Start+1] == noResult:
			start, branch, end = instrs[i-3].Start, []byte{OpBrIf}, instrs[next].End
			label--
		case label == 0:
			branch = nil
		}
		out = append(out, body[at:start]...)
		if branch != nil {
			out = appendU32(append(out, branch...), uint32(label))
		}
		at = end
		return true
	})
	return append(out, body[at:]...), nil
}

// A dispatch is the loop and the br_table that jumps go by way of. Depths count the
// blocks that are open: label l at depth d is the block that made the depth d-l.
type dispatch struct {
	local  uint32 // what br_table reads
	labels []int  // its labels; the last is for all greater numbers
	at     int    // which instruction it is
	depth  int    // at br_table
	loop   int    // in the loop, before the blocks
}

// findDispatch finds the first br_table, when it reads a local right within blocks
// without results, right within a loop.
func findDispatch(body []byte, instrs []Instr) (d dispatch, found bool) {
	d.at = slices.IndexFunc(instrs, func(in Instr) bool { return in.Op == OpBrTable })
	if d.at < 1 || instrs[d.at-1].Op != OpLocalGet {
		return d, false
	}
	d.local = instrs[d.at-1].Index
	for _, in := range instrs[:d.at] {
		switch in.Op {
		case OpBlock, OpLoop, OpIf:
			d.depth++
		case OpEnd:
			d.depth--
		}
	}
	first := d.at - 1
	for first > 0 && instrs[first-1].Op == OpBlock && body[instrs[first-1].Start+1] == noResult {
		first--
	}
	if first == 0 || instrs[first-1].Op != OpLoop {
		return d, false
	}
	d.loop = d.depth - (d.at - 1 - first)
	r := reader{b: body, off: instrs[d.at].Start + 1}
	for n := uint64(r.u32()) + 1; n > 0 && r.err == nil; n-- {
		d.labels = append(d.labels, int(r.u32()))
	}
	return d, r.err == nil
}

// walk visits what follows br_table until visit says no: with each instruction the
// depth it is at and the least depth there was so far. A block that made a greater
// depth than that, before br_table, is closed.
func (d *dispatch) walk(instrs []Instr, visit func(i, depth, open int) bool) bool {
	depth, open := d.depth, d.depth
	for i := d.at + 1; i < len(instrs); i++ {
		switch instrs[i].Op {
		case OpBlock, OpLoop, OpIf:
			depth++
		case OpEnd:
			depth--
			open = min(open, depth)
		}
		if !visit(i, depth, open) {
			return false
		}
	}
	return true
}

// jumps says whether instruction i is the br of "i32.const; local.set; br".
func (d *dispatch) jumps(instrs []Instr, i int) bool {
	return i-2 > d.at && instrs[i].Op == OpBr && d.sets(instrs[i-1]) && instrs[i-2].Op == OpI32Const
}

func (d *dispatch) sets(in Instr) bool { return in.Op == OpLocalSet && in.Index == d.local }

// label returns the label br_table takes for the jump at instruction i.
func (d *dispatch) label(instrs []Instr, i int) int {
	if !d.jumps(instrs, i) {
		return 0
	}
	n := uint32(instrs[i-2].Const)
	return d.labels[min(uint64(n), uint64(len(d.labels)-1))]
}

// alone says whether nothing but jumps starts the loop again, and nothing but br_table
// reads what they put into the local, so that a jump which goes elsewhere need not. (Go
// uses the local for the number of a function, too: from its set to the next block or
// branch, fresh, it may be read.)
func (d *dispatch) alone(instrs []Instr) bool {
	for _, in := range instrs[:d.at-1] {
		if d.reads(in) {
			return false
		}
	}
	fresh := false
	return d.walk(instrs, func(i, depth, open int) bool {
		switch in := instrs[i]; in.Op {
		case OpBrTable:
			return false
		case OpBr, OpBrIf:
			fresh = false
			again := open >= d.loop && int64(depth)-int64(in.Index) == int64(d.loop)
			return again == d.jumps(instrs, i)
		case OpBlock, OpLoop, OpIf, OpElse, OpEnd:
			fresh = false
		default:
			fresh = fresh || d.sets(in)
			return fresh || !d.reads(in)
		}
		return true
	})
}

// reads says whether an instruction reads the local (or might).
func (d *dispatch) reads(in Instr) bool {
	return in.Index == d.local && (in.Op == OpLocalGet || in.Op == OpLocalTee)
}
