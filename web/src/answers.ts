// OpenAI's three kinds of answer, built from the engine's chunks.

import { BadRequestError, UnsupportedError } from "./errors.js";
import type { Engine, GenerateAsk, Generated } from "./engine.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  ChatLogprobs,
  Completion,
  CompletionLogprobs,
  CompletionParams,
  EmbeddingParams,
  EmbeddingResponse,
  FinishReason,
  Route,
  SamplingParams,
  Timing,
  TokenLogprob,
  Usage,
} from "./openai.js";
import type { MessageOf } from "./protocol.js";
import { streamOf } from "./stream.js";

type Chunk = MessageOf<"chunk">;

/** Beside the parameters, as in OpenAI's client. */
export interface RequestOptions {
  /** Aborting stops within one token or one prefill chunk; the promise or the loop rejects with the signal's reason. */
  signal?: AbortSignal | null;
}

/** engine.chat.completions */
export class ChatCompletions {
  readonly #engine: Engine;
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Answers a conversation. With stream: true resolves at once with an async iterable of chunks; leaving the loop
   * stops the generation. With n > 1 the choices are generated one after another, in the order of their index.
   * Rejects with BadRequestError, UnsupportedError, ContextError, ClosedError, CrashError or the signal's reason.
   */
  create(
    params: ChatCompletionParams & { stream: true },
    options?: RequestOptions,
  ): Promise<AsyncIterableIterator<ChatCompletionChunk>>;
  create(params: ChatCompletionParams & { stream?: false | null }, options?: RequestOptions): Promise<ChatCompletion>;
  async create(
    params: ChatCompletionParams,
    options: RequestOptions = {},
  ): Promise<ChatCompletion | AsyncIterableIterator<ChatCompletionChunk>> {
    const asks = askEach(await this.#ask(params), params.n);
    const head = { id: `chatcmpl-${crypto.randomUUID()}`, created: now(), model: modelName(this.#engine) };
    const logprobs = params.logprobs === true;
    return params.stream
      ? this.#stream(asks, params, options, head, logprobs)
      : await this.#whole(asks, options, head, logprobs);
  }

  async #whole(asks: GenerateAsk[], options: RequestOptions, head: Head, logprobs: boolean): Promise<ChatCompletion> {
    const answers = await collect(this.#engine, asks, options);
    const choices = answers.map(({ content, chunks, done }, index) => ({
      index,
      message: { role: "assistant" as const, content },
      finish_reason: finishReason(done),
      logprobs: logprobs ? chatLogprobs(chunks) : null,
    }));
    const all = together(answers.map((a) => a.done));
    return { ...head, object: "chat.completion", choices, usage: usageOf(all), ...whereAndWhen(all) };
  }

  #stream(
    asks: GenerateAsk[],
    params: ChatCompletionParams,
    options: RequestOptions,
    head: Head,
    logprobs: boolean,
  ): AsyncIterableIterator<ChatCompletionChunk> {
    const object = "chat.completion.chunk" as const;
    const piece = (index: number, delta: Delta, chunk?: Chunk): ChatCompletionChunk => ({
      ...head,
      object,
      choices: [{ index, delta, finish_reason: null, logprobs: chunk && logprobs ? chatLogprobs([chunk]) : null }],
    });
    return streamOf<ChatCompletionChunk>(async (push, signal) => {
      for (const index of asks.keys()) push(piece(index, { role: "assistant", content: "" }));
      const all: Generated[] = [];
      await this.#engine.generate(asks, signal, (event, index) => {
        if (event.type === "chunk") return push(piece(index, { content: event.text }, event));
        all.push(event);
        if (event.text !== "") push(piece(index, { content: event.text }));
        const last = { index, delta: {}, finish_reason: finishReason(event), logprobs: null };
        push({ ...head, object, choices: [last], ...(all.length === asks.length && whereAndWhen(together(all))) });
      });
      if (params.stream_options?.include_usage) push({ ...head, object, choices: [], usage: usageOf(together(all)) });
    }, options.signal);
  }

  async #ask(params: ChatCompletionParams): Promise<GenerateAsk> {
    checkMessages(params.messages);
    if (params.tools?.length) throw new UnsupportedError("ERR_UNSUPPORTED_TYPE", "tools are not supported");
    const { text, stop } = await renderChat(this.#engine, params);
    const maxTokens = params.max_completion_tokens ?? params.max_tokens;
    const ask = samplingAsk({ ...params, max_tokens: maxTokens ?? null });
    const top = params.logprobs ? (params.top_logprobs ?? 0) : 0;
    return {
      ...ask,
      prompt: text,
      addSpecial: true,
      parseSpecial: true,
      stop: [...ask.stop, ...stop],
      logprobs: params.logprobs === true,
      topLogprobs: inRange("top_logprobs", top, 0, 20),
      format: formatOf(params.response_format),
    };
  }
}

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

/** engine.embeddings */
export class Embeddings {
  readonly #engine: Engine;
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * One vector of length 1 per input: the mean over its tokens of the first layer's queries.
   * Source: Bang et al. 2024, arXiv:2406.07007, section 3.2. Good for telling topics apart, and nearly free.
   */
  async create(params: EmbeddingParams, options: RequestOptions = {}): Promise<EmbeddingResponse> {
    const inputs = typeof params.input === "string" ? [params.input] : params.input;
    const data: EmbeddingResponse["data"] = [];
    let nTokens = 0;
    for (const [index, input] of inputs.entries()) {
      const { values, tokens } = await this.#engine.embed(input, options.signal);
      const length = Math.hypot(...values) || 1;
      data.push({ object: "embedding", index, embedding: Array.from(values, (v) => v / length) });
      nTokens += tokens;
    }
    return {
      object: "list",
      model: modelName(this.#engine),
      data,
      usage: { prompt_tokens: nTokens, total_tokens: nTokens },
    };
  }
}

interface Head {
  id: string;
  created: number;
  model: string;
}

type Delta = ChatCompletionChunk["choices"][number]["delta"];

/** One choice, whole. */
interface Answer {
  content: string;
  chunks: Chunk[];
  done: Generated;
}

async function collect(engine: Engine, asks: GenerateAsk[], options: RequestOptions): Promise<Answer[]> {
  const answers: Answer[] = [];
  let chunks: Chunk[] = [];
  await engine.generate(asks, options.signal, (event) => {
    if (event.type === "chunk") return void chunks.push(event);
    answers.push({ content: chunks.map((c) => c.text).join("") + event.text, chunks, done: event });
    chunks = [];
  });
  return answers;
}

// What the choices took: the prompt as the first found it, the tokens and the time of all.
function together(all: readonly Generated[]): Generated {
  return all.reduce((sum, next) => ({
    ...sum,
    completionTokens: sum.completionTokens + next.completionTokens,
    prefillMs: sum.prefillMs + next.prefillMs,
    decodeMs: sum.decodeMs + next.decodeMs,
  }));
}

/** A conversation as the engine is to read it, and the texts that end the assistant's turn. */
interface Prompt {
  text: string;
  stop: string[];
}

/** Writes a conversation down for the loaded model: with its file's template, with ChatML, or the contents alone. */
async function renderChat(engine: Engine, { messages, chat_template_kwargs }: ChatCompletionParams): Promise<Prompt> {
  const variables = chat_template_kwargs === undefined ? "" : JSON.stringify(chat_template_kwargs);
  const ask = { messages: JSON.stringify(messages), tools: "", variables, addGenerationPrompt: true };
  if (engine.model?.chatTemplate) return { text: await engine.render({ ...ask, chatML: false }), stop: [] };
  const how = engine.chatTemplate ?? ((await hasChatML(engine)) ? "chatml" : "plain");
  if (how === "chatml") return { text: await engine.render({ ...ask, chatML: true }), stop: ["<|im_end|>"] };
  return { text: plain(messages), stop: [] };
}

// The contents alone, for models that only continue text: an answer follows what it continued, a new turn begins a line.
function plain(messages: ChatCompletionParams["messages"]): string {
  return messages.map((m, i) => (i > 0 && m.role !== "assistant" ? "\n" : "") + m.content).join("");
}

// One token each, where the vocabulary has the markers.
async function hasChatML(engine: Engine): Promise<boolean> {
  return (await engine.tokenize("<|im_start|><|im_end|>", { parseSpecial: true })).length === 2;
}

// One ask for each choice, with the seed and those that follow it.
function askEach(ask: GenerateAsk, n: number | null | undefined): GenerateAsk[] {
  const length = inRange("n", n ?? 1, 1, 16);
  if (!Number.isInteger(length)) throw bad(`n is ${length}, must be a whole number`);
  inRange("the last choice's seed", ask.seed + (length - 1), 0, Number.MAX_SAFE_INTEGER);
  return Array.from({ length }, (_, i) => ({ ...ask, seed: ask.seed + i }));
}

function samplingAsk(p: SamplingParams): GenerateAsk {
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

// The engine's word for a format: "" is any text, "json" any object, else a JSON Schema.
function formatOf(format: ChatCompletionParams["response_format"]): string {
  if (format?.type === "json_object") return "json";
  if (format?.type === "json_schema") return JSON.stringify(format.json_schema.schema);
  return "";
}

function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0) throw bad("messages must be a non-empty array");
  for (const m of messages as { role?: unknown; content?: unknown }[]) {
    if (typeof m?.role !== "string" || typeof m.content !== "string")
      throw bad("every message needs a role and a content of type string");
  }
}

function inRange(name: string, v: number, low: number, high: number): number {
  if (typeof v === "number" && v >= low && v <= high) return v;
  throw bad(`${name} is ${v}, must be between ${low} and ${high}`);
}

function bad(message: string): BadRequestError {
  return new BadRequestError("ERR_BAD_REQUEST", message);
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function modelName(engine: Engine): string {
  return engine.model?.name ?? "";
}

function finishReason(done: Generated): FinishReason {
  return done.finishReason === "length" ? "length" : "stop";
}

function usageOf(done: Generated): Usage {
  return {
    prompt_tokens: done.promptTokens,
    completion_tokens: done.completionTokens,
    total_tokens: done.promptTokens + done.completionTokens,
    prompt_tokens_details: { cached_tokens: done.cachedTokens },
  };
}

function whereAndWhen(done: Generated): { x_route: Route; x_timing: Timing } {
  return {
    x_route: { where: "local", reason: "the engine in this page answered" },
    x_timing: { prefill_ms: done.prefillMs, decode_ms: done.decodeMs, queued_ms: done.queuedMs },
  };
}

const encoder = new TextEncoder();

function tokenLogprob(token: string, logprob: number): TokenLogprob {
  return { token, logprob, bytes: [...encoder.encode(token)] };
}

function chatLogprobs(chunks: Chunk[]): ChatLogprobs {
  const content = chunks.map((c) => ({
    ...tokenLogprob(c.text, c.logprob),
    top_logprobs: c.top.map((t) => tokenLogprob(t.text, t.logprob)),
  }));
  return { content };
}

function completionLogprobs(chunks: Chunk[]): CompletionLogprobs {
  return {
    tokens: chunks.map((c) => c.text),
    token_logprobs: chunks.map((c) => c.logprob),
    top_logprobs: chunks.map((c) => Object.fromEntries(c.top.map((t) => [t.text, t.logprob]))),
  };
}
