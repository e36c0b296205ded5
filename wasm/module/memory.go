package module

import "pastel/fault"

// MaxPages is the most 64 KiB pages a 32-bit memory has: 4 GiB.
const MaxPages = 65536

// MemorySection is the name of the custom section that tells a host, in four
// little-endian bytes, how many pages the imported memory must begin with:
// JavaScript cannot ask a WebAssembly.Module for the limits of its imports.
const MemorySection = "pastel.memory"

// Limits are a memory's limits. (Specification 5.3.7; threads proposal for Shared.)
type Limits struct {
	Min, Max uint32 // pages; Max is MaxPages where the binary gives none
	Shared   bool
}

// ImportSharedMemory turns the one memory a module defines into an import of a
// shared memory named mod.name, which begins with at least the pages the module
// asked for and may grow to MaxPages. Its index stays 0, so no instruction
// changes; an export of it stays an export.
//
// Errors: ERR_BAD_FILE when the bytes are not a module, when it does not define
// exactly one memory, or when it imports one already.
func ImportSharedMemory(b []byte, mod, name string) ([]byte, error) {
	sections, err := Decode(b)
	if err != nil {
		return nil, err
	}
	limits, sections, err := takeMemory(sections)
	if err != nil {
		return nil, err
	}
	limits.Max, limits.Shared = MaxPages, true
	sections, err = addMemoryImport(sections, mod, name, limits)
	if err != nil {
		return nil, err
	}
	pages := limits.Min
	note := []byte{byte(pages), byte(pages >> 8), byte(pages >> 16), byte(pages >> 24)}
	return Encode(append(sections, NewCustom(MemorySection, note))), nil
}

// takeMemory removes the memory section and returns the limits of its one memory.
func takeMemory(sections []Section) (Limits, []Section, error) {
	var rest []Section
	var found []Limits
	for _, s := range sections {
		if s.ID != Memory {
			rest = append(rest, s)
			continue
		}
		r := reader{b: s.Payload}
		for range min(r.u32(), 2) {
			found = append(found, r.limits())
		}
		if r.err != nil {
			return Limits{}, nil, r.err
		}
	}
	if len(found) != 1 {
		return Limits{}, nil, fault.New(fault.BadFile, "module: defines ", len(found), " memories, want 1")
	}
	return found[0], rest, nil
}

// The flags of limits.
const (
	limitsMax    = 1
	limitsShared = 2
)

func (r *reader) limits() Limits {
	flags := r.byte()
	l := Limits{Min: r.u32(), Max: MaxPages, Shared: flags&limitsShared != 0}
	if flags&limitsMax != 0 {
		l.Max = r.u32()
	}
	if flags > limitsMax|limitsShared || l.Min > l.Max || l.Max > MaxPages {
		r.fail("limits with flags ", flags, ", pages ", l.Min, "..", l.Max)
	}
	return l
}

func appendLimits(b []byte, l Limits) []byte {
	flags := byte(limitsMax)
	if l.Shared {
		flags |= limitsShared
	}
	return appendU32(appendU32(append(b, flags), l.Min), l.Max)
}
