package tokenizer

import "pastel/fault"

// Metadata is what New reads: the getters of engine/gguf.Metadata. A getter
// returns its default (or nil) for an absent key and an error for a value of
// another type.
type Metadata interface {
	Has(key string) bool
	Uint(key string, def uint64) (uint64, error)
	Bool(key string, def bool) (bool, error)
	String(key, def string) (string, error)
	Strings(key string) ([]string, error)
	Floats(key string) ([]float32, error)
	Ints(key string) ([]int32, error)
}

// The metadata keys, GGUF specification, section "Tokenizer".
const (
	keyModel        = "tokenizer.ggml.model"
	keyPre          = "tokenizer.ggml.pre"
	keyTokens       = "tokenizer.ggml.tokens"
	keyScores       = "tokenizer.ggml.scores"
	keyTypes        = "tokenizer.ggml.token_type"
	keyMerges       = "tokenizer.ggml.merges"
	keyBOS          = "tokenizer.ggml.bos_token_id"
	keyEOS          = "tokenizer.ggml.eos_token_id"
	keyEOT          = "tokenizer.ggml.eot_token_id"
	keyEOM          = "tokenizer.ggml.eom_token_id"
	keyUNK          = "tokenizer.ggml.unknown_token_id"
	keySEP          = "tokenizer.ggml.seperator_token_id" // the specification's spelling
	keyPAD          = "tokenizer.ggml.padding_token_id"
	keyAddBOS       = "tokenizer.ggml.add_bos_token"
	keyAddEOS       = "tokenizer.ggml.add_eos_token"
	keyAddSEP       = "tokenizer.ggml.add_sep_token"
	keySpacePrefix  = "tokenizer.ggml.add_space_prefix"
	keyLowercase    = "tokenizer.ggml.normalizer.lowercase"
	keyStripAccents = "tokenizer.ggml.normalizer.strip_accents"
	keyName         = "general.name"
)

// reader reads keys and keeps the first error, so that a list of keys reads
// like one.
type reader struct {
	md  Metadata
	err error
}

func (r *reader) bool(key string, def bool) bool {
	v, err := r.md.Bool(key, def)
	r.keep(err)
	return v
}

func (r *reader) string(key, def string) string {
	v, err := r.md.String(key, def)
	r.keep(err)
	return v
}

// id reads a special token's id; def stands for an absent key and -1 for a def
// outside the vocabulary. An id the file names must be inside.
func (r *reader) id(key string, def int32, vocab int) int32 {
	if !r.md.Has(key) {
		if int(def) >= vocab {
			return -1
		}
		return def
	}
	v, err := r.md.Uint(key, 0)
	r.keep(err)
	if v == 1<<32-1 { // converters write -1 as u32 for a token the model does not have
		return -1
	}
	if err == nil && v >= uint64(vocab) {
		r.keep(fault.New(fault.BadFile, "tokenizer: key ", fault.Quote(key), ": id ", v, " in a vocabulary of ", vocab))
	}
	return int32(v)
}

func (r *reader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}
