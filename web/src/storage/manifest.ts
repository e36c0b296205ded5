// What is known about one model file: where it came from, how long it is, and
// the digest of every chunk. Manifests live in IndexedDB, whose transactions
// make every change all or nothing.

import type { CustomAdapter } from "../pools.js";
import { transact } from "./idb.js";

/** Bytes per chunk: small enough to fetch again, large enough that opening a file per chunk does not show. */
export const chunkBytes = 8 << 20;

/** One model file, complete or on its way. */
export interface Manifest {
  /** The key: the resolved URL without its query. */
  id: string;
  /** The file's name, for people. */
  file: string;
  /** Where to fetch it. */
  url: string;
  /** Length in bytes. */
  size: number;
  /** Bytes per chunk; the last chunk may be shorter. */
  chunkBytes: number;
  /** Hex SHA-256 per chunk, "" for one that is not stored yet. */
  chunks: string[];
  /** The server's validator when the first byte came, "" when it gave none. */
  etag: string;
  /** Hex SHA-256 of the whole file as somebody published it, "" when nobody did. */
  sha256: string;
  /** True once every chunk is stored and the whole file's digest, if published, was right. */
  complete: boolean;
  /** Milliseconds since 1970: when the download began, and when the file was last loaded. */
  created: number;
  used: number;
  /** Files of one pool, or of one adapter: counted and removed together. */
  group?: string;
  /** What an adapter that was made here is made of. */
  about?: CustomAdapter;
}

/** A manifest with no chunk stored yet. */
export function newManifest(of: Omit<Manifest, "chunks" | "complete" | "created" | "used">): Manifest {
  const n = Math.ceil(of.size / of.chunkBytes);
  const now = Date.now();
  return { ...of, chunks: new Array<string>(n).fill(""), complete: false, created: now, used: now };
}

/** The byte range of chunk i: [start, end). */
export function chunkRange(m: Manifest, i: number): [start: number, end: number] {
  return [i * m.chunkBytes, Math.min((i + 1) * m.chunkBytes, m.size)];
}

/** Bytes of m that are stored. */
export function storedBytes(m: Manifest): number {
  let n = 0;
  m.chunks.forEach((h, i) => {
    const [start, end] = chunkRange(m, i);
    if (h !== "") n += end - start;
  });
  return n;
}

/** The manifests of an origin. */
export class Manifests {
  readonly #db: IDBDatabase;
  readonly #store: string;
  constructor(db: IDBDatabase, store: string) {
    this.#db = db;
    this.#store = store;
  }
  async get(id: string): Promise<Manifest | undefined> {
    return (await transact<unknown>(this.#db, this.#store, "readonly", (s) => s.get(id))) as Manifest | undefined;
  }
  async put(m: Manifest): Promise<void> {
    await transact(this.#db, this.#store, "readwrite", (s) => s.put(m, m.id));
  }
  async delete(id: string): Promise<void> {
    await transact(this.#db, this.#store, "readwrite", (s) => s.delete(id));
  }
  async all(): Promise<Manifest[]> {
    return (await transact<unknown[]>(this.#db, this.#store, "readonly", (s) => s.getAll())) as Manifest[];
  }
}
