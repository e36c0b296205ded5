package chat

import "pastel/fault"

// Limits bound what one rendering may use. The zero value of a field means its
// default, which is about a hundred times what the largest templates in the
// wild use on a long conversation.
type Limits struct {
	Steps  int // nodes evaluated, or 64 bytes of text gone through; default 4 Mi
	Bytes  int // memory made for strings and lists, over the whole run; default 64 MiB
	Output int // bytes of the prompt; default 8 MiB
	Depth  int // nodes being evaluated at once, which bounds the stack; default 2000
}

const (
	defaultSteps  = 4 << 20
	defaultBytes  = 64 << 20
	defaultOutput = 8 << 20
	defaultDepth  = 2000
)

// valueBytes is the size of a value in a list, for counting.
const valueBytes = 64

func (l Limits) filled() Limits {
	for _, f := range []struct {
		field     *int
		otherwise int
	}{{&l.Steps, defaultSteps}, {&l.Bytes, defaultBytes}, {&l.Output, defaultOutput}, {&l.Depth, defaultDepth}} {
		if *f.field == 0 {
			*f.field = f.otherwise
		}
	}
	return l
}

// A flow is what a statement does to the loop around it.
type flow uint8

const (
	flowNone flow = iota
	flowBreak
	flowContinue
)

// A run is one rendering. After the first failure, or while a break or continue
// is on its way to its loop, evaluation returns undefined at once.
type run struct {
	limits  Limits // what was allowed
	left    Limits // what is left of it
	date    Date
	globals *scope
	out     []byte
	flow    flow
	err     error
}

func (r *run) stopped() bool { return r.err != nil || r.flow != flowNone }

// fail stops the run, unless it is already stopping.
func (r *run) fail(line int, parts ...any) value {
	if !r.stopped() {
		r.err = errorAt(line, parts...)
	}
	return undefined
}

func (r *run) exceed(limit int, what string) {
	if r.err == nil {
		r.err = fault.New(fault.Template, "chat: template is over its limit of ", limit, " ", what)
	}
}

// spend counts steps and reports whether they are allowed.
func (r *run) spend(steps int) bool {
	if steps > r.left.Steps || steps < 0 {
		r.exceed(r.limits.Steps, "steps")
		return false
	}
	r.left.Steps -= steps
	return true
}

// scan counts going through n bytes of text.
func (r *run) scan(n int) bool { return r.spend(n/64 + 1) }

// make counts n bytes about to be made, and going through them.
func (r *run) make(n int) bool {
	if n > r.left.Bytes || n < 0 {
		r.exceed(r.limits.Bytes, "bytes of memory")
		return false
	}
	r.left.Bytes -= n
	return r.scan(n)
}

// makeList counts a list of n values about to be made.
func (r *run) makeList(n int) bool {
	if n > r.left.Bytes/valueBytes {
		r.exceed(r.limits.Bytes, "bytes of memory")
		return false
	}
	return r.make(n*valueBytes) && r.spend(n)
}

// text makes a string value of bytes that were not counted before.
func (r *run) text(s string) value {
	if !r.make(len(s)) {
		return undefined
	}
	return stringValue(s)
}

// write adds to the output.
func (r *run) write(s string) {
	if r.stopped() {
		return
	}
	if len(s) > r.left.Output-len(r.out) {
		r.exceed(r.limits.Output, "bytes of output")
		return
	}
	if r.scan(len(s)) {
		r.out = append(r.out, s...)
	}
}
