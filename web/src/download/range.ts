// One byte range over HTTP, whatever happens on the way: cut connections,
// stalls and busy servers are tried again from the byte reached; a file that
// changed on the server is noticed.

import { NetError, messageOf } from "../errors.js";

/** Attempts without a single new byte before giving up, the first pause, and how long silence may last. */
const maxAttempts = 5;
const firstPauseMs = 250;
const stallMs = 30_000;

/** Thrown when the server's file is no longer the one whose chunks are stored. */
export class ChangedError extends Error {
  constructor(url: string) {
    super(`${url}: changed while it was downloaded`);
  }
}

/** Thrown when a range was asked for and the server sent the whole file: it does not know ranges. */
export class NoRangesError extends Error {}

/** What a response says about the whole file. */
export interface FileFacts {
  /** Bytes, or -1 when the server hides it. */
  size: number;
  /** ETag, else Last-Modified, else "". */
  etag: string;
  /** Hex SHA-256 if the hub's headers carry one, else "". */
  sha256: string;
}

/** How to reach one file. */
export interface Remote {
  url: string;
  /** Sent with every request. */
  headers: Record<string, string>;
  /** What the file was when its first chunk came; absent or empty: not compared. */
  expect?: { size: number; etag: string };
}

/**
 * Fetches bytes [start, start+dst.length) of remote into dst.
 * `onBytes` hears of every piece that arrived.
 * Rejects with NetError, ChangedError, NoRangesError or the signal's reason.
 */
export async function fetchRange(
  remote: Remote,
  start: number,
  dst: Uint8Array,
  signal: AbortSignal | undefined,
  onBytes: (n: number) => void,
): Promise<void> {
  let got = 0;
  await retry(remote.url, signal, async (progressed) => {
    const body = new BodyReader(await openRange(remote, start + got, start + dst.length, signal));
    const n = await body.fill(dst.subarray(got), signal, onBytes);
    body.cancel();
    got += n;
    if (n > 0) progressed();
    if (got < dst.length) throw new NetError("ERR_NET", `${remote.url}: connection cut at byte ${start + got}`);
  });
}

/** Opens bytes [start, end) and checks that the answer is what was asked for. A whole answer passes where start is 0. */
export async function openRange(remote: Remote, start: number, end: number, signal?: AbortSignal): Promise<Response> {
  const { url, expect } = remote;
  const headers: Record<string, string> = { ...remote.headers, Range: `bytes=${start}-${end - 1}` };
  // If-Range would cost a preflight on other origins; there the ETag of the answer is compared instead.
  if (expect && isStrong(expect.etag) && new URL(url).origin === globalThis.location.origin) {
    headers["If-Range"] = expect.etag;
  }
  const response = await fetch(url, { headers, signal: signal ?? null, cache: "no-store" });
  const wrong = refusal(remote, response, start);
  if (wrong === undefined) return response;
  await response.body?.cancel().catch(() => undefined);
  throw wrong;
}

function refusal({ url, expect }: Remote, response: Response, start: number): Error | undefined {
  if (!response.ok) return new StatusError(url, response.status);
  if (expect && changed(expect, factsOf(response))) return new ChangedError(url);
  if (response.status !== 206 && start > 0) return new NoRangesError(url);
  return undefined;
}

function changed(expect: { size: number; etag: string }, facts: FileFacts): boolean {
  if (facts.size >= 0 && facts.size !== expect.size) return true;
  return facts.etag !== "" && expect.etag !== "" && facts.etag !== expect.etag;
}

// If-Range takes strong validators only (RFC 9110, section 13.1.5).
function isStrong(etag: string): boolean {
  return etag.startsWith('"');
}

/** What response says about its whole file. */
export function factsOf(response: Response): FileFacts {
  const h = response.headers;
  const etag = h.get("etag") ?? h.get("last-modified") ?? "";
  const hash = (h.get("x-linked-etag") ?? etag).replace(/^W\/|"/g, "").toLowerCase();
  const partial = response.status === 206;
  const total = partial ? /\/(\d+)$/.exec(h.get("content-range") ?? "")?.[1] : h.get("content-length");
  // A compressed answer's Content-Length counts compressed bytes.
  const known = total != null && !h.has("content-encoding");
  return { size: known ? Number(total) : -1, etag, sha256: /^[0-9a-f]{64}$/.test(hash) ? hash : "" };
}

/** A status that is no success. */
export class StatusError extends NetError {
  constructor(
    url: string,
    readonly status: number,
  ) {
    super("ERR_NET", `${url}: status ${status}`);
  }
}

/**
 * Calls attempt until it succeeds, pausing twice as long each time. An attempt that says it progressed resets the
 * count. Rejects with the error that trying again cannot help, with NetError after the last attempt, or with the
 * signal's reason.
 */
export async function retry<T>(
  url: string,
  signal: AbortSignal | undefined,
  attempt: (progressed: () => void) => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt(() => (failures = 1));
    } catch (err) {
      signal?.throwIfAborted();
      if (!mayRetry(err)) throw err;
      if (failures >= maxAttempts) {
        const why = `${url}: gave up after ${failures} attempts: ${messageOf(err)}`;
        throw new NetError("ERR_NET", why, { cause: err });
      }
      await pause(firstPauseMs * 2 ** (failures - 1), signal);
    }
  }
}

// A network that fails is a TypeError of fetch's; a cut one is a NetError of ours.
function mayRetry(err: unknown): boolean {
  if (err instanceof StatusError) return err.status >= 500 || err.status === 408 || err.status === 429;
  return err instanceof NetError || err instanceof TypeError;
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Bytes of a body that are taken at a time. */
const pieceBytes = 1 << 20;

interface PieceReader {
  /** The next piece, valid until the one after it is asked for; undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  cancel(): Promise<void>;
}

/** A response's body, read into buffers of the caller's. */
export class BodyReader {
  readonly #reader: PieceReader;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(response: Response) {
    this.#reader = readerOf(response.body!);
  }

  /**
   * Reads until dst is full and resolves with dst.length, or with less when the body ended, the connection was cut,
   * or nothing came for thirty seconds. Rejects only with the signal's reason.
   */
  async fill(dst: Uint8Array, signal: AbortSignal | undefined, onBytes: (n: number) => void): Promise<number> {
    let got = 0;
    while (got < dst.length) {
      if (this.#rest.length === 0) this.#rest = await this.#next(signal);
      const n = Math.min(this.#rest.length, dst.length - got);
      if (n === 0) break;
      dst.set(this.#rest.subarray(0, n), got);
      this.#rest = this.#rest.subarray(n);
      got += n;
      onBytes(n);
    }
    return got;
  }

  /** Lets go of the connection. */
  cancel(): void {
    void this.#reader.cancel().catch(() => undefined);
  }

  // An empty piece means that nothing more will come.
  async #next(signal: AbortSignal | undefined): Promise<Uint8Array> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stalled = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), stallMs)));
    try {
      return (await Promise.race([this.#reader.next(), stalled])) ?? new Uint8Array(0);
    } catch {
      signal?.throwIfAborted();
      return new Uint8Array(0);
    } finally {
      clearTimeout(timer);
    }
  }
}

// Into one buffer again and again where streams can: pieces of a stream's own making are
// garbage by the hundred megabytes, just when a model takes its place in memory.
function readerOf(body: ReadableStream<Uint8Array>): PieceReader {
  let room = new ArrayBuffer(pieceBytes);
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    const plain = body.getReader();
    return { cancel: () => plain.cancel(), next: async () => (await plain.read()).value };
  }
  const next = async () => {
    const { value } = await reader.read(new Uint8Array(room));
    if (value) room = value.buffer;
    return value;
  };
  return { cancel: () => reader.cancel(), next };
}
