package build

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"pastel/wasm/bundle"
)

// Files are built files by their slash-separated path.
type Files map[string][]byte

// entries are the scripts of the package; the page's script bundles the first.
var entries = []string{"src/index.ts", "src/worker.ts"}

// Package builds what the npm package ships, but for the declarations that the
// TypeScript compiler makes. web is the path of the folder web.
func Package(web string) (Files, error) {
	files, err := Scripts(api.FormatESModule, nil, paths(web, entries)...)
	if err != nil {
		return nil, err
	}
	if err := files.AddModules(); err != nil {
		return nil, err
	}
	return files, files.addFrom(web, "package.json", "README.md")
}

// Site builds the demo page: the package's scripts, the page's, and the bundled model.
func Site(web string) (Files, error) {
	scripts := append([]string{"page/demo.ts"}, entries[1:]...)
	files, err := Scripts(api.FormatESModule, nil, paths(web, scripts)...)
	if err != nil {
		return nil, err
	}
	if err := files.AddModules(); err != nil {
		return nil, err
	}
	if err := files.addFrom(filepath.Join(web, "page"), "index.html", "demo.css", "icon.svg"); err != nil {
		return nil, err
	}
	if err := files.addAs("models/stories260K.gguf", filepath.Join(web, "../testdata/models/stories260K.gguf")); err != nil {
		return nil, err
	}
	if err := files.addPool(filepath.Join(web, "../testdata/pool")); err != nil {
		return nil, err
	}
	return files, files.addServiceWorker(web)
}

// Scripts bundles TypeScript entry points, each into one file named after it.
func Scripts(format api.Format, define map[string]string, entries ...string) (Files, error) {
	r := api.Build(api.BuildOptions{
		EntryPoints:       entries,
		Bundle:            true,
		Format:            format,
		Target:            api.ES2022,
		Define:            define,
		Outdir:            "/out",
		EntryNames:        "[name]",
		MinifyWhitespace:  true,
		MinifySyntax:      true,
		MinifyIdentifiers: true,
		KeepNames:         true, // error classes are told apart by name in logs
		LegalComments:     api.LegalCommentsNone,
	})
	if len(r.Errors) > 0 {
		text := api.FormatMessages(r.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		return nil, fmt.Errorf("build: %s", strings.Join(text, ""))
	}
	files := Files{}
	for _, f := range r.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	return files, nil
}

// Write puts the files into dir, which it empties first.
func (f Files) Write(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for path, content := range f {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(full, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Size is the sum of all lengths, in bytes.
func (f Files) Size() (n int) {
	for _, content := range f {
		n += len(content)
	}
	return n
}

func paths(web string, names []string) (all []string) {
	for _, name := range names {
		all = append(all, filepath.Join(web, name))
	}
	return all
}

// AddModules adds the WebAssembly modules that `make wasm kernels` built. The
// engine is compressed: not every host compresses, and npm's limit counts bytes.
func (f Files) AddModules() error {
	for _, name := range []string{bundle.Engine, bundle.KernelsSIMD128, bundle.KernelsRelaxed} {
		content, err := bundle.Read(name)
		if err != nil {
			return err
		}
		if name == bundle.Engine {
			name, content = name+".gz", compressed(content)
		}
		f[name] = content
	}
	return nil
}

// compressed is content under gzip, the same bytes every time.
func compressed(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level exists
	_, _ = w.Write(content)                               // into memory
	_ = w.Close()
	return b.Bytes()
}

func (f Files) addFrom(dir string, names ...string) error {
	for _, name := range names {
		if err := f.addAs(name, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (f Files) addAs(name, path string) (err error) {
	f[name], err = os.ReadFile(path)
	return err
}

// addServiceWorker adds sw.js, which knows every other file of the site and a
// digest of them all.
func (f Files) addServiceWorker(web string) error {
	names := slices.Sorted(maps.Keys(f))
	digest := sha256.New()
	list := []string{`"./"`}
	for _, name := range names {
		digest.Write(f[name])
		list = append(list, strconv.Quote("./"+name))
	}
	define := map[string]string{
		"BUILD": strconv.Quote(hex.EncodeToString(digest.Sum(nil))[:16]),
		"FILES": "[" + strings.Join(list, ",") + "]",
	}
	sw, err := Scripts(api.FormatIIFE, define, filepath.Join(web, "page/sw.ts"))
	if err != nil {
		return err
	}
	f["sw.js"] = sw["sw.js"]
	return nil
}
