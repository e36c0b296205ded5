// Package tokenizer turns text into token ids and back, for the vocabularies
// that GGUF files carry: SentencePiece BPE with scores ("llama"), byte-level BPE
// with merges ("gpt2") and WordPiece ("bert").
//
// A Tokenizer is built once from a file's metadata. Encode cuts special tokens
// out of the text, splits the rest into words with the pre-tokenizer the file
// names, and merges each word's symbols, best pair first. Decode is table look-up;
// Stream holds back the bytes of a character that is not complete yet.
//
// All rules follow llama.cpp (src/llama-vocab.cpp, src/unicode.cpp), whose test
// vectors are in testdata/tokenizer, with four deliberate differences:
//
//   - special tokens are found leftmost first, then longest, as Hugging Face does,
//     not in the order of their length over the whole text;
//   - bytes that are not UTF-8 are encoded as they are, not as U+FFFD, so that
//     decoding gives them back;
//   - control tokens are never made from plain text by merging;
//   - the tekken and gpt-4o splitters use the letter cases of the models' own
//     expressions, where llama.cpp only knows those of ASCII.
//
// It must not know models, tensors, chat templates or sampling.
package tokenizer
