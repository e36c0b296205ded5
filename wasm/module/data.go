package module

import (
	"slices"

	"pastel/fault"
)

// A segment is an active data segment of memory 0. (Specification 5.5.14.)
type segment struct {
	at   uint32
	data []byte
}

func (s segment) end() uint64 { return uint64(s.at) + uint64(len(s.data)) }

// MergeData joins data segments with at most maxGap bytes between them into one, and
// writes zeros into the gaps: a memory is zero before its segments are written.
//
// Go's linker leaves zeros out by splitting, which makes some 50 000 segments of a
// few bytes. Measured on engine.wasm: merged, the data is 0.6 MB larger and 110 KB
// smaller under gzip.
//
// Errors: ERR_BAD_FILE when the segments are not all active ones of memory 0 with a
// constant offset, or when two overlap.
func MergeData(b []byte, maxGap int) ([]byte, error) {
	return EditData(b, maxGap, func(uint32, []byte) error { return nil })
}

// EditData is MergeData after edit has changed the joined data in place: it gets
// every joined segment with its address.
func EditData(b []byte, maxGap int, edit func(at uint32, data []byte) error) ([]byte, error) {
	sections, err := Decode(b)
	if err != nil {
		return nil, err
	}
	for i, s := range sections {
		switch s.ID {
		case DataCount: // only instructions that name segments need it, and then merging breaks them
			return nil, fault.New(fault.BadFile, "module: a data count section: its segments are named by instructions")
		case Data:
			segments, err := readSegments(s.Payload)
			if err != nil {
				return nil, err
			}
			if segments, err = merge(segments, maxGap); err != nil {
				return nil, err
			}
			for _, s := range segments {
				if err := edit(s.at, s.data); err != nil {
					return nil, err
				}
			}
			sections[i].Payload = appendSegments(nil, segments)
		}
	}
	return Encode(sections), nil
}

// SplitData leaves out of data segments every run of more than maxGap zeros.
//
// Errors: ERR_BAD_FILE as of MergeData.
func SplitData(b []byte, maxGap int) ([]byte, error) {
	sections, err := Decode(b)
	if err != nil {
		return nil, err
	}
	for i, s := range sections {
		if s.ID != Data {
			continue
		}
		segments, err := readSegments(s.Payload)
		if err != nil {
			return nil, err
		}
		var split []segment
		for _, s := range segments {
			split = appendSplit(split, s, maxGap)
		}
		sections[i].Payload = appendSegments(nil, split)
	}
	return Encode(sections), nil
}

// appendSplit appends the parts of a segment between runs of more than maxGap zeros.
func appendSplit(out []segment, s segment, maxGap int) []segment {
	part, zeros := 0, 0 // where the part begins, and how many zeros came last
	for i, b := range s.data {
		if b == 0 {
			zeros++
			continue
		}
		if zeros > maxGap {
			out = appendPart(out, s, part, i-zeros)
			part = i
		}
		zeros = 0
	}
	if zeros <= maxGap {
		zeros = 0
	}
	return appendPart(out, s, part, len(s.data)-zeros)
}

// appendPart appends the bytes of a segment from start to end, unless there are none.
func appendPart(out []segment, s segment, start, end int) []segment {
	if start >= end {
		return out
	}
	return append(out, segment{s.at + uint32(start), s.data[start:end]})
}

// merge joins segments over gaps of at most maxGap bytes.
func merge(segments []segment, maxGap int) ([]segment, error) {
	slices.SortStableFunc(segments, func(a, b segment) int {
		return int(int64(a.at) - int64(b.at))
	})
	var out []segment
	for _, s := range segments {
		if len(out) == 0 {
			out = append(out, segment{s.at, slices.Clone(s.data)})
			continue
		}
		last := &out[len(out)-1]
		gap := int64(s.at) - int64(last.end())
		if gap < 0 {
			return nil, fault.New(fault.BadFile, "module: data segments overlap at ", s.at)
		}
		if gap > int64(maxGap) {
			out = append(out, segment{s.at, slices.Clone(s.data)})
			continue
		}
		last.data = append(append(last.data, make([]byte, gap)...), s.data...)
	}
	return out, nil
}

func readSegments(payload []byte) ([]segment, error) {
	r := reader{b: payload}
	var segments []segment
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		if kind := r.u32(); kind != 0 {
			r.fail("data segment of kind ", kind)
		}
		segments = append(segments, segment{r.constOffset(), r.bytes(r.u32())})
	}
	if r.err == nil && r.off != len(payload) {
		r.fail(len(payload)-r.off, " bytes after the last data segment")
	}
	return segments, r.err
}

// constOffset reads the expression "i32.const n; end".
func (r *reader) constOffset() uint32 {
	op := r.byte()
	v := r.s32()
	if end := r.byte(); r.err == nil && (op != OpI32Const || end != OpEnd) {
		r.fail("data offset is not a constant")
	}
	return uint32(v)
}

func appendSegments(b []byte, segments []segment) []byte {
	b = appendU32(b, uint32(len(segments)))
	for _, s := range segments {
		b = AppendI32Const(append(b, 0), s.at)
		b = appendU32(append(b, OpEnd), uint32(len(s.data)))
		b = append(b, s.data...)
	}
	return b
}
