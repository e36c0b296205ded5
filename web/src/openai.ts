// The request and response shapes of OpenAI's API that this engine speaks, with
// the same names, and the few fields it adds: lora and the samplers of llama.cpp in
// requests, x_route and x_timing in answers.

/** One turn of a conversation. */
export interface ChatMessage {
  role: "system" | "user" | "assistant" | (string & {});
  content: string;
}

/** A loaded adapter and how strongly it acts in one request: 1 as trained, 0 off, negative away from it. */
export interface LoraScale {
  id: string;
  scale: number;
}

/** What chat and text completions share. Defaults are the engine's: temperature 0 is greedy. */
export interface SamplingParams {
  /** Ignored: the engine has one model. Accepted because OpenAI clients send it. */
  model?: string;
  /** Most tokens to generate; default: until a stop or the end of the context. */
  max_tokens?: number | null;
  /** Default 1, as OpenAI's; 0 always takes the likeliest token. */
  temperature?: number | null;
  top_p?: number | null;
  /** Keep the k likeliest tokens; 0 keeps all. */
  top_k?: number | null;
  /** Keep tokens at least this fraction as likely as the likeliest; 0 keeps all. */
  min_p?: number | null;
  /** Keep the most typical tokens up to this mass; 1 keeps all. */
  typical_p?: number | null;
  /** Subtracted once, or per occurrence, from the logits of tokens that were generated: -2 to 2. */
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  /** Divides the logits of recent tokens; 1 is off. */
  repeat_penalty?: number | null;
  /** Added to logits, by token id: -100 to 100. */
  logit_bias?: Record<string, number> | null;
  /** The same seed and prompt give the same answer. Default: random. */
  seed?: number | null;
  /** Up to four texts that end the answer; they are not part of it. */
  stop?: string | string[] | null;
  /** Adapters that act in this request only. */
  lora?: LoraScale[];
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  /**
   * How many answers, 1 to 16; default 1. Choice i is what a request of its own with the seed `seed` + i answers; the
   * prompt is computed once. At temperature 0 they are equal.
   */
  n?: number | null;
}

export interface ChatCompletionParams extends SamplingParams {
  messages: ChatMessage[];
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  /** Rivals to report with each token, at most 20; needs logprobs. */
  top_logprobs?: number | null;
  /** Keeps the answer inside JSON, or inside a JSON Schema. */
  response_format?:
    | { type: "text" }
    | { type: "json_object" }
    | { type: "json_schema"; json_schema: { name?: string; strict?: boolean; schema: object } };
  /** Further variables of the model's chat template, such as enable_thinking. */
  chat_template_kwargs?: Record<string, unknown>;
  /** Not supported: anything but an empty list rejects. */
  tools?: unknown[];
}

export interface CompletionParams extends SamplingParams {
  /** Text, or token ids. */
  prompt: string | number[];
  /** Rivals to report with each token. */
  logprobs?: number | null;
  /** Prepend the prompt to the answer. */
  echo?: boolean | null;
}

export type FinishReason = "stop" | "length";

/** The prompt counts once, whatever n is; completion_tokens are those of all choices. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Prompt tokens that were in the kv cache before the first choice. */
  prompt_tokens_details: { cached_tokens: number };
}

/** Where an answer was computed, and why there. */
export interface Route {
  where: "local" | `server:${string}`;
  reason: string;
}

/** Milliseconds, of all choices together. */
export interface Timing {
  prefill_ms: number;
  decode_ms: number;
  /** Waiting for earlier requests. */
  queued_ms: number;
}

export interface TokenLogprob {
  token: string;
  /** Natural logarithm, of the full distribution before sampling. */
  logprob: number;
  bytes: number[];
}

export interface ChatLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[];
}

export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
}

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: "assistant"; content: string };
    finish_reason: FinishReason;
    logprobs: ChatLogprobs | null;
  }[];
  usage: Usage;
  x_route: Route;
  x_timing: Timing;
}

/**
 * One piece of a streamed chat answer. The choices come one after another; the last piece of each has a finish_reason,
 * and that of the last choice x_route and x_timing too.
 */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: "assistant"; content?: string };
    finish_reason: FinishReason | null;
    logprobs: ChatLogprobs | null;
  }[];
  usage?: Usage | null;
  x_route?: Route;
  x_timing?: Timing;
}

/** A text completion, or with stream: true one piece of it. */
export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: { index: number; text: string; finish_reason: FinishReason | null; logprobs: CompletionLogprobs | null }[];
  usage?: Usage | null;
  x_route?: Route;
  x_timing?: Timing;
}

/** Multiple choice, beside OpenAI's: chat.completions.choose. */
export interface ChoiceParams {
  messages: ChatMessage[];
  options: readonly string[];
  lora?: LoraScale[];
  chat_template_kwargs?: Record<string, unknown>;
}

/** What was chosen: the likeliest option, and each option's log-probability. */
export interface Choice {
  index: number;
  text: string;
  logprobs: number[];
}

export interface EmbeddingParams {
  model?: string;
  input: string | string[];
  /** Beside OpenAI's: false leaves vectors as long as the model makes them; default true, of length 1. */
  normalize?: boolean;
  /** Beside OpenAI's: whose layer's queries; default 0, the first, which is nearly free. */
  layer?: number;
  /** Beside OpenAI's: of all tokens, the default, or of the last. */
  pooling?: "mean" | "last";
}

export interface EmbeddingResponse {
  object: "list";
  model: string;
  data: { object: "embedding"; index: number; embedding: number[] }[];
  usage: { prompt_tokens: number; total_tokens: number };
}
