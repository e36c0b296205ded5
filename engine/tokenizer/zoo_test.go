package tokenizer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// zooRow is a tokenizer of the conformance zoo with llama.cpp's ids for a few texts.
type zooRow struct {
	Run      string
	Metadata map[string]json.RawMessage
	Tokenize []struct {
		Text string
		IDs  []int32
	}
}

// fields gives JSON values the types that a GGUF file would have.
func (r *zooRow) fields(t *testing.T) fields {
	f := fields{}
	for key, raw := range r.Metadata {
		var v any
		switch key {
		case keyTokens, keyMerges:
			v = decodeJSON[[]string](t, raw)
		case keyScores:
			v = decodeJSON[[]float32](t, raw)
		case keyTypes:
			v = decodeJSON[[]int32](t, raw)
		default:
			switch {
			case strings.HasPrefix(string(raw), `"`):
				v = decodeJSON[string](t, raw)
			case raw[0] == 't' || raw[0] == 'f':
				v = decodeJSON[bool](t, raw)
			default:
				v = decodeJSON[uint64](t, raw)
			}
		}
		f[key] = v
	}
	return f
}

func decodeJSON[T any](t *testing.T, raw []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestZoo covers the pre-tokenizers whose real vocabularies are not free or too
// large to keep: their rules over a tiny vocabulary.
func TestZoo(t *testing.T) {
	for line := range bytes.Lines(readTestdata(t, "zoo.jsonl.gz")) {
		row := decodeJSON[zooRow](t, line)
		t.Run(row.Run, func(t *testing.T) {
			tok := newTokenizer(t, row.fields(t))
			for _, tt := range row.Tokenize {
				if got := tok.Encode(tt.Text, plain); !slices.Equal(got, tt.IDs) {
					t.Errorf("Encode(%q)\n got %v\nwant %v", tt.Text, got, tt.IDs)
				}
			}
		})
	}
}
