package module

import "pastel/fault"

// A SectionID is the first byte of a section.
type SectionID byte

// The sections this package looks into. (Specification 5.5.2.)
const (
	Custom    SectionID = 0
	Type      SectionID = 1
	Import    SectionID = 2
	Function  SectionID = 3
	Table     SectionID = 4
	Memory    SectionID = 5
	Export    SectionID = 7
	Start     SectionID = 8
	Element   SectionID = 9
	Code      SectionID = 10
	Data      SectionID = 11
	DataCount SectionID = 12
)

// A Section is one section. Payload is everything after its size; it aliases the
// bytes it was decoded from.
type Section struct {
	ID      SectionID
	Payload []byte
}

// header is the magic number and version 1. (Specification 5.5.16.)
var header = []byte("\x00asm\x01\x00\x00\x00")

// Decode splits a module into its sections, in the order of the file.
//
// Errors: ERR_BAD_FILE for a wrong header or a section past the end.
func Decode(b []byte) ([]Section, error) {
	if len(b) < len(header) || string(b[:len(header)]) != string(header) {
		return nil, fault.New(fault.BadFile, "module: not a version 1 WebAssembly module")
	}
	r := reader{b: b, off: len(header)}
	var sections []Section
	for r.off < len(b) && r.err == nil {
		id := SectionID(r.byte())
		sections = append(sections, Section{ID: id, Payload: r.bytes(r.u32())})
	}
	if r.err != nil {
		return nil, r.err
	}
	return sections, nil
}

// Encode joins sections into a module.
func Encode(sections []Section) []byte {
	b := append([]byte(nil), header...)
	for _, s := range sections {
		b = append(b, byte(s.ID))
		b = appendU32(b, uint32(len(s.Payload)))
		b = append(b, s.Payload...)
	}
	return b
}

// NewCustom makes a custom section. (Specification 5.5.3.)
func NewCustom(name string, data []byte) Section {
	return Section{ID: Custom, Payload: append(appendName(nil, name), data...)}
}
