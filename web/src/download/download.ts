// A download: chunks in parallel into the store, each with its digest, until
// the manifest is complete. Whatever stops it, what was stored counts next time.

import { BadRequestError, HashError, NetError } from "../errors.js";
import { release } from "../storage/buffers.js";
import { type Manifest, chunkBytes, chunkRange, newManifest, storedBytes } from "../storage/manifest.js";
import { type Store, chunksLock } from "../storage/store.js";
import { type OnProgress, ProgressCounter } from "./progress.js";
import {
  ChangedError,
  type FileFacts,
  NoRangesError,
  type Remote,
  factsOf,
  fetchRange,
  openRange,
  retry,
} from "./range.js";
import type { Source } from "./resolve.js";
import { WholeDigest } from "./verify.js";
import { downloadWhole } from "./whole.js";

/** Chunks in flight. HTTP/1.1 allows six connections per host; the page needs some for itself. */
const nParallel = 4;
/** Times a chunk with a wrong digest is fetched before giving up. */
const maxHashTries = 3;

/** Hears of a download as it goes, to use what is there already. */
export interface Follower {
  /** The file's manifest, whose chunks fill in. Called again when the file changed meanwhile and is fetched anew. */
  begin(m: Manifest): void;
  /** Chunk i is stored and its digest is in the manifest. Who keeps the bytes returns a buffer as large as theirs in exchange. */
  stored(i: number, bytes: Uint8Array<ArrayBuffer>): ArrayBuffer | undefined;
}

/** How to download. */
export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
  /** Sent with every request, such as an Authorization header. */
  headers?: Record<string, string> | undefined;
  follower?: Follower | undefined;
}

/** One download under way: everything its steps need. */
export interface Job {
  store: Store;
  source: Source;
  m: Manifest;
  remote: Remote;
  signal: AbortSignal | undefined;
  counter: ProgressCounter;
  digest: WholeDigest;
  follower: Follower | undefined;
}

/** The store's key for a source: its URL without query and fragment, which may hold signatures that expire. */
export function idOf(source: Pick<Source, "url">): string {
  const url = new URL(source.url);
  return url.origin + url.pathname;
}

/** The name of the Web Lock held while the file with this id is being downloaded. */
export function downloadLock(id: string): string {
  return `pastel-download:${id}`;
}

/**
 * Makes sure that source is stored completely and resolves with its manifest.
 * Two tabs that want the same file share one download: the second waits.
 * Rejects with NetError, QuotaError, HashError or the signal's reason; chunks
 * stored so far stay and are not fetched again.
 */
export async function download(store: Store, source: Source, options: DownloadOptions = {}): Promise<Manifest> {
  const { signal } = options;
  const lock = signal ? { signal } : {};
  source = located(source);
  return await navigator.locks.request(downloadLock(idOf(source)), lock, () =>
    navigator.locks.request(chunksLock, { ...lock, mode: "shared" }, () => downloadLocked(store, source, options)),
  );
}

/** The source with a whole URL. */
export function located<T extends Pick<Source, "url">>(source: T): T {
  return { ...source, url: new URL(source.url, self.location.href).href };
}

async function downloadLocked(store: Store, source: Source, options: DownloadOptions): Promise<Manifest> {
  const stored = await store.manifests.get(idOf(source));
  if (stored && isWanted(stored, source)) {
    if (stored.complete) {
      options.follower?.begin(stored);
      return stored;
    }
    try {
      return await resume(store, source, stored, options);
    } catch (err) {
      if (!(err instanceof ChangedError)) throw err;
    }
  }
  // Nothing stored, or another version of the file: begin anew. A file that changes again is an error.
  try {
    return await resume(store, source, await begin(store, source, options), options);
  } catch (err) {
    if (!(err instanceof ChangedError)) throw err;
    throw new NetError("ERR_NET", err.message, { cause: err });
  }
}

/** Reports whether what is stored is the version the source asks for, as far as the source says. */
export function isWanted(m: Manifest, source: Pick<Source, "size" | "sha256" | "chunkBytes">): boolean {
  if (source.size !== undefined && source.size !== m.size) return false;
  if (source.chunkBytes !== undefined && source.chunkBytes !== m.chunkBytes) return false;
  return source.sha256 === undefined || m.sha256 === "" || source.sha256 === m.sha256;
}

async function begin(store: Store, source: Source, options: DownloadOptions): Promise<Manifest> {
  const facts = await probe(remoteOf(source.url, options), options.signal);
  const size = facts.size >= 0 ? facts.size : (source.size ?? -1);
  if (size <= 0) throw new NetError("ERR_NET", `${source.url}: the server does not say how long the file is`);
  if (source.size !== undefined && size !== source.size) {
    throw new HashError("ERR_HASH", `${source.url}: ${size} bytes, published are ${source.size}`);
  }
  const sha256 = source.sha256 ?? facts.sha256;
  const { file, url } = source;
  const m = newManifest({
    id: idOf(source),
    file,
    url,
    size,
    chunkBytes: source.chunkBytes ?? chunkBytes,
    etag: facts.etag,
    sha256,
    ...(source.group !== undefined && { group: source.group }),
  });
  if (source.chunks && source.chunks.length !== m.chunks.length) {
    const why = `${file}: ${source.chunks.length} chunk digests for ${m.chunks.length} chunks of ${m.chunkBytes} bytes`;
    throw new BadRequestError("ERR_BAD_REQUEST", why);
  }
  await store.save(m);
  return m;
}

// One byte tells the length, the validator and whether the file is there.
async function probe(remote: Remote, signal?: AbortSignal): Promise<FileFacts> {
  const facts = await retry(remote.url, signal, async () => {
    const response = await openRange(remote, 0, 1, signal);
    void response.body?.cancel().catch(() => undefined);
    return factsOf(response);
  });
  if (facts.size >= 0) return facts;
  // The server hides Content-Range from other origins; the Content-Length of the whole is never hidden.
  const head = await fetch(remote.url, { method: "HEAD", headers: remote.headers, signal: signal ?? null });
  const length = head.headers.get("content-length");
  return { ...facts, size: length === null ? -1 : Number(length) };
}

function remoteOf(url: string, options: DownloadOptions, expect?: Remote["expect"]): Remote {
  return { url, headers: options.headers ?? {}, ...(expect && { expect }) };
}

async function resume(store: Store, source: Source, m: Manifest, options: DownloadOptions): Promise<Manifest> {
  m.url = source.url; // the stored one may hold an expired signature
  const counter = new ProgressCounter("download", m.file, m.size, options.onProgress);
  counter.add(storedBytes(m));
  const remote = remoteOf(m.url, options, { size: m.size, etag: m.etag });
  const digest = new WholeDigest(store, m, source.chunks);
  const { signal, follower } = options;
  const job: Job = { store, source, m, remote, signal, counter, digest, follower };
  follower?.begin(m);
  try {
    try {
      await downloadMissing(job);
    } catch (err) {
      if (!(err instanceof NoRangesError)) throw err;
      await downloadWhole(job);
    }
    counter.finish();
    await digest.finish(options);
  } finally {
    await digest.stop();
  }
  m.complete = true;
  await store.save(m);
  return m;
}

async function downloadMissing(job: Job): Promise<void> {
  const { m } = job;
  const missing = m.chunks.flatMap((h, i) => (h === "" ? [i] : []));
  const stop = new AbortController();
  const signal = job.signal ? AbortSignal.any([job.signal, stop.signal]) : stop.signal;
  const work = async () => {
    let buffer = new ArrayBuffer(m.chunkBytes);
    try {
      for (let i = missing.shift(); i !== undefined; i = missing.shift()) {
        const [start, end] = chunkRange(m, i);
        const bytes = new Uint8Array(buffer, 0, end - start);
        m.chunks[i] = await fetchChunk({ ...job, signal }, i, bytes);
        await job.store.save(m);
        buffer = job.follower?.stored(i, bytes) ?? buffer;
        job.digest.follow();
      }
    } finally {
      release(new Uint8Array(buffer));
    }
  };
  const workers = Array.from({ length: Math.min(nParallel, missing.length) }, work);
  try {
    await Promise.all(workers);
  } catch (err) {
    // The first failure stops the others, and nothing of theirs is written after we return.
    stop.abort(err);
    await Promise.allSettled(workers);
    throw err;
  }
}

/** Fetches chunk i into bytes, stores it, and resolves with its digest. */
async function fetchChunk(job: Job, i: number, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const [start] = chunkRange(job.m, i);
  for (let tries = 1; ; tries++) {
    await fetchRange(job.remote, start, bytes, job.signal, (n) => job.counter.add(n));
    try {
      return await job.store.putChunk(bytes, job.source.chunks?.[i]);
    } catch (err) {
      if (!(err instanceof HashError) || tries === maxHashTries) throw err;
      job.counter.add(-bytes.length);
    }
  }
}

/**
 * Fetches a stored chunk again after it turned out bad, stores it and resolves with its bytes.
 * Rejects with HashError when the server no longer has these bytes, NetError when it cannot be reached.
 */
export async function healChunk(
  store: Store,
  m: Manifest,
  i: number,
  options: DownloadOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const [start, end] = chunkRange(m, i);
  const bytes = new Uint8Array(end - start);
  const remote = remoteOf(m.url, options, { size: m.size, etag: m.etag });
  try {
    await fetchRange(remote, start, bytes, options.signal, () => undefined);
    await store.putChunk(bytes, m.chunks[i]);
    return bytes;
  } catch (err) {
    const lost = err instanceof ChangedError || err instanceof NoRangesError || err instanceof HashError;
    if (!lost) throw err;
    const what = `${m.file}: chunk ${i} is damaged in storage and could not be replaced`;
    throw new HashError("ERR_HASH", `${what}: ${err.message}`, { cause: err });
  }
}
