// What is stored, and whether a model could run here: questions a page asks
// before it makes an engine, answered without a worker.

import { downloadLock, idOf, isWanted } from "./download/download.js";
import { type HubOptions, type ModelRef, resolveModel } from "./download/resolve.js";
import { isAbort, messageOf } from "./errors.js";
import { storedBytes } from "./storage/manifest.js";
import { Store, type StoredModel, type StorageEstimate } from "./storage/store.js";

export type { StoredModel, StorageEstimate } from "./storage/store.js";
export { persist } from "./storage/store.js";

async function withStore<T>(body: (store: Store) => Promise<T>): Promise<T> {
  const store = await Store.open();
  try {
    return await body(store);
  } finally {
    store.close();
  }
}

/** Model files stored for this origin, the most recently used first. */
export function listModels(): Promise<StoredModel[]> {
  return withStore((store) => store.list());
}

/** Removes one stored file by its id from listModels. */
export function deleteModel(id: string): Promise<void> {
  return withStore((store) => store.delete(id));
}

/** Removes everything this package stored for the origin. */
export function clearModels(): Promise<void> {
  return withStore((store) => store.clear());
}

/** Bytes used and free, as the browser tells. */
export function storageEstimate(): Promise<StorageEstimate> {
  return withStore((store) => store.estimate());
}

/** The Prompt API's four words, and what is behind them. */
export interface Availability {
  availability: "unavailable" | "downloadable" | "downloading" | "available";
  /** For people. */
  reason: string;
  /** Bytes still to be downloaded; undefined when the server was not asked or does not say. */
  needBytes?: number;
  /** Bytes the browser says are free. */
  freeBytes?: number;
  /** Tokens per second this device may decode, by its memory's measured speed; an upper bound. */
  estTokPerSec?: number;
}

/**
 * Tells whether ref can be used here, without downloading it. Asks the network only for the length of a file that is not
 * stored. Rejects only with the signal's reason.
 */
export async function availability(
  ref: ModelRef,
  options: HubOptions & { signal?: AbortSignal } = {},
): Promise<Availability> {
  const lacking = missingFeature();
  if (lacking) return { availability: "unavailable", reason: lacking };
  try {
    return await withStore((store) => inspect(store, ref, options));
  } catch (err) {
    options.signal?.throwIfAborted();
    if (isAbort(err)) throw err;
    return { availability: "unavailable", reason: messageOf(err) };
  }
}

/** The largest file that fits in 4 GB of wasm memory beside a kv cache. */
const maxFileBytes = 3.75e9;

async function inspect(
  store: Store,
  ref: ModelRef,
  options: HubOptions & { signal?: AbortSignal },
): Promise<Availability> {
  if (ref instanceof Blob) return sized(ref.size, { availability: "available", reason: "the file is at hand" });
  const source = await resolveModel(ref, options, document.baseURI, options.signal);
  const id = idOf(source);
  const { freeBytes } = await store.estimate();
  const m = await store.manifests.get(id);
  const stored = m && isWanted(m, source) ? m : undefined;
  if (stored?.complete)
    return sized(stored.size, { availability: "available", reason: "stored on this device", needBytes: 0, freeBytes });
  const size = stored?.size ?? source.size ?? (await lengthOf(source.url, options.signal));
  const needBytes = size === undefined ? undefined : size - (stored ? storedBytes(stored) : 0);
  const need = needBytes === undefined ? {} : { needBytes };
  if (await isHeld(downloadLock(id))) {
    return sized(size, { availability: "downloading", reason: "a tab is downloading it", ...need, freeBytes });
  }
  if (needBytes !== undefined && needBytes > freeBytes) {
    return {
      availability: "unavailable",
      reason: `needs ${needBytes} bytes of storage, ${freeBytes} are free`,
      ...need,
      freeBytes,
    };
  }
  const reason = stored ? "partly stored; the download will go on where it stopped" : "not stored yet";
  return sized(size, { availability: "downloadable", reason, ...need, freeBytes });
}

function sized(size: number | undefined, a: Availability): Availability {
  if (size === undefined) return a;
  if (size > maxFileBytes)
    return { ...a, availability: "unavailable", reason: `${size} bytes do not fit in a 4 GB memory` };
  return { ...a, estTokPerSec: bytesPerSecond() / size };
}

async function isHeld(name: string): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some((lock) => lock.name === name);
}

async function lengthOf(url: string, signal?: AbortSignal): Promise<number | undefined> {
  const response = await fetch(url, { method: "HEAD", signal: signal ?? null });
  if (!response.ok) throw new Error(`${url}: status ${response.status}`);
  const n = response.headers.get("content-length");
  return n === null || response.headers.has("content-encoding") ? undefined : Number(n);
}

// (func (result v128) i32.const 0 i8x16.splat)
const simdProbe = new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 8, 1, 6, 0, 0x41, 0, 0xfd, 15, 11,
]);

function missingFeature(): string | undefined {
  if (typeof WebAssembly === "undefined")
    return "this browser has no WebAssembly, or the page's CSP lacks 'wasm-unsafe-eval'";
  if (!WebAssembly.validate(simdProbe)) return "this browser has no WebAssembly SIMD";
  if (!globalThis.isSecureContext) return "the page is not secure (https or localhost)";
  if (typeof navigator.locks === "undefined") return "this browser has no Web Locks";
  return undefined;
}

/**
 * How fast one core reads memory: decoding reads every weight once per token.
 * Measured once per page, about 20 ms. JavaScript reads slower than the kernels do, so this errs low on one
 * thread; it knows nothing of compute, so it errs high on slow cores.
 */
function bytesPerSecond(): number {
  if (measured !== undefined) return measured;
  const words = new Float64Array(4 << 20); // 32 MB, beyond most caches
  let sum = 0;
  const start = performance.now();
  for (let i = 0; i < words.length; i += 8) sum += words[i]!; // one load per cache line
  const seconds = (performance.now() - start) / 1000;
  return (measured = sum === 0 ? words.byteLength / Math.max(seconds, 1e-3) : 0);
}
let measured: number | undefined;
