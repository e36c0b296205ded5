// Package native hosts the edge server under net/http: what `pastel serve` runs.
// It provides sockets, pools from a directory and state in memory. It must not
// know Cloudflare.
package native

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"pastel/fault"
	"pastel/worker"
)

// Client returns the HTTP client for upstreams: no proxy, no redirects, no
// transparent compression (it would hold events back).
func Client() *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
			ForceAttemptHTTP2:   true,
		},
	}
}

// Serve answers on a listener until ctx ends, then lets running answers finish
// for up to ten seconds.
func Serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,      // of a whole request; answers have their own limits
		WriteTimeout:      10 * time.Minute, // of a file to a slow reader; chats set their own for each write
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err := server.Shutdown(grace)
		_ = server.Close()
		stopped <- err
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// DirPools are pools in a directory: <dir>/<id>/<file>.
type DirPools struct{ root *os.Root }

// OpenDirPools opens a directory of pools. Nothing outside it can be reached,
// whatever ids, names or links say.
func OpenDirPools(dir string) (*DirPools, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &DirPools{root}, nil
}

// Close releases the directory.
func (p *DirPools) Close() error { return p.root.Close() }

// Read implements worker.Pools.
func (p *DirPools) Read(_ context.Context, id, name string) (io.ReadSeekCloser, error) {
	f, err := p.root.Open(filepath.Join(id, name))
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && info.Mode().IsRegular() {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, fault.New(worker.CodeNotFound, "worker: pool ", fault.Quote(id), " has no file ", fault.Quote(name))
}

// LoopbackHosts are the names of this machine for this machine.
var LoopbackHosts = []string{"localhost", "127.0.0.1", "::1"}

// IsLoopback reports whether a listener can be reached from this machine only.
func IsLoopback(l net.Listener) bool {
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}
