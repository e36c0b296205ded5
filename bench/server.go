package bench

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path"

	"github.com/evanw/esbuild/pkg/api"

	"pastel/kernels/lab"
	"pastel/kernels/program"
	"pastel/web/build"
)

// Site builds the page /bench with everything it loads: scripts, engine, kernels and
// probes. web is the path of the folder web.
//
// Errors: scripts that do not build, modules that were not built into this program.
func Site(web string) (build.Files, error) {
	files, err := build.Scripts(api.FormatESModule, nil,
		web+"/bench/bench.ts", web+"/bench/limits.worker.ts", web+"/bench/profile.worker.ts", web+"/src/worker.ts")
	if err != nil {
		return nil, err
	}
	if err := files.AddModules(); err != nil {
		return nil, err
	}
	for name, make := range map[string]func() ([]byte, error){
		"probe-read.wasm":        lab.ReadProbe,
		"probe-dot-simd128.wasm": func() ([]byte, error) { return lab.DotProbe(program.SIMD128) },
		"probe-dot-relaxed.wasm": func() ([]byte, error) { return lab.DotProbe(program.Relaxed) },
		"index.html":             func() ([]byte, error) { return os.ReadFile(web + "/bench/index.html") },
		"bench.css":              func() ([]byte, error) { return os.ReadFile(web + "/bench/bench.css") },
	} {
		if files[name], err = make(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// A Server serves pages and models on loopback, cross-origin isolated, so that pages
// get threads. Files on disk are served as they are, by ranges too.
type Server struct {
	URL string

	mux    *http.ServeMux
	server http.Server
}

// NewServer starts a server at an address; "127.0.0.1:0" picks a port.
func NewServer(addr string) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + l.Addr().String(), mux: http.NewServeMux()}
	s.server.Handler = isolated(s.mux)
	go func() { _ = s.server.Serve(l) }() // ends with Close
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() error { return s.server.Close() }

// Site serves built files below a prefix that ends in "/".
func (s *Server) Site(prefix string, files build.Files) {
	for name, content := range files {
		s.mux.HandleFunc(prefix+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType(name))
			_, _ = w.Write(content) // the browser went away
		})
		if name == "index.html" {
			s.mux.Handle(prefix+"{$}", http.RedirectHandler(prefix+name, http.StatusFound))
		}
	}
}

// Dir serves a directory below a prefix that ends in "/".
func (s *Server) Dir(prefix, dir string) {
	s.mux.Handle(prefix, http.StripPrefix(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType(r.URL.Path))
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	})))
}

// File serves one file at a path.
func (s *Server) File(at, file string) {
	s.mux.HandleFunc(at, func(w http.ResponseWriter, r *http.Request) {
		info, err := os.Stat(file)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()))
		w.Header().Set("Content-Type", contentType(at))
		http.ServeFile(w, r, file)
	})
}

// contentType is by extension, independent of the system's own table.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css"
	case ".js", ".mjs":
		return "text/javascript"
	case ".wasm":
		return "application/wasm"
	}
	return "application/octet-stream"
}

func isolated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}
