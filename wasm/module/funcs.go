package module

// FuncNames returns the names a name section gives functions, by index; nil where
// there is none. (Specification 7.4.1.)
//
// Errors: ERR_BAD_FILE when the section is cut.
func FuncNames(sections []Section) (map[uint32]string, error) {
	for _, s := range sections {
		r := reader{b: s.Payload}
		if s.ID != Custom || r.name() != "name" {
			continue
		}
		names := map[uint32]string{}
		for r.err == nil && r.off < len(r.b) {
			if id := r.byte(); id != 1 {
				r.bytes(r.u32())
				continue
			}
			r.u32()
			for n := r.u32(); n > 0 && r.err == nil; n-- {
				i := r.u32()
				names[i] = r.name()
			}
		}
		return names, r.err
	}
	return nil, nil
}

// ImportedFuncs returns how many functions a module imports: the index of its first own.
//
// Errors: ERR_BAD_FILE when an import is cut.
func ImportedFuncs(sections []Section) (uint32, error) {
	var count uint32
	for _, s := range sections {
		if s.ID != Import {
			continue
		}
		r := reader{b: s.Payload}
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			if r.skipImport() == kindFunc {
				count++
			}
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	return count, nil
}

// FuncParams returns how many parameters each of a module's own functions has.
//
// Errors: ERR_BAD_FILE when a type is cut or missing.
func FuncParams(sections []Section) ([]uint32, error) {
	var types, params []uint32
	for _, s := range sections {
		r := reader{b: s.Payload}
		switch s.ID {
		case Type:
			for n := r.u32(); n > 0 && r.err == nil; n-- {
				r.byte() // 0x60: a function
				count := r.u32()
				r.bytes(count)
				r.bytes(r.u32())
				types = append(types, count)
			}
		case Function:
			for n := r.u32(); n > 0 && r.err == nil; n-- {
				t := r.u32()
				if uint64(t) >= uint64(len(types)) {
					r.fail("type ", t, " of ", len(types))
					break
				}
				params = append(params, types[t])
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return params, nil
}

// ExportedFuncs returns the indices of the functions a module exports.
//
// Errors: ERR_BAD_FILE when an export is cut.
func ExportedFuncs(sections []Section) ([]uint32, error) {
	var exported []uint32
	for _, s := range sections {
		if s.ID != Export {
			continue
		}
		r := reader{b: s.Payload}
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			r.name()
			kind := r.byte()
			if i := r.u32(); kind == kindFunc {
				exported = append(exported, i)
			}
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return exported, nil
}
