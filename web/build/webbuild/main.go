// Command webbuild writes the npm package to web/dist and the demo site to
// build/site. Run it in the repository's root, after `make wasm kernels`.
//
//	go run ./web/build/webbuild                         build both; needs npm's typescript
//	go run ./web/build/webbuild -serve 127.0.0.1:8080   build the site and serve it; needs only Go
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"os/exec"

	"pastel/web/build"
)

func main() {
	serve := flag.String("serve", "", "address to serve the demo at, after building")
	flag.Parse()
	log.SetFlags(0)
	if err := run(*serve); err != nil {
		log.Fatal(err)
	}
}

func run(serve string) error {
	site, err := build.Site("web")
	if err != nil {
		return err
	}
	if err := site.Write("build/site"); err != nil {
		return err
	}
	if serve != "" {
		log.Printf("the demo page is at http://%s (%d bytes)", serve, site.Size())
		return http.ListenAndServe(serve, isolated(http.FileServer(http.Dir("build/site"))))
	}
	pkg, err := build.Package("web")
	if err != nil {
		return err
	}
	if err := pkg.Write("web/dist"); err != nil {
		return err
	}
	log.Printf("web/dist: %d bytes without declarations; build/site: %d bytes", pkg.Size(), site.Size())
	return declarations()
}

// declarations runs the TypeScript compiler, which `npm ci` in web installs.
func declarations() error {
	tsc := "web/node_modules/.bin/tsc"
	if _, err := os.Stat(tsc); err != nil {
		return err
	}
	cmd := exec.Command(tsc, "-p", "web/tsconfig.types.json")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// isolated sends the two headers that give a page threads.
func isolated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.ServeHTTP(w, r)
	})
}
