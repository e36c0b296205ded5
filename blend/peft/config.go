package peft

import (
	"math"
	"strings"

	"pastel/blend"
	"pastel/engine/jsonvalue"
	"pastel/fault"
)

// A Config is what of adapter_config.json decides the scaling of a module.
type Config struct {
	BaseModel    string  // base_model_name_or_path
	R            int     // r
	Alpha        float64 // lora_alpha
	RSLoRA       bool    // use_rslora: scaling is alpha/√r
	RankPattern  []Pattern
	AlphaPattern []Pattern
}

// A Pattern overrides a number for the modules its key matches.
type Pattern struct {
	Key   string
	Value float64
}

// ParseConfig reads adapter_config.json. Keys it does not know are ignored, as
// PEFT does; keys that change the mathematics in a way Pastel does not compute
// are refused by name.
//
// Errors: fault.BadFile for broken JSON or wrong types; fault.LoRAMismatch for
// what is refused.
func ParseConfig(b []byte) (*Config, error) {
	v, err := jsonvalue.Options{MaxBytes: 1 << 20, MaxDepth: 16, RefuseDuplicates: true}.Parse(b)
	if err != nil {
		return nil, fault.New(fault.BadFile, "peft: adapter_config.json: ", err)
	}
	if v.Kind() != jsonvalue.KindObject {
		return nil, fault.New(fault.BadFile, "peft: adapter_config.json is a JSON ", v.Kind(), ", not an object")
	}
	if err := refuse(v); err != nil {
		return nil, err
	}
	r := reader{v: v}
	rank := r.number("r", 8)
	c := &Config{
		BaseModel:    r.str("base_model_name_or_path"),
		R:            int(rank),
		Alpha:        r.number("lora_alpha", 8),
		RSLoRA:       r.flag("use_rslora"),
		RankPattern:  r.patterns("rank_pattern"),
		AlphaPattern: r.patterns("alpha_pattern"),
	}
	if !isRank(rank) {
		r.fail("r", "is not in 1..256")
	}
	for _, p := range c.RankPattern {
		if !isRank(p.Value) {
			r.fail("rank_pattern", "has a rank that is not in 1..256")
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, nil
}

func isRank(x float64) bool { return x == math.Trunc(x) && x >= 1 && x <= blend.MaxRank }

// refused lists the keys that change the mathematics when they hold anything
// but null, false, {} or []. bias, peft_type and init_lora_weights are checked
// apart, because they hold harmless words too.
var refused = []string{
	"use_dora", "use_qalora", "use_bdlora", "lora_bias", "modules_to_save", "layer_replication",
	"trainable_token_indices", "target_parameters", "alora_invocation_tokens", "megatron_config",
}

func refuse(v jsonvalue.Value) error {
	if t, _ := field(v, "peft_type").String(); t != "LORA" {
		return refusal("peft_type", "is "+fault.Quote(t)+", not \"LORA\"")
	}
	for _, key := range refused {
		if !isEmpty(field(v, key)) {
			return refusal(key, "is set, which Pastel does not compute")
		}
	}
	if bias, ok := field(v, "bias").String(); ok && bias != "none" {
		return refusal("bias", "is "+fault.Quote(bias)+", not \"none\"")
	}
	// These initialisations change the base weights too; PEFT can export such an
	// adapter for the unchanged base (path_initial_model_for_weight_conversion).
	init, _ := field(v, "init_lora_weights").String()
	for _, word := range []string{"pissa", "olora", "loftq", "corda"} {
		if strings.HasPrefix(strings.ToLower(init), word) {
			return refusal("init_lora_weights", "is "+fault.Quote(init)+", whose base weights differ from the original's")
		}
	}
	return nil
}

func refusal(key, why string) error {
	return fault.New(fault.LoRAMismatch, "peft: adapter_config.json: ", key, " ", why)
}

func field(v jsonvalue.Value, key string) jsonvalue.Value {
	x, _ := v.Get(key)
	return x
}

// isEmpty reports whether v says "not used".
func isEmpty(v jsonvalue.Value) bool {
	if b, ok := v.Bool(); ok {
		return !b
	}
	list, _ := v.Array()
	members, _ := v.Object()
	switch v.Kind() {
	case jsonvalue.KindNull:
		return true
	case jsonvalue.KindArray:
		return len(list) == 0
	case jsonvalue.KindObject:
		return len(members) == 0
	}
	return false
}

// reader gets typed fields and keeps the first error. null and absence mean the
// default.
type reader struct {
	v   jsonvalue.Value
	err error
}

func (r *reader) fail(key, why string) {
	if r.err == nil {
		r.err = fault.New(fault.BadFile, "peft: adapter_config.json: ", key, " ", why)
	}
}

func (r *reader) str(key string) string {
	x := field(r.v, key)
	s, ok := x.String()
	if !ok && !x.IsNull() {
		r.fail(key, "is no string")
	}
	return s
}

func (r *reader) flag(key string) bool {
	x := field(r.v, key)
	b, ok := x.Bool()
	if !ok && !x.IsNull() {
		r.fail(key, "is neither true nor false")
	}
	return b
}

func (r *reader) number(key string, absent float64) float64 {
	x := field(r.v, key)
	if x.IsNull() {
		return absent
	}
	f, ok := x.Float()
	if !ok || math.Abs(f) > 1e6 {
		r.fail(key, "is no number up to 1e6")
		return absent
	}
	return f
}

func (r *reader) patterns(key string) []Pattern {
	x := field(r.v, key)
	members, ok := x.Object()
	if !ok && !x.IsNull() {
		r.fail(key, "is no object")
	}
	var out []Pattern
	for _, m := range members {
		f, ok := m.Value.Float()
		if !ok || math.Abs(f) > 1e6 {
			r.fail(key, "has a value that is no number up to 1e6")
		}
		if strings.ContainsAny(m.Key, `\*+?()[]{}|$`) {
			r.fail(key, "has the regular expression "+fault.Quote(m.Key)+"; only plain module names are read")
		}
		out = append(out, Pattern{Key: strings.TrimPrefix(m.Key, "^"), Value: f})
	}
	return out
}

// rank returns r for module, by the first pattern that matches.
func (c *Config) rank(module string) int {
	return int(match(c.RankPattern, module, float64(c.R)))
}

// scaling returns the factor on B·A for module.
func (c *Config) scaling(module string) float32 {
	alpha := match(c.AlphaPattern, module, c.Alpha)
	r := float64(c.rank(module))
	if c.RSLoRA {
		return float32(alpha / math.Sqrt(r))
	}
	return float32(alpha / r)
}

// match returns the value of the first pattern equal to module or to a suffix
// of it that starts after a point, as PEFT's get_pattern_key.
func match(patterns []Pattern, module string, otherwise float64) float64 {
	for _, p := range patterns {
		if module == p.Key || strings.HasSuffix(module, "."+p.Key) {
			return p.Value
		}
	}
	return otherwise
}
