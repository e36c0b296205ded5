// Command extbuild writes the browser extension for every browser, unpacked to
// build/extension/<browser> and packed to build/pastel-<browser>.zip. Run it in the
// repository's root, after `make wasm kernels`.
package main

import (
	"bytes"
	"log"
	"os"

	"pastel/web/build"
)

func main() {
	log.SetFlags(0)
	for _, browser := range build.Browsers {
		if err := write(browser); err != nil {
			log.Fatal(err)
		}
	}
}

func write(browser string) error {
	files, err := build.Extension("web", browser)
	if err != nil {
		return err
	}
	if err := files.Write("build/extension/" + browser); err != nil {
		return err
	}
	var packed bytes.Buffer
	if err := files.Zip(&packed); err != nil {
		return err
	}
	log.Printf("build/pastel-%s.zip: %d bytes", browser, packed.Len())
	return os.WriteFile("build/pastel-"+browser+".zip", packed.Bytes(), 0o644)
}
