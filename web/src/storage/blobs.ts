// Where chunks of bytes live, by name. Two places implement this interface:
// the origin-private file system (opfs.ts) and IndexedDB (idbblobs.ts).

/** Named, immutable byte strings. Names are lower-case hex digests; a name is only ever written with its own content. */
export interface Blobs {
  /** Which place this is, for diagnostics. */
  readonly kind: "opfs" | "idb";
  /**
   * Stores bytes under name, all or nothing.
   * Rejects with a DOMException named QuotaExceededError when the disk is full; nothing is left behind then.
   */
  put(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Reads from the start of name into dst. Resolves with the number of bytes read, or -1 when there is no such name. */
  read(name: string, dst: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Removes name; missing names are fine. */
  delete(name: string): Promise<void>;
  /** Every stored name, leftovers of interrupted writes included. */
  names(): Promise<string[]>;
}
