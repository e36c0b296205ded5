package chat

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// vector is one row of testdata/chat-templates; Expected nil means the
// template must raise.
type vector struct {
	Name     string          `json:"name"`
	Template string          `json:"template"`
	Context  json.RawMessage `json:"context"`
	Expected *string         `json:"expected"`
}

// vectorsDate is the day the vectors were rendered.
var vectorsDate = Date{Year: 2026, Month: 11, Day: 20}

func readVectors(tb testing.TB, file string) []vector {
	tb.Helper()
	f, err := os.Open("../../testdata/chat-templates/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	var list []vector
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			tb.Fatal(err)
		}
		list = append(list, v)
	}
	if err := lines.Err(); err != nil || len(list) == 0 {
		tb.Fatalf("%s: %d vectors, %v", file, len(list), err)
	}
	return list
}

func render(template string, context []byte) (string, error) {
	t, err := Parse(template)
	if err != nil {
		return "", err
	}
	ctx, err := jsonvalue.Parse(context)
	if err != nil {
		return "", err
	}
	return t.Render(ctx, vectorsDate, Limits{})
}

// lostInJSON are rows whose context held JavaScript functions. On the JSON that
// is left the reference raises, and so must we.
var lostInJSON = map[string]bool{"OBJ_METHODS": true}

// TestVectors renders every template as @huggingface/jinja 0.5.11 does.
func TestVectors(t *testing.T) {
	for _, file := range []string{"unit.jsonl.gz", "e2e.jsonl.gz", "files.jsonl.gz", "extra.jsonl.gz"} {
		for _, v := range readVectors(t, file) {
			t.Run(file+"/"+v.Name, func(t *testing.T) {
				got, err := render(v.Template, v.Context)
				if lostInJSON[v.Name] {
					v.Expected = nil
				}
				switch {
				case v.Expected == nil && err == nil:
					t.Errorf("got %q, want an error", got)
				case v.Expected == nil && !errors.Is(err, fault.Sentinel(fault.Template)):
					t.Errorf("error %v has code %s", err, fault.CodeOf(err))
				case v.Expected != nil && err != nil:
					t.Error(err)
				case v.Expected != nil && got != *v.Expected:
					t.Errorf("got  %q\nwant %q", got, *v.Expected)
				}
			})
		}
	}
}
