package main

import (
	"encoding/binary"
	"testing"
)

func TestFindModuleData(t *testing.T) {
	const at, header = 4, 64
	m := moduleData{Header: header, Names: goSlice{Ptr: header + 72}, FindFunc: 500, MinPC: pcBase << pcBits, MaxPC: pcBase<<pcBits + 4}
	encoded, err := binary.Append(nil, binary.LittleEndian, m)
	if err != nil {
		t.Fatal(err)
	}
	other := binary.LittleEndian.AppendUint64(nil, header) // a pointer to the same tables that begins no moduledata
	for _, tt := range []struct {
		name string
		data []byte
		want bool
	}{
		{"first", append(make([]byte, 4), encoded...), true},
		{"after another pointer", append(append(make([]byte, 4), other...), encoded...), true},
		{"at no multiple of 8", append(make([]byte, 5), encoded...), false},
		{"cut", append(make([]byte, 4), encoded[:len(encoded)-1]...), false},
		{"none", make([]byte, 1000), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := findModuleData(tt.data, at, header); (err == nil && got == m) != tt.want {
				t.Errorf("findModuleData = %+v, %v, want found: %v", got, err, tt.want)
			}
		})
	}
}

func TestBytesAt(t *testing.T) {
	data := []byte("abcd")
	for _, tt := range []struct {
		name          string
		address, size uint64
		want          string
	}{
		{"all", 8, 4, "abcd"},
		{"last", 11, 1, "d"},
		{"none at the end", 12, 0, ""},
		{"before", 7, 1, ""},
		{"past the end", 11, 2, ""},
		{"size that wraps round", 9, 1<<64 - 1, ""},
		{"address that wraps round", 1<<64 - 1, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(bytesAt(data, 8, tt.address, tt.size)); got != tt.want {
				t.Errorf("bytesAt(%d, %d) = %q, want %q", tt.address, tt.size, got, tt.want)
			}
		})
	}
}
