// The routing rules: twin of Go package offload (route.go, threshold.go, cost.go,
// host.go, breaker.go, request.go). Both pass the tables in testdata/offload.
// Pure functions and one small state machine; clocks are arguments, in milliseconds.

import { BadRequestError } from "../errors.js";

/** The user's choice of where answers may come from; anything else is "local". */
export type Mode = "local" | "ask" | "hybrid" | "server";

/** When a query may leave the device: before any decode, after the first tokens, or with the draft complete. */
export type Stage = "prompt" | "early" | "answer";

/** In one word, why an answer came from where it came from. */
export type Reason =
  | "mode-local"
  | "in-scope"
  | "confident"
  | "mode-server"
  | "out-of-scope"
  | "unsure-early"
  | "unsure"
  | "device-slow"
  | "offline"
  | "breaker-open"
  | "budget-spent"
  | "server-slow"
  | "no-consent"
  | "declined"
  | "server-failed";

/** Scores of one query, as far as known; higher means keep it on the device. Reported with every answer. */
export interface Signals {
  /** Cosine of the query's embedding to the customisation's, -1..1. */
  scope?: number;
  /** Minus the distance to the nearest sample. */
  nearest?: number;
  /** Probability of the best option, 0..1. */
  max_prob?: number;
  /** Best option minus second best, 0..1. */
  margin?: number;
  /** 1 - H(options)/log(#options), 0..1. */
  entropy?: number;
  /** Geometric-mean probability of the answer's tokens, 0..1. */
  geo_mean?: number;
  /** The same after the first m tokens. */
  early?: number;
}

/** A cut through (score, tie-break) pairs: what is below goes to the server. Absent or `on: false`: nothing is below. */
export interface Threshold {
  on: boolean;
  score: number;
  tie: number;
}

/** What the user configured and `pastel offload calibrate` produced. */
export interface Policy {
  mode: Mode;
  scope?: Threshold;
  confidence?: Threshold;
  /** On the early signal. */
  early?: Threshold;
  /** What `scope` cuts; default "scope". */
  scope_signal?: "scope" | "nearest";
  /** What `confidence` cuts; default the first known of "max_prob" and "geo_mean". */
  confidence_signal?: "max_prob" | "margin" | "entropy" | "geo_mean";
  /** Switches the cascade off: only what is known before a decode routes. */
  pre_route?: boolean;
}

/** The price of answering here and there; zero or absent is unknown for a speed, unlimited for a limit. */
export interface Cost {
  device_tokens_per_sec?: number;
  server_tokens_per_sec?: number;
  /** Request sent to first token. */
  round_trip_ms?: number;
  /** Expected length of the answer. */
  answer_tokens?: number;
  /** Slower here: prefer the server. */
  max_device_ms?: number;
  /** Slower there: stay here. */
  max_server_ms?: number;
  /** Server tokens allowed per day, and used today. */
  token_budget?: number;
  tokens_served?: number;
}

/** The state of the world when a decision is made. */
export interface Env {
  online: boolean;
  /** The breaker would let a call through. */
  closed: boolean;
  /** In force for this server. */
  consent: boolean;
  /** The user said yes to this query (mode "ask"). */
  asked?: boolean;
  cost?: Cost;
}

/** Where a query goes now and why. `fallback`: the policy wanted the server and the device answers instead. */
export interface Decision {
  where: "device" | "server" | "ask";
  reason: Reason;
  fallback?: true;
  /** Only consent is missing. In mode "server" this is an error, not an answer. */
  blocked?: "ERR_CONSENT";
}

/** Decides where a query goes at a stage. A signal that is not known routes nothing. */
export function decide(policy: Policy, at: Stage, signals: Signals, tie: number, env: Env): Decision {
  const [send, why] = wants(policy, at, signals, tie, env.cost ?? {});
  if (!send) return { where: "device", reason: why };
  const held = heldBy(env);
  if (held !== undefined) return { where: "device", reason: held, fallback: true };
  if (policy.mode === "ask" && !env.asked) return { where: "ask", reason: why };
  if (!env.consent)
    return {
      where: "device",
      reason: "no-consent",
      fallback: true,
      blocked: "ERR_CONSENT",
    };
  return { where: "server", reason: why };
}

function wants(policy: Policy, at: Stage, s: Signals, tie: number, cost: Cost): [boolean, Reason] {
  if (policy.mode === "server") return [true, "mode-server"];
  if (policy.mode !== "hybrid" && policy.mode !== "ask") return [false, "mode-local"];
  if (at === "prompt") {
    if (below(policy.scope, s[policy.scope_signal ?? "scope"], tie)) return [true, "out-of-scope"];
    return deviceTooSlow(cost) ? [true, "device-slow"] : [false, "in-scope"];
  }
  if (policy.pre_route) return [false, "in-scope"];
  if (at === "early") return below(policy.early, s.early, tie) ? [true, "unsure-early"] : [false, "in-scope"];
  return below(policy.confidence, sureness(s, policy.confidence_signal), tie) ? [true, "unsure"] : [false, "confident"];
}

/** @internal The confidence that a policy cuts. */
export function sureness(s: Signals, signal: Policy["confidence_signal"]): number | undefined {
  return signal === undefined ? (s.max_prob ?? s.geo_mean) : s[signal];
}

/** @internal Whether a score is below a threshold; one that is not known never is. */
export function below(t: Threshold | undefined, score: number | undefined, tie: number): boolean {
  if (!t?.on || score === undefined || Number.isNaN(score)) return false;
  return score === t.score ? tie < t.tie : score < t.score;
}

function heldBy(env: Env): Reason | undefined {
  if (!env.online) return "offline";
  if (!env.closed) return "breaker-open";
  const c = env.cost ?? {};
  if ((c.token_budget ?? 0) > 0 && (c.tokens_served ?? 0) + (c.answer_tokens ?? 0) > (c.token_budget ?? 0))
    return "budget-spent";
  if ((c.max_server_ms ?? 0) > 0 && serverMs(c) > (c.max_server_ms ?? 0)) return "server-slow";
  return undefined;
}

function deviceTooSlow(c: Cost): boolean {
  const speed = c.device_tokens_per_sec ?? 0;
  const here = speed > 0 ? (1000 * (c.answer_tokens ?? 0)) / speed : 0;
  return (c.max_device_ms ?? 0) > 0 && here > (c.max_device_ms ?? 0) && serverMs(c) < here;
}

function serverMs(c: Cost): number {
  const speed = c.server_tokens_per_sec ?? 0;
  return (c.round_trip_ms ?? 0) + (speed > 0 ? (1000 * (c.answer_tokens ?? 0)) / speed : 0);
}

/** Spreads queries of equal score over [0, 1): the same text always falls on the same side of a threshold. */
export function tieBreak(text: string): number {
  const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
  let h = 14695981039346656037n;
  for (const byte of new TextEncoder().encode(text)) h = u64((h ^ BigInt(byte)) * 1099511628211n);
  h = u64((h ^ (h >> 30n)) * 0xbf58476d1ce4e5b9n);
  h = u64((h ^ (h >> 27n)) * 0x94d049bb133111ebn);
  return Number((h ^ (h >> 31n)) >> 11n) / 2 ** 53;
}

/**
 * The canonical host[:port] of a server URL: what consent is scoped to and what an answer is labelled with.
 * https anywhere, plain http on loopback only. Throws BadRequestError for anything a reader could misread.
 */
export function serverHost(url: string): string {
  const bad = (why: string): never => {
    throw new BadRequestError("ERR_BAD_REQUEST", `offload: server URL ${JSON.stringify(url.slice(0, 120))} ${why}`);
  };
  const parts = /^(https?):\/\/([^/?#]*)/i.exec(url);
  if (parts === null) return bad("is neither https:// nor http://");
  const scheme = (parts[1] ?? "").toLowerCase();
  const host = /^([a-z0-9._-]+|\[[a-f0-9:.]+\])(?::([0-9]{1,5}))?$/.exec((parts[2] ?? "").toLowerCase());
  if (host === null) return bad("has no valid host and port");
  const name = host[1] ?? "";
  const port = host[2] === undefined ? undefined : Number(host[2]);
  if (port !== undefined && port > 65535) return bad("has no valid host and port");
  if (scheme === "http" && !["localhost", "127.0.0.1", "[::1]"].includes(name))
    return bad("is plain http and not on loopback");
  return port === undefined || port === (scheme === "https" ? 443 : 80) ? name : `${name}:${port}`;
}

/** How much of a conversation may be sent. */
export type Extent = "last-turn" | "conversation";

/** One turn of a chat. */
export interface Turn {
  role: string;
  content: string;
}

/** The messages that may be sent: the last user turn alone unless all were allowed. Throws without a user turn. */
export function minimise<T extends Turn>(messages: readonly T[], extent: Extent): readonly T[] {
  const last = messages.findLast((m) => m.role === "user");
  if (last === undefined)
    throw new BadRequestError("ERR_BAD_REQUEST", `offload: no user turn among ${messages.length} messages`);
  return extent === "conversation" ? messages : [last];
}

/** Stops calls to a server that keeps failing and lets one probe through from time to time. */
export class Breaker {
  #failed = 0;
  #openMs = 0;
  #retryMs = 0;
  #hasProbe = false;

  /** Failures in a row that open it, how long it opens first, and the longest. */
  constructor(readonly limits = { failures: 3, openMs: 5_000, maxOpenMs: 300_000 }) {}

  state(nowMs: number): "closed" | "open" | "half-open" {
    if (this.#openMs === 0) return "closed";
    return nowMs < this.#retryMs ? "open" : "half-open";
  }

  /** Whether a call may be made; in half-open state this grants the one probe. */
  allow(nowMs: number): boolean {
    const state = this.state(nowMs);
    if (state !== "half-open") return state === "closed";
    this.#hasProbe = true;
    this.#retryMs = nowMs + this.#openMs;
    return true;
  }

  success(): void {
    this.#failed = this.#openMs = this.#retryMs = 0;
    this.#hasProbe = false;
  }

  failure(nowMs: number): void {
    this.#failed++;
    if (this.#hasProbe) this.#open(nowMs, Math.min(2 * this.#openMs, this.limits.maxOpenMs));
    else if (this.#openMs === 0 && this.#failed >= this.limits.failures) this.#open(nowMs, this.limits.openMs);
  }

  /** A call the user stopped says nothing about the server: a probe is handed back. */
  abandon(nowMs: number): void {
    if (!this.#hasProbe) return;
    this.#hasProbe = false;
    this.#retryMs = nowMs;
  }

  #open(nowMs: number, lengthMs: number): void {
    this.#openMs = lengthMs;
    this.#retryMs = nowMs + lengthMs;
    this.#hasProbe = false;
  }
}
