package tokenizer

// Add says whether Encode adds a token that the text does not have.
type Add uint8

// The zero value, Auto, does what the model's metadata ask for.
const (
	Auto Add = iota
	Never
	Always // where the vocabulary has the token
)

func (a Add) wants(model bool) bool { return a == Always || a == Auto && model }

// Options of Encode. The zero value encodes plain text as the model expects a
// whole prompt: BOS and EOS if it asks for them, special tokens in the text taken
// for ordinary characters.
type Options struct {
	AddBOS Add
	AddEOS Add
	// ParseSpecial turns the text of control tokens into those tokens. Set it for
	// prompts written by a chat template, never for what a user typed.
	ParseSpecial bool
}

// Encode turns text into token ids. Any bytes are valid text. The time is
// n·log(n) in the length of the longest word and linear in everything else.
func (t *Tokenizer) Encode(text string, opts Options) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/3+8), text, opts)
}

// AppendEncode appends what Encode returns to dst.
func (t *Tokenizer) AppendEncode(dst []int32, text string, opts Options) []int32 {
	if t.bos >= 0 && opts.AddBOS.wants(t.addBOS) {
		dst = append(dst, t.bos)
	}
	e := encoder{t: t, out: dst}
	e.fragments(text, opts.ParseSpecial)
	dst = e.out
	if end := t.endToken(); end >= 0 && opts.AddEOS.wants(t.addEOS) {
		dst = append(dst, end)
	}
	return dst
}

// endToken closes a text: SEP for WordPiece, EOS for the rest.
func (t *Tokenizer) endToken() int32 {
	if t.kind == kindWPM {
		return t.sep
	}
	return t.eos
}

// encoder is the working memory of one Encode, reused from word to word.
type encoder struct {
	t   *Tokenizer
	out []int32
	m   merger
	buf []byte
}

// fragments cuts special tokens out of text and encodes what lies between.
func (e *encoder) fragments(text string, parseSpecial bool) {
	specials := e.t.user
	if parseSpecial {
		specials = e.t.all
	}
	first := true // at the start of the text or after a special token
	for len(text) > 0 {
		start, end, id := specials.first(text)
		if start > 0 {
			e.plain(text[:start], first)
			first = false
		}
		text = text[end:]
		if id < 0 {
			continue
		}
		e.out = append(e.out, id)
		first = true
		if e.t.rstrip != nil && e.t.rstrip[id] {
			text = text[tail(text, 0, " \t\n\v\f\r"):]
		}
	}
}

// plain encodes text without special tokens.
func (e *encoder) plain(text string, first bool) {
	switch e.t.kind {
	case kindSPM:
		e.spm(text, first && e.t.spacePrefix)
	case kindBPE:
		e.split(text, e.t.bpe.stages)
	case kindWPM:
		e.wordPieces(text)
	}
}
