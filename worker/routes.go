package worker

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"pastel/fault"
)

// A route answers one kind of path. An error it returns is answered for it,
// and must come before anything is written.
type route struct {
	name   string
	method string // GET admits HEAD
	public bool   // needs no token
	serve  func(*Server, http.ResponseWriter, *http.Request, *Key, *record) error
}

var (
	healthRoute   = route{"health", http.MethodGet, true, (*Server).health}
	metricsRoute  = route{"metrics", http.MethodGet, false, (*Server).metrics}
	modelsRoute   = route{"models", http.MethodGet, false, (*Server).listModels}
	modelRoute    = route{"model", http.MethodGet, false, (*Server).oneModel}
	chatRoute     = route{"chat", http.MethodPost, false, (*Server).chat}
	manifestRoute = route{"manifest", http.MethodGet, false, (*Server).manifest}
	fileRoute     = route{"file", http.MethodGet, false, (*Server).poolFile}
	blendRoute    = route{"blend", http.MethodPost, false, (*Server).blend}
)

// match finds the route of a path and sets its path values.
//
// Errors: ERR_NOT_FOUND; ERR_METHOD, with the route whose method it is not.
func match(r *http.Request) (route, error) {
	found, ok := matchPath(r)
	if !ok {
		return route{}, fault.New(CodeNotFound, "worker: no such path")
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if method != found.method {
		return found, fault.New(CodeMethod, "worker: this path takes ", found.method)
	}
	return found, nil
}

func matchPath(r *http.Request) (route, bool) {
	switch r.URL.Path {
	case "/healthz":
		return healthRoute, true
	case "/metrics":
		return metricsRoute, true
	case "/v1/models":
		return modelsRoute, true
	case "/v1/chat/completions":
		return chatRoute, true
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/v1/models/"); ok {
		r.SetPathValue("id", id) // an id may hold slashes
		return modelRoute, true
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/pools/")
	if !ok {
		return route{}, false
	}
	parts := strings.Split(rest, "/")
	r.SetPathValue("id", parts[0])
	switch {
	case len(parts) == 1:
		return manifestRoute, true
	case len(parts) == 2 && parts[1] == "blend":
		return blendRoute, true
	case len(parts) == 3 && parts[1] == "files":
		r.SetPathValue("file", parts[2])
		return fileRoute, true
	}
	return route{}, false
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request, _ *Key, _ *record) error {
	writeBody(w, http.StatusOK, "application/json", []byte(`{"status":"ok"}`))
	return nil
}

// model is OpenAI's model object.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request, _ *Key, _ *record) error {
	list := make([]model, len(s.models))
	for i, id := range s.models {
		list[i] = model{id, "model", 0, "pastel"}
	}
	return writeJSON(w, map[string]any{"object": "list", "data": list})
}

func (s *Server) oneModel(w http.ResponseWriter, r *http.Request, _ *Key, _ *record) error {
	id := r.PathValue("id")
	if s.byModel[id] == nil {
		return noModel(id)
	}
	return writeJSON(w, model{id, "model", 0, "pastel"})
}

func noModel(id string) error {
	return fault.New(CodeNotFound, "worker: no model ", fault.Quote(id))
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, "application/json", body)
	return nil
}

// metrics writes Prometheus' text format, version 0.0.4.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request, _ *Key, _ *record) error {
	counters, err := s.State.Counters(r.Context())
	if err != nil {
		return fault.New(CodeBusy, "worker: the counters cannot be read now")
	}
	buf := strconv.AppendInt([]byte("pastel_in_flight "), s.inFlight.Load(), 10)
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		buf = append(append(append(buf, '\n'), name...), ' ')
		buf = strconv.AppendFloat(buf, counters[name], 'g', -1, 64)
	}
	writeBody(w, http.StatusOK, "text/plain; version=0.0.4", append(buf, '\n'))
	return nil
}
