package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"pastel/wasm/module"
)

// buildReactor builds testdata/reactor with the flags `make wasm` uses.
func buildReactor(t *testing.T) []byte {
	t.Helper()
	const trusted = "-l -B -d=disablenil"
	out := filepath.Join(t.TempDir(), "reactor.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w", "-gcflags=all=-l",
		"-gcflags=runtime="+trusted, "-gcflags=internal/runtime/...="+trusted,
		"-o", out, "./testdata/reactor")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOEXPERIMENT=nogreenteagc,nosizespecializedmalloc")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A guest is a running module and what it printed.
type guest struct {
	t      *testing.T
	call   func(name string, arg uint64) (uint64, error)
	stderr *bytes.Buffer
}

func instantiate(t *testing.T, b []byte) guest {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	t.Cleanup(func() { _ = rt.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	var stderr bytes.Buffer
	cfg := wazero.NewModuleConfig().WithStartFunctions("_initialize").WithStderr(&stderr).WithEnv("GODEBUG", "gctrace=2,schedtrace=1")
	mod, err := rt.InstantiateWithConfig(ctx, b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return guest{t, func(name string, arg uint64) (uint64, error) {
		results, err := mod.ExportedFunction(name).Call(ctx, arg)
		if err != nil {
			return 0, err
		}
		return results[0], nil
	}, &stderr}
}

// TestShrinkKeepsResults: a Go module answers the same before and after, even when the
// host's environment asks Go's runtime to trace.
func TestShrinkKeepsResults(t *testing.T) {
	built := buildReactor(t)
	shrunk, err := shrink(slices.Clone(built))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, shrunk %d", len(built), len(shrunk))
	before, after := instantiate(t, built), instantiate(t, shrunk)
	for _, tt := range []struct {
		name string
		arg  uint64
	}{
		{"collect", 20000}, {"deep", 3000}, {"deep", 1}, {"tables", 5000}, {"talk", 500}, {"recovers", 9}, {"collect", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, err := before.call(tt.name, tt.arg)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := after.call(tt.name, tt.arg); err != nil || got != want {
				t.Errorf("%s(%d) = %d, %v, want %d", tt.name, tt.arg, got, err, want)
			}
		})
	}
	if got := after.stderr.String(); got != "" {
		t.Errorf("printed %q", got)
	}
	if _, err := after.call("dies", 0); err == nil || !strings.Contains(after.stderr.String(), "panic: the reason") {
		t.Errorf("dies: %v, printed %q, want the panic's message", err, after.stderr.String())
	}
}

// TestCutsExist: every cut names a function of this Go's runtime, as it is linked
// into a reactor or (all of them) into an engine.
func TestCutsExist(t *testing.T) {
	sections, err := module.Decode(buildReactor(t))
	if err != nil {
		t.Fatal(err)
	}
	names, err := module.FuncNames(sections)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cuts {
		prefix, _ := strings.CutSuffix(c.name, "*")
		found := false
		for _, name := range names {
			found = found || strings.HasPrefix(name, prefix)
		}
		if !found {
			t.Errorf("no function is named %s", c.name)
		}
	}
}

func TestFunctionWords(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   uint32
		data []byte
		want []int64
	}{
		{"none", 0, nil, nil},
		{"func value", 8, []byte{0, 0, 0xde, 0x17}, []int64{0x17de}},
		{"func value without its zeros", 10, []byte{0xde, 0x17}, []int64{0x17de}},
		{"func value, cut by a byte", 9, []byte{0, 0xde, 0x17}, []int64{0x17de}},
		{"method table", 8, []byte{0xde, 0x17, 0, 0, 0xdf, 0x17, 0, 0}, []int64{0x17de, 0x17df}},
		{"method table without its last zeros", 8, []byte{0xde, 0x17, 0, 0, 0xdf, 0x17}, []int64{0x17de, 0x17df}},
		{"three methods", 4, []byte{1, 16, 0, 0, 2, 16, 0, 0, 3, 16}, []int64{0x1001, 0x1002, 0x1002, 0x1003}},
		{"bare number alone", 8, []byte{0xde, 0x17, 0, 0, 1, 0, 1, 0}, nil},
		{"below the first number", 8, []byte{0xff, 0x0f, 0, 0, 0xff, 0x0f, 0, 0}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := functionWords(tt.at, tt.data); !slices.Equal(got, tt.want) {
				t.Errorf("functionWords(%d, % x) = %v, want %v", tt.at, tt.data, got, tt.want)
			}
		})
	}
}

// FuzzShrink: no panic on any module.
func FuzzShrink(f *testing.F) {
	body := []byte{0, 0x41, 1, 0x0b}
	f.Add(module.Encode([]module.Section{
		{ID: module.Type, Payload: []byte{1, 0x60, 0, 1, 0x7f}},
		{ID: module.Function, Payload: []byte{1, 0}},
		{ID: module.Code, Payload: module.AppendBodies(nil, [][]byte{body})},
		module.NewCustom("name", []byte("\x01\x04\x01\x00\x01f")),
	}))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = shrink(b) })
}

// FuzzTables: no panic on any bytes after the magic number.
func FuzzTables(f *testing.F) {
	h := pcHeader{Magic: 0xfffffff1, MinLC: 1, PtrSize: 8, NFunc: 1, PCTables: 72, FuncTable: 72, Names: 72, Units: 72, Files: 72}
	seed, _ := binary.Append(nil, binary.LittleEndian, h)
	f.Add(append(seed, make([]byte, 80)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tables, err := findTables(64, append(slices.Clone(magic), b...)); tables != nil && err == nil {
			_ = tables.findRest(64, b)
			_ = tables.blank(functions{live: []bool{len(b)%2 == 0}})
		}
	})
}

// TestUnfoldIsTheInverseOfFold runs unfold on a folded table and compares it with the
// table, and the buckets with the places of the functions in it.
func TestUnfoldIsTheInverseOfFold(t *testing.T) {
	const at, n, findAt = 1024, 3, 8192
	table := make([]byte, 8*n+4)
	for i, number := range []uint32{pcBase, pcBase + 1, pcBase + 5} {
		binary.LittleEndian.PutUint32(table[8*i:], number)
		binary.LittleEndian.PutUint32(table[8*i+4:], uint32(len(table)))
		f := make([]byte, funcBytes+4*i)
		binary.LittleEndian.PutUint32(f, number)
		binary.LittleEndian.PutUint32(f[funcNPCData:], uint32(i))
		table = append(table, f...)
	}
	folded := &traceTables{funcs: slices.Clone(table), n: n, funcsAt: at, find: findBuckets{make([]byte, 9), findAt, pcBase}}
	if err := folded.fold(); err != nil || bytes.Equal(folded.funcs, table) {
		t.Fatalf("fold: %v, or no change", err)
	}
	b, err := module.AddStart(module.Encode([]module.Section{
		{ID: module.Type, Payload: []byte{0}},
		{ID: module.Function, Payload: []byte{0}},
		{ID: module.Memory, Payload: []byte{1, 0, 1}},
		{ID: module.Export, Payload: []byte("\x01\x06memory\x02\x00")},
		{ID: module.Code, Payload: []byte{0}},
		{ID: module.Data, Payload: slices.Concat([]byte{1, 0}, module.AppendI32Const(nil, at), []byte{0x0b, 0x80 | byte(len(table)&0x7f), byte(len(table) >> 7)}, folded.funcs)},
	}), folded.unfold())
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	mod, err := rt.Instantiate(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := mod.Memory().Read(at, uint32(len(table))); !bytes.Equal(got, table) {
		t.Errorf("unfolded\n% x, want\n% x", got, table)
	}
	for number, want := range map[uint32]uint32{0: 0, 1: 1, 5: 2} {
		if got, _ := mod.Memory().ReadUint32Le(findAt + 320*number); got != want {
			t.Errorf("bucket of function %d = %d, want %d", number, got, want)
		}
	}
}
