// Chunks as Blobs in IndexedDB: the fallback where there is no private file
// system. Blobs, not ArrayBuffers: those read at half the rate.

import type { Blobs } from "./blobs.js";
import { transact } from "./idb.js";

/** Chunks in one object store of an open database. */
export class IdbBlobs implements Blobs {
  readonly kind = "idb";
  readonly #db: IDBDatabase;
  readonly #store: string;
  constructor(db: IDBDatabase, store: string) {
    this.#db = db;
    this.#store = store;
  }

  async put(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await transact(this.#db, this.#store, "readwrite", (s) => s.put(new Blob([bytes]), name));
  }

  async read(name: string, dst: Uint8Array<ArrayBuffer>): Promise<number> {
    const blob = await transact<unknown>(this.#db, this.#store, "readonly", (s) => s.get(name));
    if (!(blob instanceof Blob)) return -1;
    const bytes = new Uint8Array(await blob.slice(0, dst.length).arrayBuffer());
    dst.set(bytes);
    return bytes.length;
  }

  async delete(name: string): Promise<void> {
    await transact(this.#db, this.#store, "readwrite", (s) => s.delete(name));
  }

  async names(): Promise<string[]> {
    return (await transact(this.#db, this.#store, "readonly", (s) => s.getAllKeys())).map(String);
  }
}
