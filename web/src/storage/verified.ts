// A stored or local file as the engine reads it: in order, every chunk's digest
// checked before its bytes are handed out. A few chunks are in flight at once, so
// that reading, hashing and the engine's own copying overlap.

import { sha256 } from "./digest.js";
import { type Manifest, chunkRange } from "./manifest.js";
import type { Store } from "./store.js";

/** A file of known length, read once from start to end. */
export interface ByteSource {
  readonly file: string;
  /** Length in bytes. */
  readonly size: number;
  /** The bytes in order. A piece is only valid until the next one is asked for. */
  pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>, void>;
}

/** Fetches chunk i of m again, stores it, and resolves with its bytes. */
export type Heal = (m: Manifest, i: number) => Promise<Uint8Array<ArrayBuffer>>;

// One chunk being read, one being hashed, one with the engine.
const nInFlight = 3;

/** A complete file in the store. */
export class VerifiedFile implements ByteSource {
  readonly file: string;
  readonly size: number;
  /** Chunks that were bad and were fetched again. */
  healed = 0;
  readonly #store: Store;
  readonly #m: Manifest;
  readonly #heal: Heal;

  constructor(store: Store, m: Manifest, heal: Heal) {
    this.#store = store;
    this.#m = m;
    this.#heal = heal;
    this.file = m.file;
    this.size = m.size;
  }

  /** Rejects with HashError or NetError when a bad chunk could not be replaced. */
  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    const n = this.#m.chunks.length;
    const buffers = Array.from({ length: Math.min(nInFlight, n) }, () => new Uint8Array(this.#m.chunkBytes));
    const begin = (i: number) => {
      const piece = this.#read(i, buffers[i % nInFlight]!);
      piece.catch(() => undefined); // seen when its turn comes; nobody looks if the reader stops before
      return piece;
    };
    const inFlight = buffers.map((_, i) => begin(i));
    for (let i = 0; i < n; i++) {
      yield await inFlight[i % nInFlight]!;
      if (i + nInFlight < n) inFlight[i % nInFlight] = begin(i + nInFlight);
    }
  }

  async #read(i: number, buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const [start, end] = chunkRange(this.#m, i);
    const bytes = buffer.subarray(0, end - start);
    const want = this.#m.chunks[i]!;
    const n = await this.#store.blobs.read(want, bytes).catch(() => -1);
    if (n === bytes.length && (await sha256(bytes)) === want) return bytes;
    this.healed++;
    return await this.#heal(this.#m, i);
  }
}

/** A File or Blob the page holds: read as it is, nothing stored, nothing to verify against. */
export class BlobFile implements ByteSource {
  readonly size: number;
  constructor(
    readonly file: string,
    readonly blob: Blob,
  ) {
    this.size = blob.size;
  }

  async *pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    const n = 8 << 20;
    for (let at = 0; at < this.size; at += n) yield new Uint8Array(await this.blob.slice(at, at + n).arrayBuffer());
  }
}
