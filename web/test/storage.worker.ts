// The worker side of the storage and download tests: scenarios by name, each a
// function of plain values to a plain value, run by tests/browser.

import { download, healChunk } from "../src/download/download.js";
import type { Progress } from "../src/download/progress.js";
import { type ModelRef, type Source, resolveModel } from "../src/download/resolve.js";
import { wireOf } from "../src/errors.js";
import { RunningSha256, sha256 } from "../src/storage/digest.js";
import { IdbBlobs } from "../src/storage/idbblobs.js";
import { Store } from "../src/storage/store.js";
import { VerifiedFile } from "../src/storage/verified.js";

type Backend = "best" | "idb";

async function open(backend: Backend = "best"): Promise<Store> {
  if (backend === "best") return await Store.open();
  const db = await Store.database();
  return new Store(db, new IdbBlobs(db, "chunks"));
}

// Memory as the engine has it: shared, also where the page is not isolated and SharedArrayBuffer has no name.
function sharedBytes(n: number): Uint8Array {
  const pages = Math.ceil(n / 65536);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer, 0, n);
}

async function readAll(store: Store, id: string): Promise<{ digest: string; healed: number }> {
  const m = (await store.manifests.get(id))!;
  const file = new VerifiedFile(store, m, (m, i) => healChunk(store, m, i));
  const shared = sharedBytes(m.size);
  // Odd pieces, so that reads straddle chunks.
  for (let at = 0; at < m.size; at += 100_003) await file.read(at, shared.subarray(at, Math.min(at + 100_003, m.size)));
  return { digest: await sha256(new Uint8Array(shared)), healed: file.healed };
}

const scenarios = {
  async fetch(source: Source, backend?: Backend) {
    const store = await open(backend);
    const events: Progress[] = [];
    const m = await download(store, source, { onProgress: (p) => events.push(p) });
    const { digest, healed } = await readAll(store, m.id);
    return { backend: store.blobs.kind, id: m.id, chunks: m.chunks.length, digest, healed, events };
  },
  async abortAfter(source: Source, nBytes: number) {
    const abort = new AbortController();
    const onProgress = (p: Progress) => p.loaded >= nBytes && abort.abort();
    await download(await open(), source, { signal: abort.signal, onProgress });
    return "finished";
  },
  async corrupt(id: string, i: number, backend?: Backend) {
    const store = await open(backend);
    const m = (await store.manifests.get(id))!;
    await store.blobs.put(m.chunks[i]!, new Uint8Array(m.chunkBytes).fill(7));
    return m.chunks[i]!;
  },
  async evict(id: string, i: number) {
    const store = await open();
    await store.blobs.delete((await store.manifests.get(id))!.chunks[i]!);
  },
  async readAll(id: string, backend?: Backend) {
    return await readAll(await open(backend), id);
  },
  async list(backend?: Backend) {
    const store = await open(backend);
    return { models: await store.list(), blobs: (await store.blobs.names()).length };
  },
  async delete(id: string, backend?: Backend) {
    await (await open(backend)).delete(id);
  },
  async clear(backend?: Backend) {
    await (await open(backend)).clear();
  },
  async orphan() {
    const store = await open();
    await store.putChunk(new Uint8Array(1000).fill(3));
    await store.collect();
  },
  async estimate() {
    return await (await open()).estimate();
  },
  async resolve(ref: Exclude<ModelRef, Blob>, remoteHost: string) {
    return await resolveModel(ref, { remoteHost }, self.location.href);
  },
  async hashes(nBytes: number) {
    const bytes = Uint8Array.from({ length: nBytes }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const running = new RunningSha256();
    for (let at = 0, n = 1; at < nBytes; at += n, n = (n * 7) % 1013) running.update(bytes.subarray(at, at + n));
    return { running: running.finish(), whole: await sha256(bytes) };
  },
  /** Milliseconds for each way of reading what is stored, and for the digest alone. */
  async rates(id: string) {
    const store = await open();
    const m = (await store.manifests.get(id))!;
    const shared = sharedBytes(m.chunkBytes);
    const buffer = new Uint8Array(m.chunkBytes);
    const time = async (body: () => Promise<unknown>) => {
      const t = performance.now();
      await body();
      return performance.now() - t;
    };
    const storageMs = await time(async () => {
      for (const h of m.chunks) await store.blobs.read(h, buffer);
    });
    const file = new VerifiedFile(store, m, () => Promise.reject(new Error("bad chunk")));
    const verifiedMs = await time(async () => {
      for (let at = 0; at < m.size; at += shared.length) {
        await file.read(at, shared.subarray(0, Math.min(shared.length, m.size - at)));
      }
    });
    const digestMs = await time(async () => {
      for (const _ of m.chunks) await sha256(buffer);
    });
    const running = new RunningSha256();
    const runningMs = await time(async () => running.update(buffer));
    return { size: m.size, storageMs, verifiedMs, digestMs, runningMsPerChunk: runningMs };
  },
};

type Scenario = (...args: unknown[]) => Promise<unknown>;

self.onmessage = async (event: MessageEvent<{ id: number; name: keyof typeof scenarios; args: unknown[] }>) => {
  const { id, name, args } = event.data;
  try {
    self.postMessage({ id, value: await (scenarios[name] as Scenario)(...args) });
  } catch (err) {
    self.postMessage({ id, error: wireOf(err) });
  }
};
