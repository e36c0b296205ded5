package main

import (
	"fmt"
	"os"

	"pastel/wasm/module"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: link IN.wasm OUT.wasm")
		os.Exit(2)
	}
	if err := link(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "link:", err)
		os.Exit(1)
	}
}

// While it is edited, all that Go writes is one segment: joinGap is more, in bytes, than
// it leaves out anywhere. maxGap is the most zeros written out in the end to save a
// segment. Measured on engine.wasm: see RATIONALE.md.
const (
	joinGap = 1 << 20
	maxGap  = 256
)

func link(in, out string) error {
	b, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	if b, err = shrink(b); err != nil {
		return err
	}
	linked, err := module.ImportSharedMemory(b, "env", "memory")
	if err != nil {
		return err
	}
	return os.WriteFile(out, linked, 0o644)
}

// shrink makes a module smaller: its data, its code, and the tables of its code.
func shrink(b []byte) ([]byte, error) {
	var refs []int64
	b, err := module.EditData(b, joinGap, func(at uint32, data []byte) error {
		t, err := findTables(at, data)
		if err != nil || t == nil {
			refs = append(refs, functionWords(at, data)...)
			return err
		}
		refs = append(refs, functionWords(at, data[:t.start])...)
		refs = append(refs, functionWords(at+uint32(t.end), data[t.end:])...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b, funcs, err := shrinkCode(b, refs)
	if err != nil {
		return nil, err
	}
	var start []byte
	b, err = module.EditData(b, joinGap, func(at uint32, data []byte) error {
		t, err := findTables(at, data)
		if t == nil || err != nil {
			return err
		}
		if err := t.findRest(at, data); err != nil {
			return err
		}
		if err := t.blank(funcs); err != nil {
			return err
		}
		if t.n > 0 {
			start = t.unfold()
		}
		return t.fold()
	})
	if err == nil && start != nil {
		b, err = module.AddStart(b, start)
	}
	if err != nil {
		return nil, err
	}
	return module.SplitData(b, maxGap)
}
