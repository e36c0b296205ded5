// Command gen writes the kernels modules, kernels-simd128.wasm and
// kernels-relaxed.wasm, into the directory named by its argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"pastel/kernels/program"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen DIRECTORY")
		os.Exit(2)
	}
	for _, f := range []program.Flavour{program.SIMD128, program.Relaxed} {
		bin, err := program.Build(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(os.Args[1], "kernels-"+f.String()+".wasm"), bin, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
