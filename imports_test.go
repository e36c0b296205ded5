package pastel

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A rule forbids imports. A pattern is a package path below pastel/, or one ending in
// ... with everything below; mod: is every module but this one.
type rule struct {
	from   string
	except []string
	never  []string
	why    string
}

// linked is what no package inside engine.wasm may import itself, and notInEngine why.
var linked = []string{"fmt", "encoding/json", "encoding/binary", "reflect", "regexp", "os", "sort", "log", "context", "time", "io/ioutil",
	"text/template", "text/tabwriter", "text/scanner", "net", "net/http", "net/url", "crypto/sha256", "crypto/rand"}

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
	{from: "...", except: []string{"simd128/...", "kernels/program/...", "kernels/gen", "kernels/lab/...", "bench/..."}, never: []string{"simd128/..."},
		why: "an assembler is for the generator of the kernels and for probes of the machine"},
	{from: "...", except: []string{"cmd/...", "tests/...", "wasm/...", "bench/...", "eval/...", "web/build/..."}, never: []string{"wasm/..."},
		why: "imports point wasm → engine → kernels; only what runs the modules is above wasm"},
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
	{from: "engine/...", except: []string{"engine/testmodel/..."}, never: []string{"mod:"},
		why: "what computes needs the standard library only"},
	{from: "kernels", never: []string{"mod:"}, why: "what computes needs the standard library only"},
	{from: "fault", never: []string{"engine/...", "kernels/...", "blend/...", "wasm/...", "offload/...", "worker/..."},
		why: "everything uses fault"},
}

// TestImports holds what each package itself imports to the rules.
func TestImports(t *testing.T) {
	packages := list(t, "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	for _, r := range rules {
		n := 0
		for pkg, imports := range packages {
			scratch := matches("build/...", pkg) // what git ignores
			if scratch || !matches(r.from, pkg) || anyMatch(r.except, pkg) {
				continue
			}
			n++
			for _, imported := range imports {
				if imported != pkg && forbids(r.never, imported) {
					t.Errorf("%s imports %s: %s", pkg, imported, r.why)
				}
			}
		}
		if n == 0 {
			t.Errorf("the rule for %s matches no package: rename or remove it", r.from)
		}
	}
}

// TestLinkedIntoEngine: every package of ours that is linked into engine.wasm keeps to
// the small part of the standard library. It holds for what they reach, too, but for
// what the standard library's own packages need of each other.
func TestLinkedIntoEngine(t *testing.T) {
	imports := list(t, "{{.ImportPath}} {{join .Imports \" \"}}", "-deps", "./wasm/engine")
	n := 0
	for pkg, all := range imports {
		if !strings.HasPrefix(pkg, "pastel/") {
			continue
		}
		n++
		for _, imported := range all {
			if slices.Contains(linked, imported) {
				t.Errorf("%s imports %s: %s", pkg, imported, notInEngine)
			}
		}
	}
	for _, whole := range []string{"fmt", "encoding/json", "text/template", "net/http"} {
		if _, in := imports[whole]; in {
			t.Errorf("engine.wasm holds %s: %s", whole, notInEngine)
		}
	}
	if n < 10 {
		t.Errorf("%d packages of ours in engine.wasm: the test looks at the wrong thing", n)
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

// forbids reports whether a rule's patterns name an import.
func forbids(never []string, imported string) bool {
	for _, bad := range never {
		if bad == "mod:" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") || matches("pastel/"+bad, imported) {
			return true
		}
	}
	return false
}

// matches reports whether pkg is what the pattern names. "pastel/" may be left out of
// the pattern.
func matches(pattern, pkg string) bool {
	short := strings.TrimPrefix(pkg, "pastel/")
	for _, p := range []string{pkg, short} {
		if pattern == "..." {
			return true
		}
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
