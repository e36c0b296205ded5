package module

import "pastel/fault"

// Reorder gives a module's own functions another order: first comes the one that was
// order[0]. Whatever names a function names it by its new number: calls, exports,
// tables and the start function. (Specification 5.5.) Custom sections stay as they are.
//
// Errors: ERR_BAD_FILE when a section is cut, order is not one of all functions, or a
// table is filled otherwise than by numbers at a constant place.
func Reorder(sections []Section, order []int) error {
	imported, err := ImportedFuncs(sections)
	if err != nil {
		return err
	}
	n, err := newNumbers(imported, order)
	if err != nil {
		return err
	}
	for i := range sections {
		s := &sections[i]
		r := reader{b: s.Payload}
		switch s.ID {
		case Function:
			s.Payload = n.types(&r)
		case Export:
			s.Payload = n.exports(&r)
		case Start:
			s.Payload = appendU32(nil, n.of(&r))
		case Element:
			s.Payload = n.elements(&r)
		case Code:
			if s.Payload, err = n.code(s.Payload); err != nil {
				return err
			}
		default:
			continue
		}
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// numbers are the functions' new numbers.
type numbers struct {
	order []int
	by    []uint32 // by old number
}

func newNumbers(imported uint32, order []int) (*numbers, error) {
	n := &numbers{order, make([]uint32, int(imported)+len(order))}
	for i := range imported {
		n.by[i] = i
	}
	seen := make([]bool, len(order))
	for i, old := range order {
		if old < 0 || old >= len(order) || seen[old] {
			return nil, fault.New(fault.BadFile, "module: function ", old, " of ", len(order), " twice or not there")
		}
		seen[old] = true
		n.by[int(imported)+old] = imported + uint32(i)
	}
	return n, nil
}

// of reads a function's number and returns its new one.
func (n *numbers) of(r *reader) uint32 {
	old := r.u32()
	if uint64(old) >= uint64(len(n.by)) {
		r.fail("function ", old, " of ", len(n.by))
		return 0
	}
	return n.by[old]
}

// types orders the types of functions.
func (n *numbers) types(r *reader) []byte {
	var types []uint32
	for range n.counted(r) {
		types = append(types, r.u32())
	}
	if r.err != nil {
		return nil
	}
	out := appendU32(nil, uint32(len(types)))
	for _, old := range n.order {
		out = appendU32(out, types[old])
	}
	return out
}

// counted reads how many own functions there are.
func (n *numbers) counted(r *reader) int {
	if count := r.u32(); count != uint32(len(n.order)) {
		r.fail(count, " functions, an order of ", len(n.order))
		return 0
	}
	return len(n.order)
}

func (n *numbers) exports(r *reader) []byte {
	count := r.u32()
	out := appendU32(nil, count)
	for ; count > 0 && r.err == nil; count-- {
		out = appendName(out, r.name())
		kind := r.byte()
		out = append(out, kind)
		if kind == kindFunc {
			out = appendU32(out, n.of(r))
		} else {
			out = appendU32(out, r.u32())
		}
	}
	return out
}

// elements renumbers segments of kind 0: functions put into table 0 from a constant place on.
func (n *numbers) elements(r *reader) []byte {
	segments := r.u32()
	out := appendU32(nil, segments)
	for ; segments > 0 && r.err == nil; segments-- {
		if kind := r.u32(); kind != 0 {
			r.fail("element segment of kind ", kind)
		}
		out = AppendI32Const(append(out, 0), r.constOffset())
		count := r.u32()
		out = appendU32(append(out, OpEnd), count)
		for ; count > 0 && r.err == nil; count-- {
			out = appendU32(out, n.of(r))
		}
	}
	return out
}

// code orders and renumbers bodies.
func (n *numbers) code(payload []byte) ([]byte, error) {
	bodies, err := Bodies(payload)
	if err != nil {
		return nil, err
	}
	if len(bodies) != len(n.order) {
		return nil, fault.New(fault.BadFile, "module: ", len(bodies), " bodies, an order of ", len(n.order))
	}
	ordered := make([][]byte, len(bodies))
	for i, old := range n.order {
		if ordered[i], err = n.calls(bodies[old]); err != nil {
			return nil, err
		}
	}
	return AppendBodies(nil, ordered), nil
}

// calls renumbers what a body calls.
func (n *numbers) calls(body []byte) ([]byte, error) {
	instrs, err := Instrs(body)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body))
	at := 0
	for _, in := range instrs {
		if in.Op != OpCall {
			continue
		}
		r := reader{b: body, off: in.Start + 1}
		out = appendU32(append(out, body[at:in.Start+1]...), n.of(&r))
		if r.err != nil {
			return nil, r.err
		}
		at = in.End
	}
	return append(out, body[at:]...), nil
}
