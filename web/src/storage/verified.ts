// A stored or local file as the engine reads it: mostly forward, every chunk's
// digest checked before its bytes are handed out. A few chunks are in flight at
// once, so reading, hashing and copying overlap; a file that is still arriving is
// read as far as it is there, its chunks from the download's own hands.

import { release } from "./buffers.js";
import type { Store } from "./store.js";
import { type Manifest, chunkRange } from "./manifest.js";
import { sha256 } from "./digest.js";

/** A file of known length whose bytes can be copied anywhere, above all into wasm memory. */
export interface ByteSource {
  readonly file: string;
  /** Length in bytes. */
  readonly size: number;
  /** The whole file's SHA-256 in hex, where it was published. */
  readonly sha256?: string;
  /**
   * Copies bytes [offset, offset+dst.length) into dst, which may lie in shared memory.
   * dst must stay attached until the promise settles. Fastest when offsets go forward.
   */
  read(offset: number, dst: Uint8Array): Promise<void>;
  /** Resolves when all of the file is on this device and is what was published; rejects with why it will not be. */
  readonly whole: Promise<void>;
  /** Whether `whole` has resolved. */
  readonly isWhole: boolean;
  /** Gives back what reading needs, and ends a download that is not done. No read may be under way or follow. */
  close(): void;
}

/** Fetches chunk i of m again, stores it, and resolves with its bytes. */
export type Heal = (m: Manifest, i: number) => Promise<Uint8Array<ArrayBuffer>>;

// One chunk is copied and packed while the next is read and hashed; the third is for downloads,
// whose chunks come out of order: what nobody waits for is read and hashed again.
const nAhead = 3;

/** Where the missing chunks of a file come from. */
export interface Arriving {
  /** Chunk i is waited for. */
  want(i: number): void;
  /** Bytes that `stored` brought are done with. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void;
}

/** Who waits for a chunk that has not arrived. */
interface Waiting {
  resolve(bytes: Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>): void;
  reject(why: unknown): void;
}

/** A file in the store, or on its way there. Not safe for concurrent reads. */
export class VerifiedFile {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  /** Chunks that were bad and were fetched again. */
  healed = 0;
  readonly #store: Store;
  readonly #m: Manifest;
  readonly #heal: Heal;
  readonly #inFlight = new Map<number, Promise<Uint8Array<ArrayBuffer>>>();
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #arriving: Arriving | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #closed = false;
  #failed: { why: unknown } | undefined;

  /** m is the file's; with `arriving`, chunks may be missing, and `stored` fills them in. */
  constructor(store: Store, m: Manifest, heal: Heal, arriving?: Arriving) {
    this.#store = store;
    this.#m = m;
    this.#heal = heal;
    this.#arriving = arriving;
    this.file = m.file;
    this.size = m.size;
    this.sha256 = m.sha256;
  }

  async read(offset: number, dst: Uint8Array): Promise<void> {
    if (offset < 0 || offset + dst.length > this.size) {
      throw new RangeError(
        `${this.file}: read ${offset}..${offset + dst.length} past end of file (${this.size} bytes)`,
      );
    }
    for (let done = 0; done < dst.length;) {
      const i = Math.floor((offset + done) / this.#m.chunkBytes);
      const [start, end] = chunkRange(this.#m, i);
      const from = offset + done - start;
      const n = Math.min(dst.length - done, end - start - from);
      await this.#dropOutside(i);
      const chunk = await this.#chunk(i);
      dst.set(chunk.subarray(from, from + n), done);
      done += n;
    }
  }

  /** Chunk i is stored under its digest. bytes, if they come, are right and this file's from now on. */
  stored(i: number, digest: string, bytes?: Uint8Array<ArrayBuffer>): void {
    this.#m.chunks[i] = digest;
    const waiting = this.#waiting.get(i);
    this.#waiting.delete(i);
    if (waiting !== undefined) waiting.resolve(bytes ?? this.#fetch(i));
    else if (bytes !== undefined) this.#recycle(bytes);
  }

  /** What is missing will not come: rejects who waits for it, and who asks later. */
  fail(why: unknown): void {
    this.#failed ??= { why };
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }

  close(): void {
    this.#closed = true;
    this.fail(new DOMException("closed", "AbortError"));
    void this.#dropOutside(Infinity);
    for (const bytes of this.#free.splice(0)) release(bytes);
  }

  #chunk(i: number): Promise<Uint8Array<ArrayBuffer>> {
    for (let k = i; k < Math.min(i + nAhead, this.#m.chunks.length); k++) {
      if (this.#inFlight.has(k)) continue;
      const p = this.#fetch(k);
      p.catch(() => undefined); // the reader of chunk k sees the error; nobody else should
      this.#inFlight.set(k, p);
    }
    return this.#inFlight.get(i)!;
  }

  async #dropOutside(i: number): Promise<void> {
    for (const [k, p] of this.#inFlight) {
      if (k >= i && k < i + nAhead) continue;
      this.#inFlight.delete(k);
      await p.then(
        (bytes) => this.#recycle(bytes),
        () => undefined,
      );
    }
  }

  #recycle(bytes: Uint8Array<ArrayBuffer>): void {
    const fits = bytes.buffer.byteLength === this.#m.chunkBytes;
    if (this.#closed || !fits) release(bytes);
    else if (this.#free.length < (this.#arriving ? 1 : nAhead)) this.#free.push(new Uint8Array(bytes.buffer));
    else if (this.#arriving) this.#arriving.giveBack(bytes);
    else release(bytes);
  }

  async #fetch(i: number): Promise<Uint8Array<ArrayBuffer>> {
    const [start, end] = chunkRange(this.#m, i);
    const want = this.#m.chunks[i]!;
    if (want === "") return await this.#arrival(i);
    const bytes = (this.#free.pop() ?? new Uint8Array(this.#m.chunkBytes)).subarray(0, end - start);
    const n = await this.#store.blobs.read(want, bytes).catch(() => -1);
    if (n === bytes.length && (await sha256(bytes)) === want) return bytes;
    this.healed++;
    return await this.#heal(this.#m, i);
  }

  async #arrival(i: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#failed) throw this.#failed.why;
    this.#arriving?.want(i);
    return await new Promise((resolve, reject) => this.#waiting.set(i, { resolve, reject }));
  }
}

/** A File or Blob the page holds: read as it is, nothing stored, nothing to verify against. */
export class BlobFile implements ByteSource {
  readonly file: string;
  readonly size: number;
  readonly whole = Promise.resolve();
  readonly isWhole = true;
  readonly #blob: Blob;
  constructor(blob: Blob) {
    this.#blob = blob;
    this.size = blob.size;
    this.file = blob instanceof File ? blob.name : "blob";
  }
  close(): void {}
  async read(offset: number, dst: Uint8Array): Promise<void> {
    // In pieces, so that a large tensor needs no second copy of itself.
    const piece = 8 << 20;
    for (let at = 0; at < dst.length; at += piece) {
      const n = Math.min(piece, dst.length - at);
      dst.set(new Uint8Array(await this.#blob.slice(offset + at, offset + at + n).arrayBuffer()), at);
    }
  }
}
