package build

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// Browsers are those that Extension builds for.
var Browsers = []string{"chrome", "firefox"}

// Extension builds the browser extension for one of Browsers from the same
// source: the manifest's common part with the browser's own keys, the scripts, the
// modules, the bundled model and its pool of adapters.
func Extension(web, browser string) (Files, error) {
	dir := filepath.Join(web, "extension")
	scripts := map[string][]string{"chrome": {"sw.ts", "offscreen.ts"}, "firefox": {"background.ts", "bridge.ts"}}[browser]
	if scripts == nil {
		return nil, fmt.Errorf("build: no extension for %q", browser)
	}
	files, err := Scripts(api.FormatESModule, nil, append(paths(dir, append(scripts, "panel/panel.ts")), paths(web, entries[1:])...)...)
	if err != nil {
		return nil, err
	}
	if err := files.AddModules(); err != nil {
		return nil, err
	}
	if browser == "chrome" {
		if err := files.addFrom(dir, "offscreen.html"); err != nil {
			return nil, err
		}
	}
	if err := files.addManifest(dir, browser); err != nil {
		return nil, err
	}
	return files, files.addExtensionData(web)
}

func (f Files) addExtensionData(web string) error {
	for name, path := range map[string]string{
		"panel.html":              "extension/panel/panel.html",
		"panel.css":               "extension/panel/panel.css",
		"demo.css":                "page/demo.css",
		"icon.svg":                "page/icon.svg",
		"icon-128.png":            "extension/icon-128.png",
		"models/stories260K.gguf": "../testdata/models/stories260K.gguf",
		"models/LICENCE.md":       "../testdata/models/SOURCE.md",
		"pool/LICENCE.md":         "../testdata/pool/SOURCE.md",
	} {
		if err := f.addAs(name, filepath.Join(web, path)); err != nil {
			return err
		}
	}
	return f.addPool(filepath.Join(web, "../testdata/pool"))
}

// addPool adds a pool's manifest and the files it names.
func (f Files) addPool(dir string) error {
	if err := f.addAs("pool/pool.json", filepath.Join(dir, "pool.json")); err != nil {
		return err
	}
	var manifest struct {
		Keys     struct{ File string }
		Adapters []struct{ File string }
	}
	if err := json.Unmarshal(f["pool/pool.json"], &manifest); err != nil {
		return err
	}
	names := []string{manifest.Keys.File}
	for _, a := range manifest.Adapters {
		names = append(names, a.File)
	}
	for _, name := range names {
		if err := f.addAs("pool/"+name, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// addManifest writes the common manifest with the browser's keys over it.
func (f Files) addManifest(dir, browser string) error {
	all := map[string]any{}
	for _, name := range []string{"manifest.json", "manifest." + browser + ".json"} {
		part := Files{}
		if err := part.addFrom(dir, name); err != nil {
			return err
		}
		keys := map[string]any{}
		if err := json.Unmarshal(part[name], &keys); err != nil {
			return fmt.Errorf("build: %s: %w", name, err)
		}
		maps.Copy(all, keys)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	f["manifest.json"] = text
	return err
}

// zipTime stands in every entry, so that the same files make the same bytes.
var zipTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Zip writes the files as a zip archive, in the order of their names.
func (f Files) Zip(w io.Writer) error {
	z := zip.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: zipTime})
		if err != nil {
			return err
		}
		if _, err := entry.Write(f[name]); err != nil {
			return err
		}
	}
	return z.Close()
}
