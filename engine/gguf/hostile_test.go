package gguf_test

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"testing"

	"pastel/engine/gguf"
	"pastel/fault"
)

// hostile is one file that breaks one rule. The rows follow asks.md §4a, the
// classes of known CVEs in GGUF readers.
type hostile struct {
	name string
	file raw
	want string // in the message
}

// bigger makes room for counts that are only then caught by other rules.
func (r raw) bigger() raw { return append(r, make([]byte, 4096)...) }

var hostiles = []hostile{
	{"empty file", raw{}, "past end of file (0 bytes)"},
	{"header cut short", raw("GGUF\x03\x00\x00\x00"), "past end of file (8 bytes)"},
	{"wrong magic", raw("GGML").u32(3).u64(0).u64(0), `magic "GGML"`},
	{"big-endian", raw("GGUF").bytes(0, 0, 0, 3).u64(0).u64(0), "big-endian"},
	{"version 1", header(1, 0, 0), "version 1"},
	{"version 4", header(4, 0, 0), "version 4"},

	// Counts and lengths claimed against the bytes left.
	{"2⁶⁰ keys", header(3, 0, 1<<60), "key count 1152921504606846976 does not fit"},
	{"2⁶⁰ tensors", header(3, 1<<60, 0), "tensor count 1152921504606846976 does not fit"},
	{"a negative count", header(3, math.MaxUint64, 0), "does not fit"},
	{"one key more than fits", header(3, 0, 2).u32Key("a", 1), "key count 2 does not fit"},
	{"2⁶⁰ bytes of key", header(3, 0, 1).u64(1 << 60).bigger(), "key of 1152921504606846976 bytes"},
	{"empty key", header(3, 0, 1).u64(0).bigger(), "key of 0 bytes"},
	{"key longer than the file", header(3, 0, 1).u64(5000).bigger(), "past end of file"},
	{"2⁶⁰ bytes of string", header(3, 0, 1).key("a", str).u64(1 << 60), "string of 1152921504606846976 bytes"},
	{"string longer than the file", header(3, 0, 1).key("a", str).u64(9), "past end of file"},
	{"2⁶⁰ array elements", header(3, 0, 1).key("a", array).u32(u8).u64(1 << 60), "array of 1152921504606846976 u8 does not fit"},
	{"2⁶¹ f64, which wraps to 0 bytes", header(3, 0, 1).key("a", array).u32(f64).u64(1 << 61), "does not fit"},
	{"more strings than lengths fit", header(3, 0, 1).key("a", array).u32(str).u64(513).bigger(), "array of 513 string does not fit"},
	{"token of 2⁴⁰ bytes", header(3, 0, 1).key("a", array).u32(str).u64(1).u64(1 << 40).bigger(), "element 0 of 1099511627776 bytes"},
	{"token longer than the file", header(3, 0, 1).key("a", array).u32(str).u64(1).u64(5000).bigger(), "past end of file"},

	// Types.
	{"unknown value type", header(3, 0, 1).key("a", 13).u64(0), "unknown value type 13"},
	{"negative value type", header(3, 0, 1).key("a", math.MaxUint32).u64(0), "unknown value type"},
	{"unknown element type", header(3, 0, 1).key("a", array).u32(99).u64(1).bigger(), "unknown element type 99"},
	{"array of arrays", header(3, 0, 1).key("a", array).u32(array).u64(1).bigger(), "array of arrays"},
	{"bool of 2", header(3, 0, 1).key("a", boolean).bytes(2), "bool of value 2"},
	{"bool of 7 in an array", header(3, 0, 1).key("a", array).u32(boolean).u64(2).bytes(1, 7), "bool of value 7"},
	{"unknown tensor type", header(3, 1, 0).tensor("a", 200, 0, 32).bigger(), "type 200"},
	{"withdrawn tensor type", header(3, 1, 0).tensor("a", 4, 0, 32).bigger(), "type 4"},
	{"negative tensor type", header(3, 1, 0).tensor("a", math.MaxUint32, 0, 32).bigger(), "unknown type 4294967295"},

	// Duplicates.
	{"key twice", header(3, 0, 2).u32Key("a", 1).u32Key("a", 1), `key "a": given twice`},
	{"tensor twice", header(3, 2, 0).tensor("a", 0, 0, 8).tensor("a", 0, 32, 8).bigger(), `tensor "a": listed twice`},

	// Alignment.
	{"alignment 0", header(3, 0, 1).u32Key("general.alignment", 0), "0 is not a power of two"},
	{"alignment 1", header(3, 0, 1).u32Key("general.alignment", 1), "1 is not a power of two from 8"},
	{"alignment 24", header(3, 0, 1).u32Key("general.alignment", 24), "24 is not a power of two"},
	{"alignment 2¹⁷", header(3, 0, 1).u32Key("general.alignment", 1<<17), "131072 is not a power of two"},
	{"alignment 2³¹", header(3, 0, 1).u32Key("general.alignment", 1<<31), "2147483648 is not a power of two"},
	{"alignment of another type", header(3, 0, 1).key("general.alignment", u64).u64(32), "u64, want u32"},
	{"alignment as a string", header(3, 0, 1).key("general.alignment", str).str("32"), "string, want u32"},
	{"alignment as an array", header(3, 0, 1).key("general.alignment", array).u32(u32).u64(1).u32(32), "array of u32, want u32"},

	// Names and shapes.
	{"tensor without a name", header(3, 1, 0).tensor("", 0, 0, 8).bigger(), "tensor name of 0 bytes"},
	{"tensor name of 65 bytes", header(3, 1, 0).tensor(strings.Repeat("n", 65), 0, 0, 8).bigger(), "tensor name of 65 bytes"},
	{"tensor name of 2⁶⁴−1 bytes", header(3, 1, 0).u64(math.MaxUint64).bigger(), "tensor name of 18446744073709551615 bytes"},
	{"no dimensions", header(3, 1, 0).tensor("a", 0, 0).bigger(), "0 dimensions"},
	{"five dimensions", header(3, 1, 0).tensor("a", 0, 0, 1, 1, 1, 1, 1).bigger(), "5 dimensions"},
	{"2³² − 1 dimensions", header(3, 1, 0).str("a").u32(math.MaxUint32).bigger(), "4294967295 dimensions"},
	{"dimension of 0", header(3, 1, 0).tensor("a", 0, 0, 8, 0).bigger(), "dimension 1 is 0"},
	{"negative dimension", header(3, 1, 0).tensor("a", 0, 0, math.MaxUint64).bigger(), "dimension 0 is 18446744073709551615"},
	{"row of part blocks", header(3, 1, 0).tensor("a", 2, 0, 33).bigger(), "33 elements is not whole Q4_0 blocks of 32"},
	{"whole blocks only in all", header(3, 1, 0).tensor("a", 2, 0, 16, 2).bigger(), "16 elements is not whole"},

	// Overflow, CVE-2026-33298, CVE-2025-53630, CVE-2026-27940.
	{"product of dimensions wraps to 0", header(3, 1, 0).tensor("a", 0, 0, 1<<32, 1<<32).bigger(), "overflows 63 bits"},
	{"product with the type size wraps", header(3, 1, 0).tensor("a", 0, 0, 1<<62).bigger(), "too long"},
	{"product over four dimensions wraps", header(3, 1, 0).tensor("a", 0, 0, 1<<16, 1<<16, 1<<16, 1<<16).bigger(), "overflows 63 bits"},
	{"product just above 63 bits", header(3, 1, 0).tensor("a", 0, 0, 1<<31, 1<<30).bigger(), "overflows 63 bits"},
	{"tensor larger than the file", header(3, 1, 0).tensor("a", 0, 0, 1<<20).bigger(), "4194304 bytes, more than the file"},
	{"offset wraps past the end", header(3, 1, 0).tensor("a", 0, math.MaxUint64-31, 8).bigger(), "overflows"},
	{"offset plus size wraps", header(3, 1, 0).tensor("a", 0, math.MaxUint64-127, 24).bigger(), "overflows"},
	{"offset not aligned", header(3, 1, 0).tensor("a", 0, 4, 8).bigger(), "offset 4 is not a multiple of the alignment 32"},
	{"extent one byte past the end", header(3, 1, 0).tensor("a", 0, 0, 8).padTo(32, 31), `tensor "a": extent 64..96 past end of file (95 bytes)`},
	{"offset past the end", header(3, 1, 0).tensor("a", 0, 1<<40, 8).bigger(), "past end of file"},
	{"data would begin past the end", header(3, 1, 0).tensor("a", 0, 0, 1), "data would begin at 64, past end of file"},
	{"two tensors on the same bytes", header(3, 2, 0).tensor("a", 0, 0, 16).tensor("b", 0, 32, 16).bigger(), `overlaps tensor "a"`},
	{"the same extent twice", header(3, 2, 0).tensor("a", 0, 0, 16).tensor("b", 0, 0, 16).bigger(), "overlaps tensor"},
	{"the sum of sizes exceeds the file", header(3, 3, 0).tensor("a", 0, 0, 512).tensor("b", 0, 2048, 512).tensor("c", 0, 4096, 512).bigger(), "past end of file"},
}

func TestHostileFiles(t *testing.T) {
	for _, tt := range hostiles {
		t.Run(tt.name, func(t *testing.T) {
			_, err := gguf.Read(bytes.NewReader(tt.file), int64(len(tt.file)))
			if err == nil {
				t.Fatal("accepted")
			}
			if code := fault.CodeOf(err); code != fault.BadFile && code != fault.UnsupportedType {
				t.Errorf("code %s", code)
			}
			if !strings.HasPrefix(err.Error(), "gguf: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

// TestClaimsDoNotAllocate: what a short file claims costs less than 1 MB, also
// when the file size given to the decoder leaves room for the claim.
func TestClaimsDoNotAllocate(t *testing.T) {
	const huge = 1 << 61
	files := []hostile{
		{"keys", header(3, 0, 1<<16), ""},
		{"tensors", header(3, 1<<17, 0), ""},
		{"key", header(3, 0, 1).u64(1<<16 - 1), ""},
		{"string", header(3, 0, 1).key("a", str).u64(16 << 20), ""},
		{"array of u8", header(3, 0, 1).key("a", array).u32(u8).u64(1 << 60), ""},
		{"array of strings", header(3, 0, 1).key("a", array).u32(str).u64(1 << 57), ""},
		{"token", header(3, 0, 1).key("a", array).u32(str).u64(1).u64(1 << 16), ""},
		{"tensor", header(3, 1, 0).tensor("a", 0, 0, 1<<58), ""},
	}
	for _, tt := range append(files, hostiles...) {
		got := allocated(func() {
			d := gguf.NewDecoder(huge)
			_, _ = d.Write(tt.file)
			_, _ = d.File()
		})
		if got > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", tt.name, got, len(tt.file))
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHeaderLimit: a header may not be endless even if the file is.
func TestHeaderLimit(t *testing.T) {
	d := gguf.NewDecoder(1 << 40)
	_, err := d.Write(header(3, 0, 1).key("a", array).u32(u8).u64(1 << 39))
	chunk := make([]byte, 1<<20)
	for range 300 {
		if err != nil {
			break
		}
		_, err = d.Write(chunk)
	}
	if err == nil || !strings.Contains(err.Error(), "header is longer than") {
		t.Errorf("after 300 MB of one array: %v", err)
	}
}
