package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pastel/engine/gguf"
)

const testdata = "../../testdata/tokenizer"

// readTestdata reads a file, unpacked if its name ends in .gz.
func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return data
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(zr); err != nil {
		t.Fatal(err)
	}
	return data
}

// readMetadata decodes the header of GGUF bytes.
func readMetadata(t testing.TB, data []byte) *gguf.Metadata {
	t.Helper()
	d := gguf.NewDecoder(uint64(len(data)))
	if _, err := d.Write(data); err != nil {
		t.Fatal(err)
	}
	f, err := d.File()
	if err != nil {
		t.Fatal(err)
	}
	return &f.Metadata
}

// newTokenizer is New without errors.
func newTokenizer(t testing.TB, md Metadata) *Tokenizer {
	t.Helper()
	tok, err := New(md)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// load returns the tokenizer of testdata/tokenizer/name.gguf.gz, or of a Hugging
// Face vocabulary there.
func load(t testing.TB, name string) *Tokenizer {
	t.Helper()
	if tok, ok := loaded.Load(name); ok {
		return tok.(*Tokenizer)
	}
	var md Metadata
	switch name {
	case "qwen2":
		md = qwen2Metadata(t)
	case "minueza":
		md = minuezaMetadata(t)
	default:
		md = readMetadata(t, readTestdata(t, name+".gguf.gz"))
	}
	tok := newTokenizer(t, md)
	loaded.Store(name, tok)
	return tok
}

// loaded keeps the tokenizers that tests share; they are immutable.
var loaded sync.Map

// fields is Metadata made by a test.
type fields map[string]any

func field[T any](f fields, key string, def T) (T, error) {
	v, ok := f[key]
	if !ok {
		return def, nil
	}
	x, ok := v.(T)
	if !ok {
		return def, os.ErrInvalid
	}
	return x, nil
}

func (f fields) Has(key string) bool                         { return f[key] != nil }
func (f fields) Uint(key string, def uint64) (uint64, error) { return field(f, key, def) }
func (f fields) Bool(key string, def bool) (bool, error)     { return field(f, key, def) }
func (f fields) String(key, def string) (string, error)      { return field(f, key, def) }
func (f fields) Strings(key string) ([]string, error)        { return field[[]string](f, key, nil) }
func (f fields) Floats(key string) ([]float32, error)        { return field[[]float32](f, key, nil) }
func (f fields) Ints(key string) ([]int32, error)            { return field[[]int32](f, key, nil) }

// qwen2Metadata makes metadata from Qwen2.5's merges.txt. Its vocab.json is the
// 256 bytes in GPT-2's order followed by the merges, and the special tokens.
func qwen2Metadata(t testing.TB) fields {
	merges := strings.Split(strings.TrimSuffix(string(readTestdata(t, "qwen2.merges.txt.gz")), "\n"), "\n")
	tokens := byteTokens()
	for _, m := range merges {
		tokens = append(tokens, strings.Replace(m, " ", "", 1))
	}
	types := make([]int32, len(tokens), len(tokens)+3)
	for i := range types {
		types[i] = typeNormal
	}
	eos := uint64(len(tokens) + 2)
	tokens = append(tokens, "<|endoftext|>", "<|im_start|>", "<|im_end|>")
	types = append(types, typeControl, typeControl, typeControl)
	return fields{
		keyModel: "gpt2", keyPre: "qwen2", keyTokens: tokens, keyTypes: types, keyMerges: merges,
		keyEOS: eos, keyBOS: eos - 2, keyAddBOS: false,
	}
}

// byteTokens are the tokens of single bytes in the order GPT-2 lists them: those
// that print, then the rest.
func byteTokens() []string {
	var tokens, rest []string
	for b := range 256 {
		r := byteRune(byte(b))
		if r == rune(b) {
			tokens = append(tokens, string(r))
		} else {
			rest = append(rest, string(r))
		}
	}
	return append(tokens, rest...)
}

// hfTokenizer is what we read of a tokenizer.json.
type hfTokenizer struct {
	AddedTokens []struct {
		ID      int32
		Content string
	} `json:"added_tokens"`
	Model struct {
		Vocab  map[string]int32
		Merges []string
	}
}

func minuezaTokenizer(t testing.TB) hfTokenizer {
	var hf hfTokenizer
	if err := json.Unmarshal(readTestdata(t, "minueza.tokenizer.json.gz"), &hf); err != nil {
		t.Fatal(err)
	}
	return hf
}

// minuezaMetadata makes SentencePiece metadata from a tokenizer.json with merges:
// a token's score falls with its id, and runs of space marks come last, as in the
// tokenizer.model it came from.
func minuezaMetadata(t testing.TB) fields {
	hf := minuezaTokenizer(t)
	n := len(hf.Model.Vocab)
	for _, a := range hf.AddedTokens {
		n = max(n, int(a.ID)+1)
	}
	tokens, types, scores := make([]string, n), make([]int32, n), make([]float32, n)
	for text, id := range hf.Model.Vocab {
		tokens[id], types[id], scores[id] = text, typeNormal, -float32(id)
		if _, ok := parseByte(text); ok {
			types[id] = typeByte
		}
		if strings.Trim(text, spaceMark) == "" {
			scores[id] = -1e9
		}
	}
	for _, a := range hf.AddedTokens {
		tokens[a.ID], types[a.ID] = a.Content, typeControl
	}
	return fields{keyModel: "llama", keyTokens: tokens, keyTypes: types, keyScores: scores}
}

// vectors returns llama.cpp's test texts and the ids of a vocabulary.
func vectors(t testing.TB, name string) (texts []string, ids [][]int32) {
	t.Helper()
	texts = strings.Split(string(readTestdata(t, "vectors.inp")), "\n__ggml_vocab_test__\n")
	for line := range strings.Lines(string(readTestdata(t, name+".out"))) {
		var row []int32
		for _, f := range strings.Fields(line) {
			id, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			row = append(row, int32(id))
		}
		ids = append(ids, row)
	}
	for len(texts) > len(ids) && texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	if len(texts) != len(ids) {
		t.Fatalf("%s: %d texts, %d rows of ids", name, len(texts), len(ids))
	}
	return texts, ids
}
