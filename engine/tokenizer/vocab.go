package tokenizer

import (
	"strconv"

	"pastel/fault"
)

// The token types of the GGUF specification.
const (
	typeNormal      = 1
	typeUnknown     = 2
	typeControl     = 3
	typeUserDefined = 4
	typeUnused      = 5
	typeByte        = 6
)

// Bounds on what a file may ask for. Real vocabularies have at most 262 144
// tokens of at most about 1 KB; special tokens stay under 100 bytes.
const (
	maxTokens       = 1 << 22
	maxTokenBytes   = 4096
	maxSpecialBytes = 1024
)

// vocab is the list of tokens and the way back from their text.
type vocab struct {
	tokens []string
	types  []uint8
	ids    map[string]int32 // by text
}

// readVocab reads tokens and types and checks that they agree.
//
// Errors: ERR_BAD_FILE for an empty vocabulary, too many or too long tokens, a
// text that two ids share, and a list of types of another length.
func readVocab(md Metadata) (vocab, error) {
	tokens, err := md.Strings(keyTokens)
	if err != nil {
		return vocab{}, err
	}
	if len(tokens) == 0 || len(tokens) > maxTokens {
		return vocab{}, fault.New(fault.BadFile, "tokenizer: vocabulary of ", len(tokens), " tokens, want 1 to ", maxTokens)
	}
	v := vocab{tokens: tokens, types: make([]uint8, len(tokens)), ids: make(map[string]int32, len(tokens))}
	if err := v.readTypes(md); err != nil {
		return vocab{}, err
	}
	for i, text := range tokens {
		if err := v.add(int32(i), text); err != nil {
			return vocab{}, err
		}
	}
	return v, nil
}

func (v *vocab) readTypes(md Metadata) error {
	types, err := md.Ints(keyTypes)
	if err != nil {
		return err
	}
	if types != nil && len(types) != len(v.tokens) {
		return fault.New(fault.BadFile, "tokenizer: ", len(types), " token types for ", len(v.tokens), " tokens")
	}
	for i := range v.types {
		v.types[i] = typeNormal
		if types != nil {
			v.types[i] = uint8(min(max(types[i], 0), 255))
		}
	}
	return nil
}

func (v *vocab) add(id int32, text string) error {
	if text == "" { // llama.cpp's name for it
		text = "[EMPTY_" + strconv.Itoa(int(id)) + "]"
		v.tokens[id] = text
	}
	if len(text) > maxTokenBytes {
		return fault.New(fault.BadFile, "tokenizer: token ", id, " is ", len(text), " bytes long, at most ", maxTokenBytes)
	}
	if prev, ok := v.ids[text]; ok {
		return fault.New(fault.BadFile, "tokenizer: token ", fault.Quote(text), " has two ids, ", prev, " and ", id)
	}
	v.ids[text] = id
	return nil
}

// find returns the id of a token's text, or -1.
func (v *vocab) find(text string) int32 {
	if id, ok := v.ids[text]; ok {
		return id
	}
	return -1
}

// plain returns the token that plain text may become: a text must not turn into a
// control token because its letters happen to merge into one.
func (v *vocab) plain(text []byte) (id int32, ok bool) {
	id, ok = v.ids[string(text)]
	return id, ok && v.isPlain(id)
}

func (v *vocab) isPlain(id int32) bool {
	typ := v.types[id]
	return typ != typeControl && typ != typeUnknown && typ != typeByte
}

// longest is the length in bytes of the longest token that plain text may become.
func (v *vocab) longest() int {
	n := 0
	for id, text := range v.tokens {
		if v.isPlain(int32(id)) {
			n = max(n, len(text))
		}
	}
	return n
}
