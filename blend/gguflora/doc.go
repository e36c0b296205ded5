// Package gguflora reads and writes LoRA adapters in the GGUF container.
//
// Source: ggml-org/llama.cpp, src/llama-adapter.cpp and convert_lora_to_gguf.py.
// It must not know pools or how adapters are applied.
package gguflora
