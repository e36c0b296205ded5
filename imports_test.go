package pastel

import (
	"os/exec"
	"strings"
	"testing"
)

// A rule forbids imports. A pattern is a package path below pastel/, or one ending in
// /... with everything below; std: and mod: name packages outside.
type rule struct {
	from   string
	except []string
	never  []string
	why    string
}

// notInEngine is why packages of engine.wasm import so little.
const notInEngine = "fmt alone brings engine.wasm from 544 to 743 KB under gzip, and the others bring fmt or an operating system"

var rules = []rule{
	{from: "engine/...", except: []string{"engine/testmodel/..."}, never: []string{"wasm/...", "web/...", "cmd/...", "tests/..."},
		why: "the engine must run on a laptop without knowing that a boundary exists"},
	{from: "engine/...", never: []string{"blend/...", "offload/...", "worker/..."},
		why: "sessions compute with an adapter; where it came from is not their business"},
	{from: "kernels", never: []string{"engine/...", "blend/...", "simd128/...", "kernels/program/..."},
		why: "the tape is the contract below the engine, and engine.wasm must not carry the assembler"},
	{from: "engine/...", never: []string{"simd128/...", "kernels/program/...", "kernels/lab/..."},
		why: "programs are emitted when the project is built, never when it runs"},
	{from: "simd128/...", never: []string{"kernels/...", "engine/...", "wasm/..."},
		why: "an assembler knows instructions, not what is written with them"},
	{from: "blend/...", except: []string{"blend/train/...", "blend/pool/..."}, never: []string{"engine", "wasm/...", "offload/..."},
		why: "blend knows tensors, not sessions"},
	{from: "offload/...", never: []string{"engine/tensor", "engine/gguf", "engine/model", "engine", "kernels", "wasm/..."},
		why: "offload knows numbers and text, not tensors, so that the edge can share it"},
	{from: "worker/...", never: []string{"engine", "engine/model", "kernels/...", "wasm/..."},
		why: "worker and engine never meet: the edge forwards text and must stay small"},
	{from: "wasm/protocol", never: []string{"engine/...", "kernels/...", "wasm/..."},
		why: "the protocol is a leaf that both sides of the boundary read"},
	{from: "wasm/module", never: []string{"engine/...", "kernels/...", "wasm/..."},
		why: "a module is bytes"},
	{from: "fault", never: []string{"engine/...", "kernels/...", "blend/...", "wasm/...", "offload/...", "worker/..."},
		why: "everything uses fault"},
	{from: "wasm/engine", never: []string{"std:fmt", "std:encoding/json", "std:encoding/binary", "std:reflect", "std:regexp", "std:os",
		"std:sort", "std:log", "std:context", "std:time", "std:text/template", "std:net", "std:crypto"},
		why: notInEngine},
	{from: "wasm/dispatch", never: []string{"std:fmt", "std:os", "std:time", "std:reflect"}, why: notInEngine},
}

// TestImports holds every package to the rules, transitively for the standard library
// and directly for packages of this module.
func TestImports(t *testing.T) {
	packages := list(t, "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	reach := closure(list(t, "{{.ImportPath}} {{join .Imports \" \"}}", "-deps", "./wasm/engine"))
	for _, r := range rules {
		n := 0
		for pkg, imports := range packages {
			if !matches(r.from, pkg) || anyMatch(r.except, pkg) {
				continue
			}
			n++
			for _, bad := range r.never {
				seen := imports
				if std, ok := strings.CutPrefix(bad, "std:"); ok {
					seen, bad = reach[pkg], std
				} else {
					bad = "pastel/" + bad
				}
				for _, imported := range seen {
					if imported != pkg && matches(bad, imported) {
						t.Errorf("%s imports %s: %s", pkg, imported, r.why)
					}
				}
			}
		}
		if n == 0 {
			t.Errorf("the rule for %s matches no package: rename or remove it", r.from)
		}
	}
}

// list runs go list for the platform engine.wasm is built for where the package is
// part of it, and returns the fields of each line by the first.
func list(t *testing.T, format string, args ...string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-f", format}, args...)...)
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			all[fields[0]] = fields[1:]
		}
	}
	return all
}

// closure returns what each package of this module reaches, leaving out what only the
// runtime itself needs.
func closure(imports map[string][]string) map[string][]string {
	reach := map[string][]string{}
	for pkg := range imports {
		if !strings.HasPrefix(pkg, "pastel/") {
			continue
		}
		seen := map[string]bool{}
		walk(imports, pkg, seen)
		for p := range seen {
			reach[pkg] = append(reach[pkg], p)
		}
	}
	return reach
}

func walk(imports map[string][]string, pkg string, seen map[string]bool) {
	for _, p := range imports[pkg] {
		if !seen[p] {
			seen[p] = true
			walk(imports, p, seen)
		}
	}
}

// matches reports whether pkg is what the pattern names. "pastel/" may be left out of
// the pattern.
func matches(pattern, pkg string) bool {
	short := strings.TrimPrefix(pkg, "pastel/")
	for _, p := range []string{pkg, short} {
		if tree, ok := strings.CutSuffix(pattern, "/..."); ok && (p == tree || strings.HasPrefix(p, tree+"/")) {
			return true
		}
		if p == pattern {
			return true
		}
	}
	return false
}

func anyMatch(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if matches(p, pkg) {
			return true
		}
	}
	return false
}
