package module

// The kinds of what is imported. (Specification 5.5.5.)
const (
	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
	kindGlobal = 3
)

// addMemoryImport appends a memory to the imports, making an import section where
// there is none: after the types, before everything else that is not custom.
func addMemoryImport(sections []Section, mod, name string, l Limits) ([]Section, error) {
	entry := append(appendName(appendName(nil, mod), name), kindMemory)
	entry = appendLimits(entry, l)
	for i, s := range sections {
		if s.ID == Import {
			payload, err := appendImport(s.Payload, entry)
			sections[i].Payload = payload
			return sections, err
		}
	}
	at := 0
	for i, s := range sections {
		if s.ID == Type {
			at = i + 1
		}
	}
	added := Section{ID: Import, Payload: append([]byte{1}, entry...)}
	return append(sections[:at:at], append([]Section{added}, sections[at:]...)...), nil
}

// appendImport adds one entry to the payload of an import section.
func appendImport(payload, entry []byte) ([]byte, error) {
	r := reader{b: payload}
	n := r.u32()
	start := r.off
	for i := uint32(0); i < n && r.err == nil; i++ {
		if r.skipImport() == kindMemory {
			r.fail("a memory is imported already")
		}
	}
	if r.err == nil && r.off != len(payload) {
		r.fail(len(payload)-r.off, " bytes after the last import")
	}
	if r.err == nil && n == 1<<32-1 {
		r.fail("no room for one more import")
	}
	if r.err != nil {
		return nil, r.err
	}
	out := appendU32(nil, n+1)
	out = append(out, payload[start:]...)
	return append(out, entry...), nil
}

// skipImport steps over one import and returns its kind.
func (r *reader) skipImport() byte {
	r.name()
	r.name()
	kind := r.byte()
	switch kind {
	case kindFunc:
		r.u32()
	case kindTable:
		r.byte()
		r.limits()
	case kindMemory:
		r.limits()
	case kindGlobal:
		r.bytes(2)
	default:
		r.fail("import of kind ", kind)
	}
	return kind
}
