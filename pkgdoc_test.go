package pastel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackageDocs: every package says in doc.go, or in its only file, what it does and
// what it must not know.
func TestPackageDocs(t *testing.T) {
	for _, dir := range packageDirs(t) {
		path := filepath.Join(dir, "doc.go")
		if files := goFiles(t, dir); len(files) == 1 {
			path = files[0]
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Errorf("%s: a package needs a doc.go: %v", dir, err)
			continue
		}
		checkDoc(t, path, file)
	}
}

func checkDoc(t *testing.T, path string, file *ast.File) {
	doc := file.Doc.Text()
	if !strings.HasPrefix(doc, "Package "+file.Name.Name) && !strings.HasPrefix(doc, "Command ") {
		t.Errorf("%s: the doc comment begins %.40q, want \"Package %s ...\"", path, doc, file.Name.Name)
	}
	if file.Name.Name != "main" && !strings.Contains(doc, "must not") {
		t.Errorf("%s: the doc comment does not say what the package must not know", path)
	}
}

// packageDirs are the folders with Go files that are not tests.
func packageDirs(t *testing.T) []string {
	var dirs []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name := d.Name()
		if path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "build" && path == "build") {
			return filepath.SkipDir
		}
		if len(goFiles(t, path)) > 0 {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func goFiles(t *testing.T, dir string) []string {
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		if !strings.HasSuffix(f, "_test.go") {
			files = append(files, f)
		}
	}
	return files
}
