// A request and its replies, over anything that carries messages to a worker:
// the worker itself, or a channel to the tab that owns it (shared.ts).

import { ClosedError, CrashError, errorOf } from "./errors.js";
import type { Progress } from "./download/progress.js";
import type { EngineState, FromWorker, ToWorker } from "./messages.js";
import type { MessageOf, Reply } from "./protocol.js";

/** A message without its number. */
export type Ask = ToWorker extends infer T ? (T extends { id: number } ? Omit<T, "id"> : never) : never;

/** What may come before the reply. */
export interface Listeners {
  onEvent?: ((event: MessageOf<"chunk"> | MessageOf<"progress">) => void) | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Aborting this cancels the request too, but its reply is taken as it comes. */
  stop?: AbortSignal | undefined;
}

/** The two ends every transport has. */
export interface Port {
  post(message: ToWorker): void;
  /** Called once; messages go to onMessage from then on, and a dead worker to onDeath. */
  listen(onMessage: (message: FromWorker) => void, onDeath: (why: string) => void): void;
  close(): void;
}

interface Pending extends Listeners {
  resolve(reply: Reply | EngineState): void;
  reject(err: unknown): void;
}

/** Matches replies to requests. */
export class Transport {
  /** Called when the module trapped and was replaced: model, adapters and sessions are gone. */
  onRestarted: (reason: string) => void = () => undefined;
  readonly #port: Port;
  readonly #pending = new Map<number, Pending>();
  #last = 0;
  #dead: Error | undefined;

  constructor(port: Port) {
    this.#port = port;
    port.listen(
      (message) => this.#receive(message),
      (why) => this.#die(new CrashError("ERR_CRASH", `engine: the worker died: ${why}`)),
    );
  }

  /** Starts the engine and resolves with how it runs. */
  async start(ask: Extract<Ask, { type: "start" }>): Promise<EngineState> {
    const state = await this.#ask(ask, undefined, {});
    if ("type" in state)
      throw state.type === "error"
        ? errorOf(state.code, state.message)
        : errorOf("ERR_INTERNAL", `engine: started with "${state.type}"`);
    return state;
  }

  /**
   * Sends a request and resolves with its last reply.
   * Aborting the signal cancels it; the promise then rejects with the signal's
   * reason once the worker has stopped, which takes one token or one prefill chunk.
   * Rejects with the error class of the worker's code.
   */
  async request<T extends Reply["type"]>(
    ask: Exclude<Ask, { type: "start" | "cancel" }>,
    want: T,
    signal?: AbortSignal | null,
    listeners: Listeners = {},
  ): Promise<MessageOf<T>> {
    signal?.throwIfAborted();
    const reply = (await this.#ask(ask, signal, listeners)) as Reply;
    signal?.throwIfAborted();
    if (reply.type === "error") throw errorOf(reply.code, reply.message);
    if (reply.type !== want) throw errorOf("ERR_INTERNAL", `engine: wanted a reply "${want}", got "${reply.type}"`);
    return reply as MessageOf<T>;
  }

  /** Ends the worker, or this tab's part in it. Everything pending rejects with ClosedError. */
  close(): void {
    this.#die(new ClosedError("ERR_CLOSED", "engine: closed"));
    this.#port.close();
  }

  async #ask(ask: Ask, signal: AbortSignal | null | undefined, listeners: Listeners): Promise<Reply | EngineState> {
    if (this.#dead) throw this.#dead;
    const id = ++this.#last;
    const cancel = () => this.#port.post({ type: "cancel", id });
    const signals = [signal, listeners.stop].filter((s) => s != null);
    for (const s of signals) s.addEventListener("abort", cancel, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, ...listeners });
        this.#port.post({ ...ask, id });
        if (listeners.stop?.aborted) cancel();
      });
    } finally {
      for (const s of signals) s.removeEventListener("abort", cancel);
      this.#pending.delete(id);
    }
  }

  #receive(message: FromWorker): void {
    if (message.type === "restarted") return this.onRestarted(message.reason);
    const pending = this.#pending.get(message.id);
    if (message.type === "started") pending?.resolve(message.state);
    else if (message.type === "reply") pending?.resolve(message.reply);
    else if (message.type === "event") pending?.onEvent?.(message.event);
    else if (message.type === "progress") pending?.onProgress?.(message.progress);
  }

  #die(err: Error): void {
    this.#dead ??= err;
    for (const p of this.#pending.values()) p.reject(this.#dead);
    this.#pending.clear();
  }
}

/** A dedicated worker as a port. */
export function workerPort(worker: Worker): Port {
  return {
    post: (message) => worker.postMessage(message),
    listen(onMessage, onDeath) {
      worker.onmessage = (event: MessageEvent<FromWorker>) => onMessage(event.data);
      worker.onmessageerror = () => onDeath("a message could not be read");
      worker.onerror = (event) => {
        event.preventDefault();
        onDeath(event.message || "its script could not be loaded");
      };
    },
    // Only this gives the memory back: a wasm memory never shrinks.
    close: () => worker.terminate(),
  };
}
