package simd128

import (
	"fmt"
	"runtime"
	"strings"
)

// where returns file:line of the nearest caller outside this package (its tests count as outside).
func where() string {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		fr, more := frames.Next()
		inside := strings.Contains(fr.Function, "/simd128.") && !strings.HasSuffix(fr.File, "_test.go")
		if !inside || !more {
			return fmt.Sprintf("%s:%d", shortFile(fr.File), fr.Line)
		}
	}
}

// shortFile keeps the last folder and the name of a path.
func shortFile(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return path
	}
	return path[strings.LastIndexByte(path[:i], '/')+1:]
}

// errorf records a mistake of the caller; Build reports all of them.
func (m *Module) errorf(format string, args ...any) {
	m.errs = append(m.errs, fmt.Errorf("%s: %s", where(), fmt.Sprintf(format, args...)))
}

func (f *Func) errorf(format string, args ...any) {
	f.m.errorf("%s: %s", f.name, fmt.Sprintf(format, args...))
}
