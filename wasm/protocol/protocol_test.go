package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pastel/fault"
)

var update = flag.Bool("update", false, "rewrite testdata/protocol")

const goldenDir = "../../testdata/protocol"

// samples holds one message of every type, with every field set to something that
// differs from its neighbours, and some empty ones. Floats are exact in float32, so
// that the JSON beside the golden means the same in every language.
var samples = []Message{
	&Open{Kind: "model", ID: "", Files: []File{{Name: "a-00001-of-00002.gguf", Size: 1<<53 - 1}, {Name: "b", Size: 7}}},
	&Open{Kind: "adapter", ID: "math", Files: []File{}},
	&Open{Kind: "header", Files: []File{}},
	&Finish{},
	&Finish{Digest: "e3b0"},
	&Preflight{ContextLength: 512, KVType: "Q8_0", ReadBytesPerS: 1.5e10, MacsPerS: 2.5e10},
	&Discard{},
	&Unload{ID: "math"},
	&Info{},
	&Stats{},
	&Tokenize{Text: "Once upon a time, ünïcödé 🙂\x00", AddSpecial: true, ParseSpecial: false},
	&Detokenize{Tokens: []uint32{1, 403, 4294967295}, Special: true},
	&Render{Messages: `[{"role":"user"}]`, Tools: "[]", Variables: "{}", AddGenerationPrompt: true},
	&Render{Messages: "[]", ChatML: true},
	&Embed{Session: 3, Tokens: []uint32{1, 2}, Layer: 4, Last: true},
	&OpenSession{ContextLength: 512, KVType: "F16", LogitRows: 32},
	&CloseSession{Session: 3},
	&Truncate{Session: 3, Length: 17},
	&SaveSession{Session: 3},
	&RestoreSession{Session: 3, Adapters: []Adapter{{ID: "math", Scale: 0.5}}, Snapshot: []byte{80, 0, 255}},
	&Generate{
		Session: 3, Prompt: "Once", Tokens: []uint32{1, 2, 3}, AddSpecial: true, ParseSpecial: true, MaxTokens: 64,
		Temperature: 0.75, TopK: 40, TopP: 0.875, MinP: 0.0625, Seed: 1<<53 - 1, Stop: []string{"\n\n", "</s>"},
		IgnoreEOS: true, Adapters: []Adapter{{ID: "math", Scale: -0.5}, {ID: "law", Scale: 1.5}}, Logprobs: true, TopLogprobs: 5,
		TypicalP: 0.25, RepeatPenalty: 1.125, PresencePenalty: 0.5, FrequencyPenalty: -0.5, RepeatLastN: -1,
		LogitBias: []Bias{{Token: 7, Bias: -100}}, Format: "json", ShiftContext: true,
	},
	&Generate{Tokens: []uint32{}, Stop: []string{}, Adapters: []Adapter{}, LogitBias: []Bias{}},
	&Abort{Session: 3},
	&Logits{Session: 3, Tokens: []uint32{1, 2}, All: true, Adapters: []Adapter{{ID: "math", Scale: 1}}},
	&Customize{
		ID: "mine", Session: 3, Samples: []string{"a", "b"}, Weights: []float64{0.5, -0.25}, Weighting: "softmax", Tau: 0.125, TopK: 2,
		ScoresOnly: true, Save: true, Labelled: []Labelled{{Prompt: "2+2=", Answer: "4"}}, MaxEvals: 32, MaxMs: 1500, Seed: 7,
	},
	&Customize{Samples: []string{}, Weights: []float64{}, Labelled: []Labelled{}},
	&ClosePool{},
	&Refine{Stop: true},
	&OK{},
	&Error{Code: "ERR_CONTEXT", Message: "session: 513 tokens, context length 512"},
	&ModelInfo{
		Name: "stories260K", Architecture: "llama", Format: "F32", NLayers: 5, Dim: 64, VocabSize: 512, ContextLength: 2048,
		NParams: 262144, WeightBytes: 1 << 33, ChatTemplate: "{{ messages }}", BOS: 1, EOS: -1, AddBOS: true,
	},
	&AdapterInfo{ID: "math", Rank: 8, NModules: 14, WeightBytes: 12345},
	&StatsReply{MemoryBytes: 65536, HeapBytes: 1234, Executor: "relaxed", Threads: 2},
	&Tokens{Tokens: []uint32{5, 6}},
	&Text{Text: " time"},
	&SessionInfo{Session: 1, ContextLength: 512, Length: 9, KVBytes: 1 << 20},
	&LogitsReply{NRows: 2, Values: []float32{0.5, -1.25, 3, 16777216}},
	&Embedding{Values: []float32{0.5, -2}},
	&Snapshot{Snapshot: []byte{80, 0, 255}},
	&Estimate{
		WeightBytes: 1 << 33, KVBytes: 1, WorkBytes: 2, TotalBytes: 3, LimitBytes: 4, Fits: true, ContextLength: 5,
		MacsPerToken: 6, BytesPerToken: 7, DecodeTokS: 8.5, PrefillTokS: 9.25,
	},
	&PoolInfo{ID: "e3b0", Name: "tasks", Adapters: []string{"math", "law"}, Rank: 4, CanBlend: true, WeightBytes: 1 << 33},
	&Customized{
		ID: "mine", PoolID: "e3b0", Scores: []float64{0.5}, Weights: []float64{1}, Rank: 4, NModules: 35, WeightBytes: 12345, EmbedMs: 1.5,
		RefineMs: 2.5, BlendMs: 3.5, PackMs: 4.5, StartLoss: 5.5, Loss: 6.5, Evals: 7, File: []byte{71, 0, 255}, Searching: true,
		Layer: 4, Last: true, Mean: []float32{0.5, -2}, Samples: []float32{1, 2, 3, 4},
	},
	&Progress{Phase: "prefill", Done: 32, Total: 100},
	&Chunk{Text: " time", Token: 403, Logprob: -0.25, Top: []Candidate{{Token: 403, Text: " time", Logprob: -0.25}, {Token: 9, Text: "", Logprob: -3}}},
	&Done{FinishReason: "stop", Text: "x", PromptTokens: 9, CachedTokens: 4, CompletionTokens: 31, PrefillMs: 1.5, DecodeMs: 0.1},
}

func TestRoundTrip(t *testing.T) {
	seen := map[Tag]bool{}
	for _, m := range samples {
		seen[m.Tag()] = true
		b := Append([]byte("before"), m)
		got, err := Decode(b[len("before"):])
		if err != nil {
			t.Errorf("Decode(Append(%T)): %v", m, err)
		} else if !reflect.DeepEqual(got, m) {
			t.Errorf("Decode(Append(%+v)) = %+v", m, got)
		}
	}
	for tag := range 256 {
		if m := newMessage(Tag(tag)); m != nil && !seen[Tag(tag)] {
			t.Errorf("no sample of %T: add one, so that the golden covers it", m)
		} else if m != nil && m.Tag() != Tag(tag) {
			t.Errorf("newMessage(%d).Tag() = %d", tag, m.Tag())
		}
	}
}

// TestGolden holds this package and protocol.ts to the same bytes: golden.bin is
// each sample with its length before it, golden.json the same as TypeScript sees it.
func TestGolden(t *testing.T) {
	var bin []byte
	for _, m := range samples {
		b := Append(nil, m)
		bin = append(binary.LittleEndian.AppendUint32(bin, uint32(len(b))), b...)
	}
	text := goldenJSON(t)
	for name, want := range map[string][]byte{"golden.bin": bin, "golden.json": text} {
		path := filepath.Join(goldenDir, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what this package writes; if that is meant, raise Version and run with -update", path)
		}
	}
}

func goldenJSON(t *testing.T) []byte {
	t.Helper()
	var all []any
	for _, m := range samples {
		o := object(reflect.ValueOf(m).Elem()).(map[string]any)
		o["type"] = typeName(m)
		all = append(all, o)
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// typeName is the message's name in TypeScript: OpenSession is "openSession", OK is "ok".
func typeName(m Message) string {
	return camel(strings.TrimPrefix(reflect.TypeOf(m).String(), "*protocol."))
}

// camel lowers the capitals a Go name begins with: KVType is kvType, ID is id.
func camel(s string) string {
	n := 0
	for n < len(s) && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	if n > 1 && n < len(s) {
		n-- // the last capital begins the next word
	}
	return strings.ToLower(s[:n]) + s[n:]
}

func object(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		o := map[string]any{}
		for i := range v.NumField() {
			o[camel(v.Type().Field(i).Name)] = object(v.Field(i))
		}
		return o
	case reflect.Slice:
		l := []any{}
		for i := range v.Len() {
			l = append(l, object(v.Index(i)))
		}
		return l
	}
	return v.Interface()
}

func TestDecodeRefuses(t *testing.T) {
	tokens := Append(nil, &Tokens{Tokens: []uint32{1, 2}})
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"empty", nil},
		{"header cut", []byte{Version}},
		{"other version", []byte{Version + 1, byte(TagOK)}},
		{"unknown tag", []byte{Version, 255}},
		{"bytes after the last field", append(Append(nil, &OK{}), 0)},
		{"list cut", tokens[:len(tokens)-1]},
		{"count of 2^32-1", []byte{Version, byte(TagTokens), 255, 255, 255, 255}},
		{"string longer than the message", []byte{Version, byte(TagText), 5, 0, 0, 0, 'a'}},
		{"bool of 2", []byte{Version, byte(TagTokenize), 0, 0, 0, 0, 2, 0}},
		{"u53 of 2^53", []byte{Version, byte(TagOpen), 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0}},
		{"a gigabyte of empty strings", append(Append(nil, &Unload{})[:2], bytes.Repeat([]byte{255}, 64)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Decode(tt.in)
			if !errors.Is(err, fault.Sentinel(BadMessage)) {
				t.Errorf("Decode(% x) = %+v, %v, want %s", tt.in, m, err, BadMessage)
			}
		})
	}
}

// TestEveryCutIsRefused: no proper prefix of a message is a message.
func TestEveryCutIsRefused(t *testing.T) {
	for _, m := range samples {
		b := Append(nil, m)
		for n := range b {
			if got, err := Decode(b[:n]); err == nil {
				t.Errorf("Decode of %d of %T's %d bytes = %+v", n, m, len(b), got)
			}
		}
	}
}

// FuzzDecode: no panic, no allocation beyond what the bytes can hold, and what
// decodes encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	for _, m := range samples {
		f.Add(Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if again := Append(nil, m); !bytes.Equal(again, b) {
			t.Errorf("Append(Decode(% x)) = % x", b, again)
		}
	})
}

func TestDecodeAllocatesInProportion(t *testing.T) {
	hostile := []byte{Version, byte(TagChunk), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 127}
	if n := testing.AllocsPerRun(10, func() { _, _ = Decode(hostile) }); n > 10 {
		t.Errorf("a refused message made %v allocations", n)
	}
}
