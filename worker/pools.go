package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"time"

	"pastel/fault"
)

// Pools holds adapter pools by id. Implementations are safe for concurrent use.
type Pools interface {
	// Read returns a file of a pool; ManifestFile is its manifest. id and
	// name are plain names (see plainName): they never hold a separator.
	//
	// Errors: ERR_NOT_FOUND.
	Read(ctx context.Context, id, name string) (io.ReadSeekCloser, error)
}

// A Blender makes one adapter from a pool and N scores: the server's side of
// instant customisation. Implementations are safe for concurrent use.
type Blender interface {
	// Blend reads what it needs through open (file names of the pool's manifest).
	//
	// Shapes: scores [N], finite.
	// Errors: ERR_BAD_REQUEST when N is not the pool's.
	Blend(ctx context.Context, manifest []byte, open Opener, scores []float32) (adapter []byte, err error)
}

// An Opener opens a file of one pool.
type Opener func(name string) (io.ReadSeekCloser, error)

// ManifestFile is the name of a pool's manifest.
const ManifestFile = "pool.json"

// SignatureFile is the name of the manifest's signature, which a pool may lack.
const SignatureFile = "pool.json.sig"

// plainName is what ids and file names may look like: never a path.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// maxManifest bounds a manifest in bytes.
const maxManifest = 16 << 20

// readManifest returns a pool's manifest.
//
// Errors: ERR_NOT_FOUND.
func (s *Server) readManifest(r *http.Request) ([]byte, error) {
	id := r.PathValue("id")
	if s.Pools == nil || !plainName.MatchString(id) {
		return nil, fault.New(CodeNotFound, "worker: no pool ", fault.Quote(id))
	}
	f, err := s.Pools.Read(r.Context(), id, ManifestFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil || len(raw) > maxManifest || !json.Valid(raw) {
		return nil, fault.New(fault.Internal, "worker: pool ", fault.Quote(id), ": unreadable manifest")
	}
	return raw, nil
}

// manifest serves /v1/pools/{id}.
func (s *Server) manifest(w http.ResponseWriter, r *http.Request, _ *Key, _ *record) error {
	raw, err := s.readManifest(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	serveContent(w, r, etag(raw, ""), bytes.NewReader(raw))
	return nil
}

// poolFile serves /v1/pools/{id}/files/{file}, whole or by range. Only files
// that the manifest names exist, and its signature.
func (s *Server) poolFile(w http.ResponseWriter, r *http.Request, _ *Key, _ *record) error {
	raw, err := s.readManifest(r)
	if err != nil {
		return err
	}
	f, err := s.opener(r, raw)(r.PathValue("file"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	serveContent(w, r, etag(raw, r.PathValue("file")), f)
	return nil
}

// opener opens the files of the request's pool that its manifest names, and its signature.
func (s *Server) opener(r *http.Request, manifest []byte) Opener {
	return func(name string) (io.ReadSeekCloser, error) {
		var v any
		known := name == SignatureFile || json.Unmarshal(manifest, &v) == nil && names(v, name)
		if !plainName.MatchString(name) || !known {
			return nil, fault.New(CodeNotFound, "worker: the pool has no file ", fault.Quote(name))
		}
		return s.Pools.Read(r.Context(), r.PathValue("id"), name)
	}
}

// names reports whether a JSON value holds the string anywhere as a value.
func names(v any, name string) bool {
	switch v := v.(type) {
	case string:
		return v == name
	case []any:
		for _, x := range v {
			if names(x, name) {
				return true
			}
		}
	case map[string]any:
		for _, x := range v {
			if names(x, name) {
				return true
			}
		}
	}
	return false
}

// etag identifies a file by its pool's manifest, which pins all digests.
func etag(manifest []byte, name string) string {
	h := sha256.New()
	h.Write(manifest)
	h.Write([]byte(name))
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// serveContent answers with a file, honouring Range, If-Range and If-None-Match.
func serveContent(w http.ResponseWriter, r *http.Request, tag string, f io.ReadSeeker) {
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// blend serves /v1/pools/{id}/blend: N scores in, one adapter out. The body may
// hold nothing else, so that nothing else can leave a device by accident.
func (s *Server) blend(w http.ResponseWriter, r *http.Request, _ *Key, _ *record) error {
	body, err := s.readJSON(w, r)
	if err != nil {
		return err
	}
	manifest, err := s.readManifest(r)
	if err != nil {
		return err
	}
	if s.Blender == nil {
		return fault.New(CodeNotFound, "worker: this server does not blend")
	}
	var request struct{ Scores []float32 }
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil || d.More() {
		return fault.New(fault.BadRequest, "worker: the body must be {\"scores\": [numbers]} and nothing else")
	}
	if n := len(request.Scores); n == 0 || n > s.Limits.Scores {
		return fault.New(fault.BadRequest, "worker: ", n, " scores, need 1 to ", s.Limits.Scores)
	}
	adapter, err := s.Blender.Blend(r.Context(), manifest, s.opener(r, manifest), request.Scores)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, http.StatusOK, "application/octet-stream", adapter)
	return nil
}
