package simd128

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"pastel/tests/browser/chrome"
)

// relaxedCase is one assertion of a relaxed instruction: the result may be any of want.
type relaxedCase struct {
	name string
	args [][]uint64
	want [][]laneWant
}

// relaxedModule is a module of the relaxed SIMD tests with one more function: // run executes all its cases, arguments from memory, result i to memory at 16·i.
type relaxedModule struct {
	file  string
	cases []relaxedCase
	bin   []byte
}

// TestSpecRelaxed runs every assertion of the relaxed SIMD tests in Chromium, and has it validate every module of both
// test suites.
func TestSpecRelaxed(t *testing.T) {
	used := map[string]bool{}
	var modules []relaxedModule
	var bins [][]byte
	files := wastFiles(t, "relaxed")
	for _, name := range slices.Sorted(mapKeys(files)) {
		for _, commands := range splitModules(readSexps(files[name])) {
			r := buildRelaxed(t, name, commands, used)
			modules, bins = append(modules, r), append(bins, r.bin)
		}
	}
	for _, o := range specOps {
		if o.relaxed() && !used[o.name] {
			t.Errorf("no assertion uses %s", o.name)
		}
	}
	nRun := len(bins)
	bins = append(bins, allModules(t)...)
	out := inChromium(t, bins, nRun)
	total := 0
	for i, m := range modules {
		m.check(t, out[i])
		total += len(m.cases)
	}
	t.Logf("%d relaxed assertions ran, %d modules validated in Chromium", total, len(bins))
}

// splitModules cuts the commands of a file before every module.
func splitModules(commands []sexp) (out [][]sexp) {
	for _, c := range commands {
		if c.head() == "module" {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], c)
	}
	return out
}

// buildRelaxed compiles a module with the assertions that follow it, and its run function.
func buildRelaxed(t *testing.T, file string, commands []sexp, used map[string]bool) relaxedModule {
	r := relaxedModule{file: file}
	var w *wastModule
	for _, c := range commands {
		switch c.head() {
		case "module":
			var err error
			if w, err = compileModule(c); err != nil || len(w.failed) > 0 {
				t.Fatalf("%s: %v %v", file, err, w.failed)
			}
		case "assert_return":
			r.cases = append(r.cases, readRelaxed(c))
		}
	}
	for name := range w.used {
		used[name] = true
	}
	r.run(t, w.m)
	var err error
	if r.bin, err = w.m.Build(); err != nil {
		t.Fatal(err)
	}
	return r
}

// readRelaxed reads (assert_return (invoke "x" args…) result) or … (either results…).
func readRelaxed(c sexp) relaxedCase {
	k := relaxedCase{name: c.list[1].list[1].atom}
	for _, a := range c.list[1].list[2:] {
		k.args = append(k.args, pack(lanesOfConst(a)))
	}
	results := c.list[2:]
	if results[0].head() == "either" {
		results = results[0].list[1:]
	}
	for _, x := range results {
		k.want = append(k.want, lanesOfConst(x))
	}
	return k
}

// run adds the function that executes all cases. Arguments lie behind the results.
func (r *relaxedModule) run(t *testing.T, m *Module) {
	m.Memory("memory", Pages{Min: 1})
	f := m.Func("run")
	f.Export("run")
	at := 16 * len(r.cases)
	zero := f.I32(0)
	for i, k := range r.cases {
		var args []Value
		for _, a := range k.args {
			m.Data(uint32(at), append(le(a[0], 8), le(a[1], 8)...))
			args = append(args, zero.LoadV128(at))
			at += 16
		}
		g := slices.IndexFunc(m.funcs, func(g *Func) bool { return g.export == k.name })
		if g < 0 {
			t.Fatalf("%s: no function %q", r.file, k.name)
		}
		zero.Store(16*i, f.Call(m.funcs[g], args...).V128(0))
	}
	if at > 65536 {
		t.Fatalf("%s: cases need %d bytes", r.file, at)
	}
}

// check compares the memory after run.
func (r *relaxedModule) check(t *testing.T, memory []byte) {
	for i, k := range r.cases {
		got := []uint64{binary.LittleEndian.Uint64(memory[16*i:]), binary.LittleEndian.Uint64(memory[16*i+8:])}
		if !slices.ContainsFunc(k.want, func(w []laneWant) bool { return agrees(w, got) }) {
			t.Errorf("%s: %s(%#x) = %#x, want one of %v", r.file, k.name, k.args, got, k.want)
		}
	}
}

// allModules builds the modules of the SIMD tests and those of this package's other tests.
func allModules(t *testing.T) (bins [][]byte) {
	for _, text := range wastFiles(t, "simd") {
		for _, c := range readSexps(text) {
			if c.head() != "module" {
				continue
			}
			w, err := compileModule(c)
			if err != nil {
				continue
			}
			bin, err := w.m.Build()
			if err != nil {
				t.Fatal(err)
			}
			bins = append(bins, bin)
		}
	}
	for name, m := range testModules() {
		bin, err := m.Build()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bins = append(bins, bin)
	}
	return bins
}

// inChromium validates all modules and calls run of the first n, whose first page of memory it returns.
func inChromium(t *testing.T, bins [][]byte, n int) [][]byte {
	list, err := json.Marshal(bins)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`(() => {
		const bytes = s => Uint8Array.from(atob(s), c => c.charCodeAt(0));
		const mods = %s.map(bytes);
		const bad = mods.findIndex(m => !WebAssembly.validate(m));
		if (bad >= 0) { new WebAssembly.Module(mods[bad]); }
		return mods.slice(0, %d).map(m => {
			const {run, memory} = new WebAssembly.Instance(new WebAssembly.Module(m)).exports;
			run();
			return btoa(String.fromCharCode(...new Uint8Array(memory.buffer, 0, 16384)));
		});
	})()`, list, n)
	res, err := chromedp.Run(chrome.Start(t), chromedp.Evaluate[[]string](script))
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, len(res))
	for i, s := range res {
		if out[i], err = base64.StdEncoding.DecodeString(s); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
