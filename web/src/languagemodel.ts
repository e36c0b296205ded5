// Chrome's Prompt API, as far as text goes, over an engine of ours: code written
// for the built-in LanguageModel runs with any GGUF model.
// Source: Prompt API explainer, https://github.com/webmachinelearning/prompt-api

import type { CreateOptions } from "./engine.js";
import { Engine } from "./engine.js";
import type { ModelRef } from "./download/resolve.js";
import { UnsupportedError } from "./errors.js";
import { type Availability, availability } from "./models.js";
import type { ChatMessage } from "./openai.js";

/** A message of the Prompt API. */
export interface LanguageModelMessage {
  role: "system" | "user" | "assistant";
  content: string;
  /** True: the model continues this message instead of answering it. Not supported. */
  prefix?: boolean;
}

/** Text, or several messages. */
export type LanguageModelPrompt = string | LanguageModelMessage[];

export interface LanguageModelCreateOptions {
  initialPrompts?: LanguageModelMessage[];
  temperature?: number;
  topK?: number;
  signal?: AbortSignal;
  /** Called with an event target that hears "downloadprogress" events whose `loaded` goes from 0 to 1. */
  monitor?: (monitor: EventTarget) => void;
}

export interface LanguageModelPromptOptions {
  signal?: AbortSignal;
  /** A JSON Schema that the answer is kept inside. Regular expressions are not supported. */
  responseConstraint?: object;
}

const defaults = { temperature: 1, topK: 40 };

/** One conversation. Sessions of one engine share its memory and wait for each other. */
export class LanguageModelSession {
  readonly temperature: number;
  readonly topK: number;
  /** Tokens used and available. */
  inputUsage = 0;
  readonly inputQuota: number;
  readonly #engine: Engine;
  #history: ChatMessage[];
  #destroyed = new AbortController();

  /** @internal Use LanguageModel.create or clone. */
  constructor(engine: Engine, history: ChatMessage[], options: { temperature: number; topK: number }) {
    this.#engine = engine;
    this.#history = history;
    this.temperature = options.temperature;
    this.topK = options.topK;
    this.inputQuota = engine.model?.contextLength ?? 0;
  }

  /** Answers with the whole text. Rejects like engine.chat.completions.create. */
  async prompt(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<string> {
    let text = "";
    for await (const piece of this.#answer(input, options)) text += piece;
    return text;
  }

  /** Answers piece by piece. Cancelling the stream stops the generation. */
  promptStreaming(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): ReadableStream<string> {
    const pieces = this.#answer(input, options);
    return new ReadableStream<string>({
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await pieces.return(undefined)),
    });
  }

  /** Adds messages without asking for an answer. */
  async append(input: LanguageModelPrompt): Promise<void> {
    this.#history.push(...messagesOf(input));
  }

  /** Tokens that input would take, without the template's own. */
  async measureInputUsage(input: LanguageModelPrompt): Promise<number> {
    const text = messagesOf(input)
      .map((m) => m.content)
      .join("\n");
    return (await this.#engine.tokenize(text)).length;
  }

  /** A session with the same past and its own future. */
  async clone(options: { signal?: AbortSignal } = {}): Promise<LanguageModelSession> {
    options.signal?.throwIfAborted();
    return new LanguageModelSession(this.#engine, [...this.#history], this);
  }

  /** Stops what is running. The engine stays with whoever made it. */
  destroy(): void {
    this.#destroyed.abort(new DOMException("the session was destroyed", "AbortError"));
  }

  async *#answer(input: LanguageModelPrompt, options: LanguageModelPromptOptions): AsyncGenerator<string, void> {
    const signal = options.signal ? AbortSignal.any([options.signal, this.#destroyed.signal]) : this.#destroyed.signal;
    const asked = messagesOf(input);
    const params = {
      temperature: this.temperature,
      top_k: this.topK,
      stream: true,
      stream_options: { include_usage: true },
    } as const;
    const format = formatOf(options.responseConstraint);
    const messages = [...this.#history, ...asked];
    const chunks = await this.#engine.chat.completions.create({ ...params, ...format, messages }, { signal });
    let text = "";
    for await (const chunk of chunks) {
      const piece = chunk.choices[0]?.delta.content ?? "";
      text += piece;
      if (chunk.usage) this.inputUsage = chunk.usage.total_tokens;
      if (piece !== "") yield piece;
    }
    this.#history.push(...asked, { role: "assistant", content: text });
  }
}

function formatOf(schema: object | undefined) {
  if (schema === undefined) return {};
  if (schema instanceof RegExp)
    throw new UnsupportedError("ERR_UNSUPPORTED_TYPE", "a RegExp as responseConstraint is not supported");
  return { response_format: { type: "json_schema", json_schema: { schema } } } as const;
}

function messagesOf(input: LanguageModelPrompt): ChatMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  return input.map((m) => {
    if (m.prefix) throw new UnsupportedError("ERR_UNSUPPORTED_TYPE", "prefix messages are not supported");
    if (typeof m.content !== "string") throw new UnsupportedError("ERR_UNSUPPORTED_TYPE", "only text is supported");
    return { role: m.role, content: m.content };
  });
}

/** The shape of Chrome's global LanguageModel. */
export interface LanguageModelLike {
  availability(): Promise<Availability["availability"]>;
  create(options?: LanguageModelCreateOptions): Promise<LanguageModelSession>;
  params(): Promise<{ defaultTopK: number; maxTopK: number; defaultTemperature: number; maxTemperature: number }>;
}

/**
 * A LanguageModel that answers with one model of yours:
 *
 *     const LanguageModel = languageModel("owner/repo:Q4_0");
 *     const session = await LanguageModel.create();
 *     await session.prompt("Hello");
 *
 * All its sessions share one engine, made by the first create.
 */
export function languageModel(
  model: ModelRef,
  engineOptions: Omit<CreateOptions, "model" | "signal"> = {},
): LanguageModelLike {
  let engine: Promise<Engine> | undefined;
  return {
    availability: async () => (await availability(model, engineOptions)).availability,
    params: async () => ({
      defaultTopK: defaults.topK,
      maxTopK: 1000,
      defaultTemperature: defaults.temperature,
      maxTemperature: 2,
    }),
    async create(options = {}) {
      options.signal?.throwIfAborted();
      const monitor = new EventTarget();
      options.monitor?.(monitor);
      const report = (loaded: number) =>
        monitor.dispatchEvent(new ProgressEvent("downloadprogress", { lengthComputable: true, loaded, total: 1 }));
      engine ??= Engine.create({
        ...engineOptions,
        model,
        ...(options.signal && { signal: options.signal }),
        onProgress: (p) => p.phase === "download" && report(p.ratio),
      });
      const made = engine;
      made.catch(() => (engine = undefined)); // the next create tries again
      const history = (options.initialPrompts ?? []).map(({ role, content }) => ({ role, content }));
      return new LanguageModelSession(await made, history, { ...defaults, ...pick(options) });
    },
  };
}

function pick({ temperature, topK }: LanguageModelCreateOptions): { temperature?: number; topK?: number } {
  return { ...(temperature !== undefined && { temperature }), ...(topK !== undefined && { topK }) };
}
