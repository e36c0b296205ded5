package bundle

import (
	"embed"

	"pastel/fault"
)

//go:embed bin
var files embed.FS

// The modules by file name.
const (
	Engine         = "engine.wasm"
	KernelsSIMD128 = "kernels-simd128.wasm"
	KernelsRelaxed = "kernels-relaxed.wasm"
)

// Read returns a module's bytes.
//
// Errors: ERR_BAD_FILE when this program was built before its modules were.
func Read(name string) ([]byte, error) {
	b, err := files.ReadFile("bin/" + name)
	if err != nil {
		return nil, fault.New(fault.BadFile, "bundle: ", name, " is not in this program: run \"make build\"")
	}
	return b, nil
}
