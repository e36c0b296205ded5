// The digest of a whole file, where one was published: computed beside the
// download, chunk by chunk in their order, since the browser's own takes all bytes at once.

import { HashError } from "../errors.js";
import { release } from "../storage/buffers.js";
import { RunningSha256 } from "../storage/digest.js";
import { type Manifest, chunkRange } from "../storage/manifest.js";
import type { Store } from "../storage/store.js";
import { type DownloadOptions, healChunk } from "./download.js";
import { ProgressCounter } from "./progress.js";

/** Follows one download. Does nothing for a file without a published digest, or with one for every chunk. */
export class WholeDigest {
  readonly #store: Store;
  readonly #m: Manifest;
  readonly #published: readonly string[] | undefined;
  readonly #running = new RunningSha256();
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #next = 0;
  #following: Promise<void> | undefined;
  #stopped = false;

  /** published are the chunks' own digests, where they are known. */
  constructor(store: Store, m: Manifest, published?: readonly string[]) {
    this.#store = store;
    this.#m = m;
    this.#published = published;
  }

  /** Hashes what is stored up to the first chunk that is missing. Returns at once; what goes wrong is finish's. */
  follow(): void {
    if (this.#m.sha256 === "" || this.#published) return;
    this.#following ??= this.#hashStored()
      .catch(() => undefined)
      .finally(() => (this.#following = undefined));
  }

  /** Ends following and gives the buffer back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#following;
    if (this.#buffer) release(this.#buffer);
  }

  /** Hashes the rest of a complete file and compares. A wrong file is forgotten; rejects with HashError. */
  async finish(options: DownloadOptions): Promise<void> {
    const m = this.#m;
    if (m.sha256 === "" || this.#published?.every((digest, i) => digest === m.chunks[i])) return;
    await this.#following;
    const counter = new ProgressCounter("verify", m.file, m.size, options.onProgress);
    if (this.#next > 0) counter.add(chunkRange(m, this.#next - 1)[1]);
    while (this.#next < m.chunks.length) {
      options.signal?.throwIfAborted();
      const bytes = (await this.#read()) ?? (await healChunk(this.#store, m, this.#next, options));
      this.#update(bytes);
      counter.add(bytes.length);
    }
    const got = this.#running.finish();
    if (got !== m.sha256) {
      await this.#store.manifests.delete(m.id);
      throw new HashError("ERR_HASH", `${m.file}: digest ${got}, published is ${m.sha256}`);
    }
    counter.finish();
  }

  async #hashStored(): Promise<void> {
    const { chunks } = this.#m;
    while (!this.#stopped && this.#next < chunks.length && chunks[this.#next] !== "") {
      const bytes = await this.#read();
      if (bytes === undefined) return;
      this.#update(bytes);
    }
  }

  /** The next chunk from the store, or undefined when it is not there whole. */
  async #read(): Promise<Uint8Array | undefined> {
    const [start, end] = chunkRange(this.#m, this.#next);
    this.#buffer ??= new Uint8Array(this.#m.chunkBytes);
    const bytes = this.#buffer.subarray(0, end - start);
    const n = await this.#store.blobs.read(this.#m.chunks[this.#next]!, bytes);
    return n < bytes.length ? undefined : bytes;
  }

  #update(bytes: Uint8Array): void {
    this.#running.update(bytes);
    this.#next++;
  }
}
