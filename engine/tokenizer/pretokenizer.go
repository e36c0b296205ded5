package tokenizer

import (
	"strings"

	"pastel/fault"
)

// preTokenizer is how a byte-level BPE vocabulary cuts text into words.
type preTokenizer struct {
	names        string     // values of tokenizer.ggml.pre, a space around each
	stages       []splitter // each cuts the pieces of the one before
	ignoreMerges bool       // a word that is a token is that token
	addBOS       bool       // unless the metadata say otherwise
}

// preTokenizers are the rules by name.
//
// Source: llama.cpp, llama_vocab::impl::load and llm_tokenizer_bpe.
var preTokenizers = []preTokenizer{
	{names: " default ", stages: []splitter{defaultPunct, gpt2, allDigits, threeASCIIDigits}},
	{names: " llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
		stages: []splitter{llama3}, ignoreMerges: true, addBOS: true},
	{names: " dbrx smaug-bpe glm4 chatglm-bpe ", stages: []splitter{llama3}},
	{names: " qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan solar-open grok-2 kormo f2llmv2 bailingmoe bailingmoe2 llada-moe ",
		stages: []splitter{qwen2}},
	{names: " qwen35 ", stages: []splitter{qwen35}},
	{names: " minicpm5 ", stages: []splitter{threeDigits, minicpm5}, ignoreMerges: true},
	{names: " ufakzeka ", stages: []splitter{noContractions}},
	{names: " seed-coder ", stages: []splitter{seedCoder}},
	{names: " laguna ", stages: []splitter{lines, qwen2}},
	{names: " gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 mellum modern-bert gigachat a.x-4.0" +
		" jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe ", stages: []splitter{gpt2}},
	{names: " starcoder refact command-r smollm codeshell exaone minerva-7b mellum2 ", stages: []splitter{oneDigit, gpt2}},
	{names: " falcon ", stages: []splitter{falconPunct, gpt2, threeASCIIDigits}},
	{names: " bloom poro-chat gpt3-finnish ", stages: []splitter{bloom}},
	{names: " viking ", stages: []splitter{bloom, oneDigit}},
	{names: " tekken ", stages: []splitter{tekken}, ignoreMerges: true, addBOS: true},
	{names: " gpt-4o llama4 kanana2 talkie minimax-m2 ", stages: []splitter{gpt4o}},
	{names: " granite-embed-multi-97m ", stages: []splitter{gpt4o}, ignoreMerges: true},
	{names: " youtu ", stages: []splitter{youtuScripts, gpt4oDigit}, ignoreMerges: true},
	{names: " deepseek-llm ",
		stages: []splitter{oneNewline, deepseekLetters, deepseekSymbols, trailingSpace, deepseekHan, allDigits}},
	{names: " deepseek-coder ", stages: []splitter{oneNewline, coderLetters, coderPunct, deepseekHan, oneDigit}},
	{names: " deepseek-v3 hunyuan-dense joyai-llm hy_v4 ", stages: []splitter{threeDigits, hanAndKana, deepseek3}},
}

// readPreTokenizer finds the rules that the metadata name. An absent name means
// the default, which suits no model exactly; an unknown one is refused, because a
// guess would change what the model reads without a sign.
func readPreTokenizer(md Metadata) (*preTokenizer, error) {
	name, err := md.String(keyPre, "default")
	if err != nil {
		return nil, err
	}
	if pre := preTokenizerNamed(name); pre != nil {
		return pre, nil
	}
	return nil, fault.New(fault.UnsupportedArch, "tokenizer: pre-tokenizer ", fault.Quote(name), " is not supported")
}

func preTokenizerNamed(name string) *preTokenizer {
	if name == "" {
		name = "default"
	}
	if strings.IndexByte(name, ' ') >= 0 {
		return nil
	}
	for i := range preTokenizers {
		if strings.Contains(preTokenizers[i].names, " "+name+" ") {
			return &preTokenizers[i]
		}
	}
	return nil
}
