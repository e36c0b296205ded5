// Package fault is the one error type that crosses every boundary of Pastel: a
// machine-readable code and a sentence for a person.
//
// It is a leaf: it formats without package fmt, because engine.wasm must stay
// under 700 KB gzipped and fmt alone costs 200 KB of that. It must not know any
// package that uses it.
package fault

import "strconv"

// A Code names a class of failure. Codes are stable: TypeScript and HTTP
// clients branch on them, and no text is ever parsed.
type Code string

// The codes shared by several packages. A package may define more.
const (
	Internal        Code = "ERR_INTERNAL"         // our bug
	BadRequest      Code = "ERR_BAD_REQUEST"      // the caller's arguments make no sense
	BadFile         Code = "ERR_BAD_FILE"         // bytes from outside break their format's rules
	UnsupportedArch Code = "ERR_UNSUPPORTED_ARCH" // a model family we do not plan
	UnsupportedType Code = "ERR_UNSUPPORTED_TYPE" // a tensor format we do not compute with
	LoRAMismatch    Code = "ERR_LORA_MISMATCH"    // an adapter that does not fit its base
	Context         Code = "ERR_CONTEXT"          // the context length is used up
	OOM             Code = "ERR_OOM"              // memory could not be had
	Quota           Code = "ERR_QUOTA"            // storage could not be had
	Hash            Code = "ERR_HASH"             // bytes do not match their digest
	Net             Code = "ERR_NET"              // a network failed
	Consent         Code = "ERR_CONSENT"          // the user has not agreed to send this
	Aborted         Code = "ERR_ABORTED"          // the caller stopped it
	Template        Code = "ERR_TEMPLATE"         // a chat template could not be run
)

// An Error is a coded error. Two Errors match under errors.Is when the target
// has an empty message and the same code, so a package's sentinel is simply
// &Error{Code: c}. Errors are immutable and safe for concurrent use.
type Error struct {
	Code    Code
	Message string // package first, then the thing, then the two numbers that disagree
	Cause   error  // may be nil
}

// New makes an Error whose message is its parts written one after another.
//
// Parts may be string, bool, error, Code, any integer type, float32, float64,
// []int, []uint64, or anything with a String method; other values print as "?".
// The first part of type error becomes the cause.
//
//	fault.New(fault.BadFile, "gguf: tensor ", fault.Quote(name), ": extent ", a, "..", b, " past end of file (", n, " bytes)")
func New(code Code, parts ...any) *Error {
	e := &Error{Code: code}
	buf := make([]byte, 0, 96)
	for _, p := range parts {
		if err, ok := p.(error); ok && e.Cause == nil {
			e.Cause = err
		}
		buf = appendPart(buf, p)
	}
	e.Message = string(buf)
	return e
}

// Append appends parts to dst, formatted as by New.
func Append(dst []byte, parts ...any) []byte {
	for _, p := range parts {
		dst = appendPart(dst, p)
	}
	return dst
}

// Sentinel is a comparison target for errors.Is: it matches every Error of its code.
func Sentinel(code Code) *Error { return &Error{Code: code} }

func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is a sentinel of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Message == "" && t.Code == e.Code
}

// CodeOf returns the code of the outermost Error in err's chain, Internal for
// any other non-nil error, and "" for nil.
func CodeOf(err error) Code {
	for err != nil {
		if e, ok := err.(*Error); ok {
			return e.Code
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return Internal
		}
		err = u.Unwrap()
	}
	return ""
}

// Quote returns s as a Go string literal, cut to 120 bytes so that a hostile
// name cannot flood a log.
func Quote(s string) string {
	if len(s) > 120 {
		return strconv.Quote(s[:120]) + "…"
	}
	return strconv.Quote(s)
}

// appendPart is a closed switch over what messages are made of.
func appendPart(buf []byte, p any) []byte {
	switch v := p.(type) {
	case string:
		return append(buf, v...)
	case Code:
		return append(buf, v...)
	case error:
		return append(buf, v.Error()...)
	case interface{ String() string }:
		return append(buf, v.String()...)
	case bool:
		return strconv.AppendBool(buf, v)
	case int:
		return strconv.AppendInt(buf, int64(v), 10)
	case int8:
		return strconv.AppendInt(buf, int64(v), 10)
	case int16:
		return strconv.AppendInt(buf, int64(v), 10)
	case int32:
		return strconv.AppendInt(buf, int64(v), 10)
	case int64:
		return strconv.AppendInt(buf, v, 10)
	case uint:
		return strconv.AppendUint(buf, uint64(v), 10)
	case uint8:
		return strconv.AppendUint(buf, uint64(v), 10)
	case uint16:
		return strconv.AppendUint(buf, uint64(v), 10)
	case uint32:
		return strconv.AppendUint(buf, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(buf, v, 10)
	case float32:
		return strconv.AppendFloat(buf, float64(v), 'g', 6, 32)
	case float64:
		return strconv.AppendFloat(buf, v, 'g', 6, 64)
	case []int:
		return appendList(buf, v)
	case []uint64:
		return appendList(buf, v)
	}
	return append(buf, '?')
}

// appendList writes [a b c].
func appendList[T int | uint64](buf []byte, v []T) []byte {
	buf = append(buf, '[')
	for i, x := range v {
		if i > 0 {
			buf = append(buf, ' ')
		}
		buf = strconv.AppendInt(buf, int64(x), 10)
	}
	return append(buf, ']')
}
