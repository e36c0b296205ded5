// Hybrid answers: the device first, a larger model on a server for what is too hard
// or out of scope, with the user's consent. Start at Hybrid.answer.

import { ConsentError, isAbort, wireOf } from "./errors.js";
import { ConsentLedger } from "./offload/consent.js";
import {
  Breaker,
  type Cost,
  type Decision,
  type Policy,
  type Reason,
  type Signals,
  type Stage,
  type Turn,
  decide,
  minimise,
  serverHost,
  tieBreak,
} from "./offload/route.js";
import { type ServerOptions, type ServerStats, ask } from "./offload/server.js";

export { type Calibration, type Cuts, type Scored, calibrate, score } from "./offload/calibrate.js";
export { type Consent, ConsentLedger, type ConsentStorage } from "./offload/consent.js";
export { type AnsweringEngine, type DeviceOptions, engineDevice, optionSignals } from "./offload/device.js";
export { type Region, scopeOf, scopeThreshold } from "./offload/region.js";
export * from "./offload/route.js";
export { EventParser, events } from "./offload/sse.js";
export { type ServerOptions, type ServerStats, ask } from "./offload/server.js";

/** The model in this page. */
export interface Device {
  /** Signals known before any decode (scope). */
  before?(messages: readonly Turn[], signal: AbortSignal): Promise<Signals>;
  /** Streams an answer; signals come as they become known, the final ones with the last piece. Leaving the loop stops it. */
  answer(messages: readonly Turn[], signal: AbortSignal): AsyncIterable<{ text: string; signals?: Signals }>;
}

/** Shown with every message. */
export interface Label {
  where: "device" | `server:${string}`;
  reason: Reason;
  signals: Signals;
  /** The server should have answered, and the device did. */
  fallback: boolean;
  /** Set when consent was all that was missing. */
  blocked?: "ERR_CONSENT";
  /** Why the server failed, when it did. */
  error?: { code: string; message: string };
}

/**
 * What happens while an answer comes. "replace" starts the text again from nothing, by another answerer: the page
 * shows that it does (`draft` is what is withdrawn), never silently.
 */
export type HybridEvent =
  | { type: "text"; text: string; label: Label }
  | { type: "replace"; draft: string; label: Label }
  | { type: "done"; text: string; label: Label };

export interface HybridOptions {
  device: Device;
  server: ServerOptions;
  policy: Policy;
  consent?: ConsentLedger;
  /** Asked in mode "ask" for each query that should be sent. */
  confirm?: (host: string, reason: Reason, signal: AbortSignal) => boolean | Promise<boolean>;
  /** Limits of the cost model; speeds, and the tokens served since the page opened, are measured here. */
  cost?: Cost;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/** Routes queries between the device and one server. Change `policy` at any time; one Hybrid serves a whole page. */
export class Hybrid {
  policy: Policy;
  readonly cost: Cost;
  readonly consent: ConsentLedger;
  readonly breaker = new Breaker();
  readonly #o: HybridOptions;
  readonly #now: () => number;

  /** Throws BadRequestError for a server URL that is not https (or http on loopback). */
  constructor(options: HybridOptions) {
    serverHost(options.server.url);
    this.#o = options;
    this.policy = options.policy;
    this.cost = { ...options.cost };
    this.consent = options.consent ?? new ConsentLedger();
    this.#now = options.now ?? Date.now;
  }

  /**
   * Answers a conversation. Always ends with "done", also when the server is slow, refused, offline or cut.
   * Rejects with the signal's reason, ConsentError in mode "server" without consent, or the device's own error.
   */
  async *answer(
    messages: readonly Turn[],
    signal: AbortSignal = new AbortController().signal,
  ): AsyncGenerator<HybridEvent, void, undefined> {
    const run = new Run(messages);
    run.signals = (await this.#o.device.before?.(messages, signal)) ?? {};
    if (await this.#routes(run, "prompt", signal)) {
      if (yield* this.#fromServer(run, signal)) return;
    }
    yield* this.#fromDevice(run, signal);
  }

  /** The device's draft, given up for the server's answer when a stage says so. */
  async *#fromDevice(run: Run, signal: AbortSignal): AsyncGenerator<HybridEvent, void, undefined> {
    const began = performance.now();
    let pieces = 0;
    let early = false;
    run.draft = "";
    for await (const piece of this.#o.device.answer(run.messages, signal)) {
      signal.throwIfAborted();
      run.signals = { ...run.signals, ...piece.signals };
      run.draft += piece.text;
      pieces++;
      yield { type: "text", text: piece.text, label: run.label("device") };
      if (early || run.closed || run.signals.early === undefined) continue;
      early = true;
      if ((await this.#routes(run, "early", signal)) && (yield* this.#fromServer(run, signal))) return;
    }
    this.#measure("device_tokens_per_sec", (1000 * pieces) / (performance.now() - began));
    if (!run.closed && (await this.#routes(run, "answer", signal)) && (yield* this.#fromServer(run, signal))) return;
    yield { type: "done", text: run.draft, label: run.label("device") };
  }

  /** Decides at a stage, asking the user when the mode says so. Once something kept the query here, it stays. */
  async #routes(run: Run, at: Stage, signal: AbortSignal): Promise<boolean> {
    const now = this.#now();
    const env = {
      online: globalThis.navigator?.onLine ?? true,
      closed: this.breaker.state(now) !== "open",
      consent: this.consent.has(this.#o.server.url),
      cost: this.cost,
    };
    let d = decide(this.policy, at, run.signals, run.tie, env);
    if (d.where === "ask") {
      const yes = (await this.#o.confirm?.(serverHost(this.#o.server.url), d.reason, signal)) ?? false;
      signal.throwIfAborted();
      d = yes
        ? decide(this.policy, at, run.signals, run.tie, {
            ...env,
            asked: true,
            consent: this.consent.has(this.#o.server.url),
          })
        : { where: "device", reason: "declined", fallback: true };
    }
    run.decision = d;
    run.closed ||= d.fallback === true;
    if (d.blocked !== undefined && this.policy.mode === "server") {
      throw new ConsentError(d.blocked, `offload: no consent to send to ${serverHost(this.#o.server.url)}`);
    }
    if (d.where !== "server" || this.breaker.allow(now)) return d.where === "server";
    run.keep("breaker-open");
    return false;
  }

  /** The server's answer. Returns false when it failed: then the device's draft stands, or begins. */
  async *#fromServer(run: Run, signal: AbortSignal): AsyncGenerator<HybridEvent, boolean, undefined> {
    const where = `server:${serverHost(this.#o.server.url)}` as const;
    const sent = minimise(run.messages, this.consent.check(this.#o.server.url));
    let text = "";
    try {
      for await (const piece of ask(this.#o.server, sent, signal, (took) => this.#served(took))) {
        if (text === "" && run.draft !== "") yield { type: "replace", draft: run.draft, label: run.label(where) };
        text += piece;
        yield { type: "text", text: piece, label: run.label(where) };
      }
    } catch (err) {
      if (signal.aborted || isAbort(err)) {
        this.breaker.abandon(this.#now());
        throw err;
      }
      this.breaker.failure(this.#now());
      run.keep("server-failed", wireOf(err));
      if (text !== "") yield* this.#withdrawn(run, text);
      return false;
    }
    yield { type: "done", text, label: run.label(where) };
    return true;
  }

  /** A server's answer cut in the middle is withdrawn visibly; a draft that stood before comes back. */
  *#withdrawn(run: Run, text: string): Generator<HybridEvent, void, undefined> {
    yield { type: "replace", draft: text, label: run.label("device") };
    if (run.draft !== "") yield { type: "text", text: run.draft, label: run.label("device") };
  }

  #served(took: ServerStats): void {
    this.breaker.success();
    this.#measure("round_trip_ms", took.firstMs);
    this.#measure("server_tokens_per_sec", (1000 * took.tokens) / Math.max(1, took.totalMs - took.firstMs));
    this.cost.tokens_served = (this.cost.tokens_served ?? 0) + took.tokens;
  }

  /** A running mean that forgets: the last five measurements carry 83%. */
  #measure(name: "device_tokens_per_sec" | "server_tokens_per_sec" | "round_trip_ms", x: number): void {
    if (!(x > 0 && x < Infinity)) return;
    const before = this.cost[name] ?? 0;
    this.cost[name] = before > 0 ? before + 0.3 * (x - before) : x;
  }
}

/** What is known of one query while it is answered. */
class Run {
  readonly messages: readonly Turn[];
  readonly tie: number;
  signals: Signals = {};
  draft = "";
  /** Something kept the query on the device: later stages do not try again. */
  closed = false;
  decision: Decision = { where: "device", reason: "mode-local" };
  #error: { code: string; message: string } | undefined;

  constructor(messages: readonly Turn[]) {
    this.messages = messages;
    this.tie = tieBreak(messages.findLast((m) => m.role === "user")?.content ?? "");
  }

  /** Keeps the query on the device from now on. */
  keep(reason: Reason, error?: { code: string; message: string }): void {
    this.decision = { where: "device", reason, fallback: true };
    this.closed = true;
    this.#error = error;
  }

  label(where: Label["where"]): Label {
    return {
      where,
      reason: this.decision.reason,
      signals: this.signals,
      fallback: this.decision.fallback === true,
      ...(this.decision.blocked === undefined ? {} : { blocked: this.decision.blocked }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }
}
