package module

import "pastel/fault"

// AddStart adds a function without parameters and results, given by its body, and
// has the module run it on instantiation, before anything is called.
//
// Errors: ERR_BAD_FILE when a section is cut, the module has a start function, or it
// has no types or no functions.
func AddStart(b, body []byte) ([]byte, error) {
	sections, err := Decode(b)
	if err != nil {
		return nil, err
	}
	imported, err := ImportedFuncs(sections)
	if err != nil {
		return nil, err
	}
	var types, funcs, bodies, at int
	types, funcs, bodies = -1, -1, -1
	for i, s := range sections {
		switch s.ID {
		case Type:
			types = i
		case Function:
			funcs = i
		case Code:
			bodies = i
		case Start:
			return nil, fault.New(fault.BadFile, "module: a start function already")
		}
		if s.ID != Custom && s.ID < Start {
			at = i + 1
		}
	}
	if types < 0 || funcs < 0 || bodies < 0 {
		return nil, fault.New(fault.BadFile, "module: no types, functions or code")
	}
	newType, err := extend(&sections[types], []byte{0x60, 0, 0})
	if err != nil {
		return nil, err
	}
	own, err := extend(&sections[funcs], appendU32(nil, newType))
	if err != nil {
		return nil, err
	}
	if _, err := extend(&sections[bodies], append(appendU32(nil, uint32(len(body))), body...)); err != nil {
		return nil, err
	}
	start := Section{ID: Start, Payload: appendU32(nil, imported+own)}
	return Encode(append(sections[:at:at], append([]Section{start}, sections[at:]...)...)), nil
}

// extend appends an item to a section that is a vector and returns the item's index.
func extend(s *Section, item []byte) (index uint32, err error) {
	r := reader{b: s.Payload}
	n := r.u32()
	if r.err == nil && n == 1<<32-1 {
		r.fail("no room for one more")
	}
	if r.err != nil {
		return 0, r.err
	}
	s.Payload = append(append(appendU32(nil, n+1), s.Payload[r.off:]...), item...)
	return n, nil
}

// AppendI32Const appends the instruction that gives v.
func AppendI32Const(b []byte, v uint32) []byte {
	return appendS32(append(b, OpI32Const), int32(v))
}

// AppendI64Const appends the instruction that gives v.
func AppendI64Const(b []byte, v int64) []byte {
	return appendS64(append(b, OpI64Const), v)
}
