// OpenAI's parameters, as the engine is asked.

import type { GenerateAsk } from "./engine.js";
import { BadRequestError } from "./errors.js";
import type { SamplingParams } from "./openai.js";

/** One ask for each choice, with the seed and those that follow it. Throws BadRequestError. */
export function askEach(ask: GenerateAsk, n: number | null | undefined): GenerateAsk[] {
  const length = inRange("n", n ?? 1, 1, 16);
  if (!Number.isInteger(length)) throw bad(`n is ${length}, must be a whole number`);
  inRange("the last choice's seed", ask.seed + (length - 1), 0, Number.MAX_SAFE_INTEGER);
  return Array.from({ length }, (_, i) => ({ ...ask, seed: ask.seed + i }));
}

/** What chats and completions have in common, checked. Throws BadRequestError. */
export function samplingAsk(p: SamplingParams): GenerateAsk {
  const stop = p.stop == null ? [] : typeof p.stop === "string" ? [p.stop] : [...p.stop];
  if (stop.some((s) => typeof s !== "string" || s === "")) throw bad("stop must be non-empty strings");
  return {
    prompt: "",
    tokens: [],
    addSpecial: false,
    parseSpecial: false,
    maxTokens: inRange("max_tokens", p.max_tokens ?? 0, 0, 2 ** 32 - 1),
    temperature: inRange("temperature", p.temperature ?? 1, 0, 100),
    topK: inRange("top_k", p.top_k ?? 0, 0, 2 ** 32 - 1),
    topP: inRange("top_p", p.top_p ?? 1, 0, 1),
    minP: inRange("min_p", p.min_p ?? 0, 0, 1),
    seed: p.seed == null ? Math.floor(Math.random() * 2 ** 32) : inRange("seed", p.seed, 0, Number.MAX_SAFE_INTEGER),
    stop,
    ignoreEOS: false,
    adapters: (p.lora ?? []).map(({ id, scale }) => ({ id, scale })),
    logprobs: false,
    topLogprobs: 0,
    typicalP: inRange("typical_p", p.typical_p ?? 1, 0, 1),
    repeatPenalty: inRange("repeat_penalty", p.repeat_penalty ?? 1, 0, 100),
    presencePenalty: inRange("presence_penalty", p.presence_penalty ?? 0, -2, 2),
    frequencyPenalty: inRange("frequency_penalty", p.frequency_penalty ?? 0, -2, 2),
    repeatLastN: 0,
    shiftContext: false,
    format: "",
    logitBias: Object.entries(p.logit_bias ?? {}).map(([token, bias]) => ({
      token: inRange("logit_bias token", Number(token), 0, 2 ** 32 - 1),
      bias: inRange("logit_bias", bias, -100, 100),
    })),
  };
}

/** v, or BadRequestError where it is not a number from low to high. */
export function inRange(name: string, v: number, low: number, high: number): number {
  if (typeof v === "number" && v >= low && v <= high) return v;
  throw bad(`${name} is ${v}, must be between ${low} and ${high}`);
}

/** Something wrong with a parameter. */
export function bad(message: string): BadRequestError {
  return new BadRequestError("ERR_BAD_REQUEST", message);
}
