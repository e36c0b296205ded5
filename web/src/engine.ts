// The engine as a page uses it: start, load, ask, close. Requests wait in a
// queue of their own, first come, first served; the worker does the rest.

import { ChatCompletions } from "./chat.js";
import { Completions } from "./completions.js";
import { Embeddings } from "./embeddings.js";
import { type HubOptions, type ModelRef, type Source, resolveModel } from "./download/resolve.js";
import type { OnProgress } from "./download/progress.js";
import { BadRequestError, ClosedError } from "./errors.js";
import type { EngineOptions, EngineState, LoadRequest, Source as FileSource } from "./messages.js";
import { customize, type Customized, type CustomizeOptions } from "./customize.js";
import { findAdapter } from "./pools.js";
import type { EmbeddingParams } from "./openai.js";
import type { MessageOf } from "./protocol.js";
import { sharedPort } from "./shared.js";
import { persist } from "./storage/store.js";
import { Transport, workerPort } from "./transport.js";

/** How to make an engine. The zero value is ready: every file is found beside this module. */
export interface CreateOptions extends HubOptions {
  /** Loaded before create resolves; the shards of a split model in their order. Without it, call load. */
  model?: ModelRef | ModelRef[];
  /** Threads in all; default one per core, at most 8; never more than 64; 1 where the page is not cross-origin isolated. */
  threads?: number;
  /** Tokens of context; default the model's own. Less needs less memory. */
  contextLength?: number;
  /** The kv cache's number format; default the engine's choice. */
  kvType?: "F32" | "F16" | "Q8_0";
  /**
   * How to write a conversation down when the model's file has no chat template:
   * "chatml", or "plain" for models that only continue text.
   * Default: ChatML where the vocabulary has its markers, else plain.
   */
  chatTemplate?: "chatml" | "plain";
  /** One engine for all tabs of this origin: the first tab runs it, the others ask it. Default false. */
  shared?: boolean;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** @internal Rows of logits computed in one pass, for scoring whole texts; default 1. */
  logitRows?: number;
  /** Where the files are, if not beside this module. Same origin as the page. */
  workerUrl?: string | URL;
  engineUrl?: string | URL;
  kernelUrls?: { simd128: string | URL; relaxed: string | URL };
}

/** How to load. */
export interface LoadOptions extends HubOptions {
  onProgress?: OnProgress | undefined;
  /** Aborting rejects with the signal's reason; what was downloaded stays. */
  signal?: AbortSignal | undefined;
}

/** The loaded model. */
export type ModelInfo = Omit<MessageOf<"modelInfo">, "type">;
/** A loaded adapter. */
export type AdapterInfo = Omit<MessageOf<"adapterInfo">, "type">;
/** What the engine uses now. */
export type EngineStats = Omit<MessageOf<"statsReply">, "type">;

/** A generation's request, as the answers build it. */
export type GenerateAsk = Omit<MessageOf<"generate">, "type" | "session">;
/** A generation's outcome. */
export type Generated = MessageOf<"done"> & { queuedMs: number };

interface Loaded {
  info: ModelInfo;
  model: FileSource[];
  adapters: Map<string, FileSource[]>;
}

/**
 * A language model in this page. Make one with Engine.create; several may exist,
 * each with a worker and memory of its own unless `shared` is set.
 */
export class Engine {
  /** OpenAI's chat completions: engine.chat.completions.create(params, {signal}). */
  readonly chat: { readonly completions: ChatCompletions };
  /** OpenAI's text completions. */
  readonly completions: Completions;
  /** OpenAI's embeddings. */
  readonly embeddings: Embeddings;
  /** How the engine runs: kernel flavour, threads, and why not more. */
  readonly state: EngineState;
  /** Called after the wasm instance trapped and was replaced; the model is loaded again with the next request. */
  onRestart: (reason: string) => void = () => undefined;

  readonly #transport: Transport;
  readonly #options: CreateOptions;
  readonly #queue: string;
  #loaded: Loaded | undefined;
  #lost = false;
  #session: number | undefined;
  #pool: string | undefined; // what of which pool the worker holds
  #closed = false;

  private constructor(transport: Transport, state: EngineState, options: CreateOptions) {
    this.#transport = transport;
    this.#options = options;
    this.state = state;
    this.#queue = `pastel-queue:${options.shared ? "shared" : crypto.randomUUID()}`;
    this.chat = { completions: new ChatCompletions(this) };
    this.completions = new Completions(this);
    this.embeddings = new Embeddings(this);
    transport.onRestarted = (reason) => this.#forget(reason);
  }

  /**
   * Starts a worker and, if options.model is given, loads it.
   * Rejects with UnsupportedError where the browser lacks WebAssembly SIMD, with whatever load rejects with, or with
   * the signal's reason; nothing is left running then.
   */
  static async create(options: CreateOptions = {}): Promise<Engine> {
    options.signal?.throwIfAborted();
    const transport = new Transport(
      options.shared ? sharedPort(() => makeWorker(options)) : workerPort(makeWorker(options)),
    );
    const stop = () => transport.close();
    options.signal?.addEventListener("abort", stop, { once: true });
    try {
      const state = await transport.start({ type: "start", options: urlsOf(options) });
      const engine = new Engine(transport, state, options);
      if (options.model !== undefined) await engine.load(options.model, options);
      return engine;
    } catch (err) {
      transport.close();
      options.signal?.throwIfAborted();
      throw err;
    } finally {
      options.signal?.removeEventListener("abort", stop);
    }
  }

  /** The loaded model, undefined before load. */
  get model(): ModelInfo | undefined {
    return this.#loaded?.info;
  }

  /**
   * Downloads what is missing, checks every chunk, and loads the model.
   * Progress events {phase, file, loaded, total, ratio} go from 0 to 1 in each phase: "download" and perhaps "verify" when the file
   * is not stored yet, then "load".
   * Rejects with NetError, QuotaError, HashError, BadFileError, UnsupportedError, OutOfMemoryError or the signal's reason.
   */
  async load(ref: ModelRef | ModelRef[], options: LoadOptions = {}): Promise<ModelInfo> {
    const sources = await this.#sources(ref, options);
    void persist().catch(() => undefined); // the browser decides; a refusal changes nothing
    await this.#inQueue(options.signal, async () => {
      this.#loaded = undefined;
      this.#session = undefined;
      this.#pool = undefined;
      const info = await this.#send({ kind: "model", id: "", sources }, "modelInfo", options);
      this.#loaded = { info, model: sources, adapters: new Map() };
      this.#lost = false;
    });
    return this.#loaded!.info;
  }

  /**
   * Loads a LoRA adapter under a name of the caller's: one GGUF file, or the adapter_config.json and adapter_model.safetensors of PEFT.
   * Beside quantised weights its factors are rounded to eight bits in blocks of 32 columns or 16 ranks; beside float weights they stay float32.
   * Rejects with LoraMismatchError when it does not fit the model.
   */
  async loadAdapter(id: string, ref: ModelRef | ModelRef[], options: LoadOptions = {}): Promise<AdapterInfo> {
    const sources = await this.#sources(ref, options);
    return await this.#inQueue(options.signal, async () => {
      await this.#restore();
      const info = await this.#send({ kind: "adapter", id, sources }, "adapterInfo", options);
      this.#loaded!.adapters.set(id, sources);
      return info;
    });
  }

  /** Frees an adapter. */
  async unloadAdapter(id: string): Promise<void> {
    await this.#inQueue(undefined, async () => {
      await this.#call({ type: "unload", id }, "ok");
      this.#loaded?.adapters.delete(id);
    });
  }

  /**
   * Makes an adapter of one's own from a pool and a few samples of what one asks, in milliseconds once the pool is loaded.
   * Use it as `lora: [{ id, scale: 1 }]`; it stays on this device and is found again after a reload.
   * Rejects with LoraMismatchError when the pool is for another model, NetError, HashError, QuotaError, BadRequestError or
   * the signal's reason.
   */
  async customize(samples: readonly string[], options: CustomizeOptions): Promise<Customized> {
    const { signal } = options;
    return await this.#inQueue(signal, async () => {
      await this.#restore();
      const { made, source } = await customize(
        {
          session: await this.#openSession(),
          model: this.#loaded!.info.name,
          call: (ask, stop) => this.#transport.request({ type: "call", request: ask }, "customized", signal, { stop }),
          unload: async (id) => void (await this.#call({ type: "unload", id }, "ok")),
          load: (load) => this.#send(load, "adapterInfo", options),
          loadPool: (key, load) => this.#loadPool(key, load, options),
        },
        samples,
        options,
      );
      this.#loaded!.adapters.set(made.id, [source]);
      return made;
    });
  }

  /** Frees the memory of the pool that customize loaded. */
  async unloadPool(): Promise<void> {
    await this.#inQueue(undefined, async () => {
      this.#pool = undefined;
      await this.#call({ type: "closePool" }, "ok");
    });
  }

  /** Token ids of text. addSpecial puts the model's begin-of-sequence token first where it has one; default false. */
  async tokenize(text: string, options: { addSpecial?: boolean; parseSpecial?: boolean } = {}): Promise<number[]> {
    const { addSpecial = false, parseSpecial = false } = options;
    await this.#restoreIfLost();
    return (await this.#call({ type: "tokenize", text, addSpecial, parseSpecial }, "tokens")).tokens;
  }

  /** Text of token ids. */
  async detokenize(tokens: readonly number[], options: { special?: boolean } = {}): Promise<string> {
    await this.#restoreIfLost();
    const { special = false } = options;
    return (await this.#call({ type: "detokenize", tokens: [...tokens], special }, "text")).text;
  }

  /** Memory and threads in use now. */
  async stats(): Promise<EngineStats> {
    return await this.#call({ type: "stats" }, "statsReply");
  }

  /** Ends the worker and gives its memory back. Pending requests reject with ClosedError. Calling it again is fine. */
  close(): void {
    this.#closed = true;
    this.#transport.close();
  }

  /**
   * @internal Runs generations one after another when their turn comes. No other request comes between them, so that
   * those of one prompt compute it once. Each tells its chunks and then its outcome, with its place in `asks`.
   */
  async generate(
    asks: readonly GenerateAsk[],
    signal: AbortSignal | null | undefined,
    tell: (event: MessageOf<"chunk"> | Generated, index: number) => void,
  ): Promise<void> {
    const asked = performance.now();
    await this.#inQueue(signal, async () => {
      const queuedMs = performance.now() - asked;
      await this.#restore();
      for (const [index, ask] of asks.entries()) {
        const done = await this.#generateOne(ask, signal, (chunk) => tell(chunk, index));
        tell({ ...done, queuedMs: index === 0 ? queuedMs : 0 }, index);
      }
    });
  }

  async #generateOne(
    ask: GenerateAsk,
    signal: AbortSignal | null | undefined,
    onChunk: (c: MessageOf<"chunk">) => void,
  ): Promise<MessageOf<"done">> {
    await this.#restoreAdapters(ask.adapters, signal);
    const session = await this.#openSession();
    const onEvent = (e: MessageOf<"chunk"> | MessageOf<"progress">) => e.type === "chunk" && onChunk(e);
    const request = { type: "generate" as const, session, ...ask };
    return await this.#transport.request({ type: "generate", request }, "done", signal, { onEvent });
  }

  /** @internal Writes a conversation down with a chat template. */
  async render(ask: Omit<MessageOf<"render">, "type">): Promise<string> {
    await this.#restoreIfLost();
    return (await this.#call({ type: "render", ...ask }, "text")).text;
  }

  /** @internal The embedding of one text. */
  async embed(
    text: string,
    { layer = 0, pooling = "mean" }: Pick<EmbeddingParams, "layer" | "pooling">,
    signal?: AbortSignal | null,
  ): Promise<{ values: Float32Array; tokens: number }> {
    return await this.#inQueue(signal, async () => {
      await this.#restore();
      const session = await this.#openSession();
      const { tokens } = await this.#call({ type: "tokenize", text, addSpecial: false, parseSpecial: false }, "tokens");
      if (tokens.length === 0) throw new BadRequestError("ERR_BAD_REQUEST", "embeddings: an input is empty");
      const request = { type: "embed" as const, session, tokens, layer, last: pooling === "last" };
      const { values } = await this.#call(request, "embedding");
      return { values, tokens: tokens.length };
    });
  }

  /** @internal The logits after the last of some tokens, or after each of them: rows of vocabSize. */
  async logits(
    tokens: readonly number[],
    all: boolean,
    adapters: GenerateAsk["adapters"],
    signal?: AbortSignal | null,
  ): Promise<Float32Array> {
    return await this.#inQueue(signal, async () => {
      await this.#restore();
      await this.#restoreAdapters(adapters, signal ?? undefined);
      const session = await this.#openSession();
      return (await this.#call({ type: "logits", session, tokens: [...tokens], all, adapters }, "logitsReply")).values;
    });
  }

  /** @internal What the answers need to know of the options. */
  get chatTemplate(): "chatml" | "plain" | undefined {
    return this.#options.chatTemplate;
  }

  // Web Locks are a fair queue that honours AbortSignal, and for a shared engine it spans the tabs.
  async #inQueue<T>(signal: AbortSignal | null | undefined, body: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new ClosedError("ERR_CLOSED", "engine: closed");
    return await navigator.locks.request(this.#queue, signal ? { signal } : {}, async () => {
      if (this.#closed) throw new ClosedError("ERR_CLOSED", "engine: closed");
      return await body();
    });
  }

  async #call<T extends Parameters<Transport["request"]>[1]>(
    request: Extract<Parameters<Transport["request"]>[0], { type: "call" }>["request"],
    want: T,
  ): Promise<MessageOf<T>> {
    return await this.#transport.request({ type: "call", request }, want);
  }

  async #send<T extends "modelInfo" | "adapterInfo" | "poolInfo">(
    load: LoadRequest,
    want: T,
    options: LoadOptions,
  ): Promise<MessageOf<T>> {
    const { signal, onProgress } = options;
    return await this.#transport.request({ type: "load", load }, want, signal, { onProgress });
  }

  async #sources(refs: ModelRef | ModelRef[], options: LoadOptions): Promise<FileSource[]> {
    return await Promise.all([refs].flat().map((ref) => this.#source(ref, options)));
  }

  async #source(ref: ModelRef, options: LoadOptions): Promise<FileSource> {
    if (ref instanceof Blob) return { kind: "blob", name: ref instanceof File ? ref.name : "model.gguf", blob: ref };
    const hub = { ...this.#options, ...options };
    return fileSource(await resolveModel(ref, hub, document.baseURI, options.signal), hub);
  }

  async #openSession(): Promise<number> {
    if (this.#session !== undefined) return this.#session;
    const { contextLength = 0, kvType = "", logitRows = 0 } = this.#options;
    const info = await this.#call({ type: "openSession", contextLength, kvType, logitRows }, "sessionInfo");
    return (this.#session = info.session);
  }

  // Another tab may have loaded another pool into a shared engine: its leader knows.
  async #loadPool(key: string, load: LoadRequest, options: LoadOptions): Promise<void> {
    if (this.#pool === key && !this.#options.shared) return;
    this.#pool = undefined;
    await this.#send(load, "poolInfo", options);
    this.#pool = key;
  }

  // Adapters that were made before a reload are loaded when they are first used.
  async #restoreAdapters(used: GenerateAsk["adapters"], signal: AbortSignal | null | undefined): Promise<void> {
    const { adapters } = this.#loaded!;
    for (const { id } of used) {
      const source = adapters.has(id) ? undefined : await findAdapter(id).catch(() => undefined);
      if (source === undefined) continue; // the engine says that it does not know it
      await this.#send({ kind: "adapter", id, sources: [source] }, "adapterInfo", { signal: signal ?? undefined });
      adapters.set(id, [source]);
    }
  }

  #forget(reason: string): void {
    this.#lost = true;
    this.#session = undefined;
    this.#pool = undefined;
    this.onRestart(reason);
  }

  // After a trap the worker has a fresh, empty instance: the model comes back from storage.
  async #restore(): Promise<void> {
    if (!this.#loaded) throw new BadRequestError("ERR_BAD_REQUEST", "engine: no model is loaded");
    if (!this.#lost) return;
    const { model, adapters } = this.#loaded;
    await this.#send({ kind: "model", id: "", sources: model }, "modelInfo", {});
    for (const [id, sources] of adapters) await this.#send({ kind: "adapter", id, sources }, "adapterInfo", {});
    this.#lost = false;
  }

  async #restoreIfLost(): Promise<void> {
    if (this.#lost) await this.#inQueue(undefined, () => this.#restore());
  }
}

// The literal forms below are the ones that bundlers detect.
function makeWorker(options: CreateOptions): Worker {
  if (options.workerUrl !== undefined) return new Worker(options.workerUrl, { type: "module" });
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

function urlsOf(options: CreateOptions): EngineOptions {
  const { engineUrl, kernelUrls, threads = 0 } = options;
  const absolute = (url: string | URL) => new URL(url, document.baseURI).href;
  return {
    engineUrl: absolute(engineUrl ?? new URL("./engine.wasm.gz", import.meta.url)),
    kernelUrls: {
      simd128: absolute(kernelUrls?.simd128 ?? new URL("./kernels-simd128.wasm", import.meta.url)),
      relaxed: absolute(kernelUrls?.relaxed ?? new URL("./kernels-relaxed.wasm", import.meta.url)),
    },
    threads,
  };
}

function fileSource(source: Source, hub: HubOptions): FileSource {
  const { file, ...rest } = source;
  const ownHost = hub.token !== undefined && source.url.startsWith(hub.remoteHost ?? "https://huggingface.co");
  return { kind: "url", name: file, ...rest, ...(ownHost && { headers: { Authorization: `Bearer ${hub.token}` } }) };
}
