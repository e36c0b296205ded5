package sample

// Options of a Sampler. The zero value is greedy: the best token, every time.
// Where 0 would make no sense as a value it means off.
type Options struct {
	Temperature float32 // 0 or less: greedy. 1: the model's own distribution

	TopK     int     // keep the k best tokens; 0: all
	TypicalP float32 // keep the most typical tokens of this mass; 0 or 1: all
	TopP     float32 // keep the best tokens of this mass; 0 or 1: all
	MinP     float32 // keep tokens at least this likely, relative to the best; 0: all

	RepeatPenalty    float32 // divides (if positive, else multiplies) the logits of recent tokens; 0 or 1: off
	PresencePenalty  float32 // taken once from the logit of every recent token
	FrequencyPenalty float32 // taken from the logit of a recent token for each time it occurred
	RepeatLastN      int     // how many accepted tokens are recent; 0: 64, negative: all of them

	LogitBias map[int32]float32 // added to logits; negative infinity forbids a token

	Seed uint64
}

// defaultLastN is llama.cpp's penalty_last_n.
const defaultLastN = 64

// maxLastN bounds the memory of the window, 4 bytes a token.
const maxLastN = 1 << 20

func (o *Options) penalises() bool {
	return o.repeats() || o.PresencePenalty != 0 || o.FrequencyPenalty != 0
}

func (o *Options) repeats() bool { return o.RepeatPenalty != 0 && o.RepeatPenalty != 1 }

// cuts reports whether p keeps less than everything.
func cuts(p float32) bool { return p > 0 && p < 1 }
