package peft

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pastel/blend"
	"pastel/blend/safetensors"
	"pastel/engine/gguf"
	"pastel/fault"
)

const adapters = "../../testdata/adapters"

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{adapters}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// weights makes a safetensors file of F32 tensors filled with small random numbers.
func weights(t testing.TB, shapes map[string][]int) []byte {
	t.Helper()
	var f safetensors.File
	rng := rand.New(rand.NewPCG(1, 2))
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(rng.NormFloat64())
		}
		tensor, err := safetensors.NewTensor(name, safetensors.F32, shape, values)
		if err != nil {
			t.Fatal(err)
		}
		f.Tensors = append(f.Tensors, tensor)
	}
	return f.Append(nil)
}

const module0 = "base_model.model.model.layers.0.self_attn."

func TestReadRealAdapter(t *testing.T) {
	base := Base{Arch: "gptneox", NHeads: 16, NKVHeads: 16}
	a, err := Read("open-calm", read(t, "open-calm-1b-r1", "adapter_config.json"), read(t, "open-calm-1b-r1", "adapter_model.safetensors"), base)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Pairs) != 24 || a.Rank() != 1 {
		t.Fatalf("%d pairs of rank %d", len(a.Pairs), a.Rank())
	}
	p := a.Pair("blk.23.attn_qkv.weight")
	if p == nil || p.In != 2048 || p.Out != 6144 || p.Scaling != 32 {
		t.Fatalf("blk.23.attn_qkv.weight = %+v", p)
	}
	shapes := func(string) (int, int, bool) { return 6144, 2048, true }
	if err := a.Check(shapes); err != nil {
		t.Error(err)
	}
	other := func(string) (int, int, bool) { return 6144, 2560, true }
	if err := a.Check(other); !errors.Is(err, fault.Sentinel(fault.LoRAMismatch)) {
		t.Errorf("Check against another base = %v", err)
	}
}

func TestParseRealConfigs(t *testing.T) {
	for _, tt := range []struct {
		dir     string
		scaling float32
	}{{"gpt2-tigrinya", 4}, {"gpt-oss-20b-r4", 2}, {"open-calm-1b-r1", 32}} {
		c, err := ParseConfig(read(t, tt.dir, "adapter_config.json"))
		if err != nil {
			t.Errorf("%s: %v", tt.dir, err)
			continue
		}
		if got := c.scaling("model.layers.0.self_attn.q_proj"); got != tt.scaling {
			t.Errorf("%s: scaling %v, want %v", tt.dir, got, tt.scaling)
		}
	}
}

func TestConfigIsRefusedByName(t *testing.T) {
	for _, tt := range []struct{ key, value string }{
		{"use_dora", "true"}, {"use_qalora", "true"}, {"lora_bias", "true"},
		{"modules_to_save", `["lm_head"]`}, {"layer_replication", "[[0,4],[2,5]]"},
		{"trainable_token_indices", "[1,2]"}, {"trainable_token_indices", `{"embed_tokens":[1]}`},
		{"target_parameters", `["mlp.experts.gate_up_proj"]`}, {"alora_invocation_tokens", "[1]"},
		{"bias", `"all"`}, {"bias", `"lora_only"`}, {"peft_type", `"LOHA"`}, {"peft_type", `"ADALORA"`}, {"peft_type", "null"},
		{"init_lora_weights", `"pissa_niter_4"`}, {"init_lora_weights", `"loftq"`}, {"init_lora_weights", `"olora"`},
	} {
		text := `{"peft_type":"LORA","r":4,"lora_alpha":8,"` + tt.key + `":` + tt.value + `}`
		if tt.key == "peft_type" {
			text = `{"peft_type":` + tt.value + `}`
		}
		_, err := ParseConfig([]byte(text))
		if !errors.Is(err, fault.Sentinel(fault.LoRAMismatch)) || !strings.Contains(err.Error(), tt.key) {
			t.Errorf("%s = %s: %v, want ERR_LORA_MISMATCH that names it", tt.key, tt.value, err)
		}
	}
}

func TestConfigOfWrongTypes(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `7`, `{"peft_type":"LORA","r":"4"}`, `{"peft_type":"LORA","r":0}`, `{"peft_type":"LORA","r":257}`, `{"peft_type":"LORA","r":1e300}`,
		`{"peft_type":"LORA","lora_alpha":[]}`, `{"peft_type":"LORA","use_rslora":1}`, `{"peft_type":"LORA","rank_pattern":[]}`,
		`{"peft_type":"LORA","rank_pattern":{"q_proj":0}}`, `{"peft_type":"LORA","rank_pattern":{"q_proj":2.5}}`, `{"peft_type":"LORA","r":2.5}`,
		`{"peft_type":"LORA","alpha_pattern":{".*q_proj":2}}`, `{"peft_type":"LORA","alpha_pattern":{"q_proj":"x"}}`,
		`{"peft_type":"LORA","base_model_name_or_path":3}`, `{"peft_type":"LORA","r":4,"r":8}`,
	} {
		if _, err := ParseConfig([]byte(text)); !errors.Is(err, fault.Sentinel(fault.BadFile)) {
			t.Errorf("ParseConfig(%s) = %v, want ERR_BAD_FILE", text, err)
		}
	}
}

func TestScaling(t *testing.T) {
	const layer0, layer1 = "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"
	for _, tt := range []struct {
		name, config, module string
		want                 float64
	}{
		{"alpha over r", `"r":4,"lora_alpha":6`, layer0, 1.5},
		{"PEFT's defaults", ``, layer0, 1},
		{"rsLoRA", `"r":4,"lora_alpha":6,"use_rslora":true`, layer0, 3},
		{"rank pattern by suffix", `"r":4,"lora_alpha":6,"rank_pattern":{"q_proj":12}`, layer0, 0.5},
		{"alpha pattern by suffix", `"r":4,"lora_alpha":6,"alpha_pattern":{"self_attn.q_proj":2}`, layer0, 0.5},
		{"both, rsLoRA", `"r":4,"lora_alpha":6,"use_rslora":true,"alpha_pattern":{"q_proj":2},"rank_pattern":{"q_proj":16}`, layer0, 0.5},
		{"anchored pattern", `"r":4,"lora_alpha":4,"alpha_pattern":{"^` + layer1 + `":8}`, layer1, 2},
		{"pattern of another layer", `"r":4,"lora_alpha":4,"alpha_pattern":{"` + layer1 + `":8}`, layer0, 1},
		{"pattern is no substring match", `"r":4,"lora_alpha":4,"alpha_pattern":{"proj":8}`, layer0, 1},
		{"first pattern wins", `"r":4,"lora_alpha":4,"alpha_pattern":{"q_proj":8,"` + layer0 + `":12}`, layer0, 2},
	} {
		text := `{"peft_type":"LORA"}`
		if tt.config != "" {
			text = `{"peft_type":"LORA",` + tt.config + `}`
		}
		c, err := ParseConfig([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := c.scaling(tt.module); got != float32(tt.want) {
			t.Errorf("%s: scaling %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct{ module, want string }{
		{"model.layers.3.self_attn.q_proj", "blk.3.attn_q.weight"},
		{"model.layers.13.self_attn.o_proj", "blk.13.attn_output.weight"},
		{"model.layers.0.mlp.gate_proj", "blk.0.ffn_gate.weight"},
		{"model.layers.0.mlp.gate_up_proj", "blk.0.ffn_up.weight"},
		{"model.layers.0.self_attn.qkv_proj", "blk.0.attn_qkv.weight"},
		{"transformer.h.2.attn.c_attn", "blk.2.attn_qkv.weight"},
		{"transformer.h.2.attn.c_proj", "blk.2.attn_output.weight"},
		{"transformer.h.2.mlp.c_proj", "blk.2.ffn_down.weight"},
		{"gpt_neox.layers.5.attention.dense", "blk.5.attn_output.weight"},
		{"model.embed_tokens", "token_embd.weight"},
		{"lm_head", "output.weight"},
		{"layers.4.mlp.up_proj", "blk.4.ffn_up.weight"},
		{"h.4.mlp.c_fc", "blk.4.ffn_up.weight"},
		{"layers.4.attention.dense", "blk.4.attn_output.weight"},
		{"model.language_model.layers.1.self_attn.k_proj", "blk.1.attn_k.weight"},
		{"language_model.model.layers.1.self_attn.k_proj", "blk.1.attn_k.weight"},
		{"model.layers.0.block_sparse_moe.experts.0.w1", ""},
		{"model.layers.00.self_attn.q_proj", ""},
		{"model.layers.-1.self_attn.q_proj", ""},
		{"model.layers.99999999.self_attn.q_proj", ""},
		{"model.layers.0", ""},
		{"", ""},
	} {
		got, err := target(tt.module)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("target(%q) = %q, %v, want %q", tt.module, got, err, tt.want)
		}
	}
}

// The oracle applies rope in both layouts: Hugging Face rotates halves, GGUF's
// llama rotates neighbours. Permuted rows must give the same attention scores,
// which is the same vector up to that permutation.
func TestHalvesToPairsKeepsRope(t *testing.T) {
	const heads, headDim = 3, 8
	order, err := rowOrder(Base{Arch: "llama", NHeads: heads}, "blk.0.attn_q.weight", heads*headDim)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	hf := make([]float64, heads*headDim)
	for i := range hf {
		hf[i] = rng.NormFloat64()
	}
	permuted := make([]float64, len(hf))
	for g, r := range order {
		permuted[g] = hf[r]
	}
	halves, pairs := make([]float64, len(hf)), make([]float64, len(hf))
	for h := range heads {
		for j := range headDim / 2 {
			sin, cos := math.Sincos(5 * math.Pow(10000, -2*float64(j)/headDim))
			rotate := func(dst, src []float64, x, y int) {
				dst[x], dst[y] = src[x]*cos-src[y]*sin, src[x]*sin+src[y]*cos
			}
			rotate(halves, hf, h*headDim+j, h*headDim+j+headDim/2)
			rotate(pairs, permuted, h*headDim+2*j, h*headDim+2*j+1)
		}
	}
	for g, r := range order {
		if pairs[g] != halves[r] {
			t.Fatalf("row %d: %v in pairs, %v in halves", g, pairs[g], halves[r])
		}
	}
}

func TestRowOrderOfFusedQKV(t *testing.T) {
	for _, tt := range []struct {
		name string
		base Base
		want []int // rows are named group·100 + part·10 + index
	}{
		{"gptneox: head by head", Base{Arch: "gptneox", NHeads: 2}, []int{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}},
		{"falcon: two queries per kv head", Base{Arch: "falcon", NHeads: 2, NKVHeads: 1}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	} {
		got, err := rowOrder(tt.base, "blk.0.attn_qkv.weight", 12)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for _, arch := range []string{"qwen2", "gemma", "phi3", "gpt2"} {
		if got, err := rowOrder(Base{Arch: arch, NHeads: 2, NKVHeads: 1}, "blk.0.attn_q.weight", 12); got != nil || err != nil {
			t.Errorf("%s: %v, %v, want no change", arch, got, err)
		}
	}
	for _, base := range []Base{{Arch: "llama"}, {Arch: "llama", NHeads: 5}, {Arch: "falcon", NHeads: 1, NKVHeads: 2}, {Arch: "falcon"}} {
		name := "blk.0.attn_q.weight"
		if base.Arch == "falcon" {
			name = "blk.0.attn_qkv.weight"
		}
		if _, err := rowOrder(base, name, 12); !errors.Is(err, fault.Sentinel(fault.LoRAMismatch)) {
			t.Errorf("%+v: %v", base, err)
		}
	}
}

func TestReadRefusesTensors(t *testing.T) {
	config := []byte(`{"peft_type":"LORA","r":4,"lora_alpha":8}`)
	q := func(suffix string) string { return module0 + "q_proj." + suffix }
	for _, tt := range []struct {
		name, says string
		code       fault.Code
		shapes     map[string][]int
	}{
		{"only A", "only one", fault.BadFile, map[string][]int{q("lora_A.weight"): {4, 8}}},
		{"A not transposed", "are not [r in]", fault.BadFile, map[string][]int{q("lora_A.weight"): {8, 4}, q("lora_B.weight"): {8, 4}}},
		{"convolution", "are not [r in]", fault.BadFile, map[string][]int{q("lora_A.weight"): {4, 8, 1}, q("lora_B.weight"): {8, 4}}},
		{"rank is not the configuration's", "rank 2", fault.BadFile, map[string][]int{q("lora_A.weight"): {2, 8}, q("lora_B.weight"): {8, 2}}},
		{"DoRA magnitude", "lora_magnitude_vector", fault.LoRAMismatch, map[string][]int{q("lora_magnitude_vector"): {8}}},
		{"bias", "bias", fault.LoRAMismatch, map[string][]int{q("bias"): {8}}},
		{"bias of B", "bias", fault.LoRAMismatch, map[string][]int{q("lora_B.bias"): {8}}},
		{"saved module", "lm_head", fault.LoRAMismatch, map[string][]int{"base_model.model.lm_head.weight": {8, 4}}},
		{"both kinds for one module", "more than one", fault.BadFile, map[string][]int{q("lora_A.weight"): {4, 8}, q("lora_embedding_B"): {8, 4}}},
		{"A under two names", "more than one", fault.BadFile, map[string][]int{q("lora_A.weight"): {4, 8}, q("lora_A.default.weight"): {4, 8}}},
		{"no such module", "has no GGUF tensor", fault.LoRAMismatch, map[string][]int{"base_model.model.foo.lora_A.weight": {4, 8}, "base_model.model.foo.lora_B.weight": {8, 4}}},
		{"rows do not divide into heads", "rows", fault.LoRAMismatch, map[string][]int{q("lora_A.weight"): {4, 8}, q("lora_B.weight"): {9, 4}}},
		{"no inputs", "shape", fault.BadFile, map[string][]int{q("lora_A.weight"): {4, 0}, q("lora_B.weight"): {8, 4}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read("x", config, weights(t, tt.shapes), Base{Arch: "llama", NHeads: 2, NKVHeads: 1})
			if fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Read = %v, want %s with %q", err, tt.code, tt.says)
			}
		})
	}
}

// randomAdapter has every kind of target with different ranks and scalings.
func randomAdapter(t testing.TB, targets map[string][2]int) *blend.Adapter {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	var pairs []blend.Pair
	for name, shape := range targets {
		p := blend.Pair{Target: name, Rank: 1 + rng.IntN(5), Out: shape[0], In: shape[1], Scaling: []float32{0.5, 2, 0.25}[rng.IntN(3)]}
		p.A, p.B = make([]float32, p.Rank*p.In), make([]float32, p.Out*p.Rank)
		for _, s := range [][]float32{p.A, p.B} {
			for i := range s {
				s[i] = float32(rng.NormFloat64())
			}
		}
		pairs = append(pairs, p)
	}
	a, err := blend.NewAdapter("random", pairs)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// families' targets, for a base of 8 dimensions, 2 heads and 1 kv head.
var familyTargets = map[string]map[string][2]int{
	"llama": {"blk.0.attn_q.weight": {8, 8}, "blk.0.attn_k.weight": {4, 8}, "blk.1.attn_q.weight": {8, 8}, "blk.1.ffn_down.weight": {8, 12},
		"token_embd.weight": {20, 8}, "output.weight": {20, 8}},
	"qwen2":   {"blk.0.attn_q.weight": {8, 8}, "blk.0.attn_k.weight": {4, 8}},
	"phi3":    {"blk.0.attn_qkv.weight": {16, 8}, "blk.0.ffn_up.weight": {24, 8}},
	"gpt2":    {"blk.0.attn_qkv.weight": {24, 8}, "blk.0.attn_output.weight": {8, 8}, "blk.0.ffn_down.weight": {8, 32}, "token_embd.weight": {20, 8}},
	"gptneox": {"blk.0.attn_qkv.weight": {24, 8}, "blk.0.ffn_down.weight": {8, 32}},
}

func TestWriteIsInverseOfRead(t *testing.T) {
	for arch, targets := range familyTargets {
		base := Base{Arch: arch, NHeads: 2, NKVHeads: 1}
		want := randomAdapter(t, targets)
		config, tensors, err := Write(want, base, "some/base", safetensors.F32)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(config) {
			t.Errorf("%s: configuration is no JSON:\n%s", arch, config)
		}
		got, err := Read("random", config, tensors, base)
		if err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, config)
		}
		if !reflect.DeepEqual(got.Pairs, want.Pairs) {
			t.Errorf("%s: pairs changed", arch)
		}
	}
}

// The delta of the embedding is (B·A)ᵀ of the stored factors.
func TestEmbeddingDelta(t *testing.T) {
	f, err := safetensors.Parse(weights(t, map[string][]int{"base_model.model.model.embed_tokens.lora_embedding_A": {2, 5}, "base_model.model.model.embed_tokens.lora_embedding_B": {3, 2}}))
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string][]float32{}
	for i := range f.Tensors {
		name := f.Tensors[i].Name
		stored[name[len(name)-1:]], _ = f.Tensors[i].Floats()
	}
	a, err := Read("e", []byte(`{"peft_type":"LORA","r":2,"lora_alpha":2}`), f.Append(nil), Base{Arch: "llama"})
	if err != nil {
		t.Fatal(err)
	}
	p := a.Pair("token_embd.weight")
	if p.Out != 5 || p.In != 3 {
		t.Fatalf("shape [%d %d], want [5 3]", p.Out, p.In)
	}
	for token := range 5 {
		for d := range 3 {
			want := stored["B"][d*2]*stored["A"][token] + stored["B"][d*2+1]*stored["A"][5+token]
			got := p.B[token*2]*p.A[d] + p.B[token*2+1]*p.A[3+d]
			if got != want {
				t.Fatalf("delta[%d, %d] = %v, want %v", token, d, got, want)
			}
		}
	}
}

func TestTargetModules(t *testing.T) {
	a := randomAdapter(t, map[string][2]int{"blk.0.attn_q.weight": {8, 8}, "blk.1.attn_q.weight": {8, 8}, "blk.0.attn_v.weight": {4, 8}, "blk.1.attn_v.weight": {4, 8}})
	for _, tt := range []struct {
		name  string
		pairs []blend.Pair
		want  string
	}{
		{"every layer", a.Pairs, `"q_proj",`},
		{"one layer lacks v_proj", a.Pairs[:3], `"model.layers.1.self_attn.q_proj"`},
	} {
		config, _, err := Write(&blend.Adapter{Pairs: tt.pairs}, Base{Arch: "llama", NHeads: 2, NKVHeads: 1}, "", safetensors.F16)
		if err != nil || !strings.Contains(string(config), tt.want) {
			t.Errorf("%s: %v, want %s in\n%s", tt.name, err, tt.want, config)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, dir := range []string{"gpt2-tigrinya", "gpt-oss-20b-r4", "open-calm-1b-r1"} {
		b, err := os.ReadFile(filepath.Join(adapters, dir, "adapter_config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseConfig(b); err == nil {
			c.scaling("model.layers.0.self_attn.q_proj")
		}
	})
}

func FuzzRead(f *testing.F) {
	config := []byte(`{"peft_type":"LORA","r":2,"lora_alpha":8}`)
	f.Add(config, weights(f, map[string][]int{module0 + "q_proj.lora_A.weight": {2, 4}, module0 + "q_proj.lora_B.weight": {4, 2}}), 2)
	f.Add(config, weights(f, map[string][]int{"base_model.model.lm_head.lora_embedding_A": {2, 3}, "base_model.model.lm_head.lora_embedding_B": {4, 2}}), 0)
	f.Fuzz(func(t *testing.T, config, tensors []byte, heads int) {
		base := Base{Arch: "llama", NHeads: heads, NKVHeads: heads}
		a, err := Read("fuzz", config, tensors, base)
		if err != nil {
			return
		}
		if _, _, err := Write(a, base, "", safetensors.F32); err != nil && len(a.Pairs) > 0 && fault.CodeOf(err) != fault.LoRAMismatch {
			t.Fatal(err)
		}
	})
}

// A real matrix, in Hugging Face's order and in the GGUF converted from it: the
// rows must be the same after reordering, bit for bit.
func TestRowOrderOnRealWeights(t *testing.T) {
	const rows, cols = 64, 128
	hf := read(t, "tinystories-656k.k_proj.f32")
	file, err := os.ReadFile("../../testdata/models/TinyStories-656K-f32.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Read(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	info, ok := f.Tensor("blk.0.attn_k.weight")
	if !ok {
		t.Fatal("no blk.0.attn_k.weight")
	}
	order, err := rowOrder(Base{Arch: "llama", NHeads: 8, NKVHeads: 4}, info.Name, rows)
	if err != nil {
		t.Fatal(err)
	}
	for g, r := range order {
		got := file[info.Offset+uint64(g*cols*4):][:cols*4]
		if !bytes.Equal(got, hf[r*cols*4:][:cols*4]) {
			t.Fatalf("row %d is not Hugging Face's row %d", g, r)
		}
	}
}
