// One model, measured on the page's clock through the public API. It must not know
// where figures are shown.

import { Engine, type CreateOptions } from "../src/index.js";
import type { GenerateAsk } from "../src/engine.js";

/** What to measure. */
export interface Config {
  /** The model's file, by URL or as the user picked it. */
  readonly model: string | Blob;
  readonly threads: number;
  /** Prompt lengths in tokens. */
  readonly prompts: readonly number[];
  /** Tokens to decode. */
  readonly decode: number;
  readonly repeats: number;
  readonly onStep?: (text: string) => void;
}

/** Milliseconds unless named otherwise. */
export interface Measured {
  readonly executor: string;
  readonly threads: number;
  readonly reason: string;
  readonly loadMs: number;
  /** One entry per prompt length, one number per repeat: from the request to its first token. */
  readonly prefillMs: { readonly tokens: number; readonly ms: readonly number[] }[];
  /** Tokens a second, one per repeat, from the first token to the last. */
  readonly decodeTokPS: readonly number[];
}

/** Positions of a session, and the prompt before decoding. */
const contextLength = 1024;
const decodePrompt = 16;

let seed = 0;

/** Token ids that no other prompt begins with, so that nothing is found in the KV cache. */
export function promptIDs(n: number, vocab: number): number[] {
  const s = seed++;
  const span = Math.min(vocab - 3, 600);
  return Array.from({ length: n }, (_, i) => 3 + ((s * 37 + i * 7919) % span));
}

/** A greedy continuation of token ids that does not end early. */
export function ask(
  tokens: number[],
  maxTokens: number,
  adapters: GenerateAsk["adapters"] = [],
  format = "",
): GenerateAsk {
  return {
    prompt: "",
    tokens,
    maxTokens,
    ignoreEOS: format === "", // a format may have nothing else left
    addSpecial: false,
    parseSpecial: false,
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    seed: 1,
    stop: [],
    adapters,
    logprobs: false,
    topLogprobs: 0,
    typicalP: 0,
    repeatPenalty: 0,
    presencePenalty: 0,
    frequencyPenalty: 0,
    repeatLastN: 0,
    shiftContext: false,
    logitBias: [],
    format,
  };
}

/** Starts an engine with the model. The engine is the caller's to close. */
export async function load(config: Config, options: CreateOptions = {}): Promise<{ engine: Engine; ms: number }> {
  const begun = performance.now();
  const model = typeof config.model === "string" ? new URL(config.model, document.baseURI).href : config.model;
  const engine = await Engine.create({ ...options, model, threads: config.threads, contextLength });
  return { engine, ms: performance.now() - begun };
}

/** Milliseconds from the request to the first token of a fresh prompt of n tokens. */
async function prefill(engine: Engine, n: number): Promise<number> {
  const begun = performance.now();
  await engine.generate([ask(promptIDs(n, engine.model!.vocabSize), 1)], undefined, () => undefined);
  return performance.now() - begun;
}

/** Tokens a second over the tokens that follow the first: n of them, or fewer where a format ends the text. */
export async function decode(
  engine: Engine,
  n: number,
  adapters: GenerateAsk["adapters"] = [],
  format = "",
): Promise<number> {
  let first = 0;
  let last = 0;
  let more = -1;
  const asks = [ask(promptIDs(decodePrompt, engine.model!.vocabSize), n + 1, adapters, format)];
  await engine.generate(asks, undefined, (event) => {
    if (event.type !== "chunk") return;
    last = performance.now();
    first ||= last;
    more++;
  });
  return (more / (last - first)) * 1000;
}

/** Loads, warms up, and measures everything in turn, repeats times. */
export async function measure(config: Config): Promise<Measured> {
  const say = config.onStep ?? (() => undefined);
  say("loading");
  const { engine, ms } = await load(config);
  try {
    say("warming up");
    await warmUp(engine, config);
    const prefillMs = config.prompts.map((tokens) => ({ tokens, ms: [] as number[] }));
    const decodeTokPS: number[] = [];
    for (let i = 0; i < config.repeats; i++) {
      say(`run ${i + 1} of ${config.repeats}`);
      for (const p of prefillMs) p.ms.push(await prefill(engine, p.tokens));
      if (config.decode > 0) decodeTokPS.push(await decode(engine, config.decode));
    }
    const { flavour, threads, singleThreadReason = "" } = engine.state;
    return { executor: flavour, threads, reason: singleThreadReason, loadMs: ms, prefillMs, decodeTokPS };
  } finally {
    engine.close();
  }
}

/** Lets the browser compile what will run: its second compiler starts after some calls. */
export async function warmUp(engine: Engine, config: Config): Promise<void> {
  await decode(engine, 8);
  await prefill(engine, config.prompts[0] ?? decodePrompt);
  await decode(engine, 8);
}
