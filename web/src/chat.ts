// engine.chat: conversations and their answers.

import {
  type Chunk,
  type Head,
  type RequestOptions,
  chatLogprobs,
  collect,
  finishReason,
  modelName,
  now,
  together,
  usageOf,
  whereAndWhen,
} from "./answers.js";
import { askEach, bad, inRange, samplingAsk } from "./asks.js";
import type { Engine, GenerateAsk, Generated } from "./engine.js";
import { UnsupportedError } from "./errors.js";
import { logSumExp } from "./logits.js";
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionParams, Choice, ChoiceParams } from "./openai.js";
import { streamOf } from "./stream.js";

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

  /**
   * Multiple choice: which of some texts is likeliest to begin the answer, told by their first tokens, which must differ: letters, yes and
   * no. Nothing is generated. The log-probabilities are of all that could come, in the order of the options.
   * Rejects as create does.
   */
  async choose(params: ChoiceParams, { signal }: RequestOptions = {}): Promise<Choice> {
    const { options } = params;
    checkMessages(params.messages);
    if (!Array.isArray(options) || options.length < 2 || options.some((o) => typeof o !== "string" || o === ""))
      throw bad("options must be two or more texts that are not empty");
    const { text, isPlain } = await renderChat(this.#engine, params);
    const tokens = await this.#engine.tokenize(text, { addSpecial: true, parseSpecial: true });
    // Words of continued text begin with their space, turns of a template without.
    const spaced = (o: string) => (isPlain && !/^[ \n]/.test(o) ? ` ${o}` : o);
    const firsts = await Promise.all(options.map((o) => firstToken(this.#engine, text, tokens, spaced(o))));
    if (new Set(firsts).size < firsts.length)
      throw bad(`options must differ in their first tokens: ${firsts.join(", ")}`);
    const { adapters } = samplingAsk(params.lora ? { lora: params.lora } : {});
    const logits = await this.#engine.logits(tokens, false, adapters, signal);
    const norm = logSumExp(logits);
    const logprobs = firsts.map((id) => logits[id]! - norm);
    const index = logprobs.indexOf(Math.max(...logprobs));
    return { index, text: options[index]!, logprobs };
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

type Delta = ChatCompletionChunk["choices"][number]["delta"];

/** The first token of a text that goes on after a prompt. */
async function firstToken(engine: Engine, prompt: string, ids: readonly number[], text: string): Promise<number> {
  const all = await engine.tokenize(prompt + text, { addSpecial: true, parseSpecial: true });
  const first = all[ids.length];
  if (first === undefined || ids.some((id, i) => all[i] !== id))
    throw bad(`option ${JSON.stringify(text)} joins the last word of the prompt`);
  return first;
}

/** A conversation as the engine is to read it, and the texts that end the assistant's turn. */
interface Prompt {
  text: string;
  stop: string[];
  /** The contents alone, for a model that only continues text. */
  isPlain?: true;
}

/** Writes a conversation down for the loaded model: with its file's template, with ChatML, or the contents alone. */
async function renderChat(
  engine: Engine,
  { messages, chat_template_kwargs }: Pick<ChatCompletionParams, "messages" | "chat_template_kwargs">,
): Promise<Prompt> {
  const variables = chat_template_kwargs === undefined ? "" : JSON.stringify(chat_template_kwargs);
  const ask = { messages: JSON.stringify(messages), tools: "", variables, addGenerationPrompt: true };
  if (engine.model?.chatTemplate) return { text: await engine.render({ ...ask, chatML: false }), stop: [] };
  const how = engine.chatTemplate ?? ((await hasChatML(engine)) ? "chatml" : "plain");
  if (how === "chatml") return { text: await engine.render({ ...ask, chatML: true }), stop: ["<|im_end|>"] };
  return { text: plain(messages), stop: [], isPlain: true };
}

// The contents alone, for models that only continue text: an answer follows what it continued, a new turn begins a line.
function plain(messages: ChatCompletionParams["messages"]): string {
  return messages.map((m, i) => (i > 0 && m.role !== "assistant" ? "\n" : "") + m.content).join("");
}

// One token each, where the vocabulary has the markers.
async function hasChatML(engine: Engine): Promise<boolean> {
  return (await engine.tokenize("<|im_start|><|im_end|>", { parseSpecial: true })).length === 2;
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
