// What OpenAI's kinds of answer have in common, built from the engine's chunks.

import type { Engine, GenerateAsk, Generated } from "./engine.js";
import type { ChatLogprobs, CompletionLogprobs, FinishReason, Route, Timing, TokenLogprob, Usage } from "./openai.js";
import type { MessageOf } from "./protocol.js";

/** A piece of an answer on its way. */
export type Chunk = MessageOf<"chunk">;

/** Beside the parameters, as in OpenAI's client. */
export interface RequestOptions {
  /** Aborting stops within one token or one prefill chunk; the promise or the loop rejects with the signal's reason. */
  signal?: AbortSignal | null;
}

/** What every kind of answer begins with. */
export interface Head {
  id: string;
  created: number;
  model: string;
}

/** One choice, whole. */
export interface Answer {
  content: string;
  chunks: Chunk[];
  done: Generated;
}

/** All choices, whole, in order. */
export async function collect(engine: Engine, asks: GenerateAsk[], options: RequestOptions): Promise<Answer[]> {
  const answers: Answer[] = [];
  let chunks: Chunk[] = [];
  await engine.generate(asks, options.signal, (event) => {
    if (event.type === "chunk") return void chunks.push(event);
    answers.push({ content: chunks.map((c) => c.text).join("") + event.text, chunks, done: event });
    chunks = [];
  });
  return answers;
}

/** What the choices took: the prompt as the first found it, the tokens and the time of all. */
export function together(all: readonly Generated[]): Generated {
  return all.reduce((sum, next) => ({
    ...sum,
    completionTokens: sum.completionTokens + next.completionTokens,
    prefillMs: sum.prefillMs + next.prefillMs,
    decodeMs: sum.decodeMs + next.decodeMs,
  }));
}

/** Seconds since 1970, as OpenAI counts. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** The loaded model's name, or "". */
export function modelName(engine: Engine): string {
  return engine.model?.name ?? "";
}

/** OpenAI's word for why an answer ended. */
export function finishReason(done: Generated): FinishReason {
  return done.finishReason === "length" ? "length" : "stop";
}

/** Tokens, counted as OpenAI does. */
export function usageOf(done: Generated): Usage {
  return {
    prompt_tokens: done.promptTokens,
    completion_tokens: done.completionTokens,
    total_tokens: done.promptTokens + done.completionTokens,
    prompt_tokens_details: { cached_tokens: done.cachedTokens },
  };
}

/** Who answered and how long it took. */
export function whereAndWhen(done: Generated): { x_route: Route; x_timing: Timing } {
  return {
    x_route: { where: "local", reason: "the engine in this page answered" },
    x_timing: { prefill_ms: done.prefillMs, decode_ms: done.decodeMs, queued_ms: done.queuedMs },
  };
}

const encoder = new TextEncoder();

function tokenLogprob(token: string, logprob: number): TokenLogprob {
  return { token, logprob, bytes: [...encoder.encode(token)] };
}

/** Probabilities of a chat's tokens. */
export function chatLogprobs(chunks: Chunk[]): ChatLogprobs {
  const content = chunks.map((c) => ({
    ...tokenLogprob(c.text, c.logprob),
    top_logprobs: c.top.map((t) => tokenLogprob(t.text, t.logprob)),
  }));
  return { content };
}

/** Probabilities of a completion's tokens. */
export function completionLogprobs(chunks: Chunk[]): CompletionLogprobs {
  return {
    tokens: chunks.map((c) => c.text),
    token_logprobs: chunks.map((c) => c.logprob),
    top_logprobs: chunks.map((c) => Object.fromEntries(c.top.map((t) => [t.text, t.logprob]))),
  };
}
