// The models the page offers.

/** One line of the picker. */
export interface Offer {
  label: string;
  ref: string;
  /** What to expect of it, shown before the first message. */
  hint: string;
  examples: string[];
  maxTokens: number;
}

export const offers: Offer[] = [
  {
    label: "Tiny stories, 260 thousand parameters (bundled)",
    ref: "./models/stories260K.gguf",
    hint: "This model is tiny. It knows nothing but children's stories: begin one and it goes on.",
    examples: ["Once upon a time", "The little dog was sad because", "Lily and Tom went to the park"],
    maxTokens: 200,
  },
  {
    label: "SmolLM2 135M Instruct, 92 MB",
    ref: "bartowski/SmolLM2-135M-Instruct-GGUF:Q4_0",
    hint: "A small model that answers questions, and is often wrong.",
    examples: ["What is the capital of France?", "Write a haiku about the sea.", "Explain rain to a child."],
    maxTokens: 400,
  },
  {
    label: "Qwen2.5 0.5B Instruct, 430 MB",
    ref: "Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_0",
    hint: "A small model that answers questions in many languages.",
    examples: [
      "What is the capital of France?",
      "Give me three ideas for dinner.",
      "Translate to German: good morning",
    ],
    maxTokens: 500,
  },
];
