package engine

import (
	"pastel/engine/constrain"
	"pastel/fault"
)

// Constrain returns a constraint for one generation: format "json" allows any
// JSON object, anything else is the text of a JSON Schema (see engine/constrain
// for the subset).
//
// Errors: ERR_BAD_REQUEST with the place in the schema.
func (m *Model) Constrain(format string) (Constraint, error) {
	grammar := constrain.JSONMode()
	if format != "json" {
		schema, err := ParseJSON("response format", format)
		if err != nil {
			return nil, err
		}
		if grammar, err = constrain.Compile(schema); err != nil {
			return nil, err
		}
	}
	end := m.tokenizer.EndOfGeneration()
	if len(end) == 0 {
		return nil, fault.New(fault.BadRequest, "engine: the model has no end token, so constrained output could not end")
	}
	return constrain.NewMasker(grammar, m.constrainVocab(), end), nil
}

// constrainVocab builds the vocabulary's trie once per model.
func (m *Model) constrainVocab() *constrain.Vocab {
	if m.vocab == nil {
		t := m.tokenizer
		m.vocab = constrain.NewVocab(m.Config().VocabSize, func(id int32) []byte {
			if int(id) >= t.VocabSize() || t.IsControl(id) {
				return nil
			}
			return t.AppendPiece(nil, id)
		})
	}
	return m.vocab
}
