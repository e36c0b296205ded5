// The store of model files: manifests in IndexedDB, chunks by digest in OPFS or
// IndexedDB. It must not know the network; package download fills it.

import { HashError, PastelError, QuotaError, UnsupportedError, messageOf, nameOf } from "../errors.js";
import type { Blobs } from "./blobs.js";
import { sha256 } from "./digest.js";
import { openDatabase } from "./idb.js";
import { IdbBlobs } from "./idbblobs.js";
import { type Manifest, Manifests, storedBytes } from "./manifest.js";
import { openOpfs } from "./opfs.js";

const database = "pastel";

/** One line of Store.list. */
export interface StoredModel {
  id: string;
  file: string;
  url: string;
  /** Bytes of the file, and how many of them are stored. */
  size: number;
  stored: number;
  complete: boolean;
  /** Milliseconds since 1970. */
  used: number;
}

/** What the browser says of its storage. It may lie: the only proof of a full disk is a QuotaError. */
export interface StorageEstimate {
  usedBytes: number;
  freeBytes: number;
  /** True when the browser promised not to evict this origin. */
  persistent: boolean;
}

/** The model files stored for this origin. Safe to open in several tabs and workers at once. */
export class Store {
  readonly manifests: Manifests;
  readonly blobs: Blobs;
  readonly #db: IDBDatabase;

  /** Use Store.open; tests pass the place they want to try. */
  constructor(db: IDBDatabase, blobs: Blobs) {
    this.#db = db;
    this.manifests = new Manifests(db, "manifests");
    this.blobs = blobs;
  }

  /** Opens the store: OPFS where there is one, else IndexedDB. Rejects with UnsupportedError outside a secure context. */
  static async open(): Promise<Store> {
    const db = await Store.database();
    return new Store(db, (await openOpfs()) ?? new IdbBlobs(db, "chunks"));
  }

  /** Opens the database alone. */
  static async database(): Promise<IDBDatabase> {
    if (!globalThis.isSecureContext) {
      throw new UnsupportedError("ERR_UNSUPPORTED_BROWSER", "storage: needs a secure context (https or localhost)");
    }
    return await openDatabase(database, 1, ["manifests", "chunks"]);
  }

  /**
   * Stores one chunk and resolves with its digest.
   * Rejects with HashError when the digest is not `want`, and with QuotaError; what was stored before stays.
   */
  async putChunk(bytes: Uint8Array<ArrayBuffer>, want?: string): Promise<string> {
    const name = await sha256(bytes);
    if (want !== undefined && name !== want) throw new HashError("ERR_HASH", `digest ${name}, published is ${want}`);
    await quotaAware(() => this.blobs.put(name, bytes));
    return name;
  }

  /** Saves m, all or nothing. Rejects with QuotaError. */
  async save(m: Manifest): Promise<void> {
    await quotaAware(() => this.manifests.put(m));
  }

  /** Notes that m was used just now. Only the order of lists depends on it: a refusal changes nothing. */
  async touch(m: Manifest): Promise<void> {
    await this.save({ ...m, used: Date.now() }).catch(() => undefined);
  }

  /** The stored files, the most recently used first. */
  async list(): Promise<StoredModel[]> {
    const all = await this.manifests.all();
    all.sort((a, b) => b.used - a.used);
    return all.map((m) => {
      const { id, file, url, size, complete, used } = m;
      return { id, file, url, size, stored: storedBytes(m), complete, used };
    });
  }

  /** Removes one file and the chunks nothing else uses. */
  async delete(id: string): Promise<void> {
    await this.manifests.delete(id);
    await this.collect();
  }

  /** Removes everything this package stored for the origin. */
  async clear(): Promise<void> {
    for (const m of await this.manifests.all()) await this.manifests.delete(m.id);
    await this.collect();
  }

  /**
   * Removes chunks that no manifest names: leftovers of a crash between storing a chunk and saying so.
   * Does nothing while any tab is downloading, whose newest chunks are not in a manifest yet.
   */
  async collect(): Promise<void> {
    await navigator.locks.request(chunksLock, { ifAvailable: true }, async (lock) => {
      if (lock === null) return;
      const wanted = new Set((await this.manifests.all()).flatMap((m) => m.chunks));
      for (const name of await this.blobs.names()) if (!wanted.has(name)) await this.blobs.delete(name);
    });
  }

  /** What the browser says is used and free. */
  async estimate(): Promise<StorageEstimate> {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    return { usedBytes: usage, freeBytes: Math.max(0, quota - usage), persistent: await navigator.storage.persisted() };
  }

  /** Closes the database connection. */
  close(): void {
    this.#db.close();
  }
}

/** Held in shared mode by every download, in exclusive mode by collect. */
export const chunksLock = "pastel-chunks";

/** Asks the browser not to evict this origin's models. Resolves with its answer. Page only: workers cannot ask. */
export async function persist(): Promise<boolean> {
  return (await navigator.storage?.persist?.()) ?? false;
}

async function quotaAware(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (err) {
    if (err instanceof PastelError || nameOf(err) !== "QuotaExceededError") throw err;
    throw new QuotaError("ERR_QUOTA", `storage: the browser refused more space: ${messageOf(err)}`, { cause: err });
  }
}
