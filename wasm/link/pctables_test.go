package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pastel/wasm/module"
)

func TestReadRunsIsTheInverseOfAppendRuns(t *testing.T) {
	for _, tt := range []struct {
		name string
		runs []pcRun
	}{
		{"one", []pcRun{{9, 0}}},
		{"first value -1", []pcRun{{2, -1}, {9, 3}}},
		{"up and down", []pcRun{{1, 0}, {300, 4096}, {301, 0}, {400, 16}}},
		{"largest values", []pcRun{{1, math.MaxInt32}, {endless, math.MinInt32}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := append(appendRuns(nil, tt.runs), 7, 7) // what follows is another table
			if got := readRuns(b); !reflect.DeepEqual(got, tt.runs) {
				t.Errorf("readRuns(% x) = %v, want %v", b, got, tt.runs)
			}
		})
	}
}

func TestThin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		runs   []pcRun
		places []uint32
		want   []pcRun
	}{
		{"one value", []pcRun{{9, 5}}, []uint32{0, 1, 8}, []pcRun{{endless, 5}}},
		{"a change between neighbours", []pcRun{{1, 0}, {9, 16}}, []uint32{0, 1, 8}, []pcRun{{1, 0}, {endless, 16}}},
		{"a change anywhere between two", []pcRun{{4, 0}, {9, 16}}, []uint32{0, 1, 8}, []pcRun{{2, 0}, {endless, 16}}},
		{"a value nobody looks up", []pcRun{{1, 0}, {5, 16}, {6, 0}, {9, 16}}, []uint32{0, 1, 8}, []pcRun{{1, 0}, {endless, 16}}},
		{"a place past the end", []pcRun{{4, 3}}, []uint32{0, 4}, []pcRun{{endless, 3}}},
		{"no table", nil, []uint32{0}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := thin(tt.runs, tt.places); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("thin(%v, %v) = %v, want %v", tt.runs, tt.places, got, tt.want)
			}
		})
	}
}

// TestThinAgrees: whatever the table, it keeps its values at the places that count, also
// when written and read again.
func TestThinAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	at := func(runs []pcRun, place uint32) int32 {
		return runs[slices.IndexFunc(runs, func(run pcRun) bool { return place < run.end })].value
	}
	for range 1000 {
		var runs []pcRun
		for end := uint32(0); end < 200; {
			end += 1 + r.Uint32N(60)
			runs = append(runs, pcRun{end, int32(len(runs)) + r.Int32N(3) - 1})
		}
		places := []uint32{0, 1}
		for range r.IntN(20) {
			places = append(places, r.Uint32N(200))
		}
		slices.Sort(places)
		thinned := readRuns(appendRuns(nil, thin(runs, places)))
		for _, place := range places {
			if got, want := at(thinned, place), at(runs, place); got != want {
				t.Fatalf("%v at %d = %d, want %d as of %v", thinned, place, got, want, runs)
			}
		}
	}
}

func TestDeepest(t *testing.T) {
	for _, tt := range []struct {
		name string
		runs []pcRun
		want uint32
	}{
		{"none", nil, 0},
		{"all alike", []pcRun{{9, 0}}, 0},
		{"after the frame is made", []pcRun{{3, 0}, {9, 16}}, 3},
		{"twice", []pcRun{{1, 0}, {4, 16}, {5, 0}, {9, 16}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := deepest(tt.runs); got != tt.want {
				t.Errorf("deepest(%v) = %d, want %d", tt.runs, got, tt.want)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	constant := func(number, place int64) []byte {
		return append(module.AppendI64Const(nil, number<<pcBits|place), 0x1a)
	}
	bodies := [][]byte{
		{0, module.OpEnd},
		slices.Concat([]byte{0}, constant(pcBase+1, 7), constant(pcBase+1, 3), constant(pcBase, 5), []byte{module.OpEnd}),
	}
	returns, err := returnPlaces(bodies)
	if err != nil || !reflect.DeepEqual(returns, [][]uint32{nil, {7, 3}}) {
		t.Fatalf("returnPlaces = %v, %v", returns, err)
	}
	f := make([]byte, funcBytes)
	if got, want := placesOf(f, returns[1]), []uint32{0, 1, 2, 3, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("placesOf = %v, want %v", got, want)
	}
	binary.LittleEndian.PutUint32(f[funcDefer:], 20)
	if got, want := placesOf(f, []uint32{0}), []uint32{0, 1, 19, 20, 21}; !slices.Equal(got, want) {
		t.Errorf("placesOf of a function that defers = %v, want %v", got, want)
	}
}

// TestPackerSharesTables: tables that agree at the places become one, and the greatest
// depth stays though no call is made there.
func TestPackerSharesTables(t *testing.T) {
	short := appendRuns(nil, []pcRun{{1, 0}, {4, 16}})
	long := appendRuns(nil, []pcRun{{1, 0}, {90, 16}})
	deep := appendRuns(nil, []pcRun{{5, 0}, {9, 16}})
	p := tablePacker{old: slices.Concat([]byte{0}, short, long, deep), new: []byte{0}, at: map[string]uint32{}}
	fields := make([]byte, 16)
	for i, offset := range []int{1, 1 + len(short), 1 + len(short) + len(long), 0} {
		field := fields[4*i:][:4]
		binary.LittleEndian.PutUint32(field, uint32(offset))
		if err := p.move(field, []uint32{0, 1}, true); err != nil {
			t.Fatal(err)
		}
	}
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(fields[4*i:]) }
	if at(0) != at(1) || at(0) == at(2) || at(3) != 0 {
		t.Errorf("tables at %d, %d, %d, %d; want the first two together and no fourth", at(0), at(1), at(2), at(3))
	}
	if got := readRuns(p.new[at(2):]); got[len(got)-1].value != 16 {
		t.Errorf("the third is %v, without its greatest value", got)
	}
	binary.LittleEndian.PutUint32(fields, 1<<31)
	if err := p.move(fields[:4], nil, false); err == nil {
		t.Error("a table past the last was moved")
	}
}
