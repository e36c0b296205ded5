package simd128

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestSpecSIMD builds every function of the specification's SIMD tests with this package and lets wazero judge the
// assertions.
func TestSpecSIMD(t *testing.T) {
	used := map[string]bool{}
	total := tally{}
	files := wastFiles(t, "simd")
	for _, name := range slices.Sorted(mapKeys(files)) {
		t.Run(name, func(t *testing.T) {
			s := &specRun{t: t, used: used}
			s.file(readSexps(files[name]))
			if s.count.skipped > 0 {
				t.Logf("%d assertions ran, %d skipped: %v", s.count.ran, s.count.skipped, s.count.why)
			}
			total.ran += s.count.ran
			total.skipped += s.count.skipped
		})
	}
	t.Logf("%d assertions ran, %d skipped", total.ran, total.skipped)
	for _, o := range specOps {
		if o.prefix == 0xfd && !o.relaxed() && !used[o.name] {
			t.Errorf("no assertion uses %s", o.name)
		}
	}
}

type tally struct {
	ran, skipped int
	why          map[string]int
}

// specRun executes one file.
type specRun struct {
	t     *testing.T
	used  map[string]bool
	count tally
	rt    wazero.Runtime
	mod   api.Module
	w     *wastModule
	err   error
	funcs map[string]api.Function
}

func (s *specRun) file(commands []sexp) {
	ctx := context.Background()
	s.rt = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2))
	s.t.Cleanup(func() { s.rt.Close(ctx) })
	s.count.why = map[string]int{}
	for _, c := range commands {
		switch c.head() {
		case "module":
			s.module(c)
		case "assert_return", "assert_trap":
			s.assert(c)
		case "invoke":
			s.invoke(c)
		case "assert_invalid":
			s.invalid(c)
		}
	}
}

func (s *specRun) skip(why string) {
	s.count.skipped++
	s.count.why[why]++
}

// module builds and instantiates; a module the test compiler cannot read makes its assertions count as skipped.
func (s *specRun) module(c sexp) {
	if s.w, s.err = compileModule(c); s.err != nil {
		return
	}
	s.funcs = map[string]api.Function{}
	for name := range s.w.used {
		s.used[name] = true
	}
	bin, err := s.w.m.Build()
	if err != nil {
		s.t.Fatalf("Build: %v", err)
	}
	s.mod, err = s.rt.InstantiateWithConfig(context.Background(), bin, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		s.t.Fatalf("wazero refuses the module: %v\n%s", err, s.w.m.Listing())
	}
}

// function finds an export; looking one up costs more than calling it.
func (s *specRun) function(name string) api.Function {
	if s.funcs[name] == nil {
		s.funcs[name] = s.mod.ExportedFunction(name)
	}
	if s.funcs[name] == nil {
		s.t.Fatalf("no function %q", name)
	}
	return s.funcs[name]
}

// invoke calls (invoke "name" constants…).
func (s *specRun) invoke(c sexp) ([]uint64, error) {
	var args []uint64
	for _, a := range c.list[2:] {
		args = append(args, pack(lanesOfConst(a))...)
	}
	return s.function(c.list[1].atom).Call(context.Background(), args...)
}

func (s *specRun) assert(c sexp) {
	call := c.list[1]
	if call.head() != "invoke" || !call.list[1].str || s.err != nil {
		s.skip(fmt.Sprint("module: ", s.err))
		return
	}
	if why, bad := s.w.failed[call.list[1].atom]; bad {
		s.skip(why)
		return
	}
	got, err := s.invoke(call)
	s.count.ran++
	if c.head() == "assert_trap" {
		if err == nil {
			s.t.Errorf("%s: no trap", call.list[1].atom)
		}
		return
	}
	if err != nil {
		s.t.Errorf("%s: %v", call.list[1].atom, err)
		return
	}
	for _, want := range c.list[2:] {
		if lanes := lanesOfConst(want); !agrees(lanes, got) {
			s.t.Errorf("%s(%v) = %#x, want %v", call.list[1].atom, call.list[2:], got, lanes)
		}
	}
}

// invalid checks the mistakes Go's types cannot catch: the builder must report them.
func (s *specRun) invalid(c sexp) {
	msg := c.list[2].atom
	if msg != "invalid lane index" && !strings.HasPrefix(msg, "alignment must not") {
		return
	}
	w, err := compileModule(c.list[1])
	if err != nil || len(w.failed) > 0 {
		return
	}
	s.count.ran++
	if _, err := w.m.Build(); err == nil {
		s.t.Errorf("no error for a module with %q", msg)
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
