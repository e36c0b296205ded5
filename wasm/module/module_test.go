package module

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"pastel/fault"
)

// withMemory is a module that imports env.f, defines a memory of 2 pages, exports
// it, and puts "hi" at address 3 of it.
var withMemory = Encode([]Section{
	{Type, []byte{1, 0x60, 0, 0}},
	{Import, []byte("\x01\x03env\x01f\x00\x00")},
	{Memory, []byte{1, 0, 2}},
	{7, []byte("\x01\x06memory\x02\x00")},
	{11, []byte("\x01\x00\x41\x03\x0b\x02hi")},
	NewCustom("note", []byte{1, 2, 3}),
})

func TestEncodeIsTheInverseOfDecode(t *testing.T) {
	for _, tt := range []struct {
		name     string
		sections []Section
	}{
		{"no section", nil},
		{"empty payload", []Section{{Type, []byte{}}}},
		{"payload of 128 bytes: size of two", []Section{{Custom, make([]byte, 128)}, {Memory, []byte{1}}}},
		{"payload of 2^14 bytes: size of three", []Section{{Custom, make([]byte, 1<<14)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(Encode(tt.sections))
			if err != nil || !reflect.DeepEqual(got, tt.sections) {
				t.Errorf("Decode(Encode(%v)) = %v, %v", tt.sections, got, err)
			}
		})
	}
}

func TestU32IsTheInverseOfAppendU32(t *testing.T) {
	for _, v := range []uint32{0, 1, 127, 128, 1<<14 - 1, 1 << 14, 1<<28 - 1, 1 << 28, 1<<32 - 1} {
		r := reader{b: appendU32(nil, v)}
		if got := r.u32(); got != v || r.err != nil || r.off != len(r.b) {
			t.Errorf("u32(appendU32(%d)) = %d, %v", v, got, r.err)
		}
	}
}

func TestImportSharedMemoryRuns(t *testing.T) {
	linked, err := ImportSharedMemory(withMemory, "env", "memory")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	cfg := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
	rt := wazero.NewRuntimeWithConfig(ctx, cfg.WithMemoryCapacityFromMax(false))
	defer rt.Close(ctx)
	compiled, err := rt.CompileModule(ctx, linked)
	if err != nil {
		t.Fatal(err)
	}
	mem := compiled.ImportedMemories()
	if len(mem) != 1 {
		t.Fatalf("imports %d memories, want 1", len(mem))
	}
	mod, name, _ := mem[0].Import()
	max, encoded := mem[0].Max()
	if mod != "env" || name != "memory" || mem[0].Min() != 2 || max != MaxPages || !encoded {
		t.Errorf("imports %s.%s %d..%d, want env.memory 2..%d", mod, name, mem[0].Min(), max, MaxPages)
	}
	if _, ok := compiled.ExportedMemories()["memory"]; !ok {
		t.Error("the export of the memory is gone")
	}
}

func TestImportSharedMemoryKeepsTheRest(t *testing.T) {
	linked, err := ImportSharedMemory(withMemory, "env", "memory")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := Decode(withMemory)
	after, err := Decode(linked)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range before {
		if s.ID == Import || s.ID == Memory {
			continue
		}
		found := false
		for _, a := range after {
			found = found || a.ID == s.ID && bytes.Equal(a.Payload, s.Payload)
		}
		if !found {
			t.Errorf("section %d is gone or changed", s.ID)
		}
	}
}

func TestImportSharedMemoryWithoutImports(t *testing.T) {
	in := Encode([]Section{NewCustom("first", nil), {Type, []byte{0}}, {Memory, []byte{1, 0, 1}}})
	linked, err := ImportSharedMemory(in, "env", "memory")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := Decode(linked)
	want := []Section{
		NewCustom("first", nil), {Type, []byte{0}},
		{Import, []byte("\x01\x03env\x06memory\x02\x03\x01\x80\x80\x04")},
		NewCustom(MemorySection, []byte{1, 0, 0, 0}),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sections = %v, want %v", got, want)
	}
}

func TestImportSharedMemoryRefuses(t *testing.T) {
	mem := func(payload ...byte) []byte { return Encode([]Section{{Memory, payload}}) }
	imports := func(payload string) []byte {
		return Encode([]Section{{Import, []byte(payload)}, {Memory, []byte{1, 0, 1}}})
	}
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"empty", nil},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00")},
		{"section past the end", append(Encode(nil), 5, 4, 1, 0, 1)},
		{"size of six bytes", append(Encode(nil), 5, 0x80, 0x80, 0x80, 0x80, 0x80, 0)},
		{"size above 2^32", append(Encode(nil), 5, 0xff, 0xff, 0xff, 0xff, 0x1f)},
		{"no memory", Encode(nil)},
		{"two memories", mem(2, 0, 1, 0, 1)},
		{"count of memories without them", mem(0xff, 0xff, 0xff, 0xff, 0x0f)},
		{"minimum above maximum", mem(1, 1, 3, 2)},
		{"more than 65536 pages", mem(1, 0, 0x81, 0x80, 0x04)},
		{"64-bit memory", mem(1, 4, 1)},
		{"imports a memory already", imports("\x01\x01e\x01m\x02\x00\x01")},
		{"import cut", imports("\x01\x01e\x01m")},
		{"import of unknown kind", imports("\x01\x01e\x01m\x09")},
		{"bytes after the last import", imports("\x00\x00")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ImportSharedMemory(tt.in, "env", "memory"); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
				t.Errorf("ImportSharedMemory(% x) = %v, want ERR_BAD_FILE", tt.in, err)
			}
		})
	}
}

// FuzzImportSharedMemory: no panic, and what links decodes again without its memory section.
func FuzzImportSharedMemory(f *testing.F) {
	f.Add(withMemory)
	f.Add(Encode([]Section{{Import, []byte("\x02\x01e\x01t\x01\x70\x00\x01\x01e\x01g\x03\x7f\x00")}, {Memory, []byte{1, 1, 1, 2}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		linked, err := ImportSharedMemory(b, "env", "memory")
		if err != nil {
			return
		}
		sections, err := Decode(linked)
		if err != nil {
			t.Fatalf("Decode of what was linked: %v", err)
		}
		for _, s := range sections {
			if s.ID == Memory {
				t.Error("a memory section is left")
			}
		}
	})
}
