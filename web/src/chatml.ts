// The two ways of writing a conversation down for models whose file says none.

import type { ChatMessage } from "./openai.js";

/** A conversation as the engine is to read it. */
export interface Prompt {
  text: string;
  /** Texts that end the assistant's turn. */
  stop: string[];
}

/**
 * ChatML, for models that were trained on it.
 * Source: OpenAI, ChatML v0 (openai-python, chatml.md, March 2023).
 */
export function chatML(messages: readonly ChatMessage[]): Prompt {
  const turns = messages.map((m) => `<|im_start|>${m.role}\n${m.content}<|im_end|>\n`);
  return { text: turns.join("") + "<|im_start|>assistant\n", stop: ["<|im_end|>"] };
}

/** The contents alone, for models that only continue text and never saw a conversation. */
export function plain(messages: readonly ChatMessage[]): Prompt {
  return { text: messages.map((m) => m.content).join("\n"), stop: [] };
}
