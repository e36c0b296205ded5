package tokenizer

import (
	"slices"
	"strings"

	"pastel/fault"
)

// specials are the ids with a meaning of their own; -1 where there is none.
type specials struct {
	bos, eos, eot, eom, unk, sep, pad int32
	addBOS, addEOS                    bool
	end                               []int32 // every id that ends generation
}

// The names below are llama.cpp's lists: files rarely say in metadata which
// control tokens end a turn, so they are recognised by their text.

// eotNames end a turn; the first that a vocabulary has is EOT.
var eotNames = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
	"<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>",
}

// endNames end generation besides EOS, EOT and EOM.
var endNames = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
	"<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
	"<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
}

// fillNames are fill-in-the-middle tokens: always control tokens. The first
// name of a row that a vocabulary has counts; rows marked end stop generation.
var fillNames = []struct {
	end   bool
	names []string
}{
	{false, []string{"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>"}},
	{false, []string{"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>"}},
	{false, []string{"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>"}},
	{true, []string{"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
	{true, []string{"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
	{true, []string{"<|file_sep|>"}},
}

// visibleNames are structure that the harmony format wants rendered.
var visibleNames = []string{"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}

// readSpecials reads the special ids; def has the model kind's defaults. It may
// change types in v: a token whose text says control is one.
func readSpecials(md Metadata, v *vocab, def specials) (specials, error) {
	r := reader{md: md}
	n := len(v.tokens)
	s := specials{
		bos: r.id(keyBOS, def.bos, n), eos: r.id(keyEOS, def.eos, n), unk: r.id(keyUNK, def.unk, n),
		eot: r.id(keyEOT, -1, n), eom: r.id(keyEOM, -1, n),
		sep: r.id(keySEP, def.sep, n), pad: r.id(keyPAD, def.pad, n),
		addBOS: r.bool(keyAddBOS, def.addBOS), addEOS: r.bool(keyAddEOS, def.addEOS),
	}
	if r.err != nil {
		return specials{}, r.err
	}
	if s.eot < 0 {
		s.eot = v.firstControl(eotNames)
	}
	if s.eom < 0 {
		s.eom = v.firstControl([]string{"<|eom_id|>"})
	}
	s.end = v.endIDs(&s)
	for _, name := range visibleNames {
		if id := v.find(name); id >= 0 {
			v.types[id] = typeUserDefined
		}
	}
	return s, nil
}

// firstControl returns the first of names in the vocabulary, now a control
// token, or -1.
func (v *vocab) firstControl(names []string) int32 {
	for _, name := range names {
		if id := v.find(name); id >= 0 {
			v.types[id] = typeControl
			return id
		}
	}
	return -1
}

// endIDs collects every id that ends generation.
func (v *vocab) endIDs(s *specials) []int32 {
	ids := []int32{s.eos, s.eot, s.eom}
	for _, row := range fillNames {
		if id := v.firstControl(row.names); row.end {
			ids = append(ids, id)
		}
	}
	for _, name := range endNames {
		ids = append(ids, v.firstControl([]string{name}))
	}
	drop := v.notReallyEnd()
	var end []int32
	for _, id := range ids {
		if id >= 0 && !slices.Contains(drop, id) && !slices.Contains(end, id) {
			end = append(end, id)
		}
	}
	return end
}

// notReallyEnd names the exceptions: <|end|> only separates messages where
// <|return|> or <|flush|> ends them, and </s> is plain text beside
// <|tool_response>.
func (v *vocab) notReallyEnd() []int32 {
	var drop []int32
	has := func(name string) bool { return v.find(name) >= 0 }
	calls := has("<|call|>") || has("<|calls|>")
	if id := v.find("<|end|>"); id >= 0 && calls && (has("<|return|>") || has("<|flush|>")) {
		v.types[id] = typeUserDefined
		drop = append(drop, id)
	}
	if id := v.find("</s>"); id >= 0 && has("<|tool_response>") {
		v.types[id] = typeNormal
		drop = append(drop, id)
	}
	return drop
}

// specialTries builds the look-ups of what Encode cuts out of a text: always the
// user-defined tokens, and with ParseSpecial control and unknown tokens too.
func specialTries(v *vocab) (user, all *trie, err error) {
	var userIDs, allIDs []int32
	for id, typ := range v.types {
		switch typ {
		case typeUserDefined:
			userIDs = append(userIDs, int32(id))
		case typeControl, typeUnknown:
		default:
			continue
		}
		if n := len(v.tokens[id]); n > maxSpecialBytes {
			return nil, nil, fault.New(fault.BadFile, "tokenizer: special token ", id, " is ", n, " bytes long, at most ", maxSpecialBytes)
		}
		allIDs = append(allIDs, int32(id))
	}
	return newTrie(v.tokens, userIDs), newTrie(v.tokens, allIDs), nil
}

// stripsRight reports whether white space after a special token is dropped. No
// metadata says so; llama.cpp goes by the model's name, and so do we.
func stripsRight(name string) bool {
	for i := range name {
		rest := name[i:]
		if len(rest) >= 3 && rest[0]|0x20 == 'p' && rest[1]|0x20 == 'h' && rest[2]|0x20 == 'i' {
			rest = strings.TrimPrefix(rest[3:], "-")
			if strings.HasPrefix(rest, "3") {
				return true
			}
		}
	}
	return false
}

// keepsRight lists the special tokens of phi-3 that do not strip.
var keepsRight = []string{"<unk>", "<s>", "<|endoftext|>"}
