// The engine of this page as a Device: its answers with their confidence, and the
// scope of a query before any decode.

import { BadRequestError } from "../errors.js";
import type { Device } from "../offload.js";
import type {
  ChatCompletionChunk,
  ChatCompletionParams,
  Choice,
  ChoiceParams,
  EmbeddingParams,
  EmbeddingResponse,
} from "../openai.js";
import { type Region, scopeOf } from "./region.js";
import type { Signals, Turn } from "./route.js";

/** What of Engine is needed. */
export interface AnsweringEngine {
  chat: {
    completions: {
      create(
        params: ChatCompletionParams & { stream: true },
        options: { signal: AbortSignal },
      ): Promise<AsyncIterable<ChatCompletionChunk>>;
      choose(params: ChoiceParams, options: { signal: AbortSignal }): Promise<Choice>;
    };
  };
  embeddings: { create(params: EmbeddingParams, options: { signal: AbortSignal }): Promise<EmbeddingResponse> };
}

/** How the device answers. */
export interface DeviceOptions {
  /** Sampling and length; messages and streaming are set for each query. There is no n: a query has one answer. */
  params?: Omit<ChatCompletionParams, "messages" | "stream" | "logprobs" | "n">;
  /** Multiple choice: the answer is one of these, told by their first tokens, and confidence is how far it is ahead. */
  options?: readonly string[];
  /** Tokens after which the early confidence is known; default 8. */
  earlyTokens?: number;
  /** Of what the user customised: what is far from it is out of scope. Without one, scope is unknown. */
  region?: Region | undefined;
}

/**
 * Makes a Device of an engine.
 * Throws BadRequestError for params with n other than 1: a query has one answer, from here or from the server.
 */
export function engineDevice(engine: AnsweringEngine, options: DeviceOptions = {}): Device {
  const { n } = (options.params ?? {}) as { n?: number | null };
  if ((n ?? 1) !== 1) throw new BadRequestError("ERR_BAD_REQUEST", `offload: n is ${n}, a query has one answer`);
  const { region, options: choices } = options;
  return {
    async before(messages, signal) {
      const input = messages.findLast((m) => m.role === "user")?.content ?? "";
      if (region === undefined || input.trim() === "") return {};
      const { layer, pooling } = region;
      const { data } = await engine.embeddings.create({ input, layer, pooling, normalize: false }, { signal });
      return scopeOf(data[0]!.embedding, region);
    },
    async *answer(messages, signal) {
      if (choices !== undefined) {
        const { lora } = options.params ?? {};
        const ask = { messages: messages.map(turn), options: choices, ...(lora && { lora }) };
        const { text, logprobs } = await engine.chat.completions.choose(ask, { signal });
        return yield { text, signals: optionSignals(logprobs) };
      }
      const params = { ...options.params, messages: messages.map(turn), stream: true as const, logprobs: true };
      const confidence = new Confidence(options.earlyTokens ?? 8);
      for await (const chunk of await engine.chat.completions.create(params, { signal })) {
        const choice = chunk.choices[0];
        const text = choice?.delta.content ?? "";
        for (const token of choice?.logprobs?.content ?? []) confidence.add(token.logprob);
        if (text !== "" || choice?.finish_reason) yield { text, signals: confidence.signals() };
      }
    },
  };
}

function turn({ role, content }: Turn): Turn {
  return { role, content };
}

/** How sure a choice is, from the options' log-probabilities: twin of Go's SetOptions. */
export function optionSignals(logprobs: readonly number[]): Signals {
  const top = Math.max(...logprobs);
  const weights = logprobs.map((x) => Math.exp(x - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const p = weights.map((w) => w / total).sort((a, b) => b - a);
  const entropy = p.reduce((h, x) => (x > 0 ? h - x * Math.log(x) : h), 0);
  return {
    max_prob: p[0]!,
    margin: p[0]! - p[1]!,
    entropy: Math.max(0, Math.min(1, 1 - entropy / Math.log(p.length))),
  };
}

/** Geometric-mean token probability, as a whole and of the first tokens: twin of Go's Sequence. */
export class Confidence {
  readonly #earlyTokens: number;
  #sum = 0;
  #earlySum = 0;
  #n = 0;
  constructor(earlyTokens: number) {
    this.#earlyTokens = earlyTokens;
  }

  /** Records a token's natural log-probability. */
  add(logprob: number): void {
    this.#sum += Number.isNaN(logprob) ? -Infinity : Math.min(0, logprob);
    if (++this.#n === this.#earlyTokens) this.#earlySum = this.#sum;
  }

  signals(): Signals {
    if (this.#n === 0) return {};
    const whole = { geo_mean: Math.exp(this.#sum / this.#n) };
    return this.#n < this.#earlyTokens ? whole : { ...whole, early: Math.exp(this.#earlySum / this.#earlyTokens) };
  }
}
