package fault_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"pastel/fault"
)

func TestNewFormatsParts(t *testing.T) {
	err := fault.New(fault.BadFile, "gguf: tensor ", fault.Quote("a\n"), ": ", uint64(3), " != ", -4, " ", 0.5, " ", []int{1, 2})
	if got, want := err.Error(), `gguf: tensor "a\n": 3 != -4 0.5 [1 2]`; got != want {
		t.Errorf("New(...) = %q, want %q", got, want)
	}
}

func TestCodes(t *testing.T) {
	err := error(fault.New(fault.Net, "web: ", io.EOF))
	if !errors.Is(err, fault.Sentinel(fault.Net)) || errors.Is(err, fault.Sentinel(fault.OOM)) {
		t.Error("errors.Is does not follow the code")
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	for _, tt := range []struct {
		err  error
		want fault.Code
	}{{nil, ""}, {io.EOF, fault.Internal}, {err, fault.Net}} {
		if got := fault.CodeOf(tt.err); got != tt.want {
			t.Errorf("CodeOf(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestQuoteBounds(t *testing.T) {
	if got := fault.Quote(strings.Repeat("x", 1<<20)); len(got) > 200 {
		t.Errorf("Quote of 1 MB is %d bytes", len(got))
	}
}
