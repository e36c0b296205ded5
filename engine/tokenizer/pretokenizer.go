package tokenizer

import "pastel/fault"

// preTokenizer is how a byte-level BPE vocabulary cuts text into words.
type preTokenizer struct {
	stages       []splitter // each cuts the pieces of the one before
	ignoreMerges bool
	addBOS       bool // unless the metadata say otherwise
}

func readPreTokenizer(md Metadata) (preTokenizer, error) {
	name, err := md.String(keyPre, "")
	if err != nil {
		return preTokenizer{}, err
	}
	pre, ok := preTokenizerNamed(name)
	if !ok {
		return pre, fault.New(fault.UnsupportedArch, "tokenizer: pre-tokenizer ", fault.Quote(name), " is not supported")
	}
	return pre, nil
}

// preTokenizerNamed maps tokenizer.ggml.pre to rules. An absent name means the
// default, which suits no model exactly; an unknown one is refused, because a
// guess would change what the model reads without a sign.
//
// Source: llama.cpp, llama_vocab::impl::load and llm_tokenizer_bpe.
func preTokenizerNamed(name string) (preTokenizer, bool) {
	cut := func(stages ...splitter) (preTokenizer, bool) { return preTokenizer{stages: stages}, true }
	whole := func(addBOS bool, stages ...splitter) (preTokenizer, bool) {
		return preTokenizer{stages: stages, ignoreMerges: true, addBOS: addBOS}, true
	}
	switch name {
	case "", "default":
		return cut(defaultPunct, gpt2, allDigits, threeASCIIDigits)
	case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano":
		return whole(true, llama3)
	case "dbrx", "smaug-bpe", "glm4", "chatglm-bpe":
		return cut(llama3)
	case "qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "solar-open", "grok-2", "kormo", "f2llmv2",
		"bailingmoe", "bailingmoe2", "llada-moe":
		return cut(qwen2)
	case "qwen35":
		return cut(qwen35)
	case "minicpm5":
		return whole(false, threeDigits, minicpm5)
	case "ufakzeka":
		return cut(noContractions)
	case "seed-coder":
		return cut(seedCoder)
	case "laguna":
		return cut(lines, qwen2)
	case "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "mellum", "modern-bert",
		"gigachat", "a.x-4.0", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe":
		return cut(gpt2)
	case "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2":
		return cut(oneDigit, gpt2)
	case "falcon":
		return cut(falconPunct, gpt2, threeASCIIDigits)
	case "bloom", "poro-chat", "gpt3-finnish":
		return cut(bloom)
	case "viking":
		return cut(bloom, oneDigit)
	case "tekken":
		return whole(true, tekken)
	case "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2":
		return cut(gpt4o)
	case "granite-embed-multi-97m":
		return whole(false, gpt4o)
	case "youtu":
		return whole(false, youtuScripts, gpt4oDigit)
	case "deepseek-llm":
		return cut(oneNewline, deepseekLetters, deepseekSymbols, trailingSpace, deepseekHan, allDigits)
	case "deepseek-coder":
		return cut(oneNewline, coderLetters, coderPunct, deepseekHan, oneDigit)
	case "deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4":
		return cut(threeDigits, hanAndKana, deepseek3)
	}
	return preTokenizer{}, false
}
