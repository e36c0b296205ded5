package worker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"pastel/fault"
	"pastel/worker/sse"
)

// errClientGone is the cause when the client left: nothing can be written.
var errClientGone = errors.New("worker: the client is gone")

// An event is one chunk on its way to the client, or the end: io.EOF, or why not.
type event struct {
	data []byte
	err  error
}

// answer serves a validated chat: a stream of server-sent events, or one object.
//
// One goroutine reads the backend, this one writes: so pings can go out while
// the backend is silent, and a write that fails aborts the backend at once. In
// workerd that is the only way to see that a client has left, so an object is
// waited for with pings as well: line feeds, which JSON allows before a value.
// Until the first byte is written a failure is an HTTP status; afterwards it is
// an error object, in a stream without [DONE] after it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, c *Call, rec *record) {
	ctx, cancel := context.WithCancelCause(r.Context())
	wall := time.AfterFunc(s.Limits.Wall.Duration, func() { cancel(errTimeout()) })
	defer wall.Stop()
	events, finished := make(chan event), make(chan struct{})
	go func() {
		defer close(finished)
		s.produce(ctx, c, rec, events)
	}()
	out := &answerWriter{w: w, control: http.NewResponseController(w), stream: c.Stream, patience: s.Limits.Idle.Duration}
	err := s.relay(ctx, out, events)
	cancel(errClientGone) // for the producer: nobody listens any more
	<-finished
	out.end(err)
	rec.ended(err, out.status)
}

// relay writes events until the end, which it returns.
func (s *Server) relay(ctx context.Context, out *answerWriter, events <-chan event) error {
	ping := time.NewTicker(s.Limits.Ping.Duration)
	defer ping.Stop()
	for {
		var failed error
		select {
		case e := <-events:
			if e.err != nil && ctx.Err() != nil && !errors.Is(e.err, io.EOF) {
				return causeOf(ctx) // the backend's failure is only its echo
			}
			if e.err != nil {
				return e.err
			}
			failed = out.event(e.data)
			ping.Reset(s.Limits.Ping.Duration)
		case <-ping.C:
			failed = out.ping()
		case <-ctx.Done():
			return causeOf(ctx)
		}
		if failed != nil {
			return errClientGone
		}
	}
}

// causeOf is the reason a context ended; plain cancellation is the client's.
func causeOf(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != context.Canceled {
		return cause
	}
	return errClientGone
}

// produce opens an answer and sends its chunks in order, then how it ended.
func (s *Server) produce(ctx context.Context, c *Call, rec *record, events chan<- event) {
	send := func(e event) bool {
		select {
		case events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	answer, err := s.open(ctx, c, rec)
	if err != nil {
		send(event{err: err})
		return
	}
	defer func() { _ = answer.Close() }()
	idle := time.AfterFunc(s.Limits.Idle.Duration, func() { answer.abort(errTimeout()) })
	defer idle.Stop()
	for data := answer.first; ; {
		part, err := parseChunk(data)
		if err != nil {
			answer.backend.report(err, s.Now())
			send(event{err: err})
			return
		}
		rec.chunk(part)
		if part.isUsage && !c.IncludeUsage {
			// the client did not ask for this one
		} else if !send(event{data: part.encode(c.Model, c.IncludeUsage)}) {
			return
		}
		idle.Reset(s.Limits.Idle.Duration)
		if data, err = answer.Next(); err != nil {
			if !errors.Is(err, io.EOF) {
				answer.backend.report(err, s.Now())
			}
			send(event{err: err})
			return
		}
	}
}

// An answerWriter writes a stream or an object and remembers whether it has begun.
type answerWriter struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	stream   bool
	patience time.Duration // for a client that does not read
	status   int           // 0 until the first byte
	buf      []byte
}

// event writes a chunk of the stream, or the object.
func (o *answerWriter) event(data []byte) error {
	if o.stream {
		o.buf = sse.AppendEvent(o.buf[:0], data)
		return o.write(o.buf)
	}
	if o.status == 0 {
		o.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	}
	return o.write(data)
}

func (o *answerWriter) ping() error {
	if o.stream {
		return o.write([]byte(sse.Ping))
	}
	return o.write([]byte("\n"))
}

func (o *answerWriter) write(data []byte) error {
	if o.status == 0 {
		h := o.w.Header()
		h.Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[o.stream])
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // nginx would hold events and pings back
		o.status = http.StatusOK
		o.w.WriteHeader(o.status)
	}
	// Not every host has deadlines; where it has, a client that stops reading
	// cannot hold a backend for ever.
	_ = o.control.SetWriteDeadline(time.Now().Add(o.patience))
	if _, err := o.w.Write(data); err != nil {
		return err
	}
	if err := o.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// end writes how the answer ended, and leaves the connection without a deadline
// for its next request.
func (o *answerWriter) end(err error) {
	defer func() { _ = o.control.SetWriteDeadline(time.Time{}) }()
	switch {
	case errors.Is(err, errClientGone):
		if o.status == 0 {
			o.status = statusClientGone
		}
	case errors.Is(err, io.EOF):
		if o.stream {
			_ = o.event([]byte("[DONE]"))
		}
	case o.status == 0:
		o.status = statusOf(err)
		WriteError(o.w, err)
	default:
		_ = o.event(errorObject(err))
	}
}

// statusClientGone is what logs show when the client left before an answer;
// nginx uses the same number.
const statusClientGone = 499

// codeOf is fault.CodeOf for logs: "" when an answer went well.
func codeOf(err error) fault.Code {
	switch {
	case errors.Is(err, io.EOF):
		return ""
	case errors.Is(err, errClientGone), errors.Is(err, context.Canceled):
		return fault.Aborted
	}
	return fault.CodeOf(err)
}
