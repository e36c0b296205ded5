package module

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"pastel/fault"
)

func TestS32IsTheInverseOfAppendS32(t *testing.T) {
	for _, v := range []int32{0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, math.MaxInt32, math.MinInt32} {
		r := reader{b: appendS32(nil, v)}
		if got := r.s32(); got != v || r.err != nil || r.off != len(r.b) {
			t.Errorf("s32(appendS32(%d)) = %d, %v", v, got, r.err)
		}
	}
}

func withData(segments ...segment) []byte {
	return Encode([]Section{{Data, appendSegments(nil, segments)}})
}

func TestMergeData(t *testing.T) {
	a, b, far := segment{16, []byte("ab")}, segment{20, []byte("c")}, segment{1 << 31, []byte("z")}
	for _, tt := range []struct {
		name   string
		in     []segment
		maxGap int
		want   []segment
	}{
		{"none", nil, 8, nil},
		{"one", []segment{a}, 8, []segment{a}},
		{"gap as wide as allowed", []segment{a, b}, 2, []segment{{16, []byte("ab\x00\x00c")}}},
		{"gap one too wide", []segment{a, b}, 1, []segment{a, b}},
		{"out of order", []segment{b, a}, 2, []segment{{16, []byte("ab\x00\x00c")}}},
		{"touching", []segment{{1, []byte("x")}, {2, []byte("y")}}, 0, []segment{{1, []byte("xy")}}},
		{"address past 2^31", []segment{far, a}, 2, []segment{a, far}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			merged, err := MergeData(withData(tt.in...), tt.maxGap)
			if err != nil {
				t.Fatal(err)
			}
			sections, _ := Decode(merged)
			got, err := readSegments(sections[0].Payload)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("MergeData(%v, %d) = %v, %v, want %v", tt.in, tt.maxGap, got, err, tt.want)
			}
		})
	}
}

func TestSplitData(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []segment
		want []segment
	}{
		{"none", nil, nil},
		{"few zeros", []segment{{8, []byte("a\x00\x00b")}}, []segment{{8, []byte("a\x00\x00b")}}},
		{"many zeros", []segment{{8, []byte("a\x00\x00\x00b")}}, []segment{{8, []byte("a")}, {12, []byte("b")}}},
		{"many zeros first and last", []segment{{8, []byte("\x00\x00\x00b\x00\x00\x00")}}, []segment{{11, []byte("b")}}},
		{"few zeros first and last", []segment{{8, []byte("\x00b\x00")}}, []segment{{8, []byte("\x00b\x00")}}},
		{"all zeros", []segment{{8, make([]byte, 3)}, {16, []byte("c")}}, []segment{{16, []byte("c")}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			split, err := SplitData(withData(tt.in...), 2)
			if err != nil {
				t.Fatal(err)
			}
			sections, _ := Decode(split)
			if got, err := readSegments(sections[0].Payload); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("SplitData(%v, 2) = %v, %v, want %v", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestMergeDataRefuses(t *testing.T) {
	data := func(payload string) []byte { return Encode([]Section{{Data, []byte(payload)}}) }
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"overlap", withData(segment{1, []byte("abc")}, segment{3, []byte("d")})},
		{"passive segment", data("\x01\x01\x01a")},
		{"offset from a global", data("\x01\x00\x23\x00\x0b\x01a")},
		{"segment cut", data("\x01\x00\x41\x00\x0b\x02a")},
		{"bytes after the last", data("\x00\x00")},
		{"data count", Encode([]Section{{DataCount, []byte{0}}})},
		{"not a module", []byte("x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := MergeData(tt.in, 8); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
				t.Errorf("MergeData(% x) = %v, want ERR_BAD_FILE", tt.in, err)
			}
		})
	}
}

// FuzzMergeData: no panic, and merging again changes nothing.
func FuzzMergeData(f *testing.F) {
	f.Add(withData(segment{16, []byte("ab")}, segment{20, []byte("c")}), 4)
	f.Fuzz(func(t *testing.T, b []byte, maxGap int) {
		if maxGap > 1<<10 {
			return // the gaps are what merging is meant to fill; the caller picks the limit
		}
		once, err := MergeData(b, maxGap)
		if err != nil {
			return
		}
		if _, err := SplitData(once, maxGap); err != nil {
			t.Errorf("SplitData of merged % x: %v", once, err)
		}
		twice, err := MergeData(once, maxGap)
		if err != nil || !reflect.DeepEqual(once, twice) {
			t.Errorf("MergeData of what it returned = % x, %v, want % x", twice, err, once)
		}
	})
}
