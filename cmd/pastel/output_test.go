package main

import (
	"errors"
	"strings"
	"testing"
)

// fullDisk takes some bytes and then no more.
type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	n := min(f.room, len(p))
	f.room -= n
	if n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

// A command whose answer was cut off must not look as if it had succeeded.
func TestAnswerCutOff(t *testing.T) {
	args := []string{"pool", "inspect", poolDir}
	for _, tt := range []struct {
		name string
		args []string
		room int
		want string
	}{
		{"help", []string{"help"}, 3, "pastel help: no space left\n"},
		{"the first line of several", args, 0, "pastel pool: no space left\n"},
		{"a later line", args, 200, "pastel pool: no space left\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr strings.Builder
			code := dispatch(t.Context(), env{strings.NewReader(""), &fullDisk{tt.room}, &stderr}, tt.args)
			if code != 1 || stderr.String() != tt.want {
				t.Errorf("exit code %d and %q, want 1 and %q", code, stderr.String(), tt.want)
			}
		})
	}
}
