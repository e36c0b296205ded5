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

// maxGap is the most zeros, in bytes, written out to save a segment. Measured on
// engine.wasm: see RATIONALE.md.
const maxGap = 64

func link(in, out string) error {
	b, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	linked, err := shrinkCode(b)
	if err != nil {
		return err
	}
	if linked, err = module.ImportSharedMemory(linked, "env", "memory"); err != nil {
		return err
	}
	if linked, err = module.EditData(linked, maxGap, blankTables); err != nil {
		return err
	}
	return os.WriteFile(out, linked, 0o644)
}
