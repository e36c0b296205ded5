package tokenizer

type wpmRules struct{}

func (t *Tokenizer) readWPM(md Metadata) error { return nil }
func (e *encoder) wpm(text string)             {}
