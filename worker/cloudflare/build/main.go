// Command build assembles the Cloudflare worker in a directory: the platform's
// glue from workers-assets-gen, our two modules, and app.wasm.
//
//	go run ./worker/cloudflare/build DIR
//
// It must run in the module's tree. It must not know how the worker is served.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./worker/cloudflare/build DIR")
		os.Exit(2)
	}
	if err := assemble(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// assemble fills dir. The generator empties the directory, so it comes first.
func assemble(dir string) error {
	source, err := output("go", "list", "-f", "{{.Dir}}", "pastel/worker/cloudflare")
	if err != nil {
		return err
	}
	if _, err := output("go", "run", "github.com/syumai/workers/cmd/workers-assets-gen", "-mode=go", "-o", dir); err != nil {
		return err
	}
	for _, name := range []string{"entry.mjs", "state.mjs"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	compile := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "app.wasm"), "pastel/worker/cloudflare")
	compile.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	compile.Stderr = os.Stderr
	return compile.Run()
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if n := len(out); n > 0 && out[n-1] == '\n' {
		out = out[:n-1]
	}
	return string(out), err
}
