// Package npm fetches what tests need from the npm registry, with the npm client,
// once: into .cache/npm of the module's tree, which git ignores. It must not know
// what the packages are for.
package npm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Fetch returns the directory of an unpacked package, without its dependencies.
//
// Errors: without npm, and without the network on first use; the message says
// what to install.
func Fetch(name, version string) (string, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	cache := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), ".cache", "npm")
	dir := filepath.Join(cache, strings.ReplaceAll(strings.TrimPrefix(name, "@"), "/", "-")+"-"+version)
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "package"), nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	return filepath.Join(dir, "package"), install(name+"@"+version, cache, dir)
}

// install unpacks a package into dir, complete or not at all: other test
// processes may look for it meanwhile.
func install(spec, cache, dir string) error {
	scratch, err := os.MkdirTemp(cache, "fetching-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	tarball, err := exec.Command("npm", "pack", "--silent", "--pack-destination", scratch, spec).Output()
	if err != nil {
		return fmt.Errorf("fetching %s: %w (this test needs npm, on Debian: apt-get install npm, and the npm registry once)", spec, err)
	}
	file := filepath.Join(scratch, strings.TrimSpace(string(tarball)))
	if out, err := exec.Command("tar", "-xzf", file, "-C", scratch).CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking %s: %w: %s", spec, err, out)
	}
	if err := os.Rename(scratch, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
