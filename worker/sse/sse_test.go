package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pastel/fault"
)

func readAll(r io.Reader) (events []string, err error) {
	for d := NewReader(r); ; {
		data, err := d.Next()
		if err != nil {
			return events, err
		}
		events = append(events, string(data))
	}
}

func TestReader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"one event", "data: a\n\n", []string{"a"}},
		{"space is optional, one is dropped", "data:a\n\ndata:  b\n\n", []string{"a", " b"}},
		{"CR LF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		{"CR alone", "data: a\r\rdata: b\r\r", []string{"a", "b"}},
		{"several lines", "data: a\ndata: b\n\n", []string{"a\nb"}},
		{"comments and other fields", ": ping\n\nevent: x\nid: 1\ndata: a\nretry: 3\n\n", []string{"a"}},
		{"empty data", "data\n\ndata:\n\n", []string{"", ""}},
		{"a longer field name", "database: x\n\n", nil},
		{"byte order mark", "\xef\xbb\xbfdata: a\n\n", []string{"a"}},
		{"unfinished event is dropped", "data: a\n\ndata: b\n", []string{"a"}},
		{"UTF-8", "data: 東京🎨\n\n", []string{"東京🎨"}},
		{"nothing", "", nil},
	} {
		for split, r := range map[string]io.Reader{"whole": strings.NewReader(tt.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, err := readAll(r)
			if !errors.Is(err, io.EOF) || !slices.Equal(got, tt.want) {
				t.Errorf("%s, %s: %q, %v, want %q", tt.name, split, got, err, tt.want)
			}
		}
	}
}

// endless is a stream without a line end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += len(p)
	return len(p), nil
}

func TestReaderIsBounded(t *testing.T) {
	var e endless
	if _, err := NewReader(&e).Next(); fault.CodeOf(err) != "ERR_TOO_LARGE" || e.read > 2*MaxEvent {
		t.Errorf("endless line: %v after %d bytes", err, e.read)
	}
	many := strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 2000)
	if _, err := NewReader(strings.NewReader(many)).Next(); fault.CodeOf(err) != "ERR_TOO_LARGE" {
		t.Errorf("endless event: %v", err)
	}
}

func TestWriteRead(t *testing.T) {
	want := []string{"a", "", "two\nlines", "{\"x\":1}"}
	var buf []byte
	for _, w := range want {
		buf = append(AppendEvent(buf, []byte(w)), Ping...)
	}
	if got, _ := readAll(bytes.NewReader(buf)); !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("data: a\r\n\r\n: x\ndata\n\n"))
	f.Add([]byte("\xef\xbb\xbf\r\n\rdata:\r\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, _ := readAll(bytes.NewReader(in))
		split, _ := readAll(iotest.OneByteReader(bytes.NewReader(in)))
		if !slices.Equal(whole, split) {
			t.Errorf("%q: whole %q, split %q", in, whole, split)
		}
	})
}
