package worker

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"pastel/fault"
)

// chat serves /v1/chat/completions.
func (s *Server) chat(w http.ResponseWriter, r *http.Request, key *Key, rec *record) error {
	body, err := s.readJSON(w, r)
	if err != nil {
		return err
	}
	c, err := parseCall(body, s.Limits)
	if err != nil {
		return err
	}
	if s.byModel[c.Model] == nil {
		return noModel(c.Model)
	}
	settle, err := s.reserve(r.Context(), key, c.estimate())
	if err != nil {
		return err
	}
	defer func() { settle(rec.tokens(c)) }()
	// The host's deadline for reading the request must not end a long answer.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	s.answer(w, r, c, rec)
	return nil
}

// readJSON reads a bounded body. The content type must be JSON: a browser then
// asks before it sends across origins, whatever page it is.
//
// Errors: ERR_BAD_REQUEST; ERR_TOO_LARGE.
func (s *Server) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return nil, fault.New(fault.BadRequest, "worker: content type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.Limits.Body))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.New(CodeTooLarge, "worker: body over ", s.Limits.Body, " bytes")
	case err != nil:
		return nil, fault.New(fault.BadRequest, "worker: the body could not be read")
	}
	return body, nil
}
