/** Turns what a page names into bytes that can be read at any offset. */

import { type Beside, downloadBeside } from "./download/beside.js";
import { healChunk, idOf, isWanted, located } from "./download/download.js";
import type { OnProgress } from "./download/progress.js";
import type { Source, UrlSource } from "./messages.js";
import type { Manifest } from "./storage/manifest.js";
import { Store } from "./storage/store.js";
import { BlobFile, type ByteSource, VerifiedFile } from "./storage/verified.js";

/** The store of this worker, opened with the first file that needs it. */
let store: Promise<Store> | undefined;

/** The file on the server changed while what was there of it was being read: begin again. */
export class ChangedWhileRead extends Error {}

/**
 * Opens a source: a file of the page's as it is, anything else from the store, while
 * what is missing of it is downloaded. Reads wait for what has not arrived.
 *
 * @throws NetError, QuotaError, HashError, or the signal's reason; reads and `whole`
 * reject with the same, and with ChangedWhileRead.
 */
export async function openSource(source: Source, signal: AbortSignal, onProgress: OnProgress): Promise<ByteSource> {
  if (source.kind === "blob") return new BlobFile(source.blob);
  const opened = await (store ??= Store.open());
  const wanted = located(source);
  const stored = await opened.manifests.get(idOf(wanted));
  signal.throwIfAborted();
  if (!stored?.complete || !isWanted(stored, wanted)) return await arriving(opened, wanted, signal, onProgress);
  await opened.touch(stored);
  return new StoredFile(fileOf(opened, stored, wanted, signal));
}

function fileOf(store: Store, m: Manifest, { headers }: UrlSource, signal: AbortSignal, beside?: Beside): VerifiedFile {
  return new VerifiedFile(store, m, (m, i) => healChunk(store, m, i, { signal, headers }), beside);
}

/** A file whose download begins now. Resolves as soon as its length is known. */
function arriving(store: Store, source: UrlSource, signal: AbortSignal, onProgress: OnProgress): Promise<ByteSource> {
  return new Promise((resolve, reject) => {
    let file: VerifiedFile | undefined;
    let finish: () => void;
    let fail: (why: unknown) => void;
    const whole = new Promise<void>((resolve, reject) => ([finish, fail] = [resolve, reject]));
    whole.catch(() => undefined); // whoever waits for it hears
    const beside = downloadBeside(source, {
      onProgress,
      begin(m) {
        if (file) return file.fail(new ChangedWhileRead(m.url));
        file = fileOf(store, m, source, signal, beside);
        resolve(new StoredFile(file, { whole, cancel: beside.cancel }));
      },
      stored: (i, digest, bytes) => file?.stored(i, digest, bytes),
      done: () => finish(),
      failed(why) {
        if (signal.aborted) why = signal.reason;
        file?.fail(why);
        fail(why);
        reject(why as Error);
      },
    });
    signal.addEventListener("abort", beside.cancel, { once: true });
    whole.finally(() => signal.removeEventListener("abort", beside.cancel)).catch(() => undefined);
  });
}

/** A file in the store, or on its way there. */
class StoredFile implements ByteSource {
  isWhole = true;
  readonly whole: Promise<void> = Promise.resolve();
  readonly #file: VerifiedFile;
  readonly #cancel: () => void = () => undefined;

  constructor(file: VerifiedFile, download?: { whole: Promise<void>; cancel: () => void }) {
    this.#file = file;
    if (download === undefined) return;
    this.isWhole = false;
    this.#cancel = download.cancel;
    this.whole = download.whole.then(() => void (this.isWhole = true));
    this.whole.catch(() => undefined); // whoever waits for it hears
  }

  get file(): string {
    return this.#file.file;
  }

  get size(): number {
    return this.#file.size;
  }

  get sha256(): string {
    return this.#file.sha256;
  }

  async read(offset: number, dst: Uint8Array): Promise<void> {
    await this.#file.read(offset, dst);
  }

  close(): void {
    if (!this.isWhole) this.#cancel();
    this.#file.close();
  }
}
