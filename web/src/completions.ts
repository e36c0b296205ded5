// engine.completions: text and how it goes on.

import {
  type Chunk,
  type RequestOptions,
  collect,
  completionLogprobs,
  finishReason,
  modelName,
  now,
  together,
  usageOf,
  whereAndWhen,
} from "./answers.js";
import { askEach, inRange, samplingAsk } from "./asks.js";
import type { Engine, GenerateAsk, Generated } from "./engine.js";
import type { Completion, CompletionParams, FinishReason } from "./openai.js";
import { streamOf } from "./stream.js";

/** engine.completions */
export class Completions {
  readonly #engine: Engine;
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Continues text. Streams and rejects like chat completions. */
  create(
    params: CompletionParams & { stream: true },
    options?: RequestOptions,
  ): Promise<AsyncIterableIterator<Completion>>;
  create(params: CompletionParams & { stream?: false | null }, options?: RequestOptions): Promise<Completion>;
  async create(
    params: CompletionParams,
    options: RequestOptions = {},
  ): Promise<Completion | AsyncIterableIterator<Completion>> {
    const asks = askEach(this.#ask(params), params.n);
    const head = { id: `cmpl-${crypto.randomUUID()}`, created: now(), model: modelName(this.#engine) };
    const object = "text_completion" as const;
    const choice = (index: number, text: string, finish_reason: FinishReason | null, chunks: Chunk[] | null) => {
      const logprobs = params.logprobs != null && chunks ? completionLogprobs(chunks) : null;
      return { index, text, finish_reason, logprobs };
    };
    const echo = params.echo && typeof params.prompt === "string" ? params.prompt : "";
    if (!params.stream) {
      const answers = await collect(this.#engine, asks, options);
      const all = together(answers.map((a) => a.done));
      const choices = answers.map((a, i) => choice(i, echo + a.content, finishReason(a.done), a.chunks));
      return { ...head, object, choices, usage: usageOf(all), ...whereAndWhen(all) };
    }
    const piece = (...of: Parameters<typeof choice>): Completion => ({ ...head, object, choices: [choice(...of)] });
    return streamOf<Completion>(async (push, signal) => {
      if (echo !== "") for (const index of asks.keys()) push(piece(index, echo, null, null));
      const all: Generated[] = [];
      await this.#engine.generate(asks, signal, (event, index) => {
        if (event.type === "chunk") return push(piece(index, event.text, null, [event]));
        all.push(event);
        const last = piece(index, event.text, finishReason(event), null);
        push({ ...last, ...(all.length === asks.length && whereAndWhen(together(all))) });
      });
      if (params.stream_options?.include_usage) push({ ...head, object, choices: [], usage: usageOf(together(all)) });
    }, options.signal);
  }

  #ask(params: CompletionParams): GenerateAsk {
    const text = typeof params.prompt === "string";
    return {
      ...samplingAsk(params),
      prompt: text ? (params.prompt as string) : "",
      tokens: text ? [] : [...(params.prompt as number[])],
      addSpecial: true,
      logprobs: params.logprobs != null,
      topLogprobs: inRange("logprobs", params.logprobs ?? 0, 0, 20),
    };
  }
}
