// One streamed question to an OpenAI-compatible server, with bounded waits.

import { NetError, PastelError, isAbort, messageOf } from "../errors.js";
import type { Turn } from "./route.js";
import { events } from "./sse.js";

/** The larger model's server. */
export interface ServerOptions {
  /** Up to and including /v1; https, or http on loopback. */
  url: string;
  model: string;
  /** A short-lived bearer token, asked for before each question. API keys do not belong in a page. */
  token?: () => string | Promise<string>;
  /** Longest wait for the first text, and between two events; default 15 s and 20 s. */
  firstMs?: number;
  idleMs?: number;
  maxTokens?: number;
}

/** What a whole answer took. */
export interface ServerStats {
  /** Request sent to first text. */
  firstMs: number;
  /** All of it. */
  totalMs: number;
  tokens: number;
}

/**
 * Streams the text of an answer; `served` hears what it took, once it is complete. Exactly `messages` is sent, nothing
 * else of the page. Leaving the loop aborts the request.
 * Rejects with the signal's reason, NetError (offline, refused, slow, cut) or PastelError with the server's code.
 */
export async function* ask(
  server: ServerOptions,
  messages: readonly Turn[],
  signal?: AbortSignal,
  served?: (took: ServerStats) => void,
): AsyncGenerator<string, void, undefined> {
  const wait = new Deadline(signal);
  const began = performance.now();
  let firstMs = 0;
  let tokens = 0;
  let finished = false;
  try {
    wait.restart(server.firstMs ?? 15_000, "gave no text in time");
    const response = await send(server, messages, wait.signal);
    for await (const data of events(response)) {
      if (data === "[DONE]") {
        finished = true;
        break;
      }
      const piece = parsePiece(data);
      tokens = piece.tokens ?? tokens;
      wait.restart(server.idleMs ?? 20_000, "stopped in the middle of its answer");
      if (piece.text === "") continue;
      if (firstMs === 0) firstMs = performance.now() - began;
      yield piece.text;
    }
  } catch (err) {
    throw wait.explain(err);
  } finally {
    wait.end();
  }
  if (!finished) throw new NetError("ERR_NET", "offload: the server cut its answer");
  served?.({ firstMs, totalMs: performance.now() - began, tokens });
}

async function send(
  server: ServerOptions,
  messages: readonly Turn[],
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
  };
  const token = await server.token?.();
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  const body = {
    model: server.model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    stream: true,
    stream_options: { include_usage: true },
    ...(server.maxTokens === undefined ? {} : { max_tokens: server.maxTokens }),
  };
  const response = await fetch(`${server.url.replace(/\/$/, "")}/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal,
    credentials: "omit",
    referrerPolicy: "no-referrer",
    redirect: "error",
    cache: "no-store",
  });
  if (!response.ok || response.body === null) throw await refusal(response);
  return response.body;
}

/** The server's error object as an error with its code. */
async function refusal(response: Response): Promise<PastelError> {
  const body: unknown = await response.json().catch(() => undefined);
  return errorIn(body) ?? new NetError("ERR_NET", `offload: the server answered ${response.status}`);
}

function errorIn(body: unknown): PastelError | undefined {
  const error = isObject(body) ? body["error"] : undefined;
  if (!isObject(error)) return undefined;
  const code = typeof error["code"] === "string" ? error["code"] : "ERR_NET";
  return new PastelError(code, typeof error["message"] === "string" ? error["message"] : "offload: the server failed");
}

function parsePiece(data: string): { text: string; tokens?: number } {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new NetError("ERR_NET", "offload: the server sent what is not JSON");
  }
  const failed = errorIn(chunk);
  if (failed !== undefined) throw failed;
  if (!isObject(chunk)) throw new NetError("ERR_NET", "offload: the server sent what is not an object");
  const choices: unknown[] = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
  const first = choices[0];
  const delta = isObject(first) ? first["delta"] : undefined;
  const text = isObject(delta) && typeof delta["content"] === "string" ? delta["content"] : "";
  const usage = chunk["usage"];
  const tokens = isObject(usage) && typeof usage["total_tokens"] === "number" ? usage["total_tokens"] : undefined;
  return tokens === undefined ? { text } : { text, tokens };
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null;
}

/** One timer and one AbortController over the caller's signal. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #late: NetError | undefined;

  constructor(outer?: AbortSignal) {
    this.#outer = outer;
    outer?.throwIfAborted();
    outer?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(ms: number, what: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#late = new NetError("ERR_NET", `offload: the server ${what}`);
      this.#controller.abort(this.#late);
    }, ms);
  }

  /** The caller's reason first, then ours, then what the network said. */
  explain(err: unknown): unknown {
    if (this.#outer?.aborted) return this.#outer.reason;
    if (this.#late !== undefined) return this.#late;
    if (err instanceof PastelError || isAbort(err)) return err;
    return new NetError("ERR_NET", `offload: the server could not be reached: ${messageOf(err)}`, { cause: err });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort(); // also when the reader of the answer stopped early
  }
}
