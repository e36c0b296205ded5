package tokenizer

import (
	"slices"

	"pastel/fault"
)

// kind is the algorithm behind a vocabulary.
type kind uint8

const (
	kindSPM kind = iota // SentencePiece BPE: pairs merge by score
	kindBPE             // byte-level BPE: pairs merge by rank
	kindWPM             // WordPiece: longest prefix first
)

// A Tokenizer encodes and decodes for one vocabulary. It is immutable: any
// number of goroutines may share it.
type Tokenizer struct {
	kind kind
	vocab
	specials
	user, all   *trie      // see specialTries
	rstrip      []bool     // by id; nil when no special token strips
	spacePrefix bool       // text that begins, or follows a special token, gets a space
	byteID      [256]int32 // the token of one byte, or -1

	spm spmRules
	bpe bpeRules
	wpm wpmRules
}

// New builds the tokenizer that a file's metadata describes.
//
// Errors: ERR_UNSUPPORTED_ARCH for a tokenizer model or pre-tokenizer that is
// not known; ERR_BAD_FILE for metadata that contradict themselves.
func New(md Metadata) (*Tokenizer, error) {
	model, err := md.String(keyModel, "")
	if err != nil {
		return nil, err
	}
	switch model {
	case "llama":
		return build(md, kindSPM, specials{bos: 1, eos: 2, unk: 0, sep: -1, pad: -1, addBOS: true})
	case "gpt2":
		return build(md, kindBPE, specials{bos: -1, eos: -1, unk: -1, sep: -1, pad: -1})
	case "bert":
		return build(md, kindWPM, specials{bos: 101, eos: -1, unk: 100, sep: 102, pad: 0, addBOS: true})
	case "":
		return nil, fault.New(fault.BadFile, "tokenizer: key ", fault.Quote(keyModel), " is missing")
	}
	return nil, fault.New(fault.UnsupportedArch, "tokenizer: model ", fault.Quote(model), " is not supported (llama, gpt2 and bert are)")
}

// build reads what all kinds share, then the rules of one.
func build(md Metadata, k kind, def specials) (*Tokenizer, error) {
	v, err := readVocab(md)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{kind: k, vocab: v}
	var pre *preTokenizer
	if k == kindBPE {
		if pre, err = readPreTokenizer(md); err != nil {
			return nil, err
		}
		def.addBOS = pre.addBOS
	}
	if t.specials, err = readSpecials(md, &t.vocab, def); err != nil {
		return nil, err
	}
	if err = t.readRules(md, pre); err != nil {
		return nil, err
	}
	if t.user, t.all, err = specialTries(&t.vocab); err != nil {
		return nil, err
	}
	return t, t.readFlags(md)
}

func (t *Tokenizer) readRules(md Metadata, pre *preTokenizer) error {
	switch t.kind {
	case kindSPM:
		return t.readSPM(md)
	case kindBPE:
		return t.readBPE(md, pre)
	}
	return t.readWPM(md)
}

// readFlags reads what changes text around special tokens.
func (t *Tokenizer) readFlags(md Metadata) error {
	r := reader{md: md}
	t.spacePrefix = r.bool(keySpacePrefix, t.kind == kindSPM)
	if stripsRight(r.string(keyName, "")) {
		t.rstrip = make([]bool, len(t.tokens))
		for id, typ := range t.types {
			special := typ == typeControl || typ == typeUnknown || typ == typeUserDefined
			t.rstrip[id] = special && !slices.Contains(keepsRight, t.tokens[id])
		}
	}
	return r.err
}

// VocabSize is the number of tokens; ids run from 0 to VocabSize()-1.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// BOS is the token that begins a text, or -1.
func (t *Tokenizer) BOS() int32 { return t.bos }

// EOS is the token that ends a text, or -1.
func (t *Tokenizer) EOS() int32 { return t.eos }

// EOT is the token that ends a turn of a chat, or -1.
func (t *Tokenizer) EOT() int32 { return t.eot }

// EOM is the token that ends a message that calls a tool, or -1.
func (t *Tokenizer) EOM() int32 { return t.eom }

// UNK is the token for what the vocabulary cannot say, or -1.
func (t *Tokenizer) UNK() int32 { return t.unk }

// PAD is the token that fills a batch, or -1.
func (t *Tokenizer) PAD() int32 { return t.pad }

// AddsBOS reports whether the model asks for BOS before every text.
func (t *Tokenizer) AddsBOS() bool { return t.addBOS && t.bos >= 0 }

// AddsEOS reports whether the model asks for a token after every text: EOS, or
// SEP for WordPiece.
func (t *Tokenizer) AddsEOS() bool { return t.addEOS && t.endToken() >= 0 }

// IsControl reports whether id is structure, not text: AppendPiece writes
// nothing for it.
func (t *Tokenizer) IsControl(id int32) bool {
	return t.valid(id) && (t.types[id] == typeControl || t.types[id] == typeUnknown)
}

// IsEndOfGeneration reports whether a model that emits id has finished.
func (t *Tokenizer) IsEndOfGeneration(id int32) bool {
	return slices.Contains(t.end, id)
}

// EndOfGeneration returns all ids for which IsEndOfGeneration holds. The
// caller must not change it.
func (t *Tokenizer) EndOfGeneration() []int32 { return t.end }

// Text returns a token as the vocabulary spells it ("▁the", "Ġthe", "<|im_end|>"),
// or "" for an id outside.
func (t *Tokenizer) Text(id int32) string {
	if !t.valid(id) {
		return ""
	}
	return t.tokens[id]
}

// ID returns the special token (control, unknown or user-defined) spelled text,
// or -1.
func (t *Tokenizer) ID(text string) int32 {
	n, id := t.all.longest(text)
	if n == 0 || n != len(text) {
		return -1
	}
	return id
}

func (t *Tokenizer) valid(id int32) bool { return id >= 0 && int(id) < len(t.tokens) }
