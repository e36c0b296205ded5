// Package peft reads and writes LoRA adapters as Hugging Face PEFT stores them:
// adapter_config.json and adapter_model.safetensors.
//
// It translates module names to GGUF tensor names and reorders the rows that
// llama.cpp's converter reorders, so that the factors fit a GGUF base. What it
// cannot compute exactly it refuses by the name of the configuration key.
//
// Source: huggingface/peft, src/peft/tuners/lora (config.py, layer.py, model.py);
// ggml-org/llama.cpp, convert_hf_to_gguf.py.
// It must not know pools or how adapters are applied.
package peft
