/**
 * The engine worker: a module worker that owns one engine, loads models into it and
 * runs requests, giving way to other messages between two steps so that cancelling
 * works. Its messages are in messages.ts. The same script is also the helper (helper.ts) and downloads (downloads.ts).
 *
 * It must not know where bytes come from beyond ByteSource, nor what text means.
 */

import type { Progress } from "./download/progress.js";
import { errorOf, messageOf, wireOf } from "./errors.js";
import { computesWith, detectFlavour, type Flavour, planThreads, type ThreadPlan } from "./flavour.js";
import type { EngineOptions, EngineState, FromWorker, LoadRequest, Source, ToWorker } from "./messages.js";
import { type Compiled, EngineModule } from "./module.js";
import { answer, isForDownloads, type ToDownloads } from "./downloads.js";
import { help, isHelperStart } from "./helper.js";
import type { MessageOf, Reply, Request } from "./protocol.js";
import { ChangedWhileRead, openSource } from "./source.js";
import { Helpers, type HelperStart } from "./threads.js";
import { loadInto } from "./load.js";

/** Everything that lives as long as the worker. */
class Engine {
  private module: EngineModule | undefined;
  private helpers: Helpers | undefined;

  private constructor(
    private readonly compiled: Compiled,
    private readonly options: EngineOptions,
    private plan: ThreadPlan,
  ) {}

  /** Compiles the modules and makes the first instance. */
  static async start(options: EngineOptions): Promise<{ engine: Engine; state: EngineState }> {
    const begun = performance.now();
    const plan = planThreads(options);
    const [engine, { kernels, flavour }] = await Promise.all([compile(options.engineUrl), compileKernels(options)]);
    const made = new Engine({ engine, kernels }, options, plan);
    await made.live();
    return { engine: made, state: { flavour, ...made.plan, startMs: performance.now() - begun } };
  }

  /** The instance; a new one after a trap. */
  async live(): Promise<EngineModule> {
    if (this.module !== undefined && !this.module.isDead) return this.module;
    this.helpers?.stop();
    this.module = await EngineModule.create(this.compiled);
    await this.startHelpers(this.module);
    return this.module;
  }

  /** Goes on with one thread where helpers cannot start, and says why. */
  private async startHelpers(module: EngineModule): Promise<void> {
    const { kernels } = this.compiled;
    try {
      this.helpers = await Helpers.start(module, kernels, this.plan.threads);
    } catch (thrown) {
      this.helpers = undefined;
      this.plan = { threads: 1, singleThreadReason: messageOf(thrown) };
      module.control(1); // whatever joined the old block is not counted any more
    }
  }

  /** Clears up after a trap and says what happened. Where a helper died, the next instance has a thread less. */
  afterTrap(why: string): string {
    const helpers = this.helpers;
    this.helpers = undefined;
    helpers?.stop();
    if (!helpers?.failed) return why;
    const threads = this.plan.threads - 1;
    const reason = "a helper thread died";
    this.plan = { threads, ...(threads < 2 && { singleThreadReason: reason }) };
    return `${why}; ${reason}, going on with ${threads}`;
  }

  /** Whether the last instance trapped. */
  get isDead(): boolean {
    return this.module?.isDead ?? false;
  }
}

/** Compiles the fastest kernels this browser runs correctly. */
async function compileKernels({
  kernelUrls,
}: EngineOptions): Promise<{ kernels: WebAssembly.Module; flavour: Flavour }> {
  const flavour = detectFlavour();
  const kernels = await compile(kernelUrls[flavour]);
  if (await computesWith(kernels)) return { kernels, flavour };
  return { kernels: await compile(kernelUrls.simd128), flavour: "simd128" };
}

async function compile(url: string): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) throw errorOf("ERR_NET", `engine: ${url}: HTTP ${response.status}`);
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/wasm")) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await unzipped(await response.arrayBuffer()));
}

/** The package ships the engine compressed, a sixth of its size, because not every host compresses. */
async function unzipped(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  const [first, second] = new Uint8Array(bytes);
  if (first !== 0x1f || second !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

let engine: Engine | undefined;

/** Requests that can be cancelled, by id. */
const running = new Map<number, AbortController>();

/** Loads take turns with everything else: they keep the engine's buffer across waits. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<T>(f: () => Promise<T>): Promise<T> {
  const result = turn.then(f, f);
  turn = result.catch(() => undefined);
  return result;
}

function post(message: FromWorker): void {
  self.postMessage(message);
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.type) {
    case "start": {
      const started = await Engine.start(message.options);
      engine = started.engine;
      post({ type: "started", id: message.id, state: started.state });
      return;
    }
    case "cancel":
      running.get(message.id)?.abort();
      return;
    case "load":
      return reply(message.id, (signal) => inTurn(() => load(message.id, message.load, signal)));
    case "call":
      return reply(message.id, (signal) => inTurn(() => call(message.request, signal)));
    case "generate":
      return reply(message.id, (signal) => generate(message.id, message.request, signal));
  }
}

async function live(): Promise<EngineModule> {
  if (engine === undefined) throw errorOf("ERR_BAD_REQUEST", "worker: not started");
  return engine.live();
}

/** Runs f and posts its reply, or its error as one. */
async function reply(id: number, f: (signal: AbortSignal) => Promise<Reply>): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    post({ type: "reply", id, reply: await f(controller.signal) });
  } catch (thrown) {
    const error = wireOf(thrown);
    // first, so that whoever asks again on this error knows that its session is gone
    if (engine?.isDead) post({ type: "restarted", reason: engine.afterTrap(error.message) });
    post({ type: "reply", id, reply: { type: "error", ...error } });
  } finally {
    running.delete(id);
  }
}

/** One request; a search that it begins goes on until it ends or is cancelled, with the best it found. */
async function call(request: Request, signal: AbortSignal): Promise<Reply> {
  let reply = (await live()).call(request);
  while (reply.type === "customized" && reply.searching) {
    await otherMessages();
    reply = (await live()).call({ type: "refine", stop: signal.aborted });
  }
  return reply;
}

async function load(id: number, request: LoadRequest, signal: AbortSignal): Promise<Reply> {
  try {
    return await loadOnce(id, request, signal);
  } catch (thrown) {
    if (!(thrown instanceof ChangedWhileRead)) throw thrown;
    return await loadOnce(id, request, signal); // of the new file
  }
}

async function loadOnce(id: number, request: LoadRequest, signal: AbortSignal): Promise<Reply> {
  const module = await live();
  const onProgress = (progress: Progress) => post({ type: "progress", id, progress });
  const sources = await Promise.all(request.sources.map((source: Source) => openSource(source, signal, onProgress)));
  try {
    return await loadInto(module, request, sources, signal, onProgress);
  } finally {
    for (const source of sources) source.close();
  }
}

/** Runs a generation step by step. "done" is the reply. */
async function generate(id: number, request: MessageOf<"generate">, signal: AbortSignal): Promise<Reply> {
  const begun = await inTurn(async () => (await live()).call(request));
  if (begun.type === "error") return begun;
  for (;;) {
    const event = await inTurn(() => step(request.session, signal));
    if (event.type !== "chunk" && event.type !== "progress") return event;
    post({ type: "event", id, event });
    await otherMessages();
  }
}

async function step(session: number, signal: AbortSignal): Promise<Reply> {
  const module = await live();
  if (signal.aborted) module.call({ type: "abort", session });
  return module.step(session);
}

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Resolves after the messages that have already arrived; costs microseconds where setTimeout costs 4 ms. */
function otherMessages(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}

self.onmessage = (event: MessageEvent<ToWorker | HelperStart | ToDownloads>) => {
  const { data } = event;
  if (isHelperStart(data)) return void help(data);
  if (isForDownloads(data)) return answer(data);
  handle(data).catch((thrown: unknown) =>
    post({ type: "reply", id: data.id, reply: { type: "error", ...wireOf(thrown) } }),
  );
};
