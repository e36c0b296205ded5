package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"pastel/fault"
)

// A Server is the edge server's one handler. Safe for concurrent use.
type Server struct {
	Config
	keys     keyring
	byModel  map[string][]*guarded // public id → backends, in order of preference
	models   []string              // public ids, in order of first mention
	inFlight atomic.Int64
}

// New makes a Server.
//
// Errors: ERR_BAD_REQUEST for a configuration that would admit too much or
// answer nobody.
func New(c Config) (*Server, error) {
	c.Limits = c.Limits.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.ClientIP == nil {
		c.ClientIP = address
	}
	s := &Server{Config: c, keys: newKeyring(c.Keys), byModel: map[string][]*guarded{}}
	for _, b := range c.Backends {
		g := &guarded{Backend: b}
		g.breaker.Failures = breakerFailures
		for _, id := range b.Models() {
			if s.byModel[id] == nil {
				s.models = append(s.models, id)
			}
			s.byModel[id] = append(s.byModel[id], g)
		}
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.inFlight.Add(1)
	rec := &record{id: newID(), started: time.Now(), method: r.Method, route: "none"}
	w.Header().Set("X-Request-Id", rec.id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	sw := &statusWriter{ResponseWriter: w}
	defer s.finish(r.Context(), sw, rec)
	if err := s.serve(sw, r, rec); err != nil {
		rec.ended(err, statusOf(err))
		WriteError(sw, err)
	}
}

// serve checks in the order of cost and answers; an error is answered by the caller.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, rec *record) error {
	if err := s.checkHost(r); err != nil {
		return err
	}
	if err := s.checkOrigin(w, r); err != nil {
		return err
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		rec.route = "preflight"
		preflight(w, r)
		return nil
	}
	route, err := match(r)
	if err != nil {
		if route.method != "" {
			w.Header().Set("Allow", route.method)
		}
		return err
	}
	rec.route = route.name
	if route.public {
		return route.serve(s, w, r, nil, rec)
	}
	key, err := s.admit(r, rec)
	if err != nil {
		return err
	}
	return route.serve(s, w, r, key, rec)
}

// finish counts and logs. A panic is our bug: it is answered when nothing has
// been written, and the connection is cut otherwise.
func (s *Server) finish(ctx context.Context, w *statusWriter, rec *record) {
	s.inFlight.Add(-1)
	bug := recover()
	if bug != nil && bug != http.ErrAbortHandler {
		s.Log.Error("panic", "id", rec.id, "panic", bug, "stack", string(debug.Stack()))
		rec.ended(fault.New(fault.Internal, "worker: panic"), http.StatusInternalServerError)
		if w.status == 0 {
			WriteError(w, fault.Sentinel(fault.Internal))
		}
	}
	if rec.status == 0 {
		rec.status = max(w.status, http.StatusOK)
	}
	took := time.Since(rec.started)
	rec.log(s.Log, took)
	_ = s.State.Count(context.WithoutCancel(ctx), rec.counters(took))
	if bug != nil && w.status != http.StatusInternalServerError {
		panic(http.ErrAbortHandler)
	}
}

func newID() string {
	var raw [12]byte
	_, _ = rand.Read(raw[:]) // never fails (Go 1.24)
	return "req_" + hex.EncodeToString(raw[:])
}

// A statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the host's writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
