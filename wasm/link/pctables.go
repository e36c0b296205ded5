package main

import (
	"encoding/binary"
	"errors"
	"slices"

	"pastel/wasm/module"
)

// A pc table says what holds at each place of a function: how deep its stack is (pcsp)
// or which map of pointers describes it. Go writes it for all places; looked up are only
// those a stack can hold, which are those that calls return to. Rewritten to agree at
// these and to have no end, 2583 different tables of engine.wasm become 1154. Measured
// under gzip: 13 KB.

// A pcRun is a stretch of places, from where the one before ends up to end.
type pcRun struct {
	end   uint32
	value int32
}

// endless is past the last place of any function.
const endless = 1<<pcBits - 1

// readRuns reads the table a slice begins with: pairs of the difference of values,
// zigzag, and of places, up to a pair whose value does not differ. (Go 1.26,
// runtime/symtab.go, step.)
func readRuns(b []byte) []pcRun {
	var runs []pcRun
	run := pcRun{0, -1}
	for {
		value, n := binary.Uvarint(b)
		if n <= 0 || value == 0 && runs != nil {
			return runs
		}
		b = b[n:]
		places, n := binary.Uvarint(b)
		if n <= 0 {
			return runs
		}
		b = b[n:]
		run.value += int32(-(uint32(value) & 1) ^ uint32(value)>>1)
		run.end += uint32(places)
		runs = append(runs, run)
	}
}

// appendRuns is the inverse of readRuns.
func appendRuns(b []byte, runs []pcRun) []byte {
	last := pcRun{0, -1}
	for _, run := range runs {
		d := run.value - last.value
		b = binary.AppendUvarint(b, uint64(uint32(d)<<1^uint32(d>>31)))
		b = binary.AppendUvarint(b, uint64(run.end-last.end))
		last = run
	}
	return append(b, 0)
}

// thin returns runs that have the values of runs at places, which are sorted, and
// depend on nothing else.
func thin(runs []pcRun, places []uint32) []pcRun {
	var out []pcRun
	var last uint32
	for _, place := range places {
		i := slices.IndexFunc(runs, func(r pcRun) bool { return place < r.end })
		if i < 0 {
			break // past the end of the function
		}
		if n := len(out); n == 0 || out[n-1].value != runs[i].value {
			if n > 0 {
				out[n-1].end = last + 1
			}
			out = append(out, pcRun{endless, runs[i].value})
		}
		last = place
	}
	return out
}

// deepest returns the first place with the greatest value: the runtime asks how deep a
// function's stack gets at all.
func deepest(runs []pcRun) (place uint32) {
	var from uint32
	most := int32(-1)
	for _, run := range runs {
		if run.value > most {
			place, most = from, run.value
		}
		from = run.end
	}
	return place
}

// returnPlaces returns the places that the calls of each function return to: the
// constants of its body that are return addresses.
func returnPlaces(bodies [][]byte) ([][]uint32, error) {
	places := make([][]uint32, len(bodies))
	for i, body := range bodies {
		instrs, err := module.Instrs(body)
		if err != nil {
			return nil, err
		}
		for _, in := range instrs {
			if in.Op == module.OpI64Const && in.Const>>pcBits == int64(pcBase+i) {
				places[i] = append(places[i], uint32(in.Const&endless))
			}
		}
	}
	return places, nil
}

// placesOf returns all places of a _func that are looked up, sorted: where calls return
// to and, for what is true during a call, the place before; the first two, where
// goroutines begin and end; and those around its call of deferred functions, where a
// recovered panic goes on.
func placesOf(f []byte, returns []uint32) []uint32 {
	places := []uint32{0, 1}
	for _, place := range returns {
		places = append(places, max(place, 1)-1, place)
	}
	if deferred := binary.LittleEndian.Uint32(f[funcDefer:]); deferred > 0 {
		places = append(places, deferred-1, deferred, deferred+1)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// A tablePacker writes the tables that are left, each once.
type tablePacker struct {
	old, new []byte
	at       map[string]uint32 // of each table
}

// move packs the table a field of a _func points to. Offset 0 is no table.
func (p *tablePacker) move(field []byte, places []uint32, deep bool) error {
	offset := binary.LittleEndian.Uint32(field)
	if offset == 0 {
		return nil
	}
	if uint64(offset) >= uint64(len(p.old)) {
		return errors.New("a function's pc table lies past the last")
	}
	runs := readRuns(p.old[offset:])
	if deep {
		places = append(slices.Clone(places), deepest(runs))
		slices.Sort(places)
	}
	table := appendRuns(nil, thin(runs, places))
	at, found := p.at[string(table)]
	if !found {
		at = uint32(len(p.new))
		p.at[string(table)] = at
		p.new = append(p.new, table...)
	}
	binary.LittleEndian.PutUint32(field, at)
	return nil
}
