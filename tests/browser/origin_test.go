package browser

import (
	"net/http"
	"net/http/httptest"
	"sync"
)

// origins are the servers' addresses that this process has used.
var origins sync.Map

// newOrigin serves at an address that no test before has had. The browser keeps what an
// origin stored, and its service worker, for all tests; the system hands out a port
// again after a while, and a test would find the files of another.
func newOrigin(h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	if _, used := origins.LoadOrStore(s.URL, true); used {
		defer s.Close() // after the next one has another address
		return newOrigin(h)
	}
	return s
}
